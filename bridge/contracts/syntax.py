"""What a definition file says, as a tree: nothing is looked up yet, every node knows its offset.

Nodes that a large file has by the hundred thousand are named tuples, which cost a third of a frozen dataclass to make.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from bascule.bridge.contracts.sources import Source


class Type(NamedTuple):
    """A name and what it is applied to: `Maybe (List Int32)`.

    Gugugu's grammar applies from the left, so `List List Int32` is `List` applied to two types.
    """

    name: str
    arguments: tuple[Type, ...]
    offset: int


class Literal(NamedTuple):
    """The default of a field (extended)."""

    value: object  # None, bool, int, float, str, an empty list, or a Member
    offset: int


class Member(NamedTuple):
    """An enum's member as a default."""

    name: str


class Field(NamedTuple):
    """One field of a record."""

    name: str
    type: Type
    offset: int
    default: Literal | None = None
    doc: str = ""


class Constructor(NamedTuple):
    """`Name { fields }`, or a bare name: the whole of a record, a member of an enum, a case of a sum (extended)."""

    name: str
    fields: tuple[Field, ...] | None
    offset: int
    doc: str = ""


class Pragma(NamedTuple):
    """`{-# FOREIGN language target #-}`."""

    language: str
    target: str
    offset: int


@dataclass(frozen=True, slots=True)
class Data:
    """`data Name ...`; with no constructors it is foreign."""

    name: str
    parameters: tuple[str, ...]
    pragmas: tuple[Pragma, ...]
    constructors: tuple[Constructor, ...]
    offset: int
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Alias:
    """`type Name = ...` (extended)."""

    name: str
    parameters: tuple[str, ...]
    type: Type
    offset: int
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Function:
    """`name :: argument -> codomain`, and what it may raise (extended)."""

    name: str
    argument: Type
    codomain: Type
    raises: tuple[Type, ...]
    offset: int
    doc: str = ""


class Import(NamedTuple):
    """`import Module`, or `import qualified Module as Alias` (extended)."""

    module: str
    qualifier: str | None
    offset: int


Declaration = Data | Alias | Function


@dataclass(frozen=True, slots=True)
class File:
    """One `.pg` file."""

    source: Source
    name: str
    name_offset: int
    imports: tuple[Import, ...]
    declarations: tuple[Declaration, ...]
    extended: bool
    doc: str = ""
