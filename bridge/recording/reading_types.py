"""Reading types: from the values that a trace tells of, and from an api.json.

Both are files that anybody may have written: what they say that is no type is a `TypeFormatError`, which says where.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from bascule.bridge.recording.types import (
    ANY_FUNCTION,
    ANY_TEXT,
    BOTTOM,
    CALLABLES,
    NONE,
    OBJECT,
    Dict,
    Listed,
    Row,
    Slice,
    Text,
    Type,
    Which,
    join_all,
    named,
    row,
    text_of,
    to_json,
    which,
)

DEEPEST = 32  # values inside each other; what lies deeper is any object


class TypeFormatError(ValueError):
    """A trace or an API says something that is no type."""


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
            return _plain(kind)
        if isinstance(what, dict) and "module" in what:
            return _class(what, depth)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise TypeFormatError(f"no value of a trace: {_short(told)}: {error}") from None
    raise TypeFormatError(f"no value of a trace: {_short(told)}")


@lru_cache(maxsize=1 << 12)
def _one_text(text: str) -> Text:
    return Text("str", frozenset((text,)))


def _plain(kind: Any) -> Type:
    if kind == "str":
        return ANY_TEXT
    if isinstance(kind, str):
        return _builtin(kind)
    module, name = _name_parts(kind)
    return named(module, name)


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
            return ANY_TEXT if options is None else text_of(frozenset(map(str, options)))
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
        if kind in (*CALLABLES, "module", "type", "numpy.ufunc"):
            return _which_from_json(kind, {name: value for name, value in told.items() if name != "type"})
    except (KeyError, TypeError, ValueError) as error:
        raise TypeFormatError(f"no type of an API: {_short(told)}: {error}") from None
    raise TypeFormatError(f"no type of an API, or of a version not known here: {_short(told)}")


def _which_from_json(kind: str, said: dict[str, Any]) -> Type:
    if not said:
        return ANY_FUNCTION if kind in CALLABLES else Which(kind, None)
    if kind in CALLABLES:
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
