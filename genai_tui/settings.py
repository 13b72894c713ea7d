"""What a run works with: which cluster, how it is worked on, where state is kept, and where each value comes from.

An option wins over the environment, the environment over the settings file, the file over the default. Which cluster
and namespace stay the business of the kubeconfig, as with kubectl: a file that moved them would surprise.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from genai_tui.domain.naming import SYSTEM_NAMESPACE

DEFAULT = "default"
OPTION = "option"
LEAST_KEPT = timedelta(days=2)
"""What is younger may still be told again by a gateway that was killed, and would count twice without its row."""
Way = Literal["auto", "proxy", "port-forward", "public"]
"""To engines (docs/cli.md)."""


def _directory(variable: str, fallback: str) -> Path:
    """A directory of the XDG base directory specification; an empty or relative value is ignored, as it says."""
    text = os.environ.get(variable, "")
    base = Path(text) if text.startswith("/") else Path.home() / fallback
    return base / "genai-tui"


def state_directory() -> Path:
    """Where the ledger, drafts, preferences and the log are kept: $XDG_STATE_HOME/genai-tui."""
    return _directory("XDG_STATE_HOME", ".local/state")


def cache_directory() -> Path:
    """Where what can be fetched again is kept: $XDG_CACHE_HOME/genai-tui."""
    return _directory("XDG_CACHE_HOME", ".cache")


def settings_path() -> Path:
    """The settings file: $XDG_CONFIG_HOME/genai-tui/settings.toml."""
    return _directory("XDG_CONFIG_HOME", ".config") / "settings.toml"


@dataclass(frozen=True)
class TokenSource:
    """Where a secret of the operator is read from: a file with nothing else in it, or what a program prints.

    `command` is the program and its arguments, without a shell, such as `("pass", "show", "hf")`.
    """

    file: str | None = None
    command: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The path, or the program alone: an argument of it may be what it unlocks its store with."""
        return self.file if self.file is not None else f"command {self.command[0]}"


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one run.

    `kubeconfig` and `context` None mean what kubectl would use ($KUBECONFIG or ~/.kube/config, current context,
    else the pod's own service account). `namespace` None means the context's own for commands that need one, and
    all namespaces for lists when `all_namespaces`. `reach` is the way to engines.
    `production` has the names, or shell patterns, of contexts in which each write asks for the context's name.
    `hub_token`, `ngc_api_key`, `engine_key` and `api_key` say where the operator's own secrets are read from.
    `gateway` is the base URL of the embedded gateway that callers use.
    `keep_requests` is how long the ledger keeps single requests, such as `90d`; None: for ever.
    `sources` says for each setting of the file, by its name there, where its value comes from.
    """

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None
    all_namespaces: bool = False
    system_namespace: str = SYSTEM_NAMESPACE
    read_only: bool = False
    reach: Way = "auto"
    production: tuple[str, ...] = ()
    hub_token: TokenSource | None = None
    ngc_api_key: TokenSource | None = None
    engine_key: TokenSource | None = None
    api_key: TokenSource | None = None
    gateway: str | None = None
    keep_requests: str | None = None
    state: Path = field(default_factory=state_directory)
    cache: Path = field(default_factory=cache_directory)
    sources: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting with its value in this run and where that comes from: option, $VARIABLE, a file, or default."""

    name: str
    value: str | bool | tuple[str, ...] | TokenSource | None
    source: str


_VARIABLES = {
    "system-namespace": "GENAI_TUI_SYSTEM_NAMESPACE",
    "read-only": "GENAI_TUI_READ_ONLY",
    "reach": "GENAI_TUI_REACH",
    "production": "GENAI_TUI_PRODUCTION",
    "gateway": "GENAI_TUI_GATEWAY",
    "keep-requests": "GENAI_TUI_KEEP_REQUESTS",
}
"""Each setting of the file, and the environment variable that wins over it."""
TOKEN_SOURCES = ("hub-token", "ngc-api-key", "engine-key", "api-key")
"""Settings that say where a secret is read from; the secrets themselves have variables, they have none."""


def resolve(base: Settings, options: Mapping[str, Any]) -> Settings:
    """`base` with the settings of this run: `options` by their names in the file (None: not given) win over the rest.

    Raises:
        BadInput: a variable or the file holds what is no setting; one problem for each, the file's with their lines.
    """
    values: dict[str, Any] = {}
    sources: dict[str, str] = dict.fromkeys((*_VARIABLES, *TOKEN_SOURCES), DEFAULT)
    path = settings_path()
    found = {name: os.environ[variable] for name, variable in _VARIABLES.items() if os.environ.get(variable)}
    # Most runs have neither; pydantic is not loaded for them.
    if found or path.exists():
        from genai_tui.settings_file import check_variables, read_settings

        values |= read_settings(path)
        sources |= dict.fromkeys(values, str(path))
        values |= check_variables(found, _VARIABLES)
        sources |= {name: f"${_VARIABLES[name]}" for name in found}
    given = {name: value for name, value in options.items() if value is not None}
    sources |= dict.fromkeys(given, OPTION)
    merged = {name.replace("-", "_"): value for name, value in (values | given).items()}
    return replace(base, **merged, sources=sources)


def listed(settings: Settings) -> tuple[Setting, ...]:
    """Every setting that the file can hold, with its value and where it comes from."""
    return tuple(
        Setting(name, getattr(settings, name.replace("-", "_")), settings.sources.get(name, DEFAULT))
        for name in (*_VARIABLES, *TOKEN_SOURCES)
    )
