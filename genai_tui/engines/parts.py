"""What an engine contributes to the pod of a deployment, and what all engines share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from genai_tui.domain.catalogue import ModelSpec, StorageSource, parameter_count
from genai_tui.domain.deployment import DeploymentSpec, EnvVar
from genai_tui.domain.problems import FieldProblem
from genai_tui.errors import BadInput

PORT = 8000
CONTAINER = "engine"
MODELS_PATH = "/models"
SHARED_MEMORY_PATH = "/dev/shm"
PROBE_PERIOD_S = 10
GRACE_S = 60
PRE_STOP_S = 15
"""Both as KServe has them for vLLM: the pod leaves the Service, then the engine is told to stop."""
PULL_ALLOWANCE_S = 900
"""What the progress deadline allows on top of the start-up budget: engine images have 10 to 25 GB."""
_BYTES_PER_PARAMETER = 2
_ASSUMED_BYTES_PER_SECOND = 50_000_000
_BASE_BUDGET_S = 300
_LONGEST_BUDGET_S = 86_400
_RESERVED_NAMES = {
    "vllm": "VLLM_PORT, which stops vLLM",
    "nim-server": "NIM_SERVER_PORT, which stops NIM",
    "nim-http-api": "NIM_HTTP_API_PORT, which stops NIM",
}

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class EngineParts:
    """The container with its volumes, the pull secrets its image needs, and the pod's security context."""

    container: Json
    volumes: tuple[Json, ...]
    pull_secrets: tuple[str, ...] = ()
    pod_security: Mapping[str, Any] | None = None


def check_name(name: str) -> None:
    """Refuse a name whose Service would break engines beside it.

    Kubernetes puts `<SERVICE>_PORT=tcp://...` into every pod of the namespace that has not switched it off.

    Raises:
        BadInput: on `metadata.name`.
    """
    if name in _RESERVED_NAMES:
        message = f"a Service called {name} sets {_RESERVED_NAMES[name]}, in every pod beside it; choose another name"
        raise BadInput(message, fields=(FieldProblem("metadata.name", message),))


def startup_budget(spec: DeploymentSpec, model: ModelSpec, minimum: int) -> int:
    """Seconds one replica may take from container start to ready.

    The spec's own figure; else time to fetch and load two bytes a parameter at 50 MB/s on top of five minutes, and
    never less than `minimum`, which is what the engine's own charts allow, nor more than a day.
    """
    if spec.engine.startup_budget_seconds is not None:
        return spec.engine.startup_budget_seconds
    if model.parameters is None:
        return minimum
    weights = parameter_count(model.parameters) * _BYTES_PER_PARAMETER
    return min(_LONGEST_BUDGET_S, max(minimum, _BASE_BUDGET_S + math.ceil(weights / _ASSUMED_BYTES_PER_SECOND)))


def http_probe(path: str, **timing: int) -> Json:
    """An HTTP probe on the API port."""
    return {"httpGet": {"path": path, "port": "http"}, **timing}


def env_entry(variable: EnvVar) -> Json:
    """A variable as Kubernetes writes it; secrets stay references."""
    if variable.secret is not None:
        reference = {"name": variable.secret.name, "key": variable.secret.key}
        return {"name": variable.name, "valueFrom": {"secretKeyRef": reference}}
    return {"name": variable.name, "value": variable.value or ""}


def with_user_env(own: list[Json], spec: DeploymentSpec) -> list[Json]:
    """The engine's variables followed by the operator's.

    Raises:
        BadInput: the operator sets a variable that a field sets, or one no process can have.
    """
    ours = {entry["name"] for entry in own}
    problems: list[FieldProblem] = []
    for i, variable in enumerate(spec.advanced.env):
        field = f"spec.advanced.env.{i}"
        if variable.name in ours:
            problems.append(FieldProblem(f"{field}.name", f"{variable.name} is set by a field of its own"))
        if "\0" in (variable.value or ""):
            problems.append(FieldProblem(f"{field}.value", "holds a NUL character, which no variable can have"))
    if problems:
        raise BadInput(problems[0].message, fields=tuple(problems))
    return own + [env_entry(variable) for variable in spec.advanced.env]


def resources(spec: DeploymentSpec) -> Json:
    """Requests equal limits for CPU's request, memory and GPUs; CPU has no limit, which would throttle the engine."""
    wanted = spec.resources
    gpus = {wanted.gpu_resource: str(wanted.gpu)} if wanted.gpu else {}
    return {
        "requests": {"cpu": wanted.cpu, "memory": wanted.memory, **gpus},
        "limits": {"memory": wanted.memory, **gpus},
    }


def volumes(spec: DeploymentSpec, model: ModelSpec, name: str, cache_path: str) -> tuple[list[Json], list[Json]]:
    """Volumes and their mounts: shared memory always, the model cache and the storage source where asked for."""
    found: list[Json] = [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": spec.advanced.shared_memory}}]
    mounts: list[Json] = [{"name": "shm", "mountPath": SHARED_MEMORY_PATH}]
    cache = spec.advanced.cache
    if cache is not None:
        claim = cache.claim or cache_claim(name)
        found.append({"name": "cache", "persistentVolumeClaim": {"claimName": claim}})
        mounts.append({"name": "cache", "mountPath": cache_path})
    if isinstance(model.source, StorageSource):
        claim = model.source.claim
        found.append({"name": "models", "persistentVolumeClaim": {"claimName": claim, "readOnly": True}})
        mounts.append({"name": "models", "mountPath": MODELS_PATH, "readOnly": True})
    return found, mounts


def cache_claim(name: str) -> str:
    """The claim made for a deployment that asks for a new cache."""
    return f"{name}-cache"


def model_files(source: StorageSource) -> str:
    """Where the files of a storage source are in the container."""
    return f"{MODELS_PATH}/{source.path.strip('/')}".rstrip("/")


def served_names(name: str, model: str) -> tuple[str, ...]:
    """The names an engine answers to: the deployment's first, the model's as an alias."""
    return (name,) if name == model else (name, model)
