"""The OTP application `py` on real nodes: its suites, compiled and run as its users compile and run it.

The promises themselves are the tests in deploy/erlang/py/test: eunit suites, each in a node of its own, and a
common_test suite for what several nodes do together. What fails is reported here with the names and reasons that they
give. Dialyzer finds nothing to say, edoc makes its pages, and rebar3 compiles the application with no network.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.ports import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
APPLICATION = ROOT / "deploy" / "erlang" / "py"
pytestmark = pytest.mark.timeout(600)  # a suite each, and the first one compiles them
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
        timeout=400,
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


@contextmanager
def _name_server() -> Iterator[int]:
    """A port mapper of our own, on the loopback interface: nobody else's nodes are found there."""
    while True:
        port = free_port()
        process = subprocess.Popen(["epmd", "-address", "127.0.0.1", "-port", str(port)])
        if _serves(process, port):
            break
    try:
        yield port
    finally:
        process.kill()
        process.wait()


def _serves(process: subprocess.Popen[bytes], port: int) -> bool:
    """Once it can be asked; not if it has ended, as it does where somebody else was quicker to take the port."""
    while process.poll() is None:
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            return True
        time.sleep(0.01)
    return False


def test_several_nodes_work_together(
    ebin: Path, tmp_path: Path, runtime_folder: Path, nothing_left: None, needs: Callable[..., None]
) -> None:
    needs("ct_run", "epmd")
    logs = tmp_path / "logs"
    logs.mkdir()
    with _name_server() as port:
        command = ["ct_run", "-noshell", "-no_auto_compile", "-name", "py_tests@127.0.0.1", "-setcookie", "py_tests"]
        command += ["-pa", str(ebin), "-dir", str(ebin), "-suite", "py_cluster_SUITE", "-logdir", str(logs)]
        run = subprocess.run(
            command,
            env={**_environment(tmp_path), "ERL_EPMD_PORT": str(port), "ERL_AFLAGS": "-start_epmd false"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
    counts = re.search(r"TEST COMPLETE, (\d+) ok, (\d+) failed(?:, (\d+) skipped)? of", run.stdout)
    assert counts, run.stdout + run.stderr
    assert int(counts[1]) > 0
    assert (counts[2], counts[3] or "0") == ("0", "0"), run.stdout[-8000:]
    assert run.returncode == 0


# Of the applications that ours uses, the modules that it calls: a table of all of them takes minutes to make.
_USED = {
    "erts": ["counters", "erlang", "erts_internal", "init"],
    "stdlib": [
        *(
            "binary",
            "ets",
            "filename",
            "gen_server",
            "io",
            "io_lib",
            "lists",
            "maps",
            "proc_lib",
            "proplists",
        ),
        *("rand", "string", "supervisor", "sys", "timer", "unicode", "gen", "filelib", "math"),
    ],
    "kernel": ["application", "code", "erpc", "file", "logger", "net_adm", "os", "pg"],
}


def test_dialyzer_has_nothing_to_say(ebin: Path, tmp_path: Path, needs: Callable[..., None]) -> None:
    needs("dialyzer")
    table = _table_of_types(tmp_path)
    sources = sorted(map(str, APPLICATION.glob("src/*.erl")))
    flags = ["-Wunmatched_returns", "-Werror_handling"]
    told = subprocess.run(
        ["dialyzer", "--plt", str(table), *flags, "--src", *sources], capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stdout + told.stderr


def _table_of_types(home: Path) -> Path:
    """What dialyzer knows of OTP, made once for each OTP and kept below build/."""
    ask = 'io:format("~s ~s", [code:lib_dir(), erlang:system_info(version)]), halt().'
    told = subprocess.run(["erl", "-noshell", "-eval", ask], capture_output=True, text=True, check=True).stdout
    folder, version = told.rsplit(" ", 1)
    beams = []
    for application, modules in _USED.items():
        for module in modules:
            beams += sorted(Path(folder).glob(f"{application}-*/ebin/{module}.beam"))
    name = hashlib.sha256("\n".join([version, *map(str, beams)]).encode()).hexdigest()[:12]
    table = ROOT / "build" / f"otp-{name}.plt"
    if not table.exists():
        table.parent.mkdir(exist_ok=True)
        draft = home / "draft.plt"
        made = subprocess.run(
            ["dialyzer", "--build_plt", "--output_plt", str(draft), *map(str, beams)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert draft.exists(), made.stdout + made.stderr
        shutil.move(draft, table)
    return table


def test_its_pages_are_made_without_a_complaint(tmp_path: Path, needs: Callable[..., None]) -> None:
    needs("erl")
    sources = ", ".join(f'"{path}"' for path in sorted(APPLICATION.glob("src/py*.erl")))
    make = f'edoc:files([{sources}], [{{dir, "{tmp_path}"}}, {{includes, ["{APPLICATION / "src"}"]}}]), halt().'
    made = subprocess.run(["erl", "-noshell", "-eval", make], capture_output=True, text=True, timeout=400, check=False)
    assert (made.returncode, made.stdout, made.stderr) == (0, "", "")
    assert "py_down" in (tmp_path / "py_monitor.html").read_text()


def test_rebar3_compiles_it_without_a_network(tmp_path: Path, needs: Callable[..., None]) -> None:
    needs("rebar3")
    project = tmp_path / "py"
    shutil.copytree(APPLICATION, project)
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "http_proxy": "http://127.0.0.1:9",
        "https_proxy": "http://127.0.0.1:9",
    }
    built = subprocess.run(
        ["rebar3", "compile"], cwd=project, env=environment, capture_output=True, text=True, timeout=400, check=False
    )
    assert built.returncode == 0, built.stdout + built.stderr
    (application,) = project.glob("_build/default/lib/py/ebin/py.app")
    assert "py_cluster" in application.read_text()
