"""Types of an api.json, joined as python-record-api does it: what results depends on the order of what is joined.

The last one given is looked at first, and options stand as they were found; ours (`recording/types.py`) sorts them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from bascule.bridge.recording.reading_types import of_value
from bascule.bridge.recording.types import to_json

Told = dict[str, Any]

BOTTOM: Told = {"type": "bottom"}
MOST_OPTIONS = MOST_TEXTS = MOST_ITEMS = 5
_FUNCTION: Told = {"type": "function"}


def typed(value: Any) -> Told:
    """The type of a value as a trace tells it.

    Raises:
        TypeFormatError: It is none.
    """
    if isinstance(value, list):
        return {"type": "list", "item": unify(map(typed, value))}
    if isinstance(value, dict) and isinstance(value.get("v"), list):
        if value.get("t") == "tuple":
            return {"type": "tuple", "items": [typed(each) for each in value["v"]] or {"type": "None"}}
        if value.get("t") == "dict" and not value["v"]:
            return {"type": "dict", "key": {"type": "object"}, "value": {"type": "object"}}
        if value.get("t") == "dict":
            keys, values = ([typed(pair[at]) for pair in value["v"]] for at in (0, 1))
            return {"type": "dict", "key": unify(keys), "value": unify(values)}
    if isinstance(value, dict) and value.get("t") == "slice":
        return {"type": "slice", **{part: typed(value["v"][part]) for part in ("start", "stop", "step")}}
    told = to_json(of_value(value))
    return _FUNCTION if told["type"] == "method_no_self" else told


def unify(types: Iterable[Told]) -> Told:
    """The least type above all."""
    waiting = list(types)
    kinds: dict[str, dict[str, Told]] = {}
    while waiting:
        each = waiting.pop()
        kind = each["type"]
        if kind == "object":
            return {"type": "object"}
        if kind == "union":
            waiting += each["options"]
        elif kind != "bottom":
            group = kind if isinstance(kind, str) else "named"
            kinds.setdefault(group, {})[_key(each)] = each
    options: dict[str, Told] = {}
    for group, found in kinds.items():
        alike = list(found.values())
        for each in alike if group == "named" else [_JOINED.get(group, _same_or_any)(alike)]:
            options[_key(each)] = each
    if not options:
        return BOTTOM
    if len(options) > MOST_OPTIONS:
        return {"type": "object"}
    whole = list(options.values())
    return whole[0] if len(whole) == 1 else {"type": "union", "options": whole}


def _key(of: Told) -> str:
    return json.dumps(of, sort_keys=True)


def _texts(alike: list[Told]) -> Told:
    options: dict[str, None] = {}
    for each in alike:
        if not each.get("options"):
            return {"type": "str"}
        options.update(dict.fromkeys(each["options"]))
        if len(options) > MOST_TEXTS:
            return {"type": "str"}
    return {"type": "str", "options": list(options)}


def _tuples(alike: list[Told]) -> Told:
    rows = [each["items"] for each in alike]
    lengths = {len(row) if isinstance(row, list) else None for row in rows}
    (length,) = lengths if len(lengths) == 1 else (None,)
    if length is not None and length <= MOST_ITEMS:
        return {"type": "tuple", "items": [unify(column) for column in zip(*rows, strict=True)]}
    single = [item for row in rows for item in (row if isinstance(row, list) else [row])]
    return {"type": "tuple", "items": unify(single)}


def _part_by_part(kind: str, *parts: str) -> Callable[[list[Told]], Told]:
    return lambda alike: {"type": kind, **{part: unify(each[part] for each in alike) for part in parts}}


def _same_or_any(alike: list[Told]) -> Told:
    """A certain module, class or ufunc, or any; of functions and methods that differ, any function."""
    if len(alike) == 1:
        return alike[0]
    kind = alike[0]["type"]
    return {"type": kind} if kind in ("module", "type", "numpy.ufunc", "None") else _FUNCTION


_JOINED: dict[str, Callable[[list[Told]], Told]] = {
    "str": _texts,
    "tuple": _tuples,
    "list": _part_by_part("list", "item"),
    "dict": _part_by_part("dict", "key", "value"),
    "slice": _part_by_part("slice", "start", "stop", "step"),
}
