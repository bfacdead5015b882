"""`make test` runs what failed once more, and hides nothing by it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TREE = Path(__file__).parent.parent
TESTS = """
import pathlib
import pytest

def test_good():
    pass

def test_unlucky():
    seen = pathlib.Path("seen")
    before = seen.exists()
    seen.touch()
    assert before, "the first time"
"""
BAD = """
def test_bad():
    assert False, "always"
"""
MANY = """
@pytest.mark.parametrize("number", range(21))
def test_of_many(number):
    assert pathlib.Path("seen").exists() and number < 0
"""


def run(folder: Path, source: str) -> tuple[int, str]:
    (folder / "test_these.py").write_text(source)
    arguments = [sys.executable, "-m", "tests.run", "--report=report.xml", "--jobs=0", "-p", "xdist", "test_these.py"]
    environment = {**os.environ, "PYTHONPATH": str(TREE), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        arguments, cwd=folder, env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    return done.returncode, done.stdout


def test_what_fails_once_is_named_and_does_not_fail_the_run(tmp_path: Path) -> None:
    status, output = run(tmp_path, TESTS)
    assert status == 0
    assert output.rstrip().endswith("test_these.py::test_unlucky")
    assert "deserves a look" in output
    assert 'failures="1"' in (tmp_path / "report.xml").read_text()


def test_what_fails_twice_fails_the_run(tmp_path: Path) -> None:
    status, output = run(tmp_path, TESTS + BAD)
    assert status == 1
    assert "always" in output
    assert "deserves a look" not in output


def test_many_failures_are_no_accident(tmp_path: Path) -> None:
    status, output = run(tmp_path, TESTS + MANY)
    assert status == 1
    assert "once more" not in output


def test_tests_that_can_not_be_read_fail_the_run(tmp_path: Path) -> None:
    assert run(tmp_path, "import nothing_of_that_name")[0] not in (0, 1)
