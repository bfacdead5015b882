"""Who reads, and who runs what.

The main thread reads, and runs the calls itself: as long as they are quick, or come one at a time, user code sees one
thread, and an answer takes no hand-over. But a call may be slow, and meanwhile others come, and answers to other
threads, and the end of the input. So there is a second thread, the stand-in.

*Reading is a role*, and a lock is the role: who holds it reads and deals out what comes. The main thread lends it for
as long as it runs user code, which costs a release and an acquire. The stand-in looks every few milliseconds whether
the same call still runs; if so it takes the role, and what it reads goes to the pool's threads. When the call is done
the main thread asks for the role back through a pipe. With nothing to run the stand-in sleeps, without a tick.

*Waiting for Erlang.* Each call to Erlang has a number and a waiter; whoever reads an answer gives it to that waiter, so
answers can't be mixed up. The main thread, when it waits, reads; other threads just wait. What Erlang calls in the
meantime runs in the pool, where each waiting thread has made room for another.

*One thread for all* (`most=1`): calls and messages run in the main thread alone, in the order in which they come, and
while it waits for Erlang inside of one another, as ErlPort does it. The stand-in then only delivers answers to
background threads, and watches for the end.
"""

from __future__ import annotations

import os
import sys
from _thread import allocate_lock, get_ident, start_new_thread
from collections import deque
from itertools import count
from select import POLLIN, poll

from bascule.protocols.erlport.messages import Answer, Call, Message, Refused
from bascule.workers.erlport.exchange import Exchange
from bascule.workers.erlport.lane import Lane
from bascule.workers.erlport.leaving import end_within_grace
from bascule.workers.erlport.pool import Pool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Final

    from bascule.protocols.erlport.messages import Event
    from bascule.protocols.erlport.terms import Atom

_TICK: Final = 0.004  # seconds: a call that runs longer has had its chance to be quick
_MOST: Final = 1 << 20  # bytes of one read, when a large frame is under way


class PortClosed(Exception):
    """The node is gone: there is nobody to call."""


class _End(BaseException):
    """The input has ended."""


class _Waiter:
    """A thread that waits for Erlang's answer."""

    __slots__ = ("answer", "lock")

    def __init__(self) -> None:
        self.answer: Answer | None = None
        self.lock = allocate_lock()
        self.lock.acquire()


class Loop:
    """One port.

    Args:
        exchange: The outgoing half.
        fd: Where the frames come from.
        most: How many calls may run at a time.
        chunk: Bytes of one read.
    """

    def __init__(self, exchange: Exchange, fd: int, *, most: int, chunk: int) -> None:
        self._exchange = exchange
        self._fd = fd
        self._chunk = chunk
        self._alone = most == 1
        self._main = get_ident()
        self._inbox: deque[Event] = deque()  # read, and not yet dealt out
        self._kept: deque[Event] = deque()  # for the main thread alone, and before the inbox
        self._numbers = count(1)
        self._waiters: dict[int, _Waiter] = {}
        self._pool = Pool(most)
        self._lane = Lane(exchange.handle, self._drain_in_pool, self._run_in_pool)
        self._over = False
        # The role
        self._role = allocate_lock()
        self._leading = False  # the main thread has the role
        self._busy = False  # the main thread runs user code
        self._turn = 0  # counts what it has run
        self._alarm = allocate_lock()  # wakes the stand-in
        self._alarm.acquire()
        self._asleep = False
        self._recalled = False
        self._wake_in, self._wake_out = os.pipe()

    def serve(self) -> None:
        """Read, run and answer, until the input ends. In the main thread."""
        self._role.acquire()
        self._leading = True
        start_new_thread(self._stand_in, ())
        inbox, kept, lane, exchange = self._inbox, self._kept, self._lane, self._exchange
        outcome, send, acquire, release = exchange.outcome, exchange.send, self._role.acquire, self._role.release
        try:
            while True:
                if kept:
                    event = kept.popleft()
                elif inbox:
                    event = inbox.popleft()
                else:
                    events = self._fetch()
                    if len(events) != 1:
                        inbox.extend(events)
                        continue
                    event = events[0]
                if type(event) is Call and not (lane.busy and lane.hold(event)):
                    # `_lend`, written out. Sent when the role is back: the same caller's next call is read here, and
                    # so runs here.
                    self._turn += 1
                    self._busy = True
                    if self._asleep:
                        self._summon()
                    self._leading = False
                    release()
                    pieces = outcome(event)
                    if not acquire(False):
                        self._take_role()
                    self._leading = True
                    self._busy = False
                    send(pieces)
                elif type(event) is Message:
                    if self._alone:
                        self._lend(exchange.handle, event)
                    elif lane.put(event):
                        self._lend(lane.drain)
                elif type(event) is not Call:
                    self._deal(event)
        except _End:
            self._close()
        self._pool.wait_until_idle()

    def ask(self, module: Atom, function: Atom, arguments: list[object], context: Atom) -> Answer:
        """Call Erlang and wait, in whatever thread this is.

        Raises:
            PortClosed: The input has ended.
            ValueError: The arguments do not travel.
        """
        if self._over or self._exchange.forked:
            raise PortClosed("there is no Erlang behind this process: the port is closed, or it was forked")
        number = next(self._numbers)
        pieces = self._exchange.conversation.call(number, module, function, arguments, context)
        waiter = self._waiters[number] = _Waiter()
        self._lane.pause()
        self._exchange.send(pieces)
        if get_ident() == self._main:
            self._wait_reading(waiter)
        else:
            self._pool.pause()
            if not self._over:  # else it might have been closed before this waiter was seen
                waiter.lock.acquire()
            self._pool.resume()
        if waiter.answer is None:
            raise PortClosed("the port was closed before Erlang answered")
        return waiter.answer

    def fork(self) -> None:
        """In a forked child: let go of the parent's port."""
        self._exchange.fork()
        for fd in (self._fd, self._wake_in, self._wake_out):
            os.close(fd)

    # Reading

    def _read(self) -> None:
        """More into the inbox; as `_fetch`."""
        self._inbox.extend(self._fetch())

    def _fetch(self) -> Sequence[Event]:
        """Read what there is. Only for who has the role.

        Raises:
            _End: There is no more.
        """
        conversation = self._exchange.conversation
        missing = conversation.missing
        try:
            data = os.read(self._fd, min(missing, _MOST) if missing > self._chunk else self._chunk)
        except OSError:
            data = b""
        if not data:
            raise _End
        return conversation.receive_data(data)

    def _wait_reading(self, waiter: _Waiter) -> None:
        """In the main thread: read until the answer is there, and deal out everything else."""
        had = self._leading
        if not had:
            self._take_role()
        was_busy, self._busy = self._busy, False  # so that the stand-in sleeps, however long it takes
        inbox, kept = self._inbox, self._kept
        try:
            while waiter.answer is None and not self._over:
                if kept:
                    self._deal(kept.popleft())
                elif inbox:
                    self._deal(inbox.popleft())
                else:
                    self._read()
        except _End:
            self._close()
        finally:
            self._busy = was_busy
            if not had:
                self._leading = False
                self._role.release()
                if self._waiters or self._asleep:
                    self._summon()

    def _deal(self, event: Event) -> None:
        """Give an event to whom it is for, without running user code here, unless there is nobody else."""
        if type(event) is Answer:
            waiter = self._waiters.pop(event.id, None)
            if waiter is None:
                self._complain(f"Erlang answers call {event.id}, which nobody waits for")
                return
            waiter.answer = event
            waiter.lock.release()
        elif type(event) is Call:
            if self._alone:
                self._run_alone(event)
            elif not self._lane.hold(event):
                self._run_in_pool(event)
        elif type(event) is Message:
            if self._alone:
                self._run_alone(event)
            elif self._lane.put(event):
                self._drain_in_pool()
        elif type(event) is Refused:
            self._exchange.refuse(event)
        else:
            self._complain(event.reason)  # type: ignore[union-attr]

    def _run_alone(self, event: Call | Message) -> None:
        """The main thread runs all: now, inside of what it waits in, or once it is free."""
        if get_ident() != self._main:
            self._kept.append(event)
        elif type(event) is Call:
            self._exchange.send(self._lend(self._exchange.outcome, event))
        else:
            self._lend(self._exchange.handle, event)

    def _run_in_pool(self, call: Call) -> None:
        exchange = self._exchange
        self._pool.submit(
            lambda: exchange.send(exchange.outcome(call)),
            lambda: exchange.refuse(Refused(call.id, "no thread is left to run this in")),
        )

    def _drain_in_pool(self) -> None:
        self._pool.submit(self._lane.drain, self._lane.drain)

    @staticmethod
    def _complain(what: str) -> None:
        print(f"bascule-erlport: {what}", file=sys.stderr)

    # The role

    def _lend(self, run: Any, *arguments: object) -> Any:
        """Run user code in the main thread; the stand-in may have the role meanwhile."""
        was_busy = self._busy
        self._turn += 1
        self._busy = True
        if self._asleep:
            self._summon()
        self._leading = False
        self._role.release()
        try:
            return run(*arguments)
        finally:
            self._take_role()
            self._busy = was_busy

    def _take_role(self) -> None:
        if not self._role.acquire(False):
            self._recalled = True
            os.write(self._wake_out, b"\0")
            self._role.acquire()
            self._recalled = False  # by whom it is for: until then the stand-in must not take the role again
        self._leading = True

    def _summon(self) -> None:
        """Have the stand-in look at once."""
        self._asleep = False
        if self._alarm.locked():  # else it is awake already
            self._alarm.release()

    def _stand_in(self) -> None:
        """The second thread."""
        alarm = self._alarm
        while not self._over:
            if not self._busy:
                self._asleep = True
                if not self._busy:  # else the main thread might not have seen it
                    alarm.acquire()
                self._asleep = False
            turn = self._turn
            summoned = alarm.acquire(timeout=_TICK)
            stuck = self._busy and self._turn == turn
            if ((summoned and self._waiters) or stuck) and not self._recalled and self._role.acquire(False):
                self._lead()

    def _lead(self) -> None:
        """Read and deal out, until the main thread wants the role back."""
        poller = poll()
        poller.register(self._fd, POLLIN)
        poller.register(self._wake_in, POLLIN)
        inbox = self._inbox
        try:
            while not self._recalled:
                if inbox:
                    self._deal(inbox.popleft())
                elif any(fd == self._fd for fd, _ in poller.poll()):
                    self._read()
        except _End:
            self._close()
        finally:
            if self._recalled:
                os.read(self._wake_in, 1)
            self._role.release()

    def _close(self) -> None:
        """The input has ended: nobody will answer, and what runs has its grace."""
        if self._over:
            return
        self._over = True
        end_within_grace()
        for number in list(self._waiters):
            waiter = self._waiters.pop(number, None)
            if waiter is not None:
                waiter.lock.release()
