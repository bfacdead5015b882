"""What a recording has so far, in one line of the terminal while the program runs.

Who recorded the program looks at the trace as it grows, from a process of its own: nothing is added to the program, no
thread and no clock. Where standard error is no terminal, or the trace no file, nothing is shown.

The program may write to the same terminal at any time, and the cursor is its own. So the line stands below that, the
cursor goes back to where it was, and what is right of it and below is wiped before. A program that has the terminal to
itself (an editor, say, or a debugger that reads keys) is left alone.
"""

from __future__ import annotations

import os
import stat
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import TextIO

from bascule.bridge.recording.reading import with_children

_EVERY = 1.0  # seconds
_MOST_AT_ONCE = 1 << 24
_USUAL_COLUMNS = 80  # of a terminal that does not know
_PREFIX = b'{"location":"'
WIPE = "\x1b[J"
_BELOW = "\x1bD\x1bM"  # a line down and up again: now there is one, on the last line of the terminal too
_SAVE, _DOWN, _BACK = "\x1b7", "\x1b[B\r", "\x1b8"


class Tally:
    """Counts the lines of a growing trace and of what child processes write beside it."""

    def __init__(self, trace: Path) -> None:
        self.size = 0
        self._trace = trace
        self._files: dict[Path, tuple[int, int]] = {}  # how much of each was read, and the lines in that
        self._places: set[int] = set()

    @property
    def events(self) -> int:
        """How many lines there are."""
        return sum(lines for _, lines in self._files.values())

    @property
    def places(self) -> int:
        """From how many places of the program."""
        return len(self._places)

    def look(self) -> None:
        """Read what was added; what a child wrote may have moved into the trace since."""
        found: dict[Path, tuple[int, int]] = {}
        self.size = 0
        for path in with_children([self._trace]):
            with suppress(OSError), path.open("rb") as file:
                told = os.fstat(file.fileno())
                if not stat.S_ISREG(told.st_mode):
                    continue
                self.size += told.st_size
                found[path] = self._read(file.fileno(), *self._files.get(path, (0, 0)))
        self._files = found

    def _read(self, fd: int, offset: int, lines: int) -> tuple[int, int]:
        added = os.pread(fd, _MOST_AT_ONCE, offset)
        whole = added[: added.rfind(b"\n") + 1]
        for line in whole.splitlines():
            if line.startswith(_PREFIX):
                self._places.add(hash(line[: line.find(b'"', len(_PREFIX))]))
        return offset + len(whole), lines + whole.count(b"\n")

    def __str__(self) -> str:
        return f"{self.events:,} events from {self.places:,} places, {self.size / 1e6:,.1f} MB"


@contextmanager
def shown(trace: Path, *, quiet: bool) -> Iterator[None]:
    """Show how a recording gets on, about every second, until the block ends."""
    terminal = sys.stderr
    if quiet or not terminal.isatty() or not trace.is_file():
        yield
        return
    over = Event()
    drawing = Thread(target=_draw, args=(Tally(trace), terminal, over), name="progress of a recording", daemon=True)
    drawing.start()
    try:
        yield
    finally:
        over.set()
        drawing.join()


def _draw(tally: Tally, terminal: TextIO, over: Event) -> None:
    drawn = False
    with suppress(OSError, ValueError, termios.error):  # the terminal has gone: nobody looks on
        while not over.wait(_EVERY):
            if not _reads_lines(terminal):
                continue
            tally.look()
            columns = os.get_terminal_size(terminal.fileno()).columns or _USUAL_COLUMNS
            text = f"bascule record: {tally}"[: columns - 1]
            terminal.write(f"{WIPE}{_BELOW}{_SAVE}{_DOWN}{text}{_BACK}")
            terminal.flush()
            drawn = True
        if drawn and _reads_lines(terminal):
            terminal.write(WIPE)
            terminal.flush()


def _reads_lines(terminal: TextIO) -> bool:
    """Whether the terminal is as a shell leaves it: no program reads keys from it or draws on it."""
    return bool(termios.tcgetattr(terminal.fileno())[3] & termios.ICANON)
