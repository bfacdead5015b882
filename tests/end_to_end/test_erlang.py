"""The OTP application `py` on a real node: its eunit suites, compiled and run as its users compile and run it.

The promises themselves are the tests in deploy/erlang/py/test. Each suite runs in a node of its own; what fails is
reported here with the names and reasons that eunit gives.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
APPLICATION = ROOT / "deploy" / "erlang" / "py"
SUITES = sorted(path.stem for path in (APPLICATION / "test").glob("*_tests.erl"))


@pytest.fixture(scope="module")
def ebin(tmp_path_factory: pytest.TempPathFactory, needs: Callable[..., None]) -> Path:
    needs("erl", "erlc")
    folder = tmp_path_factory.mktemp("py") / "ebin"
    folder.mkdir()
    sources = [*sorted(APPLICATION.glob("src/*.erl")), *sorted(APPLICATION.glob("test/*.erl"))]
    compiled = subprocess.run(
        ["erlc", "-Werror", "+debug_info", "-o", str(folder), *map(str, sources)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert compiled.returncode == 0, compiled.stdout + compiled.stderr
    shutil.copy(APPLICATION / "src" / "py.app.src", folder / "py.app")
    return folder


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.usefixtures("runtime_folder", "nothing_left")
def test_the_erlang_application_keeps_its_promises(suite: str, ebin: Path, tmp_path: Path) -> None:
    run = f'eunit:test({suite}, [{{report, {{eunit_surefire, [{{dir, "{tmp_path}"}}]}}}}]), init:stop().'
    node = subprocess.run(
        ["erl", "-noshell", "-noinput", "+Bd", "-pa", str(ebin), "-eval", run],
        env=_environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    report = tmp_path / f"TEST-{suite}.xml"
    assert report.exists(), f"the suite did not come to its end\n{node.stdout}\n{node.stderr}"
    results = ElementTree.parse(report).getroot()
    failed = [_told(case) for case in results.iter("testcase") if _reasons(case)]
    assert not failed, "\n\n".join([*failed, node.stderr])
    assert int(results.get("tests", "0")) > 0
    assert results.get("cancelled", "0") == "0", f"{node.stdout}\n{node.stderr}"


def _environment(folder: Path) -> dict[str, str]:
    """`bascule` of this very environment first on PATH, as after `pip install`."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PY_TEST_FOLDER": str(folder), "HOME": str(folder)}
    environment.pop("BASCULE", None)
    return environment


def _reasons(case: ElementTree.Element) -> list[ElementTree.Element]:
    return [each for each in case if each.tag in ("failure", "error", "skipped")]


def _told(case: ElementTree.Element) -> str:
    reasons = "\n".join(each.text or "" for each in _reasons(case))
    return f"{case.get('name')}\n{reasons.strip()}"
