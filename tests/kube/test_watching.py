"""Lists and watches against a real socket: whatever breaks, the picture ends equal to a fresh list."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genai_tui.domain.cluster import ConfigMap, Kind, Sync
from genai_tui.domain.watching import Listed, Removed, SyncChanged, Upserted, WatchEvent
from genai_tui.errors import Unreachable
from genai_tui.kube import reads
from genai_tui.kube.connection import Connection
from genai_tui.kube.kubeconfig import resolve
from genai_tui.sandbox import registry
from genai_tui.sandbox.faults import Fault
from tests.kube.doubles import listening
from tests.sandbox.serving import Served, served

LABELS = {"genai-tui.dev/kind": "model"}


class Follower:
    """Keeps what a watch says, as a store would."""

    def __init__(self, connection: Connection, fallback: str | None = None) -> None:
        self.known: dict[str, dict[str, str]] = {}
        self.syncs: list[Sync] = []
        self.problems: list[str] = []
        self.pauses: list[float] = []
        self.lists = 0
        self._watch = reads.watch(connection, Kind.CONFIGMAP, pause=self._pause, fallback=fallback)
        self._task = asyncio.create_task(self._follow())

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0.01)

    async def _follow(self) -> None:
        async with aclosing(self._watch) as batches:
            async for batch in batches:
                for event in batch:
                    self._take(event)

    def _take(self, event: WatchEvent) -> None:
        match event:
            case Listed():
                self.lists += 1
                self.known = {o.meta.name: dict(o.data) for o in event.objects if isinstance(o, ConfigMap)}
            case Upserted(object=ConfigMap() as item):
                self.known[item.meta.name] = dict(item.data)
            case Removed():
                self.known.pop(event.key.name, None)
            case SyncChanged():
                self.syncs.append(event.sync)
                if event.problem is not None:
                    self.problems.append(event.problem.line)

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@contextlib.asynccontextmanager
async def following(connection: Connection, fallback: str | None = None) -> AsyncIterator[Follower]:
    follower = Follower(connection, fallback)
    try:
        yield follower
    finally:
        await follower.close()


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


def put(cluster: Served, name: str, value: str) -> None:
    def write() -> None:
        item = {"metadata": {"name": name, "labels": LABELS}, "data": {"spec": value}}
        if cluster.api.objects.get(registry.CONFIGMAPS, "default", name) is None:
            cluster.api.create(registry.CONFIGMAPS, "default", item)
        else:
            cluster.api.update(registry.CONFIGMAPS, "default", name, item)

    cluster.call(write)


def remove(cluster: Served, name: str) -> None:
    cluster.call(lambda: cluster.api.delete(registry.CONFIGMAPS, "default", name))


def live(cluster: Served) -> dict[str, dict[str, str]]:
    found = cluster.call(lambda: cluster.api.objects.list(registry.CONFIGMAPS, "default"))
    return {item["metadata"]["name"]: item["data"] for item in found}


STEPS = st.one_of(
    st.tuples(st.just("put"), st.sampled_from("abcde"), st.text("xyz", max_size=3)),
    st.tuples(st.just("remove"), st.sampled_from("abcde")),
    st.tuples(st.just("drop"), st.integers(0, 900)),
    st.tuples(st.just("refuse"), st.sampled_from((429, 500, 503, 504))),
    st.tuples(st.just("forget")),
    st.tuples(st.just("wait")),
)


async def walk(cluster: Served, plan: list[tuple[str | int, ...]]) -> None:
    async with Connection(resolve(str(cluster.kubeconfig()), None)) as connection, following(connection) as follower:
        for step in plan:
            match step:
                case ("put", str(name), str(value)):
                    put(cluster, name, value)
                case ("remove", str(name)) if name in live(cluster):
                    remove(cluster, name)
                case ("drop", int(size)):
                    cluster.faults.add(Fault("configmaps.*watch=1", drop_after=size))
                case ("refuse", int(code)):
                    cluster.faults.add(Fault("configmaps", status=code, retry_after=1 if code == 429 else None))
                case ("forget",):
                    cluster.call(cluster.api.objects.forget_log)
                    cluster.faults.add(Fault("configmaps.*watch=1", drop_after=0))
                case _:
                    await asyncio.sleep(0.02)
        cluster.faults.clear()
        put(cluster, "last", "")
        await until(lambda: follower.known == live(cluster))


@settings(max_examples=12)
@given(st.lists(STEPS, max_size=30))
def test_after_any_changes_and_broken_connections_the_picture_equals_a_fresh_list(
    plan: list[tuple[str | int, ...]],
) -> None:
    with tempfile.TemporaryDirectory() as directory, served(Path(directory)) as cluster:
        asyncio.run(walk(cluster, plan))


async def test_a_dropped_watch_goes_on_where_it_was_without_a_word(cluster: Served, connection: Connection) -> None:
    cluster.faults.add(Fault("watch=1", drop_after=10))
    async with following(connection) as follower:
        await until(lambda: Sync.LIVE in follower.syncs)
        put(cluster, "a", "1")
        await until(lambda: "a" in follower.known)
        assert follower.lists == 1
        assert follower.syncs == [Sync.LISTING, Sync.LIVE]


async def test_a_server_that_ends_each_watch_at_once_is_not_hammered(cluster: Served, connection: Connection) -> None:
    cluster.faults.add(Fault("watch=1", times=None, status=410))
    async with following(connection) as follower:
        await until(lambda: len(follower.pauses) >= 6)
        assert follower.problems[0].startswith("the API server ends each watch at once")
        assert max(follower.pauses[4:]) > 2 * max(follower.pauses[:2])
        cluster.faults.clear()
        put(cluster, "a", "1")
        await until(lambda: "a" in follower.known and follower.syncs[-1] is Sync.LIVE)


async def test_an_expired_version_is_listed_again(cluster: Served, connection: Connection) -> None:
    cluster.faults.add(Fault("watch=1", status=410))
    put(cluster, "a", "1")
    async with following(connection) as follower:
        await until(lambda: follower.lists == 2)
        put(cluster, "b", "2")
        await until(lambda: follower.known == {"a": {"spec": "1"}, "b": {"spec": "2"}})
        assert Sync.STALE not in follower.syncs


async def test_an_object_that_cannot_be_read_is_left_out_and_the_others_stand(
    cluster: Served, connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    def odd(name: str) -> None:
        metadata = {"name": name, "namespace": "default", "labels": LABELS}
        cluster.api.objects.put(registry.CONFIGMAPS, {"metadata": metadata, "data": {"spec": 5}})

    put(cluster, "a", "1")
    cluster.call(lambda: odd("listed"))
    async with following(connection) as follower:
        await until(lambda: follower.known == {"a": {"spec": "1"}})
        cluster.call(lambda: odd("watched"))
        put(cluster, "b", "2")
        await until(lambda: follower.known == {"a": {"spec": "1"}, "b": {"spec": "2"}})
    assert [r.levelname for r in caplog.records if "cannot be read" in r.message] == ["WARNING", "WARNING"]


async def test_a_busy_server_is_asked_again_when_it_said(cluster: Served, connection: Connection) -> None:
    cluster.faults.add(Fault("configmaps", status=429, retry_after=7))
    async with following(connection) as follower:
        await until(lambda: Sync.LIVE in follower.syncs)
        assert 7 <= follower.pauses[0] <= 7.5
        assert "busy" in follower.problems[0]


async def test_a_stalled_watch_is_noticed_and_resumed(
    cluster: Served, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reads, "SILENCE_LIMIT_S", 0.3)
    cluster.faults.add(Fault("watch=1", stall_after=0))
    async with following(connection) as follower:
        await until(lambda: Sync.LIVE in follower.syncs)
        put(cluster, "a", "1")
        await until(lambda: "a" in follower.known)
        assert follower.lists == 1


async def test_an_expired_page_is_followed_by_one_whole_list(
    cluster: Served, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reads, "PAGE", 2)
    for name in "abcde":
        put(cluster, name, "1")
    cluster.faults.add(Fault("continue=", status=410))
    async with following(connection) as follower:
        await until(lambda: len(follower.known) == 5)
        assert follower.lists == 1


async def test_a_server_that_is_gone_is_said_so_and_tried_again(cluster: Served) -> None:
    target = resolve(str(cluster.kubeconfig()), None)
    cluster.stop()
    async with Connection(target) as connection, following(connection) as follower:
        await until(lambda: len(follower.pauses) >= 3)
        assert "cannot reach the cluster at https://127.0.0.1" in follower.problems[0]
        assert follower.pauses[2] > follower.pauses[0] / 2


async def test_what_may_not_be_listed_is_told(cluster: Served) -> None:
    # The viewer reads ConfigMaps, but a role that does not even allow that sees why.
    cluster.call(lambda: cluster.api.objects.remove(registry.CLUSTER_ROLES, "", "view"))
    target = resolve(str(cluster.kubeconfig("viewer")), None)
    async with Connection(target) as connection, following(connection) as follower:
        await until(lambda: Sync.FORBIDDEN in follower.syncs)
        assert "vera may not list configmaps in the whole cluster" in follower.problems[0]


async def test_a_role_in_one_namespace_is_enough(cluster: Served) -> None:
    put(cluster, "a", "1")

    def grant() -> None:
        cluster.api.objects.remove(registry.CLUSTER_ROLES, "", "view")
        rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch"]}]
        cluster.api.create(registry.ROLES, "default", {"metadata": {"name": "reader"}, "rules": rules})
        subject = {"kind": "User", "name": "vera", "apiGroup": "rbac.authorization.k8s.io"}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}
        binding = {"metadata": {"name": "reader"}, "subjects": [subject], "roleRef": role}
        cluster.api.create(registry.ROLE_BINDINGS, "default", binding)

    cluster.call(grant)
    target = resolve(str(cluster.kubeconfig("viewer")), None)
    async with Connection(target) as connection, following(connection, fallback="default") as follower:
        await until(lambda: follower.known == {"a": {"spec": "1"}})


async def test_large_lists_come_in_pages(
    cluster: Served, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reads, "PAGE", 7)
    for number in range(40):
        put(cluster, f"m{number}", "x")
    async with following(connection) as follower:
        await until(lambda: len(follower.known) == 40)
        assert follower.lists == 1


async def test_a_server_that_accepts_and_says_nothing_is_not_live(
    cluster: Served, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await reads.ping(connection) > 0
    monkeypatch.setattr(reads, "PING_LIMIT_S", 0.2)
    cluster.faults.add(Fault("/version", latency=20))
    with pytest.raises(Unreachable) as caught:
        await reads.ping(connection)
    assert "did not answer in time" in caught.value.problem.line
    cluster.faults.clear()
    monkeypatch.setattr(reads, "PING_LIMIT_S", 20)
    assert await reads.ping(connection) > 0


async def test_a_request_that_is_given_up_while_it_connects_leaves_no_socket_open(tmp_path: Path) -> None:
    hello, hung_up = asyncio.Event(), asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        while await reader.read(4096):
            hello.set()
        hung_up.set()

    async with listening(say_nothing) as (_, port):
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(
            f"clusters: [{{name: c, cluster: {{server: 'https://127.0.0.1:{port}'}}}}]\n"
            "contexts: [{name: c, context: {cluster: c}}]\ncurrent-context: c\n"
        )
        async with Connection(resolve(str(kubeconfig), None)) as connection:
            asking = asyncio.create_task(reads.ping(connection))
            async with asyncio.timeout(10):
                await hello.wait()
                asking.cancel()
                await asyncio.wait([asking])
                # `asking` holds what was opened: nothing is collected before the server has seen the end.
                await hung_up.wait()
            assert asking.cancelled()
