"""Files of documents: what is right is read, what is wrong is told with its line, and nothing else ever happens."""

from __future__ import annotations

import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genai_tui.domain.documents import Model, ModelDeployment, Organization
from genai_tui.errors import BadInput
from genai_tui.files import MAX_CHARACTERS, AnyDocument, read_documents, to_yaml
from tests.strategies import DOCUMENTS

GOOD = """\
apiVersion: genai-tui.dev/v1alpha1
kind: Model
metadata: {name: smollm2-135m}
spec:
  description: small chat model
  useCase: chat
  provider: HuggingFaceTB
  source: {type: huggingface, repository: HuggingFaceTB/SmolLM2-135M-Instruct, revision: main}
  contextLength: 8192
  parameters: 135M
---
apiVersion: genai-tui.dev/v1alpha1
kind: Endpoint
metadata: {name: internal}
spec: {description: inside the cluster, hostname: llm.example.internal, exposure: cluster}
---
apiVersion: genai-tui.dev/v1alpha1
kind: Organization
metadata: {name: org-a}
spec: {displayName: Organization A, users: [alice, bob]}
---
apiVersion: genai-tui.dev/v1alpha1
kind: ModelDeployment
metadata: {name: chat, namespace: team-a}
spec:
  description: team chat
  model: smollm2-135m
  endpoint: internal
  engine:
    type: vllm
    image: vllm/vllm-openai:v0.33.0
    replicas: 1
    contextLength: 2048
    promptCaching: true
  resources: {cpu: "2", memory: 4Gi, gpu: 1, gpuResource: nvidia.com/gpu}
  advanced:
    env: [{name: HF_TOKEN, secret: {name: hf, key: token}}, {name: VLLM_LOGGING_LEVEL, value: INFO}]
    labels: {team: a}
    annotations: {}
    tolerations: [{key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}]
    nodeSelector: {nvidia.com/gpu.product: NVIDIA-H100-80GB-HBM3}
    podAffinity: {}
    extraArgs: ["--gpu-memory-utilization=0.9"]
  rateLimits:
    organization: {tokensPerMinute: 300000, requestsPerMinute: 600}
    user: {tokensPerMinute: 60000, requestsPerMinute: 120}
    apiKey: {tokensPerMinute: 20000, requestsPerMinute: 60}
  pricing: {currency: USD, inputPerMillion: "0.20", outputPerMillion: "0.60"}
  sharing: {mode: organizations, organizations: [org-a, org-b]}
"""
DEPLOYMENT = GOOD.split("---\n")[3]


def problems_of(text: str) -> list[tuple[int | None, str, str]]:
    with pytest.raises(BadInput) as caught:
        read_documents(text)
    return [(problem.line, problem.field, problem.message) for problem in caught.value.fields]


def changed(old: str, new: str) -> str:
    assert DEPLOYMENT.count(old) == 1
    return DEPLOYMENT.replace(old, new)


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


def test_the_format_of_the_design_is_read_whole() -> None:
    documents = read_documents(GOOD)
    assert [document.kind for document in documents] == ["Model", "Endpoint", "Organization", "ModelDeployment"]
    deployment = documents[3]
    assert isinstance(deployment, ModelDeployment)
    assert deployment.spec.rate_limits.api_key.tokens_per_minute == 20_000
    assert deployment.spec.sharing.organizations == ("org-a", "org-b")


@given(st.lists(DOCUMENTS, min_size=1, max_size=3, unique_by=lambda document: (document.kind, str(document.metadata))))
@settings(max_examples=150)
def test_what_is_written_is_read_again(documents: list[AnyDocument]) -> None:
    assert list(read_documents(to_yaml(documents))) == documents


@pytest.mark.parametrize(
    ("old", "new", "field", "message"),
    [
        ("replicas: 1", "replica: 1", "spec.engine.replica", "unknown field 'replica'; did you mean 'replicas'?"),
        ("memory: 4Gi", "memroy: 4Gi", "spec.resources.memroy", "unknown field 'memroy'; did you mean 'memory'?"),
        ("    replicas: 1", "    gpu: 1", "spec.engine.gpu", "unknown field 'gpu'; it belongs to spec.resources"),
        ("contextLength: 2048", "contextLength: lots", "spec.engine.contextLength", "not 'lots' (or auto)"),
        ("replicas: 1", "replicas: -1", "spec.engine.replicas", "must be at least 0, not -1"),
        ("replicas: 1", "replicas: 010", "spec.engine.replicas", "without a leading 0"),
        ("memory: 4Gi", "memory: 4GB", "spec.resources.memory", "'4GB' is not a quantity"),
        ("memory: 4Gi", "memory: 4Gi, memory: 8Gi", "spec.resources.memory", "'memory' is given twice"),
        ("name: chat,", "name: Chat,", "metadata.name", "lower-case"),
        ("name: chat,", "name: 1chat,", "metadata.name", "must begin with a letter"),
        ("v0.33.0", "'v0.33.0", "spec.engine.image", "is not an image reference"),
        ("type: vllm", "type: vlm", "spec.engine.type", "'vlm' is not one of vllm or nim"),
        ("currency: USD", "currency: usd", "spec.pricing.currency", "did you mean 'USD'?"),
        ('"0.20"', "0.20", "spec.pricing.inputPerMillion", "write money as text"),
        ('"0.20"', '"-1"', "spec.pricing.inputPerMillion", "must be at least 0"),
        ("value: INFO", "value: on", "spec.advanced.env.1.value", "put it between quotes"),
        ("secret: {name: hf, key: token}", "value: hf_x", "spec.advanced.env.0", "HF_TOKEN holds a secret"),
        ("operator: Exists", "operator: Exist", "spec.advanced.tolerations.0.operator", "not one of Exists or Equal"),
        ("labels: {team: a}", "labels: {a b: c}", "spec.advanced.labels.a b", "not a valid key"),
        ("labels: {team: a}", "labels: {x.y/z: 1}", "spec.advanced.labels.x.y/z", "put it between quotes"),
        ("labels: {team: a}", "labels: {genai-tui.dev/x: a}", "spec.advanced.labels", "set by genai-tui itself"),
        ("gpuResource: nvidia.com/gpu", "gpuResource: memory", "spec.resources.gpuResource", "device plugin"),
        ("sharing: {mode: organizations,", "sharing: {mode: all,", "spec.sharing", "take none"),
        ("kind: ModelDeployment", "kind: ModelDeploymnt", "kind", "did you mean 'ModelDeployment'?"),
        ("endpoint: internal", "endpoint: !!python/name:os.system x", "spec.endpoint", "is not used here"),
        ("spec:", "status: {}\nspec:", "status", "unknown field 'status'"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_told_with_its_line(old: str, new: str, field: str, message: str) -> None:
    text = changed(old, new)
    shown = {problem_field: (line, said) for line, problem_field, said in problems_of(text)}
    assert field in shown
    line, said = shown[field]
    assert message in said
    assert line == line_of(DEPLOYMENT, old)


def test_a_missing_field_is_told_at_its_parent() -> None:
    text = changed("    image: vllm/vllm-openai:v0.33.0\n", "")
    assert problems_of(text) == [(line_of(text, "engine:"), "spec.engine.image", "image is required")]
    assert problems_of("metadata: {name: a}")[-1][1:] == ("kind", "kind is required")


def test_every_problem_of_every_document_is_reported() -> None:
    text = GOOD.replace("contextLength: 8192", "contextLength: -1").replace("users: [alice", "users: [Alice").replace(
        "replicas: 1", "replicas: one\n    replicas: 2\n    foo: bar"
    )  # fmt: skip
    found = problems_of(text)
    fields = ["spec.contextLength", "spec.users.0", "spec.engine.replicas", "spec.engine.foo"]
    assert [field for _, field, _ in found] == fields
    assert [line for line, _, _ in found] == sorted(line or 0 for line, _, _ in found)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: [1, 2\nb: 3\n", 2),
        ("a: b: c\n", 1),
        ("kind: Model\n\tmetadata: x\n", 2),
        ("a: 1\nb: \x07\n", 2),
        ("a: *nowhere\n", 1),
        ("a: 'open\n", 2),
    ],
)
def test_broken_yaml_is_one_line_with_its_position(text: str, line: int) -> None:
    ((found, field, message),) = problems_of(text)
    assert (found, field) == (line, "")
    assert message.startswith("not valid YAML: ")
    assert "\n" not in message


def test_problems_before_broken_yaml_are_kept() -> None:
    found = problems_of(changed("replicas: 1", "replicas: x") + "---\na: [\n")
    assert [field for _, field, _ in found] == ["spec.engine.replicas", ""]


def test_a_document_given_twice_is_refused() -> None:
    first = GOOD.split("---\n")[0]
    (line, field, message), *rest = problems_of(f"{first}---\n{first}")
    assert not rest
    assert (field, line) == ("metadata.name", 12)
    assert message == "Model 'smollm2-135m' is given twice; the first is on line 1"


def test_anchors_and_merges_work() -> None:
    text = textwrap.dedent(
        """\
        apiVersion: &v genai-tui.dev/v1alpha1
        kind: Organization
        metadata: &m {name: a}
        spec: &s {displayName: A, users: [x]}
        ---
        apiVersion: genai-tui.dev/v1alpha1
        kind: Organization
        metadata: {name: b}
        spec:
          <<: &t {displayName: A, users: [x]}
          displayName: B
        """
    )
    first, second = read_documents(text)
    assert isinstance(first, Organization)
    assert isinstance(second, Organization)
    assert (second.spec.display_name, second.spec.users) == ("B", first.spec.users)


def test_what_yaml_would_turn_into_something_else_stays_text() -> None:
    text = GOOD.split("---\n")[0].replace("small chat model", "2026-01-01").replace("HuggingFaceTB\n", "1:30\n")
    (model,) = read_documents(text)
    assert isinstance(model, Model)
    assert (model.spec.description, model.spec.provider) == ("2026-01-01", "1:30")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "---\n---\n",
        "just text",
        "- a\n- b",
        "[" * 5000,
        "{a: " * 3000,
        "- " * 3000,
        "&a [*a, *a]",
        "&a {<<: *a}",
        "? [x]\n: y",
        "<<: 1",
        "a: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\n"
        "c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c]\n"
        "e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d]\nf: [*e, *e, *e, *e, *e, *e, *e, *e, *e]",
        "!!python/object/apply:os.system ['true']",
        "a: !!binary '@@@'",
        "a: !!int x",
        "a: !!float '1_'",
        "kind: " + "9" * 5000,
        "kind: 0x" + "f" * 5000,
        '"\\ud800": 1',
        "x" * (MAX_CHARACTERS + 1),
    ],
)
def test_hostile_text_is_bad_input_and_nothing_else(text: str) -> None:
    with pytest.raises(BadInput):
        read_documents(text)


def test_what_is_shown_cannot_move_the_cursor_or_flood_the_screen() -> None:
    text = changed("memory: 4Gi", f'memory: "\\e[2J{"9" * 3000}"').replace("replicas: 1", '"\\e[31mx": 1')
    found = problems_of(text)
    assert len(found) == 2
    assert all("\x1b" not in field + message and len(field + message) < 700 for _, field, message in found)


LINES = st.sampled_from(
    [line for line in GOOD.split("\n") if line] + ["---", "- x", "&a", "*a", "<<: *a", "!!set", "? k"]
)


@given(st.lists(st.one_of(LINES, st.text(max_size=20)), max_size=12).map("\n".join))
@settings(max_examples=200)
def test_any_text_is_documents_or_bad_input_with_words(text: str) -> None:
    try:
        read: object = read_documents(text)
    except BadInput as error:
        read = error
    if isinstance(read, BadInput):
        assert read.problem.what
        assert all(problem.message for problem in read.fields)
    else:
        assert read
