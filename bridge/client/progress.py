"""How far a scatter is, for people: a bar on a terminal, else a line now and then.

    client.scatter("stats:fit", items, progress=True)

Both go to standard error. Whoever wants it otherwise passes a function, which is told of every step.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TextIO

if TYPE_CHECKING:
    from bascule.bridge.client.scattering import Progress

LINE_EVERY: Final = 10.0  # seconds between two lines, where there is no terminal
_PICTURE_EVERY: Final = 0.1  # seconds between two pictures of the bar

Told = Callable[["Progress"], object]


def teller(progress: Told | bool | None, title: str) -> Told | None:
    """Whom a scatter tells: the caller's function, what shows it to people (True), or nobody."""
    if isinstance(progress, bool):
        return Shown(title) if progress else None
    return progress


class Shown:
    """Shows one scatter's progress. It starts no thread: it is drawn when it is told of something.

    Args:
        title: What it is the progress of.
        sums_up: Whether a last line says how it ended, where there is no terminal.
        total: How many items there are, where the scatter itself can't tell.
    """

    def __init__(self, title: str, *, sums_up: bool = True, total: int | None = None) -> None:
        self._total = total
        self._title = title
        self._sums_up = sums_up
        self._stream = sys.stderr
        self._bar: Any = None
        self._at = time.monotonic()
        self._ended = False

    def __call__(self, progress: Progress) -> None:
        """So far it is."""
        if self._ended:
            return
        if self._stream.isatty():
            self._draw(progress)
        elif (progress.over and self._sums_up) or time.monotonic() - self._at >= LINE_EVERY:
            self._at = time.monotonic()
            total = self._total_of(progress)
            of = "" if total is None else f" of {total}"
            said = f"{progress.done}{of} done, {progress.failed} failed, {progress.seconds:.0f} s"
            print(f"{self._title}: {said}", file=self._stream, flush=True)
        if progress.over:
            self.close()

    def close(self) -> None:
        """It is over, or was stopped: leave the terminal as it was."""
        self._ended = True
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.stop()

    def _total_of(self, progress: Progress) -> int | None:
        return self._total if progress.total is None else progress.total

    def _draw(self, progress: Progress) -> None:
        if self._bar is None:
            self._bar = _new_bar(self._stream)
            self._task = self._bar.add_task(self._title, total=self._total_of(progress), failed=0)
            self._bar.start()
        elif not progress.over and time.monotonic() - self._at < _PICTURE_EVERY:
            return
        self._at = time.monotonic()
        ended = progress.done + progress.failed
        total = ended if progress.over else self._total_of(progress)
        self._bar.update(self._task, completed=ended, total=total, failed=progress.failed, refresh=True)


def _new_bar(stream: TextIO) -> Any:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        *(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()),
        *(TextColumn("{task.fields[failed]} failed"), TimeElapsedColumn(), TimeRemainingColumn()),
    )
    # It would take standard output for its own and print results between the bars.
    return Progress(
        *columns, console=Console(file=stream), auto_refresh=False, redirect_stdout=False, redirect_stderr=False
    )
