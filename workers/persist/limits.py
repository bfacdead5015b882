"""How many results are kept, and which go first.

Counting a store means listing it, so that is done seldom: at the first put, and then whenever as many puts as would
fill what was free have been made here. A large store is then emptied a little below its limits, to have peace for a
while; a small one is kept exactly.
"""

from __future__ import annotations

import enum
import heapq
import threading
from collections.abc import Callable
from dataclasses import dataclass

from bascule.workers.persist.commoncache import Store
from bascule.workers.persist.entries import Listed

_EXACT = 100  # entries up to which a limit is kept exactly


class Eviction(enum.Enum):
    """Which results go first where there is no room for all."""

    LEAST_RECENTLY_USED = "least-recently-used"
    OLDEST = "oldest"
    LARGEST = "largest"


_ORDERS: dict[Eviction, Callable[[Listed], float]] = {
    Eviction.LEAST_RECENTLY_USED: lambda listed: listed.used,
    Eviction.OLDEST: lambda listed: listed.created,
    Eviction.LARGEST: lambda listed: -listed.size,
}


@dataclass(frozen=True)
class Limits:
    """What one function may keep."""

    entries: int | None = None
    size: int | None = None  # bytes of all results together
    eviction: Eviction = Eviction.LEAST_RECENTLY_USED

    def over(self, entries: int, size: int) -> bool:
        """Whether so much is too much."""
        return bool(
            (self.entries is not None and entries > self.entries) or (self.size is not None and size > self.size)
        )

    def aim(self) -> Limits:
        """What to shrink to once it is too much."""
        if self.entries is not None and self.entries <= _EXACT:
            return self
        return Limits(
            None if self.entries is None else self.entries - self.entries // 20,
            None if self.size is None else self.size - self.size // 20,
            self.eviction,
        )


class Keeper:
    """Keeps one store within its limits."""

    def __init__(self, store: Store, limits: Limits) -> None:
        self._store = store
        self._limits = limits
        self._mutex = threading.Lock()
        self._entries: int | None = None  # none: not counted yet
        self._size = 0

    def was_put(self, name: str, size: int) -> None:
        """An entry was stored: make room if it takes too much."""
        with self._mutex:
            if self._entries is not None:
                self._entries += 1
                self._size += size
                if not self._limits.over(self._entries, self._size):
                    return
            self._shrink(name)

    def _shrink(self, newest: str) -> None:
        limits = self._limits
        self._entries, self._size = total(self._store)
        if not limits.over(self._entries, self._size):
            return
        aim, order = limits.aim(), _ORDERS[limits.eviction]
        # The listing is not kept: of a million entries only those that go are remembered, some at a time.
        while aim.over(self._entries, self._size):
            batch = heapq.nsmallest(1000, (each for each in self._store.iterate() if each.name != newest), key=order)
            if not batch:
                return
            for listed in batch:
                if not aim.over(self._entries, self._size):
                    return
                self._store.delete(listed.name)
                self._entries -= 1
                self._size -= listed.size


def total(store: Store) -> tuple[int, int]:
    """Entries and bytes of a store."""
    entries = size = 0
    for listed in store.iterate():
        entries += 1
        size += listed.size
    return entries, size
