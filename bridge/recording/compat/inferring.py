"""`record infer --strict-compat`: grouped lines -> what python-record-api makes of them.

Each line is inferred by itself, with the losses of the old tool: what was bound to `*args` and `**kwargs` is told as
the keys or values of its own notation, results are gone. The APIs of all lines are then joined its way, in their order.

Only operators with two sides look at the modules that were asked for; whatever else was called is taken, wherever it
is. Of builtins the old tool knows `iter` and the three about attributes.

A list, tuple, slice or dict keeps its order there, which our types don't, and a method as a value is any function. So
it is replaced by an invented class before inferring, and put back, as the old tool would tell it, afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bascule.bridge.recording.apis import API
from bascule.bridge.recording.compat.joining import Told, typed, unify
from bascule.bridge.recording.compat.merging import Merged
from bascule.bridge.recording.infer import BINARY, COMPARE, IN_PLACE, Inferring, take_rows
from bascule.bridge.recording.reading import Damage
from bascule.bridge.recording.signatures import Signature
from bascule.bridge.recording.types import Named, Type, Which

_INVENTED = "_strict_compat"
_OWN_NOTATION = ("tuple", "dict", "slice", "function")
_BUILTINS = frozenset(("iter", "getattr", "setattr", "delattr"))
_UNKNOWN_OPERATORS = frozenset(("delitem", "concat", "truth"))
_TWO_SIDED = frozenset((*BINARY, *IN_PLACE, *COMPARE))


class _AsBefore(Inferring):
    """What the old tool makes of one call."""

    _two_sided = False

    def _wants(self, module: str) -> bool:
        return bool(module) and (not self._two_sided or super()._wants(module))

    def _called(self, function: Any, signature: Signature) -> None:
        if isinstance(function, dict) and function.get("t") == "method_descriptor":
            self._described(str(function["v"]["name"]), signature)
        else:
            super()._called(function, signature)

    def _described(self, name: str, signature: Signature) -> None:
        """A method by its descriptor: of the class that the first argument has, whoever defines it."""
        first = signature.parameters.get("_0")
        if first is None:
            return
        owner = Named("named", "numpy", "ufunc") if _is_ufunc(first.type) else first.type
        if isinstance(owner, Named) and owner.module:
            self._method(owner, name, signature, of_first=True)

    def _operator(self, name: str, signature: Signature) -> None:
        if name in _UNKNOWN_OPERATORS:
            return
        self._two_sided = name in _TWO_SIDED
        super()._operator(name, signature)
        self._two_sided = False

    def _builtin(self, name: str, signature: Signature) -> None:
        if name in _BUILTINS:
            super()._builtin(name, signature)


def _is_ufunc(of: Type) -> bool:
    return isinstance(of, Which) and of.kind == "numpy.ufunc"


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
    take_rows(inputs, damage, progress, lambda row: merged.join(_of_row(row, label, modules)))
    return merged.to_json()


def _of_row(row: Told, label: str, modules: tuple[str, ...]) -> Told:
    types: list[Told] = []

    def hide(value: Any) -> Any:
        if not isinstance(value, list) and not (isinstance(value, dict) and value.get("t") in _OWN_NOTATION):
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
    inferring = _AsBefore(label, modules)
    inferring.take(hidden)
    keywords = list(bound.get("kw_only", ()) if bound is not None else (params or {}).get("kwargs", ()))
    found: Told = _put_back(_as_met(inferring.api.to_json(), inferring.api), types, keywords)
    return found


def _as_met(told: Told, api: API) -> Told:
    """The modules and classes in the order in which the call named them, without the invented ones."""
    modules = told.get("modules", {})
    for name, module in modules.items():
        if "classes" in module:
            module["classes"] = {each: module["classes"][each] for each in api.modules[name].classes}
    return {"modules": {name: modules[name] for name in api.modules if name in modules and name != _INVENTED}}


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


def _put_back(told: Any, types: list[Told], keywords: list[str]) -> Any:
    if isinstance(told, list):
        return [_put_back(each, types, keywords) for each in told]
    if not isinstance(told, dict):
        return told
    named = told.get("type")
    if isinstance(named, dict) and named.get("module") == _INVENTED:
        return types[int(named["name"][1:])]
    back = {name: _put_back(each, types, keywords) for name, each in told.items()}
    if "kw_only_required" in back:
        given = back["kw_only_required"]
        back["kw_only_required"] = {name: given[name] for name in keywords if name in given}
    return back
