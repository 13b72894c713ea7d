"""Credential plugins: programs that print a token or a certificate (aws, gke, az, kubelogin and their like).

The form: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager

from genai_tui.domain.redaction import names_secret
from genai_tui.domain.text import printable
from genai_tui.errors import CredentialsRejected
from genai_tui.known_secrets import remember
from genai_tui.kube.kubeconfig import ExecPlugin, Target

Lend = Callable[[], AbstractContextManager[None]]
"""Gives the terminal away for the length of a block."""
ANSWER_LIMIT_S = 60.0
_KILL_LIMIT_S = 2.0


async def run(plugin: ExecPlugin, target: Target, lend: Lend | None = None) -> dict[str, object]:
    """Run a credential plugin; returns the `status` of what it printed.

    Its standard input is empty and it is in a session of its own, so that it can neither read from nor write to the
    terminal, which belongs to the console; it is told that it is not interactive. Only one that asks for a terminal
    (interactiveMode Always) is lent ours, where there is one.

    Raises:
        CredentialsRejected: with the plugin's own message.
    """
    if plugin.needs_terminal:
        return _status(plugin, _on_terminal(plugin, target, lend))
    try:
        process = await asyncio.create_subprocess_exec(
            plugin.command,
            *plugin.args,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=_environment(plugin, target, interactive=False),
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise _not_run(plugin, error) from error
    try:
        async with asyncio.timeout(ANSWER_LIMIT_S):
            output, said = await process.communicate()
    except TimeoutError as error:
        raise CredentialsRejected(
            f"the credential plugin {plugin.command} did not end in {ANSWER_LIMIT_S:.0f} s",
            next_step="run it in a shell: it may wait for input",
        ) from error
    finally:
        await _end(process)
    if process.returncode != 0:
        raise _failed(plugin, said, process.returncode)
    return _status(plugin, output)


def _on_terminal(plugin: ExecPlugin, target: Target, lend: Lend | None) -> bytes:
    """Run a plugin that talks to the operator. Nothing else runs meanwhile: whatever did could write over it."""
    if lend is None:
        raise CredentialsRejected(
            f"the credential plugin {plugin.command} wants a terminal (interactiveMode: Always)",
            next_step="run this in a terminal, or log in with the plugin in a shell first",
        )
    with lend():
        # ctrl+c is meant for the plugin; a handler, unlike SIG_IGN, is not passed on to it.
        before = signal.signal(signal.SIGINT, lambda *_: None)
        try:
            done = subprocess.run(
                [plugin.command, *plugin.args],
                stdout=subprocess.PIPE,
                env=_environment(plugin, target, interactive=True),
                check=False,
            )
        except (OSError, ValueError) as error:
            raise _not_run(plugin, error) from error
        finally:
            signal.signal(signal.SIGINT, before)
    if done.returncode != 0:
        raise CredentialsRejected(
            f"the credential plugin {plugin.command} failed",
            why=f"exit code {done.returncode}, after what it said on the terminal",
            next_step="try again",
        )
    return done.stdout


def _not_run(plugin: ExecPlugin, error: OSError | ValueError) -> CredentialsRejected:
    if isinstance(error, FileNotFoundError):
        hint = plugin.install_hint or f"install {plugin.command} or put it on PATH"
        return CredentialsRejected(f"the credential plugin {plugin.command} is not installed", next_step=hint)
    return CredentialsRejected(f"the credential plugin {plugin.command} cannot be run", why=str(error))


def _environment(plugin: ExecPlugin, target: Target, *, interactive: bool) -> dict[str, str]:
    remember(*(value for name, value in plugin.env.items() if names_secret(name)))
    info = json.dumps(_info(plugin, target, interactive=interactive))
    return {**os.environ, **plugin.env, "KUBERNETES_EXEC_INFO": info}


def _info(plugin: ExecPlugin, target: Target, *, interactive: bool) -> dict[str, object]:
    """KUBERNETES_EXEC_INFO."""
    spec: dict[str, object] = {"interactive": interactive}
    if plugin.provide_cluster_info:
        cluster: dict[str, object] = {"server": target.server}
        if target.insecure:
            cluster["insecure-skip-tls-verify"] = True
        if target.server_name is not None:
            cluster["tls-server-name"] = target.server_name
        if target.proxy is not None:
            cluster["proxy-url"] = target.proxy
        if target.ca is not None:
            cluster["certificate-authority-data"] = base64.b64encode(target.ca).decode()
        if plugin.cluster_config is not None:
            cluster["config"] = plugin.cluster_config
        spec["cluster"] = cluster
    return {"kind": "ExecCredential", "apiVersion": plugin.api_version, "spec": spec}


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill what still runs, children included: a plugin is often a script around another program."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_KILL_LIMIT_S):
            await process.communicate()


def _failed(plugin: ExecPlugin, said: bytes, code: int | None) -> CredentialsRejected:
    lines = [printable(line).strip() for line in said.decode("utf-8", "replace").splitlines()]
    lines = [line for line in lines if line] or [f"exit code {code}"]
    return CredentialsRejected(
        f"the credential plugin {plugin.command} failed",
        why=lines[-1][:300],
        next_step="run it in a shell and log in again",
        detail="\n".join(lines)[-4000:],
    )


def _status(plugin: ExecPlugin, output: bytes) -> dict[str, object]:
    try:
        printed = json.loads(output)
        status, version = printed["status"], str(printed.get("apiVersion"))
    except (ValueError, KeyError, TypeError, AttributeError):
        status, version = None, plugin.api_version
    if version != plugin.api_version:
        raise CredentialsRejected(
            f"the credential plugin {plugin.command} speaks {printable(version)[:80]}",
            why=f"the kubeconfig asks for {plugin.api_version}",
            next_step="set apiVersion of its exec entry to what the plugin speaks, or update the plugin",
        )
    if not isinstance(status, dict) or not (status.get("token") or status.get("clientCertificateData")):
        raise CredentialsRejected(f"the credential plugin {plugin.command} printed no credentials")
    return status
