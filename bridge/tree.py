"""The supervision tree of a bridge, and how it ends.

    bridge (rest for one)
    +-- undertaker      reaps, and finds what workers left behind
    +-- pool NAME       one each: keeps its workers alive
    +-- what else the command brings (a listener, a watch over the user's modules)

Everything here runs in trio's thread. The router's notices arrive in it one by one, and go to the pool they name.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

import trio

from bascule.bridge.app import Bridge
from bascule.bridge.notices import KillReason, Notice, RouterFailed, SessionClosed
from bascule.bridge.pool import Pool
from bascule.bridge.supervision.guardian import Guardian
from bascule.bridge.supervision.process import Undertaker
from bascule.bridge.supervision.spec import ChildSpec, RestartIntensity, Shutdown, Strategy, SupervisorFlags
from bascule.bridge.supervision.supervisor import Supervisor, SupervisorFailed

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3  # malloc.h

_log = logging.getLogger(__name__)


class Tree:
    """One bridge under supervision."""

    def __init__(self, bridge: Bridge, ends_with: Callable[[Notice], bool] | None = None) -> None:
        self.bridge = bridge
        self.pools: dict[str, Pool] = {}
        self._ends_with = ends_with
        self._over = trio.Event()
        self._failure: BaseException | None = None

    async def run(self, more: Sequence[ChildSpec] = ()) -> None:
        """Supervise until a signal or an ending notice.

        Raises:
            SupervisorFailed: A pool that the bridge can't do without is failed.
            BaseException: What the router thread died of.
        """
        _keep_memory()
        bridge = self.bridge
        guardian = Guardian(bridge.id)
        guardian.start()
        undertaker = Undertaker(bridge.id, guardian)
        for spawned in bridge.early:
            undertaker.admit(spawned.process)
        children = [ChildSpec("undertaker", undertaker.run)]
        for spec in bridge.specs:
            early = bridge.early if spec is bridge.specs[0] else ()
            pool = Pool(spec, bridge.pump, undertaker, bridge.slots, prefix=bridge.core.prefix, early=early)
            self.pools[spec.name] = pool
            children.append(ChildSpec(f"pool {spec.name}", pool.run, shutdown=Shutdown.INFINITY))
        flags = SupervisorFlags(Strategy.REST_FOR_ONE, RestartIntensity(intensity=1, period=5.0))
        supervisor = Supervisor("bridge", flags, [*children, *more])
        token = trio.lowlevel.current_trio_token()
        bridge.control.scale = lambda pool, size: token.run_sync_soon(self.pools[pool].scale, size)

        def tell(notice: Notice) -> None:
            with contextlib.suppress(trio.RunFinishedError):  # nobody is left to hear it
                token.run_sync_soon(self._hear, notice)

        bridge.pump.subscribe(tell)
        async with trio.open_nursery() as beside:
            await beside.start(self._watch_signals)  # until all has ended: a second signal must not kill us half-way
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._supervise, supervisor)
                await self._over.wait()
                bridge.pump.drain()
                nursery.cancel_scope.cancel()
            beside.cancel_scope.cancel()
        if self._failure is not None:
            raise self._failure

    async def recycle(self, why: str) -> None:
        """Replace all workers by fresh ones, without losing a call."""
        for pool in self.pools.values():
            pool.recycle_all(why)

    async def _supervise(self, supervisor: Supervisor) -> None:
        try:
            await supervisor.run()
        except SupervisorFailed as failure:
            self._end(failure)

    async def _watch_signals(self, *, task_status: trio.TaskStatus[None]) -> None:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
            task_status.started()
            async for number in signals:
                if number == signal.SIGHUP and self._ends_with is None:
                    continue
                name = signal.Signals(number).name
                if not self._over.is_set():
                    _log.info("%s: the bridge drains and ends", name)
                    self._end()
                else:
                    _log.info("%s again: the bridge ends at once, calls that run are lost", name)
                    self.bridge.pump.post(self._kill_workers)

    def _kill_workers(self) -> None:
        """Wait for nothing any more. In the router's thread."""
        core = self.bridge.core
        for worker in core.workers.values():
            core.kill(worker, KillReason.STOPPED)

    def _hear(self, notice: Notice) -> None:
        if isinstance(notice, RouterFailed):
            _crash(notice.error)
        elif not isinstance(notice, SessionClosed):
            pool = self.pools.get(notice.pool)
            if pool is not None:
                pool.notify(notice)
        if self._ends_with is not None and self._ends_with(notice):
            self._end()

    def _end(self, failure: BaseException | None = None) -> None:
        self._failure = self._failure or failure
        self._over.set()


def _keep_memory() -> None:
    """Have the C library keep freed blocks: fresh pages from the system are the main cost of a large payload.

    The same that workers are told by MALLOC_... in their environment (see `supervision.spawn`); for a process that
    runs already there is mallopt. Where the C library is another, nothing happens.
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        for name, value in ((_M_MMAP_THRESHOLD, 32 << 20), (_M_TRIM_THRESHOLD, 64 << 20), (_M_TOP_PAD, 1 << 20)):
            mallopt(name, value)


def supervise(
    bridge: Bridge,
    *,
    ends_with: Callable[[Notice], bool] | None = None,
    more: Callable[[Tree], Sequence[ChildSpec]] | None = None,
) -> int:
    """Run the tree of a started bridge to its end; the exit status."""

    async def main() -> None:
        tree = Tree(bridge, ends_with)
        await tree.run(more(tree) if more is not None else ())

    try:
        trio.run(main)
    except SupervisorFailed as failure:
        print(f"bascule: {_root_of(failure)}", file=sys.stderr)
        return 1
    finally:
        bridge.pump.stop()
    return 0


def _crash(error: BaseException) -> NoReturn:
    """The router thread died, which no input may cause: nobody can be served or even told.

    What is left is to end at once. The guardian ends the workers, whoever supervises us starts another bridge, and the
    next one finds a socket that nobody listens on.
    """
    _log.critical("the router failed; the bridge ends", exc_info=error)
    logging.shutdown()
    os._exit(70)


def _root_of(failure: BaseException) -> BaseException:
    while failure.__cause__ is not None:
        failure = failure.__cause__
    return failure
