"""`record infer --strict-compat`: grouped lines -> what python-record-api makes of them.

Each line is inferred by itself, with the losses of the old tool: what was bound to `*args` and `**kwargs` is told as
the keys or values of its own notation, results are gone. The APIs of all lines are then joined its way, in their order.

A list, tuple or dict keeps its order there, which our types don't. So it is replaced by an invented class before
inferring, and put back, as the old tool would tell it, afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bascule.bridge.recording.compat.joining import Told, typed, unify
from bascule.bridge.recording.compat.merging import Merged
from bascule.bridge.recording.infer import Inferring
from bascule.bridge.recording.reading import Damage, read_lines
from bascule.bridge.recording.types import TypeFormatError

_INVENTED = "_strict_compat"


def infer(
    inputs: list[Path],
    label: str,
    modules: tuple[str, ...],
    damage: Damage,
    progress: Callable[[int], None] | None = None,
) -> Told:
    """The api.json that grouped lines make.

    Raises:
        InputError: An input can't be read.
    """
    merged = Merged()
    for path, number, row in read_lines(inputs, damage):
        if progress is not None and number % 10_000 == 0:
            progress(number)
        try:
            merged.join(_of_row(row, label, modules))
        except (TypeFormatError, KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
            damage.report(path, number, f"it is no grouped call: {type(error).__name__}: {error}")
    return merged.to_json()


def _of_row(row: Told, label: str, modules: tuple[str, ...]) -> Told:
    types: list[Told] = []

    def hide(value: Any) -> Any:
        if not isinstance(value, list) and not (isinstance(value, dict) and value.get("t") in ("tuple", "dict")):
            return value
        return _invent(types, typed(value))

    hidden = {name: each for name, each in row.items() if name not in ("returns", "raises")}
    bound, params = row.get("bound_params"), row.get("params")
    if bound is not None:
        hidden["bound_params"] = _bound(bound, hide, types)
    elif params is not None:
        hidden["params"] = {
            "args": [hide(value) for value in params.get("args", ())],
            "kwargs": {name: hide(value) for name, value in params.get("kwargs", {}).items()},
        }
    inferring = Inferring(label, modules)
    inferring.take(hidden)
    told = inferring.api.to_json()
    told.get("modules", {}).pop(_INVENTED, None)
    found: Told = _put_back(told, types)
    return found


def _bound(bound: Told, hide: Callable[[Any], Any], types: list[Told]) -> Told:
    told: Told = {
        role: [[name, hide(value)] for name, value in bound[role]]
        for role in ("pos_only", "pos_or_kw")
        if role in bound
    }
    told["kw_only"] = {name: hide(value) for name, value in bound.get("kw_only", {}).items()}
    if bound.get("var_pos"):
        name, values = bound["var_pos"]
        several = unify(map(typed, values))  # of `{"t": "tuple", "v": [...]}`: of "t" and of "v"
        told["var_pos"] = [name, [_invent(types, several)]]
    if bound.get("var_kw"):
        name, values = bound["var_kw"]
        told["var_kw"] = [name, {"": _invent(types, unify(map(typed, values.values())))}]
    return told


def _invent(types: list[Told], of: Told) -> Told:
    types.append(of)
    return {"t": {"module": _INVENTED, "name": f"v{len(types) - 1}"}}


def _put_back(told: Any, types: list[Told]) -> Any:
    if isinstance(told, list):
        return [_put_back(each, types) for each in told]
    if not isinstance(told, dict):
        return told
    named = told.get("type")
    if isinstance(named, dict) and named.get("module") == _INVENTED:
        return types[int(named["name"][1:])]
    return {name: _put_back(each, types) for name, each in told.items()}
