"""What recording costs: the same program recorded and not, and the pipeline behind it.

Each Python that is found and has the library is measured. What a program spends before its places are switched off is
part of its first round only: of each run the quickest round counts, as in a test suite whose code runs more than once.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import alternate
from benchmarks.rows import AtMost, Row, Target

_ROOT = Path(__file__).resolve().parents[2]
_PROGRAM = _ROOT / "benchmarks" / "recorded_programs.py"
_START = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from bascule.workers.recording.program import main; sys.exit(main(sys.argv[1:]))"
)
_TARGETS = {
    ("numpy", "usual"): (1.5, 1.2),
    ("pandas", "usual"): (1.2, 1.2),
    ("plain", "usual"): (3.0, 1.2),
    ("numpy", "exhaustive"): (15.0, 15.0),
    ("pandas", "exhaustive"): (3.0, 2.0),
    ("plain", "exhaustive"): (30.0, 80.0),
}
"""At most, on 3.11 and on later ones."""
_LINES = 100_000
_SECONDS_FOR_A_MILLION = 60.0


def measure() -> Iterator[Row]:
    """Ratios to the same program unrecorded."""
    for version, python in _pythons():
        for (program, mode), targets in _TARGETS.items():
            if program != "plain" and not _has(python, program):
                continue
            target: Target = AtMost(targets[version != "3.11"])
            yield _recorded(version, python, program, target, exhaustive=mode == "exhaustive")


def pipeline() -> Iterator[Row]:
    """counts is left out: infer, combine and write over grouped lines, as if there were a million."""
    from bascule.bridge.recording.apis import API, combine
    from bascule.bridge.recording.infer import infer
    from bascule.bridge.recording.reading import Damage
    from bascule.bridge.recording.stubs import write_stubs

    with tempfile.TemporaryDirectory() as scratch:
        grouped = Path(scratch) / "grouped.jsonl"
        with grouped.open("w") as file:
            for number in range(_LINES):
                file.write(json.dumps(_line(number)) + "\n")
        begin = time.process_time()
        api = infer([grouped], "bench", ("lib",), Damage(strict=True))
        whole = combine([api, API.from_json(api.to_json())])
        write_stubs(whole, Path(scratch) / "stubs")
        took = (time.process_time() - begin) * 1e6 / _LINES
    target = AtMost(1.0)
    what = "infer + combine + write, CPU seconds for 1 M grouped lines"
    yield Row(what, took, "the limit", _SECONDS_FOR_A_MILLION, took / _SECONDS_FOR_A_MILLION, target)


def _line(number: int) -> dict[str, object]:
    text = {"t": "str"} if number % 3 else f"name {number % 1000}"
    args = [["a", {"t": "int"}], ["b", text], ["c", {"t": "tuple", "v": [{"t": "float"}, None][: number % 3]}]]
    function = {"t": "function", "v": {"module": f"lib.part{number % 20}", "name": f"function_{number % 500}"}}
    return {"function": function, "bound_params": {"pos_or_kw": args[: 1 + number % 3]}, "n": 1 + number % 7}


def _recorded(version: str, python: str, program: str, target: Target, *, exhaustive: bool) -> Row:
    rounds = 1 if exhaustive else 5
    wanted = {
        "output": "/dev/null",
        "to_modules": ["numpy" if program == "plain" else program],
        "from_modules": [],
        "exhaustive": exhaustive,
        "results": True,
    }
    alone = [python, str(_PROGRAM), program, str(rounds)]
    traced = [python, "-c", _START, str(_ROOT), json.dumps(wanted), str(_PROGRAM), program, str(rounds)]
    compared = alternate(lambda: _time(traced), lambda: _time(alone), rounds=1 if exhaustive else 3)
    mode = ", exhaustive" if exhaustive else ""
    what = (
        f"recorded on {version}, {program} user{mode}, s"
        if program != "plain"
        else f"recorded on {version}, plain{mode}, s"
    )
    return Row(what, compared.ours, "not recorded", compared.peer, compared.ratio, target)


def _time(command: list[str]) -> float:
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def _pythons() -> Iterator[tuple[str, str]]:
    candidates = [sys.executable]
    for minor in (11, 12, 13):
        candidates += [str(path) for path in sorted(Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python"))]
    seen: set[str] = set()
    for python in candidates:
        ask = "import sys; print('%d.%d' % sys.version_info[:2])"
        told = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=False).stdout.strip()
        if told in ("3.11", "3.12", "3.13") and told not in seen:
            seen.add(told)
            yield told, python


def _has(python: str, module: str) -> bool:
    return subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False).returncode == 0
