"""vLLM: `vllm serve` in its official image, as its own Kubernetes guide, production-stack and KServe run it."""

from __future__ import annotations

import re

from genai_tui.domain.catalogue import HubSource, ModelSpec, NgcSource
from genai_tui.domain.deployment import DeploymentSpec
from genai_tui.domain.naming import did_you_mean
from genai_tui.domain.problems import FieldProblem
from genai_tui.engines.parts import (
    CONTAINER,
    PORT,
    PROBE_PERIOD_S,
    EngineParts,
    Json,
    http_probe,
    model_files,
    resources,
    served_names,
    startup_budget,
    volumes,
    with_user_env,
)
from genai_tui.engines.vllm_flags import FLAGS
from genai_tui.errors import BadInput

MINIMUM_BUDGET_S = 600
"""What production-stack and KServe allow: 60 probes, ten seconds apart."""
CACHE_PATH = "/root/.cache/huggingface"
_VERSION = re.compile(r":v?(\d+)\.(\d+)")
_OWNED = {
    "--model": "model",
    "--served-model-name": "metadata.name",
    "--max-model-len": "spec.engine.contextLength",
    "--enable-prefix-caching": "spec.engine.promptCaching",
    "--no-enable-prefix-caching": "spec.engine.promptCaching",
    "--tensor-parallel-size": "spec.resources.gpu",
    "-tp": "spec.resources.gpu",
    "--enable-force-include-usage": "metering, which needs it on",
    "--port": "the Service, which expects 8000",
    "--api-key": "spec.advanced.env: VLLM_API_KEY from a Secret, so that the key is not in the pod",
}


def parts(spec: DeploymentSpec, model: ModelSpec, name: str) -> EngineParts:
    """The engine container of deployment `name`.

    Raises:
        BadInput: the model's source or an extra argument cannot be run, with the field.
    """
    if name == "vllm":
        message = "a Service called vllm sets VLLM_PORT in every pod of its namespace and stops the engine"
        raise BadInput("the name cannot be used", fields=(FieldProblem("metadata.name", message),))
    _check_extra(spec)
    found, mounts = volumes(spec, model, name, CACHE_PATH)
    container: Json = {
        "name": CONTAINER,
        "image": spec.engine.image,
        "command": ["vllm", "serve"],
        "args": _args(spec, model, name),
        "env": with_user_env([], spec),
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
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", "15"]}}},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": mounts,
    }
    if not container["env"]:
        del container["env"]
    return EngineParts(container, tuple(found))


def _args(spec: DeploymentSpec, model: ModelSpec, name: str) -> list[str]:
    args = [_model_argument(model)]
    if isinstance(model.source, HubSource) and model.source.revision != "main":
        args += ["--revision", model.source.revision]
    args += ["--served-model-name", *served_names(name, spec.model)]
    args += ["--max-model-len", str(spec.engine.context_length)]
    args.append("--enable-prefix-caching" if spec.engine.prompt_caching else "--no-enable-prefix-caching")
    if spec.resources.gpu > 1:
        args += ["--tensor-parallel-size", str(spec.resources.gpu)]
    # Without it streamed answers carry no usage, and metering and token limits would silently count nothing.
    args += ["--enable-force-include-usage", "--enable-prompt-tokens-details"]
    if _version(spec.engine.image) >= (0, 16):
        args += ["--disable-access-log-for-endpoints", "/health,/metrics,/ping"]
    else:
        args.append("--disable-uvicorn-access-log")
    return [*args, *spec.advanced.extra_args]


def _model_argument(model: ModelSpec) -> str:
    source = model.source
    if isinstance(source, NgcSource):
        message = "this model is an NVIDIA NGC image; it runs with engine type nim"
        raise BadInput("the engine does not fit the model", fields=(FieldProblem("spec.engine.type", message),))
    return source.repository if isinstance(source, HubSource) else model_files(source)


def _version(image: str) -> tuple[int, int]:
    """Major and minor of the tag; a tag that is no version counts as new."""
    match = _VERSION.search(image)
    return (int(match[1]), int(match[2])) if match else (99, 0)


def _check_extra(spec: DeploymentSpec) -> None:
    problems: list[FieldProblem] = []
    for i, argument in enumerate(spec.advanced.extra_args):
        flag = argument.split("=", 1)[0].split(" ", 1)[0]
        field = f"spec.advanced.extraArgs.{i}"
        if flag in _OWNED:
            problems.append(FieldProblem(field, f"{flag} is set by {_OWNED[flag]}"))
        elif i == 0 and not flag.startswith("-"):
            message = f"'{argument}' is not an option; the command already is `vllm serve MODEL`"
            problems.append(FieldProblem(field, message))
        elif flag.startswith("--") and not _known(flag):
            problems.append(FieldProblem(field, f"vLLM has no option {flag}{did_you_mean(flag, FLAGS)}"))
    if problems:
        raise BadInput("an extra engine argument cannot be used", fields=tuple(problems))


def _known(flag: str) -> bool:
    """Flags of vLLM's `--help`; underscores stand for dashes, and `--json.path` sets a part of a JSON option."""
    plain = "--" + flag[2:].split(".", 1)[0].replace("_", "-")
    return plain in FLAGS
