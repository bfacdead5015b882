"""What is known of the type of a value: a lattice.

`join` gives the least type that both of two types are. It is associative, commutative and idempotent; `BOTTOM`, of
which nothing is known yet, changes nothing, and `OBJECT` takes everything. To stay small a union of more than five
becomes `OBJECT`, more than five different texts become `str`, tuples of unequal length become one of any length; lists,
dicts and slices are joined part by part. How types are read from traces and from api.json is told in `reading_types`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

MOST_OPTIONS = 5
MOST_TEXTS = 5
MOST_ITEMS = 5


@dataclass(frozen=True, slots=True)
class Type:
    """Any type; the plain ones are instances of this."""

    kind: str

    def key(self) -> str:
        """For a stable order."""
        return _key(self)


@lru_cache(maxsize=1 << 16)
def _key(of: Type) -> str:
    return json.dumps(to_json(of), sort_keys=True)


@dataclass(frozen=True, slots=True)
class Text(Type):
    """A str: one of some texts, or any."""

    options: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Listed(Type):
    """A list."""

    item: Type


@dataclass(frozen=True, slots=True)
class Row(Type):
    """A tuple: its items, or, of any length, what each item is."""

    items: tuple[Type, ...] | Type


@dataclass(frozen=True, slots=True)
class Dict(Type):
    """A dict."""

    of: Type
    to: Type


@dataclass(frozen=True, slots=True)
class Slice(Type):
    """A slice."""

    start: Type
    stop: Type
    step: Type


@dataclass(frozen=True, slots=True)
class Named(Type):
    """An instance of a class; of a builtin one `module` is empty."""

    module: str
    name: str


@dataclass(frozen=True, slots=True)
class Which(Type):
    """A module, a class, something callable, a ufunc: which one, or, with no `said`, any."""

    said: str | None  # JSON-like text of what api.json says beside `type`
    module: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Union(Type):
    """One of several."""

    options: frozenset[Type]


BOTTOM = Type("bottom")
OBJECT = Type("object")
NONE = Type("None")
ANY_TEXT = Text("str", None)
CALLABLES = ("function", "method", "method_no_self", "classmethod", "method_descriptor")
ANY_FUNCTION = Which("function", None)


@lru_cache(maxsize=1 << 16)
def join(left: Type, right: Type) -> Type:
    """The least type above both."""
    if left == right or right is BOTTOM:
        return left
    if left is BOTTOM:
        return right
    if left is OBJECT or right is OBJECT:
        return OBJECT
    return _union([*_options(left), *_options(right)])


def join_all(types: list[Type]) -> Type:
    """The least type above all."""
    found = BOTTOM
    for each in types:
        found = join(found, each)
    return found


def _options(of: Type) -> list[Type]:
    return list(of.options) if isinstance(of, Union) else [of]


def _union(options: list[Type]) -> Type:
    groups: dict[object, Type] = {}
    for each in options:
        group = _group(each)
        groups[group] = _same_group(groups[group], each) if group in groups else each
    found = frozenset(groups.values())
    if OBJECT in found or len(found) > MOST_OPTIONS:
        return OBJECT
    return next(iter(found)) if len(found) == 1 else Union("union", found)


def _group(of: Type) -> object:
    """Types of one group are joined into one; named ones stand beside each other."""
    if isinstance(of, Named):
        return of
    return "function" if of.kind in CALLABLES else of.kind


def _same_group(left: Type, right: Type) -> Type:
    if left == right:
        return left
    if isinstance(left, Text) and isinstance(right, Text):
        if left.options is None or right.options is None:
            return ANY_TEXT
        return text_of(left.options | right.options)
    if isinstance(left, Listed) and isinstance(right, Listed):
        return Listed("list", join(left.item, right.item))
    if isinstance(left, Dict) and isinstance(right, Dict):
        return Dict("dict", join(left.of, right.of), join(left.to, right.to))
    if isinstance(left, Slice) and isinstance(right, Slice):
        parts = (join(getattr(left, part), getattr(right, part)) for part in ("start", "stop", "step"))
        return Slice("slice", *parts)
    if isinstance(left, Row) and isinstance(right, Row):
        return _rows(left, right)
    return ANY_FUNCTION if _group(left) == "function" else Which(left.kind, None)


def text_of(options: frozenset[str]) -> Text:
    """One of these texts; of many, any text."""
    return Text("str", options) if len(options) <= MOST_TEXTS else ANY_TEXT


def _rows(left: Row, right: Row) -> Row:
    if isinstance(left.items, tuple) and isinstance(right.items, tuple) and len(left.items) == len(right.items):
        return Row("tuple", tuple(map(join, left.items, right.items)))
    return Row("tuple", join(_any_item(left), _any_item(right)))


def _any_item(row: Row) -> Type:
    return join_all(list(row.items)) if isinstance(row.items, tuple) else row.items


def row(items: tuple[Type, ...]) -> Row:
    """A tuple of these items; a long one is told as one of any length."""
    return Row("tuple", items if len(items) <= MOST_ITEMS else join_all(list(items)))


def without_texts(of: Type) -> Type:
    """The same with `str` for each text: what a function gave once is no promise."""
    if isinstance(of, Text):
        return ANY_TEXT
    if isinstance(of, Listed):
        return Listed("list", without_texts(of.item))
    if isinstance(of, Dict):
        return Dict("dict", without_texts(of.of), without_texts(of.to))
    if isinstance(of, Row):
        if isinstance(of.items, tuple):
            return Row("tuple", tuple(map(without_texts, of.items)))
        return Row("tuple", without_texts(of.items))
    if isinstance(of, Union):
        return join_all([without_texts(each) for each in sorted(of.options, key=Type.key)])
    return of


def parts_of(of: Type) -> list[Type]:
    """The types that a type is made of."""
    if isinstance(of, Listed):
        return [of.item]
    if isinstance(of, Dict):
        return [of.of, of.to]
    if isinstance(of, Slice):
        return [of.start, of.stop, of.step]
    if isinstance(of, Row):
        return list(of.items) if isinstance(of.items, tuple) else [of.items]
    return list(of.options) if isinstance(of, Union) else []


@lru_cache(maxsize=1 << 12)
def named(module: str, name: str) -> Type:
    """An instance of a class; of one that can't be named, like one made inside a function, any object."""
    if not all(part.isidentifier() for part in [*module.split("."), *name.split(".")] if part) or not name:
        return OBJECT
    return Named("named", module, name)


def which(kind: str, said: dict[str, Any], module: str = "", name: str = "") -> Which:
    """A certain module, class or function."""
    return Which(kind, json.dumps(said, sort_keys=True), module, name)


def to_json(of: Type) -> dict[str, Any]:
    """What api.json says of a type."""
    if isinstance(of, Text):
        return {"type": "str"} if of.options is None else {"type": "str", "options": sorted(of.options)}
    if isinstance(of, Listed):
        return {"type": "list", "item": to_json(of.item)}
    if isinstance(of, Row):
        if isinstance(of.items, tuple):
            return {"type": "tuple", "items": [to_json(each) for each in of.items]}
        return {"type": "tuple", "items": to_json(of.items)}
    if isinstance(of, Dict):
        return {"type": "dict", "key": to_json(of.of), "value": to_json(of.to)}
    if isinstance(of, Slice):
        return {"type": "slice", **{part: to_json(getattr(of, part)) for part in ("start", "stop", "step")}}
    if isinstance(of, Named):
        return {"type": {"module": of.module, "name": of.name} if of.module else {"name": of.name}}
    if isinstance(of, Union):
        return {"type": "union", "options": [to_json(each) for each in sorted(of.options, key=Type.key)]}
    if isinstance(of, Which) and of.said is not None:
        return {"type": of.kind, **json.loads(of.said)}
    return {"type": of.kind}
