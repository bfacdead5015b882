"""One function's results as values: between the store, which knows bytes, and the calls, which know arguments.

A `Shelf` looks up a key and decides whether what it finds may be given: its code has not changed, its time is not over,
it reads as what the function's serializer writes, its key is the one that was asked for. It stores what was computed.
Whatever is wrong with the store is warned of once and got over: the function works without it, and the store is tried
again after a while.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

from bascule.workers.persist import pickling
from bascule.workers.persist.commoncache import (
    HashCollisionError,
    NotStorable,
    Place,
    StoreUnavailable,
    warn,
)
from bascule.workers.persist.entries import Entry, Form, Listed, Stamp
from bascule.workers.persist.fingerprints import NOTHING, fingerprint, name_of, owner_of, short_digest
from bascule.workers.persist.hashing import hash as default_hash
from bascule.workers.persist.hashing import pypersist_hash
from bascule.workers.persist.lifetimes import Freshness
from bascule.workers.persist.limits import Keeper
from bascule.workers.persist.locks import Lock
from bascule.workers.persist.options import Options
from bascule.workers.persist.places import open_place
from bascule.workers.persist.serializers import Unreadable, choose
from bascule.workers.persist.statistics import Statistics

_TRY_AGAIN = 5.0  # seconds after which a place that could not be used is tried again

Found = tuple[Any, bool]
"""A value, and whether it is stale and to be computed anew."""


class Shelf:
    """The results of one function."""

    def __init__(self, function: Callable[..., Any], options: Options, statistics: Statistics) -> None:
        place = options.cache if isinstance(options.cache, Place) else open_place(options.cache)
        self.options = options
        self.statistics = statistics
        self.function_name = options.funcname
        if self.function_name is None:
            self.function_name = name_of(function)
            owner = owner_of(function)
            if not place.claim(self.function_name, owner):
                self.function_name = f"{self.function_name}-{short_digest(owner)}"
        self.store = place.store(self.function_name)
        self.store.with_keys = options.storekey
        self.store.mapped = options.mmap
        self.identity = (place.identity, self.function_name)
        # Now, and not when it is first needed: reading the source takes its time, and then a lock would be held.
        self._fingerprint = fingerprint(function, options.version)
        dump, load = options.pickle, options.unpickle
        if dump is not None or load is not None:
            dump, load = dump or pickling.pickle, load or pickling.unpickle
        self._serializer = choose(
            name=options.serializer,
            dump=dump,
            load=load,
            compress=options.compress,
            mapped=options.mmap,
            text=place.text,
        )
        if options.exceptions and not self._serializer.keeps_errors:
            raise ValueError("exceptions= stores exceptions as pickles: it can't be given beside another serializer")
        self._lifetime = options.lifetime if options.lifetime.ttl is not None else None
        self._keeper = Keeper(self.store, options.limits) if options.limits is not None else None
        self.name: Callable[[Any], str] = default_hash if options.hash is None else self._own_name
        """What a key's result is kept under."""
        self._checks_keys = options.storekey or options.unhash is not None
        self._looks_twice = place.text and options.hash is None
        self._down_until = 0.0
        self._warned_of_code = False
        statistics.keep_in(self.store)

    # ---- Names and keys ---------------------------------------------------------------------------------------------

    def _own_name(self, key: Any) -> str:
        assert self.options.hash is not None
        name = self.options.hash(key)
        return name if isinstance(name, str) else str(name)

    def key_of(self, listed: Listed) -> tuple[Any] | None:
        """The key of an entry, in a tuple; None if it is not known."""
        if self.options.storekey:
            if listed.key is None:
                entry = self.store.get(listed.name)
                data = None if entry is None else entry.key
            else:
                data = listed.key
            if data is None:
                return None
            try:
                return (self._read_key(data),)
            except Unreadable:
                return None
        unhash = self.options.unhash
        return None if unhash is None else (unhash(listed.name),)

    def _write_key(self, key: Any) -> bytes:
        return pickling.pickle(key).encode("ascii")

    def _read_key(self, data: bytes) -> Any:
        text = data.decode("utf-8", "surrogateescape")
        readers = [self.options.unpickle, pickling.unpickle]
        if self.options.serializer not in (None, "pickle"):
            raise Unreadable("keys are pickles, which this function does not read")
        why: Exception | None = None
        for reader in readers:
            if reader is not None:
                try:
                    return reader(text)
                except Exception as error:  # of a reader that it was not written for
                    why = error
        raise Unreadable(f"its key: {type(why).__name__}: {why}")

    # ---- Looking up -------------------------------------------------------------------------------------------------

    def look(self, name: str, key: Any, *, is_call: bool = True) -> Found | None:
        """The value that is stored for a key, if it may be given; only a call counts as a hit.

        Raises:
            HashCollisionError: Another key has this name.
            Exception: One that the function had raised, where those are remembered.
        """
        if self._down_until and self._is_down():
            return None
        try:
            entry = self.store.get(name)
            if entry is None and self._looks_twice:
                other = pypersist_hash(key)
                if other is not None and other != name:
                    name = other
                    entry = self.store.get(name)
        except StoreUnavailable as error:
            self.trouble(error)
            return None
        if entry is None:
            return None
        try:
            return self._value(name, key, entry, is_call=is_call)
        except Unreadable as problem:
            self.store.damaged(name, problem)
            return None

    def _value(self, name: str, key: Any, entry: Entry, *, is_call: bool) -> Found | None:
        stale = False
        stamp = entry.stamp
        form = Form.TEXT
        if stamp is not None:
            form = stamp.form
            if stamp.fingerprint != self._fingerprint and stamp.fingerprint != NOTHING:
                self._code_has_changed()
                return None
            if self._lifetime is not None:
                freshness = self._lifetime.judge(stamp.created, time.time())
                if freshness is Freshness.EXPIRED:
                    return None
                stale = freshness is Freshness.STALE
        if self._checks_keys:
            self._check_key(name, key, entry)
        value = self._serializer.read(form, entry.value)
        if is_call:
            self.statistics.hit(0.0 if stamp is None else stamp.cost, len(entry.value))
        if self._keeper is not None:
            self.store.touch(name, time.time())
        if form & Form.ERROR:
            if not isinstance(value, Exception):
                raise Unreadable("it is no exception")
            raise value
        return value, stale

    def _check_key(self, name: str, key: Any, entry: Entry) -> None:
        if self.options.storekey:
            if entry.key is None:
                raise Unreadable("its key is missing")
            stored = self._read_key(entry.key)
        else:
            assert self.options.unhash is not None
            stored = self.options.unhash(name)
        if not _equal(stored, key):
            raise HashCollisionError(stored, key)

    def _code_has_changed(self) -> None:
        if not self._warned_of_code and self.options.verbosity > 0:
            self._warned_of_code = True
            warn(
                f"{self.function_name}: the code has changed since results were stored in {self.store!r}; they are "
                "computed again when they are asked for (give version= to say yourself when results are to be renewed)"
            )

    # ---- Storing ----------------------------------------------------------------------------------------------------

    def keep(self, name: str, key: Any, value: Any, error: BaseException | None, cost: float, flags: int = 0) -> None:
        """Store what was computed; what can't be stored is warned of, and only that."""
        size = 0
        if self._is_down():
            self.statistics.miss(cost, 0)
            return
        if error is None or isinstance(error, self.options.exceptions):
            try:
                size = self._put(
                    name, key, value if error is None else error, cost, flags | (Form.ERROR if error else 0)
                )
            except NotStorable as problem:
                if self.options.verbosity > 0:
                    warn(f"{self.function_name}: a result can't be stored: {problem}")
            except StoreUnavailable as problem:
                self.trouble(problem)
        self.statistics.miss(cost, size)

    def set(self, name: str, key: Any, value: Any) -> None:
        """Store a value that somebody gives.

        Raises:
            NotStorable: It can't be written.
            StoreUnavailable: There is no place for it now.
        """
        self._put(name, key, value, 0.0, 0)

    def _put(self, name: str, key: Any, value: Any, cost: float, flags: int) -> int:
        form, data = self._serializer.write(value)
        now = time.time()
        stamp = Stamp(now, self.options.lifetime.expires(now), cost, form | flags, self._fingerprint)
        metadata = None if self.options.metadata is None else str(self.options.metadata())
        try:
            stored_key = self._write_key(key) if self.options.storekey else None
        except Exception as error:  # whatever a key's own way of being written raises
            raise NotStorable(f"its key can't be written: {error}") from error
        self.store.put(name, Entry(data, stamp, stored_key, metadata))
        self._down_until = 0.0
        if self._keeper is not None:
            self._keeper.was_put(name, len(data))
        return len(data)

    def delete(self, name: str, key: Any) -> bool:
        """Forget a result; whether there was one."""
        there = self.store.delete(name)
        if self._looks_twice:
            other = pypersist_hash(key)
            if other is not None and other != name:
                there = self.store.delete(other) or there
        return there

    def lock(self, name: str) -> Lock | None:
        """The lock on computing a result; None while the place can't be used."""
        return None if self._is_down() else self.store.lock(name)

    def _is_down(self) -> bool:
        return time.monotonic() < self._down_until

    def trouble(self, error: StoreUnavailable) -> None:
        """The place can't be used: say so once, do without it, try again later."""
        if not self._down_until and self.options.verbosity > 0:
            warn(f"{self.function_name}: results are neither stored nor found for now: {error}")
        self._down_until = time.monotonic() + _TRY_AGAIN


def _equal(one: Any, other: Any) -> bool:
    with contextlib.suppress(Exception):  # arrays, for instance, give no single answer
        if one is other or bool(one == other):
            return True
    return default_hash(one) == default_hash(other)
