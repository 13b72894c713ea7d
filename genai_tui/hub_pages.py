"""What developers need to call the deployments, as Markdown: all of them in a table, and the page of one."""

from __future__ import annotations

from genai_tui.domain.catalogue import UseCase
from genai_tui.domain.documents import Endpoint
from genai_tui.domain.handover import directory, handover
from genai_tui.domain.rows import DeploymentDetail, DeploymentRow, Ref
from genai_tui.domain.sharing import shared_with
from genai_tui.errors import BadInput, NotFound
from genai_tui.inference.samples import Language, sample
from genai_tui.services import Services

LANGUAGES: tuple[Language, ...] = ("curl", "python", "node")


def offered(services: Services, namespace: str | None, organization: str | None) -> list[DeploymentDetail]:
    """The deployments of a namespace (None: of all) that are shared with an organization (None: with whomever)."""
    rows = [row for row in services.picture.deployments() if namespace in (None, row.ref.namespace)]
    details = [detail for row in rows if (detail := services.picture.deployment(row.ref)) is not None]
    if organization is None:
        return details
    return [d for d in details if d.document and shared_with(d.document.spec.sharing, organization)]


def table(services: Services, namespace: str | None, organization: str | None) -> str:
    """The models with their deployments."""
    models = {row.name: row.document for row in services.picture.models() if row.document is not None}
    return directory(offered(services, namespace, organization), models, organization)


async def page(services: Services, row: DeploymentRow, organization: str | None, gateway: str | None) -> str:
    """The page of one deployment.

    Args:
        services: the ports.
        row: the deployment.
        organization: for whom it is; None: for whomever.
        gateway: base URL of the embedded gateway that callers use; None: that of the settings, else the address of the
            endpoint.

    Raises:
        NotFound, BadInput: it is gone, not shared with them, or not served by that gateway.
    """
    picture = services.picture
    detail = picture.deployment(row.ref)
    if detail is None:
        raise NotFound(f"{row.ref} does not exist any more")
    spec = detail.document.spec if detail.document is not None else None
    if organization is not None and (spec is None or not shared_with(spec.sharing, organization)):
        raise BadInput(f"{row.ref} is not shared with {organization}", next_step="share it first: its tab Sharing")
    model = next((entry.document for entry in picture.models() if entry.name == row.model), None)
    endpoint = next((entry.document for entry in picture.endpoints() if entry.name == row.endpoint), None)
    if gateway is None and endpoint is not None and endpoint.spec.enforcement is None:
        gateway = services.session.gateway or None
    if gateway is None:
        samples = [(language, await services.playground.sample_code(row.ref, language)) for language in LANGUAGES]
        outside = endpoint is not None and endpoint.spec.exposure == "gateway"
        address = await services.playground.public_address(row.ref) if outside else ""
        kept = await _kept(services, row.ref, endpoint)
        return handover(detail, model, endpoint, samples, kept, address=address)
    if endpoint is not None and endpoint.spec.enforcement is not None:
        raise BadInput(
            f"the embedded gateway does not serve {row.ref}", why=f"its endpoint names {endpoint.spec.enforcement}"
        )
    base_url = gateway.rstrip("/").removesuffix("/v1")
    unique = sum(other.ref.name == row.ref.name for other in picture.deployments()) == 1
    called = row.ref.name if unique else str(row.ref)
    use = model.spec.use_case if model is not None else UseCase.CHAT
    samples = [(language, sample(language, base_url, called, use=use)) for language in LANGUAGES]
    kept = f"embedded gateway at {base_url}"
    return handover(detail, model, endpoint, samples, kept, address=base_url, called=called)


async def _kept(services: Services, ref: Ref, endpoint: Endpoint | None) -> str:
    """Who keeps limits and sharing at the address of the endpoint, and what is proven of it."""
    if endpoint is None or endpoint.spec.enforcement is None:
        return "recorded only at this address; --gateway names one that enforces them"
    found = await services.operations.enforcement(ref)
    return ": ".join(part for part in (found.by, found.claim.value) if part)
