"""What workers say: answers, streams, output, control, and what each answer teaches about the time that calls take.

An answer settles its call, unless a deadline, a cancellation or the client's end has settled it before: then it is
counted as late and goes no further. Either way its worker has room again, so the next call is placed here, a worker
that answered its share is reported for recycling, and one that retires leaves when it was the last.

Workers are ours, but user code can write to any descriptor: what is no frame costs the worker its life, and an answer
to a call that we do not know is no error, since calls are forgotten before their workers hear of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bascule.bridge.notices import KillReason, RecycleWanted, WorkerReady
from bascule.bridge.router.calls import SETTLED, Call, CallState
from bascule.bridge.router.messages import read_control
from bascule.bridge.router.peers import Worker, WorkerState
from bascule.bridge.router.requests import SOFT_UNWRITTEN
from bascule.protocols.envelope import Codec, Flag, Kind
from bascule.protocols.errors import RemoteProtocolError
from bascule.workers.page import armed_id, started_id

if TYPE_CHECKING:
    from bascule.bridge.router.core import RouterCore
    from bascule.protocols.envelope import Frame, Payload

_REPLY, _ERROR, _MISROUTED = int(Kind.REPLY), int(Kind.ERROR), int(Kind.MISROUTED)
_ITEM, _END, _OUTPUT, _CONTROL = int(Kind.ITEM), int(Kind.END), int(Kind.OUTPUT), int(Kind.CONTROL)
_CALLBACK, _CANCEL = int(Kind.CALLBACK), int(Kind.CANCEL)
_ANSWERS, _STREAMED = (_REPLY, _ERROR), (_ITEM, _END)
_ERR, _IDEMPOTENT = int(Flag.ERR), int(Flag.IDEMPOTENT)

_RETIRING = WorkerState.RETIRING

_KIND_AT = 4  # where in a frame its kind stands
LARGE = 16 << 10  # bytes of a payload that are worth letting go of early


class Answers:
    """The workers' side of a core."""

    def __init__(self, core: RouterCore) -> None:
        self._core = core

    def worker_data(self, worker: Worker, data: bytes) -> None:
        """Frames from a worker. Rubbish on its wire costs it its life."""
        core = self._core
        reader = worker.reader
        if len(data) >= LARGE and data[_KIND_AT] == _REPLY and not reader.pending:
            self._let_go_of_payloads(worker)  # before its room is made
        try:
            frames = reader.receive_data(data)
        except RemoteProtocolError:
            core.kill(worker, KillReason.RUBBISH)
            return
        self.worker_frames(worker, frames)

    def worker_frames(self, worker: Worker, frames: list[Frame]) -> None:
        """What became whole with the bytes that a worker wrote."""
        core = self._core
        if not frames:
            return
        calls = worker.calls
        meter = worker.pool.meter
        answered = 0
        for kind, codec, flags, wire_id, session, micros, payload in frames:
            if kind in _ANSWERS:
                call = calls.pop(wire_id, None)
                if call is None:
                    self._late_answer(worker, kind, codec, wire_id, payload)
                    continue
                answered += 1
                call.profile.learn(micros)
                if meter is not None:
                    meter.count(call.target, micros, kind == _ERROR)
                if call.state is SETTLED:
                    core.settled["late"] += 1
                    worker.doomed.pop(wire_id, None)
                else:
                    core.settle(call, kind, codec, payload)
            else:
                self._other_answer(worker, kind, codec, flags, wire_id, session, payload)
        if answered:
            self._account(worker, answered)

    def _account(self, worker: Worker, answered: int) -> None:
        """Calls have left a worker: there is room now, and perhaps it has answered its share."""
        core = self._core
        worker.count_slow()
        worker.calls_done += answered
        limit = worker.pool.policy.max_calls
        if limit and worker.calls_done >= limit and not worker.recycle_asked:
            worker.recycle_asked = True
            core.notices.append(RecycleWanted(worker.pool.policy.name, worker.slot, worker.incarnation))
        if worker.doomed:
            core.endings.press(worker)
        if worker.backlog.waiting or worker.pool.queue.waiting:
            core.serve_both(worker)
        if worker.state is _RETIRING:
            core.leave_if_idle(worker)

    def _late_answer(self, worker: Worker, kind: int, codec: int, wire_id: int, payload: Payload) -> None:
        """An answer to no outstanding call: the end of a stream, or something we no longer know."""
        core = self._core
        call = worker.streams.pop(wire_id, None)
        if call is None:
            worker.closing.pop(wire_id, None)
            core.settled["late"] += 1
            return
        core.settle(call, kind, codec, payload)
        if worker.state is WorkerState.RETIRING:
            core.leave_if_idle(worker)

    def _other_answer(
        self, worker: Worker, kind: int, codec: int, flags: int, wire_id: int, session: int, payload: Payload
    ) -> None:
        core = self._core
        if kind in _STREAMED:
            self._stream(worker, kind, codec, wire_id, payload)
        elif kind == _OUTPUT:
            self._output(worker, worker.calls.get(wire_id) or worker.streams.get(wire_id), flags, payload)
        elif kind == _MISROUTED:
            call = worker.calls.pop(wire_id, None)
            worker.doomed.pop(wire_id, None)
            if call is not None and call.state is not SETTLED:
                if not payload and core.callbacks.is_waiting(worker):
                    core.callbacks.given_back(call)
                else:
                    core.copies.send_on(call, worker, payload)
            self._account(worker, 0)
        elif kind == _CONTROL:
            self._worker_control(worker, payload)
        elif kind == _CALLBACK:
            core.callbacks.ask(worker, codec, flags, wire_id, session, payload)
        elif kind == _CANCEL:
            core.callbacks.give_up(worker, wire_id)
        else:
            core.kill(worker, KillReason.RUBBISH)

    def _stream(self, worker: Worker, kind: int, codec: int, wire_id: int, payload: Payload) -> None:
        core = self._core
        self._occupies_nobody(worker, wire_id)
        call = worker.streams.get(wire_id)
        if kind == _END:
            worker.closing.pop(wire_id, None)
        if call is None:
            return
        if kind == _END:
            del worker.streams[wire_id]
            core.settle(call, kind, codec, payload)
            if worker.state is WorkerState.RETIRING:
                core.leave_if_idle(worker)
        else:
            call.given -= 1
            core.answer(call.session, kind, codec, 0, call.client_id, payload)

    def _occupies_nobody(self, worker: Worker, wire_id: int) -> None:
        """A stream is open and waits for credit: until then its worker is free for others."""
        call = worker.calls.pop(wire_id, None)
        if call is None:
            return
        doom = worker.doomed.pop(wire_id, None)
        worker.streams[wire_id] = call
        if call.state is not SETTLED:
            call.state = CallState.STREAMING
        else:
            self._core.endings.close_stream(call, worker, doom.reason if doom is not None else KillReason.CANCEL)
        self._account(worker, 1)

    def _output(self, worker: Worker, call: Call | None, flags: int, payload: Payload) -> None:
        core = self._core
        if call is None or call.state is SETTLED:
            core.logged.append((worker, payload.decode(errors="replace"), bool(flags & _ERR)))
            return
        session = call.session
        if session.unwritten > SOFT_UNWRITTEN:
            session.output_dropped += len(payload)
            return
        if session.output_dropped:
            note = f"[{session.output_dropped} bytes of output were dropped: they were not read in time]\n".encode()
            session.output_dropped = 0
            core.answer(session, _OUTPUT, Codec.MSGPACK, _ERR, call.client_id, note)
        core.answer(session, _OUTPUT, Codec.MSGPACK, flags & _ERR, call.client_id, payload)

    def worker_output(self, worker: Worker, data: bytes, *, err: bool, final: bool = False) -> None:
        """Bytes from a worker's fd 1 or 2: of C code, of child processes."""
        text = worker.decoders[err].decode(data, final)
        if text:
            self._output(worker, self._who_runs(worker), _ERR if err else 0, text.encode())

    def _who_runs(self, worker: Worker) -> Call | None:
        """The call or stream that has just written to a descriptor; None where that can't be told.

        With what runs are counted those that may have ended, while their answers are on the way. The nearest of several
        will do, but nobody is told what another client's call has written.
        """
        if worker.threads > 1:
            return None
        armed, started = armed_id(worker.page), started_id(worker.page)
        running = [call for wire_id, call in worker.calls.items() if wire_id <= started]
        if (stream := worker.streams.get(armed)) is not None:
            running.append(stream)
        if not running or any(call.session is not running[0].session for call in running):
            return None
        return stream or worker.calls.get(armed) or running[-1]

    def _worker_control(self, worker: Worker, payload: Payload) -> None:
        core = self._core
        message = read_control(payload)
        op = message.get("op")
        if op == "ready" and worker.state is WorkerState.STARTING:
            worker.info = {key: message.get(key) for key in ("pid", "python", "implementation")}
            worker.state = WorkerState.SPARE
            pool = worker.pool
            pool.spares.append(worker)
            core.notices.append(WorkerReady(pool.policy.name, worker.slot, worker.incarnation, worker.info))
            core.fill(pool)
            core.serve(pool)
        elif op == "opened":
            if isinstance(wire_id := message.get("call"), int):
                self._occupies_nobody(worker, wire_id)
        elif op == "kept":
            self._kept(worker, message.get("call"), message.get("created"))
        elif op == "used":
            core.on_used(message.get("session"), message.get("line"))
        elif op == "failed":
            error = message.get("error")
            worker.init_error = error if isinstance(error, dict) else None
        elif not core.queries.answer(worker, message):
            core.kill(worker, KillReason.RUBBISH)

    def _kept(self, worker: Worker, wire_id: object, created: object) -> None:
        """What is going to be answered was computed earlier, for somebody else."""
        call = worker.calls.get(wire_id) if isinstance(wire_id, int) else None
        if call is not None and self._core.cache is not None and isinstance(created, float):
            self._core.cache.was_kept(call, created)

    def _let_go_of_payloads(self, worker: Worker) -> None:
        """A large answer is on its way, to the oldest call: its arguments need not be kept any more.

        Those of other calls must be: one that was started may still turn out to be misrouted.
        """
        if worker.threads == 1 and worker.calls:
            wire_id, call = next(iter(worker.calls.items()))
            if wire_id <= started_id(worker.page) and not call.flags & _IDEMPOTENT:
                call.payload = b""
