"""What an idle worker costs before its first call."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Iterator

from benchmarks import ours
from benchmarks.rows import AtMost, Row

_BARE = "import msgpack, sys; print(flush=True); sys.stdin.read()"
_COUNT = 4


def measure() -> Iterator[Row]:
    """The median resident set of some idle workers beside that of bare interpreters that imported msgpack."""
    pipe = subprocess.PIPE
    bare = [subprocess.Popen([sys.executable, "-I", "-c", _BARE], stdin=pipe, stdout=pipe) for _ in range(_COUNT)]
    try:
        for process in bare:
            assert process.stdout is not None
            process.stdout.readline()
        with ours.service(_COUNT, warm=False) as (client, _):
            mine = statistics.median(ours.memory(pid, "VmRSS") for pid in ours.workers(client))
        theirs = statistics.median(ours.memory(process.pid, "VmRSS") for process in bare)
    finally:
        for process in bare:
            process.communicate()
    what = "resident memory of an idle worker, MiB"
    mib = 1 << 20
    yield Row(what, mine / mib, "python -I that imported msgpack", theirs / mib, mine / theirs, AtMost(1.3))
