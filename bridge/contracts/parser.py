"""From the tokens of a file to its tree, by recursive descent.

    module  = "module" CON "where" {{ import* declaration* }}
    import  = "import" CON ;;
    data    = "data" CON pragma* [ "=" constructors ]
    func    = VAR "::" type "->" type

A declaration that can't be read is a problem, and reading goes on with the next one: one run tells all there is to
tell. `words` goes over the tokens, `expressions` reads types and defaults, and `docs` finds the comments that belong to
a definition.
"""

from __future__ import annotations

from typing import Final, NoReturn

from bascule.bridge.contracts.docs import Docs
from bascule.bridge.contracts.expressions import Expressions
from bascule.bridge.contracts.layout import lay_out
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
    Pragma,
    Type,
)
from bascule.bridge.contracts.tokens import Kind, pragma_words, scan
from bascule.bridge.contracts.words import Unreadable

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
_MODULE: Final = Kind.MODULE
_RBRACE: Final = Kind.RBRACE
_VAR: Final = Kind.VAR
_WHERE: Final = Kind.WHERE

# What a named tuple's own constructor does, without its checks: there are as many of them as words.
_new: Final = tuple.__new__


def parse(source: Source, *, extended: bool = False) -> tuple[File | None, list[Diagnostic]]:
    """The file's tree, and what is wrong with it. Without a readable `module NAME where` there is no tree."""
    scanned = scan(source, extended=extended)
    docs = Docs(scanned.comments)
    parser = _Parser(source, lay_out(scanned, source.text), scanned.end_column, scanned.extended, docs)
    try:
        file = parser.file()
    except Unreadable:
        file = None
    return file, sorted(scanned.problems + parser.problems, key=lambda problem: (problem.line, problem.column))


class _Parser(Expressions):
    """Reads one file."""

    # ---- The file

    def file(self) -> File:
        """All of it.

        Raises:
            Unreadable: It is no module.
        """
        if self.peek() is _EXTENDED:
            self.at += 1
        start = self.take(_MODULE)
        name = self.take(_CON, "the module's name, capitalized")
        self.take(_WHERE)
        imports: list[Import] = []
        declarations: list[Declaration] = []
        while self.peek() is not _BLOCK_CLOSE:
            if len(self.problems) >= MOST_PROBLEMS:
                self.problems.append(self.source.too_many(self.starts[self.at]))
                raise Unreadable
            try:
                if self.peek() is _IMPORT:
                    if declarations:
                        self.fail("imports come before all definitions")
                    imported = self._import()
                    self._end_declaration()
                    imports.append(imported)
                else:
                    declaration = self._declaration()
                    self._end_declaration()
                    declarations.append(declaration)
            except Unreadable:
                self._skip()
        self.at += 1
        if self.peek() is not _END:
            self.fail("this stands left of the module's body and ends it: put it in the same column")
        return File(
            self.source,
            self.texts[name],
            self.starts[name],
            tuple(imports),
            tuple(declarations),
            self.extended,
            self.before(start),
        )

    def _end_declaration(self) -> None:
        kind = self.peek()
        if kind is _BLOCK_NEXT:
            self.at += 1
        elif kind is _BLOCK_CLOSE:
            at_end = self.kinds[self.at + 1] is _END
            if at_end and self.end_column == 0:
                self.fail("the file must end with a line break: without it Gugugu's layout does not end this")
            if at_end and self.end_column > 1:
                self.fail("after the last definition only empty lines and whole comments may follow")
            self.fail("the body must stand in the first column: Gugugu's layout does not end this otherwise")
        else:
            self._unexpected_after_declaration()

    def _unexpected_after_declaration(self) -> NoReturn:
        kind, text = self.kinds[self.at], self.texts[self.at]
        if kind is _ARROW:
            self.fail("a function takes one argument: make a record of several")
        if kind is _EXTENDED:
            self.fail("the EXTENDED pragma stands before 'module'")
        found = kind.value if kind is _FOREIGN else quoted(text)
        self.fail(f"{found} does not belong here: the definition before it is complete")

    def _skip(self) -> None:
        """Over what is left of a declaration that can't be read."""
        while self.peek() not in (_BLOCK_NEXT, _BLOCK_CLOSE):
            self.at += 1
        if self.peek() is _BLOCK_NEXT:
            self.at += 1

    def _import(self) -> Import:
        start = self.take(_IMPORT)
        qualified = self.extended and self.is_word("qualified")
        if qualified:
            self.at += 1
        elif self.is_word("qualified"):
            self.fail("a qualified import needs the pragma {-# EXTENDED #-} before 'module'")
        name = self.texts[self.take(_CON, "the name of a module")]
        qualifier = name if qualified else None
        if qualified and self.is_word("as"):
            self.at += 1
            qualifier = self.texts[self.take(_CON, "the name that stands for the module")]
        return Import(name, qualifier, self.starts[start])

    def _declaration(self) -> Declaration:
        kind = self.peek()
        if kind is _DATA:
            return self._data()
        if kind is _VAR:
            following = self.kinds[self.at + 1]
            if self.extended and self.is_word("type") and following is _CON:
                return self._alias()
            if following is not _COLONS:
                word = self.texts[self.at]
                hint = f": {quoted(word)} is no keyword" if following is _CON else ""
                self.at += 1
                self.unexpected(f"'::' and the function's type{hint}")
            return self._function()
        if kind is _BLOCK_NEXT:
            self.fail("nothing is defined here")
        return self.unexpected("'data', a function, or an import")

    # ---- Definitions

    def _data(self) -> Data:
        start = self.take(_DATA)
        self._look_for_comments(start)
        at = self.take(_CON, "the type's name, capitalized")
        name = self.texts[at]
        if "." in name:
            self.fail("the name of a definition has no dots", at)
        parameters = self._parameters()
        pragmas = []
        while self.peek() is _FOREIGN:
            pragmas.append(self._pragma())
        constructors: tuple[Constructor, ...] = ()
        if self.peek() is _EQUALS:
            self.equals = self.at
            self.at += 1
            constructors = self._constructors()
        return Data(name, parameters, tuple(pragmas), constructors, self.starts[start], self.docs.before(self.first))

    def _look_for_comments(self, start: int) -> None:
        """Most definitions have none inside, and need not be asked for each of their parts."""
        end = self.texts.index("", start)  # only what the layout made has no text
        locate = self.source.locate
        self.first = locate(self.starts[start])[0]
        self.last = locate(self.starts[end - 1])[0]
        self.commented = self.docs.within(self.first, self.last)

    def _parameters(self) -> tuple[str, ...]:
        parameters = []
        while self.extended and self.peek() is _VAR:
            parameters.append(self.texts[self.take(_VAR)])
        return tuple(parameters)

    def _pragma(self) -> Pragma:
        at = self.take(_FOREIGN)
        start, text = self.starts[at], self.texts[at]
        words = pragma_words(text)
        if len(words) > 2:
            word, place = words[2]
            message = f"a FOREIGN pragma has two words, a language and a name: {quoted(word)} is one more"
            self.fail_at(start + place, message, len(word))
        if len(words) < 2:
            wanted = "the name of the type in that language" if words else "the pragma's language"
            self.fail_at(start + len(text) - len("#-}"), f"expected {wanted}, found '#-}}'", len("#-}"))
        (language, _), (target, _) = words
        return Pragma(language, target, start)

    def _constructors(self) -> tuple[Constructor, ...]:
        first = self._constructor()
        found = [first]
        while self.peek() is _BAR:
            if first.fields is not None and not self.extended:
                self.fail("a record has one constructor: a type with several needs {-# EXTENDED #-} before 'module'")
            self.at += 1
            name = self.at
            found.append(self._constructor())
            if found[-1].fields is not None and not self.extended:
                message = "an enum's member has no fields: a type with payload needs {-# EXTENDED #-} before 'module'"
                self.fail(message, name)
        return tuple(found)

    def _constructor(self) -> Constructor:
        name = self.take(_CON, "a constructor's name, capitalized")
        fields: tuple[Field, ...] | None = None
        if self.peek() is _LBRACE:
            self.at += 1
            fields = self._fields()
        doc = self.beside(name) if self.commented else ""
        return Constructor(self.texts[name], fields, self.starts[name], doc)

    def _fields(self) -> tuple[Field, ...]:
        kinds, texts, starts = self.kinds, self.texts, self.starts
        found: list[Field] = []
        while True:
            at = self.at
            if kinds[at] is _VAR and kinds[at + 1] is _COLONS:
                self.at = at + 2
            else:
                self.take(_VAR, "a field's name, in lower case")
                self.take(_COLONS)
            kind = self.type()
            default = self.literal() if self.extended and kinds[self.at] is _EQUALS else None
            doc = self.beside(at) if self.commented else ""
            found.append(_new(Field, (texts[at], kind, starts[at], default, doc)))
            if kinds[self.at] is not _COMMA:
                break
            self.at += 1
        self.take(_RBRACE, "',' or '}'")
        return tuple(found)

    def _alias(self) -> Alias:
        start = self.take(_VAR)
        name = self.take(_CON, "the alias's name, capitalized")
        parameters = self._parameters()
        self.take(_EQUALS)
        return Alias(self.texts[name], parameters, self.type(), self.starts[start], self.before(start))

    def _function(self) -> Function:
        name = self.take(_VAR)
        self.take(_COLONS)
        argument = self.type()
        self.take(_ARROW, "'->' and the function's result")
        codomain = self.type()
        raises: list[Type] = []
        if self.extended and self.is_word("raises"):
            self.at += 1
            raises.append(self.type())
            while self.peek() is _COMMA:
                self.at += 1
                raises.append(self.type())
        start = self.starts[name]
        return Function(self.texts[name], argument, codomain, tuple(raises), start, self.before(name))
