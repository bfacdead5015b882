"""A folder of its own for each test of `persist`, which is also the working folder, and the drop-in on the path."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
COMPAT = ROOT / "deploy" / "compat"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache-home"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data-home"))
    return tmp_path


@pytest.fixture
def drop_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(COMPAT))
    for name in [each for each in sys.modules if each.partition(".")[0] == "pypersist"]:
        monkeypatch.delitem(sys.modules, name)


Program = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Runs a program text in a process of its own, in the test's folder."""

    def run(text: str, *arguments: str, executable: str = sys.executable, **environment: str) -> object:
        (tmp_path / "program.py").write_text(text)
        told = subprocess.run(
            [executable, "program.py", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(COMPAT)]), **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert told.returncode == 0, told.stderr
        return told

    return run  # type: ignore[return-value]
