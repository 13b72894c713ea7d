"""OpenID Connect tokens of a kubeconfig: when one has expired it is renewed, as kubectl does it.

The steps: discovery (https://openid.net/specs/openid-connect-discovery-1_0.html, section 4), then the refresh grant
(https://www.rfc-editor.org/rfc/rfc6749#section-6). The `kubernetes` package has the same, but without looking at the
provider's certificate unless the kubeconfig names an authority.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from genai_tui.errors import CredentialsRejected
from genai_tui.handshakes import GUARDED
from genai_tui.known_secrets import remember
from genai_tui.kube.kubeconfig import OpenIdConnect

_EARLY = timedelta(seconds=10)
"""So long before its end a token counts as expired; client-go's own figure."""
_TIMEOUT_S = 20.0
_LOG_IN = "log in again with the tool that wrote the kubeconfig"


def expired(id_token: str) -> bool:
    """Whether a token is no longer good.

    Raises:
        CredentialsRejected: it is not a JSON web token with an `exp`.
    """
    try:
        middle = id_token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
        ends = datetime.fromtimestamp(float(claims["exp"]), UTC)
    except (IndexError, ValueError, KeyError, TypeError, OverflowError, OSError) as error:
        raise CredentialsRejected(
            "the id-token of the kubeconfig is not a JSON web token", next_step=_LOG_IN
        ) from error
    return datetime.now(UTC) >= ends - _EARLY


async def renew(entry: OpenIdConnect) -> OpenIdConnect:
    """A new token for the refresh token; both are written back to the kubeconfig, for kubectl's sake too.

    Raises:
        CredentialsRejected: there is nothing to renew it with, or the provider refuses.
    """
    remember(entry.refresh_token, entry.client_secret)
    if not (entry.issuer and entry.refresh_token):
        why = "it keeps no refresh-token" if entry.issuer else "it names no idp-issuer-url"
        raise CredentialsRejected("the id-token of the kubeconfig has expired", why=why, next_step=_LOG_IN)
    try:
        async with httpx.AsyncClient(verify=_trust(entry), timeout=_TIMEOUT_S, event_hooks=GUARDED) as http:
            told = _read(await http.get(f"{entry.issuer}/.well-known/openid-configuration"))
            form = {"grant_type": "refresh_token", "refresh_token": entry.refresh_token}
            who = httpx.BasicAuth(entry.client_id, entry.client_secret)
            got = _read(await http.post(str(told.get("token_endpoint")), data=form, auth=who))
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        why = f"{entry.issuer}: {error or type(error).__name__}"
        raise CredentialsRejected(
            "the id-token has expired and cannot be renewed", why=why, next_step=_LOG_IN
        ) from error
    fresh = replace(
        entry,
        id_token=str(got.get("id_token") or ""),
        refresh_token=str(got.get("refresh_token") or entry.refresh_token),
    )
    remember(fresh.id_token, fresh.refresh_token)
    if not fresh.id_token:
        raise CredentialsRejected("the identity provider sent no id_token", why=entry.issuer, next_step=_LOG_IN)
    _write_back(entry, fresh)
    return fresh


def _trust(entry: OpenIdConnect) -> ssl.SSLContext:
    if entry.ca is None:
        return ssl.create_default_context()
    try:
        return ssl.create_default_context(cadata=entry.ca.decode("ascii", "replace"))
    except (ssl.SSLError, ValueError) as error:
        why = "idp-certificate-authority is not a certificate"
        raise CredentialsRejected("the id-token has expired and cannot be renewed", why=why) from error


def _read(response: httpx.Response) -> Mapping[str, Any]:
    try:
        found = response.json()
    except ValueError:
        found = None
    if response.is_success and isinstance(found, dict):
        return found
    # Only the error's own code is quoted: bodies of token endpoints may hold tokens.
    code = found.get("error") if isinstance(found, dict) else None
    why = f"{response.url.host} answered {response.status_code}" + (f", {code}" if isinstance(code, str) else "")
    raise CredentialsRejected("the id-token has expired and cannot be renewed", why=why, next_step=_LOG_IN)


def _write_back(old: OpenIdConnect, new: OpenIdConnect) -> None:
    """Put the new tokens where the old ones stand; all else in the file, comments too, stays as it is.

    A file that cannot be written is left alone: the tokens still serve this run.
    """
    with contextlib.suppress(OSError):
        file = old.file.resolve()
        text = file.read_text(encoding="utf-8")
        changed = text.replace(old.id_token, new.id_token).replace(old.refresh_token, new.refresh_token)
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as out:
                out.write(changed)
            Path(name).chmod(file.stat().st_mode & 0o777)
            Path(name).replace(file)
        finally:
            Path(name).unlink(missing_ok=True)
