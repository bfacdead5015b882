"""Limits of the process and of the kernel, against what a service of this size needs."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

from bascule.bridge.doctor.findings import Finding, Patient, good, note, problem, warning

_PIPE = 1 << 20  # bytes that a worker's pipes hold
_FOR_A_WORKER = 8  # descriptors
_FOR_THE_BRIDGE = 64
_USUAL_CLIENTS = 1000


def check(patient: Patient) -> Iterator[Finding]:
    """Descriptors, processes, pipes, memory."""
    if sys.platform != "linux":
        yield problem("system", f"this is {sys.platform}", "Bascule needs Linux")
        return
    yield from _kernel()
    yield from _descriptors(patient)
    yield from _processes(patient)
    yield from _pipes()
    yield from _memory()


def _kernel() -> Iterator[Finding]:
    lacking = [name for name in ("pidfd_open", "memfd_create") if not hasattr(os, name)]
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        lacking.append("a working pidfd_open")
    if lacking:
        text = f"Linux {os.uname().release} lacks {', '.join(dict.fromkeys(lacking))}"
        yield problem("kernel", text, "use Linux 5.3 or newer, and a sandbox that allows these calls")
    else:
        yield good("kernel", f"Linux {os.uname().release}")


def _descriptors(patient: Patient) -> Iterator[Finding]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    workers = sum(pool.size for pool in patient.pools)
    needed = _FOR_THE_BRIDGE + workers * _FOR_A_WORKER
    if 0 <= hard < needed:
        yield problem("descriptors", f"at most {hard}, and {workers} workers need {needed}", _raise_limit(needed))
    elif 0 <= hard < needed + _USUAL_CLIENTS:
        text = f"at most {hard}: room for {hard - needed} clients beside {workers} workers"
        yield warning("descriptors", text, _raise_limit(needed + _USUAL_CLIENTS))
    else:
        shown = "no limit" if hard < 0 else f"at most {hard} (now {soft}; a service raises it)"
        yield good("descriptors", shown)


def _raise_limit(count: int) -> str:
    return f"ulimit -Hn {max(count, 65536)} as root, or LimitNOFILE= in the unit"


def _processes(patient: Patient) -> Iterator[Finding]:
    _, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    wanted = sum(pool.size for pool in patient.pools) * 4  # threads of libraries count too
    allowed = _number("/proc/sys/kernel/pid_max") or 0
    tasks = _cgroup_number("pids.max")
    least = min([one for one in (hard if hard >= 0 else None, allowed, tasks) if one])
    if least < wanted + 64:
        text = f"at most {least} processes and threads, and the pools may need {wanted}"
        yield warning("processes", text, "ulimit -Hu, TasksMax= in the unit, or smaller pools")
    else:
        yield good("processes", f"at most {least} processes and threads")


def _pipes() -> Iterator[Finding]:
    largest = _number("/proc/sys/fs/pipe-max-size")
    if largest is not None and largest < _PIPE and os.geteuid() != 0:
        text = f"pipes hold at most {largest} bytes: large values travel in small pieces"
        yield warning("pipes", text, f"sysctl fs.pipe-max-size={_PIPE}")
    else:
        yield good("pipes", f"up to {largest} bytes")


def _memory() -> Iterator[Finding]:
    limit = _cgroup_number("memory.max")
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    shown = f"{(limit or pages * size) >> 20} MiB" + (" (of this cgroup)" if limit else "")
    if Path("/sys/fs/cgroup/cgroup.controllers").exists():
        yield good("memory", f"{shown}; where the unit says Delegate=memory, cgroup v2 keeps each worker's limit")
    else:
        text = f"{shown}; no cgroup v2: the memory of workers is limited by RLIMIT_DATA alone"
        yield note("memory", text, "boot with the unified hierarchy (systemd.unified_cgroup_hierarchy=1)")


def _number(file: str) -> int | None:
    try:
        return int(Path(file).read_text())
    except (OSError, ValueError):
        return None


def _cgroup_number(name: str) -> int | None:
    """A limit of our own cgroup; None where there is none."""
    try:
        own = Path("/proc/self/cgroup").read_text().rpartition("::")[2].strip()
    except OSError:
        return None
    return _number(f"/sys/fs/cgroup{own}/{name}")
