"""One bridge, put together; and the commands that foreign runtimes wait for.

A bridge starts in two steps. `Bridge` itself needs no trio: it starts the router thread and, for a pod or a port,
spawns the first worker and attaches the client, so that the first answer is under way while trio is still being
imported. The rest, `supervise` in `bascule.bridge.tree`, is the supervision tree: it runs until the client is gone or a
signal says to end.
"""

from __future__ import annotations

import os
import stat
import sys
import threading

from bascule.bridge.notices import Notice, SessionClosed
from bascule.bridge.operations.control import Control
from bascule.bridge.pool_spec import PoolSpec
from bascule.bridge.router.core import RouterCore
from bascule.bridge.router.pump import RouterPump
from bascule.bridge.slots import Slots
from bascule.bridge.supervision.spawn import Spawned, spawn_worker
from bascule.bridge.supervision.starting import WIRE_PIPE, enlarge, new_bridge_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bascule.bridge.caching.policy import Rules
    from bascule.bridge.doors.base import Door
    from bascule.bridge.doors.pod_options import PodOptions
    from bascule.bridge.early import EarlyWorker
    from bascule.bridge.supervision.starting import Started


class Bridge:
    """What a bridge is before, and beside, its supervision.

    Args:
        specs: Its pools; a client that names none uses the first.
    """

    def __init__(self, specs: list[PoolSpec], identifier: str | None = None) -> None:
        self.id = identifier or new_bridge_id()
        self.specs = specs
        self.core = RouterCore()
        self.pump = RouterPump(self.core)
        self.slots = Slots()
        self.early: list[Spawned] = []
        self.control = Control(self.core)
        self.left: dict[int, Callable[[], None]] = {}  # by session: who wants to know that its client has left
        self.core.on_control = self.control
        for spec in specs:
            self.core.set_pool(spec.policy(spec.size))

    def adopt(self, started: Started) -> None:
        """Make a process that was started before everything else the first pool's first worker."""
        slot, incarnation = self.slots.take()
        spawned = spawn_worker(
            self.specs[0], slot, incarnation, prefix=self.core.prefix, bridge=self.id, started=started
        )
        self.early.append(spawned)
        self.pump.attach_worker(spawned.wire)

    def default_pool(self) -> str:
        """The pool of clients that name none."""
        pools = self.core.pools
        return "default" if "default" in pools or not pools else next(iter(pools))

    def attach(self, read_fd: int, write_fd: int, door: Door, identity: str = "") -> None:
        """Serve a client; its descriptors are the router's from now on."""
        self.pump.attach_client(read_fd, write_fd, door, pool=self.specs[0].name, identity=identity)


def run_stdio(
    spec: PoolSpec,
    door: Door,
    early: EarlyWorker,
    descriptor: int | None = None,
    *,
    cache: Rules | None = None,
    record: str | None = None,
) -> int:
    """Serve the one client at descriptors 0 and 1, or at that of a socket, until it leaves; the exit status.

    `cache` says whose answers are kept, `record` where the trace of its calls goes.
    """
    bridge = Bridge([spec], early.bridge)
    bridge.adopt(early.started)
    # A terminal is shared with the shell that started us: it is given back as it was.
    terminals = [os.dup(fd) for fd in (0, 1) if descriptor is None and os.isatty(fd) and os.get_blocking(fd)]
    read_fd, write_fd = _take_stdio() if descriptor is None else (descriptor, descriptor)
    bridge.attach(read_fd, write_fd, door, identity="stdio")
    if cache is not None:
        from bascule.bridge.caching.answers import AnswerCache
        from bascule.bridge.caching.shelves import Shelves

        bridge.core.cache = AnswerCache(bridge.core, cache, Shelves(), bridge.pump.post)
    calls = None
    if record is not None:
        from pathlib import Path

        from bascule.bridge.operations.call_trace import CallTrace

        calls = CallTrace(bridge.core, Path(record))
    tracing = None
    if endpoint := os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):  # there is no file that could say [tracing]
        from bascule.bridge.operations.tracing import trace_alone

        tracing = trace_alone(bridge.core, endpoint)
    bridge.pump.start()
    from bascule.bridge.tree import supervise

    try:
        return supervise(bridge, ends_with=_session_closed)
    finally:
        if calls is not None:
            calls.close()
        if tracing is not None:
            tracing.close()
        if bridge.core.cache is not None:
            bridge.core.cache.close()
        for fd in terminals:
            os.set_blocking(fd, True)
            os.close(fd)


def run_pod(
    options: PodOptions,
    early: EarlyWorker,
    descriptor: int | None = None,
    *,
    cache: Rules | None = None,
    record: str | None = None,
) -> int:
    """`bascule pod`; its client is at stdio, or at the descriptor of a socket."""
    from bascule.bridge.doors.pod import PodDoor

    door = PodDoor(options)
    spec = stdio_spec(workers=options.workers, python=options.python, paths=options.paths, mounts=options.mounts)
    status = run_stdio(spec, door, early, descriptor, cache=cache, record=record)
    return status or door.exit_status


def stdio_spec(
    *,
    workers: int,
    python: str | None,
    paths: tuple[str, ...],
    preload: tuple[str, ...] = (),
    mounts: tuple[str, ...] = (),
    scheduler: str = "least_busy",
) -> PoolSpec:
    """The pool of a bridge that lives for one client: nothing is drained once that client has left."""
    return PoolSpec(
        size=workers,
        executable=python or sys.executable,
        paths=paths,
        preload=preload,
        mounts=mounts,
        scheduler=scheduler,
        max_queue=100_000,
        drain=0.0,
        grace=0.5,
    )


def _session_closed(notice: Notice) -> bool:
    return isinstance(notice, SessionClosed)


def _take_stdio() -> tuple[int, int]:
    """Our standard input and output for the client alone: whoever prints here by mistake prints to standard error."""
    read_fd, write_fd = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    for fd in (read_fd, write_fd):
        enlarge(fd, WIRE_PIPE)
    return _pollable(read_fd), write_fd


def _pollable(fd: int) -> int:
    """A descriptor that epoll takes: for a file or /dev/null the end of a pipe that a thread fills."""
    mode = os.fstat(fd).st_mode
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or (stat.S_ISCHR(mode) and os.isatty(fd)):
        return fd
    read_end, write_end = os.pipe()

    def copy() -> None:
        try:
            while data := os.read(fd, 65536):
                while data:
                    data = data[os.write(write_end, data) :]
        except OSError:
            pass  # nobody reads any more
        os.close(write_end)
        os.close(fd)

    threading.Thread(target=copy, name="bascule-stdin", daemon=True).start()
    return read_end
