"""The worker's main loop: read frames, run calls, answer, all on the main thread.

One read takes in as many frames as have come, their answers leave with one write (`Runner.run` says when earlier).
Between reads the open streams have their turns. With several threads it is `threads.ThreadedLoop` that runs the calls;
what is common, the messages that are no calls, is here.

Leaving. The end of the wire means that the bridge is gone. SIGTERM means: finish the call that runs, answer it, take
nothing new. The bridge knows from the shared page which calls were not started and gives them to another worker.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from select import POLLIN, poll
from struct import Struct
from struct import error as struct_error
from time import perf_counter

from bascule.protocols import packed
from bascule.protocols.envelope import Codec, Kind
from bascule.protocols.errors import ErrorKind
from bascule.protocols.tokens import TOKEN_LENGTH
from bascule.workers.cancel import SignalGate, ThreadGate
from bascule.workers.errors import CallFailed, error_map
from bascule.workers.page import ASIDE, CANCEL
from bascule.workers.running import Runner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from signal import SIGINT, SIGTERM, signal
    from typing import Any, Final

    from bascule.protocols.envelope import Frame, FrameReader
    from bascule.workers.callbacks import Callbacks
    from bascule.workers.shared_reading import SharedReading
    from bascule.workers.state import WorkerState
    from bascule.workers.streams import Stream
else:  # lighter than the signal module, see cancel
    from _signal import SIGINT, SIGTERM, signal

CHUNK: Final = 65_536  # bytes of one read: more is slower, the system has to find and clear the memory first
_MOST_IMPORTS: Final = 64  # calls whose copies wait for them
_MOST_DOOMED: Final = 64
_MOST_LISTED: Final = 100_000  # handles in one answer

_CREDIT: Final = int(Kind.CREDIT)
_RELEASE: Final = int(Kind.RELEASE)
_CONTROL: Final = int(Kind.CONTROL)
_MSGPACK: Final = int(Codec.MSGPACK)
_credit = Struct("<I").unpack


class Leave(BaseException):
    """Raised in the main thread while it waits for frames: time to go."""


class Loop(ABC):
    """What every worker does with its frames.

    Attributes:
        current: This process's.
        callbacks: What user code asks its clients, once it does.
        shared: Where another thread reads the wire.
        attention: Something is to be looked at before and after the next read.
    """

    current: Loop | None = None

    def __init__(self, state: WorkerState, fd: int, reader: FrameReader) -> None:
        Loop.current = self
        self.callbacks: Callbacks | None = None
        self.shared: SharedReading | None = None
        self.attention = state.objects.lease is not None
        self.state = state
        self.fd = fd
        self._reader = reader
        self._waiting = False  # in `read`, where SIGTERM may break in

    def await_setup(self, awaitable: Any) -> None:
        """The pool's init function is a coroutine function."""
        import asyncio

        asyncio.run(_as_coroutine(awaitable))

    def finish(self) -> None:  # noqa: B027 - nothing, where the main thread runs the calls
        """After SIGTERM: wait for what runs."""

    def read(self) -> list[Frame] | None:
        """The next frames from the bridge, as soon as there is something; None: it is gone.

        Raises:
            Leave: SIGTERM came, now or earlier.
        """
        # In this order: a signal after the first line raises, one before it is seen by the second.
        self._waiting = True
        if self.attention:
            if self.state.leaving:
                raise Leave
            if self.shared is not None:
                frames = self.shared.read(self.state.objects)
                self._waiting = False
                return frames
            self._wait_sweeping()
        view = self._reader.buffer()
        if view is None:
            data = os.read(self.fd, CHUNK)
            self._waiting = False
            return self._reader.receive_data(data) if data else None
        count = os.readv(self.fd, [view])  # a large frame is under way
        self._waiting = False
        return self._reader.received(count) if count else None

    def take_in(self) -> list[Frame] | None:
        """As `read`, where no signal may break in: while a call waits, or on a thread of its own."""
        view = self._reader.buffer()
        if view is None:
            data = os.read(self.fd, CHUNK)
            return self._reader.receive_data(data) if data else None
        count = os.readv(self.fd, [view])
        return self._reader.received(count) if count else None

    def take_signals(self) -> None:
        """SIGTERM: leave soon. SIGINT: nothing; a terminal's Ctrl-C is for the bridge.

        A handler that does nothing is not SIG_IGN: that would be inherited by what user code starts.
        """
        signal(SIGTERM, self._on_term)
        signal(SIGINT, _do_nothing)

    def other(self, frame: Frame) -> None:
        """Anything that is no call."""
        kind, _, _, call_id, session, _, payload = frame
        if kind == _CREDIT:
            stream = self.state.streams.get(call_id)
            if stream is not None:
                try:
                    (items,) = _credit(payload)
                except struct_error:
                    return
                self.state.streams.add_credit(stream, items)
                self.stream_ready(stream)
        elif kind == _RELEASE:
            self.state.page[ASIDE] = 1
            if payload:
                text = payload.decode("ascii", "replace")
                tokens = [text[at : at + TOKEN_LENGTH] for at in range(0, len(text), TOKEN_LENGTH)]
                self.state.objects.release(session, tokens)
            else:
                self.end_session(session)
                for stream in self.state.streams.of_session(session):
                    self.close_stream(stream)
            self.state.page[ASIDE] = 0
        elif kind == _CONTROL:
            self.control(packed.loads(payload))
        elif self.callbacks is not None:
            self.callbacks.take(frame)

    def control(self, message: dict[str, Any]) -> None:
        """One of the bridge's questions and orders."""
        op = message.get("op")
        state = self.state
        if op == "ping":
            state.objects.sweep()
            streams = len(state.streams)
            counts = {"handles": len(state.objects), "sessions": state.objects.sessions, "calls": self.running()}
            self.answer({"op": "pong", "id": message.get("id"), **counts, "streams": streams})
        elif op == "handles":
            rows = state.objects.listing(message.get("session"))[:_MOST_LISTED]
            self.answer({"op": "handles", "id": message.get("id"), "handles": rows})
        elif op == "watch":
            self.watch(message)
        elif op == "unwatch":
            if state.objects.unwatch(message.get("token", ""), message.get("id", 0)):
                self.answer({"op": "watch", "id": message.get("id"), "reason": "withdrawn"})
        elif op == "export":
            self.export(message)
        elif op == "import":
            state.imports[message["call"]] = (message["session"], message["objects"])
            if len(state.imports) > _MOST_IMPORTS:  # the call for the first never came
                state.imports.pop(next(iter(state.imports)), None)
        elif op == "trace":
            from bascule.workers.tracing import remember

            remember(message["call"], message["parent"])
        elif op == "close_stream":
            stream = state.streams.get(message.get("call", 0))
            if stream is not None:
                self.close_stream(stream)
        elif op == "cancel":
            self.cancel(message.get("call", 0))

    def watch(self, message: dict[str, Any]) -> None:
        """Answer when a handle's object is let go of."""
        number = message.get("id", 0)
        answer = {"op": "watch", "id": number, "reason": "released"}
        tell = self._later(answer)
        if not self.state.objects.watch(message.get("session", 0), message.get("token", ""), number, tell):
            self.answer({**answer, "reason": "lost"})

    def _later(self, answer: dict[str, Any]) -> Callable[[], None]:
        def tell() -> None:
            self.answer(answer)
            self.state.wire.flush()

        return tell

    def end_session(self, session: int) -> None:
        """Drop what it holds."""
        self.state.objects.end_session(session)

    def answer(self, message: dict[str, Any]) -> None:
        """A CONTROL to the bridge, after what was printed before it."""
        self.state.wire.send(_CONTROL, _MSGPACK, 0, 0, 0, packed.dumps(message))

    def export(self, message: dict[str, Any]) -> None:
        """Pickle objects that a call in another worker needs."""
        self.answer(exported(self.state, message))

    def running(self) -> int:
        """How many calls are being run."""
        return 0

    def run_nested(self, runner: Runner, frame: Frame) -> None:
        """A call in the course of a callback, on the thread that waits for the callback's answer."""
        from bascule.workers.nesting import run_on_top

        run_on_top(runner, frame, self.other)

    @abstractmethod
    def cancel(self, call_id: int) -> None:
        """Interrupt a call that a signal does not reach: any where several threads run calls, else one that runs on a
        thread of user code's own."""

    @abstractmethod
    def serve(self, frames: list[Frame]) -> None:
        """Until the wire's end, or SIGTERM. `frames`: what was already read."""

    @abstractmethod
    def stream_ready(self, stream: Stream) -> None:
        """It has credit."""

    def close_stream(self, stream: Stream) -> None:
        """Nothing more of it is wanted."""
        stream.closed = True
        if stream.iterator is None:
            self.cancel(stream.call_id)
        self.stream_ready(stream)

    def _wait_sweeping(self) -> None:
        """Wait for input, and let leases run out meanwhile."""
        objects = self.state.objects
        lease = objects.lease
        if lease is None or not objects.sessions:
            return
        poller = poll()
        poller.register(self.fd, POLLIN)
        if objects.sweep_is_due():
            self._sweep()
        while not poller.poll(max(1, int(lease * 500))):
            self._sweep()

    def _sweep(self) -> None:
        """Let leases run out.

        Raises:
            Leave: SIGTERM came meanwhile. A finalizer may have swallowed what the signal raised.
        """
        self.state.page[ASIDE] = 1
        self.state.objects.sweep()
        self.state.page[ASIDE] = 0
        if self.state.leaving:
            raise Leave

    def _on_term(self, _signal: int, _frame: object) -> None:
        self.state.leaving = self.attention = True
        if self._waiting:
            self._waiting = False
            raise Leave


class SingleLoop(Loop):
    """The main thread runs the calls."""

    def __init__(self, state: WorkerState, fd: int, reader: FrameReader) -> None:
        super().__init__(state, fd, reader)
        gate = SignalGate(state.page, state.capture.flush)
        gate.install()
        self.runner = Runner(state, gate)
        self.main_reads = False  # while a call waits for an answer
        self._poller: Any = None
        self._doomed: dict[int, None] = {}  # the last calls that were cancelled on threads of user code's own

    def await_setup(self, awaitable: Any) -> None:
        """In the same event loop as the calls to come: what it opens there is theirs to use."""
        self.runner.awaiter.wait(awaitable, 0)

    def serve(self, frames: list[Frame]) -> None:
        """Until the wire's end, or SIGTERM.

        Args:
            frames: What was already read.
        """
        runner, state = self.runner, self.state
        run, other, read, flush = runner.run, self.other, self.read, state.wire.flush
        ready = state.streams.ready
        while True:
            runner.then = perf_counter()
            if len(frames) > 1:
                frames.reverse()
            runner.frames = frames
            run(frames, other)
            runner.call_id = 0
            if runner.texts or state.capture.dirty:
                state.capture.seal()
            flush()
            if ready and not state.leaving:
                self._advance_one(ready)  # neither a flood of calls starves the streams, nor they the calls
                if not self._has_input():
                    frames = []
                    continue
            received = read()
            if received is None:
                return
            frames = received

    def cancel(self, call_id: int) -> None:
        """Interrupt a call on a thread of user code's own, or see to it that it ends when it begins there."""
        self._doomed[call_id] = None  # first: that thread looks here after it has said what it works on
        if len(self._doomed) > _MOST_DOOMED:
            self._doomed.pop(next(iter(self._doomed)))
        for gate in list(self.state.gates):
            gate.cancel(call_id)

    def run_nested(self, runner: Runner, frame: Frame) -> None:
        """On the main thread, or on one of user code's own."""
        if runner is self.runner:
            super().run_nested(runner, frame)
            return
        gate, call_id = runner.gate, frame[3]
        assert isinstance(gate, ThreadGate)
        below, gate.call_id = gate.call_id, call_id
        if call_id in self._doomed:
            gate.cell[CANCEL] = call_id
        super().run_nested(runner, frame)
        gate.done()
        gate.call_id = below

    def stream_ready(self, stream: Stream) -> None:
        """It gets its turn between reads."""
        if stream not in self.state.streams.ready and (stream.credit > 0 or stream.closed):
            self.state.streams.ready.append(stream)

    def _advance_one(self, ready: list[Stream]) -> None:
        """A turn for the stream that has waited longest."""
        stream = ready.pop(0)
        streams = self.state.streams
        if streams.claim(stream):
            self.runner.streaming.advance(stream)
            self.runner.call_id = 0
            streams.let_go(stream)
            if stream.iterator is not None:
                self.stream_ready(stream)

    def advance_stream(self) -> bool:
        """While a call waits: whether there was a stream to give a turn."""
        ready, runner = self.state.streams.ready, self.runner
        if not ready:
            return False
        call_id, session, then = runner.call_id, runner.session, runner.then
        self._advance_one(ready)
        self.state.wire.flush()
        runner.call_id, runner.session, runner.then = call_id, session, then
        return True

    def take_waiting(self) -> list[Frame]:
        """What was read together with the call that now waits for an answer, and what lies there since."""
        frames = self.runner.frames[::-1]
        self.runner.frames.clear()
        return frames + self.shared.take_all() if self.shared is not None else frames

    def share_reading(self) -> SharedReading:
        """A thread of user code's own must hear answers, whatever the main thread is doing."""
        if self.shared is None:
            from bascule.workers.shared_reading import SharedReading

            self.shared = SharedReading(self)
            self.attention = True
        return self.shared

    def _has_input(self) -> bool:
        if self._poller is None:
            self._poller = poll()
            self._poller.register(self.fd, POLLIN)
        return bool(self._poller.poll(0))


def exported(state: WorkerState, message: dict[str, Any]) -> dict[str, Any]:
    """The answer to `export`."""
    import pickle

    answer: dict[str, Any] = {"op": "exported", "id": message.get("id")}
    most = message.get("max") or 0
    state.page[ASIDE] = 1
    try:
        pickles: list[bytes] = []
        for token in message["tokens"]:
            value = state.objects.find(message["session"], token)
            try:
                data = pickle.dumps(value, 4)
            except Exception as error:
                kind = type(value).__name__
                raise CallFailed(
                    ErrorKind.HANDLES_APART, f"a {kind} can't be copied to another worker: it can't be pickled"
                ) from error
            if most and len(data) + sum(map(len, pickles)) > most:
                raise CallFailed(
                    ErrorKind.HANDLES_APART,
                    f"objects of more than {most} bytes are not copied to another worker",
                    details={"limit": most},
                )
            pickles.append(data)
        answer["pickles"] = pickles
    except Exception as error:
        answer["error"] = error_map(error, worker=state.name)
    state.page[ASIDE] = 0
    return answer


async def _as_coroutine(awaitable: Any) -> Any:
    return await awaitable


def _do_nothing(_signal: int, _frame: object) -> None:
    return
