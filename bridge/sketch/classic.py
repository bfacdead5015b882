"""The landscape in the shape that Py.Laagu's README shows, key for key.

    [{"name": ..., "type": "function", "args": [{"name": ..., "type": ...}], "returns": ...}]

An argument without an annotation has no `type`, a function without one has `returns: null`. Arguments are all that have
a name of their own; `*rest` and `**more` have no place in this shape, nor have classes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bascule.bridge.sketch.model import Alias, Function, Member, Parameter, ParameterKind

_VARIADIC = (ParameterKind.VAR_POSITIONAL, ParameterKind.VAR_KEYWORD)


def classic(members: Iterable[Member]) -> list[dict[str, Any]]:
    """The functions among the members."""
    found = []
    for member in members:
        meant = member.meant if isinstance(member, Alias) else member
        if isinstance(meant, Function):
            found.append({**classic_function(meant), "name": member.name})
    return found


def classic_function(function: Function) -> dict[str, Any]:
    """One function; of a method, `self` is an argument too."""
    args = [_argument(one) for one in function.parameters or () if one.kind not in _VARIADIC]
    return {"name": function.name, "type": "function", "args": args, "returns": function.returns}


def _argument(parameter: Parameter) -> dict[str, str]:
    named = {"name": parameter.name}
    return named if parameter.annotation is None else {**named, "type": parameter.annotation}
