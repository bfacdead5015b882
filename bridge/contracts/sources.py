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
        before = "".join("\t" if letter == "\t" else " " for letter in text[: self.column - 1])
        carets = "^" * max(1, min(self.length, len(text) - self.column + 1))
        gutter = f"{self.line:5d}"
        return f"{self}\n{gutter} | {text}\n{' ' * len(gutter)} | {before}{carets}"


class ContractError(Exception):
    """Definitions can't be used; `diagnostics` says why, each with its place."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n".join(map(str, self.diagnostics)))


def errors_in(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Those that stop the work."""
    return [each for each in diagnostics if each.severity is Severity.ERROR]
