"""Starting a worker process: pipes, page, environment, group, and its first message. No trio.

    spawned = spawn_worker(spec, slot, incarnation, prefix=prefix, bridge=bridge_id)
    pump.attach_worker(spawned.wire)      # the router owns these descriptors from now on
    guardian.watch(spawned.process.pid)   # who kills its group should we be killed
    ...
    spawned.process                       # stays here: to signal, to kill with all of its group, to reap

A worker is started on the main thread only: it asks the kernel to be killed when its parent dies, and to the kernel the
parent is the *thread* that started it. Each is the leader of a process group of its own, so that one signal reaches
whatever it starts. Its pid stays ours until it is reaped, hence a group is always killed *before* its leader is reaped.

Descendants that leave the group (setsid) are known by two marks, see `orphans`: the variable BASCULE_WORKER in their
environment, and their out-of-memory score.
"""

from __future__ import annotations

import contextlib
import functools
import os
import resource
import signal
import time
from typing import TYPE_CHECKING, Final, NamedTuple

import msgpack

from bascule.bridge.notices import WorkerWire
from bascule.bridge.supervision.exits import ExitCause, cause_of, oom_watch, read_text
from bascule.bridge.supervision.starting import mark_of, start_process
from bascule.protocols.envelope import Codec, Kind, encode_frame
from bascule.workers.page import map_page

if TYPE_CHECKING:
    from bascule.bridge.pool_spec import PoolSpec
    from bascule.bridge.supervision.cgroups import Delegated, Leaf
    from bascule.bridge.supervision.starting import Command, Started

OOM_RAISE: Final = 307  # how much more willing the kernel is to kill a worker than the bridge

living_workers: Final[dict[int, str]] = {}
"""The workers of this process, of all its bridges: pid, which is their group too -> mark. From spawn to reaping."""


_groups: Delegated | None = None  # of this process, as control groups are


def divide(groups: Delegated | None) -> None:
    """Give each worker that is started from now on a control group of its own, below that one."""
    global _groups
    _groups = groups


class SpawnError(Exception):
    """A worker process could not be started at all."""


class WorkerProcess(NamedTuple):
    """A child process that leads a group: what is needed to end it, whoever owns its pipes."""

    pid: int
    pidfd: int  # our own, apart from the wire's
    mark: str  # "BRIDGE/SLOT.INCARNATION": the value of MARK in what descends from it
    spawned_at: float  # on the monotonic clock
    leaf: Leaf | None = None  # its control group, where it has one of its own

    def terminate(self) -> None:
        """SIGTERM to the worker alone; nothing happens when it is dead."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGTERM)

    def kill_group(self) -> None:
        """SIGKILL to the worker and all of its group. Only before `reap`: after it the number may be another's."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        if self.leaf is not None:
            self.leaf.kill()

    def resident(self) -> int:
        """Bytes that it has in memory now; 0 when it is gone."""
        try:
            return int(read_text(f"/proc/{self.pid}/statm").split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, IndexError):
            return 0

    def reap(self) -> ExitCause | None:
        """Take the zombie away and close the pidfd; None while it still runs. Call it no more afterwards."""
        try:
            status = os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED | os.WNOHANG)
        except ChildProcessError:  # somebody else has reaped it
            cause = ExitCause()
        else:
            if status is None:
                return None
            cause = cause_of(status)
        os.close(self.pidfd)
        if self.leaf is not None:
            self.leaf.close()
        living_workers.pop(self.pid, None)
        return cause


class Spawned(NamedTuple):
    """A worker that was just started: its wire is the router's to own, its process the pool's."""

    wire: WorkerWire
    process: WorkerProcess


def spawn_worker(
    spec: PoolSpec,
    slot: int,
    incarnation: int,
    *,
    prefix: str,
    bridge: str,
    command: Command | None = None,
    started: Started | None = None,
) -> Spawned:
    """Start one worker and send it its configuration.

    Args:
        spec: What it is to be.
        slot: Its place in the bridge.
        incarnation: Which life of that slot.
        prefix: Of the bridge's handles (`tokens.new_prefix`), the same that the router has.
        bridge: Of the bridge's processes (`new_bridge_id`).
        command: Makes the command line, where it is not the usual one.
        started: Its process, where that was started before.

    Raises:
        SpawnError: The executable or the folder is not there, or the system has no process, memory or descriptor left.
        RuntimeError: This is not the main thread.
    """
    _watch_memory()
    mark = mark_of(bridge, slot, incarnation)
    if started is None:
        try:
            started = start_process(spec.executable, mark, cwd=spec.cwd, env=spec.env, command=command)
        except OSError as error:
            raise SpawnError(f"pool {spec.name!r} can't start a worker: {_explain(spec, error)}") from error
    _limit(started.pid)
    leaf = None
    if _groups is not None:
        leaf = _groups.leaf(f"worker-{slot}.{incarnation}", started.pid, spec.memory_limit)
    page = map_page(started.page_fd)
    os.close(started.page_fd)
    message = spec.configuration(prefix, slot, incarnation)
    if leaf is not None:
        message["memory"] = None  # its group limits it
    configuration = msgpack.packb(message)
    with contextlib.suppress(BrokenPipeError):  # dead already: its pidfd tells
        # The pipe is empty and this is small: it does not block.
        os.write(started.write_fd, encode_frame(Kind.CONTROL, Codec.MSGPACK, 0, 0, 0, 0, configuration))
    living_workers[started.pid] = mark
    wire = WorkerWire(
        pool=spec.name,
        slot=slot,
        incarnation=incarnation,
        pid=started.pid,
        pidfd=started.pidfd,
        read_fd=started.read_fd,
        write_fd=started.write_fd,
        stdout_fd=started.stdout_fd,
        stderr_fd=started.stderr_fd,
        page=page,
        threads=spec.threads,
    )
    return Spawned(wire, WorkerProcess(started.pid, os.dup(started.pidfd), mark, time.monotonic(), leaf))


def _limit(pid: int) -> None:
    """No core dumps, and the first to go when memory runs out. It has not run any user code yet."""
    with contextlib.suppress(OSError):
        resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError), open(f"/proc/{pid}/oom_score_adj", "w") as file:
        file.write(str(worker_oom_score()))


@functools.cache
def worker_oom_score() -> int:
    """The out-of-memory score that workers are given, and what they start inherits."""
    try:
        own = int(read_text("/proc/self/oom_score_adj"))
    except (OSError, ValueError):
        own = 0
    return min(1000, own + OOM_RAISE)


@functools.cache
def _watch_memory() -> None:
    """Take the state of the kernel's counter before the first worker runs: they are started in our control group."""
    oom_watch(os.getpid())


def _explain(spec: PoolSpec, error: OSError) -> str:
    if isinstance(error, (FileNotFoundError, NotADirectoryError, PermissionError)):
        if spec.cwd is not None and not os.path.isdir(spec.cwd):  # noqa: PTH112 - no pathlib while a client waits
            return f"its working folder {spec.cwd} is not there"
        return f"its Python {spec.executable} can't be run: {error.strerror}"
    return f"{error.strerror or error}"
