"""`genai-tui hub`: what developers need to call the deployments, as Markdown to hand over."""

from __future__ import annotations

from genai_tui.commands.explain import find
from genai_tui.commands.output import write
from genai_tui.domain.naming import did_you_mean
from genai_tui.domain.text import is_address
from genai_tui.errors import BadInput, NotFound
from genai_tui.hub_pages import page, table
from genai_tui.services import Services


async def hub(
    services: Services, name: str | None, namespace: str | None, *, organization: str | None, gateway: str | None
) -> None:
    """Print the page of one deployment, or the models with their deployments.

    Args:
        services: the ports.
        name: the deployment; None: all of them.
        namespace: only in this one.
        organization: only what is shared with this one.
        gateway: base URL of the embedded gateway that callers use; None: the address of the endpoint.

    Raises:
        NotFound, BadInput: nothing, or more than one thing, is called so; the gateway's address is none.
    """
    if gateway is not None and not is_address(gateway):
        raise BadInput(f"'{gateway}' is no address", next_step="write it as http://host:8090")
    await services.settle()
    if organization is not None:
        known = [row.name for row in services.picture.organizations()]
        if organization not in known:
            raise NotFound(f"no organization is called '{organization}'{did_you_mean(organization, known)}")
    if name is None:
        write(table(services, namespace, organization))
    else:
        write(await page(services, find(services, name, namespace), organization, gateway))
