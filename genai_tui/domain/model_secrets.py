"""Secrets that engines need, as Kubernetes objects: a token under a key, or credentials of a registry.

https://kubernetes.io/docs/concepts/configuration/secret/#secret-types ; for NGC the user is `$oauthtoken`
(https://docs.nvidia.com/ngc/ngc-overview/index.html).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from genai_tui.domain.naming import MANAGED_BY_LABEL, MANAGER
from genai_tui.domain.own_credentials import HUB_TOKEN, NGC_API_KEY, Credential

NGC_REGISTRY, NGC_USER = "nvcr.io", "$oauthtoken"
_OWN = {"HF_TOKEN": HUB_TOKEN, "HUGGING_FACE_HUB_TOKEN": HUB_TOKEN, "NGC_API_KEY": NGC_API_KEY}


@dataclass(frozen=True, slots=True)
class MissingSecret:
    """A Secret a deployment refers to that does not exist, or lacks the key.

    `key` is the key whose value is wanted for the variable `used_for`; with `registry` it is credentials for pulling
    from there instead, and `key` is empty. `exists` when only the key is missing.
    """

    namespace: str
    name: str
    key: str = ""
    used_for: str = ""
    registry: str = ""
    exists: bool = False

    @property
    def wants_user(self) -> bool:
        """Whether a user name is needed beside the value."""
        return bool(self.registry) and self.registry != NGC_REGISTRY

    @property
    def what(self) -> str:
        """What is to be typed, in words."""
        if self.registry == NGC_REGISTRY:
            return "NGC API key"
        if self.registry:
            return f"password or token for {self.registry}"
        return self.own.what if self.own is not None else f"value of {self.used_for or self.key}"

    @property
    def own(self) -> Credential | None:
        """The operator's own secret that it is usually filled with; None for none."""
        return NGC_API_KEY if self.registry == NGC_REGISTRY else _OWN.get(self.used_for)


def registry_of(image: str) -> str:
    """The registry an image is pulled from: its first part where that is a host, else Docker's own.

    https://github.com/distribution/reference#readme
    """
    first, slash, _ = image.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return first
    return "https://index.docker.io/v1/"


def problem_of(value: str) -> str:
    """Why a text cannot be such a value; empty when it can."""
    if not value.strip():
        return "nothing is typed"
    if any(character.isspace() or not character.isprintable() for character in value.strip()):
        return "a token or key has no spaces and no line breaks in it"
    return ""


def to_object(missing: MissingSecret, value: str, user: str = "") -> Mapping[str, Any]:
    """The Secret as it is written.

    Args:
        missing: which.
        value: the token, key or password.
        user: for a registry that is not NVIDIA's.
    """
    value = value.strip()
    data, kind = {missing.key: value}, "Opaque"
    if missing.registry:
        name = user.strip() if missing.wants_user else NGC_USER
        auth = base64.b64encode(f"{name}:{value}".encode()).decode()
        entry = {"username": name, "password": value, "auth": auth}
        data, kind = {".dockerconfigjson": json.dumps({"auths": {missing.registry: entry}})}, _PULL
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": missing.name,
            "namespace": missing.namespace,
            "labels": {MANAGED_BY_LABEL: MANAGER},
        },
        "type": kind,
        "data": {key: base64.b64encode(text.encode()).decode() for key, text in data.items()},
    }


_PULL = "kubernetes.io/dockerconfigjson"
