"""What workers leave behind: descendants that left their group, found and ended while the bridge lives.

The bridge is made a *subreaper*: a process whose parent died becomes its child, whatever session it is in. So whatever
a worker started and nobody waits for turns up among our children, to be killed when its worker is dead, and reaped when
it has ended. But not each child of this process is ours to touch: the bridge may be part of a program that starts
processes of its own. A child descends from a worker, and is `Stray`, when one of these says so:

- its environment holds BASCULE_WORKER with the name of a worker of this bridge (a zombie has no environment any more);
- its process group is a worker's;
- its out-of-memory score is the one given to workers, which children inherit and zombies keep.

The first two name the worker. Who wiped both is known by the third alone, and ended when the bridge stops.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

from bascule.bridge.supervision.spawn import living_workers, worker_oom_score
from bascule.bridge.supervision.starting import MARK

_PR_SET_CHILD_SUBREAPER: Final = 36
_PR_GET_CHILD_SUBREAPER: Final = 37


@contextmanager
def subreaper() -> Iterator[None]:
    """Have orphaned descendants become children of this process, as long as the block lasts."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    before = ctypes.c_int()
    prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(before), 0, 0, 0)
    prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(_PR_SET_CHILD_SUBREAPER, before.value, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Stray:
    """A child of ours that a worker, or something that it started, has started."""

    pid: int
    worker: str | None  # the mark of the worker, where it is known
    dead: bool  # it waits to be reaped


class Orphans:
    """Finds, ends and reaps what the workers of one bridge left behind.

    Args:
        bridge: The bridge's id, as in the marks of its workers.
    """

    def __init__(self, bridge: str) -> None:
        self._bridge = bridge
        self._seen: dict[int, str] = {}  # strays that were seen alive: pid -> mark
        own = _oom_score(os.getpid())
        given = worker_oom_score()
        self._score = given if given != own else None  # None: the bridge has the highest score itself, it tells nothing

    def strays(self) -> list[Stray]:
        """The children of this process that descend from workers."""
        found = []
        for pid in _children():
            if pid not in living_workers:
                stray = self._examine(pid)
                if stray is not None:
                    found.append(stray)
        alive = {stray.pid for stray in found}
        self._seen = {pid: mark for pid, mark in self._seen.items() if pid in alive}
        return found

    def reap_dead(self) -> int:
        """Reap the strays that have ended by themselves; how many there were. To be called now and then."""
        dead = [stray for stray in self.strays() if stray.dead]
        for stray in dead:
            _reap(stray.pid)
        return len(dead)

    async def end_those_of(self, mark: str | None, limit: float = 1.0) -> int:
        """Kill and reap what descends from this worker (None: from any), until there is nothing more.

        Killing a process makes its children ours, so one round shows what the next has to do. What does not die (it
        hangs in the kernel) is left after `limit` seconds, and reaped by a later `reap_dead`.

        Returns:
            How many there were.
        """
        ended = 0
        with trio.move_on_after(limit):
            while strays := [stray for stray in self.strays() if mark is None or stray.worker == mark]:
                for stray in strays:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(stray.pid, signal.SIGKILL)
                for stray in strays:
                    await _wait(stray.pid)
                    _reap(stray.pid)
                    ended += 1
        return ended

    def _examine(self, pid: int) -> Stray | None:
        try:
            state, _, group = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:3]
        except OSError:
            return None  # reaped by its owner meanwhile
        mark = _mark(pid) or living_workers.get(int(group)) or self._seen.get(pid)
        if mark is not None:
            if not mark.startswith(self._bridge + "/"):
                return None  # of another bridge in this process
            self._seen[pid] = mark
        elif self._score is None or _oom_score(pid) != self._score:
            return None
        return Stray(pid, mark, state in "ZX")


def _mark(pid: int) -> str | None:
    """The worker that a process has in its environment; a zombie, or one that is just dying, has none any more."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return None
    beginning = f"{MARK}=".encode()
    for line in environment.split(b"\0"):
        if line.startswith(beginning):
            return line[len(beginning) :].decode(errors="replace")
    return None


async def _wait(pid: int) -> None:
    """Until a child of ours has ended."""
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        return
    try:
        await trio.lowlevel.wait_readable(pidfd)
    finally:
        os.close(pidfd)


def _reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG)


def _children() -> list[int]:
    """The children of this process: of each of its threads."""
    pids: list[int] = []
    try:
        for task in Path("/proc/self/task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that ended
                pids += map(int, (task / "children").read_text().split())
    except OSError:
        return []
    return pids if pids or _has_children_files() else _children_by_scan()


def _has_children_files() -> bool:
    """Whether the kernel was built with them (CONFIG_PROC_CHILDREN; nearly all are)."""
    return Path(f"/proc/self/task/{os.getpid()}/children").exists()


def _children_by_scan() -> list[int]:
    me = os.getpid()
    pids = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == me:
                    pids.append(int(entry.name))
    return pids


def _oom_score(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/oom_score_adj").read_text())
    except (OSError, ValueError):
        return math.nan
