"""What recording costs: the same program recorded and not, and the pipeline behind it.

Each Python that is found is measured, with numpy and pandas installed for it where it lacks them. What a program spends
before its places are switched off is part of its first round only: of each run the quickest round counts, as in a test
suite whose code runs more than once. Importing the library is no part of that, and a row of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.pythons import has, pythons
from benchmarks.rows import AtMost, Row

_ROOT = Path(__file__).resolve().parents[2]
_PROGRAM = _ROOT / "benchmarks" / "recorded_programs.py"
_PIPELINE = "benchmarks.recorded_pipeline"
_START = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from bascule.workers.recording.program import main; sys.exit(main(sys.argv[1:]))"
)
_VERSIONS = ("3.11", "3.12", "3.13")
_TARGETS = {
    "numpy": ((1.5, 1.2), (15.0, 15.0)),
    "pandas": ((1.2, 1.2), (3.0, 2.0)),
    "plain": ((3.0, 1.2), (30.0, 80.0)),
}
"""At most, as usual and exhaustively, on 3.11 and on later ones."""
_ROUNDS, _EXHAUSTIVE_ROUNDS = 4, 2
_LINES = 100_000
_FEWER = 20_000
_SECONDS_FOR_A_MILLION = 60.0


def measure() -> Iterator[Row]:
    """Ratios to the same program unrecorded."""
    for version, python in pythons(*_VERSIONS, packages=("numpy", "pandas")):
        for program in _TARGETS:
            if program == "plain" or has(python, program):
                yield from _program(version, python, program)
        if has(python, "pandas"):
            alone = _time([python, str(_PROGRAM), "import_pandas", "1"])
            recorded = _recorded(python, "import_pandas", 1, exhaustive=False)
            yield Row(f"import pandas, recorded on {version}, s", recorded, "not recorded", alone, recorded / alone)


def pipeline() -> Iterator[Row]:
    """counts is left out: infer, combine and write over grouped lines, as if there were a million; what it costs."""
    few, many = (_pipeline(lines) for lines in (_FEWER, _LINES))
    took = many["seconds"] * 1e6 / _LINES
    what = "infer + combine + write, CPU seconds for 1 M grouped lines"
    yield Row(what, took, "the limit", _SECONDS_FOR_A_MILLION, took / _SECONDS_FOR_A_MILLION, AtMost(1.0))
    memory = many["peak"], few["peak"]
    what = f"the same, peak memory with {_LINES:,} lines, MiB"
    yield Row(what, memory[0], f"with {_FEWER:,}", memory[1], memory[0] / memory[1], AtMost(1.2))


def _program(version: str, python: str, program: str) -> Iterator[Row]:
    alone, usual = [], []
    for _ in range(2):
        alone.append(_time([python, str(_PROGRAM), program, str(_ROUNDS)]))
        usual.append(_recorded(python, program, _ROUNDS, exhaustive=False))
    exhaustive = _recorded(python, program, _EXHAUSTIVE_ROUNDS, exhaustive=True)
    user = program if program == "plain" else f"{program} user"
    for mode, took, targets in zip(("", ", exhaustive"), (min(usual), exhaustive), _TARGETS[program], strict=True):
        target = AtMost(targets[version != "3.11"])
        what = f"recorded on {version}, {user}{mode}, s"
        yield Row(what, took, "not recorded", min(alone), took / min(alone), target)


def _recorded(python: str, program: str, rounds: int, *, exhaustive: bool) -> float:
    wanted = {
        "output": "/dev/null",
        "to_modules": ["numpy" if program == "plain" else program.removeprefix("import_")],
        "from_modules": [],
        "exhaustive": exhaustive,
        "results": True,
    }
    return _time([python, "-c", _START, str(_ROOT), json.dumps(wanted), str(_PROGRAM), program, str(rounds)])


def _time(command: list[str]) -> float:
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def _pipeline(lines: int) -> dict[str, float]:
    command = [sys.executable, "-m", _PIPELINE, str(lines)]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=True)
    told: dict[str, float] = json.loads(done.stdout)
    return told
