"""Who we are, for every request: tokens, rotated token files, exec plugins, client certificates, impersonation."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import ssl
import subprocess
import tempfile
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from genai_tui.errors import CredentialsRejected
from genai_tui.kube.convert import moment
from genai_tui.kube.kubeconfig import ExecPlugin, Target, User

PLUGIN_LIMIT_S = 60
TOKEN_FILE_MAX_AGE = timedelta(seconds=60)
_EARLY = timedelta(seconds=30)


def tls(target: Target) -> ssl.SSLContext:
    """The TLS settings of a target.

    Raises:
        CredentialsRejected: the CA or the client certificate cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if target.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif target.ca is not None:
            context.load_verify_locations(cadata=target.ca.decode("ascii", "replace"))
        else:
            context.load_default_certs()
    except ssl.SSLError as error:
        raise CredentialsRejected("the cluster's CA certificate cannot be read", why=str(error)) from error
    user = target.user
    if user.certificate is not None and user.key is not None:
        load_certificate(context, user.certificate, user.key)
    return context


def load_certificate(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Use a client certificate given as PEM; Python reads them from files alone, so one exists for a moment (0600)."""
    handle, name = tempfile.mkstemp(prefix="genai-tui-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(certificate.rstrip() + b"\n" + key)
        context.load_cert_chain(name)
    except ssl.SSLError as error:
        raise CredentialsRejected("the client certificate cannot be used", why=str(error)) from error
    finally:
        Path(name).unlink(missing_ok=True)


class Credentials(httpx.Auth):
    """Adds who we are to each request; after a 401 asks for new credentials once and tries again, as kubectl does."""

    requires_response_body = False

    def __init__(self, target: Target, context: ssl.SSLContext | None) -> None:
        self._target = target
        self._context = context
        self._token: str | None = target.user.token
        self._expires: datetime | None = None
        self._read_at: datetime | None = None
        self._lock = asyncio.Lock()

    def __repr__(self) -> str:
        return f"Credentials({self._target.context})"

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """The request with credentials, and again with fresh ones when the first were rejected."""
        await self._freshen()
        self._sign(request)
        response = yield request
        if response.status_code == 401 and self._renewable:
            await self._freshen(force=True)
            self._sign(request)
            yield request

    @property
    def _renewable(self) -> bool:
        return self._target.user.plugin is not None or self._target.user.token_file is not None

    async def headers(self) -> dict[str, str]:
        """The same as headers, for clients that are not httpx (port-forward)."""
        await self._freshen()
        request = httpx.Request("GET", self._target.server)
        self._sign(request)
        request.headers.pop("host", None)
        return dict(request.headers)

    def _sign(self, request: httpx.Request) -> None:
        user = self._target.user
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        elif user.username is not None:
            pair = base64.b64encode(f"{user.username}:{user.password or ''}".encode()).decode()
            request.headers["Authorization"] = f"Basic {pair}"
        if user.act_as:
            request.headers["Impersonate-User"] = user.act_as
        if user.act_as_uid:
            request.headers["Impersonate-Uid"] = user.act_as_uid
        if user.act_as_groups:
            kept = [(k, v) for k, v in request.headers.multi_items() if k.lower() != "impersonate-group"]
            request.headers = httpx.Headers([*kept, *(("Impersonate-Group", g) for g in user.act_as_groups)])
        if self._target.server_name:
            request.extensions["sni_hostname"] = self._target.server_name

    async def _freshen(self, *, force: bool = False) -> None:
        user = self._target.user
        if user.plugin is None and user.token_file is None:
            return
        async with self._lock:
            now = datetime.now(UTC)
            if user.token_file is not None:
                if force or self._read_at is None or now - self._read_at > TOKEN_FILE_MAX_AGE:
                    self._token = _read_token(user)
                    self._read_at = now
            elif user.plugin is not None and (force or self._stale(now)):
                await self._run_plugin(user.plugin)

    def _stale(self, now: datetime) -> bool:
        if self._read_at is None:
            return True
        return self._expires is not None and now >= self._expires - _EARLY

    async def _run_plugin(self, plugin: ExecPlugin) -> None:
        status = await asyncio.to_thread(run_plugin, plugin, self._target)
        self._token = str(status["token"]) if status.get("token") else self._token
        self._expires = moment(str(status.get("expirationTimestamp") or "")) or None
        self._read_at = datetime.now(UTC)
        certificate, key = status.get("clientCertificateData"), status.get("clientKeyData")
        if certificate and key and self._context is not None:
            load_certificate(self._context, str(certificate).encode(), str(key).encode())


def _read_token(user: User) -> str:
    assert user.token_file is not None
    try:
        # Editors and `echo` end the file with a newline, which may not be in a header.
        return user.token_file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise CredentialsRejected(f"cannot read the token file {user.token_file}", why=str(error)) from error


def run_plugin(plugin: ExecPlugin, target: Target) -> dict[str, object]:
    """Run a credential plugin; returns its `status`. Blocks: call it in a thread.

    Its standard input is empty, since the terminal belongs to the console; it is told that it is not interactive.

    Raises:
        CredentialsRejected: with the plugin's own message.
    """
    info: dict[str, object] = {"kind": "ExecCredential", "apiVersion": plugin.api_version}
    spec: dict[str, object] = {"interactive": False}
    if plugin.provide_cluster_info:
        spec["cluster"] = {"server": target.server, "insecure-skip-tls-verify": target.insecure}
        if target.ca is not None:
            spec["cluster"] |= {"certificate-authority-data": base64.b64encode(target.ca).decode()}  # type: ignore[operator]
    info["spec"] = spec
    environment = {**os.environ, **plugin.env, "KUBERNETES_EXEC_INFO": json.dumps(info)}
    try:
        done = subprocess.run(
            [plugin.command, *plugin.args],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environment,
            timeout=PLUGIN_LIMIT_S,
            check=False,
        )
    except FileNotFoundError as error:
        hint = plugin.install_hint or f"install {plugin.command} or put it on PATH"
        raise CredentialsRejected(f"the credential plugin {plugin.command} is not installed", next_step=hint) from error
    except subprocess.TimeoutExpired as error:
        raise CredentialsRejected(
            f"the credential plugin {plugin.command} did not end in {PLUGIN_LIMIT_S} s",
            next_step="run it in a shell: it may wait for input",
        ) from error
    except OSError as error:
        raise CredentialsRejected(f"the credential plugin {plugin.command} cannot be run", why=str(error)) from error
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip() or f"exit code {done.returncode}"
        raise CredentialsRejected(
            f"the credential plugin {plugin.command} failed",
            why=said.splitlines()[-1],
            next_step="run it in a shell, log in again",
            detail=said[-4000:],
        )
    return _plugin_status(plugin, done.stdout)


def _plugin_status(plugin: ExecPlugin, output: bytes) -> dict[str, object]:
    try:
        status = json.loads(output)["status"]
    except (ValueError, KeyError, TypeError):
        status = None
    if not isinstance(status, dict) or not (status.get("token") or status.get("clientCertificateData")):
        raise CredentialsRejected(f"the credential plugin {plugin.command} printed no credentials")
    return status
