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

if TYPE_CHECKING:
    from bascule.bridge.router.peers import Session, Worker
    from bascule.bridge.router.pools import FairQueue, Pool, Profile


class CallState(enum.Enum):
    """Where a call stands."""

    ACCEPTED = "accepted"  # placed nowhere yet, or behind the one worker that can take it
    QUEUED = "queued"  # in its pool's queue
    SENT = "sent"
    STREAMING = "streaming"
    SETTLED = "settled"


NOT_SENT = (CallState.ACCEPTED, CallState.QUEUED)


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
        self,
        session: Session,
        client_id: Hashable,
        codec: int,
        flags: int,
        payload: bytes,
        target: bytes,
        object_token: bytes,
        pool: Pool,
        profile: Profile,
        accepted_at: float,
    ) -> None:
        self.session = session
        self.client_id = client_id
        self.codec = codec
        self.flags = flags
        self.payload = payload
        self.target = target
        self.object_token = object_token
        self.pool = pool
        self.profile = profile
        self.accepted_at = accepted_at
        self.deadline = 0.0  # 0: none
        self.credit = 0  # items of its stream that the client has asked for and that no worker was told of
        self.given = 0  # items that its present worker was told of, before the first one came
        self.queue: FairQueue | None = None  # where it waits
        self.wire_id = 0  # the bridge's own number, new each time the call is sent
        self.worker: Worker | None = None
        self.hops = 0  # times it was sent on because a handle lives elsewhere, or again because its worker died
        self.state = CallState.ACCEPTED
