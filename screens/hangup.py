"""The terminal that goes away: an SSH line that drops, a window that is closed.

The kernel tells the leader of the session alone. Under `make`, `sudo` or a shell that waits, that is not us, and to
read from a terminal that is gone returns at once, for ever: a console nobody sees would take half a processor. So we
look.
"""

from __future__ import annotations

import asyncio
import select
import signal
from collections.abc import Callable

LOOK_EVERY_S = 2.0
_SIGNALS = (signal.SIGHUP, signal.SIGTERM)


def terminal_is_gone(descriptor: int) -> bool:
    """Whether the other side of a terminal was closed."""
    look = select.poll()
    look.register(descriptor, 0)
    return any(event & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, event in look.poll(0))


def end_on_signals(end: Callable[[], object]) -> None:
    """Call `end` when the process is asked to end, so that what it started ends with it. Needs a running loop."""
    for number in _SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, end)


def forget_signals() -> None:
    """Undo `end_on_signals`."""
    for number in _SIGNALS:
        asyncio.get_running_loop().remove_signal_handler(number)
