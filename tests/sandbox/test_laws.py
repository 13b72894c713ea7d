"""Laws that patches, server-side apply, paging and watches keep, whatever the objects."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_tui.sandbox import patch, registry
from genai_tui.sandbox.clock import Clock
from genai_tui.sandbox.kinds import schema_of
from genai_tui.sandbox.objects import Object, Objects
from genai_tui.sandbox.reading import Watch, listing
from genai_tui.sandbox.status import ApiError
from genai_tui.sandbox.verbs import Api

NAMES = st.sampled_from(["a", "b", "c", "d"])
WORDS = st.text("xyz", max_size=2)
MAPS = st.dictionaries(NAMES, WORDS, max_size=4)
JSON = st.recursive(
    st.booleans() | st.integers(-9, 9) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(NAMES, JSON, max_size=4)
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def new_api() -> Api:
    api = Api(Objects(), Clock(NOW))
    api.create(registry.NAMESPACES, "", {"metadata": {"name": "n"}})
    return api


def config(data: dict[str, str], labels: dict[str, str]) -> Object:
    meta = {"name": "m"} | ({"labels": labels} if labels else {})
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta} | ({"data": data} if data else {})


def apply(api: Api, item: Object, manager: str, *, force: bool = False) -> Object:
    resource = registry.by_kind(item["apiVersion"], item["kind"])
    assert resource is not None
    name = item["metadata"]["name"]
    return api.apply(resource, "n", name, item, manager=manager, force=force)[0]


def deployment(env: dict[str, str], ports: dict[int, str]) -> Object:
    container: Object = {"name": "c", "image": "i:1", "env": [{"name": k, "value": v} for k, v in env.items()]}
    container["ports"] = [{"containerPort": number, "name": name} for number, name in ports.items()]
    labels = {"app": "x"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}


ENVS = st.dictionaries(st.sampled_from(["A", "B", "C"]), st.text("xyz", min_size=1, max_size=2))
PORTS = st.dictionaries(st.sampled_from([80, 81, 82]), st.sampled_from(["p", "q"]))


# -- merge, JSON and strategic patches -------------------------------------------------------------------------------


def merge_patch_between(old: Any, new: Any) -> Any:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    gone = {name: None for name in old if name not in new}
    return gone | {n: merge_patch_between(old.get(n), v) for n, v in new.items() if n not in old or old[n] != v}


@given(DOCUMENTS, DOCUMENTS)
def test_a_merge_patch_leads_from_any_object_to_any_other_and_stays(old: Object, new: Object) -> None:
    before = json.dumps(old)
    difference = merge_patch_between(old, new)
    assert patch.merge(old, difference) == new
    assert patch.merge(new, difference) == new
    assert json.dumps(old) == before


@given(DOCUMENTS, NAMES, JSON)
def test_json_patch_add_test_remove_is_the_identity(document: Object, name: str, value: Any) -> None:
    fresh = {k: v for k, v in document.items() if k != name}
    path = f"/{name}"
    steps = [{"op": "add", "path": path, "value": value}, {"op": "test", "path": path, "value": value}]
    assert patch.json_patch(fresh, steps) == fresh | {name: value}
    assert patch.json_patch(fresh, [*steps, {"op": "remove", "path": path}]) == fresh
    moved = patch.json_patch(fresh, [*steps, {"op": "copy", "from": path, "path": path}])
    assert moved == fresh | {name: value}


@given(DOCUMENTS, NAMES)
def test_json_patch_fails_as_a_whole(document: Object, name: str) -> None:
    fresh = {k: v for k, v in document.items() if k != name}
    before = json.dumps(fresh)
    steps = [{"op": "add", "path": "/e", "value": 1}, {"op": "replace", "path": f"/{name}", "value": 1}]
    with pytest.raises(ApiError) as caught:
        patch.json_patch(fresh, steps)
    assert caught.value.code == 422
    assert json.dumps(fresh) == before


def by_key(items: list[Object], key: str) -> dict[Any, Object]:
    return {item[key]: item for item in items}


@given(ENVS, ENVS, PORTS, PORTS)
def test_strategic_merge_joins_lists_by_key(
    env: dict[str, str], more: dict[str, str], ports: dict[int, str], more_ports: dict[int, str]
) -> None:
    node = schema_of("Deployment")
    once = patch.strategic(deployment(env, ports), deployment(more, more_ports), node)
    assert patch.strategic(once, deployment(more, more_ports), node) == once
    container = once["spec"]["template"]["spec"]["containers"][0]
    assert {e["name"]: e["value"] for e in container["env"]} == env | more
    assert {p["containerPort"]: p["name"] for p in container["ports"]} == ports | more_ports


@given(ENVS, st.sampled_from(["A", "B", "C"]))
def test_strategic_delete_removes_one_item_and_no_directive_stays(env: dict[str, str], name: str) -> None:
    removal = {"name": "c", "env": [{"name": name, "$patch": "delete"}]}
    body = {"spec": {"template": {"spec": {"containers": [removal], "$setElementOrder/containers": [{"name": "c"}]}}}}
    done = patch.strategic(deployment(env, {}), body, schema_of("Deployment"))
    left = {e["name"] for e in done["spec"]["template"]["spec"]["containers"][0].get("env") or ()}
    assert left == set(env) - {name}
    assert "$" not in json.dumps(done)


# -- server-side apply -----------------------------------------------------------------------------------------------


@given(ENVS, PORTS)
def test_applying_twice_changes_nothing(env: dict[str, str], ports: dict[int, str]) -> None:
    api = new_api()
    first = apply(api, deployment(env, ports), "me")
    assert apply(api, deployment(env, ports), "me") == first


@given(MAPS, MAPS, MAPS, MAPS)
def test_what_is_no_longer_applied_vanishes_and_the_rest_of_the_world_stays(
    data: dict[str, str], later: dict[str, str], labels: dict[str, str], theirs: dict[str, str]
) -> None:
    api = new_api()
    apply(api, config({f"{k}-theirs": v for k, v in theirs.items()}, {}), "other")
    apply(api, config(data, labels), "me")
    done = apply(api, config(later, {}), "me")
    assert done.get("data", {}) == later | {f"{k}-theirs": v for k, v in theirs.items()}
    assert not done["metadata"].get("labels")


@given(ENVS, ENVS)
def test_disowned_list_items_vanish(env: dict[str, str], later: dict[str, str]) -> None:
    api = new_api()
    apply(api, deployment(env, {}), "me")
    container = apply(api, deployment(later, {}), "me")["spec"]["template"]["spec"]["containers"][0]
    assert {e["name"]: e["value"] for e in container.get("env") or ()} == later


@given(MAPS, MAPS)
def test_a_conflict_names_the_manager_and_the_fields_and_force_takes_them(
    mine: dict[str, str], theirs: dict[str, str]
) -> None:
    api = new_api()
    apply(api, config(theirs, {}), "them")
    disputed = {name for name in mine if name in theirs and mine[name] != theirs[name]}
    if not disputed:
        done = apply(api, config(mine, {}), "me")
        assert done.get("data", {}) == theirs | mine
        return
    with pytest.raises(ApiError) as caught:
        apply(api, config(mine, {}), "me")
    causes = (caught.value.details or {})["causes"]
    assert caught.value.code == 409
    assert {cause["field"] for cause in causes} == {f".data.{name}" for name in disputed}
    assert all(cause["message"] == 'conflict with "them"' for cause in causes)
    done = apply(api, config(mine, {}), "me", force=True)
    assert done["data"] == theirs | mine
    owners = {entry["manager"]: set(entry["fieldsV1"].get("f:data", {})) for entry in done["metadata"]["managedFields"]}
    assert owners["me"] == {f"f:{name}" for name in mine}
    assert owners.get("them", set()) == {f"f:{name}" for name in theirs if name not in disputed}


@given(MAPS, MAPS)
def test_an_update_takes_the_fields_it_changes(data: dict[str, str], changed: dict[str, str]) -> None:
    api = new_api()
    applied = apply(api, config(data, {}), "me")
    done = api.update(registry.CONFIGMAPS, "n", "m", applied | {"data": changed}, manager="editor")
    touched = {name for name in changed if data.get(name) != changed[name]}
    for name in sorted(touched):
        owners = [
            e["manager"] for e in done["metadata"]["managedFields"] if f"f:{name}" in e["fieldsV1"].get("f:data", {})
        ]
        assert owners == ["editor"]
    dry = api.update(registry.CONFIGMAPS, "n", "m", done | {"data": {"z": "1"}}, dry_run=True)
    assert dry["data"] == {"z": "1"}
    assert api.get(registry.CONFIGMAPS, "n", "m") == done


# -- lists and watches -----------------------------------------------------------------------------------------------

STEPS = st.lists(st.tuples(NAMES, st.sampled_from(["x", "y", None])), min_size=1, max_size=12)


def run(api: Api, step: tuple[str, str | None]) -> None:
    """Put the named object with this label value; None deletes it."""
    name, value = step
    known = api.objects.get(registry.CONFIGMAPS, "n", name)
    if value is None:
        if known is not None:
            api.delete(registry.CONFIGMAPS, "n", name)
        return
    item = {"metadata": {"name": name, "labels": {"v": value}}}
    if known is None:
        api.create(registry.CONFIGMAPS, "n", item)
    else:
        api.update(registry.CONFIGMAPS, "n", name, {**known, "metadata": {**known["metadata"], **item["metadata"]}})


def listed(api: Api, query: dict[str, str]) -> tuple[dict[str, Object], str]:
    body = json.loads(listing(api.objects, registry.CONFIGMAPS, "n", query, "whole", NOW))
    return by_meta(body["items"]), body["metadata"]["resourceVersion"]


def by_meta(items: list[Object]) -> dict[str, Object]:
    return {item["metadata"]["name"]: item for item in items}


async def replay(api: Api, picture: dict[str, Object], query: dict[str, str]) -> dict[str, Object]:
    watch = Watch(api.objects, registry.CONFIGMAPS, "n", query | {"timeoutSeconds": "0"}, "whole", lambda: NOW)
    async for chunk in watch.lines():
        for line in chunk.splitlines():
            event = json.loads(line)
            item = {k: v for k, v in event["object"].items() if k not in ("kind", "apiVersion")}
            name = item["metadata"]["name"]
            known = name in picture
            assert (event["type"] == "ADDED") == (not known)
            if event["type"] == "DELETED":
                del picture[name]
            else:
                picture[name] = item
    return picture


@given(STEPS, STEPS, st.sampled_from(["", "v=x", "v!=x", "v in (x,y)"]))
async def test_a_watch_from_any_version_ends_where_a_fresh_list_is(before: Any, after: Any, selector: str) -> None:
    api = new_api()
    query = {"labelSelector": selector} if selector else {}
    for step in before:
        run(api, step)
    picture, version = listed(api, query)
    for step in after:
        run(api, step)
    assert await replay(api, picture, query | {"resourceVersion": version}) == listed(api, query)[0]
    for value in ("x", "y"):
        run(api, ("a", value))
    api.objects.forget_log()
    with pytest.raises(ApiError) as caught:
        Watch(api.objects, registry.CONFIGMAPS, "n", {"resourceVersion": version}, "whole", lambda: NOW)
    assert caught.value.code == 410


@given(st.sets(st.integers(0, 30)), st.integers(1, 9))
def test_pages_join_to_the_whole_list(numbers: set[int], limit: int) -> None:
    api = new_api()
    for number in numbers:
        api.create(registry.CONFIGMAPS, "n", {"metadata": {"name": f"c{number}"}})
    whole = listed(api, {})[0]
    found: dict[str, Object] = {}
    token = ""
    while True:
        query = {"limit": str(limit)} | ({"continue": token} if token else {})
        page = json.loads(listing(api.objects, registry.CONFIGMAPS, None, query, "whole", NOW))
        assert len(page["items"]) <= limit
        assert page["metadata"].get("remainingItemCount", 0) == len(whole) - len(found) - len(page["items"])
        found |= by_meta(page["items"])
        token = page["metadata"].get("continue", "")
        if not token:
            break
    assert found == whole
