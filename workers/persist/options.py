"""What `persist` was told about one function, checked when it is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bascule.workers.persist.lifetimes import FOREVER, Lifetime, Span, seconds
from bascule.workers.persist.limits import Eviction, Limits


@dataclass(frozen=True)
class Options:
    """See `persist` for what each means."""

    cache: Any = "file://persist/"
    funcname: str | None = None
    key: Callable[..., Any] | None = None
    storekey: bool = False
    pickle: Callable[[Any], Any] | None = None
    unpickle: Callable[[Any], Any] | None = None
    hash: Callable[[Any], Any] | None = None
    unhash: Callable[[str], Any] | None = None
    metadata: Callable[[], Any] | None = None
    verbosity: int = 1
    version: object = None
    lifetime: Lifetime = FOREVER
    limits: Limits | None = None
    exceptions: tuple[type[Exception], ...] = ()
    serializer: str | None = None
    compress: str | None = None
    mmap: bool = False


def checked_options(
    *,
    ttl: Span,
    stale_while_revalidate: Span,
    max_entries: int | None,
    max_bytes: int | None,
    eviction: str,
    exceptions: Any,
    **others: Any,
) -> Options:
    """The options of one function.

    Raises:
        ValueError: One of them can't be used, or two contradict each other.
        TypeError: One is of another type than it must be.
    """
    for name in ("key", "hash", "unhash", "metadata", "pickle", "unpickle"):
        if others[name] is not None and not callable(others[name]):
            raise TypeError(f"{name}= must be callable, it is {others[name]!r}")
    if others["funcname"] is not None and not isinstance(others["funcname"], str):
        raise TypeError(f"funcname= must be text, it is {others['funcname']!r}")
    stale = seconds(stale_while_revalidate, "stale_while_revalidate") or 0.0
    lifetime = Lifetime(seconds(ttl, "ttl"), stale)
    if stale and lifetime.ttl is None:
        raise ValueError("stale_while_revalidate= needs a ttl=: without one nothing ever grows stale")
    for name, number in (("max_entries", max_entries), ("max_bytes", max_bytes)):
        if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < 1):
            raise ValueError(f"{name}= must be a whole number of at least 1, it is {number!r}")
    limits: Limits | None = Limits(max_entries, max_bytes, _eviction(eviction))
    if max_entries is None and max_bytes is None:
        limits = None
    return Options(lifetime=lifetime, limits=limits, exceptions=_exceptions(exceptions), **others)


def _eviction(text: str) -> Eviction:
    try:
        return Eviction(text)
    except ValueError:
        raise ValueError(f"eviction={text!r}: there are {', '.join(each.value for each in Eviction)}") from None


def _exceptions(given: Any) -> tuple[type[Exception], ...]:
    if given is True:
        return (Exception,)
    if not given:
        return ()
    kinds = tuple(given) if isinstance(given, (list, tuple, set, frozenset)) else (given,)
    for kind in kinds:
        if not (isinstance(kind, type) and issubclass(kind, Exception)):
            raise TypeError(f"exceptions= must be True or exception classes, it has {kind!r}")
    return kinds
