"""The decorated function: a callable that looks up before it computes.

`Persisted` stands for plain functions, coroutine functions, generators and asynchronous generators alike (see
`decorated`). A hit takes the short way through `__call__`: key, name, look. Everything else (who computes, who waits)
is in `flights`; what is stored and what may be given, in `shelf`.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

from bascule.workers.persist.canonical import Uncacheable
from bascule.workers.persist.commoncache import warn
from bascule.workers.persist.decorated import Decorated, Kind, instance_key
from bascule.workers.persist.driving import run, run_async
from bascule.workers.persist.event_loops import loop_here
from bascule.workers.persist.flights import computing
from bascule.workers.persist.mapping import Cache, CacheWithKeys
from bascule.workers.persist.options import Options
from bascule.workers.persist.preprocessing import BadCall, Binder
from bascule.workers.persist.recordings import Ways
from bascule.workers.persist.replay import FLAG, recorded, recorded_async, replayed, replayed_async
from bascule.workers.persist.shelf import Found, Shelf
from bascule.workers.persist.statistics import Statistics


class Persisted(Decorated):
    """A function whose results are remembered. It keeps the function's name, docstring and signature."""

    def __init__(self, function: Callable[..., Any], options: Options) -> None:
        super().__init__(function)
        self._options = options
        self._binder = None if options.key is not None else Binder(function)
        self._shelf: Shelf | None = None
        self._opening = threading.Lock()
        self._refreshing: set[str] = set()
        self._is_talkative = options.verbosity > 2
        self._is_plain = self._kind is Kind.PLAIN
        self.statistics = Statistics()

    def __repr__(self) -> str:
        return f"<persisted {self._function!r}>"

    @property
    def cache(self) -> Cache:
        """The stored results as a mapping."""
        shelf = self.shelf
        return (CacheWithKeys if self._options.storekey or self._options.unhash else Cache)(shelf)

    def clear(self) -> None:
        """Remove all stored results."""
        self.shelf.store.clear()

    @property
    def shelf(self) -> Shelf:
        """Where the results stand; opened when first needed."""
        shelf = self._shelf
        if shelf is None:
            with self._opening:
                shelf = self._shelf
                if shelf is None:
                    shelf = self._shelf = Shelf(self._function, self._options, self.statistics)
        return shelf

    # ---- Calling ----------------------------------------------------------------------------------------------------

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """The function's result, found or computed."""
        shelf = self._shelf or self.shelf
        try:
            binder = self._binder
            key = self.key(*args, **kwargs) if binder is None or self._is_method else binder.key(args, kwargs)
            name = shelf.name(key)
        except BadCall:
            return self._function(*args, **kwargs)  # its own TypeError
        except Uncacheable as problem:
            if self._options.verbosity > 0:
                warn(f"{shelf.function_name}: this call is computed and not remembered: {problem}")
            return self._function(*args, **kwargs)
        if self._is_plain:
            found = shelf.look(name, key)
            if found is None:
                return self._compute(name, key, args, kwargs)
            if found[1]:
                self._refresh(name, key, args, kwargs)
            if self._is_talkative:
                print(f"{shelf.function_name}: found {name}")
            return found[0]
        return _OTHER_KINDS[self._kind](self, name, key, args, kwargs)

    def key(self, /, *args: Any, **kwargs: Any) -> Any:
        """The key of a call."""
        if self._options.key is not None:
            return self._options.key(*args, **kwargs)
        assert self._binder is not None
        if self._is_method and args:
            args = (instance_key(args[0]), *args[1:])
        return self._binder.key(args, kwargs)

    def _compute(self, name: str, key: Any, args: Any, kwargs: Any) -> Any:
        return run(self._steps(name, key), lambda: self._run(name, args, kwargs))

    def _run(self, name: str, args: Any, kwargs: Any) -> Any:
        if self._options.verbosity > 1:
            print(f"{self.shelf.function_name}: computing {name}")
        return self._function(*args, **kwargs)

    def _steps(self, name: str, key: Any, *, fresh: bool = False) -> Any:
        shelf = self.shelf

        def keep(value: Any, error: BaseException | None, seconds: float) -> None:
            shelf.keep(name, key, value, error, seconds)

        look = self._looking(name, key, fresh=fresh)
        return computing((*shelf.identity, name), look, lambda: shelf.lock(name), keep)

    def _looking(self, name: str, key: Any, *, fresh: bool) -> Callable[[], Found | None]:
        shelf = self.shelf

        def look() -> Found | None:
            found = shelf.look(name, key)
            return None if found is not None and found[1] and fresh else found

        return look

    def _refresh(self, name: str, key: Any, args: Any, kwargs: Any) -> None:
        """Compute a stale result anew, beside the caller who has been given the old one."""
        self._in_background(
            name, lambda: run(self._steps(name, key, fresh=True), lambda: self._run(name, args, kwargs))
        )

    def _in_background(self, name: str, compute: Callable[[], Any]) -> None:
        if name in self._refreshing:
            return
        self._refreshing.add(name)

        def refresh() -> None:
            try:
                compute()
            except Exception as error:
                self._refresh_failed(error)
            finally:
                self._refreshing.discard(name)

        threading.Thread(target=refresh, name="bascule-persist-refresh", daemon=True).start()

    def _refresh_failed(self, error: Exception) -> None:
        if self._options.verbosity > 0:
            warn(f"{self.shelf.function_name}: a stale result could not be computed anew: {error!r}")

    # ---- The other kinds --------------------------------------------------------------------------------------------

    async def _call_coroutine(self, name: str, key: Any, args: Any, kwargs: Any) -> Any:
        found = self.shelf.look(name, key)
        if found is None:
            return await run_async(self._steps(name, key), lambda: self._function(*args, **kwargs))
        if found[1]:
            self._refresh_in_task(name, key, args, kwargs)
        return found[0]

    def _refresh_in_task(self, name: str, key: Any, args: Any, kwargs: Any) -> None:
        self._in_task(
            name, lambda: run_async(self._steps(name, key, fresh=True), lambda: self._function(*args, **kwargs))
        )

    def _in_task(self, name: str, compute: Callable[[], Awaitable[Any]]) -> None:
        if name in self._refreshing:
            return
        self._refreshing.add(name)

        async def refresh() -> None:
            try:
                await compute()
            except Exception as error:
                self._refresh_failed(error)
            finally:
                self._refreshing.discard(name)

        loop_here().start(refresh)

    def _call_generator(self, name: str, key: Any, args: Any, kwargs: Any) -> Iterator[Any]:
        found = self.shelf.look(name, key)
        if found is None:
            return recorded(self._ways(name, key), lambda: self._function(*args, **kwargs))
        if found[1]:
            self._record_anew(name, key, args, kwargs)
        return replayed(found[0])

    def _record_anew(self, name: str, key: Any, args: Any, kwargs: Any) -> None:
        ways = self._ways(name, key, fresh=True)

        def consume() -> None:
            for _ in recorded(ways, lambda: self._function(*args, **kwargs)):
                pass

        self._in_background(name, consume)

    def _call_async_generator(self, name: str, key: Any, args: Any, kwargs: Any) -> AsyncIterator[Any]:
        found = self.shelf.look(name, key)
        if found is None:
            return recorded_async(self._ways(name, key), lambda: self._function(*args, **kwargs))
        if found[1]:
            self._record_anew_in_task(name, key, args, kwargs)
        return replayed_async(found[0])

    def _record_anew_in_task(self, name: str, key: Any, args: Any, kwargs: Any) -> None:
        ways = self._ways(name, key, fresh=True)

        async def consume() -> None:
            async for _ in recorded_async(ways, lambda: self._function(*args, **kwargs)):
                pass

        self._in_task(name, consume)

    def _ways(self, name: str, key: Any, *, fresh: bool = False) -> Ways:
        shelf = self.shelf
        return Ways(
            (*shelf.identity, name),
            self._looking(name, key, fresh=fresh),
            lambda: shelf.lock(name),
            lambda record, seconds: shelf.keep(name, key, record, None, seconds, FLAG),
            lambda: self.statistics.hit(0.0, 0),
        )


_OTHER_KINDS: dict[Kind, Callable[..., Any]] = {
    Kind.COROUTINE: Persisted._call_coroutine,
    Kind.GENERATOR: Persisted._call_generator,
    Kind.ASYNC_GENERATOR: Persisted._call_async_generator,
}
