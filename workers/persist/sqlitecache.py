"""`sqlite://results.db`: one file for all functions, in write-ahead mode: readers and writers wait for nobody.

A result of more than a few pages stands in a file of its own in `results.db.files/`: reading a large one out of a
database costs twenty times what reading a file does. Its head, with the checksum, is in the row.

The tables, and the connections, are in `sqlitefile`. Locks are bytes of `results.db.lock` (see `locks`).
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from typing import Any

from bascule.workers.persist.commoncache import Store, StoreUnavailable
from bascule.workers.persist.entries import (
    HEAD_SIZE,
    Damaged,
    Entry,
    Listed,
    OtherVersion,
    after_head,
    checked,
    head_of,
)
from bascule.workers.persist.largefiles import LargeFiles
from bascule.workers.persist.locks import KernelLock, Lock
from bascule.workers.persist.sqlitefile import SqliteFile, transaction

LARGE = 64 << 10  # bytes of a result that gets a file of its own
ENDS = 1 + HEAD_SIZE  # where a row's head ends
_PAGE = 1000
_MOST_TOUCHED = 256  # uses that are written together
_SMALL, _MOST_CHECKED = 512, 1024  # bytes of a row whose checksum is not counted twice, and how many of them
_GET = "SELECT data FROM entries WHERE function = ? AND name = ?"
_GET_ALL = "SELECT data, file, key, metadata FROM entries WHERE function = ? AND name = ?"
_FILE = "SELECT file FROM entries WHERE function = ? AND name = ?"
# By the table itself: with the index of names all rows of a function would be sorted for each page.
LIST = """
SELECT id, name, size, created, used, expires, key FROM entries NOT INDEXED WHERE id > ? AND function = ?
ORDER BY id LIMIT ?
"""
_ALONE, _WITH_MORE = b"\0", b"\1"  # in front of data: whether the row's other columns say something, too
_PUT = """
INSERT INTO entries (function, name, data, file, key, metadata, size, created, used, expires)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (function, name) DO UPDATE SET data = excluded.data, file = excluded.file, key = excluded.key,
    metadata = excluded.metadata, size = excluded.size, created = excluded.created, used = excluded.used,
    expires = excluded.expires
"""


class SqlitePlace(SqliteFile):
    """A database file, and the folder for what is large."""

    def __init__(self, path: str | os.PathLike[str], *, durable: bool = False) -> None:
        super().__init__(path, durable=durable)
        self.files = LargeFiles(f"{self.path}.files", durable=durable)

    def store(self, function: str) -> SqliteStore:
        return SqliteStore(self, function)

    def functions(self) -> Iterator[str]:
        with self.trouble("can't list", None):
            opened = self.opened()
            if opened is not None:
                names = opened.connection.execute("SELECT name FROM functions ORDER BY name").fetchall()
                yield from [name for (name,) in names]

    def claim(self, function: str, owner: str) -> bool:
        try:
            with self.trouble("can't write", None):
                opened = self.opened(create=True)
                assert opened is not None
                self.function_id(opened, function)
                change = "UPDATE functions SET owner = ? WHERE name = ? AND owner IS NULL"
                opened.connection.execute(change, (owner, function))
                row = opened.connection.execute("SELECT owner FROM functions WHERE name = ?", (function,)).fetchone()
                return row is not None and row[0] == owner
        except StoreUnavailable:
            return True  # where nothing can be written nobody can be told apart either

    def tidy(self, now: float) -> None:
        """Remove files that no row knows."""
        opened = self.opened()
        if opened is not None:
            find = opened.connection.execute
            self.files.tidy(
                now, lambda file: find("SELECT 1 FROM entries WHERE file = ?", (file.encode(),)).fetchone() is not None
            )


class SqliteStore(Store):
    """One function's rows."""

    def __init__(self, place: SqlitePlace, function: str) -> None:
        self.place = place
        self.function = function
        self._touched: dict[str, float] = {}
        self._checked: dict[str, tuple[bytes, Entry]] = {}  # small rows met lately, as bytes and as what they say

    def __repr__(self) -> str:
        return f"{self.place.url}#{self.function}"

    def get(self, name: str) -> Entry | None:
        place = self.place
        missing = None
        try:
            while True:
                opened = place.opened()
                if opened is None:
                    return None
                function = opened.functions.get(self.function) or place.known_function(opened, self.function)
                if function is None:
                    return None
                where = (function, name.encode("utf-8", "surrogatepass"))
                row = opened.cursor.execute(_GET, where).fetchone()
                if row is None:
                    return None
                data = row[0]
                if type(data) is bytes and data[:1] == _ALONE:  # the usual one: each column costs
                    return self._alone(name, data)
                row = opened.cursor.execute(_GET_ALL, where).fetchone()
                if row is None:
                    return None
                try:
                    return self._entry(name, *row)
                except FileNotFoundError:
                    if row[1] == missing:
                        why: Exception = Damaged("its file is gone")
                        break
                    missing = row[1]  # or replaced between the row and its reading: then another row is there now
        except OtherVersion:
            return None
        except Damaged as damaged:
            why = damaged
        except (sqlite3.Error, OSError):
            with place.trouble("can't read", name):
                raise
            return None
        self.damaged(name, why)
        return None

    def _alone(self, name: str, data: bytes) -> Entry:
        """What a row says that has nothing but its data; the same bytes were as good the last time."""
        known = self._checked.get(name)
        if known is not None and known[0] == data:
            return known[1]
        entry = checked(name, data[1:ENDS], data[ENDS:], None, None)
        if len(data) <= _SMALL:
            if len(self._checked) >= _MOST_CHECKED:
                self._checked.clear()
            self._checked[name] = (data, entry)
        return entry

    def _entry(self, name: str, data: Any, file: Any, key: Any, metadata: Any) -> Entry:
        if type(data) is not bytes:
            raise Damaged("it has no data")
        data = data[1:]
        for column in (file, key, metadata):
            if column is not None and type(column) is not bytes:
                raise Damaged("a column is of another type")
        text = None if metadata is None else metadata.decode("utf-8", "surrogatepass")
        if file is None:
            return checked(name, data, after_head(data), key, text)
        value, known_good, remember = self.place.files.read(file.decode("ascii", "replace"), mapped=self.mapped)
        entry = checked(name, data, value, key, text, known_good=known_good == data)
        remember(data)
        return entry

    def put(self, name: str, entry: Entry) -> None:
        place = self.place
        head, size = head_of(name, entry), len(entry.value)
        stamp = entry.stamp
        created, expires = (stamp.created, stamp.expires) if stamp is not None else (time.time(), 0.0)
        metadata = None if entry.metadata is None else entry.metadata.encode("utf-8", "surrogatepass")
        with place.trouble("can't write", None):
            opened = place.opened(create=True)
            assert opened is not None
            file = place.files.write(entry.value) if size > LARGE else None
            more = file is not None or entry.key is not None or metadata is not None
            data = (_WITH_MORE if more else _ALONE) + head + (b"" if file is not None else entry.value)
            connection = opened.connection
            try:
                function = place.function_id(opened, self.function)
                values = (data, file and file.encode(), entry.key, metadata, size, created, created, expires)
                with transaction(connection):
                    where = (function, _blob(name))
                    before = connection.execute(_FILE, where).fetchone()
                    connection.execute(_PUT, (*where, *values))
            except BaseException:
                if file is not None:
                    place.files.remove(file)
                raise
            if before is not None and before[0] is not None:
                place.files.remove(before[0].decode("ascii", "replace"))

    def delete(self, name: str) -> bool:
        return self.delete_many([name]) > 0

    def delete_many(self, names: Sequence[str]) -> int:
        place, files, there = self.place, [], 0
        with place.trouble("can't delete", None):
            opened = place.opened()
            function = None if opened is None else place.known_function(opened, self.function)
            if opened is None or function is None:
                return 0
            connection = opened.connection
            with transaction(connection):
                for name in names:
                    where = (function, _blob(name))
                    row = connection.execute(_FILE, where).fetchone()
                    if row is not None:
                        connection.execute("DELETE FROM entries WHERE function = ? AND name = ?", where)
                        there += 1
                        if isinstance(row[0], bytes):
                            files.append(row[0].decode("ascii", "replace"))
            for file in files:
                place.files.remove(file)
        return there

    def iterate(self) -> Iterator[Listed]:
        self._write_touched()
        last = 0
        while True:
            page = self._page(last)
            for identifier, name, size, created, used, expires, key in page:
                last = identifier
                yield Listed(_text(name), size, created, used, expires, key)
            if len(page) < _PAGE:
                return

    def _page(self, after: int) -> list[Any]:
        place = self.place
        with place.trouble("can't list", "a page"):
            opened = place.opened()
            function = None if opened is None else place.known_function(opened, self.function)
            if opened is not None and function is not None:
                return opened.connection.execute(
                    LIST,
                    (after, function, _PAGE),
                ).fetchall()
        return []

    def lock(self, name: str) -> Lock:
        return KernelLock(self.place.lock_path, f"{self.function}\0{name}")

    def count(self) -> int:
        place = self.place
        with place.trouble("can't count", "all"):
            opened = place.opened()
            function = None if opened is None else place.known_function(opened, self.function)
            if opened is not None and function is not None:
                find = "SELECT COUNT(*) FROM entries WHERE function = ?"
                return int(opened.connection.execute(find, (function,)).fetchone()[0])
        return 0

    def clear(self) -> None:
        place = self.place
        with place.trouble("can't clear", "all"):
            opened = place.opened()
            function = None if opened is None else place.known_function(opened, self.function)
            if opened is None or function is None:
                return
            connection = opened.connection
            find = "SELECT file FROM entries WHERE function = ? AND file IS NOT NULL"
            with transaction(connection):
                files = connection.execute(find, (function,)).fetchall()
                connection.execute("DELETE FROM entries WHERE function = ?", (function,))
            for (file,) in files:
                place.files.remove(bytes(file).decode("ascii", "replace"))
            connection.execute("PRAGMA incremental_vacuum").fetchall()

    def touch(self, name: str, now: float) -> None:
        self._touched[name] = now
        if len(self._touched) >= _MOST_TOUCHED:
            self._write_touched()

    def _write_touched(self) -> None:
        touched, self._touched = self._touched, {}
        if not touched:
            return
        with contextlib.suppress(StoreUnavailable), self.place.trouble("can't write", None):
            opened = self.place.opened()
            function = None if opened is None else self.place.known_function(opened, self.function)
            if opened is not None and function is not None:
                with transaction(opened.connection):
                    opened.connection.executemany(
                        "UPDATE entries SET used = ? WHERE function = ? AND name = ?",
                        [(now, function, _blob(name)) for name, now in touched.items()],
                    )

    def add_statistics(self, numbers: dict[str, float]) -> None:
        place = self.place
        with place.trouble("can't write", None):
            opened = place.opened()
            if opened is None:
                return
            function = place.function_id(opened, self.function)
            with transaction(opened.connection):
                known = self._statistics(opened.connection, function)
                for name, number in numbers.items():
                    known[name] = known.get(name, 0.0) + number
                change = "UPDATE functions SET statistics = ? WHERE id = ?"
                opened.connection.execute(change, (json.dumps(known), function))

    def statistics(self) -> dict[str, float]:
        place = self.place
        with place.trouble("can't read", "statistics"):
            opened = place.opened()
            function = None if opened is None else place.known_function(opened, self.function)
            if opened is not None and function is not None:
                return self._statistics(opened.connection, function)
        return {}

    def _statistics(self, connection: sqlite3.Connection, function: int) -> dict[str, float]:
        row = connection.execute("SELECT statistics FROM functions WHERE id = ?", (function,)).fetchone()
        try:
            return {str(name): float(number) for name, number in json.loads(row[0] or "{}").items()}
        except (TypeError, ValueError, AttributeError):
            return {}


def _text(name: bytes) -> str:
    try:
        return name.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:  # damaged: nothing has this name
        return name.decode("utf-8", "replace")


def _blob(name: str) -> bytes:
    return name.encode("utf-8", "surrogatepass")
