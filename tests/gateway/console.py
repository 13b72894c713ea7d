"""A console that asks again and again, without its screens: prints the tokens of each answer whose row was acknowledged.

Usage: python -m tests.gateway.console KUBECONFIG STATE FIRST [LARGEST]

Answers have FIRST, FIRST + 2, ... tokens, and begin again at 60. With LARGEST no file it writes may be larger.
"""

from __future__ import annotations

import asyncio
import resource
import sys
from contextlib import aclosing
from itertools import cycle
from pathlib import Path

from genai_tui.composition import build_services
from genai_tui.domain.chat import ChatRequest, Message, Sampling
from genai_tui.domain.rows import Ref
from genai_tui.errors import GenaiTuiError
from genai_tui.settings import Settings


async def ask(kubeconfig: str, state: str, first: int) -> int:
    """Until it is killed, or a row cannot be kept."""
    services = build_services(Settings(kubeconfig=kubeconfig, state=Path(state)))
    try:
        await services.settle()
        for tokens in cycle(range(first, 60, 2)):
            request = ChatRequest(Ref("team-a", "chat"), (Message("user", "Hello"),), Sampling(max_tokens=tokens))
            async with aclosing(services.playground.ask(request)) as events:
                async for _ in events:
                    pass
            print(tokens, flush=True)  # noqa: T201
    except GenaiTuiError as error:
        print(error.problem.line, file=sys.stderr, flush=True)  # noqa: T201
        return 1
    finally:
        await services.close()
    return 0


if __name__ == "__main__":
    if len(sys.argv) > 4:
        largest = int(sys.argv[4])
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
    sys.exit(asyncio.run(ask(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
