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
import fcntl
import functools
import os
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgpack

from bascule.bridge.notices import WorkerWire
from bascule.bridge.pool_spec import PoolSpec
from bascule.bridge.supervision.exits import ExitCause, cause_of, oom_watch
from bascule.protocols.envelope import Codec, Kind, encode_frame
from bascule.workers import launch
from bascule.workers.page import create_page, map_page

MARK: Final = "BASCULE_WORKER"
WIRE_PIPE: Final = 1 << 20  # bytes that a wire may hold: large payloads move in fewer turns
OOM_RAISE: Final = 307  # how much more willing the kernel is to kill a worker than the bridge

# Fresh pages are the main cost of large payloads, so workers keep the memory that they once had: blocks up to 32 MiB
# (glibc takes no more) come from the heap, and up to 64 MiB of it are not given back. Untouched, this costs nothing.
MALLOC: Final = {
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
    "MALLOC_TOP_PAD_": str(1 << 20),
}

living_workers: Final[dict[int, str]] = {}
"""The workers of this process, of all its bridges: pid, which is their group too -> mark. From spawn to reaping."""

Command = Callable[[str, int, int, int], list[str]]
"""(executable, wire in, wire out, page) -> the command line."""


class SpawnError(Exception):
    """A worker process could not be started at all."""


def new_bridge_id() -> str:
    """What marks the processes of one bridge."""
    return f"{os.getpid()}-{os.urandom(6).hex()}"


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """A child process that leads a group: what is needed to end it, whoever owns its pipes."""

    pid: int
    pidfd: int  # our own, apart from the wire's
    mark: str  # "BRIDGE/SLOT.INCARNATION": the value of MARK in what descends from it
    spawned_at: float  # on the monotonic clock

    def terminate(self) -> None:
        """SIGTERM to the worker alone; nothing happens when it is dead."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGTERM)

    def kill_group(self) -> None:
        """SIGKILL to the worker and all of its group. Only before `reap`: after it the number may be another's."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def resident(self) -> int:
        """Bytes that it has in memory now; 0 when it is gone."""
        try:
            return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
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
        living_workers.pop(self.pid, None)
        return cause


@dataclass(frozen=True, slots=True)
class Spawned:
    """A worker that was just started: its wire is the router's to own, its process the pool's."""

    wire: WorkerWire
    process: WorkerProcess


def spawn_worker(
    spec: PoolSpec, slot: int, incarnation: int, *, prefix: str, bridge: str, command: Command = launch.command
) -> Spawned:
    """Start one worker and send it its configuration.

    Args:
        spec: What it is to be.
        slot: Its place in the bridge.
        incarnation: Which life of that slot.
        prefix: Of the bridge's handles (`tokens.new_prefix`), the same that the router has.
        bridge: Of the bridge's processes (`new_bridge_id`).
        command: Makes the command line.

    Raises:
        SpawnError: The executable or the folder is not there, or the system has no process, memory or descriptor left.
        RuntimeError: This is not the main thread.
    """
    _watch_memory()
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("workers are spawned on the main thread only: they die with the thread that spawned them")
    opened: list[int] = []  # to be closed should something fail
    try:
        wire = _open(spec, slot, incarnation, prefix, bridge, command, opened)
    except OSError as error:
        for fd in opened:
            os.close(fd)
        raise SpawnError(f"pool {spec.name!r} can't start a worker: {_explain(spec, error)}") from error
    mark = living_workers[wire.pid] = f"{bridge}/{slot}.{incarnation}"
    return Spawned(wire, WorkerProcess(wire.pid, os.dup(wire.pidfd), mark, time.monotonic()))


def _open(
    spec: PoolSpec, slot: int, incarnation: int, prefix: str, bridge: str, command: Command, opened: list[int]
) -> WorkerWire:
    """The pipes, the page, the process."""

    def pipe(size: int = 0) -> tuple[int, int]:
        ends = os.pipe()
        opened.extend(ends)
        if size:
            with contextlib.suppress(PermissionError):  # the user has too many large pipes: a usual one will do
                fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, size)
        return ends

    to_worker, write_fd = pipe(WIRE_PIPE)
    read_fd, from_worker = pipe(WIRE_PIPE)
    stdout_fd, stdout = pipe()
    stderr_fd, stderr = pipe()
    page_fd = create_page()
    opened.append(page_fd)
    configuration = msgpack.packb(spec.configuration(prefix, slot, incarnation))
    process = subprocess.Popen(
        command(spec.executable, to_worker, from_worker, page_fd),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        pass_fds=(to_worker, from_worker, page_fd),
        process_group=0,
        cwd=spec.cwd,
        env=_environment(spec, f"{bridge}/{slot}.{incarnation}"),
    )
    try:
        pidfd = os.pidfd_open(process.pid)
        opened.append(pidfd)
        page = map_page(page_fd)
    except OSError:
        process.kill()
        process.wait()
        raise
    # It is reaped by its pool, through the pidfd: Popen must think that this is done, else it would do it in passing,
    # and the number could be another process's by the time that we kill the group.
    process.returncode = 0
    _limit(process.pid)
    with contextlib.suppress(BrokenPipeError):  # dead already: its pidfd tells
        # The pipe is empty and this is small: it does not block.
        os.write(write_fd, encode_frame(Kind.CONTROL, Codec.MSGPACK, 0, 0, 0, 0, configuration))
    for fd in (to_worker, from_worker, stdout, stderr, page_fd):
        os.close(fd)
    return WorkerWire(
        pool=spec.name,
        slot=slot,
        incarnation=incarnation,
        pid=process.pid,
        pidfd=pidfd,
        read_fd=read_fd,
        write_fd=write_fd,
        stdout_fd=stdout_fd,
        stderr_fd=stderr_fd,
        page=page,
        threads=spec.threads,
    )


def _environment(spec: PoolSpec, mark: str) -> dict[str, str]:
    environment = {**MALLOC, **os.environ}
    for name, value in spec.env.items():
        if value is None:
            environment.pop(name, None)
        else:
            environment[name] = value
    environment[MARK] = mark
    return environment


def _limit(pid: int) -> None:
    """No core dumps, and the first to go when memory runs out. It has not run any user code yet."""
    with contextlib.suppress(OSError):
        resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/oom_score_adj").write_text(str(worker_oom_score()))


@functools.cache
def worker_oom_score() -> int:
    """The out-of-memory score that workers are given, and what they start inherits."""
    try:
        own = int(Path("/proc/self/oom_score_adj").read_text())
    except (OSError, ValueError):
        own = 0
    return min(1000, own + OOM_RAISE)


@functools.cache
def _watch_memory() -> None:
    """Take the state of the kernel's counter before the first worker runs: they are started in our control group."""
    oom_watch(os.getpid())


def _explain(spec: PoolSpec, error: OSError) -> str:
    if isinstance(error, (FileNotFoundError, NotADirectoryError, PermissionError)):
        if spec.cwd is not None and not Path(spec.cwd).is_dir():
            return f"its working folder {spec.cwd} is not there"
        return f"its Python {spec.executable} can't be run: {error.strerror}"
    return f"{error.strerror or error}"
