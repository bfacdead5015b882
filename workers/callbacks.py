"""Asking the client while a call runs, and answering what it asks in its turn.

A callback goes out as a frame with a number, and its thread waits for the REPLY or ERROR of that number. Meanwhile the
client may make calls in the course of the callback (NESTED): they run on the thread that waits, on top of what waits
there (see `nesting`). So chains through both sides may be as deep as the stack is, and the answers, matched by their
numbers, find their threads whichever comes first.

Who reads the wire while somebody waits:

- One thread runs the calls, and it is the one that waits: it reads itself. What it finds that is not for it is not
  lost: calls that were sent ahead are given back to the bridge (their worker can't begin them now), anything else is
  done on the spot, and open streams are advanced.
- One thread runs the calls, and a thread of user code's own asks: from then on a thread does nothing but read
  (`shared_reading`), since the main thread may be busy, or wait for the very thread that asks.
- Several threads run calls: the main thread reads anyway.

A waiting thread sleeps on its `bell`; what is for it lies in its `inbox`. They are two things since cancellation may
raise at any moment while it sleeps, and must not take a frame with it.
"""

from __future__ import annotations

from _queue import Empty, SimpleQueue
from _thread import allocate_lock
from collections import deque
from select import POLLIN, poll
from time import monotonic

from bascule.protocols.envelope import Flag, Kind
from bascule.protocols.errors import ErrorKind
from bascule.workers.cancel import Cancelled, ThreadGate
from bascule.workers.errors import plain_error_map
from bascule.workers.forks import is_child
from bascule.workers.loop import Loop, SingleLoop
from bascule.workers.nesting import FOR_CALLBACKS, NUMBER
from bascule.workers.running import Runner
from bascule.workers.values import codec_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

    from bascule.protocols.envelope import Frame, Payload
    from bascule.workers.cancel import Gate

_CALL, _NESTED, _CALLBACK = int(Kind.CALL), int(Kind.NESTED), int(Kind.CALLBACK)
_MISROUTED, _CANCEL, _ERROR = int(Kind.MISROUTED), int(Kind.CANCEL), int(Kind.ERROR)
_STREAM, _CAST = int(Flag.STREAM), int(Flag.CAST)
_TOO_LATE: Final = "the client did not answer in time"
_MOST_TOLD: Final = 64  # callbacks without an answer, before one is asked for ...
_MOST_BYTES: Final = 1 << 18  # ... or so many bytes of them
_GLANCE: Final = 0.05  # seconds; until the main thread has left what it does, when a thread of user code first asks


class Waiter:
    """One callback whose answer is awaited.

    Attributes:
        number: Its own.
        call_id: The call in whose course it is made, 0: none.
        answer: The REPLY or ERROR, once it is there.
        inbox: Frames that the waiting thread has to work on.
        cancelled: Nobody waits for the call any more.
        bell: Rings when one of these has changed.
    """

    __slots__ = ("answer", "bell", "call_id", "cancelled", "inbox", "number")

    def __init__(self, number: int, call_id: int) -> None:
        self.number = number
        self.call_id = call_id
        self.answer: Frame | None = None
        self.inbox: deque[Frame] = deque()
        self.cancelled = False
        self.bell: SimpleQueue[None] = SimpleQueue()


class Callbacks:
    """All callbacks of one worker."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._wire = loop.state.wire
        self._numbers = 0
        self._told = self._told_bytes = 0  # since the client was heard last
        self._lock = allocate_lock()
        self._waiting: dict[int, Waiter] = {}
        self._on_main: list[Waiter] = []  # of the main thread when it runs the calls, the innermost last
        self._poller: Any = None

    @classmethod
    def here(cls) -> Callbacks:
        """This worker's.

        Raises:
            RuntimeError: This is no worker.
        """
        loop = Loop.current
        if loop is None or is_child():
            raise RuntimeError("only code that a Bascule worker runs can call back: there is no client here")
        if loop.callbacks is None:
            loop.callbacks = cls(loop)
        return loop.callbacks

    # -- going out -----------------------------------------------------------------------------------------------

    def tell(self, codec: int, call_id: int, session: int, payload: Payload) -> None:
        """A callback whose result is not wanted.

        Now and then its end is awaited all the same, so that a client that can't keep up is not run over.
        """
        self._told += 1
        self._told_bytes += len(payload)
        if self._told < _MOST_TOLD and self._told_bytes < _MOST_BYTES:
            self._send(codec, _CAST, call_id, session, self._number(), payload)
        else:
            self._told = self._told_bytes = 0
            self.ask(codec, call_id, session, payload, None)

    def ask(self, codec: int, call_id: int, session: int, payload: Payload, timeout: float | None) -> Frame:
        """A callback and its answer, a REPLY or an ERROR.

        Raises:
            Cancelled: The call was cancelled, or the bridge is gone.
            TimeoutError: There was no answer within `timeout` seconds.
        """
        waiter = Waiter(self._number(), call_id)
        self._waiting[waiter.number] = waiter
        try:
            self._send(codec, 0, call_id, session, waiter.number, payload)
            self._wait(waiter, None if timeout is None else monotonic() + timeout)
        finally:
            self._waiting.pop(waiter.number, None)
            self._clear_up(waiter, codec, session)
        assert waiter.answer is not None
        return waiter.answer

    def _clear_up(self, waiter: Waiter, codec: int, session: int) -> None:
        """What is left when a wait is over. A cancellation may come at this moment, and must not cut a frame in two.

        Raises:
            Cancelled: It came.
        """
        gate = self._loop.state.capture.owner_here()[1]
        armed, cancelled = 0, None
        if gate is not None:
            try:
                armed = gate.shield()
            except Cancelled as error:
                cancelled = error
        if waiter.answer is None:  # it comes too late: the client need not go on
            self._wire.send(_CANCEL, codec, 0, waiter.number, session, b"")
            self._wire.flush()
        while waiter.inbox:
            self._leave(waiter.inbox.popleft())
        if gate is not None:
            gate.unshield(armed)
        if cancelled is not None:
            raise cancelled

    def _number(self) -> int:
        with self._lock:
            self._numbers += 1
            return self._numbers

    def _send(self, codec: int, flags: int, call_id: int, session: int, number: int, payload: Payload) -> None:
        state = self._loop.state
        gate = state.capture.owner_here()[1]
        armed = gate.shield() if gate is not None else 0
        try:
            state.capture.seal()  # what was printed before it is seen before it
            body = number.to_bytes(NUMBER, "little") + payload
            self._wire.send(_CALLBACK, codec, flags, call_id, session, body)
            self._wire.flush()
        finally:
            if gate is not None:
                gate.unshield(armed)

    # -- coming in -----------------------------------------------------------------------------------------------

    def take(self, frame: Frame) -> None:
        """A REPLY, ERROR or NESTED, on whichever thread reads."""
        kind, codec, flags, call_id, session, _, payload = frame
        number = int.from_bytes(payload[:NUMBER], "little") if kind == _NESTED else call_id
        waiter = self._waiting.get(number)
        if waiter is None or waiter.answer is not None:
            self._refuse(frame)
            return
        if kind != _NESTED:
            waiter.answer = frame
        else:
            if flags & _STREAM:  # its credit may come before it is run
                self._loop.state.streams.expect(call_id, codec, session)
            waiter.inbox.append(frame)
        waiter.bell.put(None)

    def take_for_main(self, frames: list[Frame], mailbox: SimpleQueue[list[Frame] | None]) -> None:
        """What another thread has read for the main thread: to where that looks now."""
        with self._lock:
            waiter = self._on_main[-1] if self._on_main else None
            if waiter is None:
                mailbox.put(frames)
                return
            waiter.inbox.extend(frames)
        waiter.bell.put(None)

    def cancel(self, call_id: int | None = None) -> None:
        """A call was cancelled (None: all are over): whoever waits in its course does not any more."""
        for waiter in list(self._waiting.values()):
            if call_id is None or waiter.call_id == call_id:
                waiter.cancelled = True
                waiter.bell.put(None)

    def _leave(self, frame: Frame) -> None:
        """A frame that a thread had no more time for."""
        if frame[0] in FOR_CALLBACKS:
            self._refuse(frame)
        elif frame[0] == _CALL:
            self._give_back(frame)
        else:
            self._loop.other(frame)

    def _refuse(self, frame: Frame) -> None:
        """A nested call whose callback is over."""
        if frame[0] == _NESTED:
            _, codec, _, call_id, session, _, _ = frame
            message = "the callback in whose course this call was made has ended"
            error = plain_error_map(ErrorKind.CANCELLED, message, worker=self._loop.state.name, call=call_id)
            self._wire.send(_ERROR, codec, 0, call_id, session, codec_for(codec).encode_error(error))
            self._wire.flush()

    # -- waiting -------------------------------------------------------------------------------------------------

    def _wait(self, waiter: Waiter, until: float | None) -> None:
        runner, gate = self._loop.state.capture.owner_here()
        if gate is None:
            self._wait_elsewhere(waiter, until)
        elif isinstance(self._loop, SingleLoop) and runner is self._loop.runner:
            self._wait_on_main(self._loop, waiter, gate, until)
        else:
            armed = gate.shield()
            while waiter.answer is None:
                if waiter.inbox:
                    self._work_on(waiter.inbox.popleft(), runner)
                else:
                    gate.unshield(armed)
                    _sleep(waiter, until)
                    gate.shield()
            gate.unshield(armed)

    def _wait_on_main(self, loop: SingleLoop, waiter: Waiter, gate: Gate, until: float | None) -> None:
        """On the one thread that runs calls: it has the wire to read and the streams to advance as well."""
        late: TimeoutError | None = None
        armed = gate.shield()
        with self._lock:
            self._on_main.append(waiter)
        try:
            self._sort(loop, loop.take_waiting())
            while waiter.answer is None:
                if waiter.inbox:
                    self._work_on(waiter.inbox.popleft(), loop.runner)
                    continue
                patience = 0.0 if loop.advance_stream() else None
                loop.main_reads = True
                if loop.shared is None:
                    try:
                        self._read(loop, gate, armed, until, patience)
                    finally:
                        loop.main_reads = False
                else:
                    loop.main_reads = False
                    loop.shared.start(by_main=True)
                    gate.unshield(armed)
                    _sleep(waiter, until, patience)
                    gate.shield()
        except TimeoutError as error:  # user code may go on, and is to be interrupted as before
            late = error
        finally:
            try:
                gate.shield()
            finally:  # a cancellation in this very moment was the last
                with self._lock:
                    self._on_main.pop()
        gate.unshield(armed)
        if late is not None:
            raise late

    def _read(self, loop: SingleLoop, gate: Gate, armed: int, until: float | None, patience: float | None) -> None:
        if self._poller is None:
            self._poller = poll()
            self._poller.register(loop.fd, POLLIN)
        if patience is None and until is not None:
            patience = max(0.0, until - monotonic()) + 0.001
        gate.unshield(armed)  # cancellation may raise from here ...
        found = self._poller.poll(None if patience is None else patience * 1000)
        gate.shield()  # ... to here
        if found:
            frames = loop.take_in()
            if frames is None:
                raise Cancelled
            self._sort(loop, frames)
        elif until is not None and monotonic() >= until:
            raise TimeoutError(_TOO_LATE)

    def _wait_elsewhere(self, waiter: Waiter, until: float | None) -> None:
        """On a thread of user code's own, which nothing interrupts."""
        loop = self._loop
        shared = None
        if isinstance(loop, SingleLoop):
            with self._lock:
                shared = loop.share_reading()
        runner: Runner | None = None
        try:
            while waiter.answer is None:
                if waiter.inbox:
                    runner = runner or self._new_runner()
                    self._work_on(waiter.inbox.popleft(), runner)
                else:
                    _sleep(waiter, until, _GLANCE if shared is not None and not shared.start() else None)
        finally:
            if runner is not None:
                loop.state.capture.part_with()
                loop.state.gates.remove(runner.gate)  # type: ignore[arg-type]

    def _new_runner(self) -> Runner:
        gate = ThreadGate()
        self._loop.state.gates.append(gate)
        return Runner(self._loop.state, gate)

    def _sort(self, loop: Loop, frames: list[Frame]) -> None:
        """Do what can be done now, and give back the calls, the last one first: each goes to the head of a queue."""
        for frame in frames:
            if frame[0] != _CALL:
                loop.other(frame)
        for frame in reversed(frames):
            if frame[0] == _CALL:
                self._give_back(frame)
        self._wire.flush()

    def _give_back(self, frame: Frame) -> None:
        """A call that can't be begun now, since its thread waits: the bridge gives it to another worker."""
        _, codec, _, call_id, session, _, _ = frame
        self._wire.send(_MISROUTED, codec, 0, call_id, session, b"")

    def _work_on(self, frame: Frame, runner: Runner) -> None:
        loop = self._loop
        if frame[0] == _NESTED:
            loop.run_nested(runner, frame)
            loop.state.capture.seal()
        elif frame[0] == _CALL:
            self._give_back(frame)
        else:
            loop.other(frame)
        self._wire.flush()


def _sleep(waiter: Waiter, until: float | None, patience: float | None = None) -> None:
    """Until the bell rings, or for no longer than `patience`.

    Raises:
        Cancelled: Nobody waits for the call any more.
        TimeoutError: It is `until`.
    """
    if until is not None:
        left = max(0.0, until - monotonic())
        patience = left if patience is None else min(left, patience)
    try:
        waiter.bell.get(timeout=patience)
    except Empty:
        if until is not None and monotonic() >= until:
            raise TimeoutError(_TOO_LATE) from None
    if waiter.cancelled:
        raise Cancelled
