"""Generated files on the disk: all of them, or none.

The files are first written to a folder of their own inside the output folder. Only when all are there do they take
their places, and what was there before is kept aside until the last one has: a run that fails leaves everything as it
was. A file that says already what it should is not touched, so that nobody who watches it is woken.

Modern output has a list of what was made, `.bascule-contracts.json`: files that a later run no longer makes are
removed, but only those that are in the list and still say what we wrote.
"""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bascule.bridge.contracts.generators import File

LIST_NAME = ".bascule-contracts.json"


class OutputError(Exception):
    """The files can't be written; the message says which and why."""


@dataclass(frozen=True)
class Plan:
    """What is to be done to an output folder.

    Attributes:
        folder: The folder.
        changed: Files that are new, or say something else now.
        stale: Files that we made once and do not make any more.
        kept: The same, but somebody has changed them since: they stay.
    """

    folder: Path
    changed: tuple[File, ...]
    stale: tuple[str, ...]
    kept: tuple[str, ...]

    @property
    def drifted(self) -> bool:
        """Whether the folder is not what its definitions say."""
        return bool(self.changed or self.stale)


def plan(folder: Path, files: Sequence[File], target: str | None) -> Plan:
    """Compare a folder with what should be in it.

    Args:
        folder: The output folder; it need not exist.
        files: What should be there.
        target: What these files are, as the list has it (several targets may share a folder); None: there is no list.
    """
    wanted = list(files)
    stale: list[str] = []
    kept: list[str] = []
    if target is not None:
        known = _read_list(folder)
        before = known.get(target, {})
        now = {file.path: _digest(file.text.encode()) for file in files}
        others = {path for name, paths in known.items() if name != target for path in paths}
        for path, digest in before.items():
            if path in now or path in others or not _is_inside(path):
                continue
            content = _content(folder / path)
            if content is not None:
                (stale if _digest(content) == digest else kept).append(path)
        known[target] = now
        wanted.append(File(LIST_NAME, json.dumps(known, indent=1, sort_keys=True) + "\n"))
    changed = [file for file in wanted if _content(folder / file.path) != file.text.encode()]
    return Plan(folder, tuple(changed), tuple(sorted(stale)), tuple(sorted(kept)))


def carry_out(work: Plan) -> None:
    """Change the folder as planned.

    Raises:
        OutputError: It can't be done; the folder is as it was.
    """
    if not work.drifted:
        return
    if work.folder.exists() and not work.folder.is_dir():
        raise OutputError(f"{work.folder}: this is no folder; nothing was changed")
    made = _make_folders(work.folder)
    done: list[tuple[Path, Path | None]] = []  # a place that was changed, and where its old content is
    staging: Path | None = None
    try:
        staging = Path(tempfile.mkdtemp(prefix=".bascule-", dir=work.folder))
        for number, file in enumerate(work.changed):
            (staging / f"new{number}").write_bytes(file.text.encode())
        for number, file in enumerate(work.changed):
            place = work.folder / file.path
            made += _make_folders(place.parent)
            done.append((place, _set_aside(place, staging / f"old{len(done)}")))
            (staging / f"new{number}").replace(place)
        for path in work.stale:
            place = work.folder / path
            done.append((place, _set_aside(place, staging / f"old{len(done)}")))
        _remove_empty({(work.folder / path).parent for path in work.stale}, work.folder)
    except BaseException as error:
        _undo(done)
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)
        for folder in reversed(made):
            _remove_if_empty(folder)
        if isinstance(error, OSError):
            place_of = error.filename2 or error.filename or work.folder
            raise OutputError(f"{place_of}: {error.strerror or error}; nothing was changed") from error
        raise
    shutil.rmtree(staging, ignore_errors=True)


def _make_folders(folder: Path) -> list[Path]:
    """Make a folder and those above it; which of them are new, outermost first."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for each in reversed(missing):
        try:
            each.mkdir()
        except OSError as error:
            raise OutputError(f"{each}: {error.strerror}; nothing was changed") from error
    return missing[::-1]


def _set_aside(place: Path, aside: Path) -> Path | None:
    if place.is_dir() and not place.is_symlink():
        raise IsADirectoryError(errno.EISDIR, "there is a folder where a file belongs", str(place))
    try:
        place.replace(aside)
    except FileNotFoundError:
        return None
    return aside


def _undo(done: list[tuple[Path, Path | None]]) -> None:
    for place, old in reversed(done):
        if old is not None:
            old.replace(place)
        else:
            place.unlink(missing_ok=True)


def _remove_empty(folders: Iterable[Path], top: Path) -> None:
    for folder in folders:
        while folder != top and _remove_if_empty(folder):
            folder = folder.parent


def _remove_if_empty(folder: Path) -> bool:
    shutil.rmtree(folder / "__pycache__", ignore_errors=True)
    try:
        folder.rmdir()
    except OSError:
        return False
    return True


def _read_list(folder: Path) -> dict[str, dict[str, str]]:
    """Which files each target made, with their digests; a list that can't be read is none."""
    content = _content(folder / LIST_NAME)
    try:
        known = json.loads(content) if content is not None else {}
    except ValueError:
        return {}
    if not isinstance(known, dict):
        return {}
    return {
        target: {path: digest for path, digest in paths.items() if isinstance(digest, str)}
        for target, paths in known.items()
        if isinstance(paths, dict)
    }


def _is_inside(path: str) -> bool:
    return not path.startswith("/") and ".." not in path.split("/")


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
