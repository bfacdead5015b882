"""The words of a definition file.

A file is cut by one call into the regular expressions, into pieces that leave nothing out: a word with the blanks
before it, a line break, a comment, a whole pragma, or else one character that has no place. Where each stands follows
from their lengths. What a piece is follows from its text alone, so it is worked out once for every different one; only
the pieces that are no words are then looked at one by one. Of a file of names and symbols nearly all is done by a few
calls over whole lists: an interpreter's step for each character, or each word, would take several times as long.

Layout wants to know which word is the first of its line, and in which column Gugugu believes it to be. A pragma
`{-# FOREIGN python datetime.datetime #-}` has words of its own, anything printable up to a `#-}` that stands alone:
it is one word here, and `pragma_words` cuts it up.

An *extended* file (one that begins with `{-# EXTENDED #-}`, which Gugugu refuses) has more: qualified names and
literals. No file that Gugugu accepts is read differently for it.
"""

from __future__ import annotations

import enum
import re
from itertools import accumulate
from operator import sub
from typing import Final, NamedTuple

from bascule.bridge.contracts.sources import MOST_PROBLEMS, Diagnostic, Source


class Kind(enum.Enum):
    """What a token is; the value is how it is called in messages."""

    MODULE = "'module'"
    WHERE = "'where'"
    IMPORT = "'import'"
    DATA = "'data'"
    EQUALS = "'='"
    BAR = "'|'"
    COMMA = "','"
    COLONS = "'::'"
    ARROW = "'->'"
    LBRACE = "'{'"
    RBRACE = "'}'"
    LPAREN = "'('"
    RPAREN = "')'"
    CON = "a capitalized name"
    VAR = "a name in lower case"
    FOREIGN = "a FOREIGN pragma"
    EXTENDED = "'{-# EXTENDED #-}'"
    NUMBER = "a number"
    TEXT = "a text"
    # Made by the layout, or by the end of the file.
    BLOCK_NEXT = "the end of the declaration"
    BLOCK_CLOSE = "the end of the module's body"
    END = "the end of the file"


class Comment(NamedTuple):
    """A comment: its text without the dashes, and whether nothing else stands before it in its line."""

    text: str
    line: int
    alone: bool


class Scanned(NamedTuple):
    """A file in pieces, as lists of one length.

    Attributes:
        kinds: What each piece is; None where it is no word.
        texts: Their texts, without the blanks before them.
        starts: The offsets of the texts.
        firsts: The words that are the first of their lines: where in the lists, and in which column of the file.
        end_column: Where the file ends, if its last line has no word; else 0.
        comments: All comments.
        extended: Whether the file may use what is beyond Gugugu.
        problems: What has no place in a definition.
    """

    kinds: list[Kind | None]
    texts: list[str]
    starts: list[int]
    firsts: list[tuple[int, int]]
    end_column: int
    comments: list[Comment]
    extended: bool
    problems: list[Diagnostic]


_SYMBOLS: Final = {
    "=": Kind.EQUALS,
    "|": Kind.BAR,
    ",": Kind.COMMA,
    "::": Kind.COLONS,
    "->": Kind.ARROW,
    "{": Kind.LBRACE,
    "}": Kind.RBRACE,
    "(": Kind.LPAREN,
    ")": Kind.RPAREN,
}
_RESERVED: Final = {"module": Kind.MODULE, "where": Kind.WHERE, "import": Kind.IMPORT, "data": Kind.DATA}
_BLANK: Final = r"[ \t\r\n\f\v]"
_NAME: Final = r"[A-Za-z_][A-Za-z0-9_]*"
_GAP: Final = rf"(?:{_BLANK}++|--[^\n]*+)"
_CLOSE: Final = r"\#-\}(?![!-~])"
_WORD: Final = rf"(?!--|{_CLOSE})[!-~]++"
# As it has to be: two words, whatever is in them.
_EXACT: Final = rf"\{{-\#{_BLANK}+FOREIGN{_GAP}*+{_WORD}{_GAP}++{_WORD}{_GAP}++{_CLOSE}"
# With any number of words. They are possessive: cut in two, a word could hide the end of the pragma. There is no other
# pragma in them: of a thousand that are not closed each ends where the next begins.
_FOREIGN: Final = (
    rf"\{{-\#{_BLANK}+FOREIGN(?:{_BLANK}++|--[^\n]*+|(?!\#-\}}(?![!-~]))(?:(?!\{{-\#)[!-~])++)*+\#-\}}(?![!-~])"
)
_EXTENDED: Final = rf"\{{-\#{_BLANK}*EXTENDED\s+\#-\}}"
_USUAL: Final = rf"{_NAME}|\n+|::|->|[=|,()}}]|--[^\n]*"
_RARE: Final = rf"{_EXACT}|{_FOREIGN}|{_EXTENDED}|\{{-\#{_BLANK}+FOREIGN|\{{|[\t\r\f\v]+|\Z|."
_QUALIFIED: Final = r"(?:[A-Z][A-Za-z0-9_]*\.)+[A-Z][A-Za-z0-9_]*"
_NUMBER: Final = r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_TEXT: Final = r'"(?:[^"\\\n]|\\[^\n])*"'
_PIECES: Final = re.compile(rf"[ ]*(?:{_USUAL}|{_RARE})", re.DOTALL)
_EXTENDED_PIECES: Final = re.compile(rf"[ ]*(?:{_QUALIFIED}|{_USUAL}|{_NUMBER}|{_TEXT}|{_RARE})", re.DOTALL)
_PRAGMA_WORDS: Final = re.compile(rf"{_GAP}|(?P<word>[!-~]++)")
_UNCLOSED: Final = re.compile(rf"(?:{_GAP}|(?:(?!\{{-\#)[!-~])++)*+")
_EXTENDS: Final = re.compile(rf"(?:{_BLANK}|--[^\n]*\n)*{_EXTENDED}")


class _Kinds(dict[str, Kind | None]):
    """What each text is; a new one is looked at once."""

    def __init__(self, extended: bool) -> None:
        super().__init__(_SYMBOLS | _RESERVED)
        self._extended = extended

    def __missing__(self, text: str) -> Kind | None:
        first = text[:1]
        kind: Kind | None = None
        if "a" <= first <= "z" or first == "_":
            kind = Kind.VAR
        elif "A" <= first <= "Z":
            kind = Kind.CON
        elif _is_foreign(text):
            kind = Kind.FOREIGN
        elif self._extended and text[-1:].isdigit() and text.isascii():
            kind = Kind.NUMBER
        elif self._extended and first == '"' and len(text) > 1:
            kind = Kind.TEXT
        elif self._extended and text.startswith("{-#") and text.endswith("#-}"):
            kind = Kind.EXTENDED
        self[text] = kind
        return kind


def scan(source: Source, *, extended: bool = False) -> Scanned:
    """Cut a file into words. A place where no word can stand is a problem, and what follows it in its line is left."""
    text = source.text
    extended = extended or _EXTENDS.match(text) is not None
    pieces: list[str] = (_EXTENDED_PIECES if extended else _PIECES).findall(text)
    texts = [piece.lstrip(" ") for piece in pieces]
    kinds = list(map(_Kinds(extended).__getitem__, texts))
    starts = list(map(sub, accumulate(map(len, pieces)), map(len, texts)))
    comments: list[Comment] = []
    problems: list[Diagnostic] = []
    firsts: list[tuple[int, int]] = []
    line_start = 0
    start = 0  # the first piece of the line
    head = 0  # the piece that is the first of its line, if it is a word
    left = 0  # pieces before this one are left, since they stand behind what has no place
    for at in [at for at, kind in enumerate(kinds) if kind is None]:
        word = texts[at]
        if word[:1] == "\n":
            if kinds[head] is not None:
                # Only spaces, if there is no piece between the line break and the word.
                indent = starts[head] - line_start
                firsts.append((head, 1 + indent if head == start else advance(1, text[line_start : starts[head]])))
            line_start = starts[at] + len(word)
            start = head = at + 1
        elif at < left:
            continue
        elif word.startswith("--"):
            comments.append(Comment(word[2:], source.locate(starts[at])[0], head == at))
            head += head == at
        elif not word.strip("\t\r\f\v"):
            head += head == at
        else:
            if len(problems) < MOST_PROBLEMS:
                problems.append(_misplaced(source, starts[at], word))
            elif len(problems) == MOST_PROBLEMS:
                problems.append(source.too_many(starts[at]))
            left = at
            while left < len(texts) and texts[left][:1] != "\n":
                kinds[left] = None
                left += 1
    end_column = 0
    if head == len(kinds):
        end_column = advance(1, text[line_start:])
    elif kinds[head] is not None:
        firsts.append((head, advance(1, text[line_start : starts[head]])))
    return Scanned(kinds, texts, starts, firsts, end_column, comments, extended, problems)


def advance(column: int, text: str) -> int:
    """The column after some text of a line, as Gugugu counts.

    A tab is 8 columns wide where 8 divides the column, and anywhere else leads back towards the start of the line.
    """
    if "\t" not in text:
        return column + len(text)
    for letter in text:
        if letter != "\t":
            column += 1
        elif column % 8 == 0:
            column += 8
        else:
            column = column // 8 + 1
    return column


def pragma_words(text: str) -> list[tuple[str, int]]:
    """The words of a FOREIGN pragma, and where in it they stand: neither `{-# FOREIGN` nor `#-}` is one."""
    start = text.index("FOREIGN") + len("FOREIGN")
    return [(found["word"], found.start()) for found in _PRAGMA_WORDS.finditer(text, start) if found["word"]][:-1]


def _is_foreign(text: str) -> bool:
    return text.startswith("{-#") and text.endswith("#-}") and text[3:].lstrip().startswith("FOREIGN")


def _misplaced(source: Source, position: int, word: str) -> Diagnostic:
    """What is wrong with a piece that is no word."""
    text = source.text
    if word.startswith("{-#"):
        if "FOREIGN" not in word:
            return source.error(position, "the EXTENDED pragma stands before 'module'", len(word))
        found = _UNCLOSED.match(text, position + len(word))
        end = found.end() if found is not None else len(text)
        if end == len(text) or text.startswith("{-#", end):
            return source.error(position, "this pragma is not closed: '#-}' must stand alone, after a blank", len(word))
        position = end
    letter = text[position]
    if letter == ".":
        what = "a name has no dots here"
    elif not letter.isprintable():
        what = f"a character that has no place here, U+{ord(letter):04X}"
    elif text.startswith("-#", position):
        what = "the only pragma is {-# FOREIGN LANGUAGE NAME #-}; a comment is written -- to the end of its line"
    elif letter == ":":
        what = "a type is written after '::'"
    else:
        what = f"{letter!r} has no place in a definition"
    return source.error(position, f"Lexical error: {what}")
