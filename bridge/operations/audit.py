"""The audit log: who called what, when, with what outcome. Never with what data.

The router notes each call's end in a queue, which costs it less than a microsecond; a task of the service writes the
queue to a file four times a second, and at the end. One line is one JSON object:

    {"at": "2026-02-03T04:05:06.789+00:00", "session": 7, "who": "uid 1000, pid 4711", "listener": "team",
     "client": "report.py", "target": "stats:report", "pool": "default", "outcome": "ok", "seconds": 0.0123}

The outcome is `ok`, `error` (the code that was called raised, or its arguments were wrong), or the kind of the bridge's
own error: `denied`, `timeout`, `worker_lost` ... A disk that is full costs lines; how many is logged.
"""

from __future__ import annotations

import json
import logging
import os
from collections import deque
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

from bascule.bridge.supervision.lives import grace

if TYPE_CHECKING:
    from bascule.bridge.router.calls import Call
    from bascule.bridge.router.core import RouterCore
    from bascule.bridge.router.peers import Session

_log = logging.getLogger(__name__)

INTERVAL = 0.25
_MOST_WAITING = 1_000_000  # calls that wait to be written, when the disk is slow
_MOST_CHARACTERS = 500  # of a target


class AuditLog:
    """Writes the audit of one core.

    Raises:
        OSError: The file can't be opened.
    """

    def __init__(self, core: RouterCore, path: Path) -> None:
        self.path = path
        self._core = core
        self._lines: deque[dict[str, Any]] = deque(maxlen=_MOST_WAITING)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._lost = 0
        self._torn = False  # the disk was full in the middle of a line

    def note(self, session: Session, target: bytes, outcome: str, call: Call | None) -> None:
        """A call has ended, or was refused (then there is no `Call`). In the router's thread."""
        grant = session.grant
        self._lines.append(
            {
                "at": datetime.now(timezone.utc),
                "session": session.id,
                "who": "" if grant is None else grant.who,
                "listener": "" if grant is None else grant.listener,
                "client": session.identity,
                "target": target,
                "pool": session.pool if call is None else call.pool.policy.name,
                "outcome": outcome,
                "seconds": None if call is None else round(self._core.now - call.accepted_at, 6),
            }
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Write until cancelled, then what is left."""
        task_status.started()
        try:
            while True:
                await trio.sleep(INTERVAL)
                if self._lines:
                    await trio.to_thread.run_sync(self.write)
        finally:
            with grace():
                self.write()

    def write(self) -> None:
        """Write what waits."""
        lines = []
        while self._lines:
            row = self._lines.popleft()
            row["at"] = row["at"].isoformat(timespec="milliseconds")
            row["target"] = row["target"][:_MOST_CHARACTERS].decode(errors="replace")
            lines.append(json.dumps(row, ensure_ascii=False) + "\n")
        data = "".join(lines).encode()
        if self._torn and data:
            data = b"\n" + data  # what follows is whole again
        try:
            while data:
                written = os.write(self._file, data)
                self._torn = data[written - 1 : written] != b"\n"
                data = data[written:]
        except OSError as error:
            if not self._lost:
                _log.error("audit: lines are lost: %s: %s", self.path, error.strerror)
            self._lost += len(lines)
            return
        if self._lost and lines:
            _log.warning("audit: %d line(s) were lost, it goes on", self._lost)
            self._lost = 0

    def close(self) -> None:
        """Write what waits, and close the file."""
        self.write()
        os.close(self._file)
