"""Reducing where the values are: the combined targets `fold(...)` and its like (see `bascule.protocols.calls`).

The functions stand in the call's target, never among its arguments: so whoever may call `operator:add` may reduce with
it, and with nothing else.

Python's own clients carry what one round gave to the next as values, which are the same there and back. JSON and Erlang
terms tell fewer types apart (a tuple comes back as an array, text as a list of characters): there what is in between
travels pickled, from `fold_part` by `join_parts`, as many times as it takes, to `finish_parts`, and only the last
result is converted. To unpickle is to run what the pickle says, so a part is signed, and only those that workers of the
same bridge have made are read. Whoever may call `pickle:loads` can do without: a part is a pickle with its signature
behind, so `fold(operator:add,pickle:loads)` reads parts of any bridge.
"""

from __future__ import annotations

from functools import reduce

from bascule.protocols.calls import names_in
from bascule.protocols.errors import ErrorKind
from bascule.workers import secret
from bascule.workers.errors import CallFailed
from bascule.workers.names import not_found, resolve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

_SIGNATURE = 32  # bytes


def combined(target: str) -> Callable[[Iterable[Any]], Any]:
    """The function that a combined target stands for. The names in it are looked up each time that it is called.

    Raises:
        CallFailed: There is no such combination, or it takes not so many names.
    """
    what, names = names_in(target)
    if what not in _COMBINATIONS:
        raise not_found(f"nothing is combined by {what!r}: there is {', '.join(_COMBINATIONS)}")
    work, most = _COMBINATIONS[what]
    if len(names) > most:
        raise CallFailed(ErrorKind.BAD_ARGUMENTS, f"{what} combines {most} functions at most, not {len(names)}")

    def run(items: Iterable[Any], /) -> Any:
        return work(items, *[resolve(name).value for name in names])

    return run


def fold(items: Iterable[Any], function: Any, each: Any = None) -> Any:
    """Reduce items, which are at least one, with a function of two; `each` is applied to every item first."""
    return reduce(function, items if each is None else map(each, items))


def fold_part(items: Iterable[Any], function: Any, each: Any = None) -> bytes:
    """What `fold` gives, pickled and signed."""
    return _signed(fold(items, function, each))


def join_parts(parts: Iterable[Any], function: Any) -> bytes:
    """Reduce what `fold_part` or this gave, into one more such part."""
    return _signed(finish_parts(parts, function))


def finish_parts(parts: Iterable[Any], function: Any) -> Any:
    """Reduce the last parts: the result."""
    return fold(_read(parts), function)


_COMBINATIONS: dict[str, tuple[Callable[..., Any], int]] = {
    "fold": (fold, 2),
    "fold_part": (fold_part, 2),
    "join_parts": (join_parts, 1),
    "finish_parts": (finish_parts, 1),
}
"""By their names, with the most names that they take."""


def _signed(value: Any) -> bytes:
    import pickle

    pickled = pickle.dumps(value, 4)  # workers of another pool may be of another Python
    return pickled + _signature(pickled)


def _read(parts: Iterable[Any]) -> Iterator[Any]:
    import hmac
    import pickle

    for part in parts:
        if not isinstance(part, bytes) or not hmac.compare_digest(_signature(part[:-_SIGNATURE]), part[-_SIGNATURE:]):
            message = "a part of a reduction was not made by a worker of this bridge: it is not read"
            raise CallFailed(ErrorKind.BAD_ARGUMENTS, message)
        yield pickle.loads(part)


def _signature(pickled: bytes) -> bytes:
    import hmac

    return hmac.digest(secret.key, pickled, "sha256")
