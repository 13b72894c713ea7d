"""A Deployment read back into the form: what fits our model as the form's texts, and what does not, by path.

The way back of `render_deployment`, for a deployment that somebody changed and for one that somebody else made.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from pydantic import ValidationError

from genai_tui.domain.adoption import Leftover
from genai_tui.domain.deployment import EnvVar, PodAffinity, SecretKey, Toleration
from genai_tui.domain.form_affinity import write_affinity
from genai_tui.domain.form_lines import write_arguments, write_env, write_pairs, write_tolerations
from genai_tui.domain.naming import GROUP, MANAGED_BY_LABEL
from genai_tui.engines.arguments import canonical
from genai_tui.engines.parts import MODELS_PATH, SHARED_MEMORY_PATH
from genai_tui.kube import convert, wire
from genai_tui.kube.manifests.foreign import Identified, identify, serve_arguments

Json = dict[str, Any]
_BASE: Final = ("cpu", "memory", "ephemeral-storage")
_VLLM_OURS: Final = frozenset(
    {
        "--enable-force-include-usage",
        "--enable-prompt-tokens-details",
        "--disable-access-log-for-endpoints",
        "--disable-uvicorn-access-log",
        "--shutdown-timeout",
    }
)
"""What every deployment of ours has: nothing to choose."""
_NIM_OURS: Final = frozenset(
    {"NIM_SERVER_PORT", "NIM_HTTP_API_PORT", "NIM_JSONL_LOGGING", "NIM_LOG_LEVEL", "NIM_CACHE_PATH"}
)
_TOOLS_LABELS: Final = (
    "helm.sh/",
    "argocd.argoproj.io/",
    "kustomize.toolkit.fluxcd.io/",
    "pod-template-hash",
    f"{GROUP}/",
)
_CHOOSING: Final = ("app", "app.kubernetes.io/name", "app.kubernetes.io/instance")
"""By what Services commonly choose their pods."""
_CACHES: Final = ("/root/.cache/huggingface", "/opt/nim/.cache")


@dataclass
class ReadBack:
    """A Deployment as the form has it.

    Attributes:
        texts: id of a form field -> its text.
        leftovers: what is not in them.
        model: the model as the engine was told it (a repository of the hub, a path, an image); None where not known.
        revision: of the model's repository; empty for the default.
        names: what the engine answers to.
    """

    texts: dict[str, str] = field(default_factory=dict)
    leftovers: list[Leftover] = field(default_factory=list)
    model: str | None = None
    revision: str = ""
    names: tuple[str, ...] = ()

    def leave(self, path: str, value: object, why: str) -> None:
        """Name what does not fit."""
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        self.leftovers.append(Leftover(path, text if len(text) <= 200 else f"{text[:199]}…", why))


def read_back(live: Json) -> ReadBack | None:
    """The form's texts of a Deployment; None where no container of it runs an engine."""
    workload = convert.workload(msgspec.convert(live, wire.Workload, strict=False))
    found = identify(workload.containers)
    if found is None:
        return None
    spec = live.get("spec") or {}
    pod = (spec.get("template") or {}).get("spec") or {}
    container = next(c for c in pod.get("containers") or () if c.get("name") == found.container.name)
    read = ReadBack(model=found.model, names=found.served_names)
    read.texts |= {
        "engine.type": found.engine,
        "engine.image": found.container.image,
        "engine.replicas": str(workload.replicas),
        "advanced.runtimeClass": pod.get("runtimeClassName") or "",
        "advanced.nodeSelector": write_pairs(pod.get("nodeSelector") or {}),
    }
    _arguments(read, found)
    _resources(read, container.get("resources") or {})
    _environment(read, found, container)
    _volumes(read, pod, container)
    _placement(read, pod)
    _metadata(read, live)
    _rollout(read, spec)
    _probe(read, container)
    _others(read, pod, container)
    return read


def _arguments(read: ReadBack, found: Identified) -> None:
    """Context length, prompt caching and the arguments no field has."""
    words = serve_arguments(found.container) if found.engine == "vllm" else _passed_through(found.container.env)
    context, caching, extra = "auto", "on", list[str]()
    for flag, values, raw in _options(words):
        match flag:
            case "--model" | "--served-model-name" | None:
                pass
            case "--revision":
                read.revision = values[0] if values else ""
            case "--max-model-len":
                context = values[0] if values else "auto"
            case "--enable-prefix-caching" | "--no-enable-prefix-caching":
                caching = "off" if flag.startswith("--no-") else "on"
            case "--tensor-parallel-size":
                read.texts["resources.gpu"] = values[0] if values else "1"
            case "--host" | "--port" | "--uds":
                if flag != "--host" and values != ["8000"]:
                    read.leave("args", " ".join(raw), "the Service and the probes made here expect port 8000")
            case "--api-key" | "--hf-token":
                read.leave("args", f"{flag} [hidden]", "a secret among the arguments; keep it in a Secret")
            case _ if flag in _VLLM_OURS:
                pass
            case _:
                extra += raw
    if found.engine == "nim":
        environment = found.container.env
        context = environment.get("NIM_MAX_MODEL_LEN", context)
        caching = {"0": "off", "1": "on"}.get(environment.get("NIM_ENABLE_KV_CACHE_REUSE", ""), caching)
    read.texts |= {
        "engine.contextLength": context,
        "engine.promptCaching": caching,
        "advanced.extraArgs": write_arguments(extra),
    }


def _passed_through(environment: Mapping[str, str]) -> Sequence[str]:
    try:
        return shlex.split(environment.get("NIM_PASSTHROUGH_ARGS", ""))
    except ValueError:
        return ()


def _options(words: Sequence[str]) -> Iterator[tuple[str | None, list[str], list[str]]]:
    """Each option with its values and as it was written; the positional words before the first one have none."""
    flag: str | None = None
    values: list[str] = []
    raw: list[str] = []
    for word in words:
        option = canonical(word)
        if option is None:
            values.append(word)
            raw.append(word)
            continue
        if raw:
            yield flag, values, raw
        value = word.partition("=")[2] if word.startswith("--") else ""
        flag, values, raw = option, [value] if value else [], [word]
    if raw:
        yield flag, values, raw


def _resources(read: ReadBack, resources: Json) -> None:
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    wanted = {**limits, **requests}
    read.texts["resources.cpu"] = str(wanted.get("cpu", ""))
    read.texts["resources.memory"] = str(wanted.get("memory", ""))
    devices = {name: str(count) for name, count in wanted.items() if name not in _BASE and "/" in name}
    if devices:
        name, count = next(iter(devices.items()))
        read.texts |= {"resources.gpu": count, "resources.gpuResource": name}
    else:
        read.texts["resources.gpu"] = "0"
    for other, count in list(devices.items())[1:]:
        read.leave("resources", f"{other}: {count}", "one kind of GPU for each replica")
    if "cpu" in limits:
        read.leave("resources.limits.cpu", str(limits["cpu"]), "CPU is asked for and not limited, which slows engines")
    if "memory" in limits and "memory" in requests and limits["memory"] != requests["memory"]:
        read.leave("resources.limits.memory", str(limits["memory"]), "memory is limited to what is asked for")
    for part in (requests, limits):
        if "ephemeral-storage" in part:
            read.leave("resources", f"ephemeral-storage: {part['ephemeral-storage']}", "no field holds it")


def _environment(read: ReadBack, found: Identified, container: Json) -> None:
    kept: list[EnvVar] = []
    for entry in container.get("env") or ():
        name = entry.get("name", "")
        if _engines_own(found.engine, name, entry):
            _ngc(read, name, entry)
            continue
        reference = (entry.get("valueFrom") or {}).get("secretKeyRef")
        try:
            if reference is not None:
                kept.append(EnvVar(name=name, secret=SecretKey(name=reference["name"], key=reference["key"])))
            elif entry.get("valueFrom"):
                read.leave(f"env.{name}", entry["valueFrom"], "a value or a key of a Secret fits, this does not")
            else:
                kept.append(EnvVar(name=name, value=entry.get("value") or ""))
        except ValidationError:
            read.leave(
                f"env.{name}", "[hidden]", "a secret as plain text, or a name no field takes; keep it in a Secret"
            )
    read.texts["advanced.env"] = write_env(kept)
    for source in container.get("envFrom") or ():
        read.leave("envFrom", source, "name each variable in the form")


def _engines_own(engine: str, name: str, entry: Json) -> bool:
    if engine == "vllm":
        return name == "HF_HOME" and entry.get("value") == _CACHES[0]
    return name in _NIM_OURS or name in (
        "NGC_API_KEY", "NIM_SERVED_MODEL_NAME", "NIM_MAX_MODEL_LEN", "NIM_ENABLE_KV_CACHE_REUSE", "NIM_MODEL_PATH",
        "NIM_TENSOR_PARALLEL_SIZE", "NIM_PASSTHROUGH_ARGS",
    )  # fmt: skip


def _ngc(read: ReadBack, name: str, entry: Json) -> None:
    reference = (entry.get("valueFrom") or {}).get("secretKeyRef")
    if name == "NGC_API_KEY" and reference is not None:
        read.texts |= {"engine.ngc.apiKey.name": reference["name"], "engine.ngc.apiKey.key": reference["key"]}
    elif name == "NGC_API_KEY":
        read.leave("env.NGC_API_KEY", "[hidden]", "a secret as plain text; keep it in a Secret")


def _volumes(read: ReadBack, pod: Json, container: Json) -> None:
    """Shared memory and the model cache; other volumes do not fit."""
    volumes = {volume["name"]: volume for volume in pod.get("volumes") or ()}
    mounted = {mount["mountPath"].rstrip("/"): mount["name"] for mount in container.get("volumeMounts") or ()}
    home = next((e.get("value") for e in container.get("env") or () if e.get("name") == "HF_HOME"), None)
    for path, name in mounted.items():
        volume = volumes.get(name) or {}
        claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        size = (volume.get("emptyDir") or {}).get("sizeLimit")
        if path == SHARED_MEMORY_PATH and "emptyDir" in volume:
            read.texts["advanced.sharedMemory"] = str(size or "2Gi")
        elif claim is not None and (path in _CACHES or (home and path == home.rstrip("/"))):
            read.texts["advanced.cache.claim"] = claim
            if home and path not in _CACHES:
                read.leave("volumeMounts", f"{claim} at {path}", f"is mounted at {_CACHES[0]} instead")
        elif path != MODELS_PATH:
            read.leave(
                "volumes", {k: v for k, v in volume.items() if k != "name"}, f"mounted at {path}: no field holds it"
            )
    for name in volumes.keys() - set(mounted.values()):
        read.leave("volumes", name, "mounted in another container")


def _placement(read: ReadBack, pod: Json) -> None:
    tolerations: list[Toleration] = []
    for toleration in pod.get("tolerations") or ():
        try:
            tolerations.append(Toleration.model_validate(toleration))
        except ValidationError:
            read.leave("tolerations", toleration, "no field holds it so")
    read.texts["advanced.tolerations"] = write_tolerations(tolerations)
    affinity = dict(pod.get("affinity") or {})
    if "nodeAffinity" in affinity:
        read.leave("affinity.nodeAffinity", affinity.pop("nodeAffinity"), "write it as a node selector")
    try:
        read.texts["advanced.podAffinity"] = write_affinity(PodAffinity.model_validate(affinity)) if affinity else ""
    except ValidationError:
        read.leave("affinity", affinity, "no field holds it so")


def _metadata(read: ReadBack, live: Json) -> None:
    template = ((live.get("spec") or {}).get("template") or {}).get("metadata") or {}
    labels = template.get("labels") or {}
    chosen_by = ((live.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    own: dict[str, str] = {}
    for key, value in labels.items():
        if key.startswith(_TOOLS_LABELS) or key == MANAGED_BY_LABEL:
            continue
        if key in chosen_by or key in _CHOOSING:
            why = "left out: its selector, and Services, would take the pods of another for their own"
            read.leave(f"labels.{key}", value, why)
        else:
            own[key] = value
    read.texts["advanced.labels"] = write_pairs(own)
    read.texts["advanced.annotations"] = write_pairs(
        {key: value for key, value in (template.get("annotations") or {}).items() if not _of_kubectl(key)}
    )


def _of_kubectl(key: str) -> bool:
    return key.startswith(("kubectl.kubernetes.io/", f"{GROUP}/"))


def _rollout(read: ReadBack, spec: Json) -> None:
    strategy = spec.get("strategy") or {}
    kind, rolling = strategy.get("type"), strategy.get("rollingUpdate") or {}
    surges = kind == "RollingUpdate" and rolling.get("maxSurge") == 1 and rolling.get("maxUnavailable") == 0
    read.texts["advanced.strategy"] = "Surge" if surges else kind if kind in ("Recreate", "RollingUpdate") else "auto"


def _probe(read: ReadBack, container: Json) -> None:
    probe = container.get("startupProbe")
    if probe is not None:
        budget = int(probe.get("periodSeconds") or 10) * int(probe.get("failureThreshold") or 3)
        read.texts["engine.startupBudgetSeconds"] = str(budget)


_PASSED: Final = frozenset(
    {
        "name", "image", "command", "args", "env", "envFrom", "resources", "volumeMounts", "ports", "startupProbe",
        "livenessProbe", "readinessProbe", "imagePullPolicy", "terminationMessagePath", "terminationMessagePolicy",
        "lifecycle",
    }
)  # fmt: skip
_PASSED_POD: Final = frozenset(
    {
        "containers", "volumes", "tolerations", "nodeSelector", "affinity", "runtimeClassName", "restartPolicy",
        "dnsPolicy", "schedulerName", "terminationGracePeriodSeconds", "enableServiceLinks",
        "automountServiceAccountToken", "serviceAccount",
    }
)  # fmt: skip


def _others(read: ReadBack, pod: Json, container: Json) -> None:
    """Sidecars, security contexts and whatever else no field holds."""
    for other in pod.get("containers") or ():
        if other is not container:
            read.leave(
                "containers", f"{other.get('name')}: {other.get('image')}", "a second container beside the engine"
            )
    if container.get("livenessProbe") or container.get("readinessProbe"):
        kinds = [name for name in ("livenessProbe", "readinessProbe") if container.get(name)]
        if any("httpGet" not in container[name] for name in kinds):
            read.leave("probes", ", ".join(kinds), "the engine's own health page is asked instead")
    secrets = [secret.get("name", "") for secret in pod.get("imagePullSecrets") or ()]
    if secrets and read.texts["engine.type"] == "nim":
        read.texts["engine.ngc.pullSecret"] = secrets[0]
    elif secrets:
        read.leave("imagePullSecrets", ", ".join(secrets), "put them on the namespace's service account")
    for name, value in pod.items():
        if name not in _PASSED_POD and name != "imagePullSecrets" and value not in ({}, [], None, "default"):
            read.leave(name, value, "no field holds it")
    for name, value in container.items():
        if name not in _PASSED and value not in ({}, [], None):
            read.leave(f"container.{name}", value, "no field holds it")
