"""Reducing where the values are: what `Client.reduce` calls in the workers.

A function is named, not sent; who may call this may have it call anything. A listener's policy must not allow it to
those who may not do everything.
"""

from __future__ import annotations

from functools import reduce

from bascule.workers.names import resolve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


def fold(function: str, items: Iterable[Any], each: str | None = None) -> Any:
    """Reduce items, which are at least one, with a function of two; `each` is applied to every item first."""
    joined: Any = resolve(function).value
    if each is None:
        return reduce(joined, items)
    prepare: Any = resolve(each).value
    return reduce(joined, map(prepare, items))
