"""Stopping a call that runs: an exception raised in the thread that runs it, and only while it runs user code.

One thread (the usual worker). The bridge writes the call's wire id to the shared page and sends SIGURG; `SignalGate`'s
handler raises `Cancelled` if that id is the armed one. Races, and why they end well:

- The signal comes before the call is armed: the handler finds nothing armed and returns; arming looks at the page.
- It comes after the call has ended: nothing, or another id, is armed.
- It comes between the return of user code and the disarming: `Cancelled` is raised in our own code, which is ready for
  it; the call counts as cancelled. The handler disarms before it raises, so there is never a second one.
- It comes while the wire is being written from inside user code (a print): `shield` has disarmed; `unshield` looks at
  the page again, so the signal is late, not lost.

Any SIGURG that cancels nothing asks the worker to send what it holds back: replies that were finished before a call
that turned out to be slow. A signal can do that where a thread could not without making every fork unsafe.

Several threads. A signal always runs in the main thread, so the exception is thrown into the other one with
PyThreadState_SetAsyncExc, under a lock that the thread takes to disarm: what was thrown and has not arrived by then is
taken back.

Code that calls, `running` and what it goes through, may be compiled (docs/how-to/compile.md). Compiled code runs no
handlers and is thrown nothing: what comes meanwhile waits for the next interpreted code. That is user code, which may
be interrupted, or the loop before it reads. So this module and the loops, whose reads block, are never compiled.

User code can catch `Cancelled` (it is a BaseException, so `except Exception` does not), or be deep in C: after its
grace the bridge kills the worker. An exception raised inside `__del__` or a weakref callback is swallowed by Python;
that too is for the grace to settle.
"""

from __future__ import annotations

import sys
from _thread import allocate_lock, get_ident
from abc import ABC, abstractmethod

from bascule.workers.page import ARMED, CANCEL, WORDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from signal import SIGURG, signal
    from typing import Any

    Cell = Any
    """Indexed by ARMED and CANCEL: the shared page's words, or a list where several threads run calls."""
else:  # the signal module proper makes enums of all its numbers, in every idle worker
    from _signal import SIGURG, signal


class Cancelled(BaseException):
    """The call was taken back. Clean up and let it pass."""

    def __str__(self) -> str:
        return "the call was cancelled"


class Gate(ABC):
    """What may interrupt the calls of one thread.

    `cell` is indexed directly by the code that runs calls: arming and disarming must cost next to nothing.
    """

    cell: Cell
    loop: Any  # the event loop that awaits this thread's coroutine, if one does
    task: Any

    def disarm(self, call_id: int) -> None:  # noqa: B027 - nothing, where a signal interrupts
        """After `cell[ARMED] = 0`: make sure that nothing for `call_id` is still on its way. May raise Cancelled."""

    @abstractmethod
    def shield(self) -> int:
        """Let nothing interrupt until `unshield`; returns what was armed."""

    def unshield(self, armed: int) -> None:
        """The end of `shield`.

        Raises:
            Cancelled: The call was cancelled in the meantime.
        """
        if armed:
            cell = self.cell
            cell[ARMED] = armed
            if cell[CANCEL] == armed:
                cell[ARMED] = 0
                raise Cancelled


class SignalGate(Gate):
    """For the main thread, when it alone runs calls."""

    def __init__(self, cell: memoryview, flush: Callable[[], None]) -> None:
        self.cell = cell
        self.loop = None
        self.task = None
        self._flush = flush

    def install(self) -> None:
        """Take SIGURG. Must run in the main thread."""
        signal(SIGURG, self._on_urgent)

    def shield(self) -> int:
        """Disarm for a while."""
        cell = self.cell
        armed: int = cell[ARMED]
        cell[ARMED] = 0
        return armed

    def _on_urgent(self, _signal: int, _frame: object) -> None:
        cell = self.cell
        armed = cell[ARMED]
        if not armed:
            return
        if cell[CANCEL] == armed:
            if not cancel_task(self):
                cell[ARMED] = 0
                raise Cancelled
            return
        cell[ARMED] = 0
        try:
            self._flush()
        finally:
            self.unshield(armed)


class ThreadGate(Gate):
    """For one of several threads that run calls."""

    def __init__(self) -> None:
        self.cell = [0] * WORDS
        self.loop = None
        self.task = None
        self.call_id = 0  # what the thread works on, armed or not
        self._thread = get_ident()
        self._lock = allocate_lock()

    def cancel(self, call_id: int) -> bool:
        """From the main thread: interrupt `call_id` if this thread works on it, now or as soon as it is armed."""
        with self._lock:
            if self.call_id != call_id:
                return False
            cell = self.cell
            cell[CANCEL] = call_id
            if cell[ARMED] == call_id and not cancel_task(self):
                _throw(self._thread, Cancelled)
            return True

    def done(self) -> None:
        """The thread works on nothing."""
        with self._lock:
            self.call_id = 0

    def disarm(self, call_id: int) -> None:
        """Take back what was thrown for `call_id` and has not arrived."""
        with self._lock:
            if self.cell[CANCEL] == call_id:
                _throw(self._thread, None)

    def shield(self) -> int:
        """Disarm for a while; a cancellation on its way arrives here."""
        cell = self.cell
        with self._lock:
            armed: int = cell[ARMED]
            cell[ARMED] = 0
            struck = armed and cell[CANCEL] == armed
            if struck:
                _throw(self._thread, None)
        if struck:
            raise Cancelled
        return armed


def let_handlers_run() -> None:
    """A signal's handler runs when interpreted code is entered: compiled code calls this where it must not wait."""


def cancel_task(gate: Gate) -> bool:
    """Where the thread awaits a coroutine, cancel its task the way asyncio does.

    Returns:
        False when a step of a task is running, or no task is: then only an exception stops it. Never raise one into
        the event loop's own code, which would lose other tasks' wake-ups.
    """
    task, loop = gate.task, gate.loop
    if task is None or loop.is_closed():
        return False
    loop.call_soon_threadsafe(task.cancel)
    return sys.modules["asyncio"].current_task(loop) is None


def _throw(thread: int, exception: type[BaseException] | None) -> None:
    """Raise in another thread at its next bytecode; None: take back what has not been raised yet."""
    import ctypes  # costs memory, so not before the first cancellation

    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread), ctypes.py_object(exception) if exception is not None else None
    )
