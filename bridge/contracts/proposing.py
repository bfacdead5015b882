"""How a proposed contract is written: `bascule contract infer` reads traces and annotations, and says it here.

A function's parameters become a record. What no definition can say exactly becomes a foreign type of its own name. What
was seen stands as a comment above or behind what was made of it; a name that would not come back on the wire as it was
is told there, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bascule.bridge.contracts.names import humps, snake
from bascule.bridge.contracts.schema import Builtin

_BUILTIN = ("Stream", "IO", *(each.value.partition(" ")[0] for each in Builtin))
_MOST_SHOWN = 60  # characters of a type in a comment


class InferError(Exception):
    """Nothing can be proposed; the message says why."""


@dataclass(frozen=True)
class Entry:
    """A field of a record: a parameter of a function, say.

    Attributes:
        name: In Python.
        written: Its type, as a definition has it.
        default: What it is when it is absent, as a definition has it; empty: it may not be.
        note: What was seen of it.
    """

    name: str
    written: str
    default: str = ""
    note: str = ""


@dataclass
class Proposal:
    """Collects definitions and functions, and sees that no name is there twice."""

    module: str
    origin: str
    _definitions: list[str] = field(default_factory=list)
    _functions: list[str] = field(default_factory=list)
    _foreign: dict[str, str] = field(default_factory=dict)  # target -> name
    _taken: set[str] = field(default_factory=lambda: set(_BUILTIN))
    _functions_taken: set[str] = field(default_factory=set)

    def type_name(self, wanted: str) -> str:
        """A type's name that nothing else has."""
        name = "".join(part[:1].upper() + part[1:] for each in wanted.split("_") for part in humps(each))
        name = "".join(letter for letter in name if letter.isalnum() and letter.isascii()).lstrip("0123456789")
        return _new(name[:1].upper() + name[1:] or "Anything", self._taken)

    def foreign(self, target: str, name: str = "") -> str:
        """The foreign type of a Python type."""
        if target not in self._foreign:
            self._foreign[target] = self.type_name(name or target.rpartition(".")[2])
        return self._foreign[target]

    def record(self, name: str, entries: Sequence[Entry], doc: str) -> None:
        """Define a record whose name was asked for with `type_name`."""
        taken: set[str] = set()
        lines = [f"-- {doc}", f"data {name}", f"  = {name}"]
        for index, each in enumerate(entries):
            called = _new(camel(each.name) or f"argument{index}", taken)
            note = each.note if snake(called) == each.name else "; ".join(filter(None, [each.note, f"is {each.name}"]))
            default = f" = {each.default}" if each.default else ""
            comment = f" -- {note}" if note else ""
            lines.append(f"    {'{' if index == 0 else ','} {called} :: {each.written}{default}{comment}")
        self._definitions.append("\n".join([*lines, "    }"]))

    def enum(self, name: str, members: Sequence[str], doc: str) -> None:
        """Define an enum whose name was asked for with `type_name`."""
        taken: set[str] = set()
        called = [_new(_capital(each), taken) for each in members]
        self._definitions.append(f"-- {doc}\ndata {name}\n  = " + "\n  | ".join(called))

    def function(self, name: str, entries: Sequence[Entry], result: str, evidence: str) -> None:
        """Define a function, and the record of its arguments.

        Args:
            name: With its module.
            entries: Its parameters.
            result: What stands behind `IO`.
            evidence: What was seen.
        """
        short = camel(name.rpartition(".")[2]) or "function"
        if short in self._functions_taken:  # that of another module: its own tells them apart
            short = camel(name.replace(".", "_"))
        short = _new(short, self._functions_taken)
        argument = "Unit"
        if entries:
            argument = self.type_name(f"{short[:1].upper()}{short[1:]}Arguments")
            self.record(argument, entries, f"The arguments of {name}.")
        self._functions.append(f"-- {evidence}\n{short} :: {argument} -> IO {wrapped(result)}")

    def text(self) -> str:
        """The definition file."""
        foreign = [
            f"data {name}\n  {{-# FOREIGN python {target} #-}}"
            for target, name in sorted(self._foreign.items(), key=lambda pair: pair[1])
        ]
        head = f"{{-# EXTENDED #-}}\n-- Proposed from {self.origin}: to be read, named and completed."
        return (
            "\n\n".join([f"{head}\nmodule {self.module} where", *foreign, *self._definitions, *self._functions]) + "\n"
        )


def wrapped(written: str) -> str:
    """A type as an argument of another."""
    return f"({written})" if " " in written else written


def maybe(written: str) -> str:
    """A type that may be nothing."""
    return written if written.startswith("Maybe ") else f"Maybe {wrapped(written)}"


def shown(text: str) -> str:
    """A type in a comment: on one line, and not too long."""
    text = " ".join(text.split())
    return text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "..."


def camel(name: str) -> str:
    """`some_name` -> `someName`, of what a definition file's names may be made of."""
    parts = [part for part in name.split("_") if part]
    joined = "".join(part if index == 0 else part[:1].upper() + part[1:] for index, part in enumerate(parts))
    kept = "".join(letter for letter in joined if letter.isascii() and (letter.isalnum() or letter == "_"))
    return kept[:1].lower() + kept[1:] if kept[:1].isalpha() else f"a{kept}" if kept else ""


def _capital(name: str) -> str:
    """`HARD_COVER` -> `HardCover`, which is HARD_COVER on the wire again."""
    if name == name.upper():
        name = name.lower()
    called = camel(name) or "member"
    return called[:1].upper() + called[1:]


def _new(name: str, taken: set[str]) -> str:
    number, found = 2, name
    while found in taken:
        found, number = f"{name}{number}", number + 1
    taken.add(found)
    return found
