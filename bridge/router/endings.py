"""How calls end other than by an answer: deadlines, cancellation, clients that left, workers that died.

A call that nobody waits for any more is settled at once; the worker that runs it is first asked to stop (a signal that
raises in the running call), and killed when it has not stopped within the pool's grace. One that waits in a worker
behind another is no reason to kill: its grace begins when it is started.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from bascule.bridge.notices import KILLED_SINCE, KillReason, WorkerExited
from bascule.bridge.router.calls import NOT_SENT, Call, CallState, NestedCall, PlacedCall
from bascule.bridge.router.peers import Doom, Effect, Worker, WorkerState
from bascule.bridge.supervision.exits import ExitCause
from bascule.protocols.calls import Op
from bascule.protocols.envelope import Flag
from bascule.protocols.errors import ErrorKind
from bascule.workers.page import armed_id, is_aside, request_cancel, started_id

if TYPE_CHECKING:
    from bascule.bridge.router.core import RouterCore

_IDEMPOTENT, _STREAM = int(Flag.IDEMPOTENT), int(Flag.STREAM)
_MAP = bytes([Op.MAP])
_TIDY_ABOVE = 1024
HANDLES_LOOK = 0.5  # seconds between two questions to a retired worker whether its handles are gone
MOST_REPLACED = 1024  # recycled workers that are remembered
STUCK = 0.005  # seconds that answers may be gathered in a worker
CLOSING = 5.0  # seconds that a stream may take to close in a worker of several threads, if no item was under way
MUTE = 0.5  # seconds that a worker may live on after it closed its wire
MOST_HOPS = 3  # how often a call is given to another worker since one died


class Endings:
    """Time, cancellation and death, over a core."""

    def __init__(self, core: RouterCore) -> None:
        self._core = core
        self.timers: list[tuple[float, int, Call | Callable[[], None]]] = []  # a heap
        self._timer_order = count()
        self.met = 0  # calls with a deadline that were settled in time

    def worker_exited(self, worker: Worker, cause: ExitCause) -> None:
        """The process is dead and everything it wrote has been handed in: settle what it had."""
        core = self._core
        was_ready = worker.state is not WorkerState.STARTING
        worker.state = WorkerState.DEAD
        core.workers.pop(worker.slot, None)
        pool = worker.pool
        for group in (pool.active, pool.spares):
            if worker in group:
                group.remove(worker)
        for session in core.sessions.values():
            session.workers.discard(worker)
        core.callbacks.worker_gone(worker)
        if worker.kill_reason is KillReason.RECYCLED:
            core.replaced[worker.slot, worker.incarnation] = worker.name
            if len(core.replaced) > MOST_REPLACED:
                del core.replaced[next(iter(core.replaced))]
        started = started_id(worker.page)
        guilty = [call for wire_id, call in worker.calls.items() if wire_id <= started]
        again = [call for wire_id, call in worker.calls.items() if wire_id > started]
        streams = [*worker.closing.values(), *[one for one in worker.streams.values() if one.given > 0]]
        excused = bool(guilty or streams) or armed_id(worker.page) != 0 or is_aside(worker.page)
        self._lose(worker, cause, guilty, self._offender(worker, guilty, streams))
        for call in reversed(again):
            if call.state is not CallState.SETTLED:
                self._send_again(call)
        while (waiting := worker.backlog.pop()) is not None:
            self._leave_backlog(waiting, worker, cause)
        worker.calls.clear()
        worker.streams.clear()
        worker.closing.clear()
        worker.outbox.clear()
        core.queries.worker_gone(worker)
        core.notices.append(
            WorkerExited(
                pool.policy.name,
                worker.slot,
                worker.incarnation,
                cause,
                was_ready,
                excused,
                worker.kill_reason,
                worker.init_error,
            )
        )
        core.fill(pool)
        core.serve(pool)

    def _lose(self, worker: Worker, cause: ExitCause, guilty: list[Call], offender: Call | None) -> None:
        """Calls and streams that were in the worker when it died."""
        core = self._core
        reason = worker.kill_reason
        counts = reason in (None, KillReason.MEMORY, KillReason.DEADLINE)
        if offender is not None and counts and not offender.session.dead and offender.payload[:1] != _MAP:
            core.quarantine.worker_died(offender.session.id, offender.target, core.now)  # another chunk: another call
        name = offender.target.decode(errors="replace") if offender is not None else None
        for call in [*guilty, *worker.streams.values()]:
            if call.state is CallState.SETTLED:
                continue
            if call.flags & _IDEMPOTENT and call.state is CallState.SENT and call.hops < MOST_HOPS:
                self._send_again(call)
                continue
            how = cause.describe() if reason is None else f"killed by the bridge, {KILLED_SINCE[reason]}"
            what = "while it ran this call" if call is offender else f"while it also ran {name}"
            if offender is None:
                what = "while this stream was open"
            core.fail(
                call,
                ErrorKind.WORKER_LOST,
                f"worker {worker.name} was lost {what}: {how}",
                worker=worker,
                offender=name,
                **cause.details(),
            )

    def _offender(self, worker: Worker, guilty: list[Call], streams: list[Call]) -> Call | None:
        """Whom a death is laid at: the stream that was in the midst of an item; of the started calls with one thread
        the last, since the others had ended; else a stream that may have been at work."""
        armed = armed_id(worker.page)
        for stream in streams:
            if stream.wire_id == armed:
                return stream
        if not guilty:
            return streams[0] if streams else None
        if worker.threads == 1:
            return guilty[-1]
        return next((call for call in guilty if call.wire_id in worker.doomed), guilty[0])

    def _send_again(self, call: Call) -> None:
        """Its worker died before it was started (or it may be run twice): back to the head of the line."""
        core = self._core
        call.hops += 1
        if call.hops > MOST_HOPS:
            core.fail(call, ErrorKind.WORKER_LOST, f"{call.hops} workers died before this call was started")
            return
        if isinstance(call, PlacedCall):
            core.fail(call, ErrorKind.WORKER_LOST, "the worker that this call names died before it was started")
            return
        core.take_back(call)
        pool = call.pool
        if pool.failed is not None:
            core.fail(call, ErrorKind.POOL_UNAVAILABLE, pool.failed)
        elif isinstance(call, NestedCall):
            core.callbacks.place(call)
        else:
            pool.queue.push(call, first=True)

    def _leave_backlog(self, call: Call, worker: Worker, cause: ExitCause) -> None:
        """A call that waited for this very worker."""
        if isinstance(call, PlacedCall):
            self._send_again(call)
        elif call.object_token or call.hops:
            self._core.fail(call, ErrorKind.HANDLE_LOST, _dead_owner(worker, cause))
        else:  # it was here for a hint's sake, which may have been a mere text
            call.worker = None
            self._core.place(call)

    def keep_for_handles(self, worker: Worker, seconds: float) -> None:
        """Keep a retired worker until nothing is left in it that a client holds, or for so long."""
        core = self._core
        until = worker.keep_until = core.now + seconds

        def look(answer: dict[str, Any] | None = None) -> None:
            if worker.state is WorkerState.DEAD:
                return
            handles = answer.get("handles") if answer is not None else None
            if handles == 0 or core.now >= until:
                worker.keep_until = 0.0
                core.leave_if_idle(worker)
            else:
                self.set_timer(min(core.now + HANDLES_LOOK, until), ask)

        def ask() -> None:
            if core.now >= until:
                look()
            elif worker.state is not WorkerState.DEAD:
                core.queries.ask(worker, {"op": "ping"}, look)

        self.set_timer(until, look)  # a worker that is in a long call answers late
        ask()

    def set_timer(self, when: float, what: Call | Callable[[], None]) -> None:
        """At this time a call's deadline passes, or something is to be done."""
        if self.met > _TIDY_ABOVE and self.met * 2 > len(self.timers):
            self._tidy()
        heapq.heappush(self.timers, (when, next(self._timer_order), what))

    def _tidy(self) -> None:
        """Most deadlines are met: forget those, rather than keep them until their time."""
        timers = [timer for timer in self.timers if not _is_settled(timer[2])]
        heapq.heapify(timers)
        self.timers = timers
        self.met = 0

    def next_timer(self) -> float | None:
        """When `tick` has something to do."""
        timers = self.timers
        while timers:
            if _is_settled(timers[0][2]):
                heapq.heappop(timers)
                continue
            return timers[0][0]
        return None

    def tick(self, now: float) -> None:
        """Time went on: deadlines pass, grace periods end."""
        core = self._core
        core.now = now
        timers = self.timers
        while timers and timers[0][0] <= now:
            what = heapq.heappop(timers)[2]
            if not isinstance(what, Call):
                what()
            elif what.state is not CallState.SETTLED:
                self.abandon(what, KillReason.DEADLINE)

    def bridge_ends(self) -> None:
        """Nothing runs any more: answer what was accepted all the same. Clients may wait for it without end."""
        for session in list(self._core.sessions.values()):
            for call in list(session.calls.values()):
                message = "the bridge has ended before this call was done"
                self._core.fail(call, ErrorKind.SHUTTING_DOWN, message)

    def wire_closed(self, worker: Worker) -> None:
        """The worker's end of its wire is closed: it is about to be dead, or it is mute and of no use."""
        self.set_timer(self._core.now + MUTE, partial(self._core.kill, worker, KillReason.MUTE))

    def abandon(self, call: Call, reason: KillReason, why: str = "the call was cancelled by its caller") -> None:
        """The answer is not wanted any more: settle now, and make the worker stop."""
        core = self._core
        worker, was = call.worker, call.state
        if reason is KillReason.DEADLINE:
            seconds = core.now - call.accepted_at
            where = "while it waited for a worker" if was in NOT_SENT else "while it ran"
            core.fail(call, ErrorKind.TIMEOUT, f"the deadline passed after {seconds:.3f} s, {where}", worker=worker)
        elif reason is KillReason.CANCEL:
            core.fail(call, ErrorKind.CANCELLED, why, worker=worker)
        else:
            core.fail(call, ErrorKind.CLIENT_GONE, "the client left", worker=worker)
        if worker is None or was in NOT_SENT:
            return
        core.callbacks.call_ended(call)
        if call.wire_id in worker.streams:
            self.close_stream(call, worker, reason)
            if worker.state is WorkerState.RETIRING:
                core.leave_if_idle(worker)
        elif call.wire_id in worker.calls:
            if call.flags & _STREAM:  # it may be open, and wait for credit
                core.control(worker, {"op": "close_stream", "call": call.wire_id})
            grace = call.pool.policy.cancel_grace_ms / 1000
            started = started_id(worker.page) >= call.wire_id
            worker.doomed[call.wire_id] = Doom(reason, core.now + grace if started else None)
            if worker.threads == 1 and isinstance(call, NestedCall):  # it may run on a thread of user code's own
                core.control(worker, {"op": "cancel", "call": call.wire_id})
            self.press(worker)
            self.set_timer(core.now + grace, partial(self._grace_over, worker))

    def close_stream(self, call: Call, worker: Worker, reason: KillReason) -> None:
        """Nothing more of an open stream is wanted: have its worker close it, and see that it does."""
        core, wire_id = self._core, call.wire_id
        del worker.streams[wire_id]
        worker.closing[wire_id] = call
        asked = call.given > 0 and _is_at_stream(worker, wire_id)
        if asked:
            self._interrupt(worker, wire_id)  # before it hears of the closing: that is not to be interrupted
        core.control(worker, {"op": "close_stream", "call": wire_id})
        grace = call.pool.policy.cancel_grace_ms / 1000
        # That one of several threads is held is a guess: no worker is to die of a machine that is slow for a moment.
        wait = grace if asked or worker.threads == 1 else max(grace, CLOSING)
        self.set_timer(core.now + wait, partial(self._see_it_closed, worker, wire_id, reason, wait, asked))

    def _see_it_closed(self, worker: Worker, wire_id: int, reason: KillReason, grace: float, asked: bool) -> None:
        """A stream has had its grace to end, or to make way after it was `asked`. One that waits for its turn, behind a
        call that takes long, is waited for."""
        if wire_id not in worker.closing or worker.state is WorkerState.DEAD:
            return
        there = _is_at_stream(worker, wire_id)
        # An interruption disarms: who was asked, is not armed again, and has not ended, did not listen.
        if asked and (there or armed_id(worker.page) == 0):
            self._core.kill(worker, reason)
            return
        if there:
            self._interrupt(worker, wire_id)
        self.set_timer(self._core.now + grace, partial(self._see_it_closed, worker, wire_id, reason, grace, there))

    def press(self, worker: Worker) -> None:
        """Ask the worker to stop the oldest call that nobody waits for.

        On one thread the newest one that has begun: what it was made in the course of can't end before it.
        """
        oldest = next(iter(worker.doomed))
        if worker.threads > 1:
            self._interrupt(worker, oldest)
        else:
            started = started_id(worker.page)
            self._interrupt(worker, max((wire_id for wire_id in worker.doomed if wire_id <= started), default=oldest))

    def _interrupt(self, worker: Worker, wire_id: int) -> None:
        core = self._core
        if worker.threads > 1:
            core.control(worker, {"op": "cancel", "call": wire_id})
        else:
            request_cancel(worker.page, wire_id)
            core.effects.append((worker, Effect.INTERRUPT))

    def _grace_over(self, worker: Worker) -> None:
        """A call that should have stopped still runs: the worker dies for it. One not yet started is waited for."""
        core = self._core
        if not worker.doomed or worker.state is WorkerState.DEAD:
            return
        wire_id, doom = next(iter(worker.doomed.items()))
        grace = worker.pool.policy.cancel_grace_ms / 1000
        if doom.until is None:
            if started_id(worker.page) >= wire_id:  # its grace begins now
                doom.until = core.now + grace
                self.press(worker)
            self.set_timer(core.now + grace, partial(self._grace_over, worker))
        elif core.now >= doom.until:
            core.kill(worker, doom.reason)

    def watch_over(self, worker: Worker) -> None:
        """Several calls are in a worker now: see to it that no answer waits there behind a call that takes long."""
        worker.watched = True
        self.set_timer(self._core.now + STUCK, partial(self._unstick, worker))

    def _unstick(self, worker: Worker) -> None:
        """A worker gathers answers. Those that were there the last time as well are sent for.

        Calls are run in the order of their ids: when a later one was started, the oldest has its answer.
        """
        core = self._core
        worker.watched = False
        if len(worker.calls) < 2 or worker.state is WorkerState.DEAD:
            return
        started = started_id(worker.page)
        if started > next(iter(worker.calls)) and abs(worker.stuck_at) != started:
            worker.stuck_at = started
        elif worker.stuck_at == started:
            worker.stuck_at = -started  # once is enough: while this call runs nothing more is gathered
            core.effects.append((worker, Effect.INTERRUPT))
        self.watch_over(worker)


def _is_settled(what: Call | Callable[[], None]) -> bool:
    return isinstance(what, Call) and what.state is CallState.SETTLED


def _is_at_stream(worker: Worker, wire_id: int) -> bool:
    """Whether a worker is in the midst of an item. Of several threads it isn't known; when one is free for the stream
    and it has not ended, then one is held by it."""
    if worker.threads == 1:
        return armed_id(worker.page) == wire_id
    return len(worker.calls) < worker.threads


def _dead_owner(worker: Worker, cause: ExitCause) -> str:
    return f"this handle's worker {worker.name} is gone: {cause.describe()}"
