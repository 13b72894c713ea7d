"""Forms as text: no valid document is changed by passing through one, and every wrong text is told at its field."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genai_tui.domain.deployment import DeploymentSpec, EnvVar
from genai_tui.domain.documents import Endpoint, Model, ModelDeployment, parse_document
from genai_tui.domain.drafts import (
    DEPLOYMENT_FORM,
    EMPTY,
    ENDPOINT_FORM,
    MODEL_FORM,
    from_document,
    may_be_kept,
    to_document,
)
from genai_tui.domain.form_field import FieldKind
from genai_tui.domain.form_fields import TABS
from genai_tui.domain.form_lines import (
    Parsed,
    read_annotations,
    read_arguments,
    read_env,
    write_arguments,
    write_env,
    write_pairs,
)
from genai_tui.domain.problems import FieldProblem
from tests.strategies import DEPLOYMENTS, ENDPOINTS, MODELS

AWKWARD = st.sampled_from(
    [
        "",
        " ",
        "'",
        '"',
        '""',
        '"a\\n"',
        "secret:a/b",
        "a\nb",
        "\\",
        " \\",
        '--x="y z"',
        "a\u2028b",
        "\x00",
        "{",
        "#",
        "=",
    ]
)
TEXT = st.one_of(AWKWARD, st.text(max_size=12))


@given(st.lists(TEXT, max_size=4))
def test_any_arguments_survive_as_lines(arguments: list[str]) -> None:
    assert read_arguments(write_arguments(arguments)) == Parsed(tuple(arguments))


@given(st.lists(TEXT, max_size=4))
def test_any_values_survive_as_lines(values: list[str]) -> None:
    variables = tuple(EnvVar(name=f"A{at}", value=value) for at, value in enumerate(values))
    assert read_env(write_env(variables)) == Parsed(variables)
    pairs = {f"a{at}": value for at, value in enumerate(values)}
    assert read_annotations(write_pairs(pairs)) == Parsed(pairs)


@given(DEPLOYMENTS)
@settings(max_examples=300)
def test_a_deployment_passes_through_the_form_unchanged(document: ModelDeployment) -> None:
    reading = to_document(from_document(document))
    assert reading.problems == ()
    assert reading.document == document
    assert reading.document is not None
    assert reading.document.spec.canonical_json() == document.spec.canonical_json()


@given(MODELS)
def test_a_model_passes_through_its_form_unchanged(document: Model) -> None:
    assert MODEL_FORM.read(MODEL_FORM.write(document)).document == document


@given(ENDPOINTS)
def test_an_endpoint_passes_through_its_form_unchanged(document: Endpoint) -> None:
    assert ENDPOINT_FORM.read(ENDPOINT_FORM.write(document)).document == document


@given(st.dictionaries(st.sampled_from([field.id for field in DEPLOYMENT_FORM.fields]), st.text(max_size=20)))
@settings(max_examples=300)
def test_any_text_gives_a_document_or_problems_at_fields_of_the_form(texts: dict[str, str]) -> None:
    reading = to_document(DEPLOYMENT_FORM.blank() | texts)
    assert (reading.document is None) == bool(reading.problems)
    ids = {field.id for field in DEPLOYMENT_FORM.fields}
    for problem in reading.problems:
        assert problem.field in ids
        assert problem.message


GOOD = DEPLOYMENT_FORM.blank() | {"name": "chat", "namespace": "team-a", "model": "smollm2", "endpoint": "internal"}


def told(**texts: str) -> list[tuple[str, int | None, str]]:
    fields = {field.replace("__", "."): text for field, text in texts.items()}
    return [(problem.field, problem.line, problem.message) for problem in to_document(GOOD | fields).problems]


def test_the_blank_form_with_the_four_choices_made_is_a_deployment() -> None:
    reading = to_document(GOOD)
    assert reading.problems == ()
    assert reading.document is not None
    assert reading.document.spec.engine.image == "vllm/vllm-openai:v0.33.0"
    assert reading.document.spec.pricing is None


@pytest.mark.parametrize(
    ("field", "text", "line", "message"),
    [
        ("name", "", None, EMPTY),
        ("name", "My Chat", None, "may hold only lower-case letters, digits and '-'"),
        ("name", "a" * 64, None, "is 64 characters long; at most 63 are allowed"),
        ("engine.image", "vllm/vLLM:", None, "is not an image reference"),
        ("engine.replicas", "two", None, "must be a whole number, not 'two'"),
        ("engine.replicas", "-1", None, "must be at least 0, not -1"),
        ("engine.contextLength", "8k", None, "must be a number of tokens or auto, not '8k'"),
        ("engine.contextLength", "0", None, "must be more than 0, not 0"),
        ("engine.startupBudgetSeconds", "5", None, "must be at least 60, not 5"),
        ("engine.type", "tgi", None, "'tgi' is not one of vllm or nim"),
        ("resources.cpu", "four", None, "'four' is not a quantity such as 2, 500m or 16Gi"),
        ("resources.memory", "16 GB", None, "is not a quantity"),
        ("resources.memory", "-1Gi", None, "must be more than 0"),
        ("resources.gpu", "65", None, "must be at most 64, not 65"),
        ("advanced.env", "A=1\n2B=x", 2, "'2B' is not a valid variable name"),
        ("advanced.env", "A=1\nB=2\nA=3", 3, "A is already set on line 1"),
        ("advanced.env", "A", 1, "'A' has no '='; write NAME=value"),
        ("advanced.env", "A: 1", 1, "'A: 1' has no '='; write A=1"),
        ("advanced.env", "A=secret:hf", 1, "write A=secret:NAME/KEY"),
        ("advanced.env", 'A="x', 1, "and close them"),
        ("advanced.labels", "genai-tui.dev/x=1", 1, "are set by genai-tui itself"),
        ("advanced.labels", "team=a b", 1, "'a b' is not a valid label value"),
        ("advanced.nodeSelector", "a=1\na=2", 2, "a is already set on line 1"),
        ("advanced.tolerations", "\nnvidia.com/gpu:NoShedule", 2, "did you mean 'NoSchedule'?"),
        ("advanced.tolerations", "a:NoSchedule:30", 1, "tolerationSeconds needs effect NoExecute"),
        ("advanced.tolerations", "a:NoExecute:soon", 1, "'soon' is not a number of seconds"),
        ("advanced.podAffinity", "close to app=web", 1, "write near or apart"),
        ("advanced.podAffinity", "near app=web on a (prefer 101)", 1, "from 1 to 100, not 101"),
        ("advanced.podAffinity", '{\n"podAffinity": }', 2, "is not valid JSON"),
        ("advanced.podAffinity", '{"podAfinity": {}}', None, "podAfinity"),
        ("advanced.extraArgs", "--a 'b", 1, "is not closed"),
        ("advanced.cache.storageClass", "fast", None, "needs either claim"),
        ("rateLimits.user.tokensPerMinute", "0", None, "must be more than 0, not 0"),
        ("pricing.currency", "usd", None, "did you mean 'USD'?"),
        ("pricing.currency", "EURO", None, "did you mean 'EUR'?"),
        ("pricing.inputPerMillion", "-0.2", None, "must be at least 0, not -0.2"),
        ("pricing.inputPerMillion", "0,20", None, "must be an amount such as 0.20, not '0,20'"),
        ("sharing.mode", "some", None, "is not one of"),
    ],
)
def test_a_wrong_text_is_told_at_its_field_and_line(field: str, text: str, line: int | None, message: str) -> None:
    problems = to_document(
        GOOD | {"pricing.outputPerMillion": "0.6", "pricing.inputPerMillion": "0.2"} | {field: text}
    ).problems
    first = next(problem for problem in problems if message in problem.message)
    assert (first.line, len(problems)) == (line, 1)
    assert first.field == field or (field, first.field) == ("advanced.cache.storageClass", "advanced.cache.size")


def test_a_secret_is_refused_as_a_value_and_never_kept_on_disk() -> None:
    ((field, line, message),) = told(advanced__env="A=1\nHF_TOKEN='hf_abcdefghijklmnopqrst'")
    assert (field, line) == ("advanced.env", 2)
    assert "HF_TOKEN=secret:NAME/KEY" in message
    assert "hf_abc" not in message
    kept = may_be_kept(
        {
            "advanced.env": "A=1\nHF_TOKEN='hf_abcdefghijklmnopqrst'\nB=secret:b/token",
            "advanced.extraArgs": "--api-key sk-abcdefghijklmnopqrst",
        }
    )
    assert kept == {"advanced.env": "A=1\nHF_TOKEN=\nB=secret:b/token", "advanced.extraArgs": "--api-key "}


def test_every_wrong_line_is_told() -> None:
    assert [line for _, line, _ in told(advanced__labels="a\nb=1\nc")] == [1, 3]


def test_one_price_alone_asks_for_the_other() -> None:
    assert told(pricing__inputPerMillion="0.2") == [("pricing.outputPerMillion", None, EMPTY)]


def test_sharing_with_organizations_needs_their_names() -> None:
    assert told(sharing__mode="organizations") == [("sharing.organizations", None, EMPTY)]


def test_the_fields_of_another_engine_are_kept_as_text_and_not_used() -> None:
    assert told(engine__type="vllm", engine__nimGeneration="9") == []
    assert told(engine__type="nim", engine__nimGeneration="9") == [
        ("engine.nimGeneration", None, "'9' is not one of 1 or 2")
    ]


def spec_of(**texts: str) -> DeploymentSpec:
    document = to_document(GOOD | {field.replace("__", "."): text for field, text in texts.items()}).document
    assert document is not None
    return document.spec


def test_what_people_type_is_understood() -> None:
    spec = spec_of(
        engine__contextLength="32,768",
        engine__promptCaching="off",
        advanced__env='HF_TOKEN=secret:hf/token\nGREETING="hello world"\nEMPTY=\nJSON={"a": 1}',
        advanced__tolerations="nvidia.com/gpu:NoSchedule\ndedicated=llm:NoExecute:300\n*",
        advanced__extraArgs="""--gpu-memory-utilization=0.9 \\
            --hf-overrides '{"rope": "x y"}' --seed 7
            --json={"a":1}""",
        pricing__inputPerMillion="0.20",
        pricing__outputPerMillion="0.60",
        sharing__mode="organizations",
        sharing__organizations="org-a, org-b\norg-c",
    )
    assert spec.engine.context_length == 32_768
    assert not spec.engine.prompt_caching
    assert [variable.value for variable in spec.advanced.env] == [None, "hello world", "", '{"a": 1}']
    assert [(t.key, t.operator, t.value, t.toleration_seconds) for t in spec.advanced.tolerations] == [
        ("nvidia.com/gpu", "Exists", None, None),
        ("dedicated", "Equal", "llm", 300),
        (None, "Exists", None, None),
    ]
    assert spec.advanced.extra_args == (
        "--gpu-memory-utilization=0.9",
        "--hf-overrides",
        '{"rope": "x y"}',
        "--seed",
        "7",
        '--json={"a":1}',
    )
    assert spec.pricing is not None
    assert spec.pricing.input_per_million == Decimal("0.20")
    assert spec.sharing.organizations == ("org-a", "org-b", "org-c")


def test_affinity_reads_as_lines_and_stays_lines() -> None:
    text = (
        "near app=web,tier in (a,b),!old on kubernetes.io/hostname in team-a,team-b\n"
        "near * on kubernetes.io/hostname (prefer 1)\n"
        "apart app=web,gpu on topology.kubernetes.io/zone (prefer 50)"
    )
    document = to_document(GOOD | {"advanced.podAffinity": text}).document
    assert document is not None
    affinity = document.spec.advanced.pod_affinity
    assert affinity.pod_affinity is not None
    assert affinity.pod_anti_affinity is not None
    assert affinity.pod_affinity.required_during_scheduling_ignored_during_execution[0].namespaces == (
        "team-a",
        "team-b",
    )
    assert affinity.pod_anti_affinity.preferred_during_scheduling_ignored_during_execution[0].weight == 50
    assert from_document(document)["advanced.podAffinity"] == text


def test_the_seed_s_file_fills_the_form() -> None:
    data = {
        "kind": "ModelDeployment",
        "metadata": {"name": "chat", "namespace": "team-a"},
        "spec": {
            "model": "m",
            "endpoint": "e",
            "engine": {"type": "vllm", "image": "vllm/vllm-openai:v0.33.0"},
            "resources": {"cpu": "2", "memory": "4Gi"},
            "advanced": {
                "env": [{"name": "HF_TOKEN", "secret": {"name": "hf", "key": "token"}}],
                "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
            },
        },
    }
    document = parse_document(data)
    assert isinstance(document, ModelDeployment)
    draft = from_document(document)
    assert draft["advanced.env"] == "HF_TOKEN=secret:hf/token"
    assert draft["advanced.tolerations"] == "nvidia.com/gpu:NoSchedule"


def test_the_table_names_every_field_of_the_file_format_once() -> None:
    ids = [field.id for field in DEPLOYMENT_FORM.fields]
    assert len(ids) == len(set(ids))
    assert {field.tab for field in DEPLOYMENT_FORM.fields} == set(TABS) - {"Review"}
    leaves = set(_leaves(DeploymentSpec.model_json_schema(by_alias=True)))
    groups = {
        "advanced.env",
        "advanced.tolerations",
        "advanced.podAffinity",
        "advanced.extraArgs",
        "sharing.organizations",
    }
    assert {field.id for field in DEPLOYMENT_FORM.fields} - {"name", "namespace"} == {
        next((group for group in groups if leaf == group or leaf.startswith(f"{group}.")), leaf) for leaf in leaves
    }
    for field in DEPLOYMENT_FORM.fields:
        assert field.help.endswith(".")
        assert (field.kind is FieldKind.SWITCH) <= (field.options == ("on", "off"))


def _leaves(schema: dict[str, Any], prefix: str = "", root: dict[str, Any] | None = None) -> list[str]:
    root = root or schema
    found: list[str] = []
    for name, part in schema.get("properties", {}).items():
        reference = part.get("$ref") or next((p["$ref"] for p in part.get("anyOf", []) if "$ref" in p), None)
        target = root["$defs"][reference.rsplit("/", 1)[1]] if reference else part
        path = f"{prefix}{name}"
        found += _leaves(target, f"{path}.", root) if "properties" in target else [path]
    return found


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("spec.template.spec.containers[0].image", "engine.image"),
        ("spec.template.spec.containers[0].resources.requests[cpu]", "resources.cpu"),
        ("spec.template.spec.containers[0].resources.limits[nvidia.com/gpu]", "resources.gpu"),
        ("spec.template.spec.tolerations[0].effect", "advanced.tolerations"),
        ("metadata.labels", "advanced.labels"),
        ("spec.resources.requests.storage", "advanced.cache.size"),
        ("spec.storageClassName", "advanced.cache.storageClass"),
    ],
)
def test_what_an_object_is_refused_for_belongs_to_the_field_it_was_made_of(path: str, field: str) -> None:
    draft = GOOD | {"advanced.cache.size": "50Gi"}
    assert DEPLOYMENT_FORM.place(draft, [FieldProblem(path, "no")]) == (FieldProblem(field, "no"),)
