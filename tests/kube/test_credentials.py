"""Every common form of credentials, against a real TLS server; each is what kubectl accepts."""

from __future__ import annotations

import base64
import json
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from genai_tui.errors import BadInput, CredentialsRejected, GenaiTuiError, NotPermitted, Unreachable
from genai_tui.kube.access import Access
from genai_tui.kube.connection import Connection
from genai_tui.kube.kubeconfig import contexts, resolve
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
    body = GIVE + (
        "count = int(open('COUNT').read()) if os.path.exists('COUNT') else 0\nopen('COUNT','w').write(str(count + 1))\n"
        "give('old' if count == 0 else 'operator', expirationTimestamp='2020-01-01T00:00:00Z')\n"
    ).replace("COUNT", str(tmp_path / "count"))
    path = written(cluster, {"exec": {"command": plugin(tmp_path, body)}}, directory=tmp_path)
    async with Connection(resolve(path, None)) as connection:
        assert await Access(connection).identify() == "olga"
        assert await Access(connection).identify() == "olga"
    assert int((tmp_path / "count").read_text()) == 3


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
    assert contexts(None) == ("k", "second")
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
