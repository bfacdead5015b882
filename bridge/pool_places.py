"""What a pool remembers of each of its workers, and the places that they have.

A place outlives the workers that have it: it knows when the next may be spawned there (a place whose workers die waits
longer each time), and it holds two at once while one is recycled, so that the old one serves until the new one is
ready. A worker that has lost its place lives on until it has answered, and is not replaced.
"""

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
    patience: trio.CancelScope = field(default_factory=trio.CancelScope)  # until it is pressed to leave
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


class Places(list[Place]):
    """All places of one pool."""

    def of(self, worker: PoolWorker) -> Place | None:
        """The worker's place; None when it has none any more."""
        return next((place for place in self if place.holds(worker)), None)

    def enter(self, place: Place, worker: PoolWorker) -> None:
        """A worker was spawned here: the place's own, or the successor of the one that is recycled."""
        if place.worker is None:
            place.worker = worker
        else:
            place.successor = worker

    def leave(self, worker: PoolWorker) -> None:
        """It is dead: its place is its successor's, or empty."""
        place = self.of(worker)
        if place is not None:
            if worker is place.worker:
                place.worker, place.recycle = place.successor, False
            place.successor = None

    def empty(self) -> None:
        """Nobody has a place any more."""
        for place in self:
            place.worker = place.successor = None
            place.recycle = False

    def resize(self, wanted: int) -> list[PoolWorker]:
        """Be so many; the workers that have lost their places."""
        self += [Place() for _ in range(wanted - len(self))]
        # The empty ones go first, then those that are not ready yet, then the youngest.
        self.sort(key=_worth, reverse=True)
        lost = [worker for place in self[wanted:] for worker in place.workers()]
        del self[wanted:]
        return lost

    def give_up_starting(self) -> list[PoolWorker]:
        """Take their places from the workers that are just being started; which these are."""
        lost = []
        for place in self:
            for worker in place.workers():
                if worker.phase is Phase.STARTING:
                    lost.append(worker)
                    if worker is place.worker:
                        place.worker, place.successor = place.successor, None
                    else:
                        place.successor = None
        return lost

    def are_left(self, lives: set[tuple[int, int]]) -> bool:
        """Whether one of these that is to be replaced still has a place."""
        return any(
            place.recycle and any((worker.slot, worker.incarnation) in lives for worker in place.workers())
            for place in self
        )


def _worth(place: Place) -> tuple[int, float]:
    """How much is lost with a place: nothing, a start, or a worker that is the more worth the older it is."""
    if place.worker is None:
        return 0, 0.0
    return (2 if place.worker.phase is Phase.READY else 1), -place.worker.spawned_at
