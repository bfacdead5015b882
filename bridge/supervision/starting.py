"""Starting a worker's process, and no more: pipes, page, environment, group.

Apart from `spawn` since a pod or a port does this before anything else is imported: the interpreter of its first worker
then starts up beside the bridge's own imports, on another processor. Nothing heavy may be imported here.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from fcntl import F_SETPIPE_SZ, fcntl

from bascule.workers import launch
from bascule.workers.page import create_page

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Final

    Command = Callable[[str, int, int, int], list[str]]
    """(executable, wire in, wire out, page) -> the command line."""

MARK: Final = "BASCULE_WORKER"
WIRE_PIPE: Final = 1 << 20  # bytes that a wire may hold: large payloads move in fewer turns

# Fresh pages are the main cost of large payloads, so workers keep the memory that they once had: blocks up to 32 MiB
# (glibc takes no more) come from the heap, and up to 64 MiB of it are not given back. Untouched, this costs nothing.
MALLOC: Final = {
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
    "MALLOC_TOP_PAD_": str(1 << 20),
}


def new_bridge_id() -> str:
    """What marks the processes of one bridge."""
    return f"{os.getpid()}-{os.urandom(6).hex()}"


def mark_of(bridge: str, slot: int, incarnation: int) -> str:
    """What marks the processes of one life of one worker: the value of `MARK` in their environment."""
    return f"{bridge}/{slot}.{incarnation}"


class Started:
    """A process that waits for its configuration, and our ends of what connects it."""

    __slots__ = ("page_fd", "pid", "pidfd", "read_fd", "stderr_fd", "stdout_fd", "write_fd")

    def __init__(
        self, pid: int, pidfd: int, write_fd: int, read_fd: int, stdout_fd: int, stderr_fd: int, page_fd: int
    ) -> None:
        self.pid = pid
        self.pidfd = pidfd
        self.write_fd = write_fd
        self.read_fd = read_fd
        self.stdout_fd = stdout_fd
        self.stderr_fd = stderr_fd
        self.page_fd = page_fd


def start_process(
    executable: str,
    mark: str,
    *,
    cwd: str | None = None,
    env: Mapping[str, str | None] | None = None,
    command: Command | None = None,
) -> Started:
    """Start one process.

    Args:
        executable: Its Python.
        mark: See `mark_of`.
        cwd: Its working folder; our own when None.
        env: Variables set over our own; None removes one.
        command: Makes the command line, where it is not the usual one.

    Raises:
        OSError: The executable or the folder is not there, or the system has no process, memory or descriptor left.
        RuntimeError: This is not the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("workers are spawned on the main thread only: they die with the thread that spawned them")
    ours: list[int] = []
    theirs: list[int] = []
    try:
        for size, reads in ((WIRE_PIPE, False), (WIRE_PIPE, True), (0, True), (0, True)):
            read_end, write_end = os.pipe()
            ours.append(read_end if reads else write_end)
            theirs.append(write_end if reads else read_end)
            if size:
                enlarge(write_end, size)
        page_fd = create_page()
        ours.append(page_fd)
        wire_in, wire_out, stdout, stderr = theirs
        process = subprocess.Popen(
            (command or launch.command)(executable, wire_in, wire_out, page_fd),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            pass_fds=(wire_in, wire_out, page_fd),
            process_group=0,
            cwd=cwd,
            env=_environment(env or {}, mark),
        )
        try:
            pidfd = os.pidfd_open(process.pid)
        except OSError:
            process.kill()
            process.wait()
            raise
    except BaseException:
        for fd in ours:
            os.close(fd)
        raise
    finally:
        for fd in theirs:
            os.close(fd)
    # It is reaped by its pool, through the pidfd: Popen must think that this is done, else it would do it in passing,
    # and the number could be another process's by the time that we kill the group.
    process.returncode = 0
    return Started(process.pid, pidfd, *ours)


def enlarge(pipe: int, size: int) -> None:
    """Have a pipe hold more, if it is one, and if its user may have one more so large; a usual one will do, too."""
    with contextlib.suppress(OSError):
        fcntl(pipe, F_SETPIPE_SZ, size)


def _environment(changes: Mapping[str, str | None], mark: str) -> dict[str, str]:
    environment = {**MALLOC, **os.environ}
    for name, value in changes.items():
        if value is None:
            environment.pop(name, None)
        else:
            environment[name] = value
    environment[MARK] = mark
    return environment
