"""When Python collects garbage: seldom while a program starts, in small parts while somebody types."""

from __future__ import annotations

import gc


def collect_seldom() -> None:
    """Let garbage be collected as suits a program of long-lived objects.

    Most of what is allocated stays: the modules, then the picture of the cluster. Python's own thresholds go through
    all of it hundreds of times, which costs a tenth of the start and half of the time that a long list takes.
    """
    gc.set_threshold(50_000, 20, 100)


def collect_in_parts() -> None:
    """Never let a key wait for a collection: what is there now is left alone, what comes is looked through in parts.

    Called when the modules are loaded and the cluster has been listed. Drawing makes much garbage in cycles: collected
    seldom, it took up to 140 ms at a time (`benchmarks/rollouts.py`).
    """
    gc.freeze()
    gc.set_threshold(10_000, 5, 50)
