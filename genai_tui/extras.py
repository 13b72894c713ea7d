"""Packages that only some commands need: the extras of the distribution."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Literal

from genai_tui.errors import MissingTool

Extra = Literal["sandbox", "gateway"]
_PACKAGES: Mapping[Extra, tuple[str, ...]] = {
    "sandbox": ("starlette", "uvicorn", "websockets", "trustme"),
    "gateway": ("starlette", "uvicorn", "httptools", "prometheus_client"),
}


def missing_package(extra: Extra) -> str | None:
    """The first package of an extra that is not installed; None when all are."""
    return next((package for package in _PACKAGES[extra] if find_spec(package) is None), None)


def require_extra(extra: Extra) -> None:
    """Check that what an extra brings is installed.

    Raises:
        MissingTool: names the first package missing and how to install them all.
    """
    package = missing_package(extra)
    if package is not None:
        raise MissingTool(
            f"the {extra} needs the package {package}, which is not installed",
            next_step=f"install genai-tui[{extra}], e.g. pipx install 'genai-tui[{extra}]'",
        )
