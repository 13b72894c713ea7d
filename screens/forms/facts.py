"""What a form is checked against, taken from the picture of the cluster."""

from __future__ import annotations

from genai_tui.domain.form_facts import Facts
from genai_tui.services import ClusterPicture


def facts_of(picture: ClusterPicture) -> Facts:
    """The picture as it is now."""
    return Facts(
        models=picture.models(),
        endpoints=picture.endpoints(),
        organizations=picture.organizations(),
        deployments=picture.deployments(),
        nodes=picture.nodes(),
        namespaces=picture.namespaces(),
        usual_start=picture.usual_start_of,
    )
