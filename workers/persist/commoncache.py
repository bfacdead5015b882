"""What every place for results has in common: the errors, the warning, and `Store`, the one small interface.

A *place* is what a URL names: a folder, a database file, a server. It keeps the results of many functions, each in a
`Store` of its own. What stores keep is bytes with a stamp (see `entries`); keys, hashes, serializers, lifetimes and
single-flight are all above them, so a store is little code, and one suite of tests holds for all.
"""

from __future__ import annotations

import abc
import contextlib
import sys
import warnings
from collections.abc import Hashable, Iterator, Sequence

from bascule.workers.persist.entries import Entry, Listed
from bascule.workers.persist.locks import Lock


class HashCollisionError(Exception):
    """Two keys have one hash. `args` are the stored key and the one that was asked for."""


class UnknownStore(KeyError, ValueError):
    """No store has a URL like this; the message says which there are."""

    def __str__(self) -> str:
        return str(self.args[0])


class StoreUnavailable(OSError):
    """The place of the results can't be used now: not reachable, not writable, full. The function still works."""


class NotStorable(ValueError):
    """A result can't be written by the serializer that was asked for."""


class CacheWarning(UserWarning):
    """Something is wrong with stored results, and was got over: the function's results are right all the same."""


class Store(abc.ABC):
    """The results of one function in one place, by name.

    All methods may be called by many threads and processes at once; `put` replaces an entry as a whole or not at all.
    Each raises `StoreUnavailable` when the place can't be used.
    """

    mapped = False
    """Whether values in files of their own are given as maps of the file, not as copies."""
    with_keys = False
    """Whether `get` must give the key and the metadata of an entry too."""

    @abc.abstractmethod
    def get(self, name: str) -> Entry | None:
        """The entry of that name. A damaged one is removed with a warning, and is not there."""

    @abc.abstractmethod
    def put(self, name: str, entry: Entry) -> None:
        """Keep an entry under that name, in the place of any other."""

    @abc.abstractmethod
    def delete(self, name: str) -> bool:
        """Remove an entry; whether there was one."""

    @abc.abstractmethod
    def iterate(self) -> Iterator[Listed]:
        """All entries, one by one: never all of them in memory. What comes and goes meanwhile may be missed."""

    @abc.abstractmethod
    def lock(self, name: str) -> Lock:
        """The lock that whoever computes this result holds; the death of its owner frees it."""

    def count(self) -> int:
        """How many entries there are."""
        return sum(1 for _ in self.iterate())

    def clear(self) -> None:
        """Remove all entries."""
        for listed in self.iterate():
            self.delete(listed.name)

    def delete_many(self, names: Sequence[str]) -> int:
        """Remove some entries, at most some ten thousand; how many there were."""
        return sum(map(self.delete, names))

    def touch(self, name: str, now: float) -> None:
        """This entry was used: what is used stays longest where there is a limit."""
        return

    def add_statistics(self, numbers: dict[str, float]) -> None:
        """Add to the counts that are kept beside the entries."""
        return

    def statistics(self) -> dict[str, float]:
        """The counts of all processes, as far as this place keeps them."""
        return {}

    def damaged(self, name: str, why: object) -> None:
        """Remove what can't be read, and say so."""
        warn(f"a stored result is damaged and is computed again: {self!r}, {name!r}: {why}")
        with contextlib.suppress(StoreUnavailable):  # then it will be found damaged again
            self.delete(name)


class Place(abc.ABC):
    """What a store's URL names.

    Attributes:
        url: As it was given, made absolute.
        identity: Equal for two objects that stand for the same place.
        text: Whether results stand here as text that a person can read, unless a serializer is asked for.
    """

    text = False

    def __init__(self, url: str, identity: Hashable) -> None:
        self.url = url
        self.identity = identity

    def __repr__(self) -> str:
        return self.url

    @abc.abstractmethod
    def store(self, function: str) -> Store:
        """The results of one function; nothing is made before something is stored."""

    @abc.abstractmethod
    def functions(self) -> Iterator[str]:
        """The names of the functions that have a store here."""

    @abc.abstractmethod
    def claim(self, function: str, owner: str) -> bool:
        """Whether this name belongs to that owner, who gets it if it is nobody's yet."""

    def close(self) -> None:
        """Let go of connections and files."""
        return


def warn(message: str, *, category: type[Warning] = CacheWarning) -> None:
    """A warning that points at the first line outside of this package."""
    level, frame = 1, sys._getframe(0)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("bascule.workers.persist"):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def unavailable(place: object, what: str, error: BaseException) -> StoreUnavailable:
    """An error of the place itself, in one sentence."""
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return StoreUnavailable(f"{place}: {what}: {reason}")
