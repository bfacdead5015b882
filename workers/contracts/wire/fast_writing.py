"""JSON written by msgspec, where that is installed.

A record is made a struct of plain values, and an enum a text, by one call; then all values of a field are looked at at
once: each must be of the very class that is wanted.
"""

from __future__ import annotations

import enum
from dataclasses import fields
from itertools import chain
from operator import getitem
from typing import TYPE_CHECKING, Any

from .fast_shapes import SCALARS, Shapes, failures_of_msgspec, inside, msgspec
from .json_text import write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .fast_shapes import Inside

_Enum: Any = enum.Enum


def writer(cls: Any, known: dict[str, dict[str, Any]], classes: dict[str, Any]) -> Callable[[Any], bytes | None] | None:
    """What makes JSON of a record, or None of what must be looked at with more care.

    None for what is no record, and for one that has other things inside than records, enums, and plain values.
    """
    kind = cls.WIRE_KIND
    shapes = _ToWrite(known, classes)
    if "record" not in known.get(kind, {}) or not shapes.is_plain(kind):
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


class _ToWrite(Shapes):
    """The same for writing: the fields are called as those of the classes, and an enum is made its name."""

    def __init__(self, known: dict[str, dict[str, Any]], classes: dict[str, Any]) -> None:
        super().__init__(known, classes)
        self._enums = {kind for kind, each in known.items() if "enum" in each}
        self._inside: dict[str, list[Inside]] = {}

    def right(self, kind: str, values: list[Any]) -> bool:
        """Whether values are of a record's class, and so is everything inside."""
        if _kinds(values) != {kind}:
            return False
        found = self._inside.get(kind)
        if found is None:
            described = self.known[kind]["record"]
            found = self._inside[kind] = [
                found_in
                for name, each in zip(self._fields(kind), described)
                if (found_in := inside(name, each[1]))[1] or found_in[2] not in SCALARS
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
            elif leaf not in SCALARS and (column := list(column)) and not self.right(leaf, column):
                return False
        return True

    def _fields(self, kind: str) -> list[str]:
        return [each.name for each in fields(self.classes[kind])]

    def _enum(self, kind: str) -> str:
        name = f"E{kind.replace('.', '_')}"
        if not hasattr(self.module, name):
            # A class of no kind that msgspec knows, so it asks what to make of a member, with `made[member]`: that is a
            # member of an enum of texts, which it writes as the text. What is no index fails, or is found by `right`.
            made: Any = type(name, (), {})
            members = {f"m{index}": each for index, each in enumerate(self.known[kind]["enum"])}
            texts = _Enum(name, members, type=made)
            made.__class_getitem__ = tuple(texts).__getitem__
            setattr(self.module, name, made)
        return name

    def _scalar(self, kind: str) -> str:
        return "Finite" if kind == "Double" else super()._scalar(kind)


def _kinds(values: Iterable[Any]) -> set[str]:
    """What generated values say that they are."""
    classes: set[Any] = set(map(type, values))
    return {each.WIRE_KIND for each in classes}
