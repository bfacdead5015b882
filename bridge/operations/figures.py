"""Everything that is counted about a running service, gathered at one moment: for Prometheus and for the dashboard.

The router's part is copied in its thread; what the kernel knows of a process (memory, processor time, bytes read and
written) is read from /proc. How many handles a worker holds only the worker knows: a census asks all of them every few
seconds, and those that are in the middle of a call answer later.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import trio

from bascule.bridge.operations import descriptions
from bascule.bridge.operations.events import Events
from bascule.bridge.operations.meter import Meter, Row
from bascule.bridge.router.core import RouterCore
from bascule.bridge.router.peers import Worker, WorkerState
from bascule.bridge.tree import Tree

CENSUS = 2.0  # seconds between two questions
_PAGE = os.sysconf("SC_PAGESIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Figures:
    """A service at one moment."""

    at: float
    status: dict[str, Any]
    rows: dict[str, dict[str, Row]]  # by pool and function
    ends: dict[tuple[str, str], int]
    processes: dict[str, dict[str, float]]  # by worker's name; "bridge" is ours
    handles: dict[str, int] = field(default_factory=dict)  # by worker's name


class Gatherer:
    """Gathers figures of one tree.

    Args:
        tree: Which.
        functions: How many functions of a pool have a row of their own.
    """

    def __init__(self, tree: Tree, functions: int | None) -> None:
        self.events = Events()
        self._tree = tree
        self._functions = functions
        self._handles: dict[str, int] = {}
        self._asked: set[Worker] = set()
        tree.listeners.append(self.events.hear)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the census, and give each pool its meter, until cancelled."""
        task_status.started()
        while True:
            await self._tree.ask(self._look)
            await trio.sleep(CENSUS)

    def count_functions(self, most: int | None) -> None:
        """So many functions have a row of their own from now on; None: nothing is counted."""
        self._functions = most
        self._tree.bridge.pump.post(lambda: self._measure(self._tree.bridge.core))

    async def gather(self) -> Figures:
        """The figures of this moment."""
        figures = await self._tree.ask(self._copy)
        pids = {worker["name"]: worker["pid"] for worker in figures.status["workers"]} | {"bridge": os.getpid()}
        figures.processes = {name: usage for name, pid in pids.items() if (usage := usage_of(pid)) is not None}
        return figures

    def _measure(self, core: RouterCore) -> None:
        """Each pool has its meter. In the router's thread."""
        for pool in core.pools.values():
            if self._functions is None:
                pool.meter = None
            elif pool.meter is None:
                pool.meter = Meter(self._functions)
            else:
                pool.meter.most = self._functions

    def _look(self, core: RouterCore) -> None:
        """In the router's thread."""
        self._measure(core)
        for worker in core.workers.values():
            if worker.state in (WorkerState.ACTIVE, WorkerState.RETIRING) and worker not in self._asked:
                self._asked.add(worker)
                core.queries.ask(worker, {"op": "ping"}, partial(self._told, worker))

    def _told(self, worker: Worker, answer: dict[str, Any] | None) -> None:
        self._asked.discard(worker)
        handles = answer.get("handles") if answer is not None else None
        if isinstance(handles, int):
            self._handles[worker.name] = handles
        else:
            self._handles.pop(worker.name, None)

    def _copy(self, core: RouterCore) -> Figures:
        live = {worker.name for worker in core.workers.values()}
        self._handles = {name: handles for name, handles in self._handles.items() if name in live}
        return Figures(
            at=time.time(),
            status=descriptions.status(core),
            rows={name: pool.meter.copy() for name, pool in core.pools.items() if pool.meter is not None},
            ends=dict(self.events.ends),
            processes={},
            handles=dict(self._handles),
        )


def usage_of(pid: int) -> dict[str, float] | None:
    """Resident bytes, processor seconds, and bytes read and written by a process; None when it is gone."""
    folder = Path("/proc", str(pid))
    try:
        resident = int((folder / "statm").read_text().split()[1]) * _PAGE
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        io = dict(line.split(": ") for line in (folder / "io").read_text().splitlines())
    except (OSError, IndexError, ValueError):
        return None
    seconds = (int(fields[11]) + int(fields[12])) / _TICKS
    return {"resident": resident, "cpu": seconds, "read": float(io["rchar"]), "written": float(io["wchar"])}
