"""Kubeconfig files, merged as kubectl merges them, and the credentials they name.

Form: https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/ . The `kubernetes` package reads KUBECONFIG when it
is imported, ignores impersonation, and breaks on token files that end in a newline; this reader does not.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from genai_tui.domain.naming import did_you_mean
from genai_tui.errors import BadInput, CredentialsRejected
from genai_tui.paths import typed_path

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PLUGIN_CONFIG = "client.authentication.k8s.io/exec"
_NO_CLUSTER = "set KUBECONFIG or --kubeconfig, or try `genai-tui sandbox`"


@dataclass(frozen=True, slots=True)
class ExecPlugin:
    """A credential plugin (client.authentication.k8s.io).

    `cluster_config` is what the cluster's entry keeps for plugins; `needs_terminal` is interactiveMode Always.
    """

    command: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    api_version: str = "client.authentication.k8s.io/v1"
    provide_cluster_info: bool = False
    cluster_config: object = None
    needs_terminal: bool = False
    install_hint: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class OpenIdConnect:
    """What the provider entry `oidc` keeps. Never printed: it holds secrets.

    `file` is the kubeconfig it stands in: a renewed token is written back there, as kubectl does.
    """

    issuer: str
    client_id: str
    client_secret: str
    id_token: str
    refresh_token: str
    ca: bytes | None
    file: Path


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
    openid: OpenIdConnect | None = None
    act_as: str | None = None
    act_as_groups: tuple[str, ...] = ()
    act_as_uid: str | None = None
    act_as_extra: tuple[tuple[str, str], ...] = ()


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


def contexts(path: str | None) -> tuple[tuple[str, str, str | None], ...]:
    """Name, cluster and namespace of every context, in the order of the files. Raises BadInput as `resolve`."""
    files = _files(path)
    found = _merge(files).contexts.items() if files else ()
    return tuple((name, _text(entry, "cluster") or "", _text(entry, "namespace")) for name, (entry, _) in found)


@dataclass(slots=True)
class _Merged:
    """Maps from name to (entry, its file): the first file that has a name wins."""

    contexts: dict[str, tuple[Mapping[str, Any], Path]] = field(default_factory=dict)
    clusters: dict[str, tuple[Mapping[str, Any], Path]] = field(default_factory=dict)
    users: dict[str, tuple[Mapping[str, Any], Path]] = field(default_factory=dict)
    current: str = ""


def _files(path: str | None) -> list[Path]:
    if path is not None:
        file = typed_path(path)
        if not file.exists():
            raise BadInput(f"no kubeconfig at {path}")
        return [file]
    named = os.environ.get("KUBECONFIG", "")
    if named:
        return [file for part in named.split(os.pathsep) if part and (file := typed_path(part)).exists()]
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
            for entry in _entries(data, section):
                if entry.get("name"):
                    into.setdefault(str(entry["name"]), (_mapping(entry, key), file))
        merged.current = merged.current or _text(data, "current-context") or ""
    return merged


def _entries(data: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """The mappings in a list; what else may be there is passed over, as kubectl does with what it does not know."""
    found = data.get(key)
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _mapping(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = data.get(key)
    return found if isinstance(found, dict) else {}


def _strings(data: Mapping[str, Any], key: str) -> tuple[str, ...]:
    found = data.get(key)
    return tuple(str(item) for item in found) if isinstance(found, list) else ()


def _text(data: Mapping[str, Any], key: str) -> str | None:
    """A scalar as text; None when it is missing or empty."""
    found = data.get(key)
    return str(found).strip() or None if isinstance(found, str | int | float) else None


def _read(file: Path) -> Mapping[str, Any]:
    try:
        data = yaml.load(file.read_text(encoding="utf-8"), Loader=_LOADER)  # a safe loader, the quick one if there
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
    cluster_name = _text(context, "cluster") or ""
    if cluster_name not in merged.clusters:
        hint = did_you_mean(cluster_name, merged.clusters)
        raise BadInput(f"context '{name}' names the cluster '{cluster_name}', which the kubeconfig does not have{hint}")
    cluster, file = merged.clusters[cluster_name]
    user_name = _text(context, "user")
    if user_name and user_name not in merged.users:
        hint = did_you_mean(user_name, merged.users)
        raise BadInput(f"context '{name}' names the user '{user_name}', which the kubeconfig does not have{hint}")
    server = (_text(cluster, "server") or "").rstrip("/")
    if not server.startswith(("http://", "https://")):
        raise BadInput(f"cluster '{cluster_name}' has no usable server address", why=server or "it is empty")
    extensions = {str(e.get("name")): e.get("extension") for e in _entries(cluster, "extensions")}
    user = _user(*merged.users[user_name], extensions.get(_PLUGIN_CONFIG)) if user_name else User()
    ca, insecure = (
        _bytes(cluster, "certificate-authority", file.parent),
        cluster.get("insecure-skip-tls-verify") is True,
    )
    if insecure and ca is not None:
        why = "its certificate-authority would not be looked at"
        raise BadInput(
            f"cluster '{cluster_name}' has insecure-skip-tls-verify beside a certificate-authority",
            why=why,
            next_step="take one of them out of the kubeconfig",
        )
    return Target(
        context=name,
        server=server,
        namespace=_text(context, "namespace"),
        ca=ca,
        insecure=insecure,
        server_name=_text(cluster, "tls-server-name"),
        proxy=_text(cluster, "proxy-url"),
        user=user,
        simulated="sandbox.genai-tui.dev" in extensions,
    )


def _user(entry: Mapping[str, Any], file: Path, cluster_config: object) -> User:
    token_file, directory = _text(entry, "tokenFile"), file.parent
    extra = _mapping(entry, "as-user-extra")
    act_as = _text(entry, "as")
    if not act_as and (_strings(entry, "as-groups") or _text(entry, "as-uid") or extra):
        raise BadInput(
            "the kubeconfig impersonates groups, a uid or extra values without a user",
            next_step="add `as` to its user entry",
        )
    return User(
        token=_text(entry, "token"),
        openid=_openid(_mapping(entry, "auth-provider"), file),
        token_file=directory / token_file if token_file else None,
        username=_text(entry, "username"),
        password=str(entry["password"]) if entry.get("password") else None,
        certificate=_bytes(entry, "client-certificate", directory),
        key=_bytes(entry, "client-key", directory),
        plugin=_plugin(entry["exec"], directory, cluster_config) if isinstance(entry.get("exec"), dict) else None,
        act_as=act_as,
        act_as_groups=_strings(entry, "as-groups"),
        act_as_uid=_text(entry, "as-uid"),
        act_as_extra=tuple((str(key), value) for key in extra for value in _strings(extra, key)),
    )


def _openid(provider: Mapping[str, Any], file: Path) -> OpenIdConnect | None:
    """An OpenID Connect entry; kubectl 1.26 dropped the other providers."""
    name = _text(provider, "name")
    if name is None:
        return None
    if name != "oidc":
        raise CredentialsRejected(
            f"the kubeconfig uses the auth-provider '{name}'",
            why="kubectl dropped it in 1.26",
            next_step="write the kubeconfig anew with the cloud's own tool: it then uses a credential plugin",
        )
    config = _mapping(provider, "config")
    return OpenIdConnect(
        issuer=(_text(config, "idp-issuer-url") or "").rstrip("/"),
        client_id=_text(config, "client-id") or "",
        client_secret=_text(config, "client-secret") or "",
        id_token=_text(config, "id-token") or "",
        refresh_token=_text(config, "refresh-token") or "",
        ca=_bytes(config, "idp-certificate-authority", file.parent),
        file=file,
    )


def _plugin(entry: Mapping[str, Any], directory: Path, cluster_config: object) -> ExecPlugin:
    command = _text(entry, "command") or ""
    # As kubectl: a relative path is relative to the kubeconfig, a bare name is looked up in PATH.
    if "/" in command and not command.startswith("/"):
        command = str(directory / command)
    return ExecPlugin(
        command=command,
        args=_strings(entry, "args"),
        env={str(e.get("name")): str(e.get("value") or "") for e in _entries(entry, "env")},
        api_version=_text(entry, "apiVersion") or "client.authentication.k8s.io/v1",
        provide_cluster_info=entry.get("provideClusterInfo") is True,
        cluster_config=cluster_config,
        needs_terminal=entry.get("interactiveMode") == "Always",
        install_hint=_text(entry, "installHint") or "",
    )


def _bytes(entry: Mapping[str, Any], key: str, directory: Path) -> bytes | None:
    """The content of a `key-data` (base64) or `key` (file) field; data wins, as for kubectl."""
    data = entry.get(f"{key}-data")
    if data:
        try:
            return base64.b64decode(str(data), validate=False)
        except ValueError as error:
            raise BadInput(f"{key}-data of the kubeconfig is not base64") from error
    path = _text(entry, key)
    if not path:
        return None
    try:
        return (directory / path).read_bytes()
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
