"""The two kinds of ends that the router joins: workers and sessions.

Both collect what is to be written in an `outbox`; the core marks a peer dirty when it adds the first piece, and the
pump writes all dirty peers once a turn. Nothing here does I/O.
"""

from __future__ import annotations

import codecs
import enum
from collections import deque
from collections.abc import Hashable
from typing import TYPE_CHECKING, NamedTuple

from bascule.bridge.doors.base import BufferedDoor, Door, Request
from bascule.bridge.notices import KillReason, WorkerWire
from bascule.bridge.router.calls import Call, Head
from bascule.bridge.router.pools import FairQueue
from bascule.bridge.scheduling import cpu_time_of
from bascule.protocols.envelope import FrameReader

if TYPE_CHECKING:
    from bascule.bridge.policy import Policy
    from bascule.bridge.router.pools import Pool
    from bascule.bridge.router.writer import Writer
    from bascule.protocols.envelope import Payload


class Peer:
    """An end with something to write."""

    __slots__ = ("dirty", "outbox", "unwritten", "writer")

    def __init__(self) -> None:
        self.outbox: list[Payload] = []
        self.writer: Writer | None = None  # the pump's, while the peer is connected
        self.unwritten = 0  # bytes that were offered to the descriptor and not taken; kept by the pump
        self.dirty = False


class Doom:
    """A call that was settled while its worker has it: why, and until when it may run on (None: it was not started)."""

    __slots__ = ("reason", "until")

    def __init__(self, reason: KillReason, until: float | None) -> None:
        self.reason = reason
        self.until = until


class Effect(enum.Enum):
    """What the pump shall do to a worker beside writing."""

    INTERRUPT = "interrupt"  # the signal that ends a running call
    KILL = "kill"
    CLOSE_WIRE = "close_wire"  # it leaves by itself at the end of its input


class WorkerState(enum.Enum):
    """Where a worker stands."""

    STARTING = "starting"  # spawned; its handshake is awaited
    SPARE = "spare"  # ready, waits for a place
    ACTIVE = "active"  # takes calls
    RETIRING = "retiring"  # finishes what it has, takes nothing new
    DEAD = "dead"


class Worker(Peer):
    """One life of one worker, as the router sees it. Satisfies `scheduling.Load`."""

    __slots__ = (
        "backlog",
        "backlog_first",
        "calls",
        "calls_done",
        "closing",
        "decoders",
        "doomed",
        "incarnation",
        "info",
        "init_error",
        "keep_until",
        "kill_reason",
        "killed",
        "messages_in",
        "name",
        "page",
        "pid",
        "pidfd",
        "pool",
        "reader",
        "recycle_asked",
        "sessions",
        "slot",
        "slow",
        "started_at",
        "state",
        "streams",
        "stuck_at",
        "threads",
        "watched",
        "wire",
    )

    def __init__(self, wire: WorkerWire, pool: Pool, now: float) -> None:
        super().__init__()
        self.wire = wire
        self.pool = pool
        self.slot = wire.slot
        self.incarnation = wire.incarnation
        self.pid = wire.pid
        self.pidfd = wire.pidfd
        self.threads = wire.threads
        self.name = f"{wire.pool}/{wire.slot}.{wire.incarnation}"
        self.page = wire.page
        self.reader = FrameReader()
        self.state = WorkerState.STARTING
        self.calls: dict[int, Call] = {}  # by wire id, in the order they were sent
        self.streams: dict[int, Call] = {}  # open streams, which occupy nobody
        self.closing: dict[int, Call] = {}  # settled streams that it was told to close, and that have not ended
        self.backlog = FairQueue()  # calls that only this worker can take, since it holds their object
        self.backlog_first = False  # whose turn it is: the backlog's, or the pool's queue's
        self.doomed: dict[int, Doom] = {}  # settled calls that still occupy it, oldest first
        self.slow = 0  # outstanding calls of targets that let nobody wait behind them
        self.sessions: set[int] = set()  # sessions that have called here, and may hold handles
        self.messages_in = 0
        self.calls_done = 0
        self.started_at = now
        self.kill_reason: KillReason | None = None  # why the bridge ended it, or lets it leave
        self.killed = False
        self.keep_until = 0.0  # retired, but kept so long for the sake of its handles
        self.recycle_asked = False
        self.watched = False  # a timer looks whether answers are stuck in it
        self.stuck_at = 0  # the call that ran when it last looked, negative once the answers before it were sent for
        self.init_error: dict[str, object] | None = None
        self.info: dict[str, object] = {}
        self.decoders = [codecs.getincrementaldecoder("utf-8")("replace") for _ in range(2)]

    @property
    def outstanding(self) -> int:
        """Calls that it has and has not answered."""
        return len(self.calls)

    def has_room_for(self, call: Call) -> bool:
        """Whether a call may be put into this worker now."""
        waiting = call.profile.waiting
        return len(self.calls) < self.threads + waiting and self.open_to(waiting)

    def open_to(self, waiting: int) -> bool:
        """Whether a call may be put behind those it has: not behind slow ones."""
        return self.slow < self.threads if waiting else True

    def count_slow(self) -> None:
        """How many of its calls let nobody wait behind them."""
        calls = self.calls
        self.slow = sum([not call.profile.waiting for call in calls.values()]) if calls else 0

    def cpu_time(self) -> float:
        """Seconds of processor time that its process has used."""
        return cpu_time_of(self.pid)


class Grant(NamedTuple):
    """What a client may do, said by whoever let it in. Without one it is our own user's: it may do everything."""

    listener: str
    who: str  # for logs and the audit: a user, a token
    policy: Policy | None = None  # None: it may call everything
    operator: bool = False  # whether it may give an operator's orders
    uid: int | None = None  # of a process of this machine


class Session(Peer):
    """One connected client: its calls, and how its protocol speaks."""

    __slots__ = (
        "asking",
        "buffered",
        "calls",
        "closing",
        "dead",
        "door",
        "grant",
        "head",
        "held_credit",
        "id",
        "identity",
        "input_over",
        "opened_at",
        "output_dropped",
        "paused",
        "policy",
        "pool",
        "requests",
        "workers",
    )

    def __init__(
        self, number: int, door: Door, pool: str, identity: str, grant: Grant | None = None, now: float = 0.0
    ) -> None:
        super().__init__()
        self.id = number
        self.door = door
        self.buffered = door if isinstance(door, BufferedDoor) else None
        self.pool = pool
        self.identity = identity
        self.grant = grant
        self.policy = None if grant is None else grant.policy  # asked for each call
        self.opened_at = now
        self.calls: dict[Hashable, Call] = {}
        self.head: Head | None = None  # of its last call, since the next one's is often the same
        self.requests: deque[Request] = deque()  # parsed, and waiting for this session's turn
        self.workers: set[Worker] = set()  # where it may hold handles
        self.held_credit: set[Call] = set()  # streams whose credit is not passed on while the client does not read
        self.asking = 0  # questions about workers that have no answer yet
        self.input_over = False  # it will send nothing more; what it asked is still answered
        self.paused = False  # not read from, since it does not read
        self.closing = False
        self.dead = False
        self.output_dropped = 0  # bytes of captured output that it did not read in time

    def use(self, door: Door) -> None:
        """Let another door speak with this client from now on."""
        self.door = door
        self.buffered = door if isinstance(door, BufferedDoor) else None
