"""What a sandbox keeps in its directory: objects, certificates and tokens, its port; and the kubeconfig it writes."""

from __future__ import annotations

import base64
import json
import os
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec
import trustme
import yaml

from genai_tui.sandbox import custom, registry
from genai_tui.sandbox.objects import Objects
from genai_tui.sandbox.world import World

EXTENSION = "sandbox.genai-tui.dev"
CONTEXTS = {"admin": "sandbox", "operator": "sandbox-operator", "viewer": "sandbox-viewer"}
"""The context of each role."""


@dataclass(frozen=True, slots=True)
class Files:
    """What the state directory holds."""

    directory: Path

    @property
    def objects(self) -> Path:
        """The saved objects."""
        return self.directory / "objects.json"

    @property
    def identity(self) -> Path:
        """The certificate authority and the tokens (0600)."""
        return self.directory / "identity.json"

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig, unless another place is asked for."""
        return self.directory / "kubeconfig"


def write_private(path: Path, data: bytes) -> None:
    """Replace a file in one step; only its owner may read it."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    temporary.replace(path)


@dataclass(frozen=True, slots=True)
class Identity:
    """Tokens by role, the authority and the server's certificate with its key, as PEM text."""

    tokens: dict[str, str]
    ca: str
    certificate: str
    key: str

    def __repr__(self) -> str:
        return f"Identity({', '.join(self.tokens)})"


def identity(files: Files) -> Identity:
    """Tokens, authority and certificate; made once, kept with the state."""
    if files.identity.exists():
        return Identity(**json.loads(files.identity.read_text(encoding="utf-8")))
    authority = trustme.CA()
    leaf = authority.issue_cert("localhost", "127.0.0.1")
    made = {
        "tokens": {role: secrets.token_urlsafe(24) for role in CONTEXTS},
        "ca": authority.cert_pem.bytes().decode(),
        "certificate": b"".join(blob.bytes() for blob in leaf.cert_chain_pems).decode(),
        "key": leaf.private_key_pem.bytes().decode(),
    }
    write_private(files.identity, json.dumps(made).encode())
    return identity(files)


def kubeconfig_text(server: str, own: Identity) -> bytes:
    """A context for each role; the first is the current one."""
    ca = base64.b64encode(own.ca.encode()).decode()
    extension = {"name": EXTENSION, "extension": {"simulated": True}}
    cluster = {"server": server, "certificate-authority-data": ca, "extensions": [extension]}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": CONTEXTS["admin"],
        "clusters": [{"name": "sandbox", "cluster": cluster}],
        "users": [{"name": f"sandbox-{role}", "user": {"token": own.tokens[role]}} for role in CONTEXTS],
        "contexts": [
            {"name": name, "context": {"cluster": "sandbox", "user": f"sandbox-{role}"}}
            for role, name in CONTEXTS.items()
        ],
    }
    return yaml.safe_dump(config, sort_keys=False).encode()


class Saved(msgspec.Struct):
    """A world as it was: virtual time, the port it answered on, the version, and every object."""

    scenario: str
    now: datetime
    port: int
    version: int
    objects: list[tuple[str, str, str, msgspec.Raw]]


def save(world: World, files: Files, scenario: str, port: int) -> None:
    """Keep every object."""
    encode = msgspec.json.Encoder().encode
    kept = [
        (*resource.id, resource.version, msgspec.Raw(encode(item))) for resource, item in world.objects.everything()
    ]
    saved = Saved(scenario, world.clock.now(), port, world.objects.version, kept)
    write_private(files.objects, encode(saved))


def load(files: Files, scenario: str) -> Saved | None:
    """What was kept; None when there is nothing, when it cannot be read, or when it is of another scenario."""
    try:
        saved = msgspec.json.decode(files.objects.read_bytes(), type=Saved)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None
    return saved if saved.scenario == scenario else None


def restore(objects: Objects, saved: Saved) -> None:
    """Put the objects back; versions go on from where they were."""
    # Definitions first: what they define is served only then.
    for group, plural, version, item in sorted(saved.objects, key=lambda kept: kept[1] != registry.CRDS.plural):
        resource = registry.lookup(group, version, plural)
        if resource is not None:
            restored = msgspec.json.decode(item)
            objects.restore(resource, restored)
            if resource is registry.CRDS:
                custom.serve(restored)
    objects.version = objects.oldest = max(objects.version, saved.version)
