"""Stores behind a thread of their own: the router asks, goes on, and is told later.

The thread looks up and stores one after the other. A store that can't be used is logged once, and tried again after a
while; until then nothing is found, and everything is computed.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from bascule.bridge.caching.policy import Rule
from bascule.protocols.envelope import Codec, Kind
from bascule.workers.persist.commoncache import Store, StoreUnavailable, UnknownStore
from bascule.workers.persist.entries import Entry, Form, Stamp
from bascule.workers.persist.lifetimes import Freshness
from bascule.workers.persist.places import open_place

_REPLY, _ERROR = int(Kind.REPLY), int(Kind.ERROR)
_TRY_AGAIN = 5.0  # seconds
_COUNTS_EVERY = 5.0  # seconds between two additions to a store's counts
_log = logging.getLogger("bascule.cache")

Answer = tuple[int, bytes, float]
"""Kind, payload, and until when (of the clock, 0: for ever) it holds."""


class Shelves:
    """The stores of all rules."""

    def __init__(self) -> None:
        self._orders: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._stores: dict[tuple[str, str], Store] = {}
        self._down_until: dict[str, float] = {}
        self._counts: dict[tuple[str, str], dict[str, float]] = {}
        self._counted_at = time.monotonic()
        self._thread: threading.Thread | None = None

    def look(self, rule: Rule, target: str, name: str, tell: Callable[[Answer | None], None]) -> None:
        """Have `tell` called, in the thread of the stores, with what is kept under a name."""

        def order() -> None:
            answer = None
            try:
                answer = self._look(rule, target, name)
            finally:
                tell(answer)

        self._order(order)

    def keep(
        self,
        rule: Rule,
        target: str,
        name: str,
        kind: int,
        codec: int,
        payload: bytes,
        seconds: float,
        created: float,
    ) -> None:
        """Keep an answer that was computed at that time, in so many seconds."""
        form = Form.RAW | (Form.ERROR if kind == _ERROR else 0)
        stamp = Stamp(created, rule.lifetime.expires(created), seconds, form)
        entry = Entry(payload, stamp, metadata=Codec(codec).name)
        self._order(lambda: self._keep(rule, target, name, entry))

    def count(self, rule: Rule, target: str, what: str) -> None:
        """One more hit or miss, for the store's own counts."""
        counts = self._counts.setdefault((rule.store, target), {})
        counts[what] = counts.get(what, 0) + 1
        if time.monotonic() - self._counted_at > _COUNTS_EVERY:
            self._counted_at = time.monotonic()
            self._order(self._hand_in)

    def close(self) -> None:
        """Finish what was ordered, and end."""
        if self._thread is not None:
            self._order(self._hand_in)
            self._orders.put(None)
            self._thread.join(timeout=10)
            self._thread = None

    def _order(self, order: Callable[[], None]) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="bascule-cache", daemon=True)
            self._thread.start()
        self._orders.put(order)

    def _run(self) -> None:
        while (order := self._orders.get()) is not None:
            try:
                order()
            except Exception:  # the router waits for nobody here, but the next order must be carried out
                _log.exception("an answer could not be looked up or kept")

    def _store(self, rule: Rule, target: str) -> Store | None:
        """Where a target's answers are; None while that place can't be used."""
        if time.monotonic() < self._down_until.get(rule.store, 0.0):
            return None
        store = self._stores.get((rule.store, target))
        if store is None:
            try:
                store = self._stores[rule.store, target] = open_place(rule.store).store(target)
            except (UnknownStore, ImportError, OSError) as error:
                self._trouble(rule.store, error)
        return store

    def _look(self, rule: Rule, target: str, name: str) -> Answer | None:
        store = self._store(rule, target)
        if store is None:
            return None
        try:
            entry = store.get(name)
        except StoreUnavailable as error:
            self._trouble(rule.store, error)
            return None
        if entry is None or entry.stamp is None or entry.stamp.form & Form.KIND != Form.RAW:
            return None
        if rule.lifetime.judge(entry.stamp.created, time.time()) is not Freshness.FRESH:
            return None
        kind = _ERROR if entry.stamp.form & Form.ERROR else _REPLY
        return kind, bytes(entry.value), rule.lifetime.expires(entry.stamp.created)

    def _keep(self, rule: Rule, target: str, name: str, entry: Entry) -> None:
        store = self._store(rule, target)
        if store is None:
            return
        try:
            store.put(name, entry)
        except StoreUnavailable as error:
            self._trouble(rule.store, error)

    def _hand_in(self) -> None:
        counts, self._counts = self._counts, {}
        for (url, target), numbers in counts.items():
            store: Any = self._stores.get((url, target))
            if store is not None:
                with contextlib.suppress(StoreUnavailable):
                    store.add_statistics(numbers)

    def _trouble(self, url: str, error: Exception) -> None:
        if url not in self._down_until:
            _log.warning("answers are neither found nor kept for now: %s", error)
        self._down_until[url] = time.monotonic() + _TRY_AGAIN
