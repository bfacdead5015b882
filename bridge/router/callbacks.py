"""Questions the other way: what a call, or a thread that it left behind, asks of the client while it runs.

A worker sends CALLBACK, the client answers with REPLY or ERROR. Workers number their callbacks each on its own, clients
hear numbers of ours. An open callback ends in one of these ways, and whoever waits in the worker always learns it:

- the client answers;
- the call it belongs to is settled first (cancelled, past its deadline), or the client leaves: the worker is told by an
  ERROR, the client by a CANCEL;
- the worker gives up waiting, or dies: the client is told by a CANCEL.

*Nested calls.* What answers a callback may call Python again, and that may call back again: a thousand times, on fewer
workers. So such a call says in the course of which callback it is made (NESTED), and where no other worker
is free it runs in the one that waits for the answer, on top of what waits there. It never stands in a queue behind
calls that need not end before it does, and is not refused because that queue is full.

A worker that waits takes no other call: it gives back what it has not begun (MISROUTED without tokens), and its target
is from now on one that lets nothing wait behind it.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from bascule.bridge.errormaps import encode_error, error_map
from bascule.bridge.notices import KillReason
from bascule.bridge.router.calls import SETTLED, Call, Head, NestedCall, PlacedCall
from bascule.bridge.router.peers import WorkerState
from bascule.bridge.router.requests import MOST_STREAMS, QUEUE_BYTES
from bascule.protocols.envelope import Flag, Kind
from bascule.protocols.errors import ErrorKind, RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from bascule.bridge.router.core import RouterCore
    from bascule.bridge.router.peers import Session, Worker
    from bascule.protocols.envelope import Payload

_CALLBACK, _CANCEL, _ERROR = int(Kind.CALLBACK), int(Kind.CANCEL), int(Kind.ERROR)
_CAST = int(Flag.CAST)
NUMBER = 8  # bytes of a callback's number before a payload


class Open:
    """One callback that has no answer yet."""

    __slots__ = ("call", "codec", "number", "session", "worker")

    def __init__(self, worker: Worker, number: int, session: Session, call: Call | None, codec: int) -> None:
        self.worker = worker
        self.number = number  # the worker's own
        self.session = session
        self.call = call  # None: of a thread that outlived its call
        self.codec = codec


class Callbacks:
    """The open callbacks of one bridge, over a core."""

    def __init__(self, core: RouterCore) -> None:
        self._core = core
        self._numbers = count(1)
        self._open: dict[int, Open] = {}  # by the number that the client knows, the oldest first

    # -- what workers say ----------------------------------------------------------------------------------------

    def ask(self, worker: Worker, codec: int, flags: int, wire_id: int, session_id: int, payload: Payload) -> None:
        """A worker's CALLBACK: pass it to its client."""
        core = self._core
        if len(payload) < NUMBER:
            core.kill(worker, KillReason.RUBBISH)
            return
        number = int.from_bytes(payload[:NUMBER], "little")
        call = (worker.calls.get(wire_id) or worker.streams.get(wire_id)) if wire_id else None
        if wire_id and (call is None or call.state is SETTLED):
            self._refuse(worker, number, codec, ErrorKind.CANCELLED, "the call that asks this has ended")
            return
        session = call.session if call is not None else self._session_of(worker, session_id)
        if session is None:
            message = "this thread belongs to no call, so it is not known whom it asks: take `caller()` in the call"
            self._refuse(worker, number, codec, ErrorKind.CLIENT_GONE, message)
            return
        if not session.door.takes_callbacks:
            self._refuse(worker, number, codec, ErrorKind.REFUSED, "this client takes no callbacks")
            return
        if call is not None:
            call.pool.let_nothing_wait_behind(call)
            worker.count_slow()
        theirs = next(self._numbers)
        if not flags & _CAST:
            self._open[theirs] = Open(worker, number, session, call, codec)
        client_id: Hashable = call.client_id if call is not None else 0
        body = theirs.to_bytes(NUMBER, "little") + payload[NUMBER:]
        core.answer(session, _CALLBACK, codec, flags & _CAST, client_id, body)

    def give_up(self, worker: Worker, number: int) -> None:
        """A worker does not wait for an answer any more."""
        for theirs, one in self._which(worker=worker):
            if one.number == number:
                self._forget(theirs, one)

    def given_back(self, call: Call) -> None:
        """A call that was not begun, since its worker waits for a callback's answer."""
        core, worker = self._core, call.worker
        core.take_back(call)
        if isinstance(call, PlacedCall) and worker is not None:
            core.place_at(call, worker)
        elif call.object_token:
            core.place_with_owner(call, call.object_token)
        else:
            call.pool.queue.push(call, first=True)

    def is_waiting(self, worker: Worker) -> bool:
        """Whether some call in it waits for an answer."""
        return any(one.worker is worker for one in self._open.values())

    # -- what clients say ----------------------------------------------------------------------------------------

    def answered(self, session: Session, kind: int, codec: int, number: Hashable, payload: Payload) -> None:
        """A client's REPLY or ERROR. One that nobody waits for is dropped."""
        one = self._open.get(number) if isinstance(number, int) else None
        if one is None or one.session is not session:
            self._core.settled["late"] += 1
            return
        del self._open[number]  # type: ignore[arg-type]
        self._core.send(one.worker, kind, codec, 0, one.number, session.id, payload)

    def accept(
        self, session: Session, codec: int, flags: int, client_id: Hashable, deadline_ms: int, payload: Payload
    ) -> None:
        """A client's NESTED call: as `Requests.accept`, but for the queue, which must not hold it up."""
        core = self._core
        parent = self._open.get(int.from_bytes(payload[:NUMBER], "little"))
        payload = payload[NUMBER:]
        if parent is None or parent.session is not session:
            message = "the callback in whose course this call is made is not open any more"
            core.refuse(session, client_id, codec, ErrorKind.CANCELLED, message)
            return
        try:
            head = Head(payload, parent.worker.pool)
        except RemoteProtocolError as error:
            core.refuse(session, client_id, codec, ErrorKind.REFUSED, str(error))
            return
        if client_id in session.calls:
            core.refuse(session, client_id, codec, ErrorKind.REFUSED, f"call id {client_id!r} is still in use")
            return
        if session.policy is not None:
            denied = session.policy.why_not(head.op, head.target, head.object_length > 0)
            if denied is not None:
                core.refuse(session, client_id, codec, ErrorKind.DENIED, denied, head.target)
                return
        if parent.worker.unwritten > QUEUE_BYTES or len(session.calls) >= MOST_STREAMS:
            message = f"{len(session.calls)} calls wait in the course of callbacks; let these end first"
            core.refuse(session, client_id, codec, ErrorKind.OVERLOADED, message, head.target)
            return
        call = NestedCall(parent, session, client_id, codec, flags, payload, head, core.now)
        call.object_token = bytes(payload[head.start - head.object_length : head.start])
        session.calls[client_id] = call
        if deadline_ms:
            call.deadline = core.now + deadline_ms / 1000
            core.endings.set_timer(call.deadline, call)
        self.place(call, core.requests.hint(payload, head.start))

    # -- where a nested call runs --------------------------------------------------------------------------------

    def place(self, call: NestedCall, hint: bytes = b"") -> None:
        """Give a nested call to the worker that has its objects, to a free one, or to the one that waits for it."""
        core = self._core
        token = call.object_token or hint
        owner = core.owner_of(token) if token else None
        if owner is not None and owner.state is not WorkerState.STARTING:
            self.place_at(call, owner)
        elif call.object_token:
            core.place_with_owner(call, call.object_token)  # which says that it is lost
        elif (free := call.pool.worker_for(call)) is not None:
            core.send_call(call, free)
        elif call.parent.worker.state is WorkerState.DEAD:
            core.fail(call, ErrorKind.CANCELLED, "the worker that made the callback is gone", worker=call.parent.worker)
        else:
            self.place_at(call, call.parent.worker)

    def place_at(self, call: NestedCall, worker: Worker) -> None:
        """Give a nested call to this worker: at once, if that waits for an answer."""
        if self.put_on_top(call, worker):
            self._core.send_call(call, worker)
        else:
            self._core.place_at(call, worker)

    def put_on_top(self, call: NestedCall, worker: Worker) -> bool:
        """Prepare it for a worker that waits for an answer; False: it waits for none."""
        below = self._waiting_at(call, worker)
        if below is None:
            return False
        call.nest(below.number)
        return True

    def _waiting_at(self, call: NestedCall, worker: Worker) -> Open | None:
        """What waits in that worker that the call may run on top of: the nearest that waits for this very call, else,
        in a worker that can do nothing else, whatever began to wait last."""
        ancestor: Open | None = call.parent
        while ancestor is not None:
            if ancestor.worker is worker:
                return ancestor
            ancestor = ancestor.call.parent if isinstance(ancestor.call, NestedCall) else None
        if len(worker.calls) < worker.threads:
            return None
        return next((one for one in reversed(self._open.values()) if one.worker is worker), None)

    # -- how callbacks end otherwise -----------------------------------------------------------------------------

    def call_ended(self, call: Call) -> None:
        """The call was settled without its worker: what it asks is not wanted any more."""
        for theirs, one in self._which(call=call):
            self._forget(theirs, one)
            self._refuse(one.worker, one.number, one.codec, ErrorKind.CANCELLED, "the call that asks this has ended")

    def session_ended(self, session: Session) -> None:
        """The client left."""
        for theirs, one in self._which(session=session):
            del self._open[theirs]
            self._refuse(one.worker, one.number, one.codec, ErrorKind.CLIENT_GONE, "the client left")

    def worker_gone(self, worker: Worker) -> None:
        """It died: nobody waits there."""
        for theirs, one in self._which(worker=worker):
            self._forget(theirs, one)

    def _which(
        self, *, worker: Worker | None = None, call: Call | None = None, session: Session | None = None
    ) -> Iterable[tuple[int, Open]]:
        return [
            (theirs, one)
            for theirs, one in self._open.items()
            if worker in (None, one.worker) and call in (None, one.call) and session in (None, one.session)
        ]

    def _forget(self, theirs: int, one: Open) -> None:
        del self._open[theirs]
        self._core.answer(one.session, _CANCEL, one.codec, 0, theirs, b"")

    def _refuse(self, worker: Worker, number: int, codec: int, kind: ErrorKind, message: str) -> None:
        """An answer of the bridge's own."""
        payload = encode_error(codec, error_map(kind, message, worker=worker.name))
        self._core.send(worker, _ERROR, codec, 0, number, 0, payload)

    def _session_of(self, worker: Worker, session_id: int) -> Session | None:
        """Whom a thread without a call means: the session it names, else the only one that ever calls this worker."""
        if session_id:
            return self._core.sessions.get(session_id)
        sessions = self._core.sessions
        return next(iter(sessions.values())) if len(sessions) == 1 else None
