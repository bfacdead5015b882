"""Changes of the user's modules are noticed, and only those."""

from __future__ import annotations

from pathlib import Path

import pytest

from bascule.bridge.operations.watch import changed, look


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "module.py").write_text("a = 1\n")
    return tmp_path


def test_a_written_an_added_and_a_removed_file_are_changes(folder: Path) -> None:
    before = look([folder])
    module, added = folder / "package" / "module.py", folder / "added.py"
    module.write_text("a = 22\n")
    added.touch()
    between = look([folder])
    assert changed(before, between) == sorted([str(module), str(added)])
    added.unlink()
    assert changed(between, look([folder])) == [str(added)]


@pytest.mark.parametrize("name", ["notes.txt", ".hidden/x.py", "package/__pycache__/x.py", "lib/site-packages/x.py"])
def test_other_files_are_not(folder: Path, name: str) -> None:
    before = look([folder])
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("b = 2\n")
    assert changed(before, look([folder])) == []


def test_a_folder_that_is_not_there_has_no_files(folder: Path) -> None:
    assert look([folder / "missing"]) == {}
