"""A command in a pod, against a real WebSocket: its output, its failure, what is refused, what never ends."""

from __future__ import annotations

import asyncio
import threading

import pytest

from genai_tui.errors import GenaiTuiError, NotFound, NotPermitted, TimedOut
from genai_tui.kube import executing
from genai_tui.kube.connection import Connection
from genai_tui.kube.kubeconfig import resolve
from genai_tui.sandbox.objects import Object
from tests.kube.test_reaching import pod
from tests.rbac.acts import until
from tests.sandbox.serving import Served


async def run(connection: Connection, name: str = "p", *words: str) -> bytes:
    return await executing.run(connection, "default", name, "main", words)


def answer(cluster: Served, out: bytes, err: bytes = b"", code: int = 0, after: float = 0.0) -> list[list[str]]:
    asked: list[list[str]] = []

    async def command(pod: Object, container: str, command: list[str]) -> tuple[bytes, bytes, int]:
        asked.append([container, *command])
        await asyncio.sleep(after)
        return out, err, code

    cluster.agent.exec = command  # type: ignore[method-assign]
    return asked


async def test_output_comes_whole_and_words_go_as_they_are(cluster: Served, connection: Connection) -> None:
    pod(cluster)
    asked = answer(cluster, b"a, b\n" * 50_000)
    assert await run(connection, "p", "tool", "--query=a,b&c d", "ü%") == b"a, b\n" * 50_000
    assert asked == [["main", "tool", "--query=a,b&c d", "ü%"]]


async def test_a_failure_says_what_the_command_said(cluster: Served, connection: Connection) -> None:
    pod(cluster)
    answer(cluster, b"", b"first\nnot found in $PATH \x1b[31mred\n", 127)
    with pytest.raises(GenaiTuiError, match="first") as told:
        await run(connection, "p", "nvidia-smi")
    assert "not found in $PATH" in told.value.problem.detail


async def test_what_does_not_end_is_given_up_with_the_thread_that_waits_for_it(
    cluster: Served, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    pod(cluster)
    asked = answer(cluster, b"late", after=30)
    read, began, ended = executing._Running.finish, threading.Event(), threading.Event()

    def finish(running: executing._Running) -> bytes:
        began.set()
        try:
            return read(running)
        finally:
            ended.set()

    monkeypatch.setattr(executing._Running, "finish", finish)
    monkeypatch.setattr(executing, "LIMIT_S", 0.2)
    with pytest.raises(TimedOut, match="sleep in default/p"):
        await run(connection, "p", "sleep")
    assert await asyncio.to_thread(ended.wait, 10)
    began.clear()
    ended.clear()
    monkeypatch.setattr(executing, "LIMIT_S", 30)
    waiting = asyncio.create_task(run(connection, "p", "sleep"))
    await until(lambda: len(asked) == 2 and began.is_set())
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await asyncio.to_thread(ended.wait, 10)


async def test_who_may_not_and_what_is_not_there_are_told(cluster: Served, connection: Connection) -> None:
    with pytest.raises(NotFound):
        await run(connection, "none", "x")
    pod(cluster)
    viewer = Connection(resolve(str(cluster.kubeconfig("viewer")), None))
    try:
        with pytest.raises(NotPermitted, match="pods/exec"):
            await run(viewer, "p", "x")
    finally:
        await viewer.close()
