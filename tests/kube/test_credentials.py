"""Every common form of credentials, against a real TLS server; each is what kubectl accepts."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import stat
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from hypothesis import given
from hypothesis import strategies as st

from genai_tui.errors import BadInput, CredentialsRejected, GenaiTuiError, NotPermitted, Unreachable
from genai_tui.kube import credentials, kubeconfig, plugins
from genai_tui.kube.access import Access
from genai_tui.kube.connection import Connection
from genai_tui.kube.kubeconfig import contexts, resolve
from genai_tui.kube.proxies import proxy_for
from tests.kube.doubles import CertificateServer, certificate_server, http_proxy
from tests.sandbox.serving import Served

Json = dict[str, Any]


def written(
    cluster: Served, user: Json | None, *, cluster_part: Json | None = None, directory: Path, name: str = "config"
) -> str:
    entry = {"server": cluster.url, "certificate-authority-data": base64.b64encode(cluster.ca).decode()}
    context: Json = {"cluster": "c"} | ({"user": "u"} if user is not None else {})
    data = {
        "current-context": "k",
        "clusters": [{"name": "c", "cluster": entry | (cluster_part or {})}],
        "users": [{"name": "u", "user": user}] if user is not None else [],
        "contexts": [{"name": "k", "context": context}],
    }
    path = directory / name
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return str(path)


async def who(path: str | None, context: str | None = None) -> str | None:
    """Connect and ask the cluster who we are."""
    async with Connection(resolve(path, context)) as connection:
        return await Access(connection).identify()


def plugin(directory: Path, body: str) -> str:
    script = directory / "plugin.py"
    script.write_text(f"#!{sys.executable}\nimport json, os, sys\n{body}\n", encoding="utf-8")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return str(script)


GIVE = """
def give(token, **more):
    status = {"token": token, **more}
    print(json.dumps({"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1", "status": status}))
"""


def counted(directory: Path) -> str:
    """Lines of a plugin that count its runs in a file."""
    return (
        f"path = {str(directory / 'count')!r}\n"
        "count = int(open(path).read()) if os.path.exists(path) else 0\n"
        "open(path, 'w').write(str(count + 1))\n"
    )


async def test_a_token(cluster: Served, tmp_path: Path) -> None:
    assert await who(written(cluster, {"token": "operator"}, directory=tmp_path)) == "olga"


async def test_a_token_file_that_ends_in_a_newline_and_changes(cluster: Served, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("wrong\n", encoding="utf-8")
    path = written(cluster, {"tokenFile": "token"}, directory=tmp_path)
    async with Connection(resolve(path, None)) as connection:
        with pytest.raises(CredentialsRejected):
            await Access(connection).identify()
        (tmp_path / "token").write_text("viewer\n", encoding="utf-8")
        assert await Access(connection).identify() == "vera"


async def test_a_plugin_gives_a_token_and_gets_no_terminal(cluster: Served, tmp_path: Path) -> None:
    body = GIVE + (
        "info = json.loads(os.environ['KUBERNETES_EXEC_INFO'])\n"
        "assert info['spec']['interactive'] is False and info['spec']['cluster']['server'].startswith('https')\n"
        "assert sys.stdin.read() == '' and sys.argv[1] == 'arg' and os.environ['MORE'] == 'yes'\n"
        "print('x' * 200000, file=sys.stderr)\n"
        "give('operator')\n"
    )
    command = plugin(tmp_path, body)
    user = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": f"./{Path(command).name}",
            "args": ["arg"],
            "env": [{"name": "MORE", "value": "yes"}],
            "provideClusterInfo": True,
        }
    }
    assert await who(written(cluster, user, directory=tmp_path)) == "olga"


async def test_a_plugin_is_run_again_after_a_401_and_after_expiry(cluster: Served, tmp_path: Path) -> None:
    expired = "expirationTimestamp='2020-01-01T00:00:00Z'"
    body = GIVE + counted(tmp_path) + f"give('old' if count == 0 else 'operator', {expired})\n"
    path = written(cluster, {"exec": {"command": plugin(tmp_path, body)}}, directory=tmp_path)
    async with Connection(resolve(path, None)) as connection:
        assert await Access(connection).identify() == "olga"
        assert await Access(connection).identify() == "olga"
    assert int((tmp_path / "count").read_text()) == 3


async def test_a_plugin_is_run_once_for_many_requests_rejected_at_once(cluster: Served, tmp_path: Path) -> None:
    body = GIVE + counted(tmp_path) + "give('old' if count == 0 else 'operator')\n"
    path = written(cluster, {"exec": {"command": plugin(tmp_path, body)}}, directory=tmp_path)
    async with Connection(resolve(path, None)) as connection:
        names = await asyncio.gather(*(Access(connection).identify() for _ in range(8)))
    assert names == ["olga"] * 8
    assert int((tmp_path / "count").read_text()) == 2


async def test_a_failing_plugin_is_left_alone_for_a_while(cluster: Served, tmp_path: Path) -> None:
    body = counted(tmp_path) + "sys.exit('run: cloud login')\n"
    path = written(cluster, {"exec": {"command": plugin(tmp_path, body)}}, directory=tmp_path)
    async with Connection(resolve(path, None)) as connection:
        for _ in range(3):
            with pytest.raises(CredentialsRejected, match="failed") as caught:
                await Access(connection).identify()
            assert "run: cloud login" in caught.value.problem.line
    assert int((tmp_path / "count").read_text()) == 1


async def test_a_plugin_that_hangs_is_ended_with_its_children(
    cluster: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugins, "ANSWER_LIMIT_S", 0.5)
    body = "import subprocess\nsubprocess.run(['sleep', '1000'])\n"
    path = written(cluster, {"exec": {"command": plugin(tmp_path, body)}}, directory=tmp_path)
    with pytest.raises(CredentialsRejected, match="did not end"):
        await who(path)


async def test_a_plugin_that_needs_a_terminal_is_refused(cluster: Served, tmp_path: Path) -> None:
    user = {"exec": {"command": plugin(tmp_path, "sys.exit(1)"), "interactiveMode": "Always"}}
    with pytest.raises(CredentialsRejected, match="wants a terminal"):
        await who(written(cluster, user, directory=tmp_path))


async def test_a_failing_plugin_is_quoted(cluster: Served, tmp_path: Path) -> None:
    body = "print('token expired, run: cloud login', file=sys.stderr)\nsys.exit(3)\n"
    path = written(cluster, {"exec": {"command": plugin(tmp_path, body)}}, directory=tmp_path)
    with pytest.raises(CredentialsRejected) as caught:
        await who(path)
    assert "run: cloud login" in caught.value.problem.line


async def test_a_missing_plugin_says_how_to_get_it(cluster: Served, tmp_path: Path) -> None:
    user = {"exec": {"command": "no-such-plugin", "installHint": "brew install no-such-plugin"}}
    with pytest.raises(CredentialsRejected) as caught:
        await who(written(cluster, user, directory=tmp_path))
    assert "brew install no-such-plugin" in caught.value.problem.line


async def test_impersonation_is_sent_and_not_ignored(cluster: Served, tmp_path: Path) -> None:
    user = {"token": "admin", "as": "someone", "as-groups": ["viewers", "others"]}
    path = written(cluster, user, directory=tmp_path)
    assert await who(path) == "someone"
    async with Connection(resolve(path, None)) as connection:
        with pytest.raises(NotPermitted, match="someone may not list secrets in namespace default"):
            await connection.get_json("/api/v1/namespaces/default/secrets")


async def test_all_of_an_impersonation_is_sent(cluster: Served, tmp_path: Path) -> None:
    extra = {"example.org/team": ["red", "blue"], "scopes": ["all"]}
    user = {"token": "admin", "as": "someone", "as-uid": "7", "as-groups": ["g1", "g2"], "as-user-extra": extra}
    async with Connection(resolve(written(cluster, user, directory=tmp_path), None)) as connection:
        headers = await connection.credentials.headers()
    sent = sorted((name.lower(), value) for name, value in headers if name.lower().startswith("impersonate"))
    assert sent == [
        ("impersonate-extra-example.org%2fteam", "blue"),
        ("impersonate-extra-example.org%2fteam", "red"),
        ("impersonate-extra-scopes", "all"),
        ("impersonate-group", "g1"),
        ("impersonate-group", "g2"),
        ("impersonate-uid", "7"),
        ("impersonate-user", "someone"),
    ]


def for_server(url: str, ca: bytes, user: Json, directory: Path, **cluster_part: object) -> str:
    entry = {"server": url, "certificate-authority-data": base64.b64encode(ca).decode(), **cluster_part}
    data = {
        "current-context": "k",
        "clusters": [{"name": "c", "cluster": entry}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "k", "context": {"cluster": "c", "user": "u"}}],
    }
    path = directory / "config"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return str(path)


async def test_client_certificates_as_data_as_files_and_from_a_plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    async with certificate_server() as server:
        ca = server.authority.cert_pem.bytes()
        chain, key = server.client("carla")
        (tmp_path / "chain.pem").write_bytes(chain)
        (tmp_path / "key.pem").write_bytes(key)
        data = {
            "client-certificate-data": base64.b64encode(chain).decode(),
            "client-key-data": base64.b64encode(key).decode(),
        }
        files = {"client-certificate": "chain.pem", "client-key": "key.pem"}
        body = GIVE + f"give(None, clientCertificateData={chain.decode()!r}, clientKeyData={key.decode()!r})\n"
        for user in (data, files, {"exec": {"command": plugin(tmp_path, body)}}):
            assert await who(for_server(server.url, ca, user, tmp_path)) == "carla"
        assert await who(for_server(server.url, ca, {"token": "t"}, tmp_path)) is None
    assert os.listdir(tmp_path / "tmp") == []


def test_an_encrypted_key_is_refused_and_not_asked_for_on_the_terminal(cluster: Served, tmp_path: Path) -> None:
    chain, key = CertificateServer().client("carla")
    locked = load_pem_private_key(key, None).private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"sesame")
    )
    (tmp_path / "chain.pem").write_bytes(chain)
    (tmp_path / "key.pem").write_bytes(locked)
    user = {"client-certificate": "chain.pem", "client-key": "key.pem"}
    with pytest.raises(CredentialsRejected, match="client certificate cannot be used"):
        Connection(resolve(written(cluster, user, directory=tmp_path), None))


async def test_a_proxy_of_the_kubeconfig_is_used_with_its_password_and_the_other_name(
    cluster: Served, tmp_path: Path
) -> None:
    async with http_proxy() as proxy:
        url = cluster.url.replace("127.0.0.1", "cluster.example")
        more: Json = {"proxy-url": proxy.url, "tls-server-name": "127.0.0.1"}
        path = for_server(url, cluster.ca, {"token": "operator"}, tmp_path, **more)
        assert await who(path) == "olga"
        assert proxy.targets == [url.removeprefix("https://")]
        assert proxy.authorized == ["Basic bWU6c2VjcmV0"]


@pytest.mark.parametrize(
    ("server", "exceptions", "expected"),
    [
        ("https://api.example.org:6443", "", True),
        ("https://api.example.org:6443", "example.org", False),
        ("https://api.example.org:6443", ".example.org", False),
        ("https://api.example.org:6443", "other.org, api.example.org:6443", False),
        ("https://api.example.org:6443", "api.example.org:443", True),
        ("https://badexample.org", "example.org", True),
        ("https://10.1.2.3:6443", "10.0.0.0/8", False),
        ("https://10.1.2.3:6443", "192.168.0.0/16,10.1.2.3", False),
        ("https://10.1.2.3:6443", "10.1.2.4", True),
        ("https://[fd00::1]:6443", "fd00::/8", False),
        ("https://127.0.0.1:6443", "", False),
        ("https://localhost", "", False),
        ("https://api.example.org", "*", False),
    ],
)
def test_no_proxy_means_what_it_means_to_kubectl(server: str, exceptions: str, expected: bool) -> None:
    environment = {"HTTPS_PROXY": "proxy.example:3128", "NO_PROXY": exceptions}
    assert proxy_for(server, None, environment) == ("http://proxy.example:3128" if expected else None)


def test_a_bad_proxy_is_refused_without_its_password() -> None:
    with pytest.raises(BadInput) as caught:
        proxy_for("https://x", "gopher://me:sesame@proxy", {})
    assert "proxy-url" in caught.value.problem.line
    assert "sesame" not in caught.value.problem.line


async def test_inside_a_cluster_the_service_account_is_used_and_its_token_read_anew(
    cluster: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("viewer", encoding="utf-8")
    (tmp_path / "namespace").write_text("team-a", encoding="utf-8")
    (tmp_path / "ca.crt").write_bytes(cluster.ca)
    monkeypatch.setattr(kubeconfig, "SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", cluster.url.rpartition(":")[2])
    monkeypatch.setattr(credentials, "TOKEN_FILE_MAX_AGE_S", 0.0)
    target = resolve(None, None)
    assert target.namespace == "team-a"
    async with Connection(target) as connection:
        assert await Access(connection).identify() == "vera"
        (tmp_path / "token").write_text("operator", encoding="utf-8")
        assert await Access(connection).identify() == "olga"


async def test_a_torn_token_is_refused_and_never_quoted(cluster: Served, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("sesame\nopen", encoding="utf-8")
    cases: list[Json] = [{"tokenFile": "token"}, {"token": "sesame open"}, {"token": "sesam\u00e9"}]
    for user in cases:
        with pytest.raises(CredentialsRejected, match="no token has") as caught:
            await who(written(cluster, user, directory=tmp_path))
        assert "sesam" not in f"{caught.value.problem}"


def test_what_kubectl_dropped_is_said_so(cluster: Served, tmp_path: Path) -> None:
    old = written(cluster, {"auth-provider": {"name": "gcp"}}, directory=tmp_path)
    with pytest.raises(CredentialsRejected, match="auth-provider 'gcp'"):
        resolve(old, None)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("https://c"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["name", "exec", "k"]), inner),
    max_leaves=5,
)


@given(st.data())
def test_no_kubeconfig_whatever_is_in_it_raises_anything_but_words(data: st.DataObject) -> None:
    def part(*names: str) -> Json:
        return {name: data.draw(ANYTHING) for name in names}

    cluster_part = part("server", "certificate-authority-data", "proxy-url", "extensions", "tls-server-name")
    user = part("token", "tokenFile", "exec", "client-certificate-data", "as-groups", "as-user-extra", "auth-provider")
    user["exec"] = data.draw(st.just(user["exec"]) | st.just(part("command", "args", "env", "interactiveMode")))
    config = {
        "current-context": "k",
        "clusters": data.draw(ANYTHING | st.just([{"name": "c", "cluster": cluster_part}])),
        "users": data.draw(ANYTHING | st.just([{"name": "u", "user": user}])),
        "contexts": data.draw(ANYTHING | st.just([{"name": "k", "context": {"cluster": "c", "user": "u"}}])),
    }
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file:
        yaml.safe_dump(config, file)
        file.flush()
        with contextlib.suppress(GenaiTuiError):
            Connection(resolve(file.name, None))


async def test_a_certificate_for_another_name(cluster: Served, tmp_path: Path) -> None:
    user = {"token": "viewer"}
    wrong = written(cluster, user, cluster_part={"tls-server-name": "other.example"}, directory=tmp_path)
    with pytest.raises(Unreachable, match="cannot reach the cluster"):
        await who(wrong)
    right = written(cluster, user, cluster_part={"tls-server-name": "127.0.0.1"}, directory=tmp_path)
    assert await who(right) == "vera"


async def test_an_unknown_authority_is_refused_unless_told_otherwise(cluster: Served, tmp_path: Path) -> None:
    user = {"token": "viewer"}
    unknown = written(cluster, user, cluster_part={"certificate-authority-data": ""}, directory=tmp_path)
    with pytest.raises(Unreachable) as caught:
        await who(unknown)
    assert "certificate verify failed" in caught.value.problem.line
    part = {"insecure-skip-tls-verify": True, "certificate-authority-data": ""}
    assert await who(written(cluster, user, cluster_part=part, directory=tmp_path)) == "vera"


async def test_a_context_without_a_user_is_refused_in_words(cluster: Served, tmp_path: Path) -> None:
    with pytest.raises(CredentialsRejected, match="did not accept the credentials"):
        await who(written(cluster, None, directory=tmp_path))


def second_context(first: str, place: Path) -> None:
    """A file whose context has another name and user."""
    other = yaml.safe_load(Path(first).read_text())
    other["contexts"][0]["name"], other["users"][0] = "second", {"name": "u2", "user": {"token": "operator"}}
    other["contexts"][0]["context"]["user"] = "u2"
    place.write_text(yaml.safe_dump(other), encoding="utf-8")


async def test_several_files_are_merged_when_they_are_read(
    cluster: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = written(cluster, {"token": "viewer"}, directory=tmp_path, name="one")
    second_context(first, tmp_path / "two")
    monkeypatch.setenv("KUBECONFIG", f"{first}:{tmp_path / 'missing'}:{tmp_path / 'two'}")
    assert [name for name, _, _ in contexts(None)] == ["k", "second"]
    assert await who(None) == "vera"
    assert await who(None, "second") == "olga"


def test_what_is_wrong_with_a_kubeconfig_is_one_line(cluster: Served, tmp_path: Path) -> None:
    good = written(cluster, {"token": "viewer"}, directory=tmp_path)
    cases: list[tuple[str | None, str | None, type[GenaiTuiError], str]] = [
        (good, "kk", BadInput, "no context 'kk'; did you mean 'k'"),
        (str(tmp_path / "none"), None, BadInput, "no kubeconfig at"),
        (None, None, CredentialsRejected, "genai-tui sandbox"),
    ]
    broken = tmp_path / "broken"
    broken.write_text("clusters: [", encoding="utf-8")
    cases.append((str(broken), None, BadInput, "not valid YAML"))
    for path, context, kind, text in cases:
        with pytest.raises(kind) as caught:
            resolve(path, context)
        line = caught.value.problem.line
        assert text in line
        assert "\n" not in line


def test_secrets_are_in_no_representation(cluster: Served, tmp_path: Path) -> None:
    target = resolve(written(cluster, {"token": "sesame", "password": "sesame"}, directory=tmp_path), None)
    connection = Connection(target)
    assert "sesame" not in f"{target!r} {target.user!r} {connection.credentials!r} {json.dumps(str(target))}"
