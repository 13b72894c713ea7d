"""A repository of files against a sandbox process: export, diff, apply, and nothing that changes twice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.test_cli import Program, sandbox


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    home = tmp_path_factory.mktemp("gitops")
    with sandbox(home / "sandbox") as ready:
        yield Program(home, ready["kubeconfig"])


def test_what_is_exported_changes_nothing_when_applied_and_says_so(program: Program, tmp_path: Path) -> None:
    exported = program("export", "chat", "--complete")
    assert exported.code == 0, exported.err
    kinds = [document["kind"] for document in yaml.safe_load_all(exported.out)]
    assert kinds == ["Model", "Endpoint", "Organization", "Organization", "ModelDeployment"]
    file = tmp_path / "chat.yaml"
    file.write_text(exported.out, encoding="utf-8")
    same = program("diff", "-f", str(file))
    assert (same.code, same.out, same.err) == (0, "", "")
    again = program("apply", "-f", str(file))
    assert again.code == 0
    assert {line.rsplit(" ", 1)[1] for line in again.out.splitlines()} == {"unchanged"}


def test_diff_shows_what_would_change_and_changes_nothing(program: Program, tmp_path: Path) -> None:
    exported = program("export", "team-a/chat").out
    (document,) = yaml.safe_load_all(exported)
    document["spec"]["engine"]["replicas"] = 2
    file = tmp_path / "chat.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    differs = program("diff", "-f", str(file))
    assert differs.code == 1
    assert "-  replicas: 1" in differs.out
    assert "+  replicas: 2" in differs.out
    assert differs.err == ""
    (item,) = program("get", "deployments", "chat", "-o", "json").json["items"]
    assert item["replicas"] == 1
    new = file.read_text().replace("name: chat", "name: chat-2")
    file.write_text(new, encoding="utf-8")
    created = program("diff", "-f", str(file))
    assert created.code == 1
    assert "+  name: chat-2" in created.out


def test_manifests_are_what_kubectl_can_apply(program: Program) -> None:
    done = program("export", "chat", "--manifests")
    objects = list(yaml.safe_load_all(done.out))
    assert [item["kind"] for item in objects] == ["Deployment", "Service"]
    assert objects[0]["metadata"]["namespace"] == "team-a"


def test_bad_input_is_no_difference(program: Program, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("a: [", encoding="utf-8")
    assert program("diff", "-f", str(wrong)).code == 2
    missing = program("export", "chatt")
    assert missing.code == 1
    assert "did you mean" in missing.err


def test_a_conflict_is_printed_and_decided_on_the_command_line(program: Program, tmp_path: Path) -> None:
    exported = program("export", "team-a/chat").out
    file = tmp_path / "chat.yaml"
    file.write_text(exported, encoding="utf-8")
    program.kubectl("-n", "team-a", "set", "env", "deployment/chat", "VLLM_LOGGING_LEVEL=DEBUG")
    program.kubectl("-n", "team-a", "scale", "deployment/chat", "--replicas=2")
    told = program("explain", "team-a/chat", "-o", "json").json["drift"]
    assert [(d["field"].rsplit(".", 1)[1], d["manager"], d["live"], d["spec"]) for d in told] == [
        ("replicas", "kubectl", "2", "1"),
        ("value", "kubectl-set", "DEBUG", None),
    ]
    refused = program("apply", "-f", str(file))
    assert refused.code == 1
    assert (
        "conflict: Deployment team-a/chat .spec.replicas: kubectl has 2, this would write 1 (not decided)"
        in refused.err
    )
    assert "VLLM_LOGGING_LEVEL" not in refused.err, "what others add is no conflict"
    differs = program("diff", "-f", str(file))
    assert (differs.code, "# Deployment team-a/chat .spec.replicas: kubectl has 2" in differs.out) == (1, True)
    kept = program("apply", "-f", str(file), "--keep-theirs", ".spec.replicas")
    assert (kept.code, "theirs is kept" in kept.err) == (0, True)
    assert yaml.safe_load(program("export", "team-a/chat").out)["spec"]["engine"]["replicas"] == 2
    taken = program("apply", "-f", str(file), "--force-conflicts")
    assert (taken.code, "ours is taken" in taken.err) == (0, True)
    (item,) = program("get", "deployments", "chat", "-o", "json").json["items"]
    assert item["replicas"] == 1


def test_a_rollback_shows_what_changes_asks_and_brings_the_earlier_revision_back(
    program: Program, tmp_path: Path
) -> None:
    (document,) = yaml.safe_load_all(program("export", "chat").out)
    image, document["spec"]["engine"]["image"] = document["spec"]["engine"]["image"], "vllm/vllm-openai:v0.9.1"
    file = tmp_path / "chat.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    assert program("apply", "-f", str(file)).code == 0
    deadline = time.monotonic() + 30
    while (items := program("history", "chat", "-o", "json").json["items"])[0]["image"] == image:
        assert time.monotonic() < deadline, items
    assert [(item["current"], item["image"]) for item in items[:2]] == [
        (True, "vllm/vllm-openai:v0.9.1"),
        (False, image),
    ]

    asked = program("rollback", "chat")
    assert (asked.code, asked.out) == (2, "")
    assert f"+        image: {image}" in asked.err
    assert "add --yes" in asked.err
    done = program("rollback", "chat", "--yes")
    assert done.code == 0, done.err
    assert "Deployment team-a/chat changed" in done.out
    back = program.kubectl("-n", "team-a", "get", "deployment/chat", "-o", "jsonpath={..containers[0].image}")
    assert back == image
    wrong = program("rollback", "chat", "--to", "9", "--yes")
    assert wrong.code == 2
    assert "no revision 9" in wrong.err


def test_what_was_written_is_listed_and_the_last_of_it_undone(program: Program, tmp_path: Path) -> None:
    (document,) = yaml.safe_load_all(program("export", "team-a/chat").out)
    document["spec"]["description"] = "by a file"
    file = tmp_path / "chat.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    assert program("apply", "-f", str(file), "--force-conflicts").code == 0
    items = program("audit", "-o", "json").json["items"]
    assert (items[0]["verb"], items[0]["object"], items[0]["result"]) == ("apply", "Deployment team-a/chat", "changed")
    assert items[0]["who"]
    assert "by a file" in items[0]["diff"]
    assert "by a file" in program("audit", "--diff").out
    refused = program("undo")
    assert (refused.code, "add --yes" in refused.err) == (2, True)
    undone = program("undo", "--yes")
    assert (undone.code, undone.out) == (0, "undone: apply Deployment team-a/chat as it was before\n"), undone.err
    assert "-    genai-tui.dev/description: by a file" in undone.err
    assert yaml.safe_load(program("export", "team-a/chat").out)["spec"].get("description") != "by a file"
    assert len(program("audit", "-o", "json").json["items"]) == len(items) + 1
