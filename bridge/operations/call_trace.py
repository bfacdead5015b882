"""What clients call, written as a trace: `--record PATH` of `bascule serve`, `pod` and `port`.

Workers tell the types that a call was made with (`workers/recorded.py`); the bridge knows by which door it came, writes
that as the place, and decodes nothing. The file is what `bascule record --calls` and `bascule policy suggest` read.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from bascule.workers.recorded import VARIABLE
from bascule.workers.recording.lines import as_json
from bascule.workers.recording.output import Output

if TYPE_CHECKING:
    from bascule.bridge.router.core import RouterCore

MOST_KNOWN = 1 << 16
"""Different lines remembered; then some are written again, which counting does not mind."""


class CallTrace:
    """Writes what the workers of a bridge tell. Used on the router's thread: a line is one `write`, and lines are few.

    Args:
        core: Whose sessions it knows.
        path: The file; it is begun anew.

    Raises:
        OSError: The file can't be written.
    """

    def __init__(self, core: RouterCore, path: Path) -> None:
        self._core = core
        path.write_bytes(b"")
        self._output = Output(str(path))
        self._known: set[int] = set()
        core.on_used = self._used

    def close(self) -> None:
        """Write nothing any more."""
        self._output.close()

    def _used(self, number: object, line: object) -> None:
        if not isinstance(line, str) or not line.startswith("{"):
            return
        session = self._core.sessions.get(number) if isinstance(number, int) else None
        place = "gone"
        if session is not None:
            door = type(session.door).__name__.removesuffix("Door").lower()
            kind = _kind(session.identity)
            place = door if kind == door else f"{door}:{kind}"  # an HTTP client says nothing of itself
        whole = f'{{"location":{as_json(place)},{line[1:]}\n'
        known = hash(whole)
        if known in self._known:
            return
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known.add(known)
        self._output.write(whole.encode("utf-8", "surrogatepass"))


def ask_workers(*, wanted: bool) -> None:
    """Let the workers that this process starts from now on tell what they are called with, or not."""
    if wanted:
        os.environ[VARIABLE] = "1"
    else:
        os.environ.pop(VARIABLE, None)


def _kind(identity: str) -> str:
    """Which program it was, without the number of its process."""
    name, _, number = identity.rpartition(" ")
    return name if name and number.isdigit() else identity or "client"
