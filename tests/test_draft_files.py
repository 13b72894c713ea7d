"""Drafts survive what terminals die of."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genai_tui.draft_files import DraftFiles
from genai_tui.errors import GenaiTuiError

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def files(directory: Path, at: datetime = NOON) -> DraftFiles:
    return DraftFiles(directory, lambda: at)


def test_newest_first_and_only_what_was_not_discarded(tmp_path: Path) -> None:
    files(tmp_path).save("ModelDeployment/new", "new deployment", {"name": "chat"})
    files(tmp_path, NOON + timedelta(minutes=1)).save("ModelDeployment/a/b", "edit a/b", {"name": "b"})
    files(tmp_path, NOON + timedelta(minutes=2)).save("Model/new", "new model", {})
    files(tmp_path).discard("Model/new")
    files(tmp_path).discard("never kept")
    assert [(d.key, d.title, dict(d.fields)) for d in files(tmp_path).saved()] == [
        ("ModelDeployment/a/b", "edit a/b", {"name": "b"}),
        ("ModelDeployment/new", "new deployment", {"name": "chat"}),
    ]


@given(st.text(), st.dictionaries(st.text(max_size=5), st.text(), max_size=3))
@settings(max_examples=40)
def test_any_key_and_any_text_come_back(key: str, fields: dict[str, str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        files(Path(name)).save(key, "t", fields)
        (draft,) = files(Path(name)).saved()
        assert (draft.key, dict(draft.fields), draft.saved) == (key, fields, NOON)


@pytest.mark.parametrize(
    "typed", ["A=https://ann:pw123456@host/x", "--api-key sk-abcdefgh12345678", "K=-----BEGIN PRIVATE KEY-----\nMII"]
)
def test_nothing_typed_is_lost_whatever_its_form(tmp_path: Path, typed: str) -> None:
    """The file is the operator's alone: what was typed comes back as it was."""
    files(tmp_path).save("k", "t", {"advanced.env": typed})
    (draft,) = files(tmp_path).saved()
    assert draft.fields == {"advanced.env": typed}


def test_only_the_owner_can_read(tmp_path: Path) -> None:
    directory = tmp_path / "state" / "drafts"
    files(directory).save("k", "t", {"a": "b"})
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    (path,) = directory.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b'{"key": 1}'])
def test_an_unreadable_file_is_set_aside_and_told(tmp_path: Path, content: bytes) -> None:
    drafts = files(tmp_path)
    drafts.save("good", "t", {"a": "b"})
    (tmp_path / "bad.json").write_bytes(content)
    assert [draft.key for draft in drafts.saved()] == ["good"]
    assert (tmp_path / "bad.unreadable").read_bytes() == content
    assert drafts.set_aside() == (f"a kept form cannot be read; it is now {tmp_path / 'bad.unreadable'}",)
    assert [draft.key for draft in drafts.saved()] == ["good"]
    assert len(drafts.set_aside()) == 1


def test_no_directory_is_no_draft(tmp_path: Path) -> None:
    assert files(tmp_path / "absent").saved() == ()


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(GenaiTuiError, match="the form cannot be kept"):
        files(tmp_path / "file" / "drafts").save("k", "t", {})


WRITER = """
import sys
from pathlib import Path
from genai_tui.draft_files import DraftFiles
drafts = DraftFiles(Path(sys.argv[1]))
for number in range(10**9):
    drafts.save("k", "t", {"text": str(number) * 2000})
    print(number, flush=True)
"""


def test_a_kill_in_the_middle_of_saving_leaves_the_last_whole_form(tmp_path: Path) -> None:
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            last = next(int(line) for line in process.stdout if int(line) >= 20)
            os.kill(process.pid, signal.SIGKILL)
            told = [int(line) for line in process.stdout]
        (draft,) = DraftFiles(tmp_path).saved()
        number = int(draft.fields["text"][: len(draft.fields["text"]) // 2000])
        assert draft.fields["text"] == str(number) * 2000
        assert number >= max([last, *told])
