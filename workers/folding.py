"""Reducing where the values are: what the clients' `reduce` calls in the workers.

A function is named, not sent; who may call this may have it call anything. A listener's policy must not allow it to
those who may not do everything.

Python's own clients carry what one round gave to the next as values, which are the same there and back. JSON and Erlang
terms tell fewer types apart (a tuple comes back as an array, text as a list of characters): there what is in between
travels pickled, from `fold_part` by `join_parts`, as many times as it takes, to `finish_parts`, and only the last
result is converted.
"""

from __future__ import annotations

from functools import reduce

from bascule.workers.names import resolve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any


def fold(function: str | bytes, items: Iterable[Any], each: str | bytes | None = None) -> Any:
    """Reduce items, which are at least one, with a function of two; `each` is applied to every item first."""
    joined: Any = _named(function)
    if each is None:
        return reduce(joined, items)
    return reduce(joined, map(_named(each), items))


def fold_part(function: str | bytes, items: Iterable[Any], each: str | bytes | None = None) -> bytes:
    """What `fold` gives, pickled."""
    return _pickled(fold(function, items, each))


def join_parts(function: str | bytes, parts: Iterable[bytes]) -> bytes:
    """Reduce what `fold_part` or this gave, into one more such part."""
    return _pickled(finish_parts(function, parts))


def finish_parts(function: str | bytes, parts: Iterable[bytes]) -> Any:
    """Reduce the last parts: the result."""
    return fold(function, _unpickled(parts))


def _named(function: str | bytes) -> Any:
    """What has that name. It comes as bytes from a node of Erlang that has its binaries so."""
    return resolve(function if isinstance(function, str) else function.decode()).value


def _pickled(value: Any) -> bytes:
    import pickle

    return pickle.dumps(value, 4)  # workers of another pool may be of another Python


def _unpickled(parts: Iterable[bytes]) -> Iterator[Any]:
    import pickle

    return map(pickle.loads, parts)
