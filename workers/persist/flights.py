"""One computation for all who ask at the same time: threads and tasks of this process, and other processes.

Inside a process whoever asks first for a result that is not there *leads* its `Flight`; the others wait for it to land
and then look again. The leader also takes the store's lock on the name, which keeps other processes waiting, and looks
once more when it has it.

Waiting in a circle must not be. A persisted function may call itself or others; the context of each computation knows
the flights that it leads, and each flight knows for which others its context waits. Who would close a circle computes
by itself instead of waiting: the same work twice is better than none for ever. Between processes the kernel finds the
circles (see `locks`), but it takes all threads of a process for one; so only who leads a flight, or has somebody
waiting for his who does, believes it.

`computing` is written as steps (`Step`), so that the blocking and the asynchronous drivers (`driving`) share the one
and only order of things.
"""

from __future__ import annotations

import contextlib
import enum
import os
import threading
import time
from collections.abc import Callable, Generator, Hashable, Iterator
from contextvars import ContextVar
from typing import Any

from bascule.workers.persist.locks import Deadlock, Lock


class Flight:
    """One computation that is under way in this process."""

    __slots__ = ("_callbacks", "_landed", "error", "needed_by_leaders", "outcome", "waiting_for")

    def __init__(self) -> None:
        self._landed = threading.Event()
        self._callbacks: list[Callable[[], None]] = []
        self.outcome: tuple[Any] | None = None  # the value, for those who find nothing in the store
        self.error: Exception | None = None
        self.waiting_for: list[Flight] = []  # whom the context that leads this one waits for
        self.needed_by_leaders = 0  # waiters that lead a flight themselves

    def land(self) -> None:
        """It is over: wake everybody."""
        with _guard:
            self._landed.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def wait(self) -> None:
        """Block this thread until it has landed."""
        self._landed.wait()

    def call_when_landed(self, callback: Callable[[], None]) -> None:
        """Have `callback` called, by any thread."""
        with _guard:
            if not self._landed.is_set():
                self._callbacks.append(callback)
                return
        callback()


_guard = threading.RLock()  # whatever the garbage collector closes may land in the midst of it
_flights: dict[Hashable, Flight] = {}
LEADING: ContextVar[tuple[Flight, ...]] = ContextVar("bascule_persist_leading", default=())
"""The flights that a context leads: what it calls now, it calls for them."""


@contextlib.contextmanager
def waiting_for(flight: Flight) -> Iterator[bool]:
    """Within, this context waits for a flight; False: it must not, since the flight waits for this very context."""
    leading = LEADING.get()
    with _guard:
        allowed = not _leads_back(flight, leading)
        if allowed:
            _begin_waiting(flight, leading)
    try:
        yield allowed
    finally:
        if allowed:
            with _guard:
                _end_waiting(flight, leading)


def _begin_waiting(flight: Flight, leading: tuple[Flight, ...]) -> None:
    for own in leading:
        own.waiting_for.append(flight)
    flight.needed_by_leaders += bool(leading)


def _end_waiting(flight: Flight, leading: tuple[Flight, ...]) -> None:
    for own in leading:
        own.waiting_for.remove(flight)
    flight.needed_by_leaders -= bool(leading)


class Step(enum.Enum):
    """What `computing` asks its driver to do; each comes with what it is to be done to."""

    LANDING = "wait until this flight has landed"
    LOCK = "wait for this lock, see Turn"
    CALL = "call the function"


class Turn(enum.Enum):
    """How waiting for a lock has ended."""

    OURS = "we have it"
    AGAIN = "it was given back: look, and try again"
    NEVER = "waiting might be for ever"


Steps = Generator[tuple[Step, Any], Any, Any]


def computing(
    identity: Hashable,
    look: Callable[[], tuple[Any, ...] | None],
    lock: Callable[[], Lock | None],
    keep: Callable[[Any, BaseException | None, float], None],
) -> Steps:
    """Get a result that was not there when its caller looked.

    Args:
        identity: What is computed: the same for all who ask for the same.
        look: Looks into the store; a tuple that begins with the value, or None.
        lock: Makes the lock against other processes; None where there can be none.
        keep: Stores the outcome: value, error (one of them None) and the seconds it took.
    """
    while True:
        leading = LEADING.get()
        with _guard:
            flight = _flights.get(identity)
            lead = flight is None
            if flight is None:
                flight = _flights[identity] = Flight()
            alone = not lead and _leads_back(flight, leading)
            if not lead and not alone:
                _begin_waiting(flight, leading)
        if alone:
            return (yield Step.CALL, None)
        if lead:
            break
        try:
            yield Step.LANDING, flight
        finally:
            with _guard:
                _end_waiting(flight, leading)
        if flight.error is not None:
            raise flight.error
        found = look()
        if found is not None:
            return found[0]
        if flight.outcome is not None:
            return flight.outcome[0]
    token = LEADING.set((*leading, flight))
    try:
        return (yield from _led(flight, look, lock, keep, bool(leading)))
    finally:
        LEADING.reset(token)
        with _guard:
            if _flights.get(identity) is flight:
                del _flights[identity]
        flight.land()


def _led(
    flight: Flight,
    look: Callable[[], tuple[Any, ...] | None],
    make_lock: Callable[[], Lock | None],
    keep: Callable[[Any, BaseException | None, float], None],
    nested: bool,
) -> Steps:
    lock, found = yield from locking(make_lock, look, flight, nested)
    try:
        if found is not None:
            return found[0]
        start = time.perf_counter()
        try:
            value = yield Step.CALL, None
        except Exception as error:
            flight.error = error
            keep(None, error, time.perf_counter() - start)
            raise
        keep(value, None, time.perf_counter() - start)
        flight.outcome = (value,)
        return value
    finally:
        if lock is not None:
            lock.release()


def locking(
    make_lock: Callable[[], Lock | None],
    look: Callable[[], tuple[Any, ...] | None],
    flight: Flight,
    nested: bool,
) -> Generator[tuple[Step, Any], Any, tuple[Lock | None, tuple[Any, ...] | None]]:
    """The lock against other processes, taken, and what is found meanwhile.

    There is no lock where there can be none, where waiting for it might be for ever, or where it is not needed any
    more, since another process has stored what is looked for.
    """
    lock = make_lock()
    try:
        while lock is not None and not try_lock(lock):
            turn = yield Step.LOCK, (lock, flight, nested)
            if turn is Turn.OURS:
                break
            if turn is Turn.NEVER:
                lock = None
            elif (found := look()) is not None:
                return None, found
    except OSError:
        lock = None  # there can be no locks here: at least this process computes only once
    try:
        return lock, look()
    except BaseException:
        if lock is not None:
            lock.release()
        raise


def try_lock(lock: Lock) -> bool:
    """Take it if it is free now."""
    try:
        return lock.acquire(wait=False)
    except Deadlock:
        return False


def _leads_back(flight: Flight, own: tuple[Flight, ...]) -> bool:
    """Whether a flight, or one that it waits for, is led by the very context that would wait for it."""
    seen: set[int] = set()
    waiting = [flight]
    while waiting:
        each = waiting.pop()
        if each in own:
            return True
        if id(each) not in seen:
            seen.add(id(each))
            waiting.extend(each.waiting_for)
    return False


def _forget() -> None:
    """In a forked child: what its parent's threads were computing, nobody computes here."""
    global _guard
    _guard = threading.RLock()
    _flights.clear()


os.register_at_fork(after_in_child=_forget)
