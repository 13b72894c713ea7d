"""A form against what exists, and the values it starts with."""

from __future__ import annotations

from dataclasses import replace

import pytest

from genai_tui.domain.cluster import Meta, Node, Taint
from genai_tui.domain.documents import Endpoint, Model, parse_document
from genai_tui.domain.drafts import DEPLOYMENT_FORM, to_document
from genai_tui.domain.form_defaults import choose_model, free_name, new_draft, size_for
from genai_tui.domain.form_facts import Facts, check_against, choices_of, usual_start_of
from genai_tui.domain.form_field import Choices
from genai_tui.domain.pace import StartKind, Usual
from genai_tui.domain.rows import (
    Assessment,
    DeploymentRow,
    EndpointRow,
    ModelRow,
    NodeRow,
    OrganizationRow,
    Phase,
    Ref,
)


def model(name: str, **spec: object) -> ModelRow:
    source = {"type": "huggingface", "repository": "owner/repo"}
    document = parse_document({"kind": "Model", "metadata": {"name": name}, "spec": {"source": source, **spec}})
    assert isinstance(document, Model)
    return ModelRow(name, document, 0, None)


def endpoint(name: str) -> EndpointRow:
    document = parse_document({"kind": "Endpoint", "metadata": {"name": name}, "spec": {"hostname": "llm.example"}})
    assert isinstance(document, Endpoint)
    return EndpointRow(name, document, 0, None)


def node(name: str, gpus: int, free: int, *, taint: str = "", memory: int | None = 81_559, **labels: str) -> NodeRow:
    taints = (Taint(taint, "", "NoSchedule"),) if taint else ()
    observed = Node(Meta(name, labels=labels), True, taints=taints, allocatable={"nvidia.com/gpu": str(gpus)})
    return NodeRow(observed, "nvidia.com/gpu" if gpus else None, None, memory, gpus, free)


def deployment(namespace: str, name: str) -> DeploymentRow:
    return DeploymentRow(
        Ref(namespace, name), None, None, None, Assessment(Phase.RUNNING), 1, 1, 1, (name,), "genai-tui", None
    )


FACTS = Facts(
    models=(
        model("smollm2-135m", parameters="135M", contextLength=8192),
        model("llama-70b", parameters="70.6B"),
        model("nim-llama", source={"type": "ngc", "image": "nvcr.io/nim/meta/llama-3.1-8b-instruct:2.1"}),
    ),
    endpoints=(endpoint("internal"),),
    organizations=(OrganizationRow("org-a", None, None),),
    deployments=(deployment("team-a", "chat"),),
    nodes=(
        node("cpu-1", 0, 0, memory=None),
        node("gpu-1", 8, 3, zone="a"),
        node("gpu-2", 4, 4, taint="nvidia.com/gpu", zone="b"),
    ),
    namespaces=("team-a", "team-b"),
)
GOOD = DEPLOYMENT_FORM.blank() | {
    "name": "chat-2",
    "namespace": "team-a",
    "model": "smollm2-135m",
    "endpoint": "internal",
}


@pytest.mark.parametrize(
    ("texts", "field", "message"),
    [
        ({"name": "chat"}, "name", "team-a already has a deployment named chat; choose another name"),
        ({"name": "vllm"}, "name", "a Service named vllm sets VLLM_PORT"),
        ({"namespace": ""}, "namespace", "may not be empty"),
        ({"namespace": "team-c"}, "namespace", "there is no namespace 'team-c'; did you mean 'team-b'?"),
        ({"model": "smollm-135m"}, "model", "there is no model 'smollm-135m'; did you mean 'smollm2-135m'?"),
        ({"endpoint": "public"}, "endpoint", "there is no endpoint 'public'"),
        ({"resources.gpu": "16"}, "resources.gpu", "no node has 16 nvidia.com/gpu; the largest has 8 (gpu-1)"),
        (
            {"resources.gpuResource": "amd.com/gpu"},
            "resources.gpuResource",
            "no node has any amd.com/gpu; the nodes have nvidia.com/gpu",
        ),
        (
            {"sharing.mode": "organizations", "sharing.organizations": "org-b"},
            "sharing.organizations",
            "there is no organization 'org-b'; did you mean 'org-a'?",
        ),
    ],
)
def test_what_cannot_work_is_a_problem_at_its_field(texts: dict[str, str], field: str, message: str) -> None:
    (problem,) = check_against(GOOD | texts, FACTS).problems
    assert problem.field == field
    assert message in problem.message


@pytest.mark.parametrize(
    ("texts", "field", "message"),
    [
        ({"engine.type": "nim"}, "engine.type", "does not come from NGC"),
        ({"model": "nim-llama"}, "engine.type", "which vLLM cannot load"),
        ({"engine.contextLength": "9,000"}, "engine.contextLength", "made for 8,192 tokens"),
        ({"resources.gpu": "4"}, "resources.gpu", "no node has 4 free nvidia.com/gpu now (most: 3 on gpu-1)"),
        ({"advanced.nodeSelector": "zone=c"}, "advanced.nodeSelector", "no node has all of these labels"),
        (
            {"advanced.nodeSelector": "zone=b", "resources.gpu": "8"},
            "advanced.nodeSelector",
            "no node with these labels has 8",
        ),
        ({"advanced.nodeSelector": "zone=b"}, "advanced.tolerations", "(gpu-2); add nvidia.com/gpu:NoSchedule"),
    ],
)
def test_what_waits_or_may_fail_is_a_warning_and_does_not_stop(texts: dict[str, str], field: str, message: str) -> None:
    findings = check_against(GOOD | texts, FACTS)
    assert findings.problems == ()
    (warning,) = findings.warnings
    assert warning.field == field
    assert message in warning.message


def test_a_good_form_has_no_findings() -> None:
    findings = check_against(GOOD, FACTS)
    assert (findings.problems, findings.warnings) == ((), ())


def test_an_edited_deployment_is_no_duplicate_of_itself() -> None:
    assert check_against(GOOD | {"name": "chat"}, FACTS, editing=Ref("team-a", "chat")).problems == ()


def test_the_right_toleration_makes_a_tainted_node_count() -> None:
    texts = {"resources.gpu": "4", "advanced.tolerations": "nvidia.com/gpu:NoSchedule"}
    assert check_against(GOOD | texts, FACTS).warnings == ()


def test_nothing_is_said_about_what_may_not_be_listed() -> None:
    facts = Facts(models=FACTS.models, endpoints=FACTS.endpoints)
    texts = {"resources.gpu": "64", "sharing.mode": "organizations", "sharing.organizations": "org-z"}
    assert check_against(GOOD | texts, facts).problems == ()


def test_checks_look_at_their_fields_while_others_are_wrong() -> None:
    problems = check_against(GOOD | {"name": "", "resources.cpu": "x", "model": "nope"}, FACTS).problems
    assert [problem.field for problem in problems] == ["model"]


def test_a_model_fills_the_form_and_the_form_is_good() -> None:
    draft = new_draft(FACTS, namespace="team-a", model="smollm2-135m")
    assert draft["name"] == "smollm2-135m"
    assert draft["endpoint"] == "internal"
    assert (draft["resources.cpu"], draft["resources.memory"], draft["resources.gpu"]) == ("2", "4Gi", "1")
    assert to_document(draft).problems == ()
    assert check_against(draft, FACTS).problems == ()


def test_a_nim_model_brings_its_engine_and_image() -> None:
    draft = new_draft(FACTS, namespace="team-a", model="nim-llama")
    assert draft["engine.type"] == "nim"
    assert draft["engine.image"] == "nvcr.io/nim/meta/llama-3.1-8b-instruct:2.1"
    document = to_document(draft).document
    assert document is not None
    assert document.spec.engine.ngc is not None


def test_choosing_another_model_keeps_what_was_typed() -> None:
    draft = new_draft(FACTS, namespace="team-a", model="smollm2-135m") | {"resources.cpu": "7"}
    chosen = choose_model(draft, "llama-70b", FACTS, untouched=frozenset(draft) - {"resources.cpu"})
    assert (chosen["resources.cpu"], chosen["resources.gpu"], chosen["name"]) == ("7", "4", "llama-70b")


@pytest.mark.parametrize(("parameters", "gpus"), [("135M", 1), ("8B", 1), ("70.6B", 4), ("405B", 16)])
def test_gpus_are_sized_to_the_model_as_a_power_of_two(parameters: str, gpus: int) -> None:
    document = model("m", parameters=parameters).document
    assert document is not None
    assert size_for(document, FACTS.nodes).gpu == gpus


def test_a_suggested_name_is_free_and_fits() -> None:
    assert free_name("chat", "team-a", FACTS) == "chat-2"
    assert free_name("chat", "team-b", FACTS) == "chat"
    assert free_name("vllm", "team-b", FACTS) == "vllm-2"
    assert len(free_name("a" * 80, "team-a", FACTS)) == 63


def test_choices_say_where_they_come_from() -> None:
    taints = choices_of(Choices.TAINTS, FACTS, {})
    assert [(choice.text, choice.about) for choice in taints] == [("nvidia.com/gpu:NoSchedule", "gpu-2")]
    assert [choice.text for choice in choices_of(Choices.NODE_LABELS, FACTS, {})] == ["zone=a", "zone=b"]
    assert choices_of(Choices.CURRENCIES, FACTS, {})[0].text == "USD"
    assert choices_of(Choices.MODELS, FACTS, {})[0].about == "chat · 135M · huggingface"


@pytest.mark.parametrize(("budget", "warned"), [("", False), ("300", True), ("400", False)])
def test_a_budget_shorter_than_the_last_load_is_warned_of(budget: str, warned: bool) -> None:
    image = "vllm/vllm-openai:v0.33.0"
    took = Usual({Phase.LOADING: 200.0}, 3, {Phase.LOADING: 372.0})
    kinds = {StartKind(image, "smollm2-135m", 1): took}
    facts = replace(FACTS, usual_start=kinds.get)
    draft = GOOD | {"engine.image": image, "resources.gpu": "1", "engine.startupBudgetSeconds": budget}
    about = [w.message for w in check_against(draft, facts).warnings if w.field == "engine.startupBudgetSeconds"]
    said = "pods would be restarted before they are ready: 3m20s is usual here (3 starts), the last took 6m12s"
    assert about == ([f"{said}; 780 leaves room"] if warned else [])
    assert usual_start_of(draft, facts) is took
    offered = choices_of(Choices.STARTS, facts, draft)
    assert [(choice.text, choice.about) for choice in offered] == [
        ("780", "3m20s is usual here (3 starts), the last took 6m12s")
    ]
    assert choices_of(Choices.STARTS, facts, draft | {"resources.gpu": "2"}) == ()
    # Of another image or number of GPUs nothing is known.
    assert usual_start_of(draft | {"engine.image": "vllm/vllm-openai:v0.9.1"}, facts) is None
    assert usual_start_of(draft | {"resources.gpu": "2"}, facts) is None
