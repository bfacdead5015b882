"""Threads for the calls that the main thread has no time for.

They are started when there is work and nobody to do it. A thread that waits for Erlang's answer does no work, so it
does not count: however deep calls nest, the innermost finds a thread. Idle threads beyond a few end.
"""

from __future__ import annotations

from _queue import SimpleQueue
from _thread import allocate_lock, get_ident
from time import sleep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    Job = Callable[[], None]

_MOST_IDLE: Final = 4
_STEP: Final = 0.01  # seconds


class Pool:
    """Threads that run jobs, at most so many at a time.

    Args:
        most: How many may work; those that wait for Erlang come on top.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._jobs: SimpleQueue[tuple[Job, Job]] = SimpleQueue()
        self._lock = allocate_lock()
        self._queued = 0
        self._idle = 0
        self._working = 0
        self._members: set[int] = set()

    def submit(self, job: Job, failed: Job) -> None:
        """Run a job in some thread, soon. `failed` is called, here, when there is no thread and none can be started."""
        with self._lock:
            self._queued += 1
            self._jobs.put((job, failed))
        self._provide()

    def pause(self) -> None:
        """The calling thread is about to wait for Erlang. (Where it is none of the pool's, that changes nothing.)"""
        if get_ident() in self._members:
            with self._lock:
                self._working -= 1
            self._provide()

    def resume(self) -> None:
        """It waits no longer."""
        if get_ident() in self._members:
            with self._lock:
                self._working += 1

    def wait_until_idle(self) -> None:
        """Until no thread works and nothing is queued; at the end of the process, which has its own limit to that."""
        while self._working or self._queued:
            sleep(_STEP)

    def _provide(self) -> None:
        """Start a thread if one is needed."""
        with self._lock:
            if self._queued <= self._idle or self._working + self._idle >= self._most:
                return
            self._working += 1
        from threading import Thread

        try:
            Thread(target=self._run, name="bascule-erlport call", daemon=True).start()
        except RuntimeError:  # the system gives no more threads
            with self._lock:
                self._working -= 1
                alone = not self._working
                if alone:
                    self._queued -= 1
            if alone:
                self._jobs.get()[1]()

    def _run(self) -> None:
        """One thread's life. It is counted as working when it begins."""
        me = get_ident()
        self._members.add(me)
        while True:
            with self._lock:
                self._working -= 1
                if self._idle >= _MOST_IDLE and self._queued <= self._idle:
                    self._members.discard(me)
                    return
                self._idle += 1
            job, _ = self._jobs.get()
            with self._lock:
                self._idle -= 1
                self._queued -= 1
                self._working += 1
            job()
