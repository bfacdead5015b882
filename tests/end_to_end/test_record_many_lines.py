"""A million grouped lines (`make soak`; else fewer) go through infer, combine and write in bounded memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LINES = 20_000


def peak(lines: int) -> float:
    """The most memory, in MiB, that a process of its own needs for so many."""
    command = [sys.executable, "-m", "benchmarks.recorded_pipeline", str(lines)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout)["peak"])


def test_memory_does_not_grow_with_the_lines(soak_factor: int) -> None:
    assert peak(LINES * soak_factor) < 1.25 * peak(LINES // 4)
