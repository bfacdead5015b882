"""What the service says of itself: to people, to programs, to systemd's journal, and to `bascule logs`.

All of it goes through the standard `logging`. Handlers here never raise: a full disk costs log lines, and that is said
once on standard error, but it costs nobody a call.

What a record is about travels as fields: `_log.info("...", extra={"pool": name, "worker": name})`. They are fields of
the journal (BASCULE_POOL=...), keys of a JSON line, and are left out of the text, which says it in words.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import sys
from collections import deque
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bascule.bridge.config import LoggingConfig

JOURNAL = Path("/run/systemd/journal/socket")
FIELDS = ("pool", "worker", "pid", "session", "cause")
TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
MOST_KEPT = 2000  # records that `bascule logs` can still show
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (0, 7))
_MOST_BYTES = 48 << 10  # of one field for the journal: all together are a datagram, whose size has a limit

Row = dict[str, Any]


def row_of(record: logging.LogRecord) -> Row:
    """A record as plain data."""
    row: Row = {
        "at": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": record.getMessage(),
    }
    row.update({name: getattr(record, name) for name in FIELDS if hasattr(record, name)})
    if record.exc_info and record.exc_info[1] is not None:
        row["error"] = f"{type(record.exc_info[1]).__name__}: {record.exc_info[1]}"
    return row


class JsonFormatter(logging.Formatter):
    """One JSON object to a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        return json.dumps(row_of(record), default=str, ensure_ascii=False)


class _Quiet(logging.Handler):
    """What cannot be written is dropped; that this happens is said once, until it works again."""

    complained = False

    def handleError(self, record: logging.LogRecord) -> None:
        """Called by `emit` for whatever went wrong."""
        if not self.complained:
            self.complained = True
            with contextlib.suppress(Exception):
                sys.stderr.write(f"bascule: log lines are lost: {sys.exc_info()[1]}\n")


class QuietStream(_Quiet, logging.StreamHandler):  # type: ignore[type-arg]
    """Standard error."""


class QuietFile(_Quiet, logging.FileHandler):
    """A file, which may be on a full disk."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write it."""
        lost = self.complained
        super().emit(record)
        if lost and self.stream is not None:
            with contextlib.suppress(OSError):
                self.stream.flush()
                self.complained = False

    def close(self) -> None:
        """No more of it; what the disk had no room for is lost."""
        with contextlib.suppress(OSError):
            super().close()


class JournalHandler(_Quiet):
    """Systemd's journal, with fields, by its native protocol: a datagram of NAME=value lines."""

    def __init__(self, path: Path = JOURNAL) -> None:
        super().__init__()
        self._path = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def emit(self, record: logging.LogRecord) -> None:
        """Send it."""
        try:
            self._socket.sendto(self.datagram(record), self._path)
        except Exception:
            self.handleError(record)
        else:
            self.complained = False

    def datagram(self, record: logging.LogRecord) -> bytes:
        """A record in the journal's words."""
        row = row_of(record)
        message = row["message"] if not record.exc_info else self.format(record)
        priority = next(number for level, number in _PRIORITIES if record.levelno >= level)
        fields = {
            "MESSAGE": message,
            "PRIORITY": priority,
            "SYSLOG_IDENTIFIER": "bascule",
            "BASCULE_LOGGER": record.name,
        }
        fields |= {f"BASCULE_{name.upper()}": row[name] for name in FIELDS if name in row}
        return b"".join(_field(name, str(value)) for name, value in fields.items())

    def close(self) -> None:
        """No more of it."""
        self._socket.close()
        super().close()


def _field(name: str, value: str) -> bytes:
    data = value.encode(errors="replace")[:_MOST_BYTES]
    if b"\n" in data:
        return name.encode() + b"\n" + len(data).to_bytes(8, "little") + data + b"\n"
    return name.encode() + b"=" + data + b"\n"


class Recent(logging.Handler):
    """The last records, for `bascule logs`; who follows is called when there are more."""

    def __init__(self, most: int = MOST_KEPT) -> None:
        super().__init__()
        self._rows: deque[tuple[int, Row]] = deque(maxlen=most)
        self._next = 1
        self._watchers: list[Callable[[], None]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it. (Handlers are called under a lock of their own.)"""
        self._rows.append((self._next, row_of(record)))
        self._next += 1
        watchers, self._watchers = self._watchers, []
        for watcher in watchers:
            watcher()

    def after(self, number: int) -> tuple[int, list[Row]]:
        """The records after that one, and the number of the last."""
        with self.lock or contextlib.nullcontext():
            return self._next - 1, [row for at, row in self._rows if at > number]

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call this once, at the next record, in whichever thread logs it."""
        with self.lock or contextlib.nullcontext():
            self._watchers.append(watcher)


def goes_to_journal(environment: dict[str, str] | os._Environ[str], fd: int = 2) -> bool:
    """Whether standard error is a stream to the journal (systemd says which in JOURNAL_STREAM)."""
    try:
        info = os.fstat(fd)
    except OSError:
        return False
    return environment.get("JOURNAL_STREAM") == f"{info.st_dev}:{info.st_ino}"


def set_up(config: LoggingConfig, recent: Recent) -> list[logging.Handler]:
    """Log as the configuration says, from now on; the handlers that do.

    Raises:
        OSError: The file can't be opened, and the message names the key. What was set up before holds.
    """
    form = config.format
    if form == "auto":
        form = "journal" if goes_to_journal(os.environ) and JOURNAL.exists() else "text"
    handlers: list[logging.Handler] = []
    formatter = JsonFormatter() if form == "json" else logging.Formatter(TEXT)
    if config.file is not None:
        try:
            handlers.append(QuietFile(config.file, encoding="utf-8"))
        except OSError as error:
            raise OSError(f"logging.file: {config.file}: {error.strerror}") from None
    handlers.append(JournalHandler() if form == "journal" else QuietStream(sys.stderr))
    for handler in handlers:
        handler.setFormatter(formatter)
    root = logging.getLogger()
    before = list(root.handlers)
    root.handlers[:] = [*handlers, recent]
    root.setLevel(config.level.upper())
    for handler in before:
        if handler is not recent:
            handler.close()
    return handlers
