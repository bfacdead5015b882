"""A short script that attaches to a running service: its first result, beside a Python that does nothing."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

from bascule.bridge.cli import relay
from bascule.protocols.bencode import Framer
from benchmarks import ours, pods
from benchmarks.rows import AtMost, Row

_ROUNDS = 15


def measure() -> Iterator[Row]:
    """Describe, then one call, each time from a new process; as an installed pod starts it, and by the command."""
    with ours.service(2) as (_, process):
        command: Any = process.args
        place = command[command.index("--socket") + 1]
        told = [str(place), "benchmarks.subject"]
        ways = {
            "as an installed pod does": [sys.executable, "-I", "-S", relay.__file__, *told],
            "by the command": [ours.executable(), "pod", "--attach", *told],
        }
        nothing = [sys.executable, "-I", "-S", "-c", "pass"]
        for name, command in ways.items():
            pairs = [(_first_result(command), _run(nothing)) for _ in range(_ROUNDS + 1)][1:]
            yield Row(
                f"`bascule pod --attach` {name}: launched -> first result, ms",
                statistics.median(mine for mine, _ in pairs),
                "python -I -S -c pass",
                statistics.median(theirs for _, theirs in pairs),
                statistics.median(mine / theirs for mine, theirs in pairs),
                AtMost(2),
            )


def _first_result(command: Sequence[str]) -> float:
    launched = time.perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    assert process.stdin is not None
    assert process.stdout is not None
    framer = Framer()
    try:
        for message in (b"d2:op8:describee", pods.invoke("f", 1, 2)):
            process.stdin.write(message)
            while not (frames := framer.receive_data(process.stdout.read(1 << 16) or b"")):
                pass
        taken = time.perf_counter() - launched
        assert b"5:value1:3" in frames[0]
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()
    return taken * 1e3


def _run(command: Sequence[str]) -> float:
    launched = time.perf_counter()
    subprocess.run(command, check=True)
    return (time.perf_counter() - launched) * 1e3
