"""Counters read from Limitador: which are ours, what they mean, and why they cannot be read where they cannot."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_tui.domain.limits import Level, OpenWindow, Unit
from genai_tui.domain.rows import Ref
from genai_tui.errors import GenaiTuiError, NotPermitted, Unreachable
from genai_tui.kube import limitador
from genai_tui.kube.connection import Connection
from genai_tui.kube.kubeconfig import resolve
from genai_tui.kube.limitador import Limitador
from genai_tui.kube.limitador_wire import identifier, limits_kept, open_windows
from genai_tui.kube.manifests.kuadrant import render
from tests.kube.doubles import listening
from tests.kube.limitador import DEFINITION, LimitadorDouble, compiled, counter, install
from tests.manifests.crds import serving
from tests.manifests.test_gateways import example
from tests.rbac.acts import until
from tests.sandbox.serving import Served

Json = dict[str, Any]
REF = Ref("genai", "llama-31-8b")
ALL = frozenset((level, unit) for level in Level for unit in Unit)
PARENT: Json = {"namespace": "genai", "name": "genai"}


def ours(ref: Ref = REF) -> list[Json]:
    """The six limits of the example as they stand in Limitador."""
    return compiled(render(ref.name, ref.namespace, example().spec, PARENT, "chat.example.com"))


def named(name: str) -> Json:
    return next(limit for limit in ours() if limit["name"] == name)


def dumped(items: object) -> bytes:
    return json.dumps(items).encode()


def test_the_key_of_a_limit_is_the_one_a_cluster_showed() -> None:
    # As printed by `curl :8080/limits/llm-d%2Fqwen-qwen3-0-6b` for a policy with these names.
    policy = Ref("llm-d", "basic-rate-limits")
    assert identifier("limit", policy, "premium-user-requests") == "limit.premium_user_requests__4f559388"
    assert identifier("limit", policy, "free-user-requests") == "limit.free_user_requests__3a36ecc2"


def test_every_limit_that_is_rendered_is_found_again_and_no_other() -> None:
    assert limits_kept(dumped(ours()), REF) == ALL
    assert limits_kept(dumped(ours(Ref("genai", "other"))), REF) == frozenset(), "another policy on the same route"
    assert limits_kept(dumped([limit | {"name": None} for limit in ours()]), REF) == ALL
    by_others = [limit | {"variables": ['descriptors[0]["request.host"]']} for limit in ours()]
    assert limits_kept(dumped(by_others), REF) == frozenset(), "ours do not count by that"


def test_a_counter_says_whose_it_is_how_much_is_used_and_when_it_ends() -> None:
    org, user, tokens = named("org-rpm"), named("user-rpm"), named("c-key-tpm")
    strangers = counter(ours(Ref("genai", "other"))[0], "org-a", 5)
    elsewhere = {"limit": {"namespace": "genai/llama-31-8b", "conditions": [], "variables": []}, "remaining": None}
    answer = [
        counter(org, "org-a", 7, 41),
        counter(user, '"alice"', 120, 0),
        counter(tokens, "k-1", 23_456),
        strangers,
        elsewhere,
    ]
    assert open_windows(dumped(answer), REF) == (
        OpenWindow(Level.ORGANIZATION, Unit.REQUESTS, "org-a", 7, 41.0),
        # Quotes are no part of a name, and a window that is open has not ended.
        OpenWindow(Level.USER, Unit.REQUESTS, "alice", 120, 1.0),
        # More than its 20000: what is left has wrapped around.
        OpenWindow(Level.API_KEY, Unit.TOKENS, "k-1", 23_456, 30.0),
    )


@pytest.mark.parametrize("spelling", ["descriptors[0].auth.identity.user", "auth.identity.user"])
def test_older_spellings_are_read_too(spelling: str) -> None:
    limit = named("user-rpm")
    limit = limit | {"variables": [spelling], "conditions": [limit["conditions"][0].split('"')[1] + ' == "1"']}
    assert limits_kept(dumped([limit]), REF) == {(Level.USER, Unit.REQUESTS)}
    (window,) = open_windows(dumped([counter(limit, "alice", 3)]), REF)
    assert (window.subject, window.used) == ("alice", 3)


@pytest.mark.parametrize(
    "changed",
    [
        {"remaining": None}, {"expires_in_seconds": None}, {"remaining": 121}, {"remaining": "1"},
        {"set_variables": {}}, {"expires_in_seconds": 10**400},
    ],
)  # fmt: skip
def test_a_counter_of_ours_that_cannot_be_read_is_no_zero(changed: Json) -> None:
    with pytest.raises(Unreachable, match="a counter of Limitador is not understood"):
        open_windows(dumped([counter(named("user-rpm"), "alice", 3) | changed]), REF)


LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
ANYTHING = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner))
PARTS = ("limit", "set_variables", "remaining", "expires_in_seconds")
SPOILED = st.dictionaries(st.sampled_from(PARTS), ANYTHING).map(lambda s: counter(named("user-rpm"), "alice", 3) | s)


@given(ANYTHING | st.lists(ANYTHING | SPOILED) | SPOILED)
def test_whatever_is_answered_is_left_out_or_not_understood(answer: object) -> None:
    for read in (limits_kept, open_windows):
        with contextlib.suppress(Unreachable):
            read(dumped(answer), REF)


@given(st.binary(max_size=40) | st.integers(0, 5000).map(lambda n: b"[" * n))
def test_what_is_no_json_is_not_understood(answer: bytes) -> None:
    with contextlib.suppress(Unreachable):
        assert open_windows(answer, REF) == ()


# -- over real sockets ----------------------------------------------------------------------------------------------


@pytest.fixture
def served_kind() -> Iterator[None]:
    with serving([DEFINITION]):
        yield


@pytest.fixture
async def double(cluster: Served, served_kind: None) -> AsyncIterator[LimitadorDouble]:
    """Behind port 8090 of the pods."""
    made = LimitadorDouble(ours())
    async with listening(made.handle) as address:
        cluster.agent.listening[8090] = address
        yield made


@contextlib.asynccontextmanager
async def asking(cluster: Served, role: str = "admin") -> AsyncIterator[Limitador]:
    async with Connection(resolve(str(cluster.kubeconfig(role)), None)) as connection:
        made = Limitador(connection, "default")
        try:
            yield made
        finally:
            await made.close()
            # What the package runs behind a port-forward ends by itself, a moment after it was let go.
            await until(lambda: not any("port forward" in thread.name for thread in threading.enumerate()))


async def test_the_counters_come_through_one_port_forward(cluster: Served, double: LimitadorDouble) -> None:
    install(cluster, "default", port=8090)
    async with asking(cluster) as found:
        nothing = await found.of(REF)
        assert (nothing.kept, nothing.open, nothing.since) == (ALL, (), None)
        double.count("user-rpm", "alice", 12)
        told = await found.of(REF)
        assert told.open == (OpenWindow(Level.USER, Unit.REQUESTS, "alice", 12, 30.0),)
        other = await found.of(replace(REF, name="other"))
        assert (other.kept, other.open) == (frozenset(), ())
    # The slash of the namespace arrives as it has to: %2F.
    assert double.lines[:2] == [f"GET /{what}/genai%2Fllama-31-8b HTTP/1.1" for what in ("limits", "counters")]
    assert double.connections == 2, "one to see that it may be opened, and one that stays"


async def test_a_pod_that_is_gone_is_looked_for_again(cluster: Served, double: LimitadorDouble) -> None:
    install(cluster, "default", port=8090)
    double.count("org-rpm", "org-a", 1)
    async with asking(cluster) as found:
        assert (await found.of(REF)).open
        double.garbles = True
        with pytest.raises(Unreachable, match="gave no answer when it was asked for its counters") as broken:
            await found.of(REF)
        assert "limitador#522" in broken.value.problem.line
        double.garbles = False
        assert (await found.of(REF)).open
    assert double.connections == 4, "a new one"


@pytest.mark.parametrize("storage", [None, {}, {"disk": {}}])
async def test_replicas_that_count_apart_are_not_added_up(
    cluster: Served, double: LimitadorDouble, storage: Json | None
) -> None:
    install(cluster, "default", pods=2, storage=storage, port=8090)
    async with asking(cluster) as found:
        with pytest.raises(Unreachable, match="Limitador runs 2 replicas that count apart"):
            await found.of(REF)


@pytest.mark.parametrize("kind", ["redis", "redis-cached"])
async def test_replicas_with_one_redis_count_together(cluster: Served, double: LimitadorDouble, kind: str) -> None:
    install(cluster, "default", pods=2, storage={kind: {"configSecretRef": {"name": "redis"}}}, port=8090)
    double.count("key-rpm", "k-1", 2)
    async with asking(cluster) as found:
        assert len((await found.of(REF)).open) == 1


async def test_why_nothing_is_known_is_said(
    cluster: Served, double: LimitadorDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def why(role: str = "admin") -> GenaiTuiError:
        async with asking(cluster, role) as found:
            with pytest.raises(GenaiTuiError) as error:
                await found.of(REF)
        return error.value

    assert "there is no Limitador in namespace default" in (await why()).problem.line
    install(cluster, "default", pods=0)
    assert "no pod of Limitador is ready in namespace default" in (await why()).problem.line
    forbidden = await why("viewer")
    assert isinstance(forbidden, NotPermitted)
    assert "vera may not get limitadors.limitador.kuadrant.io in namespace default" in forbidden.problem.line


async def test_an_answer_that_does_not_come_or_is_none_is_said(
    cluster: Served, double: LimitadorDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(cluster, "default", port=8090)
    double.status = 500
    async with asking(cluster) as found:
        with pytest.raises(Unreachable, match="answered HTTP 500 when it was asked for its limits"):
            await found.of(REF)
        double.status = 200
        assert (await found.of(REF)).kept == ALL
        double.answers.clear()
        monkeypatch.setattr(limitador, "WAIT_S", 0.2)
        with pytest.raises(Unreachable, match="did not answer within"):
            await found.of(REF)
        cluster.agent.listening.clear()
        monkeypatch.setattr(limitador, "WAIT_S", 5.0)
        with pytest.raises(Unreachable, match="Limitador does not answer"):
            await found.of(REF)


async def test_a_question_that_is_given_up_leaves_nothing_open(cluster: Served, double: LimitadorDouble) -> None:
    install(cluster, "default", port=8090)
    async with asking(cluster) as found:
        double.answers.clear()
        question = asyncio.create_task(found.of(REF))
        while not double.lines:
            await asyncio.sleep(0.005)
        question.cancel()
        await asyncio.gather(question, return_exceptions=True)
        double.answers.set()
        assert (await found.of(REF)).kept == ALL
