"""API keys: who a key stands for, what it may call, and the Secret it is kept in.

One layout for the embedded gateway, Authorino and Kuadrant: labels say who, since Authorino hands a Secret's metadata
on as the caller's identity; `api_key` is the name Authorino reads the key under, in plain text, since it compares that.
https://github.com/Kuadrant/authorino/blob/main/docs/features.md#api-key-authenticationapikey
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from genai_tui.domain.documents import Organization
from genai_tui.domain.naming import GROUP, KIND_LABEL, did_you_mean
from genai_tui.domain.problems import FieldProblem

Json = dict[str, Any]
KIND = "api-key"
DATA_KEY = "api_key"
_AUTHORINO_LABEL = "authorino.kuadrant.io/managed-by"
_ORGANIZATION, _USER, _KEY = f"{GROUP}/org", f"{GROUP}/user", f"{GROUP}/key"
_NAME, _DESCRIPTION = f"{GROUP}/display-name", f"{GROUP}/description"
_CREATED_BY = f"{GROUP}/created-by"
EXPIRES, DEPLOYMENTS = f"{GROUP}/expires", f"{GROUP}/deployments"
"""Annotations, which gateways of the cluster read too: RFC 3339; `namespace/name`, separated by commas."""
_PREFIX = "sk-genai-"
_LONGEST_TEXT = 200
_MOST_OFFERED = 6


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key as it is known afterwards: all but its text.

    Attributes:
        id: `k-` and eight hexadecimal digits; in usage and logs it stands for the key.
        organization: name of the organization it belongs to.
        user: name of its user.
        hash: SHA-256 of its text, hexadecimal; empty where the Secret's data was not read.
        name: what people call it.
        description: what it is for.
        created: when it was made.
        expires: from when on it is refused; None: never.
        deployments: the only deployments it may call, as `namespace/name`; empty: all that are shared with it.
        created_by: who made it, as the cluster knew them; empty where that was not kept.
    """

    id: str
    organization: str
    user: str
    hash: str = field(default="", repr=False)
    name: str = ""
    description: str = ""
    created: datetime | None = None
    expires: datetime | None = None
    deployments: tuple[str, ...] = ()
    created_by: str = ""

    @property
    def secret(self) -> str:
        """Name of its Secret; it is made of the id, never of the key."""
        return f"genai-key-{self.id.removeprefix('k-')}"

    def allows(self, namespace: str, name: str) -> bool:
        """Whether it is not confined to other deployments; sharing is another question."""
        return not self.deployments or f"{namespace}/{name}" in self.deployments

    def expired(self, now: datetime) -> bool:
        """Whether it is refused by now."""
        return self.expires is not None and self.expires <= now


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """What a new key shall be; see `KeyRecord`."""

    organization: str
    user: str
    name: str = ""
    description: str = ""
    expires: datetime | None = None
    deployments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made. Its text is shown once and kept in the cluster alone."""

    record: KeyRecord
    text: str = field(repr=False)


def problems(
    request: KeyRequest, organizations: Iterable[Organization], deployments: Collection[str], now: datetime
) -> tuple[FieldProblem, ...]:
    """What is wrong with a request for a key, by field.

    Args:
        request: the request.
        organizations: those that exist.
        deployments: those that exist, as `namespace/name`.
        now: the time.
    """
    known = {organization.metadata.name: organization.spec for organization in organizations}
    found: list[FieldProblem] = []
    users = {name: spec.users for name, spec in known.items()}
    organization, user = _organization_problem(request, users), _user_problem(request, users)
    if organization:
        found.append(FieldProblem("organization", organization))
    elif user:
        found.append(FieldProblem("user", user))
    for name, text in (("name", request.name), ("description", request.description)):
        if len(text) > _LONGEST_TEXT or not (text.isprintable() or not text):
            found.append(FieldProblem(name, f"may hold up to {_LONGEST_TEXT} printable characters"))
    if request.expires is not None and request.expires <= now:
        found.append(FieldProblem("expires", "lies in the past"))
    for deployment in request.deployments:
        if deployment not in deployments:
            found.append(FieldProblem("deployments", _unknown_deployment(deployment, deployments)))
    return tuple(found)


def _organization_problem(request: KeyRequest, users: Mapping[str, Sequence[str]]) -> str:
    wanted = request.organization
    if wanted in users:
        return ""
    if not users:
        return "there is no organization yet: make one first"
    if not wanted:
        return f"choose an organization: {_some(users)}"
    return f"no organization is called '{wanted}'{did_you_mean(wanted, users) or f'; there are {_some(users)}'}"


def _user_problem(request: KeyRequest, users: Mapping[str, Sequence[str]]) -> str:
    wanted, theirs = request.user, users.get(request.organization, ())
    if not theirs:
        return f"{request.organization} has no users yet: edit the organization and add one"
    if not wanted:
        return f"choose a user of {request.organization}: {_some(theirs)}"
    if wanted not in theirs:
        hint = did_you_mean(wanted, theirs) or f"; its users are {_some(theirs)}"
        return f"'{wanted}' is no user of {request.organization}{hint}"
    other = next((name for name in users if name != request.organization and wanted in users[name]), None)
    return "" if other is None else f"{wanted} is also a user of {other}: limits would count both; rename one first"


def _unknown_deployment(wanted: str, known: Collection[str]) -> str:
    alike = sorted(ref for ref in known if ref.partition("/")[2] == wanted.rpartition("/")[2])
    if alike and "/" not in wanted:
        return f"there are several deployments called {wanted}: say which, {_some(alike)}"
    text = f"there is no deployment {wanted}"
    if alike:
        return f"{text}; there is {_some(alike)}"
    hint = did_you_mean(wanted, [*known, *(ref.partition("/")[2] for ref in known)])
    return text + (hint or (f"; there are {_some(sorted(known))}" if known else " yet"))


def _some(names: Collection[str]) -> str:
    """Names to choose from, in one line."""
    more = f" and {len(names) - _MOST_OFFERED} more" if len(names) > _MOST_OFFERED else ""
    return ", ".join(list(names)[:_MOST_OFFERED]) + more


def full_names(wanted: Iterable[str], known: Collection[str]) -> tuple[str, ...]:
    """Deployments as `namespace/name`: a bare name that only one has is that one's; others stay as they are."""
    found = []
    for name in wanted:
        alike = [ref for ref in known if ref.partition("/")[2] == name]
        found.append(alike[0] if len(alike) == 1 else name)
    return tuple(dict.fromkeys(found))


def new_key(request: KeyRequest, now: datetime, created_by: str = "") -> NewKey:
    """Make a key of 256 random bits. `problems` must have found none."""
    text = f"{_PREFIX}{secrets.token_urlsafe(32)}"
    record = KeyRecord(
        id=f"k-{secrets.token_hex(4)}",
        organization=request.organization,
        user=request.user,
        hash=hash_of(text),
        name=request.name,
        description=request.description,
        created=now,
        expires=request.expires,
        deployments=request.deployments,
        created_by=created_by,
    )
    return NewKey(record, text)


def hash_of(text: str) -> str:
    """SHA-256 of a key's text, hexadecimal. No salt is needed: nobody can guess 256 random bits."""
    return hashlib.sha256(text.encode()).hexdigest()


def to_secret(key: NewKey, namespace: str) -> Json:
    """The Secret a key is kept in."""
    record = key.record
    annotations = {
        _NAME: record.name,
        _DESCRIPTION: record.description,
        EXPIRES: timestamp(record.expires) if record.expires else "",
        DEPLOYMENTS: ",".join(record.deployments),
        _CREATED_BY: record.created_by,
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": record.secret,
            "namespace": namespace,
            "labels": {
                _AUTHORINO_LABEL: "authorino",
                KIND_LABEL: KIND,
                _ORGANIZATION: record.organization,
                _USER: record.user,
                _KEY: record.id,
            },
            "annotations": {name: text for name, text in annotations.items() if text},
        },
        "type": "Opaque",
        "data": {DATA_KEY: base64.b64encode(key.text.encode()).decode()},
    }


def from_secret(item: Mapping[str, Any]) -> KeyRecord:
    """The key in a Secret, or in its metadata alone, where the hash stays empty.

    Raises:
        ValueError: it is none: a label is missing, or the expiry or the data cannot be read. A key that cannot be read
            whole must not be accepted: it may have expired.
    """
    meta = item.get("metadata") or {}
    labels, annotations = meta.get("labels") or {}, meta.get("annotations") or {}
    missing = [label for label in (_ORGANIZATION, _USER, _KEY) if not labels.get(label)]
    if missing:
        raise ValueError(f"Secret {meta.get('name')} lacks the label {missing[0]}")
    expires = annotations.get(EXPIRES)
    return KeyRecord(
        id=str(labels[_KEY]),
        organization=str(labels[_ORGANIZATION]),
        user=str(labels[_USER]),
        hash=_hash(item.get("data") or {}),
        name=str(annotations.get(_NAME) or ""),
        description=str(annotations.get(_DESCRIPTION) or ""),
        created=_moment(meta.get("creationTimestamp")),
        expires=_moment(expires),
        deployments=tuple(part for part in str(annotations.get(DEPLOYMENTS) or "").split(",") if part),
        created_by=str(annotations.get(_CREATED_BY) or ""),
    )


def _hash(data: Mapping[str, Any]) -> str:
    encoded = data.get(DATA_KEY)
    if not encoded:
        return ""
    try:
        text = base64.b64decode(str(encoded), validate=True)
    except ValueError as error:
        raise ValueError("its data is not base64") from error
    # Keys written by hand often end with a newline; a header cannot carry one.
    return hashlib.sha256(text.strip()).hexdigest()


def _moment(text: object) -> datetime | None:
    if not text:
        return None
    found = datetime.fromisoformat(str(text))
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def timestamp(at: datetime) -> str:
    """RFC 3339 in UTC, whole seconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which keys to revoke: one by its id, or all of a user or of an organization. Empty parts do not narrow."""

    id: str = ""
    organization: str = ""
    user: str = ""
    expired: bool = False

    def of(self, keys: Sequence[KeyRecord], now: datetime) -> tuple[KeyRecord, ...]:
        """The keys it means; nothing when it says nothing."""
        if not (self.id or self.organization or self.user or self.expired):
            return ()
        return tuple(
            key
            for key in keys
            if self.id in ("", key.id)
            and self.organization in ("", key.organization)
            and self.user in ("", key.user)
            and (key.expired(now) or not self.expired)
        )
