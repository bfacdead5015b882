"""`memoize`: results in memory, as the objects that they are, while the process lives."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from bascule.workers.persist.canonical import Uncacheable
from bascule.workers.persist.decorated import Decorated, Kind, instance_key, kind_of
from bascule.workers.persist.driving import run, run_async
from bascule.workers.persist.flights import computing
from bascule.workers.persist.hashing import hash as hash_of
from bascule.workers.persist.locks import Lock
from bascule.workers.persist.preprocessing import BadCall, Binder


def memoize(func: Any = None, *, maxsize: int | None = None) -> Any:
    """Remember a function's results in memory. With or without arguments.

    Unlike functools.lru_cache it takes any arguments that have a content, tells 1 from True, computes once for all
    threads that ask at the same time, and works on coroutine functions. The same object is given to everybody.

    Args:
        func: The function.
        maxsize: How many results are kept; the least recently used go first. All of them when not said.
    """
    if maxsize is not None and maxsize < 1:
        raise ValueError(f"maxsize={maxsize!r}: it must be at least 1")

    def decorate(function: Any) -> Any:
        if isinstance(function, (classmethod, staticmethod)):
            return type(function)(Memoized(function.__func__, maxsize))
        if not callable(function):
            raise TypeError(f"memoize decorates functions, this is {function!r}")
        if kind_of(function) not in (Kind.PLAIN, Kind.COROUTINE):
            raise TypeError(f"memoize can't share a generator among callers, and {function!r} gives one: use persist")
        return Memoized(function, maxsize)

    return decorate if func is None else decorate(func)


class Memoized(Decorated):
    """A function whose results are in memory."""

    def __init__(self, function: Callable[..., Any], maxsize: int | None) -> None:
        super().__init__(function)
        self._maxsize = maxsize
        self._binder = Binder(function)
        self._results: OrderedDict[str, Any] = OrderedDict()
        self._mutex = threading.Lock()

    def __repr__(self) -> str:
        return f"<memoized {self._function!r}>"

    def clear(self) -> None:
        """Forget all results."""
        with self._mutex:
            self._results.clear()

    def __len__(self) -> int:
        return len(self._results)

    def __bool__(self) -> bool:
        return True

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """The function's result, remembered or computed."""
        try:
            known = (instance_key(args[0]), *args[1:]) if self._is_method and args else args
            name = hash_of(self._binder.key(known, kwargs))
        except (BadCall, Uncacheable):
            return self._function(*args, **kwargs)
        found = self._look(name)
        if self._kind is Kind.COROUTINE:
            return self._in_coroutine(name, found, args, kwargs)
        if found is not None:
            return found[0]
        return run(self._steps(name), lambda: self._function(*args, **kwargs))

    async def _in_coroutine(self, name: str, found: tuple[Any] | None, args: Any, kwargs: Any) -> Any:
        if found is not None:
            return found[0]
        return await run_async(self._steps(name), lambda: self._function(*args, **kwargs))

    def _steps(self, name: str) -> Any:
        def keep(value: Any, error: BaseException | None, seconds: float) -> None:
            if error is None:
                with self._mutex:
                    self._results[name] = value
                    while self._maxsize is not None and len(self._results) > self._maxsize:
                        self._results.popitem(last=False)

        return computing((id(self), name), lambda: self._look(name), Lock, keep)

    def _look(self, name: str) -> tuple[Any] | None:
        with self._mutex:
            if name not in self._results:
                return None
            self._results.move_to_end(name)
            return (self._results[name],)
