"""What a look outside the cluster's API tells: whether a hub asks for a token, and whom a certificate names."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable

import httpx

from genai_tui.domain.needs import Certificate, Gate

LIMIT_S = 4.0
_HUB = "https://huggingface.co"
AskHub = Callable[[str], Awaitable[Gate]]


def hub_is_asked() -> bool:
    """Whether the public hub may be asked: not where HF_HUB_OFFLINE says that there is none.

    https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables
    """
    return os.environ.get("HF_HUB_OFFLINE", "").strip().upper() not in ("1", "ON", "YES", "TRUE")


async def gate_of(repository: str) -> Gate:
    """Whether a model repository is open to all, as the hub at HF_ENDPOINT says to one without a token.

    https://huggingface.co/docs/hub/models-gated ; no token is sent, so that nobody learns whose question it is.
    """
    endpoint = os.environ.get("HF_ENDPOINT", "").strip().rstrip("/") or _HUB
    try:
        async with httpx.AsyncClient(timeout=LIMIT_S, follow_redirects=True) as http:
            response = await http.get(f"{endpoint}/api/models/{repository}", headers={"Accept": "application/json"})
        if response.status_code in (401, 403, 404):
            return Gate.HIDDEN
        told = response.json() if response.is_success else None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return Gate.UNKNOWN
    if not isinstance(told, dict) or "gated" not in told:
        return Gate.UNKNOWN
    return Gate.GATED if told["gated"] else Gate.OPEN


def certificate_of(pem: bytes) -> Certificate | None:
    """The names and the end of the first certificate; None when it cannot be read."""
    from cryptography import x509

    try:
        read = x509.load_pem_x509_certificates(pem)[0]
    except (ValueError, IndexError):
        return None
    try:
        names = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return Certificate((), read.not_valid_after_utc, read.not_valid_before_utc)
    except ValueError:
        return None
    return Certificate(
        tuple(names.get_values_for_type(x509.DNSName)), read.not_valid_after_utc, read.not_valid_before_utc
    )
