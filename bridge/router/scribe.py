"""Writes down what workers print when no call is there to hear it, without ever holding up the router.

Whoever reads our standard error may have stopped reading, and a write to a full pipe waits for ever. So the router
only puts text in line; a thread, which is started when there is something to write for the first time, writes it. What
is in line is bounded: beyond that text is dropped, and how much is said in its place.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

MOST_WAITING = 1 << 20  # characters in line

Write = Callable[[str, str, bool], None]
"""Takes the worker's name, text, and whether it was written to stderr; may wait."""


class Scribe:
    """A line of text and the thread that writes it."""

    def __init__(self, write: Write) -> None:
        self.write = write
        self._line: deque[tuple[str, str, bool]] = deque()
        self._waiting = 0  # characters in line
        self._dropped = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closing = False

    def put(self, worker: str, text: str, err: bool) -> None:
        """Put text in line. Never waits for who reads it."""
        with self._changed:
            if self._waiting > MOST_WAITING or self._closing:
                self._dropped += len(text)
                return
            if self._dropped:
                text = f"[{self._dropped} characters of output were dropped: they were not read in time]\n{text}"
                self._dropped = 0
            self._line.append((worker, text, err))
            self._waiting += len(text)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="bascule-scribe", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self, seconds: float) -> None:
        """Write what is in line, as far as that takes no longer than this."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._line:
                    if self._closing:
                        return
                    self._changed.wait()
                worker, text, err = self._line.popleft()
            self.write(worker, text, err)
            with self._changed:
                self._waiting -= len(text)
