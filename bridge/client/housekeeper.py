"""Sees to it that what was submitted leaves, and that answers are read, while nobody waits for them.

Calls are made and awaited by the threads that want them; a client that only ever calls has no thread of its own. But
`submit` leaves small frames to gather, and its caller may go away and do something else. From the first `submit` on a
small thread looks after the link every few milliseconds as long as something is under way: it writes what has
gathered, reads what has come (so that callbacks run), and sleeps once all is quiet.
"""

from __future__ import annotations

import threading
import time
import weakref
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bascule.bridge.client.connection import Connection

_SHORT: Final = 0.002  # seconds between two looks
_LONG: Final = 0.02  # the same, when nothing has happened for a while
_QUIET: Final = 0.1  # seconds without anything under way, after which it sleeps until it is woken
_KEEP: Final = 5.0  # seconds of sleep after which the thread ends; the next `wake` starts another


class Housekeeper:
    """The thread that looks after a client's link.

    Attributes:
        asleep: Whether it must be woken to notice something new.
    """

    def __init__(self, connection: Connection) -> None:
        self.asleep = True
        self._connection = weakref.ref(connection)
        self._bell = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """There is something to look after."""
        with self._starting:
            self.asleep = False
            self._bell.set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="bascule-client", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        last_busy = time.monotonic()
        pause = _SHORT
        while True:
            connection = self._connection()
            if connection is None:
                return
            busy, progress = connection.tend()
            del connection  # it may be dropped while we sleep
            now = time.monotonic()
            if busy:
                last_busy = now
                pause = _SHORT if progress else min(pause * 1.2, _LONG)
            elif now - last_busy > _QUIET:
                if not self._sleep():
                    return
                last_busy, pause = time.monotonic(), _SHORT
            time.sleep(pause)

    def _sleep(self) -> bool:
        """Wait to be woken. False: nobody did for long, the thread is to end."""
        self._bell.clear()
        self.asleep = True
        connection = self._connection()
        if connection is not None and connection.tend()[0]:  # it came between the last look and the line above
            self.asleep = False
            return True
        del connection
        if self._bell.wait(_KEEP):
            return True
        with self._starting:
            if self._bell.is_set():
                return True
            self._thread = None
            return False
