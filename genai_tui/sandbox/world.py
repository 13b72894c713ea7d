"""The simulated cluster as one thing: store, API, scheduler, controllers, kubelets, GPUs, on one clock."""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from datetime import datetime

from starlette.applications import Starlette

from genai_tui.sandbox import registry
from genai_tui.sandbox.apiserver import create_app
from genai_tui.sandbox.authz import Authz, Identity
from genai_tui.sandbox.claims import DEFAULT_CLASS, PROVISIONER
from genai_tui.sandbox.clock import Clock
from genai_tui.sandbox.controllers import Controllers
from genai_tui.sandbox.default_rbac import default_rbac, everyone
from genai_tui.sandbox.engine import Engine
from genai_tui.sandbox.events import Recorder
from genai_tui.sandbox.faults import Faults
from genai_tui.sandbox.gpus import GpuUse
from genai_tui.sandbox.kubelet import Kubelet
from genai_tui.sandbox.node_agent import Agent
from genai_tui.sandbox.objects import Objects
from genai_tui.sandbox.scheduling import SchedulerLoop
from genai_tui.sandbox.verbs import Api

ADMIN = Identity("sandbox-admin", ("system:masters",))
OPERATOR = Identity("sandbox-operator", ("operators",))
VIEWER = Identity("sandbox-viewer", ("viewers",))


class World:
    """A cluster. Without an engine its pods become ready, say so in their status, and refuse requests."""

    def __init__(
        self, *, engine: Engine | None = None, start: datetime | None = None, seed: int = 0, first_version: int = 1000
    ) -> None:
        self.clock = Clock(start)
        identities = random.Random(seed + 1)
        self.objects = Objects(
            first_version=first_version,
            new_uid=lambda: str(uuid.UUID(int=identities.getrandbits(128), version=4)),
        )
        self.api = Api(self.objects, self.clock, seed=seed)
        self.faults = Faults()
        self.authz = Authz(self.objects, {})
        self.record = Recorder(self.api)
        self.controllers = Controllers(self.api, self.record)
        self.kubelet = Kubelet(self.api, self.record, engine)
        self.scheduler = SchedulerLoop(self.api, self.record)
        self.agent = Agent(self.kubelet)

    def app(self) -> Starlette:
        """The API server of this cluster."""
        return create_app(self.api, self.agent, self.authz, self.faults, self.clock)

    def populate(self) -> None:
        """What every new cluster has: namespaces, roles, a storage class."""
        for name in ("default", "kube-node-lease", "kube-public", "kube-system"):
            self.api.create(registry.NAMESPACES, "", {"metadata": {"name": name}})
        for resource, item in default_rbac():
            self.api.create(resource, "", item)
        is_default = {"storageclass.kubernetes.io/is-default-class": "true"}
        self.api.create(
            registry.STORAGE_CLASSES,
            "",
            {
                "metadata": {"name": DEFAULT_CLASS, "annotations": is_default},
                "provisioner": PROVISIONER,
                "reclaimPolicy": "Delete",
                "volumeBindingMode": "Immediate",
            },
        )

    def resume(self) -> None:
        """Go on with restored objects."""
        for resource, item in everyone():
            if self.objects.get(resource, "", item["metadata"]["name"]) is None:
                self.api.create(resource, "", item)
        self.controllers.adopt_all()
        self.kubelet.adopt_all()
        self.scheduler.adopt_all()

    def gpu_uses(self, node_name: str) -> Sequence[GpuUse]:
        """Each GPU of a node with the pod that has it."""
        return self.agent.gpu_uses(node_name)

    async def close(self) -> None:
        """End what runs beside the clock."""
        await self.agent.close()
