"""Definition files in their usual form: aligned fields, one empty line between definitions, comments where they were.

The text is made from the tree, with the comments of the tokens put back: those above a definition, a field or a member
stay above it, those behind one stay behind it. A file whose comments stand in places that this can't keep is refused
rather than shortened. Formatting what is formatted changes nothing, and the result means what the file meant.
"""

from __future__ import annotations

import json

from bascule.bridge.contracts.parser import parse
from bascule.bridge.contracts.sources import ContractError, Diagnostic, Severity, Source, errors_in
from bascule.bridge.contracts.syntax import Alias, Constructor, Data, Declaration, Field, File, Function, Member, Type
from bascule.bridge.contracts.tokens import Comment, Kind, scan

WIDTH = 80


def format_text(path: str, text: str) -> str:
    """A file in its usual form.

    Raises:
        ContractError: It can't be read, or has a comment in a place that would be lost.
    """
    text = text if text.endswith("\n") or not text else text + "\n"
    source = Source(path, text)
    file, problems = parse(source)
    if file is None or errors_in(problems):
        raise ContractError(errors_in(problems))
    printer = _Printer(file, source)
    made = printer.print()
    if printer.lost:
        raise ContractError(
            Diagnostic(
                Severity.ERROR,
                "this comment stands where it would be lost: move it to a line of its own",
                path,
                line,
                1,
            )
            for line in sorted(printer.lost)
        )
    return made


class _Printer:
    def __init__(self, file: File, source: Source) -> None:
        self._file = file
        self._source = source
        scanned = scan(source)
        self._alone = {each.line: each for each in scanned.comments if each.alone}
        self._behind = {each.line: each for each in scanned.comments if not each.alone}
        self._first = source.locate(scanned.starts[scanned.kinds.index(Kind.MODULE)])[0]
        self._explicit = Kind.EXTENDED in scanned.kinds
        self._used: set[int] = set()
        self.lost: set[int] = set()

    def print(self) -> str:
        file = self._file
        lines = ["{-# EXTENDED #-}"] if self._explicit else []
        head = f"module {file.name} where"
        lines += [*self._above(self._first), head + self._tail(self._first)]
        if file.imports:
            lines.append("")
        for each in file.imports:
            line = self._line(each.offset)
            text = f"import {each.module}"
            if each.qualifier is not None:
                alias = "" if each.qualifier == each.module else f" as {each.qualifier}"
                text = f"import qualified {each.module}{alias}"
            lines += [*self._above(line), text + self._tail(line)]
        for declaration in file.declarations:
            lines += ["", *self._above(self._line(declaration.offset)), *self._declaration(declaration)]
        rest = [number for number in sorted(self._alone) if number not in self._used]
        after = self._line(file.declarations[-1].offset) if file.declarations else self._first
        trailing = [number for number in rest if number > after]
        if trailing:
            lines += ["", *(self._text(self._alone[number]) for number in trailing)]
            self._used.update(trailing)
        self.lost = (set(self._alone) | set(self._behind)) - self._used
        return "\n".join(lines) + "\n"

    # ---- Comments

    def _line(self, offset: int) -> int:
        return self._source.locate(offset)[0]

    @staticmethod
    def _text(comment: Comment) -> str:
        return f"--{comment.text.rstrip()}"

    def _above(self, line: int, indent: str = "") -> list[str]:
        """The block of comments that ends above a line; blocks before it, with the empty lines between."""
        found: list[str] = []
        number = line - 1
        text = self._source.text.splitlines()
        while number >= 1:
            if number in self._alone and number not in self._used:
                found.append(indent + self._text(self._alone[number]))
                self._used.add(number)
            elif not (number <= len(text) and not text[number - 1].strip() and found and self._more_above(number)):
                break
            else:
                found.append("")
            number -= 1
        return found[::-1]

    def _more_above(self, number: int) -> bool:
        while number >= 1 and not self._source.line(number).strip():
            number -= 1
        return number in self._alone and number not in self._used

    def _tail(self, line: int) -> str:
        if line in self._behind and line not in self._used:
            self._used.add(line)
            return f" {self._text(self._behind[line])}"
        return ""

    # ---- Definitions

    def _declaration(self, each: Declaration) -> list[str]:
        if isinstance(each, Data):
            return self._data(each)
        line = self._line(each.offset)
        if isinstance(each, Alias):
            head = " ".join(["type", each.name, *each.parameters])
            return [f"{head} = {type_text(each.type)}{self._tail(line)}"]
        assert isinstance(each, Function)
        text = f"{each.name} :: {type_text(each.argument)} -> {type_text(each.codomain)}"
        if each.raises:
            text += " raises " + ", ".join(map(type_text, each.raises))
        return [text + self._tail(line)]

    def _data(self, data: Data) -> list[str]:
        head = " ".join(["data", data.name, *data.parameters])
        line = self._line(data.offset)
        if data.pragmas or not data.constructors:
            lines = [head + self._tail(line)]
            width = max((len(each.language) for each in data.pragmas), default=0)
            for pragma in data.pragmas:
                text = f"  {{-# FOREIGN {pragma.language:<{width}} {pragma.target} #-}}"
                lines.append(text + self._tail(self._line(pragma.offset)))
            if data.constructors:
                lines += self._spread(data.constructors)
            return lines
        whole = f"{head} = {' | '.join(map(_constructor_text, data.constructors))}"
        lines_of = {self._line(each.offset) for each in data.constructors}
        lines_of |= {self._line(field.offset) for each in data.constructors for field in each.fields or ()}
        parts: list[Constructor | Field] = list(data.constructors)
        parts += [field for each in data.constructors for field in each.fields or ()]
        commented = any(each.doc for each in parts)
        commented |= any(number in self._behind or number - 1 in self._alone for number in lines_of - {line})
        if len(whole) <= WIDTH and not commented and sum(len(each.fields or ()) for each in data.constructors) <= 2:
            return [whole + self._tail(line)]
        # A comment behind several things belongs to the last of them, and one behind a whole definition to none.
        owned = any(each.doc and self._line(each.offset) == line for each in parts)
        return [head + ("" if owned else self._tail(line)), *self._spread(data.constructors)]

    def _spread(self, constructors: tuple[Constructor, ...]) -> list[str]:
        lines = []
        for index, each in enumerate(constructors):
            line = self._line(each.offset)
            lines += self._above(line, "    ")
            after = [field.offset for field in each.fields or ()] + [
                next_.offset for next_ in constructors[index + 1 :]
            ]
            tail = "" if any(self._line(offset) == line for offset in after) else self._tail(line)
            lines.append(f"  {'=' if index == 0 else '|'} {each.name}{tail}")
            if each.fields is not None:
                lines += self._fields(each.fields, {self._line(next_.offset) for next_ in constructors[index + 1 :]})
        return lines

    def _fields(self, fields: tuple[Field, ...], after: set[int]) -> list[str]:
        width = max(len(each.name) for each in fields)
        lines = []
        for index, each in enumerate(fields):
            line = self._line(each.offset)
            lines += self._above(line, "      ")
            shared = line in after or any(self._line(other.offset) == line for other in fields[index + 1 :])
            tail = "" if shared else self._tail(line)
            lines.append(f"    {'{' if index == 0 else ','} {_field_text(each, width)}{tail}")
        return [*lines, "    }"]


def type_text(kind: Type) -> str:
    """A type as it is written."""
    parts = [f"({type_text(each)})" if each.arguments else each.name for each in kind.arguments]
    return " ".join([kind.name, *parts])


def _field_text(field: Field, width: int = 0) -> str:
    text = f"{field.name:<{width}} :: {type_text(field.type)}"
    if field.default is None:
        return text
    value = field.default.value
    if isinstance(value, Member):
        return f"{text} = {value.name}"
    if value is None:
        return f"{text} = Nothing"
    shown = str(value) if isinstance(value, bool) else json.dumps(value, ensure_ascii=False)
    return f"{text} = {shown}"


def _constructor_text(each: Constructor) -> str:
    if each.fields is None:
        return each.name
    return f"{each.name} {{ {', '.join(map(_field_text, each.fields))} }}"
