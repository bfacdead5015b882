"""The words of a definition file.

One regular expression does nearly all of it: white space, comments, names, symbols. Two things need care. A pragma
`{-# FOREIGN python datetime.datetime #-}` has words of its own, anything printable, so the scanner changes its
expression between `{-# FOREIGN` and a `#-}` that stands alone. And layout wants to know which token is the first of its
line, and in which column Gugugu believes it to be.

Most lines hold nothing but names and symbols. Such a line is recognized as a whole and cut up by one call into the
regular expressions; the loop goes from word to word only in all others.

An *extended* file (one that begins with `{-# EXTENDED #-}`, which Gugugu refuses) has more: qualified names, literals,
`*` and `!`. No file that Gugugu accepts is read differently for it.
"""

from __future__ import annotations

import enum
import re
from typing import Final, NamedTuple

from bascule.bridge.contracts.sources import Diagnostic, Source


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
    FOREIGN = "'{-# FOREIGN'"
    EXTENDED = "'{-# EXTENDED #-}'"
    WORD = "a word of a pragma"
    CLOSE = "'#-}'"
    NUMBER = "a number"
    TEXT = "a text"
    # Made by the layout, or by the end of the file.
    BLOCK_OPEN = "the start of the module's body"
    BLOCK_NEXT = "the end of the declaration"
    BLOCK_CLOSE = "the end of the module's body"
    END = "the end of the file"


class Token(NamedTuple):
    """One word. `column` is where Gugugu's layout sees the first token of a line, and 0 for all others."""

    kind: Kind
    text: str
    offset: int
    line: int
    column: int


class Comment(NamedTuple):
    """A comment: its text without the dashes, and whether nothing else stands before it in its line."""

    text: str
    line: int
    alone: bool


class Scanned(NamedTuple):
    """A file in words."""

    tokens: list[Token]
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
_REST: Final = r"""
    |(?P<symbol> :: | -> | [=|,()}])
    |(?P<blank> [\t\r\n\f\v][ \t\r\n\f\v]*)
    |(?P<comment> --[^\n]*)
    |(?P<foreign> \{-\#[ \t\r\n\f\v]+FOREIGN)
    |(?P<extended> \{-\#[ \t\r\n\f\v]*EXTENDED\s+\#-\})
    |(?P<brace> \{)
"""
# Blanks before a word of the same line belong to its match: that halves the number of matches.
_CODE: Final = re.compile(
    rf"[ ]*(?: (?P<var> [_a-z][_A-Za-z0-9]*) | (?P<con> [A-Z][_A-Za-z0-9]*) {_REST} | (?P<nothing> $))", re.VERBOSE
)
_EXTENDED_CODE: Final = re.compile(
    rf"""[ ]*(?: (?P<var> [_a-z][_A-Za-z0-9]*) | (?P<con> (?:[A-Z][_A-Za-z0-9]*\.)*[A-Z][_A-Za-z0-9]*) {_REST}
    |(?P<number> -?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?) | (?P<text> "(?:[^"\\\n]|\\.)*") | (?P<nothing> $))""",
    re.VERBOSE,
)
# A name goes on to its end: could it be cut in two, a long one would be tried in every way that it can be cut.
_LINE: Final = re.compile(r"(?:[ ]*(?:[A-Za-z_][A-Za-z0-9_]*(?![A-Za-z0-9_])|::|->|[=|,(){}]))+[ ]*(?=\n)")
_LINES_WORDS: Final = re.compile(r"([ ]*)([A-Za-z_][A-Za-z0-9_]*|::|->|[=|,(){}])")
_LINES_END: Final = re.compile(r"(\n+)([ ]*)(?![ \t\r\n\f\v])")
_PRAGMA: Final = re.compile(
    r"[ ]*(?: (?P<blank> [\t\r\n\f\v][ \t\r\n\f\v]*) | (?P<comment> --[^\n]*) | (?P<word> [!-~]+) | (?P<nothing> $))",
    re.VERBOSE,
)
_EXTENDS: Final = re.compile(r"(?:[ \t\r\n\f\v]|--[^\n]*\n)*\{-#[ \t\r\n\f\v]*EXTENDED\s+#-\}")
_NAMED: Final = {"con": Kind.CON, "brace": Kind.LBRACE, "number": Kind.NUMBER, "text": Kind.TEXT}


def scan(source: Source, *, extended: bool = False) -> Scanned:
    """Cut a file into words. A place where no word can stand is a problem, and what follows it in its line is left."""
    text = source.text
    extended = extended or _EXTENDS.match(text) is not None
    code = (_EXTENDED_CODE if extended else _CODE).match
    tokens: list[Token] = []
    comments: list[Comment] = []
    problems: list[Diagnostic] = []
    add, new = tokens.append, tuple.__new__
    match_next = code
    position, end = 0, len(text)
    line = 1
    column = 1  # of the next token, while it is the first of its line; else 0
    pragma_at = 0
    kinds: dict[str, Kind] = {**_SYMBOLS, **_RESERVED, "{": Kind.LBRACE}
    var, con, known = Kind.VAR, Kind.CON, kinds.get
    is_line, words_of, line_end = _LINE.match, _LINES_WORDS.findall, _LINES_END.match
    while position < end:
        if column and match_next is code and (whole := is_line(text, position)) is not None:
            start, position = position, whole.end()
            for blank, word in words_of(text, start, position):
                length = len(blank)
                start += length
                kind = known(word)
                if kind is None:
                    kind = kinds[word] = con if word[0] <= "Z" else var
                add(new(Token, (kind, word, start, line, column and column + length)))
                start += len(word)
                column = 0
            next_line = line_end(text, position)
            if next_line is not None:
                line += next_line.end(1) - position
                position = next_line.end()
                column = 1 + position - next_line.end(1)
            continue
        match = match_next(text, position)
        if match is None:
            problems.append(_unreadable(source, position))
            newline = text.find("\n", position)
            position = end if newline < 0 else newline
            continue
        group = match.lastgroup or ""
        start = match.start(group)
        word = match[group]
        if column:
            column += start - position
        position = match.end()
        if group == "blank":
            newline = word.rfind("\n")
            if newline >= 0:
                line += word.count("\n")
                column = advance(1, word[newline + 1 :])
            elif column:
                column = advance(column, word)
        elif group == "var":
            add(new(Token, (_RESERVED.get(word, Kind.VAR), word, start, line, column)))
            column = 0
        elif group == "symbol":
            add(new(Token, (_SYMBOLS[word], word, start, line, column)))
            column = 0
        elif group in _NAMED:
            add(new(Token, (_NAMED[group], word, start, line, column)))
            column = 0
        elif group == "comment":
            comments.append(Comment(word[2:], line, column != 0))
            if column:
                column = advance(column, word)  # the end of the file may follow in this very line
        elif group == "foreign":
            pragma_at = start
            add(Token(Kind.FOREIGN, word, start, line, column))
            line += word.count("\n")
            column = 0
            match_next = _PRAGMA.match
        elif group == "word":
            closes = word == "#-}"
            add(Token(Kind.CLOSE if closes else Kind.WORD, word, start, line, 0))  # layout does not look into pragmas
            column = 0
            if closes:
                match_next = code
        elif group == "extended" and extended:
            line += word.count("\n")
            add(Token(Kind.EXTENDED, word, start, line, 0))
    if match_next is not code:
        problems.append(source.error(pragma_at, "this pragma is not closed: '#-}' must stand alone, after a blank", 11))
    add(Token(Kind.END, "", end, line, column))
    return Scanned(tokens, comments, extended, problems)


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


def _unreadable(source: Source, position: int) -> Diagnostic:
    text = source.text
    position += len(text[position:]) - len(text[position:].lstrip(" "))
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
