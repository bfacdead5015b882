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
from typing import Final, NoReturn

from bascule.bridge.contracts.docs import Docs
from bascule.bridge.contracts.layout import lay_out
from bascule.bridge.contracts.sources import Diagnostic, Source
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
from bascule.bridge.contracts.tokens import Kind, Token, scan

# As names of this module: to look a member up in its enum takes longer than most of what is done with it.
_ARROW: Final = Kind.ARROW
_BAR: Final = Kind.BAR
_BLOCK_CLOSE: Final = Kind.BLOCK_CLOSE
_BLOCK_NEXT: Final = Kind.BLOCK_NEXT
_BLOCK_OPEN: Final = Kind.BLOCK_OPEN
_CLOSE: Final = Kind.CLOSE
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
_WORD: Final = Kind.WORD

MOST_NESTED: Final = 200
"""Parentheses of a type within each other: what is deeper is nobody's definition."""


class _Unreadable(Exception):
    """This declaration is given up; the problem is noted."""


def parse(source: Source, *, extended: bool = False) -> tuple[File | None, list[Diagnostic]]:
    """The file's tree, and what is wrong with it. Without a readable `module NAME where` there is no tree."""
    scanned = scan(source, extended=extended)
    parser = _Parser(source, lay_out(scanned.tokens, source.text), scanned.extended, Docs(scanned.comments))
    try:
        file = parser.file()
    except _Unreadable:
        file = None
    return file, sorted(scanned.problems + parser.problems, key=lambda problem: (problem.line, problem.column))


class _Parser:
    def __init__(self, source: Source, tokens: list[Token], extended: bool, docs: Docs) -> None:
        self.problems: list[Diagnostic] = []
        self._source = source
        self._tokens = tokens
        self._at = 0
        self._extended = extended
        self._first = 0  # line of the definition at hand
        self._docs = docs

    # ---- Words

    def _fail(self, message: str, token: Token | None = None) -> NoReturn:
        token = token or self._tokens[self._at]
        self.problems.append(self._source.error(token.offset, message, max(1, len(token.text))))
        raise _Unreadable

    def _unexpected(self, wanted: str) -> NoReturn:
        token = self._tokens[self._at]
        if token.text:
            self._fail(f"expected {wanted}, found {token.text!r}")
        # Nothing stands there: the place to look at is behind what stands before.
        before = next((each for each in reversed(self._tokens[: self._at]) if each.text), None)
        place = token if before is None else token._replace(offset=before.offset + len(before.text))
        self._fail(f"expected {wanted}, found {token.kind.value}", place)

    def _peek(self) -> Kind:
        return self._tokens[self._at].kind

    def _take(self, kind: Kind, wanted: str = "") -> Token:
        token = self._tokens[self._at]
        if token.kind is not kind:
            self._unexpected(wanted or kind.value)
        self._at += 1
        return token

    def _is_word(self, word: str) -> bool:
        token = self._tokens[self._at]
        return token.kind is _VAR and token.text == word

    # ---- The file

    def file(self) -> File:
        if self._peek() is _EXTENDED:
            self._at += 1
        start = self._take(_MODULE)
        name = self._take(_CON, "the module's name, capitalized")
        self._take(_WHERE)
        self._take(_BLOCK_OPEN)
        imports: list[Import] = []
        declarations: list[Declaration] = []
        while self._peek() is not _BLOCK_CLOSE:
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
            name.text,
            name.offset,
            tuple(imports),
            tuple(declarations),
            self._extended,
            self._docs.before(start.line),
        )

    def _end_declaration(self) -> None:
        kind = self._peek()
        if kind is _BLOCK_NEXT:
            self._at += 1
        elif kind is _BLOCK_CLOSE:
            after = self._tokens[self._at + 1]
            if after.kind is _END and after.column == 0:
                self._fail("the file must end with a line break: without it Gugugu's layout does not end this")
            if after.kind is _END and after.column > 1:
                self._fail("after the last definition only empty lines and whole comments may follow")
            self._fail("the body must stand in the first column: Gugugu's layout does not end this otherwise")
        else:
            self._unexpected_after_declaration()

    def _unexpected_after_declaration(self) -> NoReturn:
        token = self._tokens[self._at]
        if token.kind is _ARROW:
            self._fail("a function takes one argument: make a record of several")
        if token.kind is _EXTENDED:
            self._fail("the EXTENDED pragma stands before 'module'")
        self._fail(f"{token.text!r} does not belong here: the definition before it is complete")

    def _skip(self) -> None:
        """Over what is left of a declaration that can't be read."""
        while self._peek() not in (_BLOCK_NEXT, _BLOCK_CLOSE):
            self._at += 1
        if self._peek() is _BLOCK_NEXT:
            self._at += 1

    def _import(self) -> Import:
        offset = self._take(_IMPORT).offset
        qualified = self._extended and self._is_word("qualified")
        if qualified:
            self._at += 1
        elif self._is_word("qualified"):
            self._fail("a qualified import needs the pragma {-# EXTENDED #-} before 'module'")
        name = self._take(_CON, "the name of a module")
        qualifier = name.text if qualified else None
        if qualified and self._is_word("as"):
            self._at += 1
            qualifier = self._take(_CON, "the name that stands for the module").text
        return Import(name.text, qualifier, offset)

    def _declaration(self) -> Declaration:
        kind = self._peek()
        if kind is _DATA:
            return self._data()
        if kind is _VAR:
            following = self._tokens[self._at + 1]
            if self._extended and self._is_word("type") and following.kind is _CON:
                return self._alias()
            if following.kind is not _COLONS:
                word = self._tokens[self._at].text
                hint = f": {word!r} is no keyword" if following.kind is _CON else ""
                self._at += 1
                self._unexpected(f"'::' and the function's type{hint}")
            return self._function()
        if kind is _BLOCK_NEXT:
            self._fail("nothing is defined here")
        return self._unexpected("'data', a function, or an import")

    # ---- Definitions

    def _data(self) -> Data:
        start = self._take(_DATA)
        self._first = start.line
        name = self._take(_CON, "the type's name, capitalized")
        if "." in name.text:
            self._fail("the name of a definition has no dots", name)
        parameters = self._parameters()
        pragmas = []
        while self._peek() is _FOREIGN:
            pragmas.append(self._pragma())
        constructors: tuple[Constructor, ...] = ()
        if self._peek() is _EQUALS:
            self._at += 1
            constructors = self._constructors()
        return Data(name.text, parameters, tuple(pragmas), constructors, start.offset, self._docs.before(start.line))

    def _parameters(self) -> tuple[str, ...]:
        parameters = []
        while self._extended and self._peek() is _VAR:
            parameters.append(self._take(_VAR).text)
        return tuple(parameters)

    def _pragma(self) -> Pragma:
        start = self._take(_FOREIGN)
        language = self._take(_WORD, "the pragma's language")
        target = self._take(_WORD, "the name of the type in that language")
        if self._peek() is _WORD:
            self._fail(f"a FOREIGN pragma has two words, a language and a name: {self._tokens[self._at].text!r} is one")
        self._take(_CLOSE)
        return Pragma(language.text, target.text, start.offset)

    def _constructors(self) -> tuple[Constructor, ...]:
        first = self._constructor()
        found = [first]
        while self._peek() is _BAR:
            if first.fields is not None and not self._extended:
                self._fail("a record has one constructor: a type with several needs {-# EXTENDED #-} before 'module'")
            self._at += 1
            name = self._tokens[self._at]
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
        return Constructor(name.text, fields, name.offset, self._docs.beside(name.line, self._first))

    def _fields(self) -> tuple[Field, ...]:
        found = [self._field()]
        tokens = self._tokens
        while tokens[self._at].kind is _COMMA:
            self._at += 1
            found.append(self._field())
        self._take(_RBRACE, "',' or '}'")
        return tuple(found)

    def _field(self) -> Field:
        name = self._take(_VAR, "a field's name, in lower case")
        self._take(_COLONS)
        kind = self._type()
        default = None
        if self._extended and self._peek() is _EQUALS:
            self._at += 1
            default = self._literal()
        return Field(name.text, kind, name.offset, default, self._docs.beside(name.line, self._first))

    def _literal(self) -> Literal:
        token = self._tokens[self._at]
        value: object
        if token.kind is _NUMBER:
            value = float(token.text) if any(letter in token.text for letter in ".eE") else int(token.text)
        elif token.kind is _TEXT:
            try:
                value = ast.literal_eval(token.text)
            except (SyntaxError, ValueError):
                self._fail("this text has an escape that is not known")
        elif token.kind is _CON:
            value = {"True": True, "False": False, "Nothing": None}.get(token.text, Member(token.text))
        else:
            self._unexpected("a default: a number, a text, True, False, Nothing, or an enum's member")
        self._at += 1
        return Literal(value, token.offset)

    def _alias(self) -> Alias:
        start = self._take(_VAR)
        name = self._take(_CON, "the alias's name, capitalized")
        parameters = self._parameters()
        self._take(_EQUALS)
        return Alias(name.text, parameters, self._type(), start.offset, self._docs.before(start.line))

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
        return Function(name.text, argument, codomain, tuple(raises), name.offset, self._docs.before(name.line))

    # ---- Types

    def _type(self, depth: int = 0) -> Type:
        tokens, extended = self._tokens, self._extended
        kind, name, offset, _, _ = token = tokens[self._at]
        if kind is not _CON:
            if kind is not _VAR or not extended:
                self._no_type(token)
            self._at += 1
            return Type(name, (), offset)
        self._at += 1
        arguments: list[Type] = []
        while True:
            kind, text, at, _, _ = tokens[self._at]
            if kind is _CON or (kind is _VAR and extended and text != "raises"):
                self._at += 1
                arguments.append(Type(text, (), at))
            elif kind is _LPAREN:
                if depth >= MOST_NESTED:
                    self._fail(f"types are nested deeper than {MOST_NESTED}")
                self._at += 1
                arguments.append(self._type(depth + 1))
                self._take(_RPAREN)
            else:
                return Type(name, tuple(arguments), offset)

    def _no_type(self, token: Token) -> NoReturn:
        if token.kind is _VAR:
            self._fail("a type's name is capitalized")
        if token.kind is _LPAREN:
            self._fail("a type begins with a name, not with a parenthesis")
        self._unexpected("a type")
