"""Where things stand in definition files, and how problems with them are told.

The compiler carries offsets about, which are small; lines, columns and the text of a line are worked out when a problem
is shown, which is rare.
"""

from __future__ import annotations

import enum
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

MOST_PROBLEMS: Final = 100
"""After so many things that can't be read in one file the rest of them is not told."""

# Letters of a line that are shown on both sides of a problem, and of a word that is quoted.
_MOST_BEFORE: Final = 100
_MOST_AFTER: Final = 100
_MOST_QUOTED: Final = 60


class Severity(enum.Enum):
    """How bad a problem is."""

    ERROR = "error"
    WARNING = "warning"


class Source:
    """The text of one file."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.text = text

    @cached_property
    def _starts(self) -> list[int]:
        starts = [0]
        find = self.text.find
        while (end := find("\n", starts[-1])) >= 0:
            starts.append(end + 1)
        return starts

    def locate(self, offset: int) -> tuple[int, int]:
        """The line and the column of an offset, both from 1; a column counts characters."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of a line, without its end."""
        return self.text[self._starts[number - 1] :].partition("\n")[0].rstrip("\r")

    def error(self, offset: int, message: str, length: int = 1) -> Diagnostic:
        """A problem that stands at `offset`."""
        return Diagnostic(Severity.ERROR, message, self.path, *self.locate(offset), self, length)

    def too_many(self, offset: int) -> Diagnostic:
        """What is said at last of a file in which too little can be read."""
        return self.error(offset, f"this file has more than {MOST_PROBLEMS} errors: what follows is not looked at")

    def warning(self, offset: int, message: str, length: int = 1) -> Diagnostic:
        """Something that is allowed and probably wrong."""
        return Diagnostic(Severity.WARNING, message, self.path, *self.locate(offset), self, length)


@dataclass(frozen=True)
class Diagnostic:
    """One problem. `str()` of it is the line `FILE:LINE:COLUMN: error: MESSAGE`."""

    severity: Severity
    message: str
    path: str
    line: int = 0  # 0: the problem is with the file as a whole
    column: int = 0
    source: Source | None = field(default=None, repr=False, compare=False)
    length: int = 1

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}:{self.column}" if self.line else self.path
        return f"{place}: {self.severity.value}: {self.message}"

    def show(self) -> str:
        """The problem, the line it stands in, and a caret below the place."""
        if self.source is None or not self.line:
            return str(self)
        text = self.source.line(self.line)
        # Of a line that is longer than any screen, what stands around the place.
        start = max(0, self.column - 1 - _MOST_BEFORE) if len(text) > _MOST_BEFORE + _MOST_AFTER else 0
        end = max(start + _MOST_BEFORE, self.column - 1) + _MOST_AFTER
        before, after = text[start : self.column - 1], text[self.column - 1 : end]
        blank = "".join("\t" if letter == "\t" else " " for letter in before)
        carets = "^" * max(1, min(self.length, len(after)))
        cut_before, cut_after = "..." * (start > 0), "..." * (end < len(text))
        shown = f"{cut_before}{_printable(before + after)}{cut_after}"
        gutter = f"{self.line:5d}"
        return f"{self}\n{gutter} | {shown}\n{' ' * len(gutter)} | {' ' * len(cut_before)}{blank}{carets}"


def quoted(text: str) -> str:
    """A piece of a definition as it is shown in a message: in quotes, and not longer than a line."""
    return repr(text if len(text) <= _MOST_QUOTED else f"{text[:_MOST_QUOTED]}...")


def _printable(text: str) -> str:
    """A text that a terminal takes for nothing else."""
    return "".join(letter if letter.isprintable() or letter == "\t" else "\ufffd" for letter in text)


class ContractError(Exception):
    """Definitions can't be used; `diagnostics` says why, each with its place."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n".join(map(str, self.diagnostics)))


def errors_in(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Those that stop the work."""
    return [each for each in diagnostics if each.severity is Severity.ERROR]
