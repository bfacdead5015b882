"""The supervision tree of a bridge, and how it ends.

    bridge (rest for one)
    +-- undertaker      reaps, and finds what workers left behind
    +-- pool NAME       one each: keeps its workers alive
    +-- what else the command brings (a listener, a watch over the user's modules)

Everything here runs in trio's thread. The router's notices arrive in it one by one, and go to the pool they name.

The end comes in two steps: nothing new is taken and what was accepted is finished, as far as the pools' `drain` allows;
then the children are stopped, from the last to the first. A second signal ends the waiting.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import NoReturn, TypeVar

import trio

from bascule.bridge import early_signals
from bascule.bridge.app import Bridge
from bascule.bridge.notices import KillReason, Notice, RouterFailed, SessionClosed
from bascule.bridge.pool import Pool
from bascule.bridge.pool_spec import PoolSpec
from bascule.bridge.router.core import RouterCore
from bascule.bridge.supervision.guardian import Guardian
from bascule.bridge.supervision.process import Undertaker
from bascule.bridge.supervision.spec import ChildSpec, RestartIntensity, Shutdown, Strategy, SupervisorFlags
from bascule.bridge.supervision.supervisor import Supervisor, SupervisorFailed

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3  # malloc.h

_log = logging.getLogger(__name__)

_LOOK = 0.02  # seconds between two looks whether what was accepted is done
_T = TypeVar("_T")


class Tree:
    """One bridge under supervision.

    Attributes:
        bridge: Which.
        pools: Its pools by name.
        ending: Set when nothing new is taken any more.
        on_hangup: Called at SIGHUP, where somebody wants to know.
        beside: Runs from before the first child until after the last; cancelled then.
        listeners: Told of each of the router's notices.
    """

    def __init__(self, bridge: Bridge, ends_with: Callable[[Notice], bool] | None = None) -> None:
        self.bridge = bridge
        self.pools: dict[str, Pool] = {}
        self.ending = trio.Event()
        self.on_hangup: Callable[[], None] | None = None
        self.beside: list[Callable[[], Awaitable[None]]] = []
        self.listeners: list[Callable[[Notice], None]] = []
        self._ends_with = ends_with
        self._finishing = trio.CancelScope()  # of the calls that were accepted
        self._failure: BaseException | None = None
        self._undertaker: Undertaker
        self._supervisor: Supervisor

    async def run(self, more: Sequence[ChildSpec] = ()) -> None:
        """Supervise until a signal or an ending notice.

        Raises:
            SupervisorFailed: A pool that the bridge can't do without is failed.
            BaseException: What the router thread died of.
        """
        _keep_memory()
        gc.freeze()  # what is there by now stays: no collection, which halts the router too, need look at it again
        bridge = self.bridge
        guardian = Guardian(bridge.id)
        guardian.start()
        undertaker = self._undertaker = Undertaker(bridge.id, guardian)
        for spawned in bridge.early:
            undertaker.admit(spawned.process)
        children = [ChildSpec("undertaker", undertaker.run)]
        for spec in bridge.specs:
            early = bridge.early if spec is bridge.specs[0] else ()
            pool = Pool(spec, bridge.pump, undertaker, bridge.slots, prefix=bridge.core.prefix, early=early)
            self.pools[spec.name] = pool
            children.append(ChildSpec(f"pool {spec.name}", pool.run, shutdown=Shutdown.INFINITY))
        flags = SupervisorFlags(Strategy.REST_FOR_ONE, RestartIntensity(intensity=1, period=5.0))
        supervisor = self._supervisor = Supervisor("bridge", flags, [*children, *more])
        token = trio.lowlevel.current_trio_token()
        bridge.control.restart = lambda pool: token.run_sync_soon(self.pools[pool].recycle_all, "a client asked for it")

        def tell(notice: Notice) -> None:
            with contextlib.suppress(trio.RunFinishedError):  # nobody is left to hear it
                token.run_sync_soon(self._hear, notice)

        bridge.pump.subscribe(tell)
        async with trio.open_nursery() as beside:
            await beside.start(self._watch_signals)  # until all has ended: a second signal must not kill us half-way
            for each in self.beside:
                beside.start_soon(each)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._supervise, supervisor)
                await self.ending.wait()
                bridge.pump.drain()
                with self._finishing, trio.move_on_after(self.drain_time()) as patience:
                    await self.wait_idle()
                if patience.cancelled_caught:
                    for pool in self.pools.values():
                        pool.hurry()
                nursery.cancel_scope.cancel()
            bridge.pump.post(bridge.core.endings.bridge_ends)
            beside.cancel_scope.cancel()
        if self._failure is not None:
            raise self._failure

    async def recycle(self, why: str) -> None:
        """Replace all workers by fresh ones, without losing a call."""
        for pool in self.pools.values():
            pool.recycle_all(why)

    def stop(self) -> None:
        """Drain and end, as a TERM does."""
        self._end()

    def drain_time(self) -> float:
        """Seconds that accepted calls have to end when the bridge stops."""
        return max((pool.spec.drain for pool in self.pools.values()), default=0.0) if self._failure is None else 0.0

    async def ask(self, function: Callable[[RouterCore], _T]) -> _T:
        """The result of a function over the core, which runs in the router's thread."""
        token = trio.lowlevel.current_trio_token()
        done = trio.Event()
        found: list[_T] = []

        def run() -> None:
            try:
                found.append(function(self.bridge.core))
            finally:
                with contextlib.suppress(trio.RunFinishedError):
                    token.run_sync_soon(done.set)

        self.bridge.pump.post(run)
        await done.wait()
        return found[0]

    async def wait_idle(self, pool: str | None = None) -> None:
        """Until everything that was accepted (by one pool, or at all) is answered."""

        def is_idle(core: RouterCore) -> bool:
            calls = (call for session in core.sessions.values() for call in session.calls.values())
            return not any(pool is None or call.pool.policy.name == pool for call in calls)

        while not await self.ask(is_idle):
            await trio.sleep(_LOOK)

    async def add_pool(self, spec: PoolSpec) -> None:
        """One more pool; returns when its first worker is ready.

        Raises:
            PoolFailed: None of its workers would start. Nothing has changed.
        """
        bridge = self.bridge
        pool = Pool(spec, bridge.pump, self._undertaker, bridge.slots, prefix=bridge.core.prefix)
        self.pools[spec.name] = pool
        try:
            await self._supervisor.start_child(ChildSpec(f"pool {spec.name}", pool.run, shutdown=Shutdown.INFINITY))
        except BaseException:
            self._forget_pool(spec.name)
            raise

    async def remove_pool(self, name: str) -> None:
        """One pool less: it takes nothing new, does what it has accepted (while its `drain` lasts), and is gone."""
        if not await self.drain_pool(name):
            self.pools[name].hurry()
        await self._supervisor.terminate_child(f"pool {name}")
        await self._supervisor.delete_child(f"pool {name}")
        self._forget_pool(name)

    async def drain_pool(self, name: str) -> bool:
        """Have a pool take nothing new; whether it has done what it accepted before its `drain` was over."""
        message = f"pool {name!r} is drained: it takes no new calls"
        self.bridge.pump.close_pool(name, message)
        with trio.move_on_after(self.pools[name].spec.drain) as patience:
            await self.wait_idle(name)
        return not patience.cancelled_caught

    def resume_pool(self, name: str) -> None:
        """Have a drained pool take calls again."""
        self.bridge.pump.restore_pool(name)

    async def start_child(self, spec: ChildSpec) -> None:
        """One more child, beside those that `run` was given."""
        await self._supervisor.start_child(spec)

    async def remove_child(self, name: str) -> None:
        """Stop a child and forget it."""
        await self._supervisor.terminate_child(name)
        await self._supervisor.delete_child(name)

    def _forget_pool(self, name: str) -> None:
        del self.pools[name]
        self.bridge.pump.remove_pool(name)

    async def _supervise(self, supervisor: Supervisor) -> None:
        try:
            await supervisor.run()
        except SupervisorFailed as failure:
            self._end(failure)

    async def _watch_signals(self, *, task_status: trio.TaskStatus[None]) -> None:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
            task_status.started()
            if early_signals.came():
                self._end()
            async for number in signals:
                if number == signal.SIGHUP and self._ends_with is None:
                    if self.on_hangup is not None:
                        self.on_hangup()
                    continue
                name = signal.Signals(number).name
                if not self.ending.is_set():
                    _log.info("%s: the bridge drains and ends", name)
                    self._end()
                else:
                    _log.info("%s again: the bridge ends at once, calls that run are lost", name)
                    self._finishing.cancel()
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
        elif (leaving := self.bridge.left.pop(notice.session, None)) is not None:
            leaving()
        for listener in self.listeners:
            listener(notice)
        if self._ends_with is not None and self._ends_with(notice):
            self._end()

    def _end(self, failure: BaseException | None = None) -> None:
        self._failure = self._failure or failure
        self.ending.set()


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
