"""The resolved schema: what a set of definitions means, with every name looked up. The centre of all that is here.

Types refer to definitions by name (`Ref`), since they may be recursive and modules may import each other. Wire names
are part of a schema, because they are what two programs must agree on; code names are each generator's own affair.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from bascule.bridge.contracts.sources import Source


class Builtin(enum.Enum):
    """A type that needs no definition. The value is its name in definition files."""

    __hash__ = object.__hash__  # that of Enum is many times slower, and each member is there once

    UNIT = "Unit"
    BOOL = "Bool"
    INT32 = "Int32"
    DOUBLE = "Double"
    STRING = "String"
    MAYBE = "Maybe"
    LIST = "List"
    # Of extended files.
    INT64 = "Int64"
    INTEGER = "Integer"
    BYTES = "Bytes"
    TIMESTAMP = "Timestamp"
    DURATION = "Duration"
    UUID = "Uuid"
    DECIMAL = "Decimal"
    MAP = "Map"
    SET = "Set"
    # A Maybe that holds a Maybe, in an extended file: it has a wire form of its own.
    WRAPPED = "Maybe (wrapped)"


PLAIN = (
    Builtin.UNIT,
    Builtin.BOOL,
    Builtin.INT32,
    Builtin.DOUBLE,
    Builtin.STRING,
    Builtin.MAYBE,
    Builtin.LIST,
)
"""Gugugu's own."""

ARITY = dict.fromkeys(Builtin, 0) | {
    Builtin.MAYBE: 1,
    Builtin.WRAPPED: 1,
    Builtin.LIST: 1,
    Builtin.SET: 1,
    Builtin.MAP: 2,
}


class Ref(NamedTuple):
    """A definition, by the names of its module and of itself."""

    module: str
    name: str


class Type(NamedTuple):
    """A builtin type or a definition, and what it is applied to."""

    target: Builtin | Ref
    arguments: tuple[Type, ...] = ()

    def __str__(self) -> str:
        name = self.target.value if isinstance(self.target, Builtin) else self.target.name
        name = name.partition(" ")[0]
        parts = [f"({each})" if each.arguments else str(each) for each in self.arguments]
        return " ".join([name, *parts])


class MemberDefault(NamedTuple):
    """A default that is an enum's member, by its name in the definition."""

    name: str


@dataclass(frozen=True, slots=True)
class Default:
    """What a field is when it is absent from the wire."""

    value: object  # None, bool, int, float, str, or a MemberDefault


class Field(NamedTuple):
    """One field of a record; a named tuple, like a type, since there are so many of them."""

    name: str
    wire: str
    type: Type
    offset: int = 0
    default: Default | None = None
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """One member of an enum."""

    name: str
    wire: str
    offset: int = 0
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """One constructor of a sum; without fields it carries nothing."""

    name: str
    wire: str
    fields: tuple[Field, ...]
    offset: int = 0
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """A type with named fields."""

    ref: Ref
    fields: tuple[Field, ...]
    offset: int = 0
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Enum:
    """A type with named values."""

    ref: Ref
    members: tuple[Member, ...]
    offset: int = 0
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Sum:
    """A type with several constructors, of which some carry fields (extended)."""

    ref: Ref
    cases: tuple[Case, ...]
    offset: int = 0
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Foreign:
    """A type of the target language; `targets` has its name for each language that has one."""

    ref: Ref
    targets: Mapping[str, str]
    offset: int = 0
    doc: str = ""


Definition = Record | Enum | Sum | Foreign


@dataclass(frozen=True, slots=True)
class Function:
    """What can be called: one value in, one value out, or a stream of them."""

    name: str
    wire: str
    argument: Type
    result: Type
    stream: bool = False
    raises: tuple[Ref, ...] = ()
    offset: int = 0
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Module:
    """One file."""

    name: str
    namespace: tuple[str, ...]
    definitions: tuple[Definition, ...]
    functions: tuple[Function, ...]
    extended: bool = False
    doc: str = ""
    source: Source | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Schema:
    """All modules of a folder, by name, in the order of their names."""

    modules: Mapping[str, Module]
    _found: dict[Ref, Definition] = field(default_factory=dict, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        for module in self.modules.values():
            for each in module.definitions:
                self._found.setdefault(each.ref, each)  # of two, Gugugu knows the first

    def definition(self, ref: Ref) -> Definition:
        """What `ref` names."""
        return self._found[ref]

    @property
    def extended(self) -> bool:
        """Whether any module uses more than Gugugu has."""
        return any(module.extended for module in self.modules.values())


def types_of(definition: Definition) -> Iterator[Type]:
    """The types of all fields."""
    if isinstance(definition, Record):
        yield from (each.type for each in definition.fields)
    elif isinstance(definition, Sum):
        yield from (each.type for case in definition.cases for each in case.fields)


def refs_in(kind: Type) -> Iterator[Ref]:
    """The definitions that a type mentions."""
    if isinstance(kind.target, Ref):
        yield kind.target
    for each in kind.arguments:
        yield from refs_in(each)
