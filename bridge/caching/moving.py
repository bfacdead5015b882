"""What `bascule cache` does to whole stores: prune, verify, export, import. All of it in streams.

An export is one JSON object a line, for people and for other tools:

    {"function": "f", "name": HASH, "entry": BASE64 of the sealed entry with key and metadata}
"""

from __future__ import annotations

import base64
import json
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO

from bascule.workers.persist.commoncache import CacheWarning, Place, Store
from bascule.workers.persist.diskcache import FilePlace
from bascule.workers.persist.entries import Damaged, Entry, OtherVersion, Stamp, seal_all, unseal_all
from bascule.workers.persist.limits import BATCH, Eviction, Keeper, Limits
from bascule.workers.persist.sqlitecache import SqlitePlace

Progress = Callable[[int], None]
"""Told how many entries were done since the last time."""


class BadExport(ValueError):
    """A line of an export can't be read; the message says which and why."""


@dataclass(frozen=True)
class Pruning:
    """What is to go beside what has expired."""

    now: float
    unused_since: float | None = None  # a time; entries last used before it go
    limits: Limits | None = None


def stores(place: Place, function: str | None) -> Iterator[tuple[str, Store]]:
    """One function's store, or all."""
    for name in [function] if function is not None else list(place.functions()):
        yield name, place.store(name)


def prune(store: Store, pruning: Pruning, progress: Progress) -> int:
    """Remove what is of no use any more; how many entries."""
    removed = 0
    doomed: list[str] = []
    for listed in store.iterate():
        expired = bool(listed.expires) and listed.expires <= pruning.now
        unused = pruning.unused_since is not None and listed.used < pruning.unused_since
        if expired or unused:
            doomed.append(listed.name)
            if len(doomed) >= BATCH:
                removed += store.delete_many(doomed)
                doomed = []
        progress(1)
    removed += store.delete_many(doomed)
    if pruning.limits is not None:
        before = store.count()
        Keeper(store, pruning.limits).was_put("", 0)
        removed += before - store.count()
    return removed


def tidy(place: Place, now: float) -> None:
    """Remove what killed writers have left."""
    if isinstance(place, (FilePlace, SqlitePlace)):
        place.tidy(now)


def verify(store: Store, progress: Progress) -> tuple[int, list[str]]:
    """Read every entry: how many are good, and what was wrong with the others, which are removed."""
    good, wrong = 0, []
    store.with_keys = True
    for listed in store.iterate():
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", CacheWarning)
            entry = store.get(listed.name)
        if entry is not None:
            good += 1
        wrong += [str(each.message) for each in told]
        progress(1)
    return good, wrong


def export(place: Place, function: str | None, out: IO[str], progress: Progress) -> int:
    """Write entries as lines; how many."""
    count = 0
    for name, store in stores(place, function):
        store.with_keys = True
        for listed in store.iterate():
            entry = store.get(listed.name)
            if entry is None:
                continue
            whole = entry if entry.stamp is not None else entry._replace(stamp=Stamp(listed.created))
            sealed = base64.b64encode(seal_all(listed.name, whole)).decode("ascii")
            out.write(json.dumps({"function": name, "name": listed.name, "entry": sealed}) + "\n")
            count += 1
            progress(1)
    return count


def import_(place: Place, lines: IO[str], progress: Progress) -> int:
    """Store the entries of an export; how many. What is there already is replaced.

    Raises:
        BadExport: A line is no entry, or is damaged; those before it are stored.
    """
    count = 0
    known: dict[str, Store] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        function, name, entry = _read_line(number, line)
        if function not in known:
            known[function] = place.store(function)
        known[function].put(name, entry)
        count += 1
        progress(1)
    return count


def _read_line(number: int, line: str) -> tuple[str, str, Entry]:
    try:
        document = json.loads(line)
        function, name = document["function"], document["name"]
        if not (isinstance(function, str) and isinstance(name, str)):
            raise ValueError("function and name must be text")
        return function, name, unseal_all(name, base64.b64decode(document["entry"], validate=True))
    except (ValueError, KeyError, TypeError, Damaged, OtherVersion) as error:
        raise BadExport(f"line {number} is no entry of an export: {error}") from None


def limits(entries: int | None, size: int | None) -> Limits | None:
    """Limits for pruning; None where there are none."""
    return None if entries is None and size is None else Limits(entries, size, Eviction.LEAST_RECENTLY_USED)
