"""From the launch of a pod to its first answers, beside a pod as one writes it by hand."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import bcoding

from benchmarks import ours
from benchmarks.rows import AtMost, Row

_ROUNDS = 7
_INVOKE = {"op": "invoke", "id": "1", "var": "benchmarks.subject/f", "args": "[1, 2]"}


@dataclass(frozen=True)
class _Start:
    described: float  # ms after the launch
    first_result: float


def measure() -> Iterator[Row]:
    """A description, then one call, each time from a new process."""
    by_hand = [sys.executable, str(ours.ROOT / "benchmarks" / "peers" / "pod_loop.py"), str(ours.ROOT)]
    pod = [ours.executable(), "pod", "--workers", "1", "--path", str(ours.ROOT), "benchmarks.subject"]
    pairs = [(_start(pod), _start(by_hand)) for _ in range(_ROUNDS + 1)][1:]
    for what, field, bound in (
        ("`bascule pod` launched -> describe answered, ms", "described", 2.5),
        ("`bascule pod` launched -> first result, ms", "first_result", 4),
    ):
        yield Row(
            what,
            statistics.median(getattr(mine, field) for mine, _ in pairs),
            "plain Python loop with bcoding",
            statistics.median(getattr(theirs, field) for _, theirs in pairs),
            statistics.median(getattr(mine, field) / getattr(theirs, field) for mine, theirs in pairs),
            AtMost(bound),
        )


def _start(command: Sequence[str]) -> _Start:
    launched = time.perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(bcoding.bencode({"op": "describe"}))
        process.stdin.flush()
        assert "namespaces" in bcoding.bdecode(process.stdout)
        described = time.perf_counter()
        process.stdin.write(bcoding.bencode(_INVOKE))
        process.stdin.flush()
        assert bcoding.bdecode(process.stdout)["value"] == "3"
        first_result = time.perf_counter()
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()
    return _Start((described - launched) * 1e3, (first_result - launched) * 1e3)
