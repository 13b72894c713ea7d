"""Credential plugins: programs that print a token or a certificate (aws, gke, az, kubelogin and their like).

The form: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager

from genai_tui import children
from genai_tui.domain.redaction import names_secret
from genai_tui.domain.text import printable
from genai_tui.errors import CredentialsRejected
from genai_tui.known_secrets import remember
from genai_tui.kube.kubeconfig import ExecPlugin, Target

Lend = Callable[[], AbstractContextManager[None]]
"""Gives the terminal away for the length of a block."""
ANSWER_LIMIT_S = 60.0


async def run(plugin: ExecPlugin, target: Target, lend: Lend | None = None) -> dict[str, object]:
    """Run a credential plugin; returns the `status` of what it printed.

    It has no terminal and is told that it is not interactive. Only one that asks for a terminal (interactiveMode
    Always) is lent ours, where there is one.

    Raises:
        CredentialsRejected: with the plugin's own message.
    """
    if plugin.needs_terminal:
        return _status(plugin, _on_terminal(plugin, target, lend))
    try:
        done = await children.run(
            [plugin.command, *plugin.args], ANSWER_LIMIT_S, _environment(plugin, target, interactive=False)
        )
    except TimeoutError as error:
        raise CredentialsRejected(
            f"the credential plugin {plugin.command} did not end in {ANSWER_LIMIT_S:.0f} s",
            next_step="run it in a shell: it may wait for input",
        ) from error
    except (OSError, ValueError) as error:
        raise _not_run(plugin, error) from error
    if done.code != 0:
        raise _failed(plugin, done)
    return _status(plugin, done.output)


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


def _failed(plugin: ExecPlugin, done: children.Done) -> CredentialsRejected:
    return CredentialsRejected(
        f"the credential plugin {plugin.command} failed",
        why=done.lines[-1][:300],
        next_step="run it in a shell and log in again",
        detail="\n".join(done.lines)[-4000:],
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
