"""Claims are bound to volumes made for them when their class exists; else they stay Pending and say why."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from genai_tui.sandbox import registry
from genai_tui.sandbox.events import Recorder
from genai_tui.sandbox.objects import Object
from genai_tui.sandbox.verbs import Api

if TYPE_CHECKING:
    from genai_tui.sandbox.controllers import Queue

DEFAULT_CLASS = "standard"
PROVISIONER = "sandbox.genai-tui.dev"
COMPONENT = "persistentvolume-controller"
RETRY_S = 15.0


class Claims:
    """The controller."""

    def __init__(self, api: Api, record: Recorder, queue: Queue) -> None:
        self._api, self._record, self._queue = api, record, queue

    def reconcile(self, item: Object) -> None:
        """Bind a claim."""
        meta, spec = item["metadata"], item["spec"]
        if item.get("status", {}).get("phase") == "Bound":
            return
        name = spec.get("storageClassName") or DEFAULT_CLASS
        if self._api.objects.get(registry.STORAGE_CLASSES, "", name) is None:
            text = f'storageclass.storage.k8s.io "{name}" not found'
            self._record(item, "Warning", "ProvisioningFailed", text, COMPONENT)
            self._queue.add(registry.CLAIMS, meta["namespace"], meta["name"], after=RETRY_S)
            return
        volume = f"pvc-{meta['uid']}"
        capacity = {"storage": (spec.get("resources", {}).get("requests") or {}).get("storage", "1Gi")}
        self._make_volume(volume, item, name, capacity)
        bound = copy.deepcopy(item)
        bound["spec"] |= {"volumeName": volume, "storageClassName": name}
        self._api.update(registry.CLAIMS, meta["namespace"], meta["name"], bound)
        self._record(item, "Normal", "ProvisioningSucceeded", f"Successfully provisioned volume {volume}", PROVISIONER)
        status = {"phase": "Bound", "accessModes": spec.get("accessModes", []), "capacity": capacity}
        self._api.update_status(registry.CLAIMS, meta["namespace"], meta["name"], status)

    def _make_volume(self, name: str, claim: Object, storage_class: str, capacity: Object) -> None:
        if self._api.objects.get(registry.VOLUMES, "", name) is not None:
            return
        meta = claim["metadata"]
        reference = {"kind": "PersistentVolumeClaim", "apiVersion": "v1", "uid": meta["uid"]}
        made = self._api.create(
            registry.VOLUMES,
            "",
            {
                # Owned by its claim: the class deletes its volumes.
                "metadata": {"name": name, "ownerReferences": [{**reference, "name": meta["name"]}]},
                "spec": {
                    "capacity": capacity,
                    "accessModes": claim["spec"].get("accessModes", []),
                    "claimRef": {**reference, "namespace": meta["namespace"], "name": meta["name"]},
                    "persistentVolumeReclaimPolicy": "Delete",
                    "storageClassName": storage_class,
                    "volumeMode": "Filesystem",
                    "csi": {"driver": PROVISIONER, "volumeHandle": name},
                },
            },
        )
        self._api.update_status(registry.VOLUMES, "", made["metadata"]["name"], {"phase": "Bound"})
