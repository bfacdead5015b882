"""One call, from the moment it is accepted until it is settled.

    ACCEPTED -> QUEUED -> SENT -> SETTLED     the usual way; not queued when a worker is free
    SENT -> STREAMING -> SETTLED              a stream, from its first item on
    any -> SETTLED                            deadline, cancellation, a lost worker, a client that left

A call that was settled while its worker still runs it stays in the worker's books (it occupies the worker) until the
worker answers or dies: what then comes is counted and dropped.
"""

from __future__ import annotations

import enum
from collections.abc import Hashable
from typing import TYPE_CHECKING

from bascule.protocols.calls import Op, decode_head
from bascule.protocols.envelope import Kind
from bascule.protocols.errors import RemoteProtocolError

if TYPE_CHECKING:
    from bascule.bridge.router.callbacks import Open
    from bascule.bridge.router.peers import Session, Worker
    from bascule.bridge.router.pools import FairQueue, Pool
    from bascule.protocols.envelope import Payload


class CallState(enum.Enum):
    """Where a call stands."""

    ACCEPTED = "accepted"  # placed nowhere yet, or behind the one worker that can take it
    QUEUED = "queued"  # in its pool's queue
    SENT = "sent"
    STREAMING = "streaming"
    SETTLED = "settled"


# By name: reading a member off its enum costs several times as much.
ACCEPTED, SENT, SETTLED = CallState.ACCEPTED, CallState.SENT, CallState.SETTLED
NOT_SENT = (CallState.ACCEPTED, CallState.QUEUED)

_CALL, _NESTED, _KEPT = int(Kind.CALL), int(Kind.NESTED), int(Op.KEPT)


class Head:
    """What the router reads of a call's payload. A session's calls often have the same, which is then read once."""

    __slots__ = ("object_length", "op", "pool", "profile", "start", "target", "text")

    def __init__(self, payload: Payload, pool: Pool) -> None:
        """Read a payload's head.

        Raises:
            RemoteProtocolError: It has none, or one that only the bridge itself writes.
        """
        self.op, _, _, self.target, object_token, self.start = decode_head(payload)
        if self.op == _KEPT:
            raise RemoteProtocolError("the operation KEPT is between a bridge and its workers")
        self.object_length = len(object_token)
        self.text = bytes(payload[: self.start - self.object_length])
        self.pool = pool
        self.profile = pool.profile(self.target)


class Call:
    """What the router must remember of a call. Slots only: there may be a hundred thousand."""

    __slots__ = (
        "accepted_at",
        "client_id",
        "codec",
        "credit",
        "deadline",
        "flags",
        "given",
        "hops",
        "kind",
        "object_token",
        "payload",
        "pool",
        "profile",
        "queue",
        "session",
        "state",
        "target",
        "wire_id",
        "worker",
    )

    def __init__(
        self, session: Session, client_id: Hashable, codec: int, flags: int, payload: Payload, head: Head, now: float
    ) -> None:
        self.kind: int = _CALL  # of the frame that brings it to its worker
        self.session = session
        self.client_id = client_id
        self.codec = codec
        self.flags = flags
        self.payload = payload
        self.target = head.target
        self.pool = head.pool
        self.profile = head.profile
        self.object_token = b""
        self.accepted_at = now
        self.deadline = 0.0  # 0: none
        self.credit = 0  # items of its stream that the client has asked for and that no worker was told of
        self.given = 0  # items that its present worker was told of and has not sent
        self.queue: FairQueue | None = None  # where it waits
        self.wire_id = 0  # the bridge's own number, new each time the call is sent
        self.worker: Worker | None = None
        self.hops = 0  # times it was sent on because a handle lives elsewhere, or again because its worker died
        self.state = ACCEPTED


class PlacedCall(Call):
    """A call that names its worker: see `bascule.bridge.router.placed`."""

    __slots__ = ()


class NestedCall(Call):
    """A call that is made in the course of a callback: see `bascule.bridge.router.callbacks`."""

    __slots__ = ("parent",)

    def __init__(
        self,
        parent: Open,
        session: Session,
        client_id: Hashable,
        codec: int,
        flags: int,
        payload: Payload,
        head: Head,
        now: float,
    ) -> None:
        super().__init__(session, client_id, codec, flags, payload, head, now)
        self.parent = parent

    def nest(self, number: int) -> None:
        """It is going to run on top of what waits for this callback's answer in its worker."""
        self.kind = _NESTED
        self.payload = number.to_bytes(8, "little") + self.payload

    def take_out(self) -> None:
        """It was not run there."""
        if self.kind == _NESTED:
            self.kind = _CALL
            self.payload = self.payload[8:]
