"""Gugugu's own command, held against the real one: what it writes, what it says, and what its code does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

GUGUGU = Path(__file__).with_name("gugugu")
COMMAND = f"{sys.executable} -m bascule.bridge.cli.gugugu"


def run(program: str, command: str) -> str:
    told = subprocess.run(
        [sys.executable, str(GUGUGU / program), "--cmd", command], capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stdout + told.stderr
    return told.stdout


def figures(text: str, row: str) -> list[tuple[int, int]]:
    """The pairs `n / m` of a row, one for each category that has it."""
    rows = [line.removeprefix(f"  {row}") for line in text.splitlines() if line.startswith(f"  {row} ")]
    return [(int(left), int(right)) for left, _, right in (row.partition("/") for row in rows)]


@pytest.mark.timeout(300)
def test_classic_output_and_exit_statuses_are_those_of_the_real_tool() -> None:
    told = run("compare.py", COMMAND)
    for row in ("files bytes", "runtime outline", "same set of files", "same log lines", "nothing written"):
        pairs = figures(told, row)
        assert pairs, row
        assert all(left == right for left, right in pairs), told
    located = figures(told, "message has file:line")
    assert located[0][0] == located[0][1], told


@pytest.mark.timeout(300)
def test_classic_code_behaves_as_the_real_tools_code_does() -> None:
    assert "0 failed" in run("behave.py", COMMAND)
