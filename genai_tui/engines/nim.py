"""NVIDIA NIM: generation 1 is configured by many NIM_* variables, generation 2 by few and by passed-through flags.

Which one an image is follows from the major version of its tag, unless the spec says otherwise.
"""

from __future__ import annotations

import re
import shlex

from genai_tui.domain.catalogue import HubSource, ModelSpec, NgcSource, StorageSource
from genai_tui.domain.deployment import DeploymentSpec, EnvVar, NgcAccess
from genai_tui.domain.problems import FieldProblem
from genai_tui.engines.arguments import refused
from genai_tui.engines.parts import (
    CONTAINER,
    PORT,
    PROBE_PERIOD_S,
    EngineParts,
    Json,
    check_name,
    env_entry,
    http_probe,
    model_files,
    resources,
    served_names,
    startup_budget,
    volumes,
    with_user_env,
)
from genai_tui.errors import BadInput

MINIMUM_BUDGET_S = 1200
"""What the NIM Operator allows since 2.0.2: 120 probes, ten seconds apart."""
CACHE_PATH = "/opt/nim/.cache"
_MAJOR = re.compile(r":v?([0-9]{1,6})(?:[.-]|$)")
_GROUP = 2000
"""The group the NIM Operator gives its pods, so that an engine that is not root can write a fresh cache volume."""
_OWNED = {
    "--model": "spec.model",
    "--served-model-name": "metadata.name",
    "--max-model-len": "spec.engine.contextLength",
    "--enable-prefix-caching": "spec.engine.promptCaching",
    "--no-enable-prefix-caching": "spec.engine.promptCaching",
    "--tensor-parallel-size": "spec.resources.gpu",
    "--host": "the Service and the probes, which reach every address of the pod",
    "--port": "the Service and the probes, which expect 8000",
}


def generation(spec: DeploymentSpec) -> int:
    """1 for NIM 1.x, 2 for 2.x and later; an image without a version tag counts as 2."""
    if spec.engine.nim_generation is not None:
        return spec.engine.nim_generation
    match = _MAJOR.search(spec.engine.image.split("@")[0].rsplit("/", 1)[-1])
    return 1 if match is not None and int(match[1]) <= 1 else 2


def parts(spec: DeploymentSpec, model: ModelSpec, name: str) -> EngineParts:
    """The NIM container of deployment `name`.

    Raises:
        BadInput: something this generation cannot do, with the field.
    """
    check_name(name)
    ngc = spec.engine.ngc or NgcAccess()
    found, mounts = volumes(spec, model, name, CACHE_PATH)
    own = _shared_env(spec, name, ngc) + (_first(spec, model) if generation(spec) == 1 else _second(spec, model))
    container: Json = {
        "name": CONTAINER,
        "image": spec.engine.image,
        "env": with_user_env(own, spec),
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "resources": resources(spec),
        "startupProbe": http_probe(
            "/v1/health/ready",
            initialDelaySeconds=30,
            periodSeconds=PROBE_PERIOD_S,
            timeoutSeconds=5,
            failureThreshold=-(-startup_budget(spec, model, MINIMUM_BUDGET_S) // PROBE_PERIOD_S),
        ),
        "livenessProbe": http_probe("/v1/health/live", periodSeconds=10, timeoutSeconds=5, failureThreshold=3),
        "readinessProbe": http_probe("/v1/health/ready", periodSeconds=10, timeoutSeconds=5, failureThreshold=3),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": mounts,
    }
    cache = spec.advanced.cache
    security = {"fsGroup": _GROUP, "fsGroupChangePolicy": "OnRootMismatch"} if cache and cache.size else None
    return EngineParts(container, tuple(found), (ngc.pull_secret,), security)


def doubts(spec: DeploymentSpec, model: ModelSpec) -> tuple[FieldProblem, ...]:
    """An image that is not the one the model names."""
    if not isinstance(model.source, NgcSource) or _repository(spec.engine.image) == _repository(model.source.image):
        return ()
    message = f"the model is the image {model.source.image}; another image may serve another model"
    return (FieldProblem("spec.engine.image", message),)


def _repository(image: str) -> str:
    """The last part of the repository: a mirror keeps it."""
    return image.split("@")[0].rsplit("/", 1)[-1].split(":")[0]


def _shared_env(spec: DeploymentSpec, name: str, ngc: NgcAccess) -> list[Json]:
    entries = [
        env_entry(EnvVar(name="NGC_API_KEY", secret=ngc.api_key)),
        {"name": "NIM_SERVED_MODEL_NAME", "value": ",".join(served_names(name, spec.model))},
        {"name": "NIM_SERVER_PORT", "value": str(PORT)},
        {"name": "NIM_HTTP_API_PORT", "value": str(PORT)},
        {"name": "NIM_JSONL_LOGGING", "value": "1"},
        {"name": "NIM_LOG_LEVEL", "value": "INFO"},
        {"name": "NIM_CACHE_PATH", "value": CACHE_PATH},
    ]
    if spec.engine.context_length != "auto":
        entries.append({"name": "NIM_MAX_MODEL_LEN", "value": str(spec.engine.context_length)})
    return entries


def _first(spec: DeploymentSpec, model: ModelSpec) -> list[Json]:
    """Generation 1: the model is in the image, the profile decides tensor parallelism, and there are no flags."""
    problems = []
    if isinstance(model.source, StorageSource | HubSource):
        message = "NIM 1.x serves the model in its image; choose a model from NVIDIA NGC, or an image of NIM 2.x"
        problems.append(FieldProblem("spec.model", message))
    if spec.advanced.extra_args:
        message = "NIM 1.x takes no engine arguments; use environment variables, or an image of NIM 2.x"
        problems.append(FieldProblem("spec.advanced.extraArgs", message))
    if problems:
        raise BadInput(problems[0].message, fields=tuple(problems))
    return [{"name": "NIM_ENABLE_KV_CACHE_REUSE", "value": "1" if spec.engine.prompt_caching else "0"}]


def _second(spec: DeploymentSpec, model: ModelSpec) -> list[Json]:
    """Generation 2: one engine an image; its own flags go through NIM_PASSTHROUGH_ARGS.

    NIM_MODEL_PATH: https://docs.nvidia.com/nim/large-language-models/latest/deployment/model-free-nim.html
    """
    problems = tuple(refused(spec.advanced.extra_args, _OWNED))
    if problems:
        raise BadInput(problems[0].message, fields=problems)
    entries: list[Json] = []
    if isinstance(model.source, HubSource):
        entries.append({"name": "NIM_MODEL_PATH", "value": _hub_path(model.source)})
    elif isinstance(model.source, StorageSource):
        entries.append({"name": "NIM_MODEL_PATH", "value": model_files(model.source)})
    if spec.resources.gpu > 1:
        entries.append({"name": "NIM_TENSOR_PARALLEL_SIZE", "value": str(spec.resources.gpu)})
    flags = [] if spec.engine.prompt_caching else ["--no-enable-prefix-caching"]
    flags += spec.advanced.extra_args
    if flags:
        entries.append({"name": "NIM_PASSTHROUGH_ARGS", "value": shlex.join(flags)})
    return entries


def _hub_path(source: HubSource) -> str:
    """`hf://ORG/MODEL`, with `:REVISION` where it is not the default."""
    return f"hf://{source.repository}" + ("" if source.revision == "main" else f":{source.revision}")
