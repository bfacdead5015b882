"""Control groups: which group is ours to divide, and a leaf for each worker's life.

What the kernel does with `memory.max` needs a cgroup v2 with the memory controller that may be written to, which many
machines and most containers don't have. So the decisions and what is written are tested on folders that look like one;
moving, killing and removing on the kernel's own wherever it lets us mount one, whatever controllers are left there.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bascule.bridge.supervision.cgroups import Delegated, find, mounted_at
from bascule.bridge.supervision.exits import oom_watch, peek_exit


def group(folder: Path, *, controllers: str = "cpu memory pids") -> Path:
    """A folder that looks like a control group."""
    folder.mkdir(parents=True)
    for name, text in {
        "cgroup.controllers": controllers + "\n",
        "cgroup.procs": "",
        "cgroup.subtree_control": "",
    }.items():
        (folder / name).write_text(text)
    return folder


def test_only_a_group_that_was_delegated_is_ours(tmp_path: Path) -> None:
    unit = group(tmp_path / "system.slice/bascule.service")
    bare = group(tmp_path / "system.slice/bare.service", controllers="cpu")
    own, other = "0::/system.slice/bascule.service\n", "1:name=systemd:/x\n0::/system.slice/bascule.service/main\n"
    assert find(own, tmp_path, unit.__eq__) == unit
    assert find(other, tmp_path, unit.__eq__) == unit  # DelegateSubgroup= has put us below it
    assert find(own, tmp_path, lambda _: False) is None
    assert find("0::/system.slice/bare.service\n", tmp_path, bare.__eq__) is None  # no memory controller
    assert find("0::/\n", tmp_path, lambda _: True) is None  # the root is nobody's
    assert find("4:memory:/x\n", tmp_path, lambda _: True) is None  # version 1
    assert find("0::/gone\n", tmp_path, lambda _: True) is None


def test_the_mount_is_found_wherever_it_is() -> None:
    text = "25 30 0:23 / /sys rw - sysfs sysfs rw\n35 25 0:30 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup2 rw\n"
    assert mounted_at(text) == Path("/sys/fs/cgroup/unified")
    assert mounted_at(text.splitlines()[0]) is None


def test_each_worker_gets_a_leaf_with_its_limit(tmp_path: Path) -> None:
    unit = group(tmp_path / "unit")
    (unit / "cgroup.procs").write_text("12\n")
    group(unit / "bridge")
    delegated = Delegated(unit)
    assert (unit / "bridge/cgroup.procs").read_text() == "12"  # what was in the group is now below it
    assert (unit / "cgroup.subtree_control").read_text() == "+memory"
    leaf = delegated.leaf("worker-1.1", 4711, 1 << 30)
    assert leaf is not None
    folder = unit / "worker-1.1"
    assert (folder / "memory.max").read_text() == str(1 << 30)
    assert (folder / "memory.oom.group").read_text() == "1"
    assert (folder / "cgroup.procs").read_text() == "4711"
    assert delegated.leaf("worker-1.1", 4712, None) is None  # it is there: said, and the worker is limited otherwise
    assert delegated.leaf("worker-2.1", 4712, None) is not None
    assert not (unit / "worker-2.1/memory.max").exists()


def test_out_of_memory_is_what_the_leafs_counter_says(tmp_path: Path) -> None:
    delegated = Delegated(group(tmp_path / "unit"))
    process = subprocess.Popen(["sleep", "60"])
    pidfd = os.pidfd_open(process.pid)
    try:
        folder = tmp_path / "unit/worker-1.1"
        leaf = delegated.leaf(folder.name, process.pid, 1 << 20)
        assert leaf is not None
        events = folder / "memory.events"
        assert not oom_watch(process.pid).claim()
        events.write_text("oom 1\noom_kill 1\n")
        process.kill()
        os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOWAIT)
        assert peek_exit(pidfd).out_of_memory
        assert not peek_exit(pidfd).out_of_memory  # a second kill of which the kernel says nothing
        leaf.close()
    finally:
        os.close(pidfd)
        process.kill()
        process.wait()


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path | None]:
    """The kernel's own groups at a place of ours; None where it does not let us mount them."""
    folder = tmp_path / "cgroup2"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "cgroup2", "none", str(folder)], capture_output=True, check=False)
    if done.returncode:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_what_a_worker_left_behind_is_killed_with_its_leaf(mounted: Path | None, tmp_path: Path) -> None:
    unit = tmp_path / "unit" if mounted is None else mounted / f"bascule-test-{os.getpid()}"
    if mounted is None:
        group(unit)
    else:
        unit.mkdir()
    program = "read go; setsid sleep 60 & echo $!; sleep 60"
    worker = subprocess.Popen(["sh", "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        there = (unit / "cgroup.controllers").read_text().split()
        delegated = Delegated(unit, ("memory",) if "memory" in there else ())
        leaf = delegated.leaf("worker-1.1", worker.pid, None)
        assert leaf is not None
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
        stray = int(worker.stdout.readline())
        leaf.kill()
        if mounted is None:  # nobody acts on what was written
            assert (unit / "worker-1.1/cgroup.kill").read_text() == "1"
            os.kill(stray, signal.SIGKILL)
            worker.kill()
        assert worker.wait(60) == -signal.SIGKILL
        leaf.close()
        while mounted is not None and (unit / "worker-1.1").exists():  # until the last one in it is gone
            delegated.sweep()
    finally:
        worker.kill()
        worker.communicate()
        if mounted is not None:
            for folder in (unit / "worker-1.1", unit / "bridge", unit):
                with contextlib.suppress(FileNotFoundError):
                    folder.rmdir()
