"""What a bridge's cache and its workers share: results by what a call means, for clients of all formats.

A bridge that keeps a function's answers sends the calls that it has not found as KEPT: the target, a newline, and one
JSON object that says which store this is (see `bascule.bridge.caching.sharing`). Here stands what is then put around
the function. The key is made of the decoded arguments, so it is the same whatever format they came in; the result is
kept as values in msgpack, never as a pickle: who can write to the store must not run code here. What msgpack does not
carry is not kept, and computed for each format. Who computes is decided as for `persist`: one, and the others wait.

A function that remembers by itself is left alone.
"""

from __future__ import annotations

import inspect
import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from bascule.protocols import packed
from bascule.protocols.errors import LocalProtocolError, RemoteProtocolError
from bascule.workers.persist.canonical import Uncacheable
from bascule.workers.persist.commoncache import CacheWarning, Place, Store, StoreUnavailable, UnknownStore, warn
from bascule.workers.persist.decorated import Kind, kind_of
from bascule.workers.persist.driving import run, run_async
from bascule.workers.persist.entries import Entry, Form, Stamp
from bascule.workers.persist.flights import Steps, computing
from bascule.workers.persist.hashing import hash as name_of_key
from bascule.workers.persist.lifetimes import Freshness, Lifetime
from bascule.workers.persist.locks import Lock
from bascule.workers.persist.persisted import Persisted
from bascule.workers.persist.places import open_place
from bascule.workers.persist.preprocessing import BadCall, Binder

_TRY_AGAIN = 5.0  # seconds after which a store that could not be used is tried again

Tell = Callable[[float], None]
"""Told when a result was computed that was found, and is going to be given."""


class Rule(NamedTuple):
    """What the bridge says of a function."""

    store: str
    function: str
    pool: str
    version: str
    ttl: float | None
    fresh: bool  # it is computed, whatever there is


def shared(function: Callable[..., Any], target: str, tell: Tell) -> Callable[..., Any]:
    """A function that looks before it computes, as the line behind its target says."""
    rule = Rule(**json.loads(target.rpartition("\n")[2]))
    if isinstance(inspect.unwrap(function, stop=_remembers), Persisted):
        return function
    kind = kind_of(function)
    if kind in (Kind.GENERATOR, Kind.ASYNC_GENERATOR):  # its result is a handle
        return function
    try:
        place = open_place(rule.store)
    except (UnknownStore, ImportError, OSError) as error:
        warn(f"{rule.function}: its results are not shared between clients: {error}", category=CacheWarning)
        return function
    results = _Results(place, rule, tell)
    binder = Binder(function)

    def name(args: Any, kwargs: Any) -> str | None:
        try:
            return name_of_key((rule.pool, rule.version, binder.key(args, kwargs)))
        except (BadCall, Uncacheable):
            return None

    if kind is Kind.COROUTINE:

        async def remembered_coroutine(*args: Any, **kwargs: Any) -> Any:
            known_as = name(args, kwargs)
            if known_as is None:
                return await function(*args, **kwargs)
            return await run_async(results.steps(known_as), lambda: function(*args, **kwargs))

        return remembered_coroutine

    def remembered(*args: Any, **kwargs: Any) -> Any:
        known_as = name(args, kwargs)
        if known_as is None:
            return function(*args, **kwargs)
        return run(results.steps(known_as), lambda: function(*args, **kwargs))

    return remembered


def _remembers(function: Any) -> bool:
    return isinstance(function, Persisted)


class _Results:
    """One function's results in the bridge's store."""

    def __init__(self, place: Place, rule: Rule, tell: Tell) -> None:
        self._store: Store = place.store(rule.function)
        self._place = place
        self._rule = rule
        self._lifetime = Lifetime(rule.ttl)
        self._tell = tell
        self._down_until = 0.0

    def steps(self, name: str) -> Steps:
        """How this result is had (see `flights`)."""
        identity = (self._place.identity, self._rule.function, name, self._rule.fresh)
        return computing(
            identity,
            lambda: self._look(name),
            lambda: self._lock(name),
            lambda value, error, seconds: self._keep(name, value, error, seconds),
        )

    def _look(self, name: str) -> tuple[Any] | None:
        if self._rule.fresh or self._is_down():
            return None
        try:
            entry = self._store.get(name)
        except StoreUnavailable:
            self._trouble()
            return None
        if entry is None or entry.stamp is None or entry.stamp.form != Form.PACKED:
            return None
        if self._lifetime.judge(entry.stamp.created, time.time()) is not Freshness.FRESH:
            return None
        try:
            value = packed.loads(bytes(entry.value))
        except RemoteProtocolError as problem:
            self._store.damaged(name, problem)
            return None
        self._tell(entry.stamp.created)
        return (value,)

    def _lock(self, name: str) -> Lock | None:
        return None if self._is_down() else self._store.lock(name)

    def _keep(self, name: str, value: Any, error: BaseException | None, seconds: float) -> None:
        if error is not None or self._is_down():
            return
        try:
            data = packed.dumps(value)
        except (TypeError, ValueError, LocalProtocolError):
            return  # it goes out as a handle, or in each format's own way
        now = time.time()
        try:
            self._store.put(name, Entry(data, Stamp(now, self._lifetime.expires(now), seconds, Form.PACKED)))
        except StoreUnavailable:
            self._trouble()

    def _is_down(self) -> bool:
        return time.monotonic() < self._down_until

    def _trouble(self) -> None:
        """Do without the store for a while; the bridge, which uses it too, says so."""
        self._down_until = time.monotonic() + _TRY_AGAIN
