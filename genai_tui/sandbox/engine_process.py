"""The real engine: llama.cpp with a small model, as a process that ends with its parent.

Prints one JSON line, {"address": ...}, when it answers; ends when its standard input does, which the kernel closes
when the parent dies in whatever way.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Any

THREADS = min(4, max(1, (os.cpu_count() or 1) // 2))
"""llama.cpp's threads wait for each other by spinning: where they do not all have a core they are ten times slower
than one alone, and the console wants a core too."""


def main(path: str, context: int, slots: int) -> None:
    """Serve the model file until standard input ends. `context` tokens are shared by `slots` requests at a time."""
    # A compiled module without type information.
    xllamacpp: Any = importlib.import_module("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = path
    params.n_ctx = context
    params.n_parallel = slots
    params.kv_unified = True
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    for threads in (params.cpuparams, params.cpuparams_batch):
        threads.n_threads = THREADS
        threads.poll = 0
    params.endpoint_metrics = True
    server = xllamacpp.Server(params)
    sys.stdout.write(json.dumps({"address": server.listening_address}) + "\n")
    sys.stdout.flush()
    sys.stdin.buffer.read()
    # The server's own shutdown waits for requests in flight; nobody is left to read their answers.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
