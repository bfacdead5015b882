"""Memory limits by control groups (cgroup v2), where the service's unit delegates its own group to it.

    the unit's group            Delegate=memory: ours to divide
      bridge/                   the bridge itself, since a group that is divided has no processes of its own
      worker-3.1/               one leaf for each life of a worker, gone when it is
        memory.max              the pool's memory_limit: beyond it the kernel kills the worker and all that it started
        memory.events           whose oom_kill counter says so, and nothing else does (see `exits`)

A group is divided only when systemd says that it may be: it marks what it delegates with an extended attribute. One
that we merely could write to (root in a terminal's session) is somebody else's. Where there is none, the limit is
RLIMIT_DATA, which a worker sets itself. Address space is never limited: libraries reserve it by the terabyte.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bascule.bridge.supervision.exits import count_by, count_no_more, read_text

_log = logging.getLogger(__name__)

CONTROLLER: Final = "memory"
_BRIDGE: Final = "bridge"
_MARKS: Final = ("user.delegate", "trusted.delegate")  # systemd 251 and newer; older ones, for root to see


class Leaf:
    """The group of one life of one worker.

    Raises:
        OSError: The process can't be moved there.
    """

    def __init__(self, folder: Path, pid: int, left: list[Path]) -> None:
        self._folder = folder
        self._pid = pid
        self._left = left
        _write(folder / "cgroup.procs", str(pid))
        count_by(pid, str(folder / "memory.events"))

    def kill(self) -> None:
        """End what is left in it, also what has left the worker's process group and session."""
        with contextlib.suppress(OSError):  # before Linux 5.14 there is no such file
            _write(self._folder / "cgroup.kill", "1")

    def close(self) -> None:
        """The worker is reaped: remove it, now or when the last process in it is gone."""
        count_no_more(self._pid)
        self._left.append(self._folder)


class Delegated:
    """A group that was delegated to us, divided.

    Args:
        folder: Where it is mounted.
        controllers: What must be distributed to the leaves.

    Raises:
        OSError: It can't be divided.
    """

    def __init__(self, folder: Path, controllers: tuple[str, ...] = (CONTROLLER,)) -> None:
        self.folder = folder
        self._left: list[Path] = []  # leaves whose processes are dying
        ours = folder / _BRIDGE
        ours.mkdir(exist_ok=True)
        for pid in read_text(str(folder / "cgroup.procs")).split():
            with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
                _write(ours / "cgroup.procs", pid)
        for controller in controllers:
            _write(folder / "cgroup.subtree_control", f"+{controller}")

    def leaf(self, name: str, pid: int, limit: int | None) -> Leaf | None:
        """Move a process that has not run any user code yet into a leaf of its own.

        Args:
            name: Of the leaf.
            pid: The process.
            limit: Bytes of memory that it may have, with all that it starts.

        Returns:
            None where that can't be: it stays where it is, and somebody else has to limit it.
        """
        self.sweep()
        folder = self.folder / name
        try:
            folder.mkdir()
            try:
                if limit is not None:
                    _write(folder / "memory.max", str(limit))
                    with contextlib.suppress(OSError):  # a kernel without swap
                        _write(folder / "memory.swap.max", "0")
                    _write(folder / "memory.oom.group", "1")
                return Leaf(folder, pid, self._left)
            except OSError:
                self._left.append(folder)
                raise
        except OSError as error:
            _log.warning("%s has no control group of its own (%s): RLIMIT_DATA limits it", name, error)
            return None

    def sweep(self) -> None:
        """Remove the leaves that have become empty."""
        for folder in list(self._left):
            with contextlib.suppress(FileNotFoundError):
                try:
                    folder.rmdir()
                except OSError:  # somebody is still in there
                    continue
            self._left.remove(folder)


def find(groups: str, root: Path, is_delegated: Callable[[Path], bool]) -> Path | None:
    """The group that was delegated to the process whose /proc/PID/cgroup reads `groups`; None: there is none.

    It is the process's own, or the one above, where systemd has started it in a group below (DelegateSubgroup=).
    """
    path = next((line[3:] for line in groups.splitlines() if line.startswith("0::/")), None)
    if path is None:
        return None
    own = root / path.strip("/")
    for folder in (own, own.parent):
        if folder in (root, root.parent) or not is_delegated(folder):
            continue
        try:
            controllers = read_text(str(folder / "cgroup.controllers")).split()
        except OSError:
            continue
        if CONTROLLER in controllers and os.access(folder / "cgroup.subtree_control", os.W_OK):
            return folder
    return None


def mounted_at(mountinfo: str) -> Path | None:
    """Where /proc/self/mountinfo says that cgroup v2 is mounted."""
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        if after.startswith("cgroup2 "):
            return Path(before.split(" ")[4])
    return None


def take_over() -> Delegated | None:
    """Divide the group that was delegated to this process, if one was. Before any other process is started."""
    try:
        root = mounted_at(read_text("/proc/self/mountinfo"))
        folder = None if root is None else find(read_text("/proc/self/cgroup"), root, _is_marked)
        if folder is None:
            return None
        delegated = Delegated(folder)
    except OSError as error:
        _log.warning("the control group that was delegated can't be used (%s): memory is limited by RLIMIT_DATA", error)
        return None
    _log.info("memory limits by cgroup v2: each worker has a group below %s", folder)
    return delegated


def _is_marked(folder: Path) -> bool:
    for name in _MARKS:
        with contextlib.suppress(OSError):
            if os.getxattr(folder, name) == b"1":
                return True
    return False


def _write(file: Path, text: str) -> None:
    with open(file, "w") as opened:
        opened.write(text)
