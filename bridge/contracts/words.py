"""The words of a file one after the other, for whoever reads them: where he is, what he may take, what is wrong there.

A problem is noted with its place and ends what is being read, with `Unreadable`; who catches that goes on behind it.
The comments that belong to a word are found here, too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NoReturn

from bascule.bridge.contracts.docs import Docs
from bascule.bridge.contracts.layout import Tokens
from bascule.bridge.contracts.sources import Diagnostic, Source, quoted
from bascule.bridge.contracts.tokens import Kind

# As names of this module: to look a member up in its enum takes longer than most of what is done with it.
_BAR: Final = Kind.BAR
_COLONS: Final = Kind.COLONS
_CON: Final = Kind.CON
_FOREIGN: Final = Kind.FOREIGN
_VAR: Final = Kind.VAR


class Unreadable(Exception):
    """What is being read is given up; the problem is noted."""


class Words:
    """A file's words.

    Attributes:
        problems: What is wrong, so far.
        at: Which word is next.
        extended: Whether the file may use what is beyond Gugugu.
    """

    def __init__(self, source: Source, tokens: Tokens, end_column: int, extended: bool, docs: Docs) -> None:
        self.problems: list[Diagnostic] = []
        self.source = source
        self.kinds, self.texts, self.starts = tokens
        self.end_column = end_column
        self.at = 0
        self.extended = extended
        self.first = self.last = 0  # lines of the definition at hand
        self.equals = 0  # where its constructors begin
        self.commented = False  # whether there are comments within it
        self.docs = docs

    def fail(self, message: str, at: int | None = None) -> NoReturn:
        """Note a problem of a word, of the next one if no other is named, and give up."""
        at = self.at if at is None else at
        self.fail_at(self.starts[at], message, len(self.texts[at]))

    def fail_at(self, offset: int, message: str, length: int) -> NoReturn:
        """Note a problem of some letters of the file, and give up."""
        self.problems.append(self.source.error(offset, message, max(1, length)))
        raise Unreadable

    def unexpected(self, wanted: str) -> NoReturn:
        """Note that the next word is not what belongs here, and give up."""
        kind, text = self.kinds[self.at], self.texts[self.at]
        if text:
            self.fail(f"expected {wanted}, found {kind.value if kind is _FOREIGN else quoted(text)}")
        # Nothing stands there: the place to look at is behind what stands before.
        before = next((at for at in range(self.at - 1, -1, -1) if self.texts[at]), None)
        offset = self.starts[self.at] if before is None else self.starts[before] + len(self.texts[before])
        self.fail_at(offset, f"expected {wanted}, found {kind.value}", 1)

    def peek(self) -> Kind:
        """What the next word is."""
        return self.kinds[self.at]

    def take(self, kind: Kind, wanted: str = "") -> int:
        """Go over a word of some kind; where it stands."""
        at = self.at
        if self.kinds[at] is not kind:
            self.unexpected(wanted or kind.value)
        self.at = at + 1
        return at

    def is_word(self, word: str) -> bool:
        """Whether the next word is this one, which is a keyword here and a name anywhere else."""
        return self.kinds[self.at] is _VAR and self.texts[self.at] == word

    def before(self, at: int) -> str:
        """The documentation of a definition."""
        return self.docs.before(self.source.locate(self.starts[at])[0])

    def beside(self, at: int) -> str:
        """The documentation of a part of the definition at hand."""
        line = self.source.locate(self.starts[at])[0]
        above = behind = ""
        if line > self.first and not self._has_part(range(at - 1, 0, -1), line):
            above = self.docs.before(line)
        if self.last > self.first and not self._has_part(range(at + 1, len(self.kinds)), line):
            behind = self.docs.behind(line)
        return above or behind

    def _has_part(self, places: Iterable[int], line: int) -> bool:
        """Whether one of these words, up to the end or the start of the line, is a field or a constructor."""
        kinds = self.kinds
        for at in places:
            if not self.texts[at] or self.source.locate(self.starts[at])[0] != line:
                return False
            if kinds[at] is _VAR and kinds[at + 1] is _COLONS:
                return True
            if kinds[at] is _CON and (kinds[at - 1] is _BAR or at - 1 == self.equals):
                return True
        return False
