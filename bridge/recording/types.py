"""What is known of the type of a value: a lattice.

`join` gives the least type that both of two types are. It is associative, commutative and idempotent; `BOTTOM`, of
which nothing is known yet, changes nothing, and `OBJECT` takes everything. To stay small a union of more than five
becomes `OBJECT`, more than five different texts become `str`, tuples of unequal length become one of any length; lists,
dicts and slices are joined part by part.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

MOST_OPTIONS = 5
MOST_TEXTS = 5
MOST_ITEMS = 5
DEEPEST = 32


class TypeFormatError(ValueError):
    """A trace or an API says something that is no type."""


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
_CALLABLES = ("function", "method", "method_no_self", "classmethod", "method_descriptor")
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
    return "function" if of.kind in _CALLABLES else of.kind


def _same_group(left: Type, right: Type) -> Type:
    if left == right:
        return left
    if isinstance(left, Text) and isinstance(right, Text):
        if left.options is None or right.options is None:
            return ANY_TEXT
        return _text(left.options | right.options)
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


def _text(options: frozenset[str]) -> Text:
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


# ---- From the trace ------------------------------------------------------------------------------------------------


def of_value(told: Any, depth: int = 0) -> Type:
    """The type of a value as a trace tells it.

    Raises:
        TypeFormatError: It is none.
    """
    if depth > DEEPEST:
        return OBJECT
    if told is None:
        return NONE
    if isinstance(told, str):
        return _one_text(told)
    if isinstance(told, list):
        return Listed("list", join_all([of_value(each, depth + 1) for each in told]))
    if not isinstance(told, dict) or "t" not in told:
        raise TypeFormatError(f"no value of a trace: {_short(told)}")
    kind, what = told["t"], told.get("v")
    if len(told) == 1 and type(kind) is str:  # as most are
        return ANY_TEXT if kind == "str" else _builtin(kind)
    try:
        if "v" not in told:
            return _plain(kind)
        reader = _READERS.get(kind) if isinstance(kind, str) else None
        if reader is not None:
            made: Type = reader(what, depth)
            return made
        if kind == {"module": "numpy", "name": "ufunc"}:
            return which("numpy.ufunc", {"name": what}, "numpy", "ufunc")
        if kind == {"module": "numpy.ma.core", "name": "_convert2ma"}:
            return _function(what if isinstance(what, dict) else {"module": "numpy.ma", "name": what}, depth)
        if isinstance(what, str) or (isinstance(what, dict) and "dtype" in what):
            return _metaclass_or_plain(kind, what)
        if isinstance(what, dict) and "module" in what:
            return _class(what, depth)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise TypeFormatError(f"no value of a trace: {_short(told)}: {error}") from None
    raise TypeFormatError(f"no value of a trace: {_short(told)}")


@lru_cache(maxsize=1 << 12)
def _one_text(text: str) -> Text:
    return Text("str", frozenset((text,)))


def _metaclass_or_plain(kind: Any, what: Any) -> Type:
    return _plain(kind)


def _plain(kind: Any) -> Type:
    if kind == "str":
        return ANY_TEXT
    if isinstance(kind, str):
        return _builtin(kind)
    module, name = _name_parts(kind)
    return named(module, name)


@lru_cache(maxsize=1 << 12)
def named(module: str, name: str) -> Type:
    """An instance of a class; of one that can't be named, like one made inside a function, any object."""
    if not all(part.isidentifier() for part in [*module.split("."), *name.split(".")] if part) or not name:
        return OBJECT
    return Named("named", module, name)


@lru_cache(maxsize=1 << 12)
def _builtin(name: str) -> Type:
    if name == "NoneType":
        return NONE
    if name in ("function", "module", "type", "method"):
        return Which(name, None) if name != "method" else ANY_FUNCTION
    if name == "builtin_function_or_method":
        return ANY_FUNCTION
    if name in ("list", "tuple", "dict", "slice"):
        return _OF_ANYTHING[name]
    return named("", name)


_OF_ANYTHING: dict[str, Type] = {
    "list": Listed("list", OBJECT),
    "tuple": Row("tuple", OBJECT),
    "dict": Dict("dict", OBJECT, OBJECT),
    "slice": Slice("slice", OBJECT, OBJECT, OBJECT),
}


def _name_parts(told: Any) -> tuple[str, str]:
    if isinstance(told, str):
        return "", told
    module, name = told.get("module") or "", told["name"]
    if not isinstance(module, str) or not isinstance(name, str):
        raise TypeFormatError(f"no name: {_short(told)}")
    return module, name


def _name(told: Any) -> dict[str, str]:
    module, name = _name_parts(told)
    return {"module": module, "name": name} if module else {"name": name}


def which(kind: str, said: dict[str, Any], module: str = "", name: str = "") -> Which:
    """A certain module, class or function."""
    return Which(kind, json.dumps(said, sort_keys=True), module, name)


def _function(what: Any, depth: int) -> Type:
    if isinstance(what, dict) and "self" in what:
        return _method(what, depth)
    module, name = _name_parts(what)
    if "<" in name:
        return ANY_FUNCTION
    if "." in name:
        owner, _, method = name.rpartition(".")
        return which("method_no_self", {"class_": _name({"module": module, "name": owner}), "name": method})
    return which("function", {"name": _name(what)})


def _method(what: Any, depth: int) -> Type:
    owner = of_value(what["self"], depth + 1)
    return which("method", {"name": str(what["name"]), "self": to_json(owner)})


def _class(what: Any, depth: int) -> Type:
    module, name = _name_parts(what)
    if named(module, name) is OBJECT:
        return Which("type", None)
    return which("type", {"name": _name(what)}, module, name)


def _dict(what: Any, depth: int) -> Type:
    of, to = (join_all([of_value(pair[at], depth + 1) for pair in what]) for at in (0, 1))
    return Dict("dict", of, to)


_READERS: dict[str, Any] = {
    "tuple": lambda what, depth: row(tuple(of_value(each, depth + 1) for each in what)),
    "dict": _dict,
    "slice": lambda what, depth: Slice(
        "slice", *(of_value(what[part], depth + 1) for part in ("start", "stop", "step"))
    ),
    "module": lambda what, depth: which("module", {"name": str(what)}, str(what)),
    "type": _class,
    "function": _function,
    "builtin_function_or_method": _function,
    "method": _method,
    "method-wrapper": _method,
    "method_descriptor": lambda what, depth: which("method_descriptor", {"name": str(what["name"])}),
    "wrapper_descriptor": lambda what, depth: which("method_descriptor", {"name": str(what["name"])}),
    "classmethod_descriptor": lambda what, depth: which("method_descriptor", {"name": str(what["name"])}),
}


# ---- As api.json has it --------------------------------------------------------------------------------------------


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


def from_json(told: Any, depth: int = 0) -> Type:
    """A type as api.json has it.

    Raises:
        TypeFormatError: It is none.
    """
    if depth > DEEPEST:
        return OBJECT
    if not isinstance(told, dict) or "type" not in told:
        raise TypeFormatError(f"no type of an API: {_short(told)}")
    kind = told["type"]
    try:
        if isinstance(kind, dict):
            return named(kind.get("module") or "", kind["name"])
        if kind in ("bottom", "object", "None"):
            return BOTTOM if kind == "bottom" else OBJECT if kind == "object" else NONE
        if kind == "str":
            options = told.get("options")
            return ANY_TEXT if options is None else _text(frozenset(map(str, options)))
        if kind == "list":
            return Listed("list", from_json(told["item"], depth + 1))
        if kind == "tuple":
            items = told["items"]
            if isinstance(items, list):
                return row(tuple(from_json(each, depth + 1) for each in items))
            return Row("tuple", from_json(items, depth + 1))
        if kind == "dict":
            return Dict("dict", from_json(told["key"], depth + 1), from_json(told["value"], depth + 1))
        if kind == "slice":
            return Slice("slice", *(from_json(told[part], depth + 1) for part in ("start", "stop", "step")))
        if kind == "union":
            return join_all([from_json(each, depth + 1) for each in told["options"]])
        if kind in (*_CALLABLES, "module", "type", "numpy.ufunc"):
            return _which_from_json(kind, {name: value for name, value in told.items() if name != "type"})
    except (KeyError, TypeError, ValueError) as error:
        raise TypeFormatError(f"no type of an API: {_short(told)}: {error}") from None
    raise TypeFormatError(f"no type of an API, or of a version not known here: {_short(told)}")


def _which_from_json(kind: str, said: dict[str, Any]) -> Type:
    if not said:
        return ANY_FUNCTION if kind in _CALLABLES else Which(kind, None)
    if kind in _CALLABLES:
        return which(kind, said)
    name = said["name"]
    if kind == "numpy.ufunc":
        return which(kind, said, "numpy", "ufunc")
    if kind == "module":
        return which(kind, said, str(name))
    return _class(name, 0)


def _short(told: Any) -> str:
    text = repr(told)
    return text if len(text) <= 80 else text[:77] + "..."
