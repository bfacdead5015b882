"""A worker that runs several calls at a time: the main thread reads, others run.

For code that waits (for a disk, a database, the GIL-free part of numpy); Python code gains nothing. Calls are taken
from one queue in the order of their wire ids. One thread at a time waits at the queue, and it records what it took in
the shared page before the next may: so the highest id that was started is true of all that are lower.

The threads are daemons: a call that does not end does not keep the worker from leaving. They are made by `threading`,
which must be imported in the main thread: it takes the thread that imports it for that one.
"""

from __future__ import annotations

import os
from _queue import SimpleQueue
from _thread import allocate_lock
from threading import Thread

from bascule.protocols.envelope import Flag, Kind
from bascule.workers.cancel import ThreadGate
from bascule.workers.forks import leave_child
from bascule.workers.loop import Loop, exported
from bascule.workers.page import CANCEL, STARTED
from bascule.workers.running import Runner
from bascule.workers.streams import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

    from bascule.protocols.envelope import Frame, FrameReader
    from bascule.workers.state import WorkerState

_CALL: Final = int(Kind.CALL)
_STREAM: Final = int(Flag.STREAM)
_SESSIONS_REMEMBERED: Final = 1000


class ThreadedLoop(Loop):
    """The main thread reads and answers the bridge's own questions; `state.threads` others run calls."""

    def __init__(self, state: WorkerState, fd: int, reader: FrameReader) -> None:
        super().__init__(state, fd, reader)
        self._jobs: SimpleQueue[Any] = SimpleQueue()  # frames of calls, streams, exports (maps)
        self._turn = allocate_lock()  # held by the thread that waits at the queue
        self._threads: list[Thread] = []
        self._doomed: set[int] = set()  # calls that were cancelled before they were started
        self._ended_sessions: dict[int, None] = {}  # the last ones, oldest first

    def serve(self, frames: list[Frame]) -> None:
        """Until the wire's end, or SIGTERM. `frames`: what was already read."""
        for number in range(self.state.threads):
            thread = Thread(target=self._work, name=f"bascule-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()
        while True:
            for frame in frames:
                if frame[0] == _CALL:
                    if frame[2] & _STREAM:  # its credit may come before its thread has opened it
                        self.state.streams.expect(frame[3], frame[1], frame[4])
                    self._jobs.put(frame)
                else:
                    self.other(frame)
            self.state.wire.flush()
            frames = []  # the last large payload is its thread's alone
            received = self.read()
            if received is None:
                return
            frames = received

    def finish(self) -> None:
        """Wait for the calls that run; those in the queue are not begun any more."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def export(self, message: dict[str, Any]) -> None:
        """Pickling runs user code: not here, where the frames are read."""
        self._jobs.put(message)

    def end_session(self, session: int) -> None:
        """Drop what it holds; a call of it that still runs may yet make handles, see `_ended_call`."""
        self._ended_sessions[session] = None
        if len(self._ended_sessions) > _SESSIONS_REMEMBERED:
            self._ended_sessions.pop(next(iter(self._ended_sessions)))
        super().end_session(session)

    def running(self) -> int:
        """How many calls are being run."""
        return sum([gate.call_id != 0 for gate in self.state.gates])

    def cancel(self, call_id: int) -> None:
        """Interrupt a call, or see to it that it is not begun."""
        self._doomed.add(call_id)  # first: the thread that takes it looks here after it has said what it works on
        if self.callbacks is not None:
            self.callbacks.cancel(call_id)
        if not any(gate.cancel(call_id) for gate in self.state.gates) and call_id <= self.state.page[STARTED]:
            self._doomed.discard(call_id)  # it has ended

    def run_nested(self, runner: Runner, frame: Frame) -> None:
        """On the thread that waits, with all that `_work_once` does besides."""
        _, _, flags, call_id, session, _, _ = frame
        gate = runner.gate
        assert isinstance(gate, ThreadGate)
        below = gate.call_id
        gate.call_id = call_id
        self.state.page[STARTED] = max(call_id, self.state.page[STARTED])
        if call_id in self._doomed:
            gate.cell[CANCEL] = call_id
        super().run_nested(runner, frame)
        self._ended_call(gate, call_id, session)
        gate.call_id = below
        stream = self.state.streams.get(call_id) if flags & _STREAM else None
        if stream is not None:
            self.stream_ready(stream)

    def stream_ready(self, stream: Stream) -> None:
        """A thread advances it, unless one does already."""
        if self.state.streams.claim(stream):
            self._jobs.put(stream)

    def _work(self) -> None:
        """The life of one thread."""
        try:
            gate = ThreadGate()
            runner = Runner(self.state, gate)
            self.state.gates.append(gate)
            while self._work_once(gate, runner):
                pass
        except BaseException as error:  # nothing of user code's gets here, but for the return of a forked child
            leave_child(error)
            os.write(2, f"bascule: a thread of worker {self.state.name} failed: {error!r}\n".encode())
            os._exit(70)

    def _work_once(self, gate: ThreadGate, runner: Runner) -> bool:
        state = self.state
        with self._turn:
            job = self._jobs.get()
            if job is None or state.leaving:
                return False
            if type(job) is tuple:
                call_id = gate.call_id = job[3]
                state.page[STARTED] = call_id
                if call_id in self._doomed:
                    gate.cell[CANCEL] = call_id
        if type(job) is tuple:
            frames = [job]
            streamed, session = job[2] & _STREAM, job[4]
            del job
            runner.run(frames)
            self._ended_call(gate, call_id, session)
            stream = state.streams.get(call_id) if streamed else None
            if stream is not None:
                self.stream_ready(stream)
        elif type(job) is Stream:
            gate.call_id = job.call_id
            runner.streaming.advance(job)
            self._ended_call(gate, job.call_id, job.session)
            state.streams.let_go(job)
            self.stream_ready(job)
        else:
            self.answer(exported(state, job))
        runner.call_id = 0
        state.wire.flush()
        return True

    def _ended_call(self, gate: ThreadGate, call_id: int, session: int) -> None:
        gate.done()
        if session in self._ended_sessions:
            self.state.objects.end_session(session)
        self._doomed.discard(call_id)
