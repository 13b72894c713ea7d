"""A question before a write, where the operator wants to be asked once more: in production."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from genai_tui.errors import NotPermitted
from genai_tui.kube.journal import current_act

Ask = Callable[[str], Awaitable[bool]]
"""Told what is about to be written; answers whether it may be."""


class Gate:
    """Every write to a cluster comes by here before it is sent (`kube.writes`).

    Attributes:
        ask: asks the operator; None where nobody wants to be asked.
    """

    def __init__(self) -> None:
        self.ask: Ask | None = None
        self._passed = ""

    async def passes(self, what: str) -> None:
        """Ask, once for all the writes of one act.

        Raises:
            NotPermitted: the operator did not want it after all.
        """
        act = current_act()
        if self.ask is None or act == self._passed:
            return
        if not await self.ask(what):
            raise NotPermitted("nothing was written", why="the name of the context was not typed")
        self._passed = act
