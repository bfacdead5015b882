"""A named set of worker processes: kept at its size, replaced when they die, recycled, grown, shrunk, drained.

    pool = Pool(spec, pump, undertaker, slots, prefix=core.prefix)
    ... ChildSpec("pool default", pool.run, shutdown=Shutdown.INFINITY)  # a child of the bridge's supervisor
    ... pool.notify(notice)                                              # each notice of the router that names it

The router owns the workers' data and knows who takes calls: when an active worker dies it puts a ready spare in its
place by itself, before anybody here has heard of it. So this side has one job: see that there are `size + spares`
processes. It has as many *places*; each holds a worker, and while that one is recycled its successor too. A loop looks
at all places whenever something happened or is due, and spawns what is missing. Which exits count, and how long an
empty place waits, is decided in `pool_restarts`.

A pool whose workers keep dying is *failed*: its calls are answered at once, its workers stopped, and after `retry`
seconds one worker is tried; when that one is ready the pool is whole again. If no worker was ever ready, or the pool is
significant, the failure is an exception of `run`, and thereby the supervisor's to decide about.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import trio

from bascule.bridge.notices import KillReason, Notice, RecycleWanted, WorkerExited, WorkerReady
from bascule.bridge.pool_changes import Trial, needs_new_workers
from bascule.bridge.pool_departures import Departures, Router
from bascule.bridge.pool_places import Phase, Place, Places, PoolWorker
from bascule.bridge.pool_restarts import Restarts, Verdict, judge
from bascule.bridge.pool_spec import PoolSpec
from bascule.bridge.pool_words import failed, log_exit, status_of, stays_as_it_was, why_it_ended
from bascule.bridge.slots import Slots
from bascule.bridge.supervision.lives import grace
from bascule.bridge.supervision.process import Undertaker
from bascule.bridge.supervision.spawn import Spawned, SpawnError, spawn_worker

if TYPE_CHECKING:
    from bascule.bridge.supervision.starting import Command

_log = logging.getLogger(__name__)

MEMORY_LOOK: Final = 1.0  # seconds between two looks at how much memory the workers have
AT_ONCE: Final = max(2, os.cpu_count() or 1)  # workers that start at the same time: more would only slow each other


class PoolFailed(Exception):
    """The workers of a pool keep dying, and it is one that the bridge can't do without."""


class Pool:
    """Keeps the workers of one spec; see the module's text. Everything here runs in trio's thread.

    Args:
        spec: What it is.
        router: Who owns its workers' data.
        undertaker: Who ends and reaps its processes; it must be running.
        slots: The bridge's, shared by its pools.
        prefix: Of the bridge's handles, the router's.
        early: Workers of this pool that were spawned and attached before; they take its first places.
        command: Makes a worker's command line.
    """

    def __init__(
        self,
        spec: PoolSpec,
        router: Router,
        undertaker: Undertaker,
        slots: Slots,
        *,
        prefix: str,
        early: Sequence[Spawned] = (),
        command: Command | None = None,
    ) -> None:
        self.spec = spec
        self.size = spec.size
        self.failure: str | None = None  # why it is failed, while it is
        self._router = router
        self._undertaker = undertaker
        self._slots = slots
        self._prefix = prefix
        self._command = command
        self._early = early
        self._early_notices: list[Notice] = []
        self._changed = trio.Event()
        self._running = False
        self._reset()

    def _reset(self) -> None:
        self._places = Places(Place() for _ in range(self.size + self.spec.spares))
        self._workers: dict[tuple[int, int], PoolWorker] = {}  # all that are not dead, leaving ones included
        self._restarts = Restarts(self.spec.allowed_exits(self.size), self.spec.period)
        self._departures = Departures(
            self._router, self._undertaker, self._slots, self.spec.grace, on_lost=self._forget
        )
        self._retry_at = 0.0
        self._fatal: str | None = None
        self._ever_ready = False
        self._stopping = False
        self._hurried = False
        self._trial = Trial()
        self.failure = None

    async def run(self, *, task_status: trio.TaskStatus[Pool] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the workers until cancelled, then drain and stop them. Started when the first of them is ready.

        It can be run again when it has ended.

        Raises:
            PoolFailed: No worker ever was ready, or the pool failed and is significant.
        """
        self._reset()
        for path in self.spec.missing_paths():
            _log.warning("pool %s: %s on its path is not there: no module is found in it", self.spec.name, path)
        self._router.set_pool(self.spec.policy(self.size))
        self._router.restore_pool(self.spec.name)
        async with trio.open_nursery() as nursery:
            with trio.CancelScope(shield=True):  # cancelled in between, nobody would ever close it
                await nursery.start(self._departures.hold)
            try:
                self._adopt()
                nursery.start_soon(self._watch_memory)
                await self._keep_places(task_status)
            finally:
                nursery.cancel_scope.cancel()
                with grace():
                    await self._stop()
                self._departures.close()
        if self._fatal is not None:
            raise PoolFailed(self._fatal)

    # What others may ask.

    def notify(self, notice: Notice) -> None:
        """The router tells of one of this pool's workers."""
        if not self._running:  # of an early worker; it is heard as soon as this runs
            self._early_notices.append(notice)
        elif isinstance(notice, (WorkerReady, WorkerExited, RecycleWanted)):
            worker = self._workers.get((notice.slot, notice.incarnation))
            if worker is None:
                return
            if isinstance(notice, WorkerReady):
                self._on_ready(worker)
            elif isinstance(notice, WorkerExited):
                self._on_exit(worker, notice)
            else:
                self._recycle(worker, "it has answered its share of calls")

    def scale(self, size: int) -> None:
        """Have another number of workers from now on; those that are too many finish what they run.

        Raises:
            PoolSpecError: That is no size for a pool.
        """
        PoolSpec(**{**self.spec._asdict(), "size": size})
        self.size = size
        self._restarts = replace(self._restarts, intensity=self.spec.allowed_exits(size))
        self._router.set_pool(self.spec.policy(size))
        for worker in self._places.resize(size + self.spec.spares):
            self._departures.retire(worker, self.spec.drain)
        self._change()

    def reconfigure(self, spec: PoolSpec) -> None:
        """Be so from now on. Workers of another kind are replaced, without losing a call.

        When no worker of the new kind can be started, the pool goes back to what it was; see `settled`.
        """
        before, self.spec = self._trial.before or self.spec, spec
        self._restarts = replace(self._restarts, period=spec.period)
        self._departures.grace = spec.grace
        if needs_new_workers(before, spec):
            self._trial = Trial(before)
            self._retire_starting()
            self.recycle_all("its configuration changed")
        self.scale(spec.size)

    async def settled(self) -> str:
        """Wait until it is known whether the last `reconfigure` works; why not, or nothing."""
        while self._trial.before is not None:
            await self._changed.wait()
        return self._trial.outcome

    def _retire_starting(self) -> None:
        """Workers that are just being started are of a kind that is not wanted any more."""
        for worker in self._places.give_up_starting():
            self._departures.retire(worker, 0.0)

    def _go_back(self, why: str) -> None:
        """The new spec can't work: the workers that run are kept, and nothing has changed."""
        assert self._trial.before is not None
        self.spec, self._trial = self._trial.before, Trial(None, stays_as_it_was(self.spec.name, why))
        _log.error("%s", self._trial.outcome)
        self._retire_starting()
        for place in self._places:
            place.recycle = False
        self.scale(self.spec.size)

    def recycle_all(self, why: str) -> None:
        """Replace each worker by a new one, without losing a call. A failed pool tries again at once."""
        self._retry_at = 0.0
        for place in self._places:
            if place.worker is not None:
                self._recycle(place.worker, why)
        for worker in self._workers.values():
            if worker.phase is Phase.STARTING:
                worker.outdated = why
        self._change()

    def hurry(self) -> None:
        """What it has accepted has had its `drain` already: when it stops, it is to wait for nothing more."""
        self._hurried = True

    async def wait_ready(self, count: int | None = None) -> None:
        """Until so many workers (all, where no number is given) are ready."""
        while self.ready_count() < (self.size + self.spec.spares if count is None else count):
            await self._changed.wait()

    def lives(self) -> set[tuple[int, int]]:
        """Slot and incarnation of the workers that are there."""
        return set(self._workers)

    async def wait_replaced(self, before: set[tuple[int, int]]) -> None:
        """Until none of these that is to be replaced has a place any more."""
        while self._places.are_left(before):
            await self._changed.wait()

    def ready_count(self) -> int:
        """Workers that take calls, or stand by."""
        return sum(worker.phase is Phase.READY for worker in self._workers.values())

    def status(self) -> dict[str, Any]:
        """What an operator wants to know."""
        now = trio.current_time()
        return {
            "size": self.size,
            "spares": self.spec.spares,
            "failure": self.failure,
            "counted_exits": len(self._restarts.exits),
            "workers": [status_of(worker, now) for worker in self._workers.values()],
        }

    # The loop.

    async def _keep_places(self, task_status: trio.TaskStatus[Pool]) -> None:
        """Until the pool has failed for good, or this is cancelled."""
        told = False
        while self._fatal is None:
            self._changed.set()  # others wait for it too, and this loop may have been woken by the clock
            self._changed = trio.Event()
            if self._ever_ready and not told:
                told = True
                task_status.started(self)
            with trio.move_on_at(self._look()):
                await self._changed.wait()

    def _change(self) -> None:
        self._changed.set()

    def _look(self) -> float:
        """Do all that is due now; when something else will be."""
        now = trio.current_time()
        next_look = math.inf
        starting = [worker for worker in self._workers.values() if worker.phase is Phase.STARTING]
        for worker in starting:
            due = worker.spawned_at + self.spec.ready_timeout
            if now < due:
                next_look = min(next_look, due)
            elif not worker.overdue:
                worker.overdue = True
                self._router.kill_worker(worker.slot, worker.incarnation, KillReason.NOT_READY)
        if self.failure is not None and now < self._retry_at:
            return min(next_look, self._retry_at)
        room = (AT_ONCE if self.failure is None else 1) - len(starting)
        for place in self._places:
            if not place.wants_spawn():
                continue
            if now < place.next_spawn:
                next_look = min(next_look, place.next_spawn)
            elif room > 0 and self._fatal is None:
                room -= 1
                if not self._spawn(place, now):
                    return now
                next_look = min(next_look, now + self.spec.ready_timeout)
        return next_look

    def _spawn(self, place: Place, now: float) -> bool:
        """Start a worker here. One that can't even be spawned counts, and is tried again after the place's back-off."""
        slot, incarnation = self._slots.take()
        try:
            bridge = self._undertaker.bridge
            spawned = spawn_worker(
                self.spec, slot, incarnation, prefix=self._prefix, bridge=bridge, command=self._command
            )
        except SpawnError as error:
            self._slots.release(slot)
            if self._trial.before is not None:
                self._go_back(str(error))
                return False
            _log.error("%s", error)
            place.back_off, delay = place.back_off.lose(0.0)
            place.next_spawn = now + delay
            self._count_exit(str(error), now)
            return False
        self._undertaker.admit(spawned.process)
        self._router.attach_worker(spawned.wire)
        self._enter(place, spawned, now)
        return True

    def _adopt(self) -> None:
        """Give the early workers their places, and hear what was told of them meanwhile."""
        self._running = True
        early, self._early = self._early, ()
        for place, spawned in zip(self._places, early, strict=False):
            self._undertaker.admit(spawned.process)
            self._enter(place, spawned, trio.current_time())
        notices, self._early_notices = self._early_notices, []
        for notice in notices:
            self.notify(notice)

    def _enter(self, place: Place, spawned: Spawned, now: float) -> None:
        wire = spawned.wire
        worker = PoolWorker(wire.slot, wire.incarnation, spawned.process, now)
        self._workers[wire.slot, wire.incarnation] = worker
        self._places.enter(place, worker)

    # What happens to workers.

    def _on_ready(self, worker: PoolWorker) -> None:
        if worker.phase is not Phase.STARTING:
            return
        worker.phase = Phase.READY
        self._ever_ready = True
        self._trial = Trial(None, self._trial.outcome)
        if self.failure is not None:
            self.failure = None
            self._restarts = replace(self._restarts, exits=())
            self._router.restore_pool(self.spec.name)
            _log.warning("pool %s is whole again", self.spec.name)
        place = self._places.of(worker)
        if place is not None and worker is place.successor:
            assert place.worker is not None
            self._departures.retire(place.worker, math.inf, self.spec.handle_wait)
            place.worker, place.successor, place.recycle = worker, None, False
        if worker.outdated:
            self._recycle(worker, worker.outdated)
        self._change()

    def _on_exit(self, worker: PoolWorker, notice: WorkerExited) -> None:
        now = trio.current_time()
        verdict = judge(was_ready=notice.was_ready, had_started_call=notice.had_started_call, reason=notice.reason)
        if worker.phase is Phase.LEAVING:
            verdict = Verdict.PLANNED
        why = why_it_ended(notice, overdue=worker.overdue, ready_timeout=self.spec.ready_timeout)
        log_exit(self.spec.name, worker, notice, why, planned=verdict is Verdict.PLANNED)
        place = self._places.of(worker)
        was_starting = worker.phase is Phase.STARTING
        self._forget(worker)
        if was_starting and self._trial.before is not None:
            self._go_back(why)
        elif place is not None and verdict is Verdict.EXCUSED:
            self._back_off(place, worker, now)
        elif verdict is Verdict.COUNTED:
            self._count_exit(why, now)
        self._change()

    def _forget(self, worker: PoolWorker) -> None:
        """It is dead; its remains are the undertaker's."""
        del self._workers[worker.slot, worker.incarnation]
        self._places.leave(worker)
        self._departures.bury(worker)

    def _back_off(self, place: Place, worker: PoolWorker, now: float) -> None:
        place.back_off, delay = place.back_off.lose(now - worker.spawned_at)
        place.next_spawn = now + delay

    def _count_exit(self, why: str, now: float) -> None:
        if self._stopping:
            return
        self._restarts, too_many = self._restarts.count(now)
        if not too_many and self.failure is None:
            return
        spec = self.spec
        message = failed(spec.name, self._restarts, why, tried_again=self.failure is not None)
        self._restarts = replace(self._restarts, exits=())
        if not self._ever_ready or spec.significant:
            self._fatal = message
        self.failure = f"{message}. It tries again every {spec.retry:g} s"
        self._retry_at = now + spec.retry
        self._router.fail_pool(spec.name, self.failure)
        _log.error("%s", self.failure)
        for worker in list(self._workers.values()):
            self._departures.retire(worker, spec.drain)
        self._places.empty()

    def _recycle(self, worker: PoolWorker, why: str) -> None:
        place = self._places.of(worker)
        if place is None or worker is not place.worker or place.recycle or worker.phase is not Phase.READY:
            return
        place.recycle = True
        self._back_off(place, worker, trio.current_time())
        _log.info("pool %s: worker %d.%d is recycled: %s", self.spec.name, worker.slot, worker.incarnation, why)
        self._change()

    # Beside the loop.

    async def _watch_memory(self) -> None:
        while True:
            await trio.sleep(MEMORY_LOOK)
            for worker in list(self._workers.values()) if self.spec.max_memory else ():
                if (resident := worker.process.resident()) > self.spec.max_memory:
                    self._recycle(worker, f"it has {resident >> 20} MiB, more than {self.spec.max_memory >> 20}")

    async def _stop(self) -> None:
        """Drain, press, kill: until no worker is left."""
        self._stopping = True
        self._router.fail_pool(self.spec.name, f"pool {self.spec.name!r} is stopped")
        workers = list(self._workers.values())
        self._places.clear()
        try:
            for worker in workers:
                self._departures.retire(worker, 0.0 if self._hurried else self.spec.drain)
            for worker in workers:
                await worker.buried.wait()
        finally:  # when there is no time left
            left = list(self._workers.values())
            self._workers.clear()
            for worker in left:
                await self._departures.kill(worker)
