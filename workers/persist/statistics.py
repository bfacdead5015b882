"""Hits, misses, what they saved: counted here, added to what the store keeps now and then and at the end.

Counts are no results: what a killed process had not handed in is lost.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import time
import weakref
from typing import TYPE_CHECKING

from bascule.workers.persist.commoncache import StoreUnavailable

if TYPE_CHECKING:
    from bascule.workers.persist.commoncache import Store

_EVERY = 5.0  # seconds between two hand-ins, at the least

NAMES = ("hits", "misses", "saved_seconds", "spent_seconds", "read_bytes", "written_bytes")


class Statistics:
    """The counts of one function in this process.

    Attributes:
        hits: Calls that were answered from the store.
        misses: Calls that were computed.
        saved_seconds: What computing the hits had taken once.
        spent_seconds: What computing the misses took.
        read_bytes: Bytes of results read.
        written_bytes: Bytes of results written.
    """

    __slots__ = ("__weakref__", "_handed_in", "_mutex", "_next", "_store", *NAMES)

    def __init__(self) -> None:
        self.hits = 0
        self.misses = 0
        self.saved_seconds = 0.0
        self.spent_seconds = 0.0
        self.read_bytes = 0
        self.written_bytes = 0
        self._mutex = threading.Lock()
        self._handed_in = dict.fromkeys(NAMES, 0.0)
        self._next = time.monotonic() + _EVERY
        self._store: Store | None = None
        _all.add(self)

    def __repr__(self) -> str:
        return f"Statistics({', '.join(f'{name}={getattr(self, name)!r}' for name in NAMES)})"

    def hit(self, seconds: float, size: int) -> None:
        """A call was answered from the store."""
        # Without the mutex, which would cost more than counting: a thread is not interrupted between these lines.
        self.hits += 1
        self.saved_seconds += seconds
        self.read_bytes += size

    def miss(self, seconds: float, size: int) -> None:
        """A call was computed, and so many bytes were stored."""
        with self._mutex:
            self.misses += 1
            self.spent_seconds += seconds
            self.written_bytes += size
        if time.monotonic() >= self._next:
            self.hand_in()

    def keep_in(self, store: Store) -> None:
        """Hand the counts in there from now on."""
        self._store = store

    def hand_in(self) -> None:
        """Add what was counted since the last time to the store's own counts."""
        with self._mutex:
            self._next = time.monotonic() + _EVERY
            new = {name: getattr(self, name) - self._handed_in[name] for name in NAMES}
            for name in NAMES:
                self._handed_in[name] += new[name]
        if self._store is not None and any(new.values()):
            with contextlib.suppress(StoreUnavailable):  # no count is worth a warning
                self._store.add_statistics(new)

    def _forked(self) -> None:
        self._mutex = threading.Lock()
        self._handed_in = {name: getattr(self, name) for name in NAMES}


_all: weakref.WeakSet[Statistics] = weakref.WeakSet()


def hand_in_all() -> None:
    """Hand in what every function has counted."""
    for each in list(_all):
        each.hand_in()


def _forked() -> None:
    for each in list(_all):
        each._forked()


atexit.register(hand_in_all)
os.register_at_fork(after_in_child=_forked)
