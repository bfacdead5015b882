"""Keeps systemd informed for as long as the service lives: beside the supervision tree, before it and after it.

The watchdog's sign is given only after a worker has answered a question: a bridge whose router, or all of whose
workers, hang is restarted. Any worker will do, a spare too. Workers that are all in the middle of calls answer nothing
until these end, which may be hours and is no fault: then it is enough that one of them has answered a call since the
last sign, or that the process of one that runs a call is not stopped.
"""

from __future__ import annotations

import contextlib
from functools import partial
from pathlib import Path

import trio

from bascule.bridge.operations.notify import Notifier
from bascule.bridge.router.core import RouterCore
from bascule.bridge.router.peers import Worker, WorkerState
from bascule.bridge.tree import Tree
from bascule.workers.page import armed_id

STATUS_INTERVAL = 5.0
_EXTENDED = 10.0  # seconds that are asked for while the service starts or drains, again and again
_FAREWELL = 30.0  # seconds that the end may take once all calls are done, or their time is over
_READY_WORKERS = (WorkerState.ACTIVE, WorkerState.SPARE, WorkerState.RETIRING)


class Attendant:
    """Tells systemd about one tree."""

    def __init__(self, tree: Tree, notifier: Notifier) -> None:
        self._tree = tree
        self._notifier = notifier
        self._is_ready = trio.Event()
        self._asked: set[Worker] = set()  # those whose answer is awaited, however late
        self._done_before = -1

    def ready(self) -> None:
        """Everything is up."""
        self._is_ready.set()

    async def run(self) -> None:
        """Until cancelled."""
        if not self._notifier.listens:
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._tell)
            if self._notifier.watchdog is not None:
                nursery.start_soon(self._watch, self._notifier.watchdog / 2)

    async def _tell(self) -> None:
        notifier = self._notifier
        while not self._is_ready.is_set() and not self._tree.ending.is_set():
            notifier.extend(_EXTENDED)
            with trio.move_on_after(_EXTENDED / 2):
                await self._is_ready.wait()
        if not self._tree.ending.is_set():
            notifier.ready(await self._status())
        while not self._tree.ending.is_set():
            with trio.move_on_after(STATUS_INTERVAL):
                await self._tree.ending.wait()
            if not self._tree.ending.is_set():
                notifier.send(STATUS=await self._status())
        notifier.stopping("draining")
        over = trio.current_time() + self._tree.drain_time() + _FAREWELL
        while trio.current_time() < over:  # then no more: whatever hangs is systemd's to end
            notifier.extend(_EXTENDED)
            await trio.sleep(_EXTENDED / 2)

    async def _status(self) -> str:
        return await self._tree.ask(status_line)

    async def _watch(self, interval: float) -> None:
        await self._is_ready.wait()
        while True:
            if await self._is_alive(interval):
                self._notifier.alive()
            await trio.sleep(interval / 2)

    async def _is_alive(self, seconds: float) -> bool:
        """Whether a worker answers within that time, or all are busy with calls."""
        token = trio.lowlevel.current_trio_token()
        answered = trio.Event()

        def on_answer(worker: Worker, answer: object) -> None:
            self._asked.discard(worker)
            if answer is not None:
                with contextlib.suppress(trio.RunFinishedError):
                    token.run_sync_soon(answered.set)

        def ask(core: RouterCore) -> None:
            for worker in core.workers.values():
                if worker.state in _READY_WORKERS and worker not in self._asked:
                    self._asked.add(worker)
                    core.queries.ask(worker, {"op": "ping"}, partial(on_answer, worker))

        with trio.move_on_after(seconds / 2):
            await self._tree.ask(ask)
            await answered.wait()
            return True
        with trio.move_on_after(seconds / 2):
            return await self._tree.ask(self._all_at_work)
        return False

    def _all_at_work(self, core: RouterCore) -> bool:
        """In the router's thread: none is idle, and work goes on."""
        workers = [worker for worker in core.workers.values() if worker.state in _READY_WORKERS]
        done = sum(core.settled.values())
        progressed, self._done_before = done != self._done_before, done
        if not workers or not all(worker.calls for worker in workers):
            return False
        return progressed or any(armed_id(worker.page) and not _is_stopped(worker) for worker in workers)


def status_line(core: RouterCore) -> str:
    """The service in a few words."""
    workers = sum(len(pool.active) + len(pool.spares) for pool in core.pools.values())
    waiting = sum(pool.queue.waiting for pool in core.pools.values())
    running = sum(len(worker.calls) for worker in core.workers.values())
    failed = [name for name, pool in core.pools.items() if pool.failed is not None]
    done = core.settled["reply"] + core.settled["error"]
    text = f"{workers} workers, {len(core.sessions)} sessions, {running} calls running, {waiting} waiting, {done} done"
    return text + (f"; unavailable: {', '.join(failed)}" if failed else "")


def _is_stopped(worker: Worker) -> bool:
    try:
        state = Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return True
    return state in ("T", "t", "Z", "X")
