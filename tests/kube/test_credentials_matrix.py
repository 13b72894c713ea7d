"""Every form of kubeconfig against a TLS server, and beside it what kubectl makes of the same file.

Who kubectl is told to be, we must be; what kubectl refuses, we must refuse, in words.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from genai_tui.errors import GenaiTuiError
from genai_tui.kube.access import Access
from genai_tui.kube.connection import Connection
from genai_tui.kube.kubeconfig import resolve
from genai_tui.sandbox.authz import Identity
from tests.kube.doubles import (
    CertificateServer,
    IdentityProvider,
    certificate_server,
    http_proxy,
    identity_provider,
    socks_proxy,
)
from tests.sandbox.serving import TOKENS, Served, served

KUBECTL = Path(sys.executable).with_name("kubectl")
pytestmark = pytest.mark.skipif(not KUBECTL.exists(), reason="no kubectl is installed")

Json = dict[str, Any]


@dataclass
class World:
    """What a kubeconfig can be about: a server that knows tokens, one that knows certificates, proxies."""

    directory: Path
    cluster: Served
    certificates: CertificateServer
    provider: IdentityProvider
    http: str
    socks: str
    environment: dict[str, str] = field(default_factory=dict)

    def config(
        self, user: Json | None, cluster: Json | None = None, *, name: str = "config", context: Json | None = None
    ) -> str:
        """Write a kubeconfig; None as a value of the cluster takes a field away."""
        entry: Json = {"server": self.cluster.url, "certificate-authority-data": text(self.cluster.ca)}
        entry |= cluster or {}
        data = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "k",
            "clusters": [{"name": "c", "cluster": {key: value for key, value in entry.items() if value is not None}}],
            "users": [{"name": "u", "user": user}] if user is not None else [],
            "contexts": [
                {"name": "k", "context": {"cluster": "c"} | ({"user": "u"} if user else {}) | (context or {})}
            ],
        }
        path = self.directory / name
        path.write_text(yaml.safe_dump(data), encoding="utf-8")
        return str(path)

    def with_certificate(self, user: Json) -> str:
        ca = text(self.certificates.authority.cert_pem.bytes())
        return self.config(user, {"server": self.certificates.url, "certificate-authority-data": ca})

    def file(self, name: str, content: str | bytes) -> str:
        (self.directory / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return name

    def plugin(self, body: str, **more: object) -> Json:
        """A credential plugin: a Python program which calls `give(token)`, in a file beside the kubeconfig."""
        program = f"#!{sys.executable}\nimport json, os, sys\n{_GIVE}\n{body}\n"
        self.file("plugin", program)
        (self.directory / "plugin").chmod(0o700)
        version = "client.authentication.k8s.io/v1"
        return {"exec": {"apiVersion": version, "command": "./plugin", "interactiveMode": "Never"} | more}


_GIVE = """
info = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
def give(token=None, **more):
    status = {key: value for key, value in {"token": token, **more}.items() if value}
    print(json.dumps({"kind": "ExecCredential", "apiVersion": info["apiVersion"], "status": status}))
"""


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def id_token(expires: float) -> str:
    """A JSON web token as an identity provider issues it; nobody here checks the signature."""
    parts = [{"alg": "RS256"}, {"iss": "https://idp.example", "exp": int(expires)}]
    return ".".join([*(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts), "c2ln"])


EXPIRED, ISSUED = id_token(time.time() - 3600), id_token(4_000_000_000)


def a_client(world: World) -> tuple[bytes, bytes]:
    return world.certificates.client("carla")


# The forms ------------------------------------------------------------------------------------------------------------


def token(world: World) -> str:
    return world.config({"token": "operator"})


def token_file_with_a_newline(world: World) -> str:
    return world.config({"tokenFile": world.file("token", "operator\n")})


def token_file_by_its_whole_path(world: World) -> str:
    return world.config({"tokenFile": str(world.directory / world.file("token", "viewer"))})


def token_file_beside_a_token(world: World) -> str:
    return world.config({"token": "operator", "tokenFile": world.file("token", "viewer")})


def token_file_that_is_missing(world: World) -> str:
    return world.config({"tokenFile": "nowhere"})


def unknown_token(world: World) -> str:
    return world.config({"token": "somebody-else"})


def user_name_and_password(world: World) -> str:
    return world.config({"username": "olga", "password": "sesame"})


def nobody(world: World) -> str:
    return world.config(None)


def json_instead_of_yaml(world: World) -> str:
    path = Path(world.config({"token": "viewer"}))
    path.write_text(json.dumps(yaml.safe_load(path.read_text())))
    return str(path)


def no_namespace(world: World) -> str:
    return world.config({"token": "viewer"}, context={"namespace": ""})


def server_with_a_slash(world: World) -> str:
    return world.config({"token": "viewer"}, {"server": f"{world.cluster.url}/"})


def several_files_the_first_wins(world: World) -> str:
    first = world.config({"token": "viewer"}, name="first")
    world.environment["KUBECONFIG"] = f"{first}:{world.directory}/none:{world.config({'token': 'operator'})}"
    return ""


def no_current_context(world: World) -> str:
    path = Path(world.config({"token": "viewer"}))
    path.write_text(path.read_text().replace("current-context: k", "current-context: ''"))
    return str(path)


def context_that_is_missing(world: World) -> str:
    path = Path(world.config({"token": "viewer"}))
    path.write_text(path.read_text().replace("current-context: k", "current-context: other"))
    return str(path)


def user_that_is_missing(world: World) -> str:
    return world.config({"token": "viewer"}, context={"user": "other"})


def cluster_that_is_missing(world: World) -> str:
    return world.config({"token": "viewer"}, context={"cluster": "other"})


def broken_yaml(world: World) -> str:
    return str(world.directory / world.file("config", "clusters: ["))


def plugin_with_a_token(world: World) -> str:
    return world.config(world.plugin("give('operator')"))


def plugin_of_the_beta(world: World) -> str:
    version = "client.authentication.k8s.io/v1beta1"
    return world.config(world.plugin("give('operator')", apiVersion=version))


def plugin_with_arguments_and_environment(world: World) -> str:
    body = "give(sys.argv[1] + os.environ['REST'])"
    return world.config(world.plugin(body, args=["oper"], env=[{"name": "REST", "value": "ator"}]))


def plugin_that_reads_the_cluster(world: World) -> str:
    body = "give(info['spec']['cluster']['config']['token'] if info['spec']['cluster']['server'] else '')"
    extension = {"name": "client.authentication.k8s.io/exec", "extension": {"token": "viewer"}}
    return world.config(world.plugin(body, provideClusterInfo=True), {"extensions": [extension]})


def plugin_that_chats(world: World) -> str:
    return world.config(world.plugin("sys.stderr.write('working\\n' * 20_000); give('operator')"))


def plugin_whose_token_expires_later(world: World) -> str:
    return world.config(world.plugin("give('operator', expirationTimestamp='2099-01-01T00:00:00Z')"))


def plugin_with_a_certificate(world: World) -> str:
    chain, key = a_client(world)
    body = f"give(clientCertificateData={chain.decode()!r}, clientKeyData={key.decode()!r})"
    return world.with_certificate(world.plugin(body))


def plugin_that_fails(world: World) -> str:
    return world.config(world.plugin("sys.exit('run: cloud sso login')"))


def plugin_that_is_missing(world: World) -> str:
    return world.config(world.plugin("", command="./nowhere", installHint="brew install nowhere"))


def plugin_that_prints_nonsense(world: World) -> str:
    return world.config(world.plugin("print('hello')"))


def plugin_of_another_version(world: World) -> str:
    body = "info['apiVersion'] = 'client.authentication.k8s.io/v1beta1'; give('operator')"
    return world.config(world.plugin(body))


def plugin_that_wants_a_terminal(world: World) -> str:
    return world.config(world.plugin("give('operator')", interactiveMode="Always"))


def certificate_in_the_file(world: World) -> str:
    chain, key = a_client(world)
    return world.with_certificate({"client-certificate-data": text(chain), "client-key-data": text(key)})


def certificate_beside_the_file(world: World) -> str:
    chain, key = a_client(world)
    user = {"client-certificate": world.file("c.pem", chain), "client-key": world.file("k.pem", key)}
    return world.with_certificate(user)


def certificate_without_its_key(world: World) -> str:
    return world.with_certificate({"client-certificate-data": text(a_client(world)[0])})


def certificate_with_another_key(world: World) -> str:
    chain, key = a_client(world)[0], a_client(world)[1]
    return world.with_certificate({"client-certificate-data": text(chain), "client-key-data": text(key)})


def openid_entry(world: World, token: str, **more: str) -> str:
    config = {"idp-issuer-url": world.provider.url, "client-id": "k", "client-secret": "s", "id-token": token} | more
    config["idp-certificate-authority-data"] = text(world.provider.authority.cert_pem.bytes())
    return world.config({"auth-provider": {"name": "oidc", "config": config}})


def openid_connect(world: World) -> str:
    return openid_entry(world, ISSUED)


def openid_connect_renewed(world: World) -> str:
    return openid_entry(world, EXPIRED, **{"refresh-token": "r3fresh"})


def openid_connect_refused(world: World) -> str:
    return openid_entry(world, EXPIRED, **{"refresh-token": "revoked"})


def openid_connect_expired(world: World) -> str:
    return openid_entry(world, EXPIRED)


def provider_that_was_dropped(world: World) -> str:
    return world.config({"auth-provider": {"name": "gcp"}})


def impersonated_user(world: World) -> str:
    return world.config({"token": "admin", "as": "ida"})


def impersonated_with_groups(world: World) -> str:
    return world.config({"token": "admin", "as": "ida", "as-groups": ["viewers", "others"]})


def impersonated_groups_without_a_user(world: World) -> str:
    return world.config({"token": "admin", "as-groups": ["viewers"]})


def impersonation_that_is_not_allowed(world: World) -> str:
    return world.config({"token": "viewer", "as": "ida"})


def authority_beside_the_file(world: World) -> str:
    more = {"certificate-authority": world.file("ca.pem", world.cluster.ca), "certificate-authority-data": None}
    return world.config({"token": "viewer"}, more)


def unknown_authority(world: World) -> str:
    return world.config({"token": "viewer"}, {"certificate-authority-data": None})


def unknown_authority_that_is_trusted(world: World) -> str:
    return world.config({"token": "viewer"}, {"certificate-authority-data": None, "insecure-skip-tls-verify": True})


def authority_that_is_not_looked_at(world: World) -> str:
    return world.config({"token": "viewer"}, {"insecure-skip-tls-verify": True})


def authority_that_is_no_certificate(world: World) -> str:
    return world.config({"token": "viewer"}, {"certificate-authority-data": text(b"hello")})


def other_name_of_the_server(world: World) -> str:
    server = world.cluster.url.replace("127.0.0.1", "localhost")
    return world.config({"token": "viewer"}, {"server": server, "tls-server-name": "127.0.0.1"})


def wrong_name_of_the_server(world: World) -> str:
    return world.config({"token": "viewer"}, {"tls-server-name": "other.example"})


def http_proxy_of_the_file(world: World) -> str:
    return world.config({"token": "viewer"}, {"proxy-url": world.http})


def socks_proxy_of_the_file(world: World) -> str:
    return world.config({"token": "viewer"}, {"proxy-url": world.socks})


def proxy_that_is_gone(world: World) -> str:
    return world.config({"token": "viewer"}, {"proxy-url": "http://127.0.0.1:9"})


def proxy_that_is_none(world: World) -> str:
    return world.config({"token": "viewer"}, {"proxy-url": "gopher://127.0.0.1"})


FORMS: list[tuple[Callable[[World], str], str | None]] = [
    (token, "olga"),
    (token_file_with_a_newline, "olga"),
    (token_file_by_its_whole_path, "vera"),
    (token_file_beside_a_token, "vera"),
    (token_file_that_is_missing, None),
    (unknown_token, None),
    (user_name_and_password, None),
    (nobody, None),
    (json_instead_of_yaml, "vera"),
    (no_namespace, "vera"),
    (server_with_a_slash, "vera"),
    (several_files_the_first_wins, "vera"),
    (no_current_context, None),
    (context_that_is_missing, None),
    (user_that_is_missing, None),
    (cluster_that_is_missing, None),
    (broken_yaml, None),
    (plugin_with_a_token, "olga"),
    (plugin_of_the_beta, "olga"),
    (plugin_with_arguments_and_environment, "olga"),
    (plugin_that_reads_the_cluster, "vera"),
    (plugin_that_chats, "olga"),
    (plugin_whose_token_expires_later, "olga"),
    (plugin_with_a_certificate, "carla"),
    (plugin_that_fails, None),
    (plugin_that_is_missing, None),
    (plugin_that_prints_nonsense, None),
    (plugin_of_another_version, None),
    (plugin_that_wants_a_terminal, None),
    (certificate_in_the_file, "carla"),
    (certificate_beside_the_file, "carla"),
    (certificate_without_its_key, None),
    (certificate_with_another_key, None),
    (openid_connect, "olga"),
    (openid_connect_renewed, "olga"),
    (openid_connect_refused, None),
    (openid_connect_expired, None),
    (provider_that_was_dropped, None),
    (impersonated_user, "ida"),
    (impersonated_with_groups, "ida"),
    (impersonated_groups_without_a_user, None),
    (impersonation_that_is_not_allowed, None),
    (authority_beside_the_file, "vera"),
    (unknown_authority, None),
    (unknown_authority_that_is_trusted, "vera"),
    (authority_that_is_not_looked_at, None),
    (authority_that_is_no_certificate, None),
    (other_name_of_the_server, "vera"),
    (wrong_name_of_the_server, None),
    (http_proxy_of_the_file, "vera"),
    (socks_proxy_of_the_file, "vera"),
    (proxy_that_is_gone, None),
    (proxy_that_is_none, None),
]


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setitem(TOKENS, ISSUED, Identity("olga", ("operators",)))
    with served(tmp_path) as server:
        yield server


@pytest.fixture
async def world(cluster: Served, tmp_path: Path) -> AsyncIterator[World]:
    directory = tmp_path / "kube"
    directory.mkdir()
    async with AsyncExitStack() as stack:
        certificates = await stack.enter_async_context(certificate_server())
        http = await stack.enter_async_context(http_proxy())
        socks = await stack.enter_async_context(socks_proxy())
        provider = await stack.enter_async_context(identity_provider(ISSUED))
        yield World(directory, cluster, certificates, provider, http.url, socks)


async def kubectl(world: World, path: str) -> str | None:
    """Who kubectl says we are; None when it refuses."""
    own = {"HOME": str(world.directory), "PATH": os.environ["PATH"], **world.environment}
    options = ["--kubeconfig", path] if path else []
    process = await asyncio.create_subprocess_exec(
        str(KUBECTL), *options, "auth", "whoami", "-o", "json", "--request-timeout=15s",
        env=own, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    output, _ = await process.communicate()
    if process.returncode:
        return None
    name: str = json.loads(output)["status"]["userInfo"]["username"]
    return name


async def ours(path: str) -> str | GenaiTuiError | None:
    """Who we say we are, or why we refuse."""
    try:
        async with Connection(resolve(path or None, None)) as connection:
            return await Access(connection).identify()
    except GenaiTuiError as error:
        return error


@pytest.mark.parametrize(("form", "expected"), FORMS, ids=[form.__name__ for form, _ in FORMS])
async def test_form(
    form: Callable[[World], str], expected: str | None, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = form(world)
    for name, value in world.environment.items():
        monkeypatch.setenv(name, value)
    before = Path(path).read_bytes() if path else b""
    found = await ours(path)
    if path:
        # A renewed token is kept in the file; kubectl must find it as we did.
        Path(path).write_bytes(before)
    assert await kubectl(world, path) == expected
    if isinstance(found, GenaiTuiError):
        assert expected is None
        assert found.problem.line
        assert "\n" not in found.problem.line
    else:
        assert found == expected


async def test_a_renewed_token_is_kept_where_the_old_one_stood(world: World) -> None:
    path = Path(openid_connect_renewed(world))
    path.write_text(f"# mine\n{path.read_text()}")
    path.chmod(0o600)
    assert await ours(str(path)) == "olga"
    kept = yaml.safe_load(path.read_text())["users"][0]["user"]["auth-provider"]["config"]
    assert (kept["id-token"], kept["refresh-token"]) == (ISSUED, "next")
    assert path.read_text().startswith("# mine\n")
    assert path.stat().st_mode & 0o777 == 0o600
    assert world.provider.asked == ["r3fresh"]
    assert os.listdir(world.directory) == ["config"]
    assert await ours(str(path)) == "olga"
    assert world.provider.asked == ["r3fresh"]


async def test_an_unknown_provider_gets_no_refresh_token(world: World) -> None:
    path = Path(openid_connect_renewed(world))
    other = text(world.cluster.ca)
    data = yaml.safe_load(path.read_text())
    data["users"][0]["user"]["auth-provider"]["config"]["idp-certificate-authority-data"] = other
    path.write_text(yaml.safe_dump(data))
    found = await ours(str(path))
    assert isinstance(found, GenaiTuiError)
    assert "cannot be renewed" in found.problem.line
    assert "r3fresh" not in str(found.problem)
    assert world.provider.asked == []
