"""`bascule-erlport` behind a real Erlang node: the suites in tests/end_to_end/erlport, each of their tests by name.

The Erlang side is a driver of our own that speaks ErlPort's wire. Where ERLPORT_EBIN names the ebin folder of ErlPort
itself, its unmodified modules are used instead.
"""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent / "erlport"
SUITES = ("erlport_api_tests", "erlport_fault_tests")
NAME = re.compile(r"^(\w+)_test_?\(\)", re.MULTILINE)
TESTS = [(suite, name) for suite in SUITES for name in NAME.findall((FOLDER / f"{suite}.erl").read_text())]

Results = dict[str, list[tuple[str, str]]]
"""Test -> (description, why it failed) of each of its parts."""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, needs: Callable[..., None]) -> Callable[[str], Results]:
    """What came of a suite, which is run when the first of its tests asks."""
    needs("erl", "erlc")
    own = os.environ.get("ERLPORT_EBIN")
    assert not own or (Path(own) / "python.beam").exists(), f"ERLPORT_EBIN names {own}, which has no python.beam"
    folder = tmp_path_factory.mktemp("erlport")
    compiled = subprocess.run(
        ["erlc", "-Werror", "+debug_info", "-o", str(folder), *map(str, sorted(FOLDER.glob("*.erl")))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert compiled.returncode == 0, compiled.stdout + compiled.stderr
    return functools.cache(lambda suite: run(suite, folder))


def run(suite: str, folder: Path) -> Results:
    """One suite in a node of its own."""
    paths = [str(folder), *filter(None, [os.environ.get("ERLPORT_EBIN")])]
    # eunit's own limit of five seconds a test is for a machine that has nothing else to do
    names = [name for of, name in TESTS if of == suite]
    text = (FOLDER / f"{suite}.erl").read_text()
    tests = [
        f"{{generator, {suite}, {name}_test_}}"
        if f"{name}_test_()" in text
        else f"{{timeout, 120, {{{suite}, {name}_test}}}}"
        for name in names
    ]
    go = (
        f'eunit:test({{"{suite}", [{", ".join(tests)}]}}, [{{report, {{eunit_surefire, [{{dir, "{folder}"}}]}}}}]),'
        " init:stop()."
    )
    environment = {
        **os.environ,
        "BASCULE_ERLPORT": str(Path(sys.executable).parent / "bascule-erlport"),
        "ERLPORT_FIXTURES": str(FOLDER / "python"),
        "HOME": str(folder),
    }
    node = subprocess.run(
        ["erl", "-noshell", "-noinput", "-pa", *paths, "-eval", go],
        env=environment,
        capture_output=True,
        text=True,
        timeout=580,
        check=False,
    )
    report = folder / f"TEST-{suite}.xml"
    assert report.exists(), f"{suite} did not come to its end\n{node.stdout}\n{node.stderr}"
    found: Results = {}
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        named = re.search(r"(\w+)_test_?(?!\w)", case.get("name", ""))
        assert named is not None, case.attrib
        why = "\n".join((each.text or "") for each in case if each.tag in ("failure", "error", "skipped"))
        found.setdefault(named[1], []).append((case.get("name", ""), f"{why}\n{node.stderr[-4000:]}" if why else ""))
    return found


@pytest.mark.timeout(600)  # the first one runs the whole suite
@pytest.mark.parametrize(("suite", "name"), TESTS)
def test_the_drop_in_keeps_its_promise(suite: str, name: str, results: Callable[[str], Results]) -> None:
    parts = results(suite).get(name, [])
    assert parts, f"{name} did not run: {sorted(results(suite))}"
    failed = [f"{description}\n{why}" for description, why in parts if why]
    assert not failed, "\n\n".join(failed)
