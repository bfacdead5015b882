"""Sending a stream's items: what `Runner` does for calls, for iterators that were opened by one.

The iterator is user code each time it is advanced, so each step is armed and disarmed like a call, and what is left of
a step is handled the same way: output first, errors described, a forked child never answering.
"""

from __future__ import annotations

from time import perf_counter

from bascule.protocols import packed
from bascule.protocols.envelope import Codec, Kind
from bascule.protocols.limits import MAX_FRAME
from bascule.workers.cancel import Cancelled
from bascule.workers.explain import ENCODING, RUNNING, too_large
from bascule.workers.page import ARMED, CANCEL
from bascule.workers.streams import PROMPT, iterator_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

    from bascule.workers.plan import Plan
    from bascule.workers.running import Runner
    from bascule.workers.streams import Stream

_TURN: Final = 0.002  # seconds that a stream is advanced before others have their turn
_CONTROL, _MSGPACK = int(Kind.CONTROL), int(Codec.MSGPACK)
_ITEM: Final = int(Kind.ITEM)
_END: Final = int(Kind.END)


class Streaming:
    """The streams that one thread opens and advances."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def open(self, plan: Plan, codec: int, result: Any) -> bool:
        """Whether the result is one to stream; then its END or ERROR will be the answer."""
        found = iterator_of(result, any_iterable=plan.iterates)
        streams = self._runner.state.streams
        if found is None:
            streams.forget(self._runner.call_id)
            return False
        stream = streams.expect(self._runner.call_id, codec, self._runner.session)
        stream.plan = plan
        stream.is_async = found[1]
        if stream.is_async:
            stream.loop = self._stream_loop()
        stream.iterator = found[0]
        # Until its first item the bridge would take us to be running it: a client may give credit late, or never.
        message = packed.dumps({"op": "opened", "call": stream.call_id})
        self._runner.state.wire.send(_CONTROL, _MSGPACK, 0, 0, 0, message)
        return True

    def _stream_loop(self) -> Any:
        """The event loop of an async stream: of its own where it may be advanced by now this thread, now that."""
        if not self._runner.threaded:
            return self._runner.awaiter.loop
        import asyncio

        return asyncio.new_event_loop()

    def advance(self, stream: Stream) -> None:
        """Send what a claimed stream has credit for, for a while; end it when nothing more is wanted."""
        streams, wire = self._runner.state.streams, self._runner.state.wire
        self._runner.call_id = stream.call_id
        self._runner.session = stream.session
        began = self._runner.then = perf_counter()
        patient = stream.is_async or type(stream.iterator) not in PROMPT
        while not stream.closed and stream.credit > 0 and self._runner.then - began < _TURN:
            if patient:
                wire.flush()  # the next item may be long in coming: the last one does not wait for it
            item, failure = self._guarded(stream, self._next)
            if isinstance(failure, StopAsyncIteration if stream.is_async else StopIteration):
                self._end(stream)
                return
            stage = RUNNING
            if failure is None:
                stage = ENCODING
                failure = self._send_item(stream, item)
                item = None
            if failure is not None:
                self._let_stream_go(stream, close=stage == ENCODING)
                self._runner.fail(stream.codec, failure, stage)
                return
            streams.add_credit(stream, -1)
            self._runner.then = perf_counter()
        if stream.closed:
            self._let_stream_go(stream, close=True)
            self._end(stream)

    def _next(self, stream: Stream) -> Any:
        if stream.is_async:
            return self._runner.awaiter.wait(stream.iterator.__anext__(), stream.call_id, stream.loop)
        return next(stream.iterator)

    def _close(self, stream: Stream) -> None:
        if stream.is_async:
            self._runner.awaiter.wait(stream.iterator.aclose(), stream.call_id, stream.loop)
        else:
            stream.iterator.close()

    def _guarded(self, stream: Stream, step: Any) -> tuple[Any, BaseException | None]:
        """Run user code of a stream, armed: what it gave, or what it raised."""
        cell, call_id = self._runner.cell, stream.call_id
        try:
            try:
                cell[ARMED] = call_id
                if cell[CANCEL] == call_id and step == self._next:
                    cell[ARMED] = 0
                    raise Cancelled
                value = step(stream)
                cell[ARMED] = 0
                if self._runner.threaded:
                    self._runner.gate.disarm(call_id)
            except BaseException as error:
                cell[ARMED] = 0
                if self._runner.threaded:
                    self._runner.gate.disarm(call_id)
                return None, error
            return value, None
        except Cancelled as error:
            return None, error

    def _send_item(self, stream: Stream, item: object) -> BaseException | None:
        state = self._runner.state
        try:
            data = stream.plan.encode(item)
            if len(data) > MAX_FRAME:
                raise too_large(len(data))
        except Exception as error:
            return error
        if self._runner.texts or state.capture.dirty:
            state.capture.seal()
        state.wire.send(_ITEM, stream.codec, 0, stream.call_id, stream.session, data)
        return None

    def _let_stream_go(self, stream: Stream, *, close: bool) -> None:
        """Close the iterator, if it is the stream's alone: what ITERATE was given may be in use elsewhere."""
        if close and not stream.plan.iterates and hasattr(stream.iterator, "aclose" if stream.is_async else "close"):
            failure = self._guarded(stream, self._close)[1]
            if failure is not None:
                _report(failure)

    def _end(self, stream: Stream) -> None:
        state = self._runner.state
        self.forget(stream)
        if self._runner.texts or state.capture.dirty:
            state.capture.seal()
        state.wire.send(_END, stream.codec, 0, stream.call_id, stream.session, b"")

    def forget(self, stream: Stream) -> None:
        """It is over: its answer has been sent or is about to be."""
        self._runner.state.streams.forget(stream.call_id)
        stream.iterator = None
        if self._runner.threaded and stream.loop is not None:
            stream.loop.close()


def _report(failure: BaseException) -> None:
    """An exception that nobody waits for, to stderr."""
    import traceback

    traceback.print_exception(type(failure), failure, failure.__traceback__)
