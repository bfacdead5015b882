"""What the router thread and the supervision (trio, on the main thread) tell each other.

Down, as calls on the pump: attach this worker, retire that one, this pool's policy is so. Up, as these frozen notices:
a worker is ready, a worker is gone and why, a worker should be replaced. Nothing else crosses.

Named tuples rather than dataclasses: this is imported while a pod's client waits, and importing dataclasses takes
longer than all of this room's own modules.
"""

from __future__ import annotations

import enum
import mmap
from typing import Any, NamedTuple

from bascule.bridge.supervision.exits import ExitCause


class KillReason(enum.Enum):
    """Why the bridge itself ended a worker."""

    DEADLINE = "deadline"  # a call did not end in time, nor on the exception
    CANCEL = "cancel"  # a cancelled call did not end on the exception
    CLIENT_GONE = "client_gone"  # a call of a client that left did not end on the exception
    MEMORY = "memory"  # over the pool's memory limit
    RUBBISH = "rubbish"  # what it wrote to its wire is no frame
    MUTE = "mute"  # it closed its wire and lived on
    NOT_READY = "not_ready"  # the ready handshake took too long
    RECYCLED = "recycled"  # retired, and did not leave by itself
    STOPPED = "stopped"  # the pool shrinks or stops
    OPERATOR = "operator"  # somebody asked for it


KILLED_SINCE = {
    KillReason.DEADLINE: "since a call's deadline had passed and it did not stop",
    KillReason.CANCEL: "since a call was cancelled and did not stop",
    KillReason.CLIENT_GONE: "since a call's client had left and it did not stop",
    KillReason.MEMORY: "since it was over its memory limit",
    KillReason.RUBBISH: "since what it wrote to its wire was no frame",
    KillReason.MUTE: "since it had closed its wire",
    KillReason.NOT_READY: "since it did not become ready in time",
    KillReason.RECYCLED: "since it was replaced, or its pool ends",
    KillReason.STOPPED: "since its pool stopped",
    KillReason.OPERATOR: "on an operator's order",
}
"""The reason in words that follow 'killed by the bridge,'."""


class WorkerWire(NamedTuple):
    """A worker process that was just spawned: what the pump needs to own its data path.

    The pump owns these descriptors from `attach_worker` on, and closes them. The process itself is reaped by its pool.
    """

    pool: str
    slot: int
    incarnation: int
    pid: int
    pidfd: int
    read_fd: int  # the worker's frames
    write_fd: int  # frames for the worker
    stdout_fd: int
    stderr_fd: int
    page: mmap.mmap  # see workers.page
    threads: int = 1


class PoolPolicy(NamedTuple):
    """What the router must know of a pool."""

    name: str
    size: int  # workers that take calls; ready ones beyond this are spares
    scheduler: str = "least_busy"
    max_queue: int = 10_000  # calls that wait for a worker; one more is `Overloaded`
    default_deadline_ms: int = 0  # 0: none
    cancel_grace_ms: int = 500  # from the exception to the kill
    max_calls: int = 0  # calls after which a worker is recycled; 0: never


class WorkerReady(NamedTuple):
    """It answered the handshake and takes calls (or waits as a spare)."""

    pool: str
    slot: int
    incarnation: int
    info: dict[str, Any] = {}  # pid, python, implementation


class WorkerExited(NamedTuple):
    """The process is dead, its last replies are delivered, its calls are settled. It is not reaped yet."""

    pool: str
    slot: int
    incarnation: int
    cause: ExitCause
    was_ready: bool
    had_started_call: bool  # such an exit does not count against the restart intensity
    reason: KillReason | None  # None: it died by itself
    init_error: dict[str, Any] | None = None  # why it did not become ready, as an error map


class RecycleWanted(NamedTuple):
    """It has answered its share of calls: spawn a successor; the router retires it once that one is ready."""

    pool: str
    slot: int
    incarnation: int


class SessionClosed(NamedTuple):
    """A client is gone and everything of its is released."""

    session: int


class RouterFailed(NamedTuple):
    """The router thread met an exception of ours: the bridge can't go on."""

    error: BaseException


Notice = WorkerReady | WorkerExited | RecycleWanted | SessionClosed | RouterFailed
