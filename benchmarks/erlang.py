"""An Erlang node to measure from: `peers/erlang/bench_node.erl`, compiled and started, asked for numbers."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.ours import ROOT

_SOURCES = ROOT / "benchmarks" / "peers" / "erlang"


class Node:
    """A running node; each expression is evaluated in it and gives a number."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def number(self, expression: str) -> float:
        """What the expression is, a number."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(f"{expression}.", file=self._process.stdin, flush=True)
        for line in self._process.stdout:
            if line.startswith("= "):
                return float(line[2:])
        raise EOFError(f"the node ended in: {expression}")


@contextmanager
def node(
    *, sources: Sequence[Path] = (), paths: Sequence[Path] = (), environment: Mapping[str, str] | None = None
) -> Iterator[Node]:
    """Start a node.

    Args:
        sources: Erlang modules to compile beside those of the benchmarks.
        paths: More folders with compiled ones.
        environment: More variables.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        wanted = [*sorted(_SOURCES.glob("*.erl")), *sources]
        subprocess.run(["erlc", "-o", folder, *map(str, wanted)], check=True)
        code_paths = [folder, *map(str, paths)]
        process = subprocess.Popen(
            ["erl", "-noshell", "-pa", *code_paths, "-s", "bench_node", "main"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**_environment(), **(environment or {})},
            cwd=ROOT,
        )
        try:
            yield Node(process)
        finally:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()


def _environment() -> dict[str, str]:
    """Ours, but compiled modules may be kept, as those of an installed package are."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def floor() -> str:
    """The command of the raw {packet, 4} echo, which every row of a port is compared with."""
    return f"{sys.executable} -u {ROOT / 'benchmarks' / 'peers' / 'packet_echo.py'}"
