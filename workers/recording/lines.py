"""One use -> its line of the trace: the place, the function, and the arguments by the parameters they went to."""

from __future__ import annotations

import json
import operator
import types

from .binding import bind, parameters_of
from .values import Encoder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

as_json = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


def line_of(
    encoder: Encoder, location: str | None, function: object, args: Sequence[object], kwargs: dict[str, object]
) -> str:
    """The line, without its newline; without a place where that is not known yet."""
    parts: dict[str, object] = {} if location is None else {"location": location}
    parts["function"] = encoder.encode(function)
    parts.update(given(encoder, function, args, kwargs))
    return as_json(parts)


def given(encoder: Encoder, function: object, args: Sequence[object], kwargs: dict[str, object]) -> dict[str, object]:
    """What the line says of the arguments: `bound_params` where they can be bound, else `params`."""
    encode = encoder.encode
    names = _POSITIONAL.get(id(function))
    bound: dict[str, Any] | None = None
    if names is not None and len(args) <= len(names):
        bound = {"pos_only": [list(pair) for pair in zip(names, args)]}
    else:
        takes = parameters_of(function, encoder.matcher)
        if takes is not None:
            bound = bind(takes, args, kwargs)
    if bound is not None:
        return {"bound_params": {name: _told_part(name, part, encode) for name, part in bound.items()}}
    params: dict[str, object] = {}
    if args:
        params["args"] = [encode(value) for value in args]
    if kwargs:
        params["kwargs"] = {str(name): encode(value) for name, value in kwargs.items()}
    return {"params": params}


def _told_part(name: str, part: Any, encode: Callable[[object], object]) -> object:
    if name in ("pos_only", "pos_or_kw"):
        return [[key, encode(value)] for key, value in part]
    if name == "var_pos":
        return [part[0], encode(tuple(part[1]))]
    if name == "var_kw":
        return [part[0], {key: encode(value) for key, value in part[1].items()}]
    return {key: encode(value) for key, value in part.items()}


def _positional() -> dict[int, tuple[str, ...]]:
    functions = [each for each in vars(operator).values() if type(each) is types.BuiltinFunctionType]
    names: dict[int, tuple[str, ...]] = {id(function): ("a", "b", "c") for function in functions}
    return {**names, id(setattr): ("obj", "name", "value"), id(delattr): ("obj", "name")}


_POSITIONAL = _positional()
"""Functions behind operators, and what all Pythons call their parameters."""
