"""Calls that name the worker that shall run them: the same call on each worker, a look into one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bascule.bridge.router.calls import Head, PlacedCall
from bascule.bridge.router.peers import WorkerState
from bascule.protocols.errors import ErrorKind, RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Hashable

    from bascule.bridge.router.core import RouterCore
    from bascule.bridge.router.peers import Session
    from bascule.protocols.envelope import Payload

SLOT = 2  # bytes of a slot's number before a payload


def accept_placed(
    core: RouterCore,
    session: Session,
    codec: int,
    flags: int,
    client_id: Hashable,
    deadline_ms: int,
    payload: Payload,
) -> None:
    """A PLACED call: give it to the worker in the slot that it names, and to no other."""
    slot = int.from_bytes(payload[:SLOT], "little")
    payload = payload[SLOT:]
    worker = core.workers.get(slot)
    usable = worker is not None and worker.state in (WorkerState.ACTIVE, WorkerState.SPARE)
    if worker is None or not usable or worker.pool.policy.name != session.pool:
        message = f"there is no worker in slot {slot} of pool {session.pool!r}; see status"
        core.refuse(session, client_id, codec, ErrorKind.NOT_FOUND, message)
        return
    try:
        head = Head(payload, worker.pool)
    except RemoteProtocolError as error:
        core.refuse(session, client_id, codec, ErrorKind.REFUSED, str(error))
        return
    denied = session.policy.why_not(head.op, head.target, head.object_length > 0) if session.policy else None
    if denied is not None:
        core.refuse(session, client_id, codec, ErrorKind.DENIED, denied, head.target)
        return
    problem = core.requests.why_not(session, worker.pool, head.target, payload)
    if client_id in session.calls:
        problem = ErrorKind.REFUSED, f"call id {client_id!r} is still in use"
    if problem is not None:
        core.refuse(session, client_id, codec, *problem, head.target)
        return
    call = PlacedCall(session, client_id, codec, flags, payload, head, core.now)
    session.calls[client_id] = call
    deadline_ms = deadline_ms or worker.pool.policy.default_deadline_ms
    if deadline_ms:
        call.deadline = core.now + deadline_ms / 1000
        core.endings.set_timer(call.deadline, call)
    core.place_at(call, worker)
