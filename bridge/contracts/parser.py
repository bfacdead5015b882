"""From the tokens of a file to its tree, by recursive descent.

    module  = "module" CON "where" {{ import* declaration* }}
    import  = "import" CON ;;
    data    = "data" CON pragma* [ "=" constructors ]
    func    = VAR "::" type "->" type
    type    = CON (CON | "(" type ")")*

A declaration that can't be read is a problem, and reading goes on with the next one: one run tells all there is to
tell. `docs` finds the comments that belong to a definition.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable
from typing import Final, NoReturn

from bascule.bridge.contracts.docs import Docs
from bascule.bridge.contracts.layout import Tokens, lay_out
from bascule.bridge.contracts.sources import MOST_PROBLEMS, Diagnostic, Source, quoted
from bascule.bridge.contracts.syntax import (
    Alias,
    Constructor,
    Data,
    Declaration,
    Field,
    File,
    Function,
    Import,
    Literal,
    Member,
    Pragma,
    Type,
)
from bascule.bridge.contracts.tokens import Kind, pragma_words, scan

# As names of this module: to look a member up in its enum takes longer than most of what is done with it.
_ARROW: Final = Kind.ARROW
_BAR: Final = Kind.BAR
_BLOCK_CLOSE: Final = Kind.BLOCK_CLOSE
_BLOCK_NEXT: Final = Kind.BLOCK_NEXT
_COLONS: Final = Kind.COLONS
_COMMA: Final = Kind.COMMA
_CON: Final = Kind.CON
_DATA: Final = Kind.DATA
_END: Final = Kind.END
_EQUALS: Final = Kind.EQUALS
_EXTENDED: Final = Kind.EXTENDED
_FOREIGN: Final = Kind.FOREIGN
_IMPORT: Final = Kind.IMPORT
_LBRACE: Final = Kind.LBRACE
_LPAREN: Final = Kind.LPAREN
_MODULE: Final = Kind.MODULE
_NUMBER: Final = Kind.NUMBER
_RBRACE: Final = Kind.RBRACE
_RPAREN: Final = Kind.RPAREN
_TEXT: Final = Kind.TEXT
_VAR: Final = Kind.VAR
_WHERE: Final = Kind.WHERE

# What a named tuple's own constructor does, without its checks: there are as many of them as words.
_new: Final = tuple.__new__

MOST_NESTED: Final = 200
"""Parentheses of a type within each other: what is deeper is nobody's definition."""

_MOST_DIGITS: Final = 1000


class _Unreadable(Exception):
    """This declaration is given up; the problem is noted."""


def parse(source: Source, *, extended: bool = False) -> tuple[File | None, list[Diagnostic]]:
    """The file's tree, and what is wrong with it. Without a readable `module NAME where` there is no tree."""
    scanned = scan(source, extended=extended)
    docs = Docs(scanned.comments)
    parser = _Parser(source, lay_out(scanned, source.text), scanned.end_column, scanned.extended, docs)
    try:
        file = parser.file()
    except _Unreadable:
        file = None
    return file, sorted(scanned.problems + parser.problems, key=lambda problem: (problem.line, problem.column))


class _Parser:
    def __init__(self, source: Source, tokens: Tokens, end_column: int, extended: bool, docs: Docs) -> None:
        self.problems: list[Diagnostic] = []
        self._source = source
        self._kinds, self._texts, self._starts = tokens
        self._end_column = end_column
        self._at = 0
        self._extended = extended
        self._first = self._last = 0  # lines of the definition at hand
        self._equals = 0  # where its constructors begin
        self._commented = False  # whether there are comments within it
        self._docs = docs

    # ---- Words

    def _fail(self, message: str, at: int | None = None) -> NoReturn:
        at = self._at if at is None else at
        self._fail_at(self._starts[at], message, len(self._texts[at]))

    def _fail_at(self, offset: int, message: str, length: int) -> NoReturn:
        self.problems.append(self._source.error(offset, message, max(1, length)))
        raise _Unreadable

    def _unexpected(self, wanted: str) -> NoReturn:
        kind, text = self._kinds[self._at], self._texts[self._at]
        if text:
            self._fail(f"expected {wanted}, found {kind.value if kind is _FOREIGN else quoted(text)}")
        # Nothing stands there: the place to look at is behind what stands before.
        before = next((at for at in range(self._at - 1, -1, -1) if self._texts[at]), None)
        offset = self._starts[self._at] if before is None else self._starts[before] + len(self._texts[before])
        self._fail_at(offset, f"expected {wanted}, found {kind.value}", 1)

    def _peek(self) -> Kind:
        return self._kinds[self._at]

    def _take(self, kind: Kind, wanted: str = "") -> int:
        """Go over a word of some kind; where it stands."""
        at = self._at
        if self._kinds[at] is not kind:
            self._unexpected(wanted or kind.value)
        self._at = at + 1
        return at

    def _is_word(self, word: str) -> bool:
        return self._kinds[self._at] is _VAR and self._texts[self._at] == word

    def _before(self, at: int) -> str:
        """The documentation of a definition."""
        return self._docs.before(self._source.locate(self._starts[at])[0])

    def _beside(self, at: int) -> str:
        """The documentation of a part of the definition at hand."""
        line = self._source.locate(self._starts[at])[0]
        above = behind = ""
        if line > self._first and not self._has_part(range(at - 1, 0, -1), line):
            above = self._docs.before(line)
        if self._last > self._first and not self._has_part(range(at + 1, len(self._kinds)), line):
            behind = self._docs.behind(line)
        return above or behind

    def _has_part(self, places: Iterable[int], line: int) -> bool:
        """Whether one of these words, up to the end or the start of the line, is a field or a constructor."""
        kinds = self._kinds
        for at in places:
            if not self._texts[at] or self._source.locate(self._starts[at])[0] != line:
                return False
            if kinds[at] is _VAR and kinds[at + 1] is _COLONS:
                return True
            if kinds[at] is _CON and (kinds[at - 1] is _BAR or at - 1 == self._equals):
                return True
        return False

    # ---- The file

    def file(self) -> File:
        if self._peek() is _EXTENDED:
            self._at += 1
        start = self._take(_MODULE)
        name = self._take(_CON, "the module's name, capitalized")
        self._take(_WHERE)
        imports: list[Import] = []
        declarations: list[Declaration] = []
        while self._peek() is not _BLOCK_CLOSE:
            if len(self.problems) >= MOST_PROBLEMS:
                self.problems.append(self._source.too_many(self._starts[self._at]))
                raise _Unreadable
            try:
                if self._peek() is _IMPORT:
                    if declarations:
                        self._fail("imports come before all definitions")
                    imported = self._import()
                    self._end_declaration()
                    imports.append(imported)
                else:
                    declaration = self._declaration()
                    self._end_declaration()
                    declarations.append(declaration)
            except _Unreadable:
                self._skip()
        self._at += 1
        if self._peek() is not _END:
            self._fail("this stands left of the module's body and ends it: put it in the same column")
        return File(
            self._source,
            self._texts[name],
            self._starts[name],
            tuple(imports),
            tuple(declarations),
            self._extended,
            self._before(start),
        )

    def _end_declaration(self) -> None:
        kind = self._peek()
        if kind is _BLOCK_NEXT:
            self._at += 1
        elif kind is _BLOCK_CLOSE:
            at_end = self._kinds[self._at + 1] is _END
            if at_end and self._end_column == 0:
                self._fail("the file must end with a line break: without it Gugugu's layout does not end this")
            if at_end and self._end_column > 1:
                self._fail("after the last definition only empty lines and whole comments may follow")
            self._fail("the body must stand in the first column: Gugugu's layout does not end this otherwise")
        else:
            self._unexpected_after_declaration()

    def _unexpected_after_declaration(self) -> NoReturn:
        kind, text = self._kinds[self._at], self._texts[self._at]
        if kind is _ARROW:
            self._fail("a function takes one argument: make a record of several")
        if kind is _EXTENDED:
            self._fail("the EXTENDED pragma stands before 'module'")
        found = kind.value if kind is _FOREIGN else quoted(text)
        self._fail(f"{found} does not belong here: the definition before it is complete")

    def _skip(self) -> None:
        """Over what is left of a declaration that can't be read."""
        while self._peek() not in (_BLOCK_NEXT, _BLOCK_CLOSE):
            self._at += 1
        if self._peek() is _BLOCK_NEXT:
            self._at += 1

    def _import(self) -> Import:
        start = self._take(_IMPORT)
        qualified = self._extended and self._is_word("qualified")
        if qualified:
            self._at += 1
        elif self._is_word("qualified"):
            self._fail("a qualified import needs the pragma {-# EXTENDED #-} before 'module'")
        name = self._texts[self._take(_CON, "the name of a module")]
        qualifier = name if qualified else None
        if qualified and self._is_word("as"):
            self._at += 1
            qualifier = self._texts[self._take(_CON, "the name that stands for the module")]
        return Import(name, qualifier, self._starts[start])

    def _declaration(self) -> Declaration:
        kind = self._peek()
        if kind is _DATA:
            return self._data()
        if kind is _VAR:
            following = self._kinds[self._at + 1]
            if self._extended and self._is_word("type") and following is _CON:
                return self._alias()
            if following is not _COLONS:
                word = self._texts[self._at]
                hint = f": {quoted(word)} is no keyword" if following is _CON else ""
                self._at += 1
                self._unexpected(f"'::' and the function's type{hint}")
            return self._function()
        if kind is _BLOCK_NEXT:
            self._fail("nothing is defined here")
        return self._unexpected("'data', a function, or an import")

    # ---- Definitions

    def _data(self) -> Data:
        start = self._take(_DATA)
        self._look_for_comments(start)
        at = self._take(_CON, "the type's name, capitalized")
        name = self._texts[at]
        if "." in name:
            self._fail("the name of a definition has no dots", at)
        parameters = self._parameters()
        pragmas = []
        while self._peek() is _FOREIGN:
            pragmas.append(self._pragma())
        constructors: tuple[Constructor, ...] = ()
        if self._peek() is _EQUALS:
            self._equals = self._at
            self._at += 1
            constructors = self._constructors()
        return Data(name, parameters, tuple(pragmas), constructors, self._starts[start], self._docs.before(self._first))

    def _look_for_comments(self, start: int) -> None:
        """Most definitions have none inside, and need not be asked for each of their parts."""
        end = self._texts.index("", start)  # only what the layout made has no text
        locate = self._source.locate
        self._first = locate(self._starts[start])[0]
        self._last = locate(self._starts[end - 1])[0]
        self._commented = self._docs.within(self._first, self._last)

    def _parameters(self) -> tuple[str, ...]:
        parameters = []
        while self._extended and self._peek() is _VAR:
            parameters.append(self._texts[self._take(_VAR)])
        return tuple(parameters)

    def _pragma(self) -> Pragma:
        at = self._take(_FOREIGN)
        start, text = self._starts[at], self._texts[at]
        words = pragma_words(text)
        if len(words) > 2:
            word, place = words[2]
            message = f"a FOREIGN pragma has two words, a language and a name: {quoted(word)} is one more"
            self._fail_at(start + place, message, len(word))
        if len(words) < 2:
            wanted = "the name of the type in that language" if words else "the pragma's language"
            self._fail_at(start + len(text) - len("#-}"), f"expected {wanted}, found '#-}}'", len("#-}"))
        (language, _), (target, _) = words
        return Pragma(language, target, start)

    def _constructors(self) -> tuple[Constructor, ...]:
        first = self._constructor()
        found = [first]
        while self._peek() is _BAR:
            if first.fields is not None and not self._extended:
                self._fail("a record has one constructor: a type with several needs {-# EXTENDED #-} before 'module'")
            self._at += 1
            name = self._at
            found.append(self._constructor())
            if found[-1].fields is not None and not self._extended:
                message = "an enum's member has no fields: a type with payload needs {-# EXTENDED #-} before 'module'"
                self._fail(message, name)
        return tuple(found)

    def _constructor(self) -> Constructor:
        name = self._take(_CON, "a constructor's name, capitalized")
        fields: tuple[Field, ...] | None = None
        if self._peek() is _LBRACE:
            self._at += 1
            fields = self._fields()
        doc = self._beside(name) if self._commented else ""
        return Constructor(self._texts[name], fields, self._starts[name], doc)

    def _fields(self) -> tuple[Field, ...]:
        kinds, texts, starts = self._kinds, self._texts, self._starts
        found: list[Field] = []
        while True:
            at = self._at
            if kinds[at] is _VAR and kinds[at + 1] is _COLONS:
                self._at = at + 2
            else:
                self._take(_VAR, "a field's name, in lower case")
                self._take(_COLONS)
            kind = self._type()
            default = self._literal() if self._extended and kinds[self._at] is _EQUALS else None
            doc = self._beside(at) if self._commented else ""
            found.append(_new(Field, (texts[at], kind, starts[at], default, doc)))
            if kinds[self._at] is not _COMMA:
                break
            self._at += 1
        self._take(_RBRACE, "',' or '}'")
        return tuple(found)

    def _literal(self) -> Literal:
        self._take(_EQUALS)
        kind, text, start = self._kinds[self._at], self._texts[self._at], self._starts[self._at]
        value: object
        if kind is _NUMBER:
            if len(text) > _MOST_DIGITS:
                self._fail(f"a number has at most {_MOST_DIGITS} digits")
            value = float(text) if any(letter in text for letter in ".eE") else int(text)
        elif kind is _TEXT:
            try:
                with warnings.catch_warnings(action="error"):  # of an unknown escape Python only warns
                    value = ast.literal_eval(text)
            except (SyntaxError, ValueError, Warning):
                self._fail("this text has an escape that is not known")
        elif kind is _CON:
            value = {"True": True, "False": False, "Nothing": None}.get(text, Member(text))
        else:
            self._unexpected("a default: a number, a text, True, False, Nothing, or an enum's member")
        self._at += 1
        return Literal(value, start)

    def _alias(self) -> Alias:
        start = self._take(_VAR)
        name = self._take(_CON, "the alias's name, capitalized")
        parameters = self._parameters()
        self._take(_EQUALS)
        return Alias(self._texts[name], parameters, self._type(), self._starts[start], self._before(start))

    def _function(self) -> Function:
        name = self._take(_VAR)
        self._take(_COLONS)
        argument = self._type()
        self._take(_ARROW, "'->' and the function's result")
        codomain = self._type()
        raises: list[Type] = []
        if self._extended and self._is_word("raises"):
            self._at += 1
            raises.append(self._type())
            while self._peek() is _COMMA:
                self._at += 1
                raises.append(self._type())
        start = self._starts[name]
        return Function(self._texts[name], argument, codomain, tuple(raises), start, self._before(name))

    # ---- Types

    def _type(self, depth: int = 0) -> Type:
        kinds, texts, starts = self._kinds, self._texts, self._starts
        extended = self._extended
        first = self._at
        self._at = first + 1
        kind = kinds[first]
        if kind is not _CON:
            if kind is not _VAR or not extended:
                self._no_type(first)
            return _new(Type, (texts[first], (), starts[first]))
        arguments: list[Type] = []
        while True:
            at = self._at
            kind = kinds[at]
            if kind is _CON or (kind is _VAR and extended and texts[at] != "raises"):
                self._at = at + 1
                arguments.append(_new(Type, (texts[at], (), starts[at])))
            elif kind is _LPAREN:
                if depth >= MOST_NESTED:
                    self._fail(f"types are nested deeper than {MOST_NESTED}")
                self._at = at + 1
                arguments.append(self._type(depth + 1))
                self._take(_RPAREN)
            else:
                return _new(Type, (texts[first], tuple(arguments), starts[first]))

    def _no_type(self, at: int) -> NoReturn:
        self._at = at
        if self._kinds[at] is _VAR:
            self._fail("a type's name is capitalized")
        if self._kinds[at] is _LPAREN:
            self._fail("a type begins with a name, not with a parenthesis")
        self._unexpected("a type")
