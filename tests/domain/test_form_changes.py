"""What an edit says it does to running pods is what the manifests do."""

from __future__ import annotations

from typing import Any

import pytest

from genai_tui.domain.catalogue import ModelSpec
from genai_tui.domain.drafts import DEPLOYMENT_FORM, to_document
from genai_tui.domain.form_changes import changes, interruption, replaces_pods
from genai_tui.kube.manifests.deployment import render_deployment

BEFORE = DEPLOYMENT_FORM.blank() | {
    "name": "chat",
    "namespace": "team-a",
    "model": "m",
    "endpoint": "e",
    "engine.replicas": "2",
    "advanced.cache.claim": "models",
}
MODEL = ModelSpec.model_validate({"source": {"type": "huggingface", "repository": "a/b"}, "parameters": "8B"})
# Another good text for each field, with what it needs beside it.
ANOTHER: dict[str, dict[str, str]] = {
    "description": {"description": "x"},
    "endpoint": {"endpoint": "f"},
    "engine.image": {"engine.image": "vllm/vllm-openai:v0.34.0"},
    "engine.replicas": {"engine.replicas": "3"},
    "engine.contextLength": {"engine.contextLength": "4096"},
    "engine.promptCaching": {"engine.promptCaching": "off"},
    "engine.startupBudgetSeconds": {"engine.startupBudgetSeconds": "7200"},
    "resources.cpu": {"resources.cpu": "8"},
    "resources.memory": {"resources.memory": "32Gi"},
    "resources.gpu": {"resources.gpu": "2"},
    "resources.gpuResource": {"resources.gpuResource": "amd.com/gpu"},
    "advanced.sharedMemory": {"advanced.sharedMemory": "4Gi"},
    "advanced.cache.claim": {"advanced.cache.claim": "others"},
    "advanced.env": {"advanced.env": "A=1"},
    "advanced.labels": {"advanced.labels": "a=1"},
    "advanced.annotations": {"advanced.annotations": "a=1"},
    "advanced.tolerations": {"advanced.tolerations": "*"},
    "advanced.nodeSelector": {"advanced.nodeSelector": "a=1"},
    "advanced.podAffinity": {"advanced.podAffinity": "near a=b on kubernetes.io/hostname"},
    "advanced.extraArgs": {"advanced.extraArgs": "--seed 7"},
    "advanced.strategy": {"advanced.strategy": "Recreate"},
    "advanced.runtimeClass": {"advanced.runtimeClass": "nvidia"},
    "rateLimits.user.tokensPerMinute": {"rateLimits.user.tokensPerMinute": "5"},
    "pricing.inputPerMillion": {"pricing.inputPerMillion": "1", "pricing.outputPerMillion": "1"},
    "sharing.mode": {"sharing.mode": "all"},
}


def template(draft: dict[str, str]) -> Any:
    document = to_document(draft).document
    assert document is not None
    rendered = render_deployment(document, MODEL, "team-a")
    return next(item for item in rendered if item["kind"] == "Deployment")["spec"]["template"]


@pytest.mark.parametrize("field", list(ANOTHER))
def test_pods_are_said_to_be_replaced_exactly_when_their_template_changes(field: str) -> None:
    after = BEFORE | ANOTHER[field]
    changed = changes(DEPLOYMENT_FORM.fields, BEFORE, after)
    assert field in {change.field.id for change in changed}
    assert replaces_pods(changed) == (template(BEFORE) != template(after))


def test_the_sentence_says_what_callers_will_see() -> None:
    def said(*, room: bool = False, **texts: str) -> str:
        after = BEFORE | {field.replace("__", "."): text for field, text in texts.items()}
        return interruption(changes(DEPLOYMENT_FORM.fields, BEFORE, after), after, room=room)

    assert said() == "Nothing is changed."
    assert said(description="x") == "No pod is replaced: requests go on without interruption."
    assert said(engine__replicas="5").startswith("Pods are added or removed (2 to 5 replicas)")
    assert said(engine__contextLength="4096").startswith("Every pod is replaced, one at a time (Context length)")
    assert said(engine__contextLength="4096", engine__replicas="1").startswith("Every pod is stopped")
    with_room = said(engine__contextLength="4096", engine__replicas="1", room=True)
    assert "each new one loads the model before an old one stops" in with_room


def test_a_field_that_does_not_apply_changes_nothing() -> None:
    after = BEFORE | {"engine.nimGeneration": "2"}
    assert changes(DEPLOYMENT_FORM.fields, BEFORE, after) == ()
