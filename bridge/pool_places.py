"""What a pool remembers of each of its workers and places."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

import trio

from bascule.bridge.pool_restarts import BackOff
from bascule.bridge.supervision.spawn import WorkerProcess


class Phase(enum.Enum):
    """Where a worker is in its life, as its pool sees it."""

    STARTING = "starting"  # spawned; its handshake is awaited
    READY = "ready"
    LEAVING = "leaving"  # retired: it finishes what it has
    DEAD = "dead"


@dataclass(eq=False, slots=True)
class PoolWorker:
    """One life of one worker."""

    slot: int
    incarnation: int
    process: WorkerProcess
    spawned_at: float  # on trio's clock
    phase: Phase = Phase.STARTING
    outdated: str = ""  # why it is to be replaced as soon as it is ready
    overdue: bool = False  # it was killed, since it did not become ready in time
    buried: trio.Event = field(default_factory=trio.Event)  # reaped, and its slot is free


@dataclass(eq=False, slots=True)
class Place:
    """Room for one worker, and for its successor while it is recycled."""

    worker: PoolWorker | None = None
    successor: PoolWorker | None = None
    recycle: bool = False  # a successor is wanted
    next_spawn: float = 0.0  # not before; on trio's clock
    back_off: BackOff = field(default_factory=BackOff)

    def holds(self, worker: PoolWorker) -> bool:
        """Whether this is the worker's place."""
        return worker is self.worker or worker is self.successor

    def wants_spawn(self) -> bool:
        """Whether a process is missing here, now or soon."""
        return self.worker is None or (self.recycle and self.successor is None)

    def workers(self) -> list[PoolWorker]:
        """Who is here."""
        return [worker for worker in (self.worker, self.successor) if worker is not None]
