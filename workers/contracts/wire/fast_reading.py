"""JSON read by msgspec, where that is installed.

What was read is counted: JSON that has more members than the values that came of it has one twice, or one that nobody
knows. A record of nothing but plain values, enums, and such records is read as a *twin*: a class of the same slots, for
which msgspec takes the names and types of the wire. Its values need but be given the record's own class. All other
records are read as structs, of which generated code builds them.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, fields
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

from .fast_shapes import SCALARS, Shapes, failures_of_msgspec, inside, msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

    from .fast_shapes import Inside

_ODD = 1 << 60
"""More members than any JSON has."""


def reader(cls: Any, known: dict[str, dict[str, Any]], classes: dict[str, Any]) -> Callable[[str | bytes], Any] | None:
    """What makes a record of JSON, or None of what must be read with more care; None for what is no record."""
    kind = cls.WIRE_KIND
    if "record" not in known.get(kind, {}) or not hasattr(cls, "_build"):
        return None
    twins = _Twins(known, classes)
    if twins.is_plain(kind):
        decode, count, build = msgspec.json.Decoder(twins.struct(kind)).decode, twins.settle, None
    else:
        decode = msgspec.json.Decoder(Shapes(known, classes).struct(kind)).decode
        count, build = _Members(known).of, cls._build

    def read(text: str | bytes) -> Any:
        try:
            data = text.encode() if isinstance(text, str) else text
            found = decode(data)
            expected = count(kind, [found])
            if data.count(b":") != expected and _members(data) != expected:
                return None
            return found if build is None else build(found)
        except failures_of_msgspec:
            return None

    return read


def _members(data: bytes) -> int:
    """No less than the members of all objects: a colon comes after the quote that ends a key, or after a blank."""
    return sum(data.count(before + b":") for before in (b'"', b" ", b"\n", b"\t", b"\r"))


class _Twins(Shapes):
    """The twins of classes with slots, and how their values become those of the classes themselves."""

    def __init__(self, known: dict[str, dict[str, Any]], classes: dict[str, Any]) -> None:
        super().__init__(known, classes)
        self._records: dict[str, list[Inside]] = {}
        self._enums: dict[str, list[tuple[str, Callable[[Any], Any], Callable[[Any], Any]]]] = {}

    def is_plain(self, kind: Any, seen: frozenset[str] = frozenset()) -> bool:
        """Whether a type has nothing but what is plain, and of every record and enum the class is there."""
        if isinstance(kind, str) and "enum" in self.known.get(kind, {}):
            return kind in self.classes
        if isinstance(kind, str) and kind in self.classes and "record" in self.known.get(kind, {}):
            names, wire = self._fields(kind), [each[0] for each in self.known[kind]["record"]]
            swapped = any(name != each and name in wire for name, each in zip(names, wire))
            if swapped or "__slots__" not in vars(self.classes[kind]):
                return False
        return super().is_plain(kind, seen)

    def settle(self, kind: str, values: list[Any]) -> int:
        """Make values of a twin, and what is inside, the records that they are; how many members their JSON has."""
        total = len(values) * len(self.known[kind]["record"])
        for get, around, leaf in self._records[kind]:
            column = list(map(get, values))
            for each in around:
                column = [value for value in column if value is not None]
                if each == "List":
                    column = list(chain.from_iterable(column))
            if column:
                total += self.settle(leaf, column)
        for name, get, convert in self._enums[kind]:
            deque(map(setattr, values, repeat(name), map(convert, map(get, values))), 0)
        cls = self.classes[kind]
        for value in values:
            value.__class__ = cls
        return total

    def _make(self, kind: str, called: str, entries: list[Any], rename: dict[str, str]) -> Any:
        cls = self.classes[kind]
        made: Any = type(called, cls.__bases__, {"__slots__": cls.__slots__, "__module__": self.module.__name__})
        made.__annotations__ = {rename[entry[0]]: entry[1] for entry in entries}
        for name, wire in rename.items():
            setattr(made, wire, vars(made)[name])
        made.__doc__ = cls.__doc__
        dataclass(init=False, repr=False, eq=False)(made)
        records = self._records[kind] = []
        enums = self._enums[kind] = []
        for name, each in zip(rename, self.known[kind]["record"]):
            found = get, around, leaf = inside(name, each[1])
            if "record" in self.known.get(leaf, {}):
                records.append(found)
            elif leaf not in SCALARS:
                members = dict(zip(self.known[leaf]["enum"], self.classes[leaf]))
                enums.append((name, get, _converter(around, members)))
        return made

    def _fields(self, kind: str) -> list[str]:
        return [each.name for each in fields(self.classes[kind])]


def _converter(around: list[str], members: dict[str, Any]) -> Callable[[Any], Any]:
    """What makes members of the texts that are within these Maybes and Lists."""
    if not around:
        return members.__getitem__
    convert = _converter(around[1:], members)
    if around[0] == "List":
        return lambda found: list(map(convert, found))
    return lambda found: None if found is None else convert(found)


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
            get, around, leaf = inside(f"f{index}", each[1])
            if leaf not in SCALARS and "enum" not in self._known.get(leaf, {}):
                is_record = "record" in self._known.get(leaf, {})
                found.append((get, around, leaf) if is_record else (get, [], ""))
        return found


def _of_anything(column: list[Any]) -> int:
    """Of what was read without a shape: a key that stood twice can't be seen any more, so only leaves are trusted."""
    return -_ODD if any(isinstance(each, (dict, list)) for each in column) else 0
