"""python-record-api's own commands, as its README has them, answered from deploy/compat."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / "tests" / "workers" / "recorded"


def run(*command: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    told = {f"PYTHON_RECORD_API_{name}": value for name, value in variables.items()}
    path = os.pathsep.join((str(ROOT / "deploy" / "compat"), str(cwd)))
    environment = {**os.environ, "PYTHONPATH": path, **told}
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done


def test_the_readmes_pipeline_works_word_for_word(tmp_path: Path) -> None:
    assert numpy.__version__
    run(
        "record_api",
        cwd=tmp_path,
        OUTPUT_FILE="out.jsonl",
        TO_MODULES="numpy",
        FROM_MODULES="record_api.sample_usage",
    )
    run("record_api.line_counts", cwd=tmp_path, INPUT="out.jsonl", OUTPUT="grouped.jsonl")
    for label in ("xarray", "pandas"):
        run(
            *("record_api.infer_apis",),
            cwd=tmp_path,
            INPUT="grouped.jsonl",
            OUTPUT=f"{label}-api.json",
            LABEL=label,
            MODULES="numpy",
        )
    for inputs in ("xarray-api.json,pandas-api.json", "xarray-api.json pandas-api.json"):
        run("record_api.combine_apis", cwd=tmp_path, INPUTS=inputs, OUTPUT="all_api.json")
    run("record_api.write_api", cwd=tmp_path, INPUT="all_api.json", OUTPUT="typing/")
    stub = (tmp_path / "typing" / "numpy.py").read_text()
    assert "usage.pandas: 1\n    usage.xarray: 1" in stub
    assert "def linspace(start: int, stop: int, num: int" in stub
    for file in (tmp_path / "typing").iterdir():
        ast.parse(file.read_text())
        exec(compile(file.read_text(), str(file), "exec"), {})


def test_plain_pytest_records_when_the_variables_are_set(tmp_path: Path) -> None:
    (tmp_path / "library.py").write_text((CORPUS / "library.py").read_text())
    (tmp_path / "test_it.py").write_text(
        "import library\nv = library.Vector(1)\ndef test_it():\n    assert v.scale(2)\n"
    )
    quiet = ("pytest", "-q", "-p", "no:cacheprovider")
    run(*quiet, cwd=tmp_path, OUTPUT_FILE="out.jsonl", TO_MODULES="library", FROM_MODULES="test_it")
    told = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert {line["location"].rpartition(":")[2] for line in told} == {"4"}
    (tmp_path / "out.jsonl").unlink()
    run(*quiet, cwd=tmp_path)
    assert not (tmp_path / "out.jsonl").exists()
