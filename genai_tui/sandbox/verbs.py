"""What create, update, patch, apply and delete mean: the layer HTTP and the controllers share."""

from __future__ import annotations

import copy
import random
from typing import Any

from genai_tui.domain.quantities import parse_quantity
from genai_tui.sandbox import custom, registry
from genai_tui.sandbox import patch as patches
from genai_tui.sandbox.apply import apply
from genai_tui.sandbox.clock import Clock
from genai_tui.sandbox.defaults import set_defaults
from genai_tui.sandbox.fields import record_update
from genai_tui.sandbox.kinds import schema_of
from genai_tui.sandbox.objects import Change, Object, Objects
from genai_tui.sandbox.registry import Resource
from genai_tui.sandbox.status import ApiError, already_exists, modified, not_found
from genai_tui.sandbox.validation import check_object, check_shape, refuse_kind

SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
CONTROLLER = "kube-controller-manager"
WORKLOADS = ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job")
WITH_GENERATION = (
    *WORKLOADS, "Pod", "EndpointSlice", "NetworkPolicy", "PriorityClass", "CustomResourceDefinition",
)  # fmt: skip


class Api:
    """The API's verbs on an object store. Objects given out are not to be changed."""

    def __init__(self, objects: Objects, clock: Clock, *, seed: int = 0) -> None:
        self.objects = objects
        self.clock = clock
        self.random = random.Random(seed)
        objects.subscribe(self._follow_definitions)

    def _follow_definitions(self, change: Change) -> None:
        """Serve the kinds of custom resource definitions as these come and go."""
        if change.resource is not registry.CRDS:
            return
        if change.type == "DELETED":
            resource = custom.withdraw(change.object)
            if resource is not None:
                for item in self.objects.list(resource):
                    self.objects.remove(resource, item["metadata"].get("namespace", ""), item["metadata"]["name"])
            return
        custom.serve(change.object)

    def get(self, resource: Resource, namespace: str, name: str) -> Object:
        """One object. Raises ApiError 404."""
        found = self.objects.get(resource, namespace, name)
        if found is None:
            raise not_found(resource.group, resource.plural, name)
        return found

    def suffix(self, length: int = 5) -> str:
        """Random letters as generated names end with."""
        return "".join(self.random.choice(SUFFIX_ALPHABET) for _ in range(length))

    def create(
        self, resource: Resource, namespace: str, item: Object, *, manager: str = CONTROLLER, dry_run: bool = False
    ) -> Object:
        """POST. Raises ApiError 404 (namespace), 409, 422."""
        item = copy.deepcopy(item)
        item.setdefault("kind", resource.kind)
        item.setdefault("apiVersion", resource.api_version)
        meta = item.setdefault("metadata", {})
        self._place(resource, namespace, meta)
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = meta["generateName"] + self.suffix()
        for name in ("uid", "resourceVersion", "deletionTimestamp", "managedFields", "selfLink"):
            meta.pop(name, None)
        return self._insert(resource, item, manager, dry_run=dry_run)

    def _place(self, resource: Resource, namespace: str, meta: Object) -> None:
        if not resource.namespaced:
            meta.pop("namespace", None)
            return
        if meta.setdefault("namespace", namespace) != namespace:
            message = "the namespace of the provided object does not match the namespace sent on the request"
            raise ApiError(400, "BadRequest", message)
        home = self.objects.get(registry.NAMESPACES, "", namespace)
        if home is None:
            raise not_found("", "namespaces", namespace)
        if home["metadata"].get("deletionTimestamp"):
            message = f"unable to create new content in namespace {namespace} because it is being terminated"
            raise ApiError(403, "Forbidden", f'{resource.plural} "{meta.get("name")}" is forbidden: {message}')

    def _insert(self, resource: Resource, item: Object, manager: str, *, dry_run: bool) -> Object:
        meta = item["metadata"]
        namespace, name = meta.get("namespace", ""), meta.get("name", "")
        if name and self.objects.get(resource, namespace, name) is not None:
            raise already_exists(resource.group, resource.plural, name)
        applied = meta.pop("managedFields", None)
        if resource.kind in WORKLOADS:
            item["status"] = {}
        set_defaults(item)
        check_object(resource, item, None)
        self._admit(resource, item)
        meta["creationTimestamp"] = self.clock.stamp()
        if resource.kind in WITH_GENERATION or custom.is_custom(item):
            meta["generation"] = 1
        if resource.kind == "Service":
            self._give_address(item)
        if resource is registry.CRDS:
            item["status"] = custom.established(item, self.clock.stamp())
        if applied is not None:
            meta["managedFields"] = applied
        else:
            record_update(item, None, manager, self.clock.stamp(), resource.api_version)
        if dry_run:
            meta["uid"] = "00000000-0000-0000-0000-000000000000"
            return item
        return self.objects.put(resource, item)

    def _admit(self, resource: Resource, item: Object) -> None:
        """Resource quotas of the namespace, on pods."""
        if resource.kind != "Pod":
            return
        namespace = item["metadata"]["namespace"]
        for quota in self.objects.list(registry.QUOTAS, namespace):
            for name, hard in (quota.get("spec", {}).get("hard") or {}).items():
                self._check_quota(namespace, item, quota["metadata"]["name"], name, str(hard))

    def _check_quota(self, namespace: str, pod: Object, quota: str, name: str, hard: str) -> None:
        pods = [p for p in self.objects.list(registry.PODS, namespace) if p.get("status", {}).get("phase") not in ENDED]
        if name == "pods":
            used, wanted = parse_quantity(str(len(pods))), parse_quantity("1")
        else:
            used = sum((pod_amount(p, name) for p in pods), parse_quantity("0"))
            wanted = pod_amount(pod, name)
        if wanted and used + wanted > parse_quantity(hard):
            message = (
                f'pods "{pod["metadata"].get("name")}" is forbidden: exceeded quota: {quota}, requested: '
                f"{name}={wanted:f}, used: {name}={used:f}, limited: {name}={hard}"
            )
            raise ApiError(403, "Forbidden", message)

    def _give_address(self, item: Object) -> None:
        spec = item.setdefault("spec", {})
        if spec.get("clusterIP") is None and spec.get("type") != "ExternalName":
            number = self.random.randrange(2, 65_000)
            spec["clusterIP"] = f"10.96.{number // 256}.{number % 256}"
        if "clusterIP" in spec:
            spec["clusterIPs"] = [spec["clusterIP"]]
            spec.setdefault("ipFamilies", ["IPv4"])
            spec.setdefault("ipFamilyPolicy", "SingleStack")
        if spec.get("type") in ("NodePort", "LoadBalancer"):
            for port in spec.get("ports") or ():
                port.setdefault("nodePort", self.random.randrange(30_000, 32_768))

    def update(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        item: Object,
        *,
        manager: str = CONTROLLER,
        subresource: str = "",
        dry_run: bool = False,
        applied: bool = False,
    ) -> Object:
        """PUT, and the end of every patch. Raises ApiError 404, 409, 422."""
        previous = self.get(resource, namespace, name)
        item = copy.deepcopy(item)
        meta, old = item["metadata"], previous["metadata"]
        given = meta.get("resourceVersion")
        if given is not None and given != old["resourceVersion"]:
            raise modified(resource.group, resource.plural, name)
        if meta.get("uid", old["uid"]) != old["uid"]:
            raise modified(resource.group, resource.plural, name)
        self._keep(resource, previous, item, subresource)
        if subresource != "status":
            set_defaults(item)
            check_object(resource, item, previous)
            if "generation" in old and _is_new_generation(item, previous):
                meta["generation"] = old["generation"] + 1
        if not applied:
            if _same(item, previous):
                return previous
            record_update(item, previous, manager, self.clock.stamp(), resource.api_version, subresource=subresource)
        elif _same(item, previous) and meta.get("managedFields") == old.get("managedFields"):
            return previous
        if dry_run:
            return item
        if old.get("deletionTimestamp") and not meta.get("finalizers"):
            self.objects.put(resource, item)
            self.objects.remove(resource, namespace, name)
            return item
        return self.objects.put(resource, item)

    def _keep(self, resource: Resource, previous: Object, item: Object, subresource: str) -> None:
        """Put back what this write may not touch."""
        meta, old = item["metadata"], previous["metadata"]
        for name in _KEPT:
            if name in old:
                meta[name] = old[name]
            else:
                meta.pop(name, None)
        meta["name"] = old["name"]
        meta["resourceVersion"] = old["resourceVersion"]
        item["kind"], item["apiVersion"] = previous["kind"], previous["apiVersion"]
        if subresource == "status":
            for name in [n for n in (*item, *previous) if n not in ("status", "metadata")]:
                if name in previous:
                    item[name] = previous[name]
                else:
                    item.pop(name, None)
        elif "status" in resource.subresources:
            if "status" in previous:
                item["status"] = previous["status"]
            else:
                item.pop("status", None)

    def update_status(
        self, resource: Resource, namespace: str, name: str, status: Object, *, manager: str = CONTROLLER
    ) -> Object:
        """Replace the status. Raises ApiError 404."""
        previous = self.get(resource, namespace, name)
        if previous.get("status") == status:
            return previous
        item = {**previous, "metadata": dict(previous["metadata"]), "status": copy.deepcopy(status)}
        record_update(item, previous, manager, self.clock.stamp(), resource.api_version, subresource="status")
        return self.objects.put(resource, item)

    def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        body: Any,  # noqa: ANN401
        content_type: str,
        *,
        manager: str = CONTROLLER,
        subresource: str = "",
        dry_run: bool = False,
        mode: str = "Ignore",
    ) -> tuple[Object, list[str]]:
        """PATCH of three kinds; returns the object and warnings. Raises ApiError."""
        previous = self.get(resource, namespace, name)
        if content_type == "application/json-patch+json":
            item = patches.json_patch(previous, body)
        elif not isinstance(body, dict):
            raise ApiError(400, "BadRequest", "error decoding patch: the patch is not an object")
        elif content_type == "application/merge-patch+json":
            item = patches.merge(previous, body)
        else:
            item = patches.strategic(previous, body, schema_of(resource.kind, resource.api_version))
        warnings = check_shape(resource, item, mode)
        if isinstance(body, dict) and (body.get("metadata") or {}).get("resourceVersion") is None:
            item["metadata"] = {k: v for k, v in item["metadata"].items() if k != "resourceVersion"}
        done = self.update(resource, namespace, name, item, manager=manager, subresource=subresource, dry_run=dry_run)
        return done, warnings

    def apply(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        config: Object,
        *,
        manager: str,
        force: bool = False,
        dry_run: bool = False,
        mode: str = "Strict",
    ) -> tuple[Object, bool, list[str]]:
        """Server-side apply; returns the object, whether it is new, and warnings. Raises ApiError."""
        refuse_kind(resource, config)
        warnings = check_shape(resource, config, mode)
        config = copy.deepcopy(config)
        meta = config.setdefault("metadata", {})
        if meta.setdefault("name", name) != name:
            raise ApiError(
                400,
                "BadRequest",
                f"the name of the object ({meta['name']}) does not match the name on the URL ({name})",
            )
        if meta.get("managedFields"):
            raise ApiError(400, "BadRequest", "metadata.managedFields must be nil")
        live = self.objects.get(resource, namespace, name)
        given = meta.pop("resourceVersion", None)
        if given is not None and (live is None or given != live["metadata"]["resourceVersion"]):
            raise modified(resource.group, resource.plural, name)
        if live is None:
            self._place(resource, namespace, meta)
        merged = apply(live, config, manager, force=force, stamp=self.clock.stamp(), api_version=resource.api_version)
        merged["kind"], merged["apiVersion"] = resource.kind, resource.api_version
        merged["metadata"]["name"] = name
        if resource.namespaced:
            merged["metadata"]["namespace"] = namespace
        if live is None:
            return self._insert(resource, merged, manager, dry_run=dry_run), True, warnings
        merged["metadata"].pop("resourceVersion", None)
        done = self.update(resource, namespace, name, merged, dry_run=dry_run, applied=True)
        return done, False, warnings

    def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        *,
        propagation: str | None = None,
        grace_seconds: int | None = None,
        preconditions: Object | None = None,
        dry_run: bool = False,
    ) -> Object | None:
        """DELETE. Returns the object while it is still going, None when it is gone. Raises ApiError 404, 409."""
        item = self.get(resource, namespace, name)
        wanted = preconditions or {}
        meta = item["metadata"]
        if wanted.get("uid", meta["uid"]) != meta["uid"] or (
            wanted.get("resourceVersion", meta["resourceVersion"]) != meta["resourceVersion"]
        ):
            raise modified(resource.group, resource.plural, name)
        if dry_run:
            return item
        if resource.kind == "Pod":
            return self._delete_pod(item, grace_seconds)
        finalizers: list[str] = list(meta.get("finalizers") or ())
        if propagation == "Foreground":
            finalizers = [*finalizers, *(["foregroundDeletion"] if "foregroundDeletion" not in finalizers else [])]
        elif propagation == "Orphan":
            self._orphan(meta["uid"])
        if resource.kind == "Namespace":
            finalizers = finalizers or ["kubernetes"]
        if not finalizers:
            self.objects.remove(resource, namespace, name)
            return None
        marked = self._mark(item, 0, finalizers)
        if resource.kind == "Namespace":
            marked["status"] = {"phase": "Terminating"}
            marked["metadata"].pop("finalizers", None)
        return self.objects.put(resource, marked)

    def _mark(self, item: Object, grace: int, finalizers: list[str]) -> Object:
        marked = copy.deepcopy(item)
        meta = marked["metadata"]
        if "deletionTimestamp" not in meta:
            meta["deletionTimestamp"] = self.clock.stamp()
            meta["deletionGracePeriodSeconds"] = grace
            if "generation" in meta:
                meta["generation"] += 1
        if finalizers:
            meta["finalizers"] = finalizers
        return marked

    def _delete_pod(self, item: Object, grace_seconds: int | None) -> Object | None:
        meta = item["metadata"]
        spec = item.get("spec") or {}
        grace = spec.get("terminationGracePeriodSeconds", 30) if grace_seconds is None else grace_seconds
        if not spec.get("nodeName") or grace == 0 or item.get("status", {}).get("phase") in ENDED:
            self.objects.remove(registry.PODS, meta["namespace"], meta["name"])
            return None
        if meta.get("deletionTimestamp"):
            return item
        return self.objects.put(registry.PODS, self._mark(item, grace, []))

    def _orphan(self, uid: str) -> None:
        for resource, child in self.objects.owned_by(uid):
            freed = copy.deepcopy(child)
            owners = [o for o in freed["metadata"]["ownerReferences"] if o["uid"] != uid]
            freed["metadata"]["ownerReferences"] = owners
            self.objects.put(resource, freed)

    def remove_finalizer(self, resource: Resource, item: Object, finalizer: str) -> None:
        """Take a finalizer off; the last one off ends the object."""
        meta = item["metadata"]
        left = [f for f in meta.get("finalizers") or () if f != finalizer]
        if left:
            freed = copy.deepcopy(item)
            freed["metadata"]["finalizers"] = left
            self.objects.put(resource, freed)
        else:
            self.objects.remove(resource, meta.get("namespace", ""), meta["name"])


_KEPT = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds", "namespace")
ENDED = ("Succeeded", "Failed")


def _is_new_generation(item: Object, previous: Object) -> bool:
    """A changed spec is one; of a Deployment, changed annotations too."""
    if item.get("spec") != previous.get("spec"):
        return True
    before, now = previous["metadata"].get("annotations") or {}, item["metadata"].get("annotations") or {}
    return item["kind"] == "Deployment" and before != now


def _same(item: Object, previous: Object) -> bool:
    """Whether nothing but bookkeeping differs."""
    return _bare(item) == _bare(previous)


def _bare(item: Object) -> Object:
    meta = {k: v for k, v in item["metadata"].items() if k not in ("managedFields", "resourceVersion")}
    return {**item, "metadata": meta}


def pod_amount(pod: Object, name: str) -> Any:  # noqa: ANN401
    """What a pod requests of a resource (`requests.X`, `limits.X` or X), as a Decimal."""
    side, _, rest = name.partition(".")
    side, wanted = (side, rest) if side in ("requests", "limits") else ("requests", name)
    total = parse_quantity("0")
    for container in pod.get("spec", {}).get("containers") or ():
        amount = ((container.get("resources") or {}).get(side) or {}).get(wanted)
        if amount is not None:
            total += parse_quantity(str(amount))
    return total
