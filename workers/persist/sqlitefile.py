"""A database file of `sqlite://`, and the connections to it: one for each thread of each process.

    functions   id, name, owner, statistics
    entries     function, name, data (see `entries`), file, key, metadata, size, created, used, expires

Before each use the file's inode is looked at: when somebody removed the file, or `_replace` moved a damaged one away,
we begin anew. A forked child makes its own connection, and touches nothing of its parent's.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sqlite3
import threading
import time
from collections.abc import Iterator

from bascule.workers.persist.commoncache import Place, StoreUnavailable, unavailable, warn
from bascule.workers.persist.locks import committing

SCHEMA_VERSION = 1
_PATIENCE = 30.0  # seconds to wait for other writers
_SCHEMA = f"""
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS functions (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, owner TEXT, statistics TEXT
);
CREATE TABLE IF NOT EXISTS entries (
    id INTEGER PRIMARY KEY, function INTEGER NOT NULL, name BLOB NOT NULL, data BLOB NOT NULL, file BLOB, key BLOB,
    metadata BLOB, size INTEGER NOT NULL, created REAL NOT NULL, used REAL NOT NULL, expires REAL NOT NULL,
    UNIQUE (function, name)
);
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""
_generation = itertools.count(1)
_current = next(_generation)  # counts the forks on the way to this process


class Open:
    """A connection of one thread, and what it knows."""

    __slots__ = ("connection", "cursor", "functions", "generation", "inode")

    def __init__(self, connection: sqlite3.Connection, inode: int) -> None:
        self.connection = connection
        self.cursor = connection.cursor()  # for look-ups, which give one row: making one costs a tenth of them
        self.inode = inode
        self.generation = _current
        self.functions: dict[str, int] = {}

    def __del__(self) -> None:
        """Its thread has ended, or its file was replaced."""
        if self.generation == _current:
            self.connection.close()


class SqliteFile(Place):
    """The database of a place."""

    def __init__(self, path: str | os.PathLike[str], *, durable: bool = False) -> None:
        self.path = os.path.abspath(os.path.expanduser(path))
        super().__init__(f"sqlite://{self.path}", ("sqlite", self.path))
        self.lock_path = f"{self.path}.lock"
        self._durable = durable
        self._local = threading.local()

    def opened(self, *, create: bool = False) -> Open | None:
        """This thread's connection; None when there is no file and none is to be made."""
        known: Open | None = getattr(self._local, "opened", None)
        try:
            inode = os.stat(self.path).st_ino
        except FileNotFoundError:
            inode = 0
        if known is not None:
            if known.inode == inode and known.generation == _current:
                return known
            if known.generation != _current:
                _not_ours.append(known)  # the parent's: not even to be closed here
            self._local.opened = None
        if not inode and not create:
            return None
        if not inode:
            os.makedirs(os.path.dirname(self.path), exist_ok=True)
        made = Open(self._connect(), 0)
        made.inode = os.stat(self.path).st_ino
        self._local.opened = made
        return made

    def _connect(self) -> sqlite3.Connection:
        try:
            connection = _connection(self.path)
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version == 0:
                with committing(self.lock_path, "schema"):
                    connection.executescript(_SCHEMA)
                version = SCHEMA_VERSION
        except sqlite3.OperationalError:
            # Only there: without others' log, as it is read then, one who merely waited for a lock would miss entries.
            if not os.path.exists(self.path) or self._can_be_written():
                raise
            connection = self._connect_to_read()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > SCHEMA_VERSION:
            connection.close()
            raise StoreUnavailable(f"{self}: it is of version {version}, this Bascule reads up to {SCHEMA_VERSION}")
        connection.execute(f"PRAGMA synchronous = {'FULL' if self._durable else 'NORMAL'}")
        connection.execute("PRAGMA mmap_size = 1073741824")
        return connection

    def _can_be_written(self) -> bool:
        return all(os.access(path, os.W_OK, effective_ids=True) for path in (self.path, os.path.dirname(self.path)))

    def _connect_to_read(self) -> sqlite3.Connection:
        """Where the folder can't be written; then nobody writes, and the file stays as it is."""
        from urllib.parse import quote

        connection = _connection(f"file:{quote(self.path)}?mode=ro&immutable=1", uri=True)
        connection.execute("SELECT 1 FROM entries LIMIT 1").fetchone()
        return connection

    def function_id(self, opened: Open, function: str) -> int:
        """The number of a function, made when there is none."""
        known = opened.functions.get(function)
        if known is None:
            opened.connection.execute("INSERT OR IGNORE INTO functions (name) VALUES (?)", (function,))
            known = self.known_function(opened, function)
            assert known is not None
        return known

    def known_function(self, opened: Open, function: str) -> int | None:
        """The number of a function, if it has one."""
        known = opened.functions.get(function)
        if known is None:
            row = opened.connection.execute("SELECT id FROM functions WHERE name = ?", (function,)).fetchone()
            if row is not None:
                known = opened.functions[function] = row[0]
        return known

    @contextlib.contextmanager
    def trouble(self, what: str, damaged: str | None) -> Iterator[None]:
        """Whatever SQLite raises: a damaged file is moved away, anything else makes the place unavailable."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            text = str(error)
            broken = not isinstance(error, sqlite3.OperationalError) or "malformed" in text
            if broken or (damaged is not None and "disk I/O error" in text):
                self._replace(text)
                if damaged is not None:
                    return
            raise unavailable(self, what, error) from None
        except (OSError, sqlite3.Error) as error:
            if isinstance(error, StoreUnavailable):
                raise
            raise unavailable(self, what, error) from None

    def _replace(self, why: str) -> None:
        """The file is no database any more: put it aside, once, whoever notices."""
        known: Open | None = getattr(self._local, "opened", None)
        with contextlib.suppress(OSError), committing(self.lock_path, "replace"):
            inode = os.stat(self.path).st_ino
            if known is not None and known.inode != inode:
                return  # another process has done so
            aside = f"{self.path}.damaged-{int(time.time())}"
            warn(f"a store is damaged and is begun anew: {self}: {why}; the damaged one is now {aside}")
            os.replace(self.path, aside)
            for suffix in ("-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self.path + suffix)

    def close(self) -> None:
        """Close this thread's connection."""
        known: Open | None = getattr(self._local, "opened", None)
        if known is not None and known.generation == _current:
            self._local.opened = None
            known.connection.close()


def _connection(path: str, *, uri: bool = False) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False, uri=uri)


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All that is done within is done, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


_not_ours: list[Open] = []


def _forked() -> None:
    global _current
    _current = next(_generation)


os.register_at_fork(after_in_child=_forked)
