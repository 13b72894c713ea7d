"""Reads what the rules of `domain.preflight` need, and nothing more: of Secrets their types and key names are kept."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from genai_tui.domain import needs
from genai_tui.domain import preflight as rules
from genai_tui.domain.catalogue import EndpointSpec, HubSource, ModelSpec
from genai_tui.domain.cluster import Kind, Sync
from genai_tui.domain.deployment import DeploymentSpec
from genai_tui.domain.documents import ModelDeployment
from genai_tui.domain.enforcement import GATEWAY, hostname_of
from genai_tui.domain.model_secrets import MissingSecret, registry_of
from genai_tui.domain.model_shape import Files
from genai_tui.domain.needs import NotSeen, SeenQuota, SeenSecret
from genai_tui.domain.pace import StartKind, Usual
from genai_tui.domain.preflight import Check, Level
from genai_tui.domain.quantities import parse_quantity
from genai_tui.domain.rows import Ref
from genai_tui.errors import GenaiTuiError, NotFound, NotPermitted
from genai_tui.kube.connection import Connection
from genai_tui.kube.gateways import listens
from genai_tui.looking import AskHub, HubAnswer, certificate_of, hub_is_asked
from genai_tui.services import ClusterPicture

Json = dict[str, Any]
_HUB_REMEMBERED_S = 120.0
"""So long the hub is not asked again of one repository: a form is reviewed many times."""
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


class Preflight:
    """Looks before a save. Never raises for what could not be looked at: the check says so."""

    def __init__(self, connection: Connection, picture: ClusterPicture, ask_hub: AskHub | None = None) -> None:
        self._connection, self._picture, self._ask_hub = connection, picture, ask_hub
        self._answers: dict[HubSource, tuple[float, HubAnswer]] = {}

    async def checks(
        self,
        document: ModelDeployment,
        namespace: str,
        model: ModelSpec,
        endpoint: EndpointSpec,
        objects: Sequence[Json],
    ) -> tuple[Check, ...]:
        """Every check of one deployment, as its rendered `objects` (the Deployment first) need it."""
        spec, ref = document.spec, Ref(namespace, document.metadata.name)
        pod = objects[0]["spec"]["template"]["spec"]
        hub = await self._hub(model)
        found = list(self._nodes(document, model, ref, needs.files_used(spec, hub.files if hub is not None else None)))
        if spec.advanced.pod_affinity.model_dump(exclude_defaults=True, exclude_none=True):
            text = "whether nodes satisfy it is for the scheduler to say"
            found.append(Check("pod affinity", Level.UNKNOWN, text))
        found.append(rules.startup(_budget(pod), self._usual(spec, model, pod)))
        found += await self._secrets(namespace, pod)
        token = needs.hub_token(model, spec, hub.gate if hub is not None else None)
        found += [token] if token is not None else []
        image = spec.engine.image
        entitled = needs.ngc_entitlement(image, self._running(image) if needs.from_ngc(image) else None)
        found += [entitled] if entitled is not None else []
        found += await self._volumes(namespace, pod, objects)
        found += needs.quota(
            await self._quotas(namespace),
            _wanted(pod, spec.engine.replicas),
            exists=self._picture.deployment(ref) is not None,
        )
        if endpoint.gateway is not None:
            host, home = hostname_of(ref.name, endpoint.hostname), endpoint.gateway.namespace
            if endpoint.tls_secret:
                found += await self._certificate(home, endpoint.tls_secret, host)
            else:
                found += await self._listeners(home, endpoint.gateway.name, host)
        return tuple(found)

    def _nodes(self, document: ModelDeployment, model: ModelSpec, ref: Ref, files: Files) -> tuple[Check, ...]:
        nodes, split = self._picture.nodes(), rules.heads(document.spec, files)
        splits = (split,) if split is not None else ()
        if not nodes:
            known = dict(self._picture.health.kinds)
            refused = known.get(Kind.NODE) is Sync.FORBIDDEN
            text = "you are not permitted to list nodes" if refused else "no nodes are listed"
            return (Check("placement", Level.UNKNOWN, text), *splits)
        spec = document.spec
        # Who holds the GPUs of the nodes is known only where the pods of every namespace are seen.
        all_seen = self._picture.health.within is None
        where = (rules.placement(spec, nodes, ref), rules.rollout(spec, nodes if all_seen else (), ref))
        return (*where, *splits, *rules.memory(spec, model, nodes, files))

    def _usual(self, spec: DeploymentSpec, model: ModelSpec, pod: Json) -> Usual | None:
        return self._picture.usual_start_of(StartKind(pod["containers"][0]["image"], spec.model, spec.resources.gpu))

    def _running(self, image: str) -> str | None:
        """A deployment with a ready replica of this image."""
        for row in self._picture.deployments():
            detail = self._picture.deployment(row.ref) if row.ready else None
            if detail is not None and any(container.image == image for container in detail.workload.containers):
                return str(row.ref)
        return None

    async def _secrets(self, namespace: str, pod: Json) -> list[Check]:
        seen: dict[str, SeenSecret | NotSeen] = {}
        told: list[Check] = []
        for container in (*pod.get("initContainers", ()), *pod["containers"]):
            for variable in container.get("env") or ():
                wanted = variable.get("valueFrom", {}).get("secretKeyRef")
                if wanted is None or wanted.get("optional"):
                    continue
                name = wanted["name"]
                if name not in seen:
                    seen[name] = await self._secret(namespace, name)
                check = needs.secret_key(name, wanted["key"], variable["name"], seen[name])
                lacks = isinstance(seen[name], SeenSecret) and check.level is Level.STOP
                missing = MissingSecret(namespace, name, wanted["key"], variable["name"], exists=lacks)
                told.append(replace(check, missing=missing) if lacks or seen[name] is NotSeen.ABSENT else check)
        for entry in pod.get("imagePullSecrets") or ():
            name = entry["name"]
            found = seen.get(name) or await self._secret(namespace, name)
            check = needs.pull_secret(name, found)
            registry = registry_of(pod["containers"][0]["image"])
            missing = MissingSecret(namespace, name, registry=registry)
            told.append(replace(check, missing=missing) if found is NotSeen.ABSENT else check)
        return list(dict.fromkeys(told))

    async def _hub(self, model: ModelSpec) -> HubAnswer | None:
        """What the hub says of the model's repository; None where it is not asked."""
        if not isinstance(model.source, HubSource) or self._ask_hub is None or not hub_is_asked():
            return None
        known, now = self._answers.get(model.source), time.monotonic()
        if known is None or now - known[0] > _HUB_REMEMBERED_S:
            known = self._answers[model.source] = (now, await self._ask_hub(model.source))
        return known[1]

    async def _listeners(self, namespace: str, name: str, host: str) -> Sequence[Check]:
        """The certificates that the Gateway itself shows for the host, where the endpoint names none."""
        gateway = await self._get(f"/apis/{GATEWAY.api_version}/namespaces/{namespace}/gateways/{name}")
        about = f"certificate of Gateway {namespace}/{name}"
        if isinstance(gateway, NotSeen):
            # Whether it exists is said where its route is.
            return (Check(about, Level.UNKNOWN, "the Gateway could not be looked at"),)
        listeners = (gateway.get("spec") or {}).get("listeners") or ()
        serving = [one for one in listeners if one.get("protocol") == "HTTPS" and listens(one.get("hostname"), host)]
        if not serving:
            return (
                Check(about, Level.WARNING, f"no HTTPS listener takes {host}: keys would cross the net in the clear"),
            )
        found: list[Check] = []
        for listener in serving:
            for reference in (listener.get("tls") or {}).get("certificateRefs") or ():
                if reference.get("kind", "Secret") == "Secret":
                    found += await self._certificate(reference.get("namespace") or namespace, reference["name"], host)
        return tuple(dict.fromkeys(found)) or (Check(about, Level.UNKNOWN, "its listener names no Secret"),)

    async def _certificate(self, namespace: str, name: str, host: str) -> tuple[Check, ...]:
        """Only the certificate is taken out of the Secret: it is public, its key is not looked at."""
        item = await self._get(f"/api/v1/namespaces/{namespace}/secrets/{name}")
        seen = item if isinstance(item, NotSeen) else _seen(item)
        pem = "" if isinstance(item, NotSeen) else (item.get("data") or {}).get("tls.crt", "")
        try:
            certificate = certificate_of(base64.b64decode(pem))
        except ValueError:
            certificate = None
        return needs.tls_secret(namespace, name, seen, host, certificate, datetime.now(UTC))

    async def _volumes(self, namespace: str, pod: Json, objects: Sequence[Json]) -> list[Check]:
        made = {item["metadata"]["name"]: item for item in objects if item["kind"] == "PersistentVolumeClaim"}
        told: list[Check] = []
        for volume in pod.get("volumes") or ():
            name = volume.get("persistentVolumeClaim", {}).get("claimName")
            if name is None:
                continue
            if name in made:
                told.append(needs.storage_class(made[name]["spec"].get("storageClassName"), await self._classes()))
                continue
            item = await self._get(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{name}")
            phase = item if isinstance(item, NotSeen) else item.get("status", {}).get("phase", "Pending")
            told.append(needs.claim(name, phase))
        return told

    async def _secret(self, namespace: str, name: str) -> SeenSecret | NotSeen:
        item = await self._get(f"/api/v1/namespaces/{namespace}/secrets/{name}")
        return item if isinstance(item, NotSeen) else _seen(item)

    async def _classes(self) -> Mapping[str, bool] | NotSeen:
        found = await self._get("/apis/storage.k8s.io/v1/storageclasses")
        if isinstance(found, NotSeen):
            return found
        metas = [item["metadata"] for item in found.get("items") or ()]
        return {meta["name"]: (meta.get("annotations") or {}).get(DEFAULT_CLASS) == "true" for meta in metas}

    async def _quotas(self, namespace: str) -> Sequence[SeenQuota] | NotSeen:
        found = await self._get(f"/api/v1/namespaces/{namespace}/resourcequotas")
        if isinstance(found, NotSeen):
            return found
        return [_quota(item) for item in found.get("items") or ()]

    async def _get(self, path: str) -> Json | NotSeen:
        try:
            return await self._connection.get_json(path)
        except NotFound:
            return NotSeen.ABSENT
        except NotPermitted:
            return NotSeen.FORBIDDEN
        except GenaiTuiError:
            return NotSeen.FAILED


def _seen(item: Json) -> SeenSecret:
    return SeenSecret(item.get("type", "Opaque"), frozenset(item.get("data") or ()))


def _budget(pod: Json) -> int:
    """Seconds from the container's start until it is given up."""
    probe = pod["containers"][0]["startupProbe"]
    return int(probe.get("initialDelaySeconds", 0)) + int(probe["periodSeconds"]) * int(probe["failureThreshold"])


def _quota(item: Json) -> SeenQuota:
    spec, status = item.get("spec", {}), item.get("status", {})
    scoped = bool(spec.get("scopes") or spec.get("scopeSelector"))
    return SeenQuota(
        item["metadata"]["name"], status.get("hard") or spec.get("hard") or {}, status.get("used") or {}, scoped
    )


def _wanted(pod: Json, replicas: int) -> dict[str, Decimal]:
    """What all replicas ask for, by the names of quotas.

    https://kubernetes.io/docs/concepts/policy/resource-quotas/#compute-resource-quota
    """
    wanted: dict[str, Decimal] = {"pods": Decimal(replicas), "count/pods": Decimal(replicas)}
    for container in pod["containers"]:
        resources = container.get("resources", {})
        limits = resources.get("limits") or {}
        for kind, amounts in (("requests", limits | (resources.get("requests") or {})), ("limits", limits)):
            for name, text in amounts.items():
                amount = parse_quantity(str(text)) * replicas
                for key in (f"{kind}.{name}", name) if kind == "requests" else (f"{kind}.{name}",):
                    wanted[key] = wanted.get(key, Decimal()) + amount
    return wanted
