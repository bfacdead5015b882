"""Reads what earlier steps wrote, of whatever age and state.

A damaged line is reported with its file and number; it is skipped, or with `strict` ends the reading. The last line
of a file that a killed process left is often cut short: that is damage like any other.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from bascule.workers.recording.output import CHILD

MOST_TOLD = 10
"""Damaged lines that are told one by one."""


class InputError(Exception):
    """A file can't be used; the message says which, where and why."""


@dataclass
class Damage:
    """What could not be read.

    Attributes:
        strict: Whether the first damaged line is fatal.
    """

    strict: bool = False
    count: int = 0
    told: list[str] = field(default_factory=list)

    def report(self, path: Path, line: int, why: str) -> None:
        """Note a damaged line.

        Raises:
            InputError: Damage is fatal.
        """
        text = f"{path}:{line}: {why}"
        if self.strict:
            raise InputError(text)
        self.count += 1
        if len(self.told) < MOST_TOLD:
            self.told.append(text)

    def lines(self) -> list[str]:
        """What to tell people."""
        more = self.count - len(self.told)
        skipped = [f"{text} (skipped)" for text in self.told]
        return [*skipped, f"... and {more} more"] if more > 0 else skipped


def read_lines(paths: list[Path], damage: Damage) -> Iterator[tuple[Path, int, dict[str, Any]]]:
    """The objects of some files of JSON lines, with where they stand.

    Raises:
        InputError: A file can't be opened, or a line is damaged and damage is fatal.
    """
    for path in paths:
        number = 0
        try:
            with _open(path) as file:
                for number, line in enumerate(file, 1):
                    if not line.strip():
                        continue
                    try:
                        found = json.loads(line)
                    except (ValueError, RecursionError) as error:
                        cut = "" if line.endswith(b"\n") else " (the last line, cut short)"
                        damage.report(path, number, f"it is no JSON{cut}: {error}")
                        continue
                    if not isinstance(found, dict):
                        damage.report(path, number, f"an object is wanted, found {type(found).__name__}")
                        continue
                    yield path, number, found
        except (OSError, EOFError) as error:
            place = f"{path}:{number}" if number else str(path)
            raise InputError(f"{place}: {getattr(error, 'strerror', None) or error}") from None


def with_children(paths: list[Path]) -> list[Path]:
    """A trace and the files that child processes of the same recording left beside it."""
    prefix, suffix = CHILD.split("{pid}")
    found: list[Path] = []
    for path in paths:
        found.append(path)
        found += sorted(path.parent.glob(f"{path.name}{prefix}*{suffix}"))
    return found


def read_api(path: Path) -> dict[str, Any]:
    """The content of an api.json.

    Raises:
        InputError: It can't be read or is none.
    """
    try:
        with _open(path) as file:
            found = json.loads(file.read())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: it is no JSON: {error}") from None
    if not isinstance(found, dict) or not isinstance(found.get("modules", {}), dict):
        raise InputError(f"{path}: it is no API: an object with `modules` is wanted")
    unknown = sorted(set(found) - {"modules"})
    if unknown:
        raise InputError(f"{path}: of a version not known here: it says {', '.join(unknown)}")
    return found


def _open(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]
