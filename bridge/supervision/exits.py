"""How a process ended: its exit code, its signal, or the kernel's want of memory.

`peek_exit` reads the cause through the pidfd and leaves the zombie in place: while it is not reaped its pid can't be
given to another process, so the whole process group can still be killed safely. The router asks here (it must tell the
callers why their worker died), the pool reaps.

A SIGKILL says nothing about who sent it. *Out of memory* is claimed only when the `oom_kill` counter of the worker's
control group rose, and each count is claimed once: `oom_watch` takes the counter's state before (at spawn),
`OomWatch.claim` compares after. Kills of other processes of the group (a worker's children) raise the same counter, so
a count that nobody claimed lapses with the second `tick`.
"""

from __future__ import annotations

import os
import signal
import threading
from typing import Any, Final, NamedTuple


class ExitCause(NamedTuple):
    """Why a process is no more."""

    code: int | None = None  # it left by itself, with this code
    signal: int | None = None  # it was killed by this signal
    out_of_memory: bool = False  # the kernel killed it, and says so
    not_ready: bool = False  # it was ended since its ready handshake took too long
    ready_timeout: float | None = None  # ... longer than these seconds

    @property
    def signal_name(self) -> str | None:
        """The signal as people write it, `SIGKILL`."""
        if self.signal is None:
            return None
        try:
            return signal.Signals(self.signal).name
        except ValueError:  # a real-time signal between SIGRTMIN and SIGRTMAX has no name of its own
            return f"signal {self.signal}"

    def describe(self) -> str:
        """The cause in words that fit after 'the worker: ' in a message."""
        if self.not_ready:
            return f"did not become ready within {self.ready_timeout or 0:g} s"
        if self.out_of_memory:
            return "out of memory"
        if self.signal is not None:
            return f"killed by {self.signal_name}"
        if self.code is not None:
            return f"exit code {self.code}"
        return "gone, and its exit status with it"

    def details(self) -> dict[str, Any]:
        """The cause as data, for the `details` of an error map: only what is known."""
        details: dict[str, Any] = {}
        if self.code is not None:
            details["exit_code"] = self.code
        if self.signal is not None:
            details["signal"] = self.signal_name
        if self.out_of_memory:
            details["out_of_memory"] = True
        if self.not_ready:
            details["not_ready"] = True
            details["ready_timeout"] = self.ready_timeout
        return details


def peek_exit(pidfd: int) -> ExitCause:
    """How the child behind `pidfd` ended, leaving it to be reaped. Call it when the pidfd is readable.

    A child that somebody else has reaped has an empty cause.

    Raises:
        BlockingIOError: It still runs.
    """
    try:
        status = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return ExitCause()
    if status is None:
        raise BlockingIOError("the process has not ended yet: wait until its pidfd is readable")
    return cause_of(status)


def cause_of(status: os.waitid_result) -> ExitCause:
    """The cause in what `os.waitid` returned for a child that ended."""
    if status.si_code == os.CLD_EXITED:
        return ExitCause(code=status.si_status)
    out_of_memory = status.si_status == signal.SIGKILL and oom_watch(status.si_pid).claim()
    return ExitCause(signal=status.si_status, out_of_memory=out_of_memory)


class OomWatch:
    """The out-of-memory kills in one control group, each claimed at most once."""

    def __init__(self, counter: str | None) -> None:
        self._counter = counter  # None: the kernel tells us nothing, so nothing is ever claimed
        self._lock = threading.Lock()  # the router's thread claims, the pool's ticks
        self._accounted = self._latest = self._read()

    def claim(self) -> bool:
        """Whether there was a kill that nobody has claimed yet; it is claimed now."""
        with self._lock:
            if self._read() <= self._accounted:
                return False
            self._accounted += 1
            return True

    def tick(self) -> None:
        """Call now and then: what was there at the previous tick and was not claimed since is not ours."""
        with self._lock:
            self._accounted = max(self._accounted, self._latest)
            self._latest = self._read()

    def _read(self) -> int:
        if self._counter is None:
            return 0
        try:
            text = read_text(self._counter)
        except OSError:  # the group was removed with its last process
            return 0
        for line in text.splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
        return 0


_watches: Final[dict[str | None, OomWatch]] = {}  # process-wide, as the kernel's counters are
_watches_lock: Final = threading.Lock()
_counters: Final[dict[int, str]] = {}  # of the workers that have a group of their own


def oom_watch(pid: int) -> OomWatch:
    """The watch over the control group of `pid`. The first call for a group sets what counts as 'before'."""
    counter = _counters.get(pid) or oom_counter(_cgroups(pid))
    with _watches_lock:
        watch = _watches.get(counter)
        if watch is None:
            watch = _watches[counter] = OomWatch(counter)
        return watch


def count_by(pid: int, counter: str) -> None:
    """That process has a control group of its own, with that counter file; what counts as 'before' is now."""
    _counters[pid] = counter
    oom_watch(pid)


def count_no_more(pid: int) -> None:
    """It is reaped: its number may become another's, and its group is going."""
    with _watches_lock:
        _watches.pop(_counters.pop(pid, None), None)


def tick_oom_watches() -> None:
    """One `tick` of every watch: the pool's housekeeping calls this every few seconds."""
    with _watches_lock:
        watches = list(_watches.values())
    for watch in watches:
        watch.tick()


def oom_counter(cgroups: str, root: str = "/sys/fs/cgroup") -> str | None:
    """The file with the `oom_kill` counter for a process whose /proc/PID/cgroup reads `cgroups`.

    That is memory.oom_control where a version 1 memory controller is mounted, else memory.events of version 2 (the
    local one where there is one: it leaves the kills in groups below out). In a container the path may be one of the
    host's, which is not there: then what is mounted at the root is our own group.
    """
    for line in cgroups.splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if "memory" in controllers.split(","):
            base, files = f"{root}/memory", ["memory.oom_control"]
        elif controllers == "":
            base, files = root, ["memory.events.local", "memory.events"]
        else:
            continue
        for folder in (f"{base}/{path.strip('/')}", base):
            for file in files:
                if os.path.isfile(f"{folder}/{file}"):  # noqa: PTH113 - no pathlib while a client waits
                    return f"{folder}/{file}"
    return None


def _cgroups(pid: int) -> str:
    """/proc/PID/cgroup; our own where the process shows none.

    A zombie keeps its group in version 2, but shows the root (`/`) in version 1: there its group is taken to be ours,
    which it was started in.
    """
    try:
        text = read_text(f"/proc/{pid}/cgroup")
        state = read_text(f"/proc/{pid}/stat").rpartition(")")[2].split()[0]
        if state not in "ZX":
            return text
        own = read_text("/proc/self/cgroup")
    except OSError:
        return ""
    has_v1_memory = any("memory" in line.split(":", 2)[1].split(",") for line in own.splitlines())
    return own if has_v1_memory else text


def read_text(path: str) -> str:
    """What a small file of the kernel's says."""
    with open(path) as file:
        return file.read()
