"""The secrets an operator has on this machine, by what they are for: which there are, and where one may come from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Credential:
    """One of them.

    Attributes:
        name: in the settings file and on the command line.
        what: what it is to a person.
        used_for: what the console does with it.
        variables: the environment variables that may hold it, the first that does wins.
        account: whether it is an account with somebody else, which a simulated session leaves alone.
    """

    name: str
    what: str
    used_for: str
    variables: tuple[str, ...]
    account: bool = False


HUB_TOKEN = Credential(
    "hub-token", "Hub token", "Secrets of engines that fetch gated models", ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"), True
)
NGC_API_KEY = Credential(
    "ngc-api-key", "NGC API key", "Secrets of NIM, and pulling from nvcr.io", ("NGC_API_KEY", "NGC_CLI_API_KEY"), True
)
ENGINE_KEY = Credential(
    "engine-key", "engine key", "the playground of engines that ask for a key", ("GENAI_TUI_ENGINE_KEY",)
)
API_KEY = Credential("api-key", "API key", "asking through a gateway, as developers do", ("GENAI_TUI_API_KEY",))
CREDENTIALS = (HUB_TOKEN, NGC_API_KEY, ENGINE_KEY, API_KEY)


class Keep(StrEnum):
    """Where what is typed can be kept."""

    KEYRING = "keyring"
    FILE = "file"
    MEMORY = "memory"


@dataclass(frozen=True, slots=True)
class Found:
    """Where one credential comes from now.

    Attributes:
        credential: which.
        source: such as `$HF_TOKEN`, `keyring (SecretService)` or a path; empty for nowhere.
        problem: why a source that should have it does not give it; empty where nothing is wrong.
        fixed: whether it comes from the environment or the settings, which win over what is typed here.
    """

    credential: Credential
    source: str = ""
    problem: str = ""
    fixed: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Somewhere a credential can be kept, with what is to be known before; `refusal` says why not there."""

    keep: Keep
    about: str
    refusal: str = ""


def credential(name: str) -> Credential | None:
    """The one of that name; None for no such."""
    return next((known for known in CREDENTIALS if known.name == name), None)
