"""Who we are, for every request: tokens, token files, credential plugins, client certificates, impersonation."""

from __future__ import annotations

import asyncio
import base64
import math
import os
import socket
import ssl
import tempfile
import time
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import httpx

from genai_tui.errors import CredentialsRejected
from genai_tui.known_secrets import remember
from genai_tui.kube import openid, plugins
from genai_tui.kube.convert import moment
from genai_tui.kube.kubeconfig import ExecPlugin, OpenIdConnect, Target

TOKEN_FILE_MAX_AGE_S = 60.0
PLUGIN_PAUSE_S = 10.0
"""A plugin that failed, or whose credentials were refused, is left alone so long: it may open a browser each time."""
_EARLY = timedelta(seconds=30)


class _NamedContext(ssl.SSLContext):
    """Expects the certificate of another name than the one connected to (tls-server-name), whoever connects."""

    server_name: str

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """As in the base class."""
        return super().wrap_bio(incoming, outgoing, server_side, self.server_name, session)

    def wrap_socket(
        self,
        sock: socket.socket,
        server_side: bool = False,
        do_handshake_on_connect: bool = True,
        suppress_ragged_eofs: bool = True,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLSocket:
        """As in the base class."""
        return super().wrap_socket(
            sock, server_side, do_handshake_on_connect, suppress_ragged_eofs, self.server_name, session
        )


def tls(target: Target) -> ssl.SSLContext:
    """The TLS settings of a target.

    Raises:
        CredentialsRejected: the CA or the client certificate cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if target.server_name is not None:
        context = _NamedContext(ssl.PROTOCOL_TLS_CLIENT)
        context.server_name = target.server_name
    try:
        if target.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif target.ca is not None:
            context.load_verify_locations(cadata=target.ca.decode("ascii", "replace"))
        else:
            context.load_default_certs()
    except (ssl.SSLError, ValueError) as error:
        raise CredentialsRejected("the cluster's CA certificate cannot be read", why=str(error)) from error
    user = target.user
    if user.certificate is not None and user.key is not None:
        load_certificate(context, user.certificate, user.key)
    return context


def load_certificate(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Use a client certificate given as PEM; Python reads them from files alone, so one exists for a moment (0600).

    Raises:
        CredentialsRejected: it cannot be read, does not fit its key, or the key is encrypted.
    """
    remember(key.decode("ascii", "replace").strip(), *key.decode("ascii", "replace").split("\n")[1:-2])
    handle, name = tempfile.mkstemp(prefix="genai-tui-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(certificate.rstrip() + b"\n" + key)
        # Without a password given, OpenSSL would ask for one on the terminal.
        context.load_cert_chain(name, password="")
    except (ssl.SSLError, ValueError) as error:
        raise CredentialsRejected("the client certificate cannot be used", why=str(error)) from error
    finally:
        Path(name).unlink(missing_ok=True)


class Credentials(httpx.Auth):
    """Adds who we are to each request; after a 401 asks for new credentials once and tries again."""

    requires_response_body = False

    def __init__(self, target: Target, context: ssl.SSLContext | None) -> None:
        self._target = target
        self._context = context
        self._token = _usable(target.user.token, "the kubeconfig")
        self._openid = target.user.openid
        remember(target.user.password)
        self._expires: datetime | None = None
        self._read_at: float | None = None
        self._generation = 0
        self._failure: CredentialsRejected | None = None
        self._paused_until = 0.0
        self._lock = asyncio.Lock()
        self.lend_terminal: plugins.Lend | None = None
        """How a plugin that asks for a terminal gets ours; None where there is none."""

    def __repr__(self) -> str:
        return f"Credentials({self._target.context})"

    def try_again(self) -> None:
        """Ask a plugin or provider that failed once more, at the operator's wish."""
        self._failure, self._paused_until = None, 0.0

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """The request with credentials, and again with fresh ones when the first were rejected."""
        used = await self._freshen()
        self._sign(request)
        response = yield request
        if response.status_code == 401 and await self._freshen(rejected=used) != used:
            self._sign(request)
            response = yield request
            if response.status_code == 401:
                self._paused_until = time.monotonic() + PLUGIN_PAUSE_S

    async def headers(self, *, rejected: bool = False) -> list[tuple[str, str]]:
        """The same as headers, for clients that are not httpx; `rejected` asks for others than the last."""
        await self._freshen(rejected=self._generation if rejected else None)
        request = httpx.Request("GET", self._target.server)
        self._sign(request)
        return [(name, value) for name, value in request.headers.multi_items() if name.lower() != "host"]

    def _sign(self, request: httpx.Request) -> None:
        user = self._target.user
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        elif user.username is not None:
            pair = base64.b64encode(f"{user.username}:{user.password or ''}".encode()).decode()
            request.headers["Authorization"] = f"Basic {pair}"
        kept = [(k, v) for k, v in request.headers.multi_items() if not k.lower().startswith("impersonate-")]
        request.headers = httpx.Headers([*kept, *self._impersonation()])

    def _impersonation(self) -> list[tuple[str, str]]:
        """https://kubernetes.io/docs/reference/access-authn-authz/user-impersonation/ ."""
        user = self._target.user
        found = [("Impersonate-Group", group) for group in user.act_as_groups]
        found += [(f"Impersonate-Extra-{quote(key, safe='')}", value) for key, value in user.act_as_extra]
        if user.act_as:
            found.append(("Impersonate-User", user.act_as))
        if user.act_as_uid:
            found.append(("Impersonate-Uid", user.act_as_uid))
        return found

    async def _freshen(self, *, rejected: int | None = None) -> int:
        """Read or ask for credentials where they are old, or were `rejected`; returns their generation."""
        user = self._target.user
        if user.plugin is None and user.token_file is None and self._openid is None:
            return self._generation
        async with self._lock:
            # Many requests are rejected at once when a token expires; the first one's renewal serves them all.
            force = rejected is not None and rejected == self._generation
            if user.token_file is not None:
                self._read_token(user.token_file, force=force)
            elif user.plugin is not None and (force or self._stale()):
                await self._ask(user.plugin, force=force)
            elif self._openid is not None and user.token is None:
                await self._renew(self._openid)
            return self._generation

    async def _renew(self, entry: OpenIdConnect) -> None:
        """The id-token, renewed where it has expired; a provider that refused is left alone for a while."""
        if time.monotonic() < self._paused_until and self._failure is not None:
            raise self._failure.with_traceback(None)
        try:
            if openid.expired(entry.id_token):
                entry = await openid.renew(entry)
            token = _usable(entry.id_token, "the identity provider")
        except CredentialsRejected as error:
            self._failure, self._paused_until = error, time.monotonic() + PLUGIN_PAUSE_S
            raise
        self._generation += token != self._token
        self._openid, self._token, self._failure = entry, token, None

    def _read_token(self, file: Path, *, force: bool) -> None:
        now = time.monotonic()
        if not force and self._read_at is not None and now - self._read_at < TOKEN_FILE_MAX_AGE_S:
            return
        try:
            # Editors and `echo` end the file with a newline, which may not be in a header.
            token = _usable(file.read_text(encoding="utf-8", errors="replace").strip(), str(file))
        except OSError as error:
            raise CredentialsRejected(f"cannot read the token file {file}", why=str(error)) from error
        self._generation += token != self._token
        self._token, self._read_at = token, now

    def _stale(self) -> bool:
        if self._generation == 0:
            return True
        return self._expires is not None and datetime.now(UTC) >= self._expires - _EARLY

    async def _ask(self, plugin: ExecPlugin, *, force: bool) -> None:
        if time.monotonic() < self._paused_until:
            if self._failure is not None:
                raise self._failure.with_traceback(None)
            if force:
                return
        try:
            status = await plugins.run(plugin, self._target, self.lend_terminal)
            token = _usable(str(status.get("token") or ""), f"the credential plugin {plugin.command}")
            certificate, key = status.get("clientCertificateData"), status.get("clientKeyData")
            if certificate and key and self._context is not None:
                load_certificate(self._context, str(certificate).encode(), str(key).encode())
        except CredentialsRejected as error:
            # Who is asked for a password again and again cannot even read why the last one was wrong.
            pause = math.inf if plugin.needs_terminal else PLUGIN_PAUSE_S
            self._failure, self._paused_until = error, time.monotonic() + pause
            raise
        self._failure = None
        self._token = token or self._token
        self._expires = moment(str(status.get("expirationTimestamp") or ""))
        self._generation += 1


def _usable(token: str | None, source: str) -> str | None:
    """The token, if a header can hold it: what refuses a header quotes it, and a secret must not be quoted.

    Raises:
        CredentialsRejected: it has spaces, line breaks or other characters no token has.
    """
    remember(token)
    if token and not (token.isascii() and token.isprintable() and " " not in token):
        raise CredentialsRejected(f"the token from {source} holds characters no token has", why="it may be cut or torn")
    return token or None
