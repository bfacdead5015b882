"""`persist`: the decorator and all that it can be told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bascule.workers.persist.commoncache import Place
from bascule.workers.persist.lifetimes import Span
from bascule.workers.persist.options import checked_options
from bascule.workers.persist.persisted import Persisted
from bascule.workers.persist.places import open_place


def persist(
    func: Any = None,
    cache: Any = "file://persist/",
    funcname: str | None = None,
    key: Callable[..., Any] | None = None,
    storekey: bool = False,
    pickle: Callable[[Any], Any] | None = None,
    unpickle: Callable[[Any], Any] | None = None,
    hash: Callable[[Any], Any] | None = None,
    unhash: Callable[[str], Any] | None = None,
    metadata: Callable[[], Any] | None = None,
    verbosity: int = 1,
    *,
    version: object = None,
    ttl: Span = None,
    stale_while_revalidate: Span = None,
    max_entries: int | None = None,
    max_bytes: int | None = None,
    eviction: str = "least-recently-used",
    exceptions: Any = False,
    serializer: str | None = None,
    compress: str | None = None,
    mmap: bool = False,
) -> Any:
    """Remember a function's results on disk, in a database or on a server. With or without arguments.

    The decorated function computes each result once, whoever asks for it: this process or another, now or next year,
    in one thread or in many at the same time. It has `.cache` (the results as a mapping), `.clear()` and
    `.statistics`.

    Args:
        func: The function.
        cache: Where: a URL (see `places.KNOWN`), a folder's name, or a `Place`. Relative to the folder of this moment.
        funcname: What the results are kept under. The function's name when not said, with something behind it where
            another function has that name already.
        key: From the arguments of a call to its key; calls with equal keys share a result. When not said: the tuple of
            (name, value) pairs, without those that equal their defaults.
        storekey: Whether keys are stored too: the cache can then be iterated, and hash collisions are noticed.
        pickle: From a result to text or bytes, in the place of base64 of a pickle.
        unpickle: And back.
        hash: From a key to the name of its entry; a digest when not said.
        unhash: And back: the cache can then be iterated.
        metadata: Called when a result is stored; its text is kept beside it.
        verbosity: 0: nothing is said; 1: warnings; 2: what is computed; 3: what is found, too.
        version: Changes when results are to be renewed. When not said, the function's own code decides.
        ttl: How long a result is good: seconds, a timedelta, or text such as "1d".
        stale_while_revalidate: How long after that it may still be given, while it is computed anew in the background.
        max_entries: How many results are kept.
        max_bytes: How many bytes of results are kept.
        eviction: Which go first: "least-recently-used", "oldest" or "largest".
        exceptions: Which exceptions are remembered and raised again: True for all, or classes.
        serializer: "pickle", "packed" (values only, no code), "json" (likewise, readable by others).
        compress: "zlib", "zstd" or "auto": results of a kilobyte or more, if it makes them smaller.
        mmap: Whether arrays are mapped from the file on a hit, read-only, rather than copied.

    Raises:
        UnknownStore: The URL names no known store (a KeyError).
        ValueError: Options contradict each other.
    """
    place = cache if isinstance(cache, Place) else open_place(cache)
    options = checked_options(
        cache=place,
        funcname=funcname,
        key=key,
        storekey=storekey,
        pickle=pickle,
        unpickle=unpickle,
        hash=hash,
        unhash=unhash,
        metadata=metadata,
        verbosity=verbosity,
        version=version,
        ttl=ttl,
        stale_while_revalidate=stale_while_revalidate,
        max_entries=max_entries,
        max_bytes=max_bytes,
        eviction=eviction,
        exceptions=exceptions,
        serializer=serializer,
        compress=compress,
        mmap=mmap,
    )

    def decorate(function: Any) -> Any:
        if isinstance(function, (classmethod, staticmethod)):
            return type(function)(Persisted(function.__func__, options))
        if not callable(function):
            raise TypeError(f"persist decorates functions, this is {function!r}")
        return Persisted(function, options)

    return decorate if func is None else decorate(func)
