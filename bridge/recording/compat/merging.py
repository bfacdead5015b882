"""Whole APIs, joined as python-record-api does it: `record combine --strict-compat`, and the lines of `record infer`.

What it gets wrong is wrong here too: a class that comes without a constructor takes away the one that was there, so the
order of what is joined matters, and joining an API with itself doubles the counts.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bascule.bridge.recording.compat.joining import Told, unify
from bascule.bridge.recording.compat.signing import add_counts, closed, join_signature, opened, same_content
from bascule.bridge.recording.reading import InputError, read_api

_MODULE = ("function_overloads", "functions", "classes", "properties")
_CLASS = (
    *("constructor_overloads", "constructor", "method_overloads", "methods"),
    *("classmethod_overloads", "classmethods", "properties", "classproperties"),
)


class Merged:
    """An API that others are joined into."""

    def __init__(self) -> None:
        self._modules: dict[str, Told] = {}

    def join(self, told: Told) -> None:
        """Take in what an api.json says; what is no API raises `KeyError`, `TypeError` or their like."""
        new = {name: _open_module(module) for name, module in told.get("modules", {}).items()}
        _update(self._modules, new, _join_module)
        for name, module in self._modules.items():
            if name in new:
                for each in [each for each in module["properties"] if f"{name}.{each}" in self._modules]:
                    del module["properties"][each]
            else:
                for each in [each for each in new if each.startswith(f"{name}.")]:
                    module["properties"].pop(each[len(name) + 1 :], None)

    def to_json(self) -> Told:
        """As api.json has it, everything where it was first met."""
        modules = {name: _close_module(module) for name, module in self._modules.items()}
        return {"modules": modules} if modules else {}


def combine(paths: list[Path]) -> Told:
    """The APIs of some files, joined in this order.

    Raises:
        InputError: A file can't be read or is no API.
    """
    merged = Merged()
    for path in paths:
        told = read_api(path)
        try:
            merged.join(told)
        except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
            raise InputError(f"{path}: it is no API: {type(error).__name__}: {error}") from None
    return merged.to_json()


# ---- Joining -------------------------------------------------------------------------------------------------------


def _update(mine: Told, theirs: Told, join: Callable[[Any, Any], Any]) -> None:
    for name, each in theirs.items():
        mine[name] = join(mine[name], each) if name in mine else each


def _absorb(into: Told, source: Told, join: Callable[[Any, Any], Any]) -> None:
    """What has the same name in both goes into the first."""
    for name in [name for name in source if name in into]:
        into[name] = join(into[name], source.pop(name))


def _join_module(mine: Told, theirs: Told) -> Told:
    _update(mine["properties"], theirs["properties"], _join_attribute)
    _update(mine["functions"], theirs["functions"], _join_whole)
    _absorb(mine["functions"], mine["properties"], _first)
    _update(mine["function_overloads"], theirs["function_overloads"], _join_overloads)
    _update(mine["classes"], theirs["classes"], _join_class)
    _absorb(mine["classes"], mine["properties"], _first)
    _absorb(mine["classes"], mine["functions"], _construct)
    _absorb(mine["classes"], mine["function_overloads"], _construct_overloads)
    return mine


def _join_class(mine: Told, theirs: Told) -> Told:
    _construct(mine, theirs["constructor"])
    _join_overloads(mine["constructor_overloads"], theirs["constructor_overloads"])
    _update(mine["properties"], theirs["properties"], _join_attribute)
    _update(mine["classproperties"], theirs["classproperties"], _join_attribute)
    _absorb(mine["classproperties"], mine["properties"], _join_attribute)
    _update(mine["methods"], theirs["methods"], _join_whole)
    _absorb(mine["methods"], mine["properties"], _first)
    _update(mine["method_overloads"], theirs["method_overloads"], _join_overloads)
    _update(mine["classmethods"], theirs["classmethods"], _join_whole)
    _absorb(mine["classmethods"], mine["methods"], _join_whole)
    _absorb(mine["classmethod_overloads"], mine["method_overloads"], _join_overloads)
    _update(mine["classmethod_overloads"], theirs["classmethod_overloads"], _join_overloads)
    _absorb(mine["classmethods"], mine["classproperties"], _first)
    return mine


def _construct(of: Told, constructor: Told | None) -> Told:
    if of["constructor"] and constructor:
        join_signature(of["constructor"], constructor)
    else:
        of["constructor"] = constructor  # even when there is none
    return of


def _construct_overloads(of: Told, overloads: list[Told]) -> Told:
    _join_overloads(of["constructor_overloads"], overloads)
    return of


def _join_overloads(mine: list[Told], theirs: list[Told]) -> list[Told]:
    for new in theirs:
        known = next((each for each in mine if same_content(each, new)), None)
        if known is None:
            mine.append(new)
        else:
            add_counts(known["metadata"], new["metadata"])
    return mine


def _join_whole(mine: Told, theirs: Told) -> Told:
    join_signature(mine, theirs)
    return mine


def _join_attribute(mine: list[Any], theirs: list[Any]) -> list[Any]:
    add_counts(mine[0], theirs[0])
    return [mine[0], unify((mine[1], theirs[1]))]


def _first(mine: Any, _: Any) -> Any:
    return mine


# ---- api.json ------------------------------------------------------------------------------------------------------


def _open_functions(made: Told, told: Told, one: str, many: str) -> None:
    made[many] = {name: opened(each) for name, each in told.get(many, {}).items()}
    overloads = told.get(f"{one}_overloads")
    made[f"{one}_overloads"] = (
        {name: [opened(each) for each in several] for name, several in overloads.items()}
        if overloads
        else {name: [opened(each)] for name, each in told.get(many, {}).items()}
    )


def _open_attributes(told: Told) -> Told:
    return {name: [dict(usage), of] for name, (usage, of) in told.items()}


def _open_module(told: Told) -> Told:
    made: Told = {
        "classes": {name: _open_class(each) for name, each in told.get("classes", {}).items()},
        "properties": _open_attributes(told.get("properties", {})),
    }
    _open_functions(made, told, "function", "functions")
    return made


def _open_class(told: Told) -> Told:
    constructor = told.get("constructor")
    overloads = told.get("constructor_overloads") or ([constructor] if constructor else [])
    made: Told = {
        "constructor": opened(constructor) if constructor else None,
        "constructor_overloads": [opened(each) for each in overloads],
        "properties": _open_attributes(told.get("properties", {})),
        "classproperties": _open_attributes(told.get("classproperties", {})),
    }
    _open_functions(made, told, "method", "methods")
    _open_functions(made, told, "classmethod", "classmethods")
    return made


def _close_functions(made: Told) -> Told:
    """The same with each signature closed."""
    told = dict(made)
    for name, each in made.items():
        if name == "constructor":
            told[name] = closed(each) if each else None
        elif name == "constructor_overloads":
            told[name] = [closed(one) for one in each]
        elif name.endswith("_overloads"):
            told[name] = {function: [closed(one) for one in several] for function, several in each.items()}
        elif name in ("functions", "methods", "classmethods"):
            told[name] = {function: closed(one) for function, one in each.items()}
    return told


def _close_module(module: Told) -> Told:
    told = _close_functions(module)
    told["classes"] = {name: _close_class(each) for name, each in module["classes"].items()}
    return {field: told[field] for field in _MODULE if told[field]}


def _close_class(of: Told) -> Told:
    told = _close_functions(of)
    return {field: told[field] for field in _CLASS if told[field]}
