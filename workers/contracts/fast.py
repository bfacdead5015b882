"""JSON read and written by msgspec, where that is installed: for each record a struct that has its shape.

msgspec knows nothing of enums that travel by name, nor of a key that stands twice, and would take a tuple for a list
and anything with the right attributes for a record. So it works on structs of plain values. What it read is counted:
JSON that has more members than the values that came of it may have one twice. What it is to write is looked at, all
values of a field at once: each must be of the very class that is wanted. Whatever is odd is left to the slow way, as is
everything that is wrong: the slow way knows how to say so.
"""

from __future__ import annotations

import enum
import sys
import typing
from dataclasses import fields
from itertools import chain
from operator import attrgetter, getitem
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .wire import FAILURES, write_json

msgspec: Any = __import__("msgspec")  # by name: who has it not, need not have its types either

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    # A field whose values are looked into: how to get it, the Maybes and Lists around its values, and what they are.
    Inside = tuple[Callable[[Any], Any], list[str], str]

failures_of_msgspec = (*FAILURES, msgspec.MsgspecError)
_SCALARS = {
    "Bool": "bool",
    "Double": "float",
    "String": "str",
    "Int32": "Int32",
    "Int64": "Int64",
    "Integer": "int",
}
_Enum: Any = enum.Enum
_BIGGEST = sys.float_info.max
_ODD = 1 << 60
"""More members than any JSON has."""


def reader(cls: Any, known: dict[str, dict[str, Any]]) -> Callable[[str | bytes], Any] | None:
    """What makes a record of JSON, or None of what must be read with more care; None for what is no record."""
    kind = cls.WIRE_KIND
    if "record" not in known.get(kind, {}) or not hasattr(cls, "_build"):
        return None
    shapes = _Shapes(known)
    decode = msgspec.json.Decoder(shapes.struct(kind)).decode
    members = _Members(known).of
    build = cls._build

    def read(text: str | bytes) -> Any:
        try:
            data = text.encode() if isinstance(text, str) else text
            found = decode(data)
            expected = members(kind, [found])
            if data.count(b":") != expected and _members(data) != expected:
                return None
            return build(found)
        except failures_of_msgspec:
            return None

    return read


def writer(cls: Any, known: dict[str, dict[str, Any]], classes: dict[str, Any]) -> Callable[[Any], bytes | None] | None:
    """What makes JSON of a record, or None of what must be looked at with more care.

    None for what is no record, and for one that has other things inside than records, enums, and plain values.
    """
    kind = cls.WIRE_KIND
    shapes = _ToWrite(known, classes)
    if "record" not in known.get(kind, {}) or not shapes.can_write(kind):
        return None
    shape = shapes.struct(kind)
    right = shapes.right
    convert, encode = msgspec.convert, msgspec.json.encode

    def write_record(value: Any) -> bytes | None:
        try:
            read = convert(value, shape, from_attributes=True, dec_hook=getitem)
            return bytes(encode(read)) if right(kind, [value]) else None
        except failures_of_msgspec:
            return None

    return write_record


def write(plain: Any) -> bytes:
    """Plain values as JSON."""
    try:
        return bytes(msgspec.json.encode(plain))
    except failures_of_msgspec:  # such as a lone surrogate: the slow way can write it, or say what is wrong
        return write_json(plain)


def _members(data: bytes) -> int:
    """No less than the members of all objects: a colon comes after the quote that ends a key, or after a blank."""
    return sum(data.count(before + b":") for before in (b'"', b" ", b"\n", b"\t", b"\r"))


class _Shapes:
    """The structs of one set of definitions, in a module of their own: they may refer to each other."""

    def __init__(self, known: dict[str, dict[str, Any]]) -> None:
        self._known = known
        self._names: dict[str, str] = {}
        self._module = ModuleType(f"{__name__}_{id(self):x}")
        self._module.__dict__.update(Any=Any, Maybe=typing.Optional, List=list)
        for name, bits in (("Int32", 31), ("Int64", 63)):
            bound = 1 << bits
            limits = msgspec.Meta(ge=-bound, le=bound - 1)
            setattr(self._module, name, _annotated(int, limits))
        self._module.__dict__["Finite"] = _annotated(float, msgspec.Meta(ge=-_BIGGEST, le=_BIGGEST))
        sys.modules[self._module.__name__] = self._module

    def struct(self, kind: str) -> Any:
        """The struct of a record, and with it those of all that it mentions."""
        if kind not in self._names:
            name = self._names[kind] = f"R{len(self._names)}"
            described = self._known[kind]["record"]
            names = self._fields(kind)
            entries: list[Any] = []
            for called, each in zip(names, described):
                field = [called, self._annotation(each[1])]
                if len(each) > 2:
                    field.append(each[2]["default"])
                entries.append(tuple(field))
            made = msgspec.defstruct(
                name,
                entries,
                module=self._module.__name__,
                rename={called: each[0] for called, each in zip(names, described)},
                forbid_unknown_fields=True,
                kw_only=True,
                gc=False,
            )
            setattr(self._module, name, made)
        return getattr(self._module, self._names[kind], None)

    def _fields(self, kind: str) -> list[str]:
        """What the fields are called in the struct."""
        return [f"f{index}" for index in range(len(self._known[kind]["record"]))]

    def _annotation(self, kind: Any) -> str:
        if isinstance(kind, str):
            definition = self._known.get(kind, {})
            if "record" in definition:
                self.struct(kind)
                return self._names[kind]
            return self._enum(kind) if "enum" in definition else self._scalar(kind)
        head = kind[0]
        inner = self._annotation(kind[1])
        if head == "Maybe" and isinstance(kind[1], (str, list)) and kind[1][0] != "Maybe":
            return f"Maybe[{inner}]"
        return f"List[{inner}]" if head == "List" else "Any"

    def _enum(self, kind: str) -> str:
        """An enum is read as the text that it is."""
        return "str"

    def _scalar(self, kind: str) -> str:
        return _SCALARS.get(kind, "Any")


class _ToWrite(_Shapes):
    """The same for writing: the fields are called as those of the classes, and an enum is made its name."""

    def __init__(self, known: dict[str, dict[str, Any]], classes: dict[str, Any]) -> None:
        super().__init__(known)
        self._classes = classes
        self._enums = {kind for kind, each in known.items() if "enum" in each}
        self._inside: dict[str, list[Inside]] = {}

    def can_write(self, kind: Any, seen: frozenset[str] = frozenset()) -> bool:
        """Whether a type has nothing but what is plain, and of every record the class is there."""
        if not isinstance(kind, str):
            nested = kind[0] == "Maybe" and not isinstance(kind[1], str) and kind[1][0] == "Maybe"
            return kind[0] in ("Maybe", "List") and not nested and self.can_write(kind[1], seen)
        if kind in seen or kind in _SCALARS or "enum" in self._known.get(kind, {}):
            return True
        described = self._known.get(kind, {}).get("record")
        if described is None or kind not in self._classes:
            return False
        return all(len(each) == 2 and self.can_write(each[1], seen | {kind}) for each in described)

    def right(self, kind: str, values: list[Any]) -> bool:
        """Whether values are of a record's class, and so is everything inside."""
        if _kinds(values) != {kind}:
            return False
        found = self._inside.get(kind)
        if found is None:
            described = self._known[kind]["record"]
            found = self._inside[kind] = [
                inside
                for name, each in zip(self._fields(kind), described)
                if (inside := _inside(name, each[1]))[1] or inside[2] not in _SCALARS
            ]
        for get, around, leaf in found:
            column = list(map(get, values)) if around else map(get, values)
            for each in around:
                if each == "Maybe":
                    column = [value for value in column if value is not None]
                elif not set(map(type, column)) <= {list}:
                    return False
                else:
                    column = list(chain.from_iterable(column))
            if leaf in self._enums:
                if not _kinds(column) <= {leaf}:
                    return False
            elif leaf not in _SCALARS and (column := list(column)) and not self.right(leaf, column):
                return False
        return True

    def _fields(self, kind: str) -> list[str]:
        return [each.name for each in fields(self._classes[kind])]

    def _enum(self, kind: str) -> str:
        name = f"E{kind.replace('.', '_')}"
        if not hasattr(self._module, name):
            # A class of no kind that msgspec knows, so it asks what to make of a member, with `made[member]`: that is a
            # member of an enum of texts, which it writes as the text. What is no index fails, or is found by `right`.
            made: Any = type(name, (), {})
            members = {f"m{index}": each for index, each in enumerate(self._known[kind]["enum"])}
            texts = _Enum(name, members, type=made)
            made.__class_getitem__ = tuple(texts).__getitem__
            setattr(self._module, name, made)
        return name

    def _scalar(self, kind: str) -> str:
        return "Finite" if kind == "Double" else super()._scalar(kind)


class _Members:
    """How many members the JSON of values has, counted over all values of a field at once."""

    def __init__(self, known: dict[str, dict[str, Any]]) -> None:
        self._known = known
        self._inside: dict[str, list[Inside] | None] = {}

    def of(self, kind: str, values: list[Any]) -> int:
        """Those of a record's values; of one that has members which may be absent it can't be known."""
        described = self._known[kind]["record"]
        if kind not in self._inside:
            self._inside[kind] = self._look_inside(described)
        found = self._inside[kind]
        if found is None:
            return -_ODD
        total = len(values) * len(described)
        for get, around, leaf in found:
            column = list(map(get, values))
            for each in around:
                column = [value for value in column if value is not None]
                if each == "List":
                    column = list(chain.from_iterable(column))
            if column:
                total += self.of(leaf, column) if leaf else _of_anything(column)
        return total

    def _look_inside(self, described: list[Any]) -> list[Inside] | None:
        if any(len(each) > 2 for each in described):
            return None
        found = []
        for index, each in enumerate(described):
            get, around, leaf = _inside(f"f{index}", each[1])
            if leaf not in _SCALARS and "enum" not in self._known.get(leaf, {}):
                is_record = "record" in self._known.get(leaf, {})
                found.append((get, around, leaf) if is_record else (get, [], ""))
        return found


def _inside(name: str, kind: Any) -> Inside:
    """The Maybes and Lists around a field's values, and what these are; empty for what is none of that."""
    around = []
    while not isinstance(kind, str) and kind[0] in ("Maybe", "List"):
        around.append(kind[0])
        kind = kind[1]
    return attrgetter(name), around, kind if isinstance(kind, str) else ""


def _kinds(values: Iterable[Any]) -> set[str]:
    """What generated values say that they are."""
    classes: set[Any] = set(map(type, values))
    return {each.WIRE_KIND for each in classes}


def _of_anything(column: list[Any]) -> int:
    """Of what was read without a shape: a key that stood twice can't be seen any more, so only leaves are trusted."""
    return -_ODD if any(isinstance(each, (dict, list)) for each in column) else 0


def _annotated(kind: Any, meta: Any) -> Any:
    from typing import Annotated

    return Annotated[kind, meta]
