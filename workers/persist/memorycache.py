"""`memory://`: results of this process, for as long as it lives. Bytes here too: no object is shared."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

from bascule.workers.persist.commoncache import Place, Store
from bascule.workers.persist.entries import Entry, Listed
from bascule.workers.persist.locks import Lock

_PAGE = 1000


class MemoryPlace(Place):
    """A name in this process."""

    def __init__(self, name: str) -> None:
        super().__init__(f"memory://{name}", ("memory", name))
        self._stores: dict[str, MemoryStore] = {}
        self._owners: dict[str, str] = {}
        self._mutex = threading.Lock()

    def store(self, function: str) -> Store:
        with self._mutex:
            known = self._stores.get(function)
            if known is None:
                known = self._stores[function] = MemoryStore(f"{self.url}/{function}")
            return known

    def functions(self) -> Iterator[str]:
        yield from [name for name, store in list(self._stores.items()) if store.count()]

    def claim(self, function: str, owner: str) -> bool:
        return self._owners.setdefault(function, owner) == owner


class MemoryStore(Store):
    """One function's dictionary."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._entries: dict[str, Entry] = {}
        self._used: dict[str, float] = {}
        self._numbers: dict[str, float] = {}

    def __repr__(self) -> str:
        return self._title

    def get(self, name: str) -> Entry | None:
        return self._entries.get(name)

    def put(self, name: str, entry: Entry) -> None:
        self._entries[name] = entry._replace(value=bytes(entry.value))
        self._used[name] = entry.stamp.created if entry.stamp is not None else 0.0

    def delete(self, name: str) -> bool:
        self._used.pop(name, None)
        return self._entries.pop(name, None) is not None

    def iterate(self) -> Iterator[Listed]:
        names = iter(list(self._entries))
        while page := list(itertools.islice(names, _PAGE)):
            for name in page:
                entry = self._entries.get(name)
                if entry is not None:
                    created, expires = (entry.stamp.created, entry.stamp.expires) if entry.stamp else (0.0, 0.0)
                    yield Listed(name, len(entry.value), created, self._used.get(name, created), expires, entry.key)

    def lock(self, name: str) -> Lock:
        return Lock()

    def count(self) -> int:
        return len(self._entries)

    def clear(self) -> None:
        self._entries.clear()
        self._used.clear()

    def touch(self, name: str, now: float) -> None:
        if name in self._entries:
            self._used[name] = now

    def add_statistics(self, numbers: dict[str, float]) -> None:
        for name, number in numbers.items():
            self._numbers[name] = self._numbers.get(name, 0) + number

    def statistics(self) -> dict[str, float]:
        return dict(self._numbers)
