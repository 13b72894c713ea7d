"""What a look outside the cluster's API tells: whether a hub asks for a token, and whom a certificate names."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

from genai_tui.domain.catalogue import HubSource
from genai_tui.domain.model_shape import NO_FILES, Files, read_quantization, read_shape, read_weights
from genai_tui.domain.needs import Certificate, Gate
from genai_tui.handshakes import GUARDED

LIMIT_S = 4.0
_HUB = "https://huggingface.co"
_LARGEST_CONFIG = 2_000_000
"""Bytes; the longest published ones have some ten thousand."""


@dataclass(frozen=True, slots=True)
class HubAnswer:
    """What a hub says of a repository to one without a token: whether it is open, and what is in its files."""

    gate: Gate
    files: Files = NO_FILES


AskHub = Callable[[HubSource], Awaitable[HubAnswer]]


def hub_is_asked() -> bool:
    """Whether the public hub may be asked: not where HF_HUB_OFFLINE says that there is none.

    https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables
    """
    return os.environ.get("HF_HUB_OFFLINE", "").strip().upper() not in ("1", "ON", "YES", "TRUE")


async def ask_hub(source: HubSource) -> HubAnswer:
    """Whether a model repository is open to all, and what its files tell, as the hub at HF_ENDPOINT says.

    https://huggingface.co/docs/hub/models-gated ; no token is sent, so that nobody learns whose question it is. Files
    of a gated repository are thus not looked into.
    """
    endpoint = os.environ.get("HF_ENDPOINT", "").strip().rstrip("/") or _HUB
    revision = quote(source.revision, safe="")
    told, config = await asyncio.gather(
        _asked(f"{endpoint}/api/models/{source.repository}/revision/{revision}"),
        _asked(f"{endpoint}/{source.repository}/resolve/{revision}/config.json"),
    )
    if isinstance(told, Gate):
        return HubAnswer(told)
    if "gated" not in told:
        return HubAnswer(Gate.UNKNOWN)
    read: dict[str, Any] = {} if isinstance(config, Gate) else config
    parameters, weights = read_weights(told.get("safetensors"))
    files = Files(read_shape(read), parameters, weights, read_quantization(read))
    return HubAnswer(Gate.GATED if told["gated"] else Gate.OPEN, files)


async def _asked(url: str) -> dict[str, Any] | Gate:
    """An object of JSON, or why there is none."""
    try:
        async with httpx.AsyncClient(timeout=LIMIT_S, follow_redirects=True, event_hooks=GUARDED) as http:
            response = await http.get(url, headers={"Accept": "application/json"})
        if response.status_code in (401, 403, 404):
            return Gate.HIDDEN
        told = response.json() if response.is_success and len(response.content) < _LARGEST_CONFIG else None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError):
        return Gate.UNKNOWN
    return told if isinstance(told, dict) else Gate.UNKNOWN


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
