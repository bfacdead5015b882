"""How workers leave a pool: retired, seen off, pressed, buried.

A retired worker gets nothing new and leaves by itself once it has finished what it has; only when that takes longer
than it may is it pressed: TERM, on which it leaves between two calls, then KILL. Its death is learned from the router,
which has to read its last answers first; should the router be gone, we look ourselves.

All of this happens in tasks that outlive the cancellation of the pool, within the pool's grace.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

import trio

from bascule.bridge.notices import KillReason, PoolPolicy, WorkerWire
from bascule.bridge.pool_places import Phase, PoolWorker
from bascule.bridge.slots import Slots
from bascule.bridge.supervision.lives import grace
from bascule.bridge.supervision.process import Undertaker

KILL_PATIENCE: Final = 3.0  # seconds from a kill until we stop waiting for the router to tell of the death


class Router(Protocol):
    """What a pool asks of the router. All of it returns at once."""

    def attach_worker(self, wire: WorkerWire) -> None:
        """A worker was spawned; its descriptors are the router's from now on."""

    def retire_worker(self, slot: int, incarnation: int, handle_wait: float = 0.0) -> None:
        """Give it nothing new, and let it leave once it has nothing left, nor handles, or those so long ago."""

    def kill_worker(self, slot: int, incarnation: int, reason: KillReason) -> None:
        """End it at once."""

    def set_pool(self, policy: PoolPolicy) -> None:
        """The pool is so from now on."""

    def close_pool(self, name: str, message: str) -> None:
        """Answer new calls with this, until it is restored; do what it has accepted."""

    def fail_pool(self, name: str, message: str) -> None:
        """Answer all of its calls with this, until it is restored."""

    def restore_pool(self, name: str) -> None:
        """It takes calls again."""


class Departures:
    """Sees the workers of one pool off.

    Args:
        router: Who owns their data.
        undertaker: Who ends what they started, and reaps them.
        slots: Where their slots go back to.
        grace_seconds: From TERM to KILL.
        on_lost: Told of a worker that is dead though the router did not say so.
    """

    def __init__(
        self,
        router: Router,
        undertaker: Undertaker,
        slots: Slots,
        grace_seconds: float,
        on_lost: Callable[[PoolWorker], None],
    ) -> None:
        self._router = router
        self._undertaker = undertaker
        self._slots = slots
        self.grace = grace_seconds
        self._on_lost = on_lost
        self._over = trio.Event()
        self._nursery: trio.Nursery | None = None

    async def hold(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Hold the tasks that see workers off, until `close`, and out of reach of what cancels the pool."""
        # Cancelled already, `nursery.start` would neither take us over nor end: we would hold out for ever.
        await trio.lowlevel.checkpoint_if_cancelled()
        with grace():
            async with trio.open_nursery() as self._nursery:
                task_status.started()
                await self._over.wait()

    def close(self) -> None:
        """Nobody else will leave."""
        self._over.set()

    def retire(self, worker: PoolWorker, limit: float, handle_wait: float = 0.0) -> None:
        """Have it leave when it has finished what it runs, and its handles are gone; press it after `limit` seconds.

        One that is leaving already may be told that it has less time than it was given.
        """
        self._router.retire_worker(worker.slot, worker.incarnation, handle_wait)
        if worker.phase is Phase.LEAVING:
            worker.patience.deadline = min(worker.patience.deadline, trio.current_time() + limit)
            return
        worker.phase = Phase.LEAVING
        worker.patience.deadline = trio.current_time() + limit
        assert self._nursery is not None
        self._nursery.start_soon(self._see_off, worker)

    def bury(self, worker: PoolWorker) -> None:
        """It is dead: see to its remains."""
        worker.phase = Phase.DEAD
        assert self._nursery is not None
        self._nursery.start_soon(self._bury, worker)

    async def kill(self, worker: PoolWorker) -> None:
        """There is no time left: kill it and what it started, and bury it."""
        worker.phase = Phase.DEAD
        worker.process.kill_group()
        with trio.CancelScope(shield=True):
            await self._bury(worker)

    async def _bury(self, worker: PoolWorker) -> None:
        await self._undertaker.bury(worker.process)
        self._slots.release(worker.slot)
        worker.buried.set()

    async def _see_off(self, worker: PoolWorker) -> None:
        """Wait until it is gone: by itself, after TERM, after KILL; and if nobody tells us, look."""
        with worker.patience:
            await worker.buried.wait()
            return
        worker.process.terminate()
        with trio.move_on_after(self.grace):
            await worker.buried.wait()
            return
        self._router.kill_worker(worker.slot, worker.incarnation, KillReason.STOPPED)
        with trio.move_on_after(KILL_PATIENCE):
            await worker.buried.wait()
            return
        if worker.phase is not Phase.DEAD:  # the router is gone
            worker.process.kill_group()
            self._on_lost(worker)
        await worker.buried.wait()
