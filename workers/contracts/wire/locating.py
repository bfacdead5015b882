"""What is wrong with a value, and where: looked for slowly, beside the description of its type.

books[3].price: expected Double, found "x"
"""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from .definitions import known
from .errors import DecodeError, EncodeError
from .foreign import CONVERTERS_FAIL_WITH, foreign_from_wire, foreign_to_wire
from .json_text import Twice
from .scalars import (
    BITS,
    as_double,
    int_key,
    read_bytes,
    read_decimal,
    read_duration,
    read_timestamp,
    read_uuid,
    write_bytes,
    write_decimal,
    write_duration,
    write_timestamp,
    write_uuid,
)
from .telling import hint, name_of, path_text, show

if TYPE_CHECKING:
    from collections.abc import Callable

    from .definitions import Kind
    from .telling import Path

MOST_NESTED = 300
"""Levels of a value: what is deeper is refused before the interpreter's own limit is met."""
_ABSENT = object()
_FIELDS = "fields"  # of a sum's case: a kind that no contract has


def located(kind: Kind, wire: Any, failure: BaseException | None = None) -> DecodeError:
    """The error of a plain value that is not of this kind."""
    return DecodeError(*(_find(kind, wire, _FromWire()) or ("", _unexplained(kind, failure))))


def located_value(kind: Kind, value: Any, failure: BaseException | None = None) -> EncodeError:
    """The error of a Python value that is not of this kind."""
    return EncodeError(*(_find(kind, value, _FromValue()) or ("", _unexplained(kind, failure))))


def _unexplained(kind: Kind, failure: BaseException | None) -> str:
    told = f": {failure}" if failure is not None and str(failure) else ""
    return f"expected {name_of(kind)}{told}"


class _FromWire:
    """How a plain value is looked into."""

    def check_foreign(self, target: str, value: Any) -> str | None:
        try:
            foreign_from_wire(target, value)
        except LookupError as error:
            return str(error.args[0]) if error.args else None
        except CONVERTERS_FAIL_WITH as error:
            told = f" ({error})" if str(error) else ""
            return f"expected {target}, found {show(value)}{told}"
        return None

    def is_of(self, _name: str, _value: Any) -> bool:
        """Whether a value may be of a definition at all, so that looking into it makes sense."""
        return True

    def scalar(self, kind: str, value: Any) -> bool:
        if kind in _READERS:
            try:
                _READERS[kind](value)
            except CONVERTERS_FAIL_WITH:
                return False
            return True
        return _is_scalar(kind, value)

    def fields(self, described: list[Any], value: Any) -> str | list[tuple[str, Kind, Any]]:
        if isinstance(value, Twice):
            return f"{value.key}: the field is there twice"
        if type(value) is not dict:
            return ""
        found = []
        for each in described:
            name, kind = each[0], each[1]
            if name in value:
                found.append((name, kind, value[name]))
            elif len(each) < 3:
                return f"the field {name} is missing"
        names = {each[0] for each in described}
        for name in value:
            if name not in names:
                return f"unknown field {show(name)}{hint(name, names)}"
        return found

    def member(self, members: list[str], value: Any) -> str | None:
        if isinstance(value, str) and value in members:
            return None
        return f"found {show(value)}{hint(value, members) if isinstance(value, str) else ''}"

    def case(self, cases: list[Any], value: Any) -> tuple[str, list[Any], Any]:
        if isinstance(value, str):
            for name, described in cases:
                if name == value and not described:
                    return name, [], {}
        elif type(value) is dict and len(value) == 1:
            ((tag, payload),) = value.items()
            for name, described in cases:
                if name == tag and described:
                    return name, described, payload
        return "", [], None

    def just(self, value: Any) -> Any:
        return value["just"] if type(value) is dict and list(value) == ["just"] else _ABSENT

    def pairs(self, value: Any) -> list[tuple[Any, Any]] | None:
        return list(value.items()) if type(value) is dict else None

    def items(self, value: Any, of_set: bool) -> list[Any] | None:
        return value if type(value) is list else None

    def key(self, kind: Kind, value: Any) -> bool:
        if kind in ("Int32", "Int64", "Integer"):
            try:
                int_key(value, BITS.get(kind, 0))
            except CONVERTERS_FAIL_WITH:
                return False
            return True
        return isinstance(kind, str) and _find(kind, value, self) is None


class _FromValue(_FromWire):
    """How a Python value is looked into."""

    def check_foreign(self, target: str, value: Any) -> str | None:
        try:
            foreign_to_wire(target, value)
        except LookupError as error:
            return str(error.args[0]) if error.args else None
        except CONVERTERS_FAIL_WITH as error:
            told = f" ({error})" if str(error) else ""
            return f"expected {target}, found {show(value)}{told}"
        return None

    def scalar(self, kind: str, value: Any) -> bool:
        if kind in _WRITERS:
            try:
                _WRITERS[kind](value)
            except CONVERTERS_FAIL_WITH:
                return False
            return True
        return kind == "Unit" or _is_scalar(kind, value)

    def fields(self, described: list[Any], value: Any) -> str | list[tuple[str, Kind, Any]]:
        try:
            names = [each.name for each in fields(value)]
        except TypeError:
            return ""
        if len(names) != len(described):
            return ""
        return [(name, each[1], getattr(value, name)) for name, each in zip(names, described)]

    def is_of(self, name: str, value: Any) -> bool:
        return getattr(type(value), "WIRE_KIND", None) == name

    def member(self, members: list[str], value: Any) -> str | None:
        return None

    def case(self, cases: list[Any], value: Any) -> tuple[str, list[Any], Any]:
        tag = getattr(value, "WIRE_TAG", None)
        for name, described in cases:
            if name == tag:
                return name, described, value
        return "", [], None

    def just(self, value: Any) -> Any:
        return getattr(value, "value", _ABSENT)

    def items(self, value: Any, of_set: bool) -> list[Any] | None:
        if of_set:
            return list(value) if isinstance(value, (set, frozenset)) else None
        return value if type(value) is list else None

    def key(self, kind: Kind, value: Any) -> bool:
        return _find(kind, value, self) is None


_READERS: dict[str, Callable[[Any], Any]] = {
    "Double": as_double,
    "Bytes": read_bytes,
    "Timestamp": read_timestamp,
    "Duration": read_duration,
    "Uuid": read_uuid,
    "Decimal": read_decimal,
}
_WRITERS: dict[str, Callable[[Any], Any]] = {
    "Double": as_double,
    "Bytes": write_bytes,
    "Timestamp": write_timestamp,
    "Duration": write_duration,
    "Uuid": write_uuid,
    "Decimal": write_decimal,
}


def _is_scalar(kind: str, value: Any) -> bool:
    if kind == "String":
        return type(value) is str
    if kind == "Bool":
        return type(value) is bool
    if kind == "Unit":
        return value is None or value == {}
    if kind == "Integer":
        return type(value) is int
    bits = BITS.get(kind)
    return bits is not None and type(value) is int and -(1 << bits) <= value < 1 << bits


def _find(kind: Kind, value: Any, view: _FromWire) -> tuple[str, str] | None:
    """The first thing that is wrong, in the order of the value: its path and what it is."""
    waiting: list[tuple[Path, Kind, Any]] = [((), kind, value)]
    while waiting:
        path, kind, value = waiting.pop()
        if len(path) > MOST_NESTED:
            return path_text(path), f"this is nested deeper than {MOST_NESTED}"
        more: list[tuple[Path, Kind, Any]] = []
        wrong = _look(path, kind, value, view, more)
        if wrong is not None:
            return path_text(path), wrong
        waiting.extend(reversed(more))
    return None


def _look(path: Path, kind: Kind, value: Any, view: _FromWire, more: list[tuple[Path, Kind, Any]]) -> str | None:
    """What is wrong with one value; what is inside it is added to `more`."""
    if isinstance(kind, str):
        if kind in known:
            return _look_at_definition(path, kind, value, view, more)
        fits = "." not in kind and view.scalar(kind, value)
        return None if fits else f"expected {name_of(kind)}, found {show(value)}"
    head = kind[0]
    if head == _FIELDS:
        return _look_at_fields(path, "a record", kind[1], value, view, more)
    if head == "Maybe":
        if value is not None:
            if not isinstance(kind[1], str) and kind[1][0] == "Maybe":
                return NESTED_MAYBE
            more.append((path, kind[1], value))
        return None
    if head == "Wrapped":
        inner = _ABSENT if value is None else view.just(value)
        if value is not None and inner is _ABSENT:
            return f'expected {{"just": ...}} or nothing, found {show(value)}'
        if value is not None:
            more.append((path, kind[1], inner))
        return None
    if head == "Map":
        pairs = view.pairs(value)
        if pairs is None:
            return f"expected {name_of(kind)}, found {show(value)}"
        for key, inner in pairs:
            if not view.key(kind[1], key):
                return f"expected a key that is {name_of(kind[1])}, found {show(key)}"
            more.append(((*path, str(key)), kind[2], inner))
        return "a key of the map is there twice" if _some_twice(kind[1], [key for key, _ in pairs]) else None
    items = view.items(value, head == "Set")
    if items is None:
        return f"expected {name_of(kind)}, found {show(value)}"
    more.extend(((*path, index), kind[1], each) for index, each in enumerate(items))
    if head == "Set" and type(value) is list and _some_twice(kind[1], items):
        return "an element of the set is there twice"
    return None


def _some_twice(kind: Kind, items: list[Any]) -> bool:
    """Whether two of these plain values mean the same; a UUID may be written in two ways."""
    texts = [json.dumps(each, default=repr) for each in items]
    return len({each.lower() if kind == "Uuid" else each for each in texts}) != len(texts)


NESTED_MAYBE = (
    "a Maybe within a Maybe can't be told from one alone here: the pragma EXTENDED gives it a form of its own"
)


def _look_at_definition(
    path: Path, name: str, value: Any, view: _FromWire, more: list[tuple[Path, Kind, Any]]
) -> str | None:
    definition = known[name]
    short = name_of(name)
    if "foreign" in definition:
        return view.check_foreign(definition["foreign"], value)
    if not view.is_of(name, value):
        return f"expected {short}, found {show(value)}"
    if "enum" in definition:
        wrong = view.member(definition["enum"], value)
        return None if wrong is None else f"expected {short}, {wrong}"
    if "record" in definition:
        return _look_at_fields(path, short, definition["record"], value, view, more)
    tag, described, fields = view.case(definition["sum"], value)
    if not tag:
        return f"expected {short}, found {show(value)}"
    if described:
        more.append(((*path, tag), [_FIELDS, described], fields))
    return None


def _look_at_fields(
    path: Path, name: str, described: list[Any], value: Any, view: _FromWire, more: list[tuple[Path, Kind, Any]]
) -> str | None:
    found = view.fields(described, value)
    if isinstance(found, str):
        return found or f"expected {name}, found {show(value)}"
    more.extend(((*path, each), kind, inner) for each, kind, inner in found)
    return None
