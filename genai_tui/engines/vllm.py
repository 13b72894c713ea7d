"""vLLM: `vllm serve` in its official image, as its own Kubernetes guide, production-stack and KServe run it."""

from __future__ import annotations

import re

from genai_tui.domain.catalogue import HubSource, ModelSpec, NgcSource
from genai_tui.domain.deployment import DeploymentSpec
from genai_tui.domain.problems import FieldProblem
from genai_tui.engines.arguments import refused, unknown
from genai_tui.engines.parts import (
    CONTAINER,
    GRACE_S,
    PORT,
    PRE_STOP_S,
    PROBE_PERIOD_S,
    EngineParts,
    Json,
    check_name,
    http_probe,
    model_files,
    resources,
    served_names,
    startup_budget,
    volumes,
    with_user_env,
)
from genai_tui.engines.vllm_flags import LISTED_VERSION
from genai_tui.errors import BadInput

MINIMUM_BUDGET_S = 600
"""What production-stack and KServe allow: 60 probes, ten seconds apart."""
CACHE_PATH = "/root/.cache/huggingface"
_VERSION = re.compile(r":v?([0-9]{1,6})\.([0-9]{1,6})")
_NEWEST = (10**6, 0)
_FORCED = "metering and token limits, which need it"
_OWNED = {
    "--model": "spec.model",
    "--served-model-name": "metadata.name",
    "--max-model-len": "spec.engine.contextLength",
    "--enable-prefix-caching": "spec.engine.promptCaching",
    "--no-enable-prefix-caching": "spec.engine.promptCaching",
    "--tensor-parallel-size": "spec.resources.gpu",
    "--enable-force-include-usage": _FORCED,
    "--no-enable-force-include-usage": _FORCED,
    "--enable-prompt-tokens-details": _FORCED,
    "--no-enable-prompt-tokens-details": _FORCED,
    "--host": "the Service and the probes, which reach every address of the pod",
    "--port": "the Service and the probes, which expect 8000",
    "--uds": "the Service and the probes, which expect port 8000",
    "--revision": "the model's source.revision",
}


def parts(spec: DeploymentSpec, model: ModelSpec, name: str) -> EngineParts:
    """The engine container of deployment `name`.

    Raises:
        BadInput: the name, the model's source or an extra argument cannot be used, with the field.
    """
    check_name(name)
    _check(spec, model)
    found, mounts = volumes(spec, model, name, CACHE_PATH)
    # The home of another user than root is elsewhere; the cache is where its volume is.
    own: list[Json] = [{"name": "HF_HOME", "value": CACHE_PATH}] if spec.advanced.cache else []
    env = with_user_env(own, spec)
    container: Json = {
        "name": CONTAINER,
        "image": spec.engine.image,
        "command": ["vllm", "serve"],
        "args": _args(spec, model, name),
        **({"env": env} if env else {}),
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "resources": resources(spec),
        "startupProbe": http_probe(
            "/health",
            periodSeconds=PROBE_PERIOD_S,
            timeoutSeconds=5,
            failureThreshold=-(-startup_budget(spec, model, MINIMUM_BUDGET_S) // PROBE_PERIOD_S),
        ),
        "livenessProbe": http_probe("/health", periodSeconds=10, timeoutSeconds=5, failureThreshold=10),
        "readinessProbe": http_probe("/health", periodSeconds=5, timeoutSeconds=5, failureThreshold=3),
        # Endpoints forget the pod while it still answers: no request meets a closed door.
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", str(PRE_STOP_S)]}}},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": mounts,
    }
    return EngineParts(container, tuple(found))


def doubts(spec: DeploymentSpec) -> tuple[FieldProblem, ...]:
    """Extra arguments the image may not know: the list at hand is that of vLLM 0.32."""
    return () if _version(spec.engine.image) == LISTED_VERSION else tuple(unknown(spec.advanced.extra_args))


def _args(spec: DeploymentSpec, model: ModelSpec, name: str) -> list[str]:
    version = _version(spec.engine.image)
    args = [_model_argument(model)]
    if isinstance(model.source, HubSource) and model.source.revision != "main":
        args += ["--revision", model.source.revision]
    args += ["--served-model-name", *served_names(name, spec.model)]
    # Before 0.14 `auto` is not a number yet (vllm-project/vllm#29431); left out, it is the model's own maximum.
    if spec.engine.context_length != "auto" or version >= (0, 14):
        args += ["--max-model-len", str(spec.engine.context_length)]
    args.append("--enable-prefix-caching" if spec.engine.prompt_caching else "--no-enable-prefix-caching")
    if spec.resources.gpu > 1:
        args += ["--tensor-parallel-size", str(spec.resources.gpu)]
    # Without it streamed answers carry no usage, and metering and token limits would silently count nothing.
    args += ["--enable-force-include-usage", "--enable-prompt-tokens-details"]
    if version >= (0, 16):
        args += ["--disable-access-log-for-endpoints", "/health,/metrics,/ping"]
    else:
        args.append("--disable-uvicorn-access-log")
    if version >= (0, 18):
        # Requests under way are finished within the grace period that is left after preStop.
        args += ["--shutdown-timeout", str(GRACE_S - PRE_STOP_S - 5)]
    return [*args, *spec.advanced.extra_args]


def _model_argument(model: ModelSpec) -> str:
    source = model.source
    if isinstance(source, HubSource):
        return source.repository
    if isinstance(source, NgcSource):
        raise AssertionError("refused before")
    return model_files(source)


def _version(image: str) -> tuple[int, int]:
    """Major and minor of the tag; a tag that is no version counts as new."""
    match = _VERSION.search(image)
    return (int(match[1]), int(match[2])) if match else _NEWEST


def _check(spec: DeploymentSpec, model: ModelSpec) -> None:
    problems: list[FieldProblem] = []
    if isinstance(model.source, NgcSource):
        message = "this model is an image of NVIDIA NGC; it runs with engine type nim"
        problems.append(FieldProblem("spec.engine.type", message))
    problems += refused(spec.advanced.extra_args, _OWNED)
    if _version(spec.engine.image) == LISTED_VERSION:
        problems += unknown(spec.advanced.extra_args)
    if problems:
        raise BadInput(problems[0].message, fields=tuple(problems))
