"""`pytest --bascule-record` and `bascule record pytest`: what tests do, in one process and in several."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CORPUS = Path(__file__).resolve().parents[1] / "workers" / "recorded"
PLUGIN = "bascule.workers.recording.plugin"
QUIET = ("-q", "-p", "no:cacheprovider")
TESTS = """\
import pytest
from library import Vector

@pytest.fixture
def vector():
    return Vector(1)

@pytest.mark.parametrize("by", [2, 3])
def test_it(vector, by):
    assert vector.scale(by)

def test_more(vector):
    assert (vector + 1).x == 1
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "library.py").write_text((CORPUS / "library.py").read_text())
    (tmp_path / "test_it.py").write_text(TESTS)
    return tmp_path


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", *QUIET, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def places(folder: Path, name: str = "trace.jsonl") -> set[str]:
    told = [json.loads(line) for line in (folder / name).read_text().splitlines()]
    return {line["location"].rpartition(":")[2] for line in told}


RECORDED = ("--bascule-record", "trace.jsonl", "--bascule-record-to", "library", "--bascule-record-from", "test_it")


def test_pytest_records_what_tests_do_and_nothing_else(folder: Path) -> None:
    done = run_pytest(folder, *RECORDED, "-W", "error")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len((folder / 'trace.jsonl').read_text().splitlines())} lines in " in done.stdout
    assert places(folder) == {"10", "13"}


@pytest.mark.parametrize("way", ["option", "command"])
def test_the_processes_of_pytest_xdist_are_recorded_alike(way: str, folder: Path) -> None:
    parallel = ("-n", "2", "-W", "error")
    if way == "option":
        done = run_pytest(folder, *RECORDED, *parallel)
    else:
        command = [sys.executable, "-m", "bascule", "record", "pytest", "--to", "library", "--from", "test_it"]
        command += ["-o", "trace.jsonl", "--", *QUIET, *parallel]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Error" not in done.stdout + done.stderr
    assert places(folder) == {"10", "13"}
    assert not list(folder.glob("*.part"))


def test_unasked_the_plugin_changes_and_imports_nothing(folder: Path) -> None:
    (folder / "test_it.py").write_text(
        "import sys\n"
        f"def test_it(pytestconfig):\n    assert pytestconfig.pluginmanager.get_plugin({PLUGIN!r})\n"
        "    ours = {name for name in sys.modules if name.startswith('bascule.')}\n"
        "    parts = ('workers', 'workers.recording', 'workers.recording.plugin', 'workers.recording.errors')\n"
        "    assert ours == {f'bascule.{part}' for part in parts}\n"
    )
    done = run_pytest(folder, "-W", "error")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not list(folder.glob("*.jsonl"))
    without = run_pytest(folder, "-p", f"no:{PLUGIN}", "--bascule-record", "trace.jsonl")
    assert "unrecognized arguments: --bascule-record" in without.stderr


def test_what_cannot_be_recorded_is_a_usage_error(folder: Path) -> None:
    wrong = {
        ("--bascule-record-to", "library"): "say where the trace goes: --bascule-record FILE",
        ("--bascule-record", "trace.jsonl"): "nothing to record: name at least one module",
        ("--bascule-record", "trace.jsonl", "--bascule-record-to", "library"): "no module whose use is to be recorded",
        (*RECORDED, "--bascule-record-to", "a-b"): "'a-b' can't be the name of a module",
        (*RECORDED, "--bascule-record", "gone/t.jsonl"): "gone/t.jsonl: the trace can't be written: No such file",
    }
    for arguments, message in wrong.items():
        done = run_pytest(folder, *arguments)
        assert done.returncode == pytest.ExitCode.USAGE_ERROR, done.stdout
        assert message in done.stderr
        assert "Traceback" not in done.stderr


def test_a_second_recording_in_the_process_is_refused(folder: Path) -> None:
    told = {"PYTHON_RECORD_API_OUTPUT_FILE": "old.jsonl", "PYTHON_RECORD_API_TO_MODULES": "library"}
    compat = Path(__file__).resolve().parents[2] / "deploy" / "compat"
    environment = {**os.environ, **told, "PYTHON_RECORD_API_FROM_MODULES": "test_it", "PYTHONPATH": str(compat)}
    command = [sys.executable, "-m", "pytest", *QUIET, *RECORDED]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "bascule record: another recording runs in this process; end it first" in done.stderr
