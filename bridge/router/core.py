"""Who gets which frame: the state of all calls, where each is placed, and the one way in which each ends.

The pump feeds the core's sides (`requests`: what clients ask, `answers`: what workers say, `endings`: time and death)
and carries out what they decide: it writes every peer in `dirty`, does the `effects` to workers, disconnects the
sessions in `dropped`, delivers `notices` upward. There is no I/O here and the clock is an argument, so tests drive
hours in milliseconds.

The promise kept here: *every accepted call settles exactly once*. All ways to settle go through `settle`.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Hashable
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from bascule.bridge.errormaps import encode_error, error_map
from bascule.bridge.notices import KillReason, Notice, PoolPolicy, WorkerWire
from bascule.bridge.router.answers import Answers
from bascule.bridge.router.callbacks import Callbacks
from bascule.bridge.router.calls import ACCEPTED, SENT, SETTLED, Call, NestedCall
from bascule.bridge.router.copies import Copies
from bascule.bridge.router.endings import Endings
from bascule.bridge.router.messages import write_control
from bascule.bridge.router.peers import Effect, Peer, Session, Worker, WorkerState
from bascule.bridge.router.pools import Pool
from bascule.bridge.router.quarantine import Quarantine
from bascule.bridge.router.queries import Queries
from bascule.bridge.router.requests import HARD_UNWRITTEN, HOLD_CREDIT, MOST_CREDIT, QUEUE_BYTES, Requests
from bascule.protocols import tokens
from bascule.protocols.envelope import HEADER, Codec, Flag, Kind
from bascule.protocols.errors import ErrorKind, RemoteProtocolError

if TYPE_CHECKING:
    from bascule.bridge.caching.answers import AnswerCache
    from bascule.bridge.operations.tracing import Tracing
    from bascule.protocols.envelope import Payload

# Plain integers: comparing enum members costs as much as the work they guard.
_ERROR, _CONTROL, _CREDIT = int(Kind.ERROR), int(Kind.CONTROL), int(Kind.CREDIT)
_CAST = int(Flag.CAST)
_pack_header = HEADER.pack

Audit = Callable[[Session, bytes, str, Call | None], None]
"""Told of a call's session, target and outcome; of the call itself, where it was accepted."""

LEAVING = 5.0  # seconds that a retired worker has for user code's farewells: threads, exit handlers
SMALL = 16 << 10  # a payload up to this is joined with its header: one piece to write


class RouterCore:
    """All call state of one bridge."""

    def __init__(self, prefix: str | None = None) -> None:
        self.prefix = prefix or tokens.new_prefix()
        self.prefix_bytes = self.prefix.encode()
        self.now = 0.0
        self.pools: dict[str, Pool] = {}
        self.workers: dict[int, Worker] = {}  # by slot
        self.sessions: dict[int, Session] = {}
        self.quarantine = Quarantine()
        self.draining = False
        self.hard_unwritten = HARD_UNWRITTEN
        self.cache: AnswerCache | None = None  # stands before placing, where answers are kept
        self.audit: Audit | None = None  # told of each call's outcome, where somebody wants to know
        self.tracing: Tracing | None = None  # makes spans of calls, where somebody collects them
        self.replaced: dict[tuple[int, int], str] = {}  # recycled workers, for those who ask for their objects
        self.settled = {"reply": 0, "error": 0, "late": 0}
        self.dirty: list[Peer] = []
        self.busy: list[Session] = []  # sessions with requests left for the next turn
        self.waiting: list[Callable[[], bool]] = []  # for workers: each looks whether they are there, and is then done
        self.notices: list[Notice] = []
        self.effects: list[tuple[Worker, Effect]] = []
        self.dropped: list[Session] = []  # sessions that the pump must disconnect
        self.logged: list[tuple[Worker, str, bool]] = []  # output of no call: worker, text, whether stderr
        self.queries = Queries(self.control)
        self.copies = Copies(self)
        self.callbacks = Callbacks(self)
        self.on_control: Callable[[Session, Hashable, bytes], None] = self.refuse_control
        self.on_used: Callable[[object, object], None] = self.ignore_used
        self.requests = Requests(self)
        self.answers = Answers(self)
        self.endings = Endings(self)
        self._wire_ids = count(1)

    def set_pool(self, policy: PoolPolicy) -> None:
        """Make a pool known, or give it another policy."""
        pool = self.pools.get(policy.name)
        if pool is None:
            self.pools[policy.name] = Pool(policy)
            return
        pool.set_policy(policy)
        self.fill(pool)
        for worker in reversed(pool.active[policy.size :]):
            pool.active.remove(worker)
            pool.spares.append(worker)
            worker.state = WorkerState.SPARE
        self.serve(pool)

    def remove_pool(self, name: str) -> None:
        """Forget a pool: what waits in it is answered, its workers are to be retired by the caller."""
        pool = self.pools.pop(name, None)
        if pool is not None:
            self._fail_queue(pool, f"pool {name!r} was removed")
            self.workers_changed()

    def fail_pool(self, name: str, message: str) -> None:
        """The pool can't keep workers alive: answer everything at once until it is restored."""
        pool = self.pools[name]
        pool.failed = message
        self._fail_queue(pool, message)
        self.workers_changed()

    def close_pool(self, name: str, message: str) -> None:
        """The pool takes nothing new from now on; what waits in it is still done."""
        if name in self.pools:
            self.pools[name].failed = message
            self.workers_changed()

    def restore_pool(self, name: str) -> None:
        """The pool tries again."""
        if name in self.pools:
            self.pools[name].failed = None

    def attach_worker(self, wire: WorkerWire) -> Worker:
        """A worker was spawned. It takes calls once it says that it is ready."""
        worker = Worker(wire, self.pools[wire.pool], self.now)
        self.workers[wire.slot] = worker
        return worker

    def retire_worker(self, slot: int, incarnation: int, handle_wait: float = 0.0) -> None:
        """Give it nothing new; once it is idle its wire is closed and it leaves by itself.

        For `handle_wait` seconds it stays for those who hold objects in it: what is asked of these is still done.
        """
        worker = self.find_worker(slot, incarnation)
        if worker is None or worker.state is WorkerState.DEAD:
            return
        pool = worker.pool
        for group in (pool.active, pool.spares):
            if worker in group:
                group.remove(worker)
        worker.state = WorkerState.RETIRING
        if not handle_wait:
            worker.keep_until = 0.0
        elif worker.sessions:
            self.endings.keep_for_handles(worker, handle_wait)
        self.fill(pool)
        self.serve(pool)
        self.leave_if_idle(worker)

    def kill_worker(self, slot: int, incarnation: int, reason: KillReason) -> None:
        """End it at once."""
        worker = self.find_worker(slot, incarnation)
        if worker is not None:
            self.kill(worker, reason)

    def find_worker(self, slot: int, incarnation: int) -> Worker | None:
        """That very life of that slot, if it is there."""
        worker = self.workers.get(slot)
        return worker if worker is not None and worker.incarnation == incarnation else None

    def kill(self, worker: Worker, reason: KillReason) -> None:
        """Have the pump send SIGKILL, once."""
        if not worker.killed and worker.state is not WorkerState.DEAD:
            worker.killed = True
            worker.kill_reason = worker.kill_reason or reason
            self.effects.append((worker, Effect.KILL))

    def _fail_queue(self, pool: Pool, message: str) -> None:
        while (call := pool.queue.pop()) is not None:
            self.fail(call, ErrorKind.POOL_UNAVAILABLE, message)

    def fill(self, pool: Pool) -> None:
        """Ready spares take the free places."""
        while pool.spares and len(pool.active) < pool.policy.size:
            worker = pool.spares.pop(0)
            worker.state = WorkerState.ACTIVE
            insort(pool.active, worker, key=_slot)
        if self.waiting:
            self.endings.set_timer(self.now, self.workers_changed)  # once this turn's work is done

    def workers_changed(self) -> None:
        """There may be other workers now, or it may be too late for them: whoever waits looks again."""
        waiting, self.waiting = self.waiting, []
        self.waiting += [look for look in waiting if not look()]

    def leave_if_idle(self, worker: Worker) -> None:
        """A retired worker without work has its wire closed: it ends by itself."""
        if not (worker.calls or worker.streams or worker.backlog.waiting or worker.keep_until > self.now):
            worker.kill_reason = worker.kill_reason or KillReason.RECYCLED
            self.effects.append((worker, Effect.CLOSE_WIRE))
            self.endings.set_timer(self.now + LEAVING, partial(self.kill, worker, KillReason.RECYCLED))

    def owner_of(self, token: bytes) -> Worker | None:
        """The living worker that holds a token's object."""
        if not token.startswith(self.prefix_bytes):
            return None
        try:
            slot, incarnation = tokens.token_owner(token)
        except RemoteProtocolError:
            return None
        return self.find_worker(slot, incarnation)

    def place_with_owner(self, call: Call, token: bytes) -> None:
        """Give a call to the worker that holds its object, or that a token among its arguments hints at."""
        worker = self.owner_of(token)
        if worker is not None and worker.state is not WorkerState.STARTING:
            if call.object_token or not self.is_crowded(worker, call):
                self.place_at(call, worker)
            else:
                self.place(call)  # a hint never fails a call
        elif call.object_token:
            self.fail(call, ErrorKind.HANDLE_LOST, self.why_gone(token))
        else:
            self.place(call)  # it only looked like a token, or the worker will say that it is lost

    def why_gone(self, token: bytes) -> str:
        """What became of a handle's object, as far as that is known."""
        try:
            recycled = self.replaced.get(tokens.token_owner(token)) if token.startswith(self.prefix_bytes) else None
        except RemoteProtocolError:
            recycled = None
        if recycled is not None:
            return f"this handle's object is gone: its worker {recycled} was recycled"
        return "this handle's object is gone: it was released, its session ended, or its worker was replaced"

    def place_at(self, call: Call, worker: Worker) -> None:
        """Give a call to one worker and no other: now, or when it has room."""
        call.worker = worker
        backlog = worker.backlog
        if not backlog.waiting and worker.has_room_for(call):
            self.send_call(call, worker)
        elif self.is_crowded(worker, call):
            waiting = f"{backlog.waiting} calls ({backlog.bytes} bytes) wait for worker {worker.name}"
            self.fail(call, ErrorKind.OVERLOADED, f"{waiting}, and no other can take this call; try later")
        else:
            backlog.push(call)

    def is_crowded(self, worker: Worker, call: Call) -> bool:
        """Whether so much waits for this very worker that the call can't."""
        backlog = worker.backlog
        return backlog.waiting >= call.pool.policy.max_queue or backlog.bytes + len(call.payload) > QUEUE_BYTES

    def place(self, call: Call) -> None:
        """Give a call to a worker that has room, or let it wait its turn."""
        pool = call.pool
        if not pool.queue.waiting:
            worker = pool.worker_for(call)
            if worker is not None:
                self.send_call(call, worker)
                return
        pool.queue.push(call)

    def send_call(self, call: Call, worker: Worker, before: dict[str, Any] | None = None) -> None:
        """Write a call to a worker under a new wire id; `before` is a CONTROL message about it that goes first."""
        wire_id = next(self._wire_ids)
        if before is not None:
            self.control(worker, {**before, "call": wire_id})
        session = call.session
        call.wire_id = wire_id
        call.worker = worker
        if self.tracing is not None:
            self.tracing.sent(call, worker)
        call.state = SENT
        calls = worker.calls
        calls[wire_id] = call
        if len(calls) > 1 and not worker.watched and worker.threads == 1:
            self.endings.watch_over(worker)
        worker.messages_in += 1
        if not call.profile.waiting:
            worker.slow += 1
        session_id = session.id
        if session_id not in worker.sessions:
            worker.sessions.add(session_id)
            session.workers.add(worker)
        payload = call.payload
        size = len(payload)
        left = max(1, int((call.deadline - self.now) * 1000)) if call.deadline else 0  # for whoever asks, there
        header = _pack_header(size, call.kind, call.codec, call.flags, wire_id, session_id, left)
        if size <= SMALL:
            worker.outbox.append(header + payload)
        else:
            worker.outbox.append(header)
            worker.outbox.append(payload)
        if not worker.dirty:
            worker.dirty = True
            self.dirty.append(worker)
        if call.credit and call.session.unwritten <= HOLD_CREDIT:
            self.pass_credit(call)

    def take_back(self, call: Call) -> None:
        """A call has left its worker without being run: it is as if it had not been sent."""
        if isinstance(call, NestedCall):
            call.take_out()
        call.state = ACCEPTED
        call.worker = None
        call.credit = min(call.credit + call.given, MOST_CREDIT)
        call.given = 0

    def send_with_objects(self, call: Call, worker: Worker, objects: dict[str, bytes]) -> None:
        """Send a call to a worker together with pickles that stand for tokens of other workers, for this call alone."""
        if worker.state is WorkerState.DEAD:
            self.fail(call, ErrorKind.HANDLE_LOST, f"worker {worker.name} died while handles were copied to it")
            return
        message = {"op": "import", "session": call.session.id, "objects": objects}
        self.send_call(call, worker, message)

    def serve_backlog(self, worker: Worker) -> None:
        """Send what waits for this very worker, as far as it has room."""
        backlog = worker.backlog
        while (call := backlog.peek()) is not None and worker.has_room_for(call):
            backlog.pop()
            self.send_call(call, worker)

    def serve_both(self, worker: Worker) -> None:
        """A worker has room: its backlog and its pool's queue fill it in turns.

        When it is the queue's turn and its first call has no room yet (a slow one goes into an idle worker only), the
        backlog waits too: else a flood on one handle would never let it in. But one that leaves, or stands by, gets
        nothing of the queue, and its backlog waits for nobody.
        """
        backlog, queue = worker.backlog, worker.pool.queue
        if not backlog.waiting:
            self.serve(worker.pool)
        elif not queue.waiting or worker.backlog_first or worker.state is not WorkerState.ACTIVE:
            self.serve_backlog(worker)
            worker.backlog_first = False
        else:
            before = queue.waiting
            self.serve(worker.pool)
            if queue.waiting < before:
                worker.backlog_first = True
                self.serve_backlog(worker)

    def serve(self, pool: Pool) -> None:
        """Give waiting calls to free workers."""
        queue = pool.queue
        while (call := queue.peek()) is not None:
            worker = pool.worker_for(call)
            if worker is None:
                return
            queue.pop()
            self.send_call(call, worker)

    def pass_credit(self, call: Call) -> None:
        """Tell a stream's worker how many more items are wanted."""
        if call.worker is not None and call.credit:
            call.given += call.credit
            credit, call.credit = call.credit.to_bytes(4, "little"), 0
            self.send(call.worker, _CREDIT, call.codec, 0, call.wire_id, call.session.id, credit)

    def settle(self, call: Call, kind: int, codec: int, payload: Payload, outcome: str | None = None) -> None:
        """The one way in which a call ends. The first outcome wins. `outcome` is what the audit is told of it."""
        if call.state is SETTLED:
            self.settled["late"] += 1
            return
        if call.queue is not None:
            call.queue.settle(call)
        call.state = SETTLED
        call.payload = b""
        if call.deadline:
            self.endings.met += 1
        session = call.session
        session.calls.pop(call.client_id, None)
        self.settled["error" if kind == _ERROR else "reply"] += 1
        if self.audit is not None:
            self.audit(session, call.target, outcome or ("error" if kind == _ERROR else "ok"), call)
        if self.cache is not None:
            self.cache.settled(call, kind, codec, payload, outcome)
        if session.dead:
            return
        if not call.flags & _CAST:
            session.outbox += session.door.encode(kind, codec, 0, call.client_id, payload)
            if not session.dirty:
                session.dirty = True
                self.dirty.append(session)
        if session.input_over:
            self.requests.close_if_done(session)

    def fail(self, call: Call, kind: ErrorKind, message: str, *, worker: Worker | None = None, **details: Any) -> None:
        """Settle with an error of the bridge's own."""
        if call.session.dead:
            self.settle(call, _ERROR, call.codec, b"", kind.value)
            return
        elapsed = (self.now - call.accepted_at) * 1000
        name = worker.name if worker is not None else None
        error = error_map(kind, message, worker=name, call=call.wire_id, elapsed_ms=elapsed, **details)
        self.settle(call, _ERROR, call.codec, encode_error(call.codec, error), kind.value)

    def refuse(
        self,
        session: Session,
        client_id: Hashable,
        codec: int,
        kind: ErrorKind,
        message: str,
        target: bytes = b"",
    ) -> None:
        """Answer a call that is not accepted."""
        if self.audit is not None:
            self.audit(session, target, kind.value, None)
        self.answer(session, _ERROR, codec, 0, client_id, encode_error(codec, error_map(kind, message)))

    def answer(
        self, session: Session, kind: int, codec: int, flags: int, client_id: Hashable, payload: Payload
    ) -> None:
        """Say something to a client that settles nothing."""
        if session.dead:
            return
        session.outbox += session.door.encode(kind, codec, flags, client_id, payload)
        self.mark(session)

    def answer_control(self, session: Session, client_id: Hashable, message: dict[str, Any]) -> None:
        """A CONTROL answer to a client."""
        self.answer(session, _CONTROL, Codec.MSGPACK, 0, client_id, write_control(message))

    def refuse_control(self, session: Session, client_id: Hashable, payload: Payload) -> None:
        """What a bridge without an operator's side says to a CONTROL request."""
        self.answer_control(session, client_id, {"op": "refused", "message": "this door takes no control requests"})

    def ignore_used(self, session: object, line: object) -> None:
        """A worker tells what it was called with, and nobody asked for that."""

    def control(self, worker: Worker, message: dict[str, Any]) -> None:
        """A CONTROL frame to a worker."""
        self.send(worker, _CONTROL, Codec.MSGPACK, 0, 0, 0, write_control(message))

    def send(
        self, worker: Worker, kind: int, codec: int, flags: int, wire_id: int, session: int, payload: Payload
    ) -> None:
        """A frame other than a call to a worker."""
        if worker.state is not WorkerState.DEAD:
            worker.outbox.append(_pack_header(len(payload), kind, codec, flags, wire_id, session, 0) + payload)
            self.mark(worker)

    def mark(self, peer: Peer) -> None:
        """This peer has something to be written in this turn."""
        if not peer.dirty:
            peer.dirty = True
            self.dirty.append(peer)


def _slot(worker: Worker) -> int:
    return worker.slot
