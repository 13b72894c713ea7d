"""What is shipped: the three packages with their data, one command, and no paths or hosts of a workplace."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    target = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)
    (built,) = target.glob("*.whl")
    return zipfile.ZipFile(built)


def test_the_wheel_holds_every_module_and_every_file_they_read(wheel: zipfile.ZipFile) -> None:
    names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    tracked = subprocess.run(
        ["git", "ls-files", "genai_tui", "screens", "styles"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert set(tracked) <= names
    assert {name.split("/")[0] for name in names} == {"genai_tui", "screens", "styles"}


def test_the_command_is_installed_and_starts_anywhere(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    entry = next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    assert "genai-tui = genai_tui.cli:main" in wheel.read(entry).decode()
    script = Path(sys.executable).parent / "genai-tui"
    done = subprocess.run([script, "--version"], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=True)
    assert re.fullmatch(r"genai-tui \d+\.\d+\.\d+\n", done.stdout)


def test_the_names_belong_to_us_alone() -> None:
    owners = packages_distributions()
    for name in ("genai_tui", "screens", "styles"):
        assert set(owners.get(name, ["genai-tui"])) == {"genai-tui"}


def test_requirements_are_hashed_and_name_no_package_index() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        text = path.read_text(encoding="utf-8")
        assert "://" not in text
        pins = re.findall(r"^[a-z0-9][\w.\[\]-]*==[^\\\n]*(.)?$", text, re.MULTILINE)
        assert path.name == "overrides.txt" or (pins and all(end == "\\" for end in pins))
    assert not (ROOT / "uv.lock").exists()
