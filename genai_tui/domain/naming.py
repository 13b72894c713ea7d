"""Names as Kubernetes accepts them, and the nearest name to a misspelt one.

Rules from https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ and
https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Final

Check = Callable[[str], str]
GROUP = "genai-tui.dev"
API_VERSION: Final = "genai-tui.dev/v1alpha1"
MANAGER = "genai-tui"
SPEC_ANNOTATION = f"{GROUP}/spec"
BEFORE_STOP_ANNOTATION = f"{GROUP}/replicas-before-stop"
"""How many replicas a stopped deployment had, so that a start can offer them again."""
DEPLOYMENT_LABEL = f"{GROUP}/deployment"
KIND_LABEL = f"{GROUP}/kind"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
SYSTEM_NAMESPACE = "genai-tui"

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_QUALIFIED = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_ENV_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
_IMAGE = re.compile(
    r"(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]+)?/)?"
    r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)


def check_label_name(text: str) -> str:
    """Accept a DNS-1123 label (63 characters), the form of namespace and user names.

    Raises:
        ValueError: with a sentence that says what is wrong.
    """
    if len(text) > 63:
        raise ValueError(f"is {len(text)} characters long; at most 63 are allowed")
    if not _LABEL.fullmatch(text):
        raise ValueError(
            "may hold only lower-case letters, digits and '-', and must begin and end with a letter or digit"
        )
    return text


def check_service_name(text: str) -> str:
    """Accept a DNS-1035 label: a Service, which carries its deployment's name, must begin with a letter.

    Raises:
        ValueError: with a sentence that says what is wrong.
    """
    if check_label_name(text)[0].isdigit():
        raise ValueError("must begin with a letter, because its Service has the same name")
    return text


def check_subdomain(text: str) -> str:
    """Accept a DNS-1123 subdomain (253 characters).

    Raises:
        ValueError: with a sentence that says what is wrong.
    """
    if len(text) > 253 or not _SUBDOMAIN.fullmatch(text):
        raise ValueError("must be a lower-case DNS name such as llm.example.com (letters, digits, '-' and '.')")
    return text


def check_catalogue_name(text: str) -> str:
    """Accept the name of a model or endpoint: a DNS subdomain such as llama-3.1-8b, short enough for a label value.

    Raises:
        ValueError: with a sentence that says what is wrong.
    """
    if len(text) > 56 or not _SUBDOMAIN.fullmatch(text):
        raise ValueError(
            "may hold lower-case letters, digits, '-' and '.', such as llama-3.1-8b, at most 56 characters"
        )
    return text


def check_label_key(text: str) -> str:
    """Accept the key of a label, annotation, taint or resource: an optional `prefix/` and a name.

    Raises:
        ValueError: with a sentence that says what is wrong.
    """
    prefix, slash, name = text.rpartition("/")
    if slash:
        check_subdomain(prefix)
    if len(name) > 63 or not _QUALIFIED.fullmatch(name):
        raise ValueError(
            f"'{text}' is not a valid key: letters, digits, '-', '_' and '.', at most 63 characters after a prefix/"
        )
    return text


def check_label_value(text: str) -> str:
    """Accept the value of a label: empty, or up to 63 letters, digits, '-', '_' and '.'.

    Raises:
        ValueError: with a sentence that says what is wrong.
    """
    if text and (len(text) > 63 or not _QUALIFIED.fullmatch(text)):
        raise ValueError(f"'{text}' is not a valid label value: at most 63 letters, digits, '-', '_' and '.'")
    return text


def check_free_key(key: str) -> str:
    """Accept the key of a label or annotation that genai-tui does not set itself.

    Raises:
        ValueError: with a sentence that says so.
    """
    domain = key.rpartition("/")[0]
    if domain == GROUP or domain.endswith(f".{GROUP}"):
        raise ValueError(f"'{key}': keys under {GROUP} are set by genai-tui itself")
    if key == MANAGED_BY_LABEL:
        raise ValueError(f"'{key}' is set by genai-tui itself")
    return key


def check_env_name(text: str) -> str:
    """Accept the name of an environment variable of a container.

    Raises:
        ValueError: with a sentence that says what is wrong.
    """
    if not _ENV_NAME.fullmatch(text) or text == "." or text.startswith(".."):
        raise ValueError(
            f"'{text}' is not a valid variable name: letters, digits, '_', '-' and '.', not beginning with a digit"
        )
    return text


def check_image(text: str) -> str:
    """Accept a container image reference (the grammar of github.com/distribution/reference).

    Raises:
        ValueError: with a sentence that says what is wrong.
    """
    if not _IMAGE.fullmatch(text):
        raise ValueError(f"'{text}' is not an image reference such as vllm/vllm-openai:v0.33.0")
    return text


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word most like `word`, or None when nothing is close."""
    found = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return found[0] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A ready clause: "; did you mean 'x'?", or nothing."""
    near = nearest(word, known)
    return f"; did you mean '{near}'?" if near else ""
