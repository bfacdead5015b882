"""What clients ask: sessions come and go, calls are accepted or refused, credit is given, handles are released.

A door turns bytes into requests (`doors.base`); here each of them is judged: is there such a pool, is the id free, does
the policy allow it, is there room. What passes is a `Call`, accepted, and the core places it; what does not is refused
at once, before anything is kept of it.

No client may starve the others or fill our memory. A session has `TURN` requests a turn; who does not read its answers
is not read from (`SOFT_UNWRITTEN`), has its streams paused (`HOLD_CREDIT`) and is dropped in the end
(`HARD_UNWRITTEN`).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import count
from typing import TYPE_CHECKING

from bascule.bridge.doors.base import Door, DoorChanged, Request
from bascule.bridge.notices import KillReason
from bascule.bridge.router.calls import NOT_SENT, Call, CallState, Head
from bascule.bridge.router.peers import Grant, Session, Worker
from bascule.bridge.router.placed import accept_placed
from bascule.bridge.router.pools import Pool
from bascule.protocols import tokens
from bascule.protocols.envelope import Codec, Flag, Kind
from bascule.protocols.errors import ErrorKind, RemoteProtocolError
from bascule.protocols.limits import MAX_TRACE

if TYPE_CHECKING:
    from bascule.bridge.router.core import RouterCore
    from bascule.protocols.envelope import Payload

_CALL, _CANCEL, _CREDIT = int(Kind.CALL), int(Kind.CANCEL), int(Kind.CREDIT)
_RELEASE, _CONTROL, _NESTED = int(Kind.RELEASE), int(Kind.CONTROL), int(Kind.NESTED)
_PLACED, _TRACE = int(Kind.PLACED), int(Kind.TRACE)
_ANSWERS = (int(Kind.REPLY), int(Kind.ERROR))  # to callbacks
_STREAM = int(Flag.STREAM)

HINT_WINDOW = 64 << 10  # how far a payload is searched for handles; beyond, the worker finds them
TURN = 64  # requests of one session handled in one turn, so that nobody starves
QUEUE_BYTES = 1 << 30  # payload bytes that may wait in one pool, or for one worker; more than a frame has
MOST_STREAMS = 100_000  # calls that a session may have open when it asks for one more stream: idle ones wait nowhere
SOFT_UNWRITTEN = 1 << 20  # a client with so many unread bytes is not read from
MOST_CREDIT = (1 << 32) - 1
HOLD_CREDIT = SOFT_UNWRITTEN // 4  # with so many its streams get no credit: what else it says is still heard
HARD_UNWRITTEN = 1 << 29  # and with so many is dropped, where the configuration does not say other


class Requests:
    """The clients' side of a core."""

    def __init__(self, core: RouterCore) -> None:
        self._core = core
        self._session_ids = count(1)

    def open_session(self, door: Door, pool: str, identity: str = "", grant: Grant | None = None) -> Session:
        """A client connected."""
        core = self._core
        session = Session(next(self._session_ids), door, pool, identity, grant, core.now)
        core.sessions[session.id] = session
        return session

    def client_data(self, session: Session, data: bytes) -> None:
        """Bytes from a client. At most `TURN` of its requests are handled now, the rest in the next turns."""
        try:
            received = session.door.receive_data(data)
        except RemoteProtocolError:
            self._reject(session)
        except DoorChanged as change:
            session.use(change.door)
            if change.output:
                session.outbox.append(change.output)
                self._core.mark(session)
            self.client_data(session, change.data)
            self.door_requests(session)
        else:
            self._take(session, received)

    def client_received(self, session: Session, count: int) -> None:
        """The same for bytes that were read to where the session's door said."""
        assert session.buffered is not None
        try:
            received = session.buffered.received(count)
        except RemoteProtocolError:
            self._reject(session)
        else:
            self._take(session, received)

    def _reject(self, session: Session) -> None:
        """Nothing that this client says can be understood any more."""
        self._say(session)
        session.closing = True
        self.close_if_done(session)

    def _take(self, session: Session, received: Sequence[Request]) -> None:
        """Handle what became whole; the door has its say first."""
        if output := session.door.take_output():
            session.outbox.append(output)
            self._core.mark(session)
        if len(received) == 1 and not session.requests:  # as usual: it need not stand in line
            kind, codec, flags, client_id, deadline_ms, payload = received[0]
            if kind == _CALL:
                self._accept(session, codec, flags, client_id, deadline_ms, payload)
            else:
                self._other_request(session, kind, codec, flags, client_id, deadline_ms, payload)
        elif received:
            session.requests.extend(received)
            self.serve_session(session)
        if session.door.closing:
            session.input_over = True
            self.close_session(session)

    def door_requests(self, session: Session) -> None:
        """What the door itself wants, now that it is attached or that something was encoded for its client."""
        if session.dead:
            return
        wanted = session.door.take_requests()
        if wanted:
            session.requests.extend(wanted)
            self.serve_session(session)
        if session.door.closing and not session.input_over:
            self._say(session)
            self.close_session(session)

    def client_eof(self, session: Session) -> None:
        """It will send nothing more. What it asked for is still answered."""
        session.requests.extend(session.door.receive_eof())
        session.input_over = True
        self._say(session)
        self.serve_session(session)
        self.close_if_done(session)

    def serve_session(self, session: Session) -> None:
        """Handle up to a turn's worth of the requests that wait."""
        core = self._core
        requests = session.requests
        for _ in range(min(TURN, len(requests))):
            if session.dead:  # the last one was the last straw
                return
            kind, codec, flags, client_id, deadline_ms, payload = requests.popleft()
            if kind == _CALL:
                self._accept(session, codec, flags, client_id, deadline_ms, payload)
            else:
                self._other_request(session, kind, codec, flags, client_id, deadline_ms, payload)
        if requests:
            core.busy.append(session)
        elif session.input_over:
            self.close_if_done(session)

    def close_session(self, session: Session) -> None:
        """The session ends: its calls are cancelled, its handles released, the pump disconnects it."""
        core = self._core
        if session.dead:
            return
        session.dead = True
        session.requests.clear()
        for call in list(session.calls.values()):
            core.endings.abandon(call, KillReason.CLIENT_GONE)
        session.calls.clear()
        core.callbacks.session_ended(session)
        for worker in session.workers:
            worker.sessions.discard(session.id)
            core.send(worker, _RELEASE, Codec.MSGPACK, 0, 0, session.id, b"")
        session.workers.clear()
        core.quarantine.forget_session(session.id)
        del core.sessions[session.id]
        core.dropped.append(session)

    def close_if_done(self, session: Session) -> None:
        """End a session whose input is over once everything it asked for is answered."""
        if session.input_over and not (session.closing or session.calls or session.requests or session.asking):
            session.requests.extend(session.door.take_requests())  # what had to wait for the last answer
            if session.requests:
                self.serve_session(session)
                return
        if session.closing or (session.input_over and not (session.calls or session.requests or session.asking)):
            self.close_session(session)

    def _say(self, session: Session) -> None:
        core = self._core
        output = session.door.take_output()
        if output:
            session.outbox.append(output)
            core.mark(session)

    def _accept(
        self, session: Session, codec: int, flags: int, client_id: Hashable, deadline_ms: int, payload: Payload
    ) -> None:
        """A call came in: refuse it with an answer, or place it."""
        core = self._core
        pool = core.pools.get(session.pool)
        if pool is None:
            core.refuse(session, client_id, codec, *_no_pool(session.pool))
            return
        head = session.head
        if head is None or head.pool is not pool or not payload.startswith(head.text) or head.start > len(payload):
            try:
                head = session.head = Head(payload, pool)
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
        if core.draining or pool.failed is not None or pool.queue.waiting or core.quarantine.until:
            problem = self.why_not(session, pool, head.target, payload)
            if problem is not None:
                core.refuse(session, client_id, codec, *problem, head.target)
                return
        if flags & _STREAM and len(session.calls) >= MOST_STREAMS:
            message = f"the session has {len(session.calls)} calls and streams open; close some first"
            core.refuse(session, client_id, codec, ErrorKind.OVERLOADED, message, head.target)
            return
        call = Call(session, client_id, codec, flags, payload, head, core.now)
        session.calls[client_id] = call
        deadline_ms = deadline_ms or pool.policy.default_deadline_ms
        if deadline_ms:
            call.deadline = core.now + deadline_ms / 1000
            core.endings.set_timer(call.deadline, call)
        start = head.start
        if head.object_length:
            call.object_token = bytes(payload[start - head.object_length : start])
            core.place_with_owner(call, call.object_token)
            return
        # A token among the arguments, if one is easily seen. Only a hint: the worker judges.
        at = payload.find(core.prefix_bytes, start, start + HINT_WINDOW)
        if at < 0:
            if core.cache is None or not core.cache.take(call, head):
                core.place(call)
        else:
            core.place_with_owner(call, bytes(payload[at : at + tokens.TOKEN_LENGTH]))

    def why_not(self, session: Session, pool: Pool, target: bytes, payload: Payload) -> tuple[ErrorKind, str] | None:
        """Why a call is not accepted, or None."""
        core = self._core
        if core.draining:
            return ErrorKind.SHUTTING_DOWN, "the bridge is shutting down and takes no new calls"
        if pool.failed is not None:
            return ErrorKind.POOL_UNAVAILABLE, pool.failed
        queue, policy = pool.queue, pool.policy
        # A session that has next to nothing waiting is let in all the same: one must not fill the queue for all.
        if queue.waiting >= policy.max_queue and queue.waiting_of(session.id) > policy.max_queue // 100:
            message = (
                f"pool {policy.name!r} has {queue.waiting} calls waiting, its limit is {policy.max_queue}; try later"
            )
            return ErrorKind.OVERLOADED, message
        if queue.bytes + len(payload) > QUEUE_BYTES:
            return ErrorKind.OVERLOADED, f"pool {policy.name!r} has {queue.bytes} bytes waiting; try later"
        if core.quarantine.until and (seconds := core.quarantine.remaining(session.id, target, core.now)):
            name = target.decode(errors="replace")
            return ErrorKind.QUARANTINED, f"{name} killed worker after worker; it is refused for {seconds:.0f} s more"
        return None

    def hint(self, payload: Payload, start: int) -> bytes:
        """A token among the arguments, if one is easily seen. Only a hint: the worker judges."""
        core = self._core
        at = payload.find(core.prefix_bytes, start, start + HINT_WINDOW)
        return bytes(payload[at : at + tokens.TOKEN_LENGTH]) if at >= 0 else b""

    def _other_request(
        self,
        session: Session,
        kind: int,
        codec: int,
        flags: int,
        client_id: Hashable,
        deadline_ms: int,
        payload: Payload,
    ) -> None:
        core = self._core
        if kind == _CANCEL:
            call = session.calls.get(client_id)
            if call is not None:
                core.endings.abandon(call, KillReason.CANCEL)
            else:
                core.queries.withdraw((session.id, client_id))
        elif kind == _CREDIT:
            call = session.calls.get(client_id)
            if call is not None and len(payload) == 4:
                self._give_credit(call, payload)
        elif kind == _RELEASE:
            self._release(session, payload)
        elif kind == _CONTROL:
            if isinstance(client_id, tuple):  # the door's own
                from bascule.bridge.router.asking import answer_door

                answer_door(core, session, client_id, bytes(payload))
            else:
                core.on_control(session, client_id, bytes(payload))
        elif kind == _NESTED:
            core.callbacks.accept(session, codec, flags, client_id, deadline_ms, payload)
        elif kind == _PLACED:
            accept_placed(core, session, codec, flags, client_id, deadline_ms, payload)
        elif kind == _TRACE:
            if core.tracing is not None:
                core.tracing.heard(session, client_id, bytes(payload[:MAX_TRACE]))
        elif kind in _ANSWERS:
            core.callbacks.answered(session, kind, codec, client_id, payload)

    def _release(self, session: Session, payload: Payload) -> None:
        """Hand each token to its owner; tokens of the dead need no release."""
        core = self._core
        by_worker: dict[Worker, list[bytes]] = {}
        for at in range(0, len(payload) - tokens.TOKEN_LENGTH + 1, tokens.TOKEN_LENGTH):
            token = bytes(payload[at : at + tokens.TOKEN_LENGTH])
            worker = core.owner_of(token)
            if worker is not None:
                by_worker.setdefault(worker, []).append(token)
        for worker, some in by_worker.items():
            if self._is_flooded(session, worker):
                return
            core.send(worker, _RELEASE, Codec.MSGPACK, 0, 0, session.id, b"".join(some))

    def _give_credit(self, call: Call, payload: Payload) -> None:
        call.credit = min(call.credit + int.from_bytes(payload, "little"), MOST_CREDIT)
        if call.session.unwritten > HOLD_CREDIT:
            call.session.held_credit.add(call)
        elif call.worker is not None and call.state not in NOT_SENT and not self._is_flooded(call.session, call.worker):
            self._core.pass_credit(call)

    def _is_flooded(self, session: Session, worker: Worker) -> bool:
        """Whether a worker has so much to read already that who sends it more, which no call waits for, is dropped."""
        if worker.unwritten <= QUEUE_BYTES:
            return False
        self.close_session(session)
        return True

    def release_credit(self, session: Session) -> None:
        """The client reads again: pass on the credit that was held back."""
        held, session.held_credit = session.held_credit, set()
        for call in held:
            if call.state in (CallState.SENT, CallState.STREAMING):
                self._core.pass_credit(call)


def _no_pool(name: str) -> tuple[ErrorKind, str]:
    return ErrorKind.POOL_UNAVAILABLE, f"there is no pool {name!r}"
