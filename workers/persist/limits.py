"""How many results are kept, and which go first.

Counting a store means listing it, so that is done seldom: at the first put, and then whenever as many puts as would
fill what was free have been made here. A large store is then emptied a little below its limits, to have peace for a
while; a small one is kept exactly.
"""

from __future__ import annotations

import enum
import threading
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bascule.workers.persist.commoncache import Store
from bascule.workers.persist.entries import Listed

_EXACT = 100  # entries up to which a limit is kept exactly
BATCH = 20_000  # entries that are removed together


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
        doomed = []
        for listed in self._first_to_go(limits.aim(), _ORDERS[limits.eviction], newest):
            self._entries -= 1
            self._size -= listed.size
            doomed.append(listed.name)
            if len(doomed) >= BATCH:
                self._store.delete_many(doomed)
                doomed = []
        self._store.delete_many(doomed)

    def _first_to_go(self, aim: Limits, order: Callable[[Listed], float], newest: str) -> Iterator[Listed]:
        """The entries that must go. The store is listed twice: of each of a million two numbers are kept, not more."""
        places, sizes = array("d"), array("q")
        entries = size = 0
        for listed in self._store.iterate():
            entries += 1
            size += listed.size
            if listed.name != newest:
                places.append(order(listed))
                sizes.append(listed.size)
        last, of_last = float("-inf"), 0  # the place in the order up to which they go, and how many of that very place
        for index in sorted(range(len(places)), key=places.__getitem__):
            if not aim.over(entries, size):
                break
            of_last = of_last + 1 if places[index] == last else 1
            last = places[index]
            entries -= 1
            size -= sizes[index]
        for listed in self._store.iterate():
            place = order(listed)
            if listed.name == newest or place > last:
                continue
            if place == last:
                of_last -= 1
                if of_last < 0:
                    continue
            yield listed


def total(store: Store) -> tuple[int, int]:
    """Entries and bytes of a store."""
    entries = size = 0
    for listed in store.iterate():
        entries += 1
        size += listed.size
    return entries, size
