"""Kubeconfig files, merged as kubectl merges them, and the credentials they name.

Form: https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/ . The `kubernetes` package reads KUBECONFIG when it
is imported, ignores impersonation, and breaks on token files that end in a newline; this reader does not.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from genai_tui.domain.naming import did_you_mean
from genai_tui.errors import BadInput, CredentialsRejected

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_NO_CLUSTER = "set KUBECONFIG or --kubeconfig, or try `genai-tui sandbox`"


@dataclass(frozen=True, slots=True)
class ExecPlugin:
    """A credential plugin (client.authentication.k8s.io)."""

    command: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    api_version: str = "client.authentication.k8s.io/v1"
    provide_cluster_info: bool = False
    install_hint: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class User:
    """How to authenticate. Never printed: it holds secrets."""

    token: str | None = None
    token_file: Path | None = None
    username: str | None = None
    password: str | None = None
    certificate: bytes | None = None
    key: bytes | None = None
    plugin: ExecPlugin | None = None
    act_as: str | None = None
    act_as_groups: tuple[str, ...] = ()
    act_as_uid: str | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """A cluster to talk to and how: one context, resolved."""

    context: str
    server: str
    namespace: str | None
    ca: bytes | None
    insecure: bool
    server_name: str | None
    proxy: str | None
    user: User
    simulated: bool = False


def resolve(path: str | None, context: str | None) -> Target:
    """The target kubectl would use: the given file, $KUBECONFIG, ~/.kube/config, or the pod's service account.

    Raises:
        CredentialsRejected: there is no configuration at all.
        BadInput: a file is missing or broken, or the context, cluster or user it names does not exist.
    """
    files = _files(path)
    if not files:
        if context is None and (SERVICE_ACCOUNT / "token").exists():
            return _in_cluster()
        raise CredentialsRejected("no cluster is configured", why="there is no kubeconfig", next_step=_NO_CLUSTER)
    merged = _merge(files)
    name = context or merged.current
    if not name:
        raise CredentialsRejected(
            "the kubeconfig names no current context",
            next_step="choose one with --context or `kubectl config use-context`",
        )
    chosen = merged.contexts.get(name)
    if chosen is None:
        hint = did_you_mean(name, merged.contexts)
        raise BadInput(f"the kubeconfig has no context '{name}'{hint}", why=", ".join(merged.contexts))
    return _target(name, chosen, merged)


def contexts(path: str | None) -> tuple[str, ...]:
    """The names of every context, in the order of the files."""
    files = _files(path)
    return tuple(_merge(files).contexts) if files else ()


@dataclass(slots=True)
class _Merged:
    """Maps from name to (entry, directory of its file): the first file that has a name wins."""

    contexts: dict[str, tuple[Mapping[str, Any], Path]] = field(default_factory=dict)
    clusters: dict[str, tuple[Mapping[str, Any], Path]] = field(default_factory=dict)
    users: dict[str, tuple[Mapping[str, Any], Path]] = field(default_factory=dict)
    current: str = ""
    simulated: bool = False


def _files(path: str | None) -> list[Path]:
    if path is not None:
        if not Path(path).expanduser().exists():
            raise BadInput(f"no kubeconfig at {path}")
        return [Path(path).expanduser()]
    named = os.environ.get("KUBECONFIG", "")
    if named:
        return [
            Path(part).expanduser() for part in named.split(os.pathsep) if part and Path(part).expanduser().exists()
        ]
    default = Path.home() / ".kube" / "config"
    return [default] if default.exists() else []


def _merge(files: list[Path]) -> _Merged:
    merged = _Merged()
    for file in files:
        data = _read(file)
        for section, into, key in (
            ("contexts", merged.contexts, "context"),
            ("clusters", merged.clusters, "cluster"),
            ("users", merged.users, "user"),
        ):
            for entry in data.get(section) or ():
                if isinstance(entry, dict) and entry.get("name"):
                    into.setdefault(str(entry["name"]), (entry.get(key) or {}, file.parent))
        merged.current = merged.current or str(data.get("current-context") or "")
    return merged


def _read(file: Path) -> Mapping[str, Any]:
    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot read the kubeconfig {file}", why=str(error)) from error
    except yaml.YAMLError as error:
        raise BadInput(f"the kubeconfig {file} is not valid YAML", why=str(error).replace("\n", " ")) from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise BadInput(f"{file} is not a kubeconfig")
    return data


def _target(name: str, chosen: tuple[Mapping[str, Any], Path], merged: _Merged) -> Target:
    context, _ = chosen
    cluster_name = str(context.get("cluster") or "")
    if cluster_name not in merged.clusters:
        hint = did_you_mean(cluster_name, merged.clusters)
        raise BadInput(f"context '{name}' names the cluster '{cluster_name}', which the kubeconfig does not have{hint}")
    cluster, directory = merged.clusters[cluster_name]
    user_name = context.get("user")
    if user_name and str(user_name) not in merged.users:
        raise BadInput(f"context '{name}' names the user '{user_name}', which the kubeconfig does not have")
    user = _user(*merged.users[str(user_name)]) if user_name else User()
    server = str(cluster.get("server") or "").rstrip("/")
    if not server.startswith(("http://", "https://")):
        raise BadInput(f"cluster '{cluster_name}' has no usable server address", why=server or "it is empty")
    extensions = [str(e.get("name")) for e in cluster.get("extensions") or () if isinstance(e, dict)]
    return Target(
        context=name,
        server=server,
        namespace=str(context["namespace"]) if context.get("namespace") else None,
        ca=_bytes(cluster, "certificate-authority", directory),
        insecure=bool(cluster.get("insecure-skip-tls-verify")),
        server_name=str(cluster["tls-server-name"]) if cluster.get("tls-server-name") else None,
        proxy=str(cluster["proxy-url"]) if cluster.get("proxy-url") else None,
        user=user,
        simulated="sandbox.genai-tui.dev" in extensions,
    )


def _user(entry: Mapping[str, Any], directory: Path) -> User:
    token_file = entry.get("tokenFile")
    return User(
        token=str(entry["token"]).strip() if entry.get("token") else None,
        token_file=directory / str(token_file) if token_file else None,
        username=str(entry["username"]) if entry.get("username") else None,
        password=str(entry["password"]) if entry.get("password") else None,
        certificate=_bytes(entry, "client-certificate", directory),
        key=_bytes(entry, "client-key", directory),
        plugin=_plugin(entry["exec"], directory) if isinstance(entry.get("exec"), dict) else None,
        act_as=str(entry["as"]) if entry.get("as") else None,
        act_as_groups=tuple(str(group) for group in entry.get("as-groups") or ()),
        act_as_uid=str(entry["as-uid"]) if entry.get("as-uid") else None,
    )


def _plugin(entry: Mapping[str, Any], directory: Path) -> ExecPlugin:
    command = str(entry.get("command") or "")
    # As kubectl: a relative path is relative to the kubeconfig, a bare name is looked up in PATH.
    if "/" in command and not command.startswith("/"):
        command = str(directory / command)
    return ExecPlugin(
        command=command,
        args=tuple(str(argument) for argument in entry.get("args") or ()),
        env={str(e["name"]): str(e.get("value", "")) for e in entry.get("env") or () if isinstance(e, dict)},
        api_version=str(entry.get("apiVersion") or "client.authentication.k8s.io/v1"),
        provide_cluster_info=bool(entry.get("provideClusterInfo")),
        install_hint=str(entry.get("installHint") or "").strip(),
    )


def _bytes(entry: Mapping[str, Any], key: str, directory: Path) -> bytes | None:
    """The content of a `key-data` (base64) or `key` (file) field; data wins, as for kubectl."""
    data = entry.get(f"{key}-data")
    if data:
        try:
            return base64.b64decode(str(data), validate=False)
        except binascii.Error as error:
            raise BadInput(f"{key}-data of the kubeconfig is not base64") from error
    path = entry.get(key)
    if not path:
        return None
    try:
        return (directory / str(path)).read_bytes()
    except OSError as error:
        raise BadInput(f"cannot read {key} of the kubeconfig", why=str(error)) from error


def _in_cluster() -> Target:
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST", ""), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise CredentialsRejected("no cluster is configured", why="there is no kubeconfig", next_step=_NO_CLUSTER)
    namespace = SERVICE_ACCOUNT / "namespace"
    certificate = SERVICE_ACCOUNT / "ca.crt"
    return Target(
        context="in-cluster",
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        namespace=namespace.read_text(encoding="utf-8").strip() if namespace.exists() else None,
        ca=certificate.read_bytes() if certificate.exists() else None,
        insecure=False,
        server_name=None,
        proxy=None,
        user=User(token_file=SERVICE_ACCOUNT / "token"),
    )
