"""Whether an engine may be asked from here, said before it is."""

from __future__ import annotations

from genai_tui.domain.rows import DeploymentRow
from genai_tui.services import Services


def talk_refusal(services: Services, row: DeploymentRow) -> str:
    """Which verb and resource a conversation with a deployment lacks; empty when it can be had."""
    resource = "pods/proxy" if row.foreign else "services/proxy"
    way = services.playground.way(row.ref)
    if way.startswith("its public address"):
        return ""
    if way.startswith("port-forward"):
        resource = "pods/portforward"
    return services.access.permission("create", resource, row.ref.namespace).reason
