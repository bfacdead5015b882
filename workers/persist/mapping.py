"""`function.cache`: the stored results as a mapping from keys to values.

Every store can look up, set, delete and count. The keys themselves can be given back only where they are stored
(`storekey=True`) or can be made of their hashes (`unhash=`): `CacheWithKeys` is then a full MutableMapping.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bascule.workers.persist.shelf import Shelf

_MISSING = object()


class Cache:
    """Stored results, by key."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def __repr__(self) -> str:
        return f"<results in {self._shelf.store!r}>"

    def __getitem__(self, key: Any) -> Any:
        found = self._shelf.look(self._shelf.name(key), key, is_call=False)
        if found is None:
            raise KeyError(key)
        return found[0]

    def __setitem__(self, key: Any, value: Any) -> None:
        self._shelf.set(self._shelf.name(key), key, value)

    def __delitem__(self, key: Any) -> None:
        if not self._shelf.delete(self._shelf.name(key), key):
            raise KeyError(key)

    def __iter__(self) -> Iterator[Any]:
        # Without it Python would ask for the keys 0, 1, 2 ..., and say that there is none.
        raise TypeError("the keys of these results are not stored: say storekey=True, or unhash=")

    def __contains__(self, key: Any) -> bool:
        return self._shelf.look(self._shelf.name(key), key, is_call=False) is not None

    def __len__(self) -> int:
        return self._shelf.store.count()

    def __bool__(self) -> bool:
        return True  # an empty store is a store

    def get(self, key: Any, default: Any = None) -> Any:
        """The stored value of a key, or `default`."""
        found = self._shelf.look(self._shelf.name(key), key, is_call=False)
        return default if found is None else found[0]

    def clear(self) -> None:
        """Remove all results of this function."""
        self._shelf.store.clear()


class CacheWithKeys(Cache, MutableMapping[Any, Any]):
    """Stored results whose keys are known too."""

    def __iter__(self) -> Iterator[Any]:
        shelf = self._shelf
        for listed in shelf.store.iterate():
            key = shelf.key_of(listed)
            if key is not None:
                yield key[0]

    def clear(self) -> None:
        """Remove all results of this function."""
        Cache.clear(self)
