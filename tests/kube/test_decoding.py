"""What a real API server (1.36) answered, read by our decoders; and whatever else may come on the wire."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genai_tui.domain.cluster import Event, Kind, Node, Observed, Pod, Workload
from genai_tui.domain.watching import Removed, Upserted
from genai_tui.errors import BadInput, Conflict, CredentialsRejected, GenaiTuiError, NotFound, NotPermitted, Refused
from genai_tui.kube.codec import RESOURCES, Codec
from genai_tui.kube.refusals import Busy, Gone, Modified, refusal
from tests.sandbox.test_replay import read

Json = dict[str, Any]
LISTS = {
    "16-list-label-selector": Kind.DEPLOYMENT,
    "19-list-pods": Kind.POD,
    "48-pods-failing": Kind.POD,
    "49-events": Kind.EVENT,
    "56-nodes": Kind.NODE,
}


def listed(name: str) -> list[Observed]:
    slices, _ = Codec(RESOURCES[LISTS[name]]).page(read(name).answer.encode())
    return [item for part in slices for item in part]


@pytest.mark.parametrize("name", LISTS)
def test_every_object_of_a_recorded_list_is_read_with_its_identity(name: str) -> None:
    recorded = json.loads(read(name).answer)
    objects = listed(name)
    _, meta = Codec(RESOURCES[LISTS[name]]).page(read(name).answer.encode())
    assert [o.meta.name for o in objects] == [item["metadata"]["name"] for item in recorded["items"]]
    assert [o.meta.version for o in objects] == [item["metadata"]["resourceVersion"] for item in recorded["items"]]
    assert meta.resource_version == recorded["metadata"]["resourceVersion"]
    assert meta.continue_ == recorded["metadata"].get("continue")


def test_a_recorded_deployment() -> None:
    (web,) = listed("16-list-label-selector")
    assert isinstance(web, Workload)
    assert (web.replicas, web.ready, web.updated, web.available, web.total) == (2, 2, 2, 2, 2)
    assert web.selector == {"app": "web"}
    assert {c.type: c.status for c in web.conditions} == {"Available": "True", "Progressing": "True"}
    assert web.containers[0].image == "nginx:1.27"
    assert web.meta.created == datetime(2026, 11, 23, 9, 18, 19, tzinfo=UTC)


def test_recorded_pods_that_run_and_that_fail() -> None:
    running = listed("19-list-pods")
    assert all(isinstance(pod, Pod) and pod.ready and pod.states[0].state == "running" for pod in running)
    pods = {pod.meta.name.partition("-")[0]: pod for pod in listed("48-pods-failing") if isinstance(pod, Pod)}
    scheduled = {c.type: c for c in pods["big"].conditions}["PodScheduled"]
    assert (scheduled.status, scheduled.reason) == ("False", "Unschedulable")
    assert "21 Insufficient nvidia.com/gpu" in scheduled.message
    assert list(pods["big"].containers[0].gpus) == ["nvidia.com/gpu"]
    assert pods["big"].node is None
    assert pods["badimage"].states[0].reason in ("ErrImagePull", "ImagePullBackOff")
    crashed = pods["crash"].states[0]
    assert crashed.restarts > 0
    assert crashed.last_exit_code is not None
    assert crashed.last_reason in ("Error", "OOMKilled")


def test_recorded_events_of_the_old_and_the_new_form() -> None:
    events = [event for event in listed("49-events") if isinstance(event, Event)]
    assert all(event.last_seen is not None and event.reason and event.source for event in events)
    pulling = next(event for event in events if event.reason == "Pulling")
    assert (pulling.count, pulling.regarding_kind) == (2, "Pod")
    assert pulling.last_seen == datetime(2026, 11, 23, 9, 18, 45, tzinfo=UTC)


def test_a_recorded_node() -> None:
    (node,) = listed("56-nodes")
    assert isinstance(node, Node)
    assert node.allocatable["nvidia.com/gpu"] == "8"
    assert node.ready


@pytest.mark.parametrize("name", ["25-watch-initial-bookmark", "26-watch-too-old"])
def test_a_recorded_watch(name: str) -> None:
    codec = Codec(RESOURCES[Kind.DEPLOYMENT])
    versions = []
    for line in read(name).answer.splitlines():
        if line.strip():
            event, version = codec.line(line.encode())
            bookmark = '"type":"BOOKMARK"' in line
            assert (event is None) is bookmark
            assert bookmark or (isinstance(event, Upserted) and event.object.meta.version == version)
            versions.append(int(version))
    assert versions == sorted(versions)
    assert len(versions) > 1


def test_a_removal_and_an_expired_watch() -> None:
    codec = Codec(RESOURCES[Kind.POD])
    gone = {"type": "DELETED", "object": {"metadata": {"name": "p", "namespace": "n", "resourceVersion": "7"}}}
    event, version = codec.line(json.dumps(gone).encode())
    assert isinstance(event, Removed)
    assert (event.key.namespace, event.key.name, version) == ("n", "p", "7")
    expired = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}}
    with pytest.raises(Gone):
        codec.line(json.dumps(expired).encode())


REFUSALS: list[tuple[str, type[GenaiTuiError], str]] = [
    ("07-create-again-409", Conflict, '"web" already exists; choose another name'),
    ("08-create-invalid-422", BadInput, "spec.template.metadata.labels: Invalid value"),
    ("09-create-wrong-type-400", Refused, "cannot unmarshal string"),
    ("10-create-unknown-field-strict", Refused, 'unknown field "spec.replcas"'),
    ("12-create-no-namespace-404", NotFound, 'namespaces "nope" not found'),
    ("22-list-bad-continue", Refused, "continue key is not valid"),
    ("31-apply-conflict-409", Conflict, "genai-tui owns 1 field this would change: .spec.replicas"),
    ("35-apply-immutable-selector-422", BadInput, "spec.selector: Invalid value"),
    ("39-put-conflict-409", Modified, "the object has been modified"),
    ("42-forbidden-403", NotPermitted, "alice may not list deployments.apps in namespace rec"),
    ("43-forbidden-cluster-403", NotPermitted, "alice may not list nodes in the whole cluster"),
    ("44-unauthorized-401", CredentialsRejected, "missing, wrong or expired; log in again"),
    ("51-pod-log-no-container-400", Refused, "container nope is not valid"),
    ("57-crd-missing-404", NotFound, "404 page not found"),
    ("59-method-405", Refused, "does not allow this method"),
]


@pytest.mark.parametrize(("name", "kind", "text"), REFUSALS)
def test_every_recorded_refusal_is_one_line_in_words(name: str, kind: type[GenaiTuiError], text: str) -> None:
    exchange = read(name)
    error = refusal(exchange.status, exchange.answer.encode())
    assert type(error) is kind
    assert text in error.problem.line


def test_a_refusal_of_something_in_between_is_told_without_its_markup() -> None:
    page = b"<html><head><style>b{}</style></head><body><h1>502 Bad Gateway</h1>\n\x1b[31mnginx</body></html>"
    error = refusal(502, page)
    assert error.problem.line == "the API server cannot do this now: 502 Bad Gateway nginx"
    busy = refusal(429, b'{"kind":"Status","message":"later","details":{"retryAfterSeconds":4}}')
    assert isinstance(busy, Busy)
    assert busy.retry_after == 4


@given(
    st.integers(400, 599),
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(
                st.sampled_from(["message", "reason", "details", "causes", "field", "code"]), inner, max_size=3
            )
        ),
        max_leaves=6,
    ).map(lambda value: json.dumps(value).encode()),
)
def test_any_refusal_whatever_its_body_is_one_printable_line(code: int, body: bytes) -> None:
    line = refusal(code, body).problem.line
    assert line.strip()
    assert line.isprintable()


ODD = (
    st.none()
    | st.booleans()
    | st.integers(-5, 10**12)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4)
)


@settings(max_examples=150)
@given(st.sampled_from(sorted(LISTS)), st.data())
def test_a_list_with_one_odd_object_loses_at_most_that_object(name: str, data: st.DataObject) -> None:
    """Anything may be null, missing, of another type, or of a form we do not know."""
    recorded = json.loads(read(name).answer)
    sound = [item["metadata"]["name"] for item in recorded["items"]]
    victim = data.draw(st.integers(0, len(sound) - 1))
    place: Any = recorded["items"][victim]
    for _ in range(data.draw(st.integers(0, 4))):
        keys: list[Any] = list(place) if isinstance(place, dict) else list(range(len(place)))
        inner = [key for key in keys if isinstance(place[key], dict | list) and place[key]]
        if not inner:
            break
        place = place[data.draw(st.sampled_from(inner))]
    key = data.draw(st.sampled_from(list(place) if isinstance(place, dict) else list(range(len(place)))))
    place[key] = data.draw(ODD | st.just([]) | st.just({}) | st.just([None]))
    codec = Codec(RESOURCES[LISTS[name]])
    slices, _ = codec.page(json.dumps(recorded).encode())
    found = {o.meta.name for part in slices for o in part}
    assert found >= {*sound[:victim], *sound[victim + 1 :]}
    line = json.dumps({"type": "MODIFIED", "object": recorded["items"][victim]}).encode()
    codec.line(line)


@given(st.binary(max_size=50))
def test_a_line_that_is_no_event_is_refused_and_nothing_else(raw: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        Codec(RESOURCES[Kind.POD]).line(raw)


def test_reading_the_cluster_loads_neither_screens_nor_the_typed_client() -> None:
    code = (
        "import sys, genai_tui.kube.connection, genai_tui.kube.reads, genai_tui.kube.writes, genai_tui.kube.reach\n"
        "print([m for m in ('textual', 'kubernetes', 'kubernetes.client', 'websocket') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
