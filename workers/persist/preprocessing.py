"""From the arguments of a call to its key: calls that mean the same have the same key.

A key is a tuple of (name, value) pairs in the order of the names. Positional arguments get their names, an argument
equal to its default is left out, further positional ones stand together under "*name". So `foo(1, 4)`, `foo(1, y=4)`
and `foo(y=4, x=1, z=DEFAULT)` share one key, and a person can read it.

Two values are the same here when they are of one type and of one content: 1, 1.0 and True are three values, 0.0 and
-0.0 are two. Binding by `inspect.Signature` would cost more than the look-up it prepares, so `Binder` reads the
signature once and keeps a plan for each number of positional arguments.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bascule.workers.persist.canonical import Uncacheable, encode

Key = tuple[Any, ...]

_EMPTY = inspect.Parameter.empty
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_COMPARED_BY_EQUALITY = frozenset((int, str, bytes, bool, type(None)))


class BadCall(Exception):
    """These arguments do not fit the function; only the function itself can say it in its own words."""


class Binder:
    """Makes the keys of one function.

    Args:
        function: A callable; one whose signature is unknown takes whatever it is given.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        try:
            parameters = list(inspect.signature(function).parameters.values())
        except (TypeError, ValueError):
            parameters = [
                inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL),
                inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD),
            ]
        self._positional = [each.name for each in parameters if each.kind in _POSITIONAL]
        self._by_position_only = {each.name for each in parameters if each.kind is inspect.Parameter.POSITIONAL_ONLY}
        named = [each for each in parameters if each.kind in (*_POSITIONAL, inspect.Parameter.KEYWORD_ONLY)]
        self._names = {each.name for each in named}
        self._required = {each.name for each in named if each.default is _EMPTY}
        self._defaults = {each.name: each.default for each in named if each.default is not _EMPTY}
        self._rest = next((each.name for each in parameters if each.kind is inspect.Parameter.VAR_POSITIONAL), None)
        self._takes_more_names = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters)
        self._plans: dict[int, list[tuple[str, int, Any]]] = {}
        for count in range(len(self._positional) + 1):
            given = self._positional[:count]
            if self._required <= set(given):
                plan = [(name, index, self._defaults.get(name, _EMPTY)) for index, name in enumerate(given)]
                self._plans[count] = sorted(plan, key=_name)

    def key(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Key:
        """The key of a call.

        Raises:
            BadCall: The function does not take these arguments.
        """
        if not kwargs:
            plan = self._plans.get(len(args))
            if plan is not None:
                if len(plan) == 1 and plan[0][2] is _EMPTY:
                    return ((plan[0][0], args[0]),)
                return tuple(
                    [
                        (name, args[index])
                        for name, index, default in plan
                        if default is _EMPTY or not same(args[index], default)
                    ]
                )
        return self._any_key(args, kwargs)

    def _any_key(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Key:
        positional = self._positional
        rest = tuple(args[len(positional) :])
        if rest and self._rest is None:
            raise BadCall
        values: dict[str, Any] = dict(zip(positional, args))
        for name, value in kwargs.items():
            if name in self._names and name not in self._by_position_only:
                if name in values:
                    raise BadCall
                values[name] = value
            elif self._takes_more_names:
                # One that is called like a parameter that has no name for callers is another thing.
                values["**" + name if name in self._by_position_only else name] = value
            else:
                raise BadCall
        if not self._required <= values.keys():
            raise BadCall
        defaults = self._defaults
        pairs = [
            (name, value) for name, value in values.items() if name not in defaults or not same(value, defaults[name])
        ]
        if rest:
            pairs.append((f"*{self._rest}", rest))
        pairs.sort(key=_name)
        return tuple(pairs)


def arg_tuple(func: Callable[..., Any], *args: Any, **kwargs: Any) -> Key:
    """The default key of the call `func(*args, **kwargs)`.

    Raises:
        TypeError: The function does not take these arguments; the error is the function's own.
    """
    try:
        return Binder(func).key(args, kwargs)
    except BadCall:
        func(*args, **kwargs)  # raises
        raise TypeError(f"{func!r} takes other arguments than its signature says") from None


def same(value: Any, other: Any) -> bool:
    """Whether two values are of one type and one content."""
    if value is other:
        return True
    kind = type(value)
    if kind is not type(other):
        return False
    if kind in _COMPARED_BY_EQUALITY:
        return bool(value == other)
    try:
        return encode(value) == encode(other)
    except Uncacheable:
        return False


def _name(pair: tuple[Any, ...]) -> str:
    return str(pair[0])
