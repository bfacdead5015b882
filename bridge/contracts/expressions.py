"""Types and defaults, wherever in a definition they stand.

type    = CON (CON | "(" type ")")*
literal = "=" (NUMBER | TEXT | CON)
"""

from __future__ import annotations

import ast
import warnings
from typing import Final, NoReturn

from bascule.bridge.contracts.syntax import Literal, Member, Type
from bascule.bridge.contracts.tokens import Kind
from bascule.bridge.contracts.words import Words

_CON: Final = Kind.CON
_EQUALS: Final = Kind.EQUALS
_LPAREN: Final = Kind.LPAREN
_NUMBER: Final = Kind.NUMBER
_RPAREN: Final = Kind.RPAREN
_TEXT: Final = Kind.TEXT
_VAR: Final = Kind.VAR

# What a named tuple's own constructor does, without its checks: there are as many of them as words.
_new: Final = tuple.__new__

MOST_NESTED: Final = 200
"""Parentheses of a type within each other: what is deeper is nobody's definition."""

_MOST_DIGITS: Final = 1000


class Expressions(Words):
    """Reads types and defaults."""

    def type(self, depth: int = 0) -> Type:
        """A type, with its arguments.

        Args:
            depth: Of how many parentheses it stands within.
        """
        kinds, texts, starts = self.kinds, self.texts, self.starts
        extended = self.extended
        first = self.at
        self.at = first + 1
        kind = kinds[first]
        if kind is not _CON:
            if kind is not _VAR or not extended:
                self._no_type(first)
            return _new(Type, (texts[first], (), starts[first]))
        arguments: list[Type] = []
        while True:
            at = self.at
            kind = kinds[at]
            if kind is _CON or (kind is _VAR and extended and texts[at] != "raises"):
                self.at = at + 1
                arguments.append(_new(Type, (texts[at], (), starts[at])))
            elif kind is _LPAREN:
                if depth >= MOST_NESTED:
                    self.fail(f"types are nested deeper than {MOST_NESTED}")
                self.at = at + 1
                arguments.append(self.type(depth + 1))
                self.take(_RPAREN)
            else:
                return _new(Type, (texts[first], tuple(arguments), starts[first]))

    def _no_type(self, at: int) -> NoReturn:
        self.at = at
        if self.kinds[at] is _VAR:
            self.fail("a type's name is capitalized")
        if self.kinds[at] is _LPAREN:
            self.fail("a type begins with a name, not with a parenthesis")
        self.unexpected("a type")

    def literal(self) -> Literal:
        """A field's default."""
        self.take(_EQUALS)
        kind, text, start = self.kinds[self.at], self.texts[self.at], self.starts[self.at]
        value: object
        if kind is _NUMBER:
            if len(text) > _MOST_DIGITS:
                self.fail(f"a number has at most {_MOST_DIGITS} digits")
            value = float(text) if any(letter in text for letter in ".eE") else int(text)
        elif kind is _TEXT:
            try:
                with warnings.catch_warnings(action="error"):  # of an unknown escape Python only warns
                    value = ast.literal_eval(text)
            except (SyntaxError, ValueError, Warning):
                self.fail("this text has an escape that is not known")
        elif kind is _CON:
            value = {"True": True, "False": False, "Nothing": None}.get(text, Member(text))
        else:
            self.unexpected("a default: a number, a text, True, False, Nothing, or an enum's member")
        self.at += 1
        return Literal(value, start)
