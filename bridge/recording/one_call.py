"""One grouped line's call, as a signature: what was given, how often, and what came of it.

A line tells a call in one of two ways: bound to the function's parameters by name, or, where the function tells no
signature, by position (`_0`, `_1`, ...) and keyword.
"""

from __future__ import annotations

from typing import Any

from bascule.bridge.recording.reading_types import TypeFormatError, of_value
from bascule.bridge.recording.signatures import Signature
from bascule.bridge.recording.types import Named, Type, Which, join_all, without_texts

_KEYS = frozenset(("function", "params", "bound_params", "n", "returns", "awaited", "raises"))


def read_call(row: dict[str, Any], label: str) -> Signature:
    """The call that a grouped line tells of, counted under `label`.

    Raises:
        TypeFormatError: It is none. (Also any error that comes of reading what is not there.)
    """
    if not row.keys() <= _KEYS:
        unknown = ", ".join(sorted(row.keys() - _KEYS))
        raise TypeFormatError(f"of a version not known here: it says {unknown}")
    count = row.get("n")
    if not isinstance(count, int):
        raise TypeFormatError("it has no `n`: count it first, with `record counts`")
    bound, params = row.get("bound_params"), row.get("params")
    signature = _bound(bound) if bound is not None else _unbound(params if params is not None else {})
    signature.usage[f"usage.{label}"] = count
    given = row.get("returns")
    if given is not None:
        signature.returns = join_all([without_texts(of_value(each)) for each in given])
    for each in row.get("raises", ()):
        kind = each["t"]
        signature.raises.add(("", kind) if isinstance(kind, str) else (kind["module"], kind["name"]))
    return signature


def arguments(signature: Signature) -> list[Type]:
    """What was given by position, in order."""
    names = signature.ordered("pos_only") + signature.ordered("pos_or_kw")
    given = [signature.parameters[name].type for name in names]
    return [*given, signature.var_pos[1]] if signature.var_pos else given


def take_self(signature: Signature, owner: Named) -> bool:
    """Remove the first parameter when it is the instance; whether it was."""
    names = signature.ordered("pos_only") or signature.ordered("pos_or_kw")
    if not names:
        return False
    first = names[0]
    of = signature.parameters[first].type
    is_instance = isinstance(of, Named) and of.name == owner.name and of.module == owner.module
    if not is_instance and first not in ("self", "_0", "instance"):
        return False
    if first == "_0" and not is_instance and not isinstance(of, Named | Which):
        return False
    rest = names[1:]
    del signature.parameters[first]
    signature.required.discard(first)
    signature.before = {pair for pair in signature.before if first not in pair}
    if first == "_0":
        moved = {name: f"_{int(name[1:]) - 1}" for name in rest if name[1:].isdigit()}
        signature.parameters = {moved.get(name, name): each for name, each in signature.parameters.items()}
        signature.required = {moved.get(name, name) for name in signature.required}
        signature.before = {(moved.get(one, one), moved.get(two, two)) for one, two in signature.before}
    return True


def _bound(told: dict[str, Any]) -> Signature:
    var_pos, var_kw = told.get("var_pos"), told.get("var_kw")
    return Signature.of_call(
        [(str(name), of_value(value)) for name, value in told.get("pos_only", ())],
        [(str(name), of_value(value)) for name, value in told.get("pos_or_kw", ())],
        {str(name): of_value(value) for name, value in told.get("kw_only", {}).items()},
        None if var_pos is None else (str(var_pos[0]), join_all([of_value(each) for each in _items(var_pos[1])])),
        None if var_kw is None else (str(var_kw[0]), join_all([of_value(each) for each in _values(var_kw[1])])),
    )


def _items(told: Any) -> list[Any]:
    """Those of `*args`: a list, or a tuple as the trace tells one."""
    return told["v"] if isinstance(told, dict) else told  # type: ignore[no-any-return]


def _values(told: dict[str, Any]) -> list[Any]:
    """Those of `**kwargs`: by their names, or as python-record-api tells any dict."""
    if told.get("t") == "dict" and isinstance(told.get("v"), list):
        return [value for _, value in told["v"]]
    return list(told.values())


def _unbound(told: dict[str, Any]) -> Signature:
    return Signature.of_call(
        [(f"_{index}", of_value(value)) for index, value in enumerate(told.get("args", ()))],
        kw_only={str(name): of_value(value) for name, value in told.get("kwargs", {}).items()},
    )
