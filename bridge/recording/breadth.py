"""Which of several overloads takes more, so that a type checker finds each of them reachable.

A checker takes the first overload that fits, and calls it an error when one can never be reached. Without knowing the
classes it can't be said in general; here the narrower ones come first by a rank of their annotations, and one that
certainly takes no more than another is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import add

from bascule.bridge.recording.signatures import Signature, add_usage
from bascule.bridge.recording.types import BOTTOM, OBJECT, Dict, Listed, Named, Row, Text, Type, Union, Which

_TOWER = {"bool": 1, "int": 2, "float": 3, "complex": 4}

Overload = tuple[list[str], Signature]


def narrow_first(overloads: list[Overload], as_written: Callable[[Type], Type]) -> list[Overload]:
    """The overloads that say something of their own, in an order in which each can be reached.

    Args:
        as_written: What a stub says of a type, as a type: `OBJECT` for one that it can't name.
    """
    for _, signature in overloads:
        for parameter in signature.parameters.values():
            parameter.type = as_written(parameter.type)
    ranked = sorted(overloads, key=lambda each: (_rank(each[1]), each[0]))
    kept: list[Overload] = []
    for each in ranked:
        taker = next((other for other in kept if other[0] == each[0] or _covers(other[1], each[1])), None)
        if taker is None:
            kept.append((each[0], each[1].copy()))
        else:
            add_usage(taker[1].usage, each[1].usage, add)
            taker[1].raises |= each[1].raises
    return kept


def _rank(of: Signature) -> float:
    total = sum(_breadth(each.type) for each in of.parameters.values())
    total += 50 * sum(name not in of.required for name in of.parameters)
    return total + 1000 * (of.var_pos is not None) + 1000 * (of.var_kw is not None)


def _breadth(of: Type) -> float:
    if of is OBJECT or of is BOTTOM:
        return 500
    if isinstance(of, Text):
        return 1 if of.options is not None else 2
    if isinstance(of, Union):
        return 1 + sum(_breadth(each) for each in of.options)
    if isinstance(of, Named) and not of.module:
        return _TOWER.get(of.name, 5)
    if isinstance(of, Listed):
        return 3 + _breadth(of.item)
    if isinstance(of, Dict):
        return 3 + _breadth(of.of) + _breadth(of.to)
    if isinstance(of, Row):
        return 3 + (sum(map(_breadth, of.items)) if isinstance(of.items, tuple) else 5 + _breadth(of.items))
    return 400 if isinstance(of, Which) and of.said is None else 100


def _covers(wide: Signature, narrow: Signature) -> bool:
    """Whether the first takes every call that the second takes."""
    if not wide.required <= narrow.required:
        return False
    for left, right in ((wide.var_pos, narrow.var_pos), (wide.var_kw, narrow.var_kw)):
        if right is not None and (left is None or not _takes(left[1], right[1])):
            return False
    leaves_open = wide.var_pos is not None or wide.var_kw is not None
    if not leaves_open and not narrow.parameters.keys() <= wide.parameters.keys():
        return False
    shared = narrow.parameters.keys() & wide.parameters.keys()
    return all(_takes(wide.parameters[name].type, narrow.parameters[name].type) for name in shared)


def _takes(wide: Type, narrow: Type) -> bool:
    if wide == narrow or wide is OBJECT or wide is BOTTOM or narrow is BOTTOM:
        return True
    if isinstance(narrow, Union):
        return all(_takes(wide, each) for each in narrow.options)
    if isinstance(wide, Union):
        return any(_takes(each, narrow) for each in wide.options)
    if isinstance(wide, Text) and isinstance(narrow, Text):
        return wide.options is None or (narrow.options is not None and narrow.options <= wide.options)
    if isinstance(wide, Named) and isinstance(narrow, Named) and not (wide.module or narrow.module):
        return wide.name in _TOWER and _TOWER.get(narrow.name, 9) <= _TOWER[wide.name]
    if isinstance(wide, Listed) and isinstance(narrow, Listed):
        return _takes(wide.item, narrow.item)
    if isinstance(wide, Dict) and isinstance(narrow, Dict):
        return _takes(wide.of, narrow.of) and _takes(wide.to, narrow.to)
    if isinstance(wide, Row) and isinstance(narrow, Row):
        return _takes_row(wide, narrow)
    return isinstance(wide, Which) and isinstance(narrow, Which)


def _takes_row(wide: Row, narrow: Row) -> bool:
    if isinstance(wide.items, tuple):
        return (
            isinstance(narrow.items, tuple)
            and len(wide.items) == len(narrow.items)
            and all(map(_takes, wide.items, narrow.items))
        )
    items = narrow.items if isinstance(narrow.items, tuple) else (narrow.items,)
    return all(_takes(wide.items, each) for each in items)
