"""`genai-tui settings`: each setting, its value and where it comes from; the schema of the file."""

from __future__ import annotations

from genai_tui.commands.output import Format, as_json, as_table, as_yaml, write
from genai_tui.settings import Setting, Settings, TokenSource, listed, settings_path


def show(settings: Settings, form: Format) -> None:
    """Print every setting of the file with its value and its source."""
    found = listed(settings)
    if form == "table":
        rows = [(setting.name, text_of(setting), setting.source) for setting in found]
        write(as_table(("name", "value", "from"), rows))
        path = settings_path()
        write(f"\nfile: {path}{'' if path.exists() else ' (does not exist)'}")
        return
    items = [{"name": setting.name, "value": _plain(setting), "from": setting.source} for setting in found]
    data = {"file": str(settings_path()), "items": items}
    write(as_json(data) if form == "json" else as_yaml(data))


def schema() -> None:
    """Print the JSON Schema of the settings file."""
    from genai_tui.settings_file import json_schema

    write(as_json(json_schema()))


def text_of(setting: Setting) -> str:
    """A value as it reads in a table."""
    value = _plain(setting)
    if isinstance(value, list):
        return ", ".join(value) or "none"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else value or "none"


def _plain(setting: Setting) -> str | bool | list[str]:
    match setting.value:
        case tuple():
            return list(setting.value)
        case TokenSource() | None:
            return str(setting.value or "")
        case value:
            return value
