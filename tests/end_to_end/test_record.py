"""`bascule record`, from programs to stubs, as its users run it."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

CORPUS = Path(__file__).resolve().parents[1] / "workers" / "recorded"
ROOT = Path(__file__).resolve().parents[2]
RECORDED = [(3, 11), (3, 12), (3, 13)]
Interpreters = dict[tuple[int, int], str]


def bascule(*arguments: object, cwd: Path | None = None, check: bool = True, **env: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "bascule", "record", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **env}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if check:
        assert done.returncode == 0, done.stderr
    return done


def checked(folder: Path, *files: object) -> None:
    """mypy --strict is content."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--cache-dir",
            str(Path(tempfile.gettempdir()) / "bascule-tests-mypy"),
            *(map(str, files or [folder])),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def library(tmp_path: Path) -> Path:
    (tmp_path / "library.py").write_text((CORPUS / "library.py").read_text())
    (tmp_path / "app.py").write_text((CORPUS / "app.py").read_text())
    return tmp_path


def test_one_command_goes_from_a_program_to_stubs_that_mypy_and_stubtest_accept(library: Path) -> None:
    done = bascule("--to", "library", "--from", "app", "-o", "stubs", "--", "app.py", cwd=library)
    assert done.stdout == "1 231 2"
    stub = (library / "stubs" / "library.pyi").read_text()
    assert "def __radd__" in stub
    assert "usage.app: " in stub
    checked(library / "stubs")
    tested = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "library", "--ignore-missing-stub"],
        cwd=library,
        env={**os.environ, "MYPYPATH": str(library / "stubs"), "PYTHONPATH": str(library)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert tested.returncode == 0, tested.stdout


def test_the_steps_by_themselves_give_the_same(library: Path) -> None:
    bascule("run", "--to", "library", "--output", "trace.jsonl", "app.py", cwd=library)
    bascule("counts", "trace.jsonl", "-o", "grouped.jsonl", cwd=library)
    bascule("infer", "grouped.jsonl", "--label", "app", "--module", "library", "-o", "one.json", cwd=library)
    bascule("infer", "grouped.jsonl", "--label", "more", "--module", "library", "-o", "two.json", cwd=library)
    bascule("combine", "one.json", "two.json", "-o", "ab.json", cwd=library)
    bascule("combine", "two.json", "one.json", "one.json", "-o", "ba.json", cwd=library)
    assert (library / "ab.json").read_text() == (library / "ba.json").read_text()
    bascule("write", "ab.json", "-o", "stubs", cwd=library)
    assert "usage.app: 1\n    usage.more: 1" in (library / "stubs" / "library.pyi").read_text()
    checked(library / "stubs")
    bascule("report", "ab.json", "--html", "page.html", cwd=library)
    page = (library / "page.html").read_text()
    assert "Vector.scale()" in page
    assert "http" not in page
    table = bascule("report", "ab.json", "--top", "3", cwd=library).stdout
    assert "Vector.__iter__" in table


@pytest.mark.parametrize("version", RECORDED)
def test_a_pytest_run_is_recorded_with_a_python_that_knows_nothing_of_bascule(
    version: tuple[int, int], interpreters: Interpreters, library: Path
) -> None:
    if subprocess.run([interpreters[version], "-c", "import pytest"], capture_output=True, check=False).returncode:
        interpreters = {version: sys.executable}  # an interpreter without pytest: our own stands in for it
    (library / "test_app.py").write_text(
        "from library import Vector\nv = Vector(1)\ndef test_it():\n    assert v.scale(2)\n    assert (v + 1).x == 1\n"
    )
    trace = library / "trace.jsonl"
    bascule(
        *("pytest", "--from", "test_app", "--to", "library", "--python", interpreters[version], "-o", trace),
        *("--", "-q", "-p", "no:cacheprovider"),
        cwd=library,
    )
    told = {line["location"].rpartition(":")[2] for line in lines(trace)}
    assert told == {"4", "5"}


@pytest.mark.parametrize("version", RECORDED)
def test_a_killed_program_leaves_what_it_had_done(
    version: tuple[int, int], interpreters: Interpreters, library: Path
) -> None:
    (library / "endless.py").write_text(
        "import library, time\nlibrary.cached(1)\nprint('ready', flush=True)\ntime.sleep(600)\n"
    )
    trace = library / "trace.jsonl"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "bascule", "record", "run", "--to", "library", "-o", str(trace)),
            *("--python", interpreters[version], "endless.py"),
        ],
        cwd=library,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert select.select([process.stdout], [], [], 60)[0]
    assert process.stdout.readline() == b"ready\n"
    children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True)
    os.kill(int(children.stdout.split()[0]), signal.SIGKILL)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGKILL
    assert b"SIGKILL" in said
    assert any(line["function"]["v"] == {"module": "library", "name": "cached"} for line in lines(trace))


@pytest.mark.parametrize("version", RECORDED)
def test_children_of_every_kind_are_recorded_and_merged(
    version: tuple[int, int], interpreters: Interpreters, library: Path
) -> None:
    (library / "parent.py").write_text(
        "import multiprocessing, os, subprocess, sys\n"
        "import work\n"
        "if __name__ == '__main__':\n"
        "    if os.fork() == 0:\n"
        "        work.do('forked'); os._exit(0)\n"
        "    os.wait()\n"
        "    for method in ('fork', 'spawn'):\n"
        "        child = multiprocessing.get_context(method).Process(target=work.do, args=(method,))\n"
        "        child.start(); child.join()\n"
        "    subprocess.run([sys.executable, '-c', 'import work; work.do(\"started\")'], check=True)\n"
    )
    (library / "work.py").write_text("import library\ndef do(name):\n    return library.decorate(name)\n")
    trace = library / "trace.jsonl"
    bascule(
        *("run", "--to", "library", "--from", "work", "--python", interpreters[version], "-o", trace, "parent.py"),
        cwd=library,
    )
    told = {line["bound_params"]["pos_or_kw"][0][1] for line in lines(trace) if "bound_params" in line}
    assert told == {"forked", "fork", "spawn", "started"}
    assert not list(library.glob("*.part"))


def test_a_full_disk_ends_the_recording_and_not_the_program(library: Path) -> None:
    done = bascule("run", "--to", "library", "-o", "/dev/full", "app.py", cwd=library, check=False)
    assert done.returncode == 0
    assert done.stdout == "1 231 2"
    assert "/dev/full: No space left on device" in done.stderr


@pytest.mark.parametrize("version", RECORDED)
def test_two_recordings_in_one_process_are_refused(
    version: tuple[int, int], interpreters: Interpreters, tmp_path: Path
) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from bascule.workers.recording.errors import RecorderBusy\n"
        "from bascule.workers.recording.session import Recording, Wanted\n"
        "with Recording(Wanted('one.jsonl', ['json'], [])):\n"
        "    try:\n        Recording(Wanted('two.jsonl', ['json'], [])).start()\n"
        "    except RecorderBusy as error: print(error)\n"
    )
    done = subprocess.run([interpreters[version], "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "another recording runs in this process" in done.stdout


@pytest.mark.parametrize("version", [(3, 12), (3, 13)])
def test_a_slot_that_others_hold_is_told(version: tuple[int, int], interpreters: Interpreters, tmp_path: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "for tool in range(6): sys.monitoring.use_tool_id(tool, f'tool {tool}')\n"
        "from bascule.workers.recording.errors import RecorderBusy\n"
        "from bascule.workers.recording.session import Recording, Wanted\n"
        "try: Recording(Wanted('one.jsonl', ['json'], [])).start()\n"
        "except RecorderBusy as error: print(error)\n"
    )
    done = subprocess.run([interpreters[version], "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "every slot of sys.monitoring is taken, by tool 4" in done.stdout


def test_a_python_that_cannot_be_recorded_is_refused(interpreters: Interpreters, library: Path) -> None:
    done = bascule(
        *("run", "--to", "library", "--python", interpreters[(3, 10)], "-o", "trace.jsonl", "app.py"),
        cwd=library,
        check=False,
    )
    assert done.returncode == 2
    assert "recording needs CPython 3.11, 3.12, 3.13; this is cpython 3.10" in done.stderr


def test_damaged_lines_are_told_with_file_and_line_and_skipped_or_fatal(tmp_path: Path) -> None:
    good = {"location": "a.py:1", "function": {"t": "function", "v": {"module": "lib", "name": "f"}}, "params": {}}
    old = {**good, "version": 9}
    trace = tmp_path / "trace.jsonl"
    trace.write_text(f'{json.dumps(good)}\n[1]\nnot json\n{json.dumps(old)}\n{{"location": "a')
    done = bascule("counts", trace, "-o", tmp_path / "grouped.jsonl")
    assert f"{trace}:2: an object is wanted, found list (skipped)" in done.stderr
    assert f"{trace}:3: it is no JSON" in done.stderr
    assert f"{trace}:4: of a version not known here: it says version" in done.stderr
    assert f"{trace}:5: it is no JSON (the last line, cut short)" in done.stderr
    assert len(lines(tmp_path / "grouped.jsonl")) == 1
    fatal = bascule("counts", trace, "--strict", "-o", tmp_path / "grouped.jsonl", check=False)
    assert fatal.returncode == 1
    assert f"{trace}:2: an object is wanted" in fatal.stderr


def test_a_grouped_line_of_another_version_and_a_full_disk_are_told_by_name(tmp_path: Path) -> None:
    good = {"n": 1, "function": {"t": "function", "v": {"module": "lib", "name": "f"}}, "params": {}}
    grouped = tmp_path / "grouped.jsonl"
    grouped.write_text(f"{json.dumps(good)}\n{json.dumps({**good, 'version': 9})}\n")
    done = bascule("infer", grouped, "--label", "x", "-o", tmp_path / "api.json")
    assert f"{grouped}:2: " in done.stderr
    assert "of a version not known here: it says version (skipped)" in done.stderr
    full = bascule("infer", grouped, "--label", "x", "-o", "/dev/full", check=False)
    assert (full.returncode, "bascule record: /dev/full: No space left" in full.stderr) == (1, True)


def test_names_that_are_none_and_modules_that_are_gone_spoil_nothing(tmp_path: Path) -> None:
    rows = [
        {"function": {"t": "function", "v": {"module": "gone.lib", "name": name}}, "params": {}, "n": 1}
        for name in ("good", "class", "<lambda>", "a-b")
    ]
    (tmp_path / "grouped.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    bascule("infer", "grouped.jsonl", "--label", "x", "-o", "api.json", cwd=tmp_path)
    done = bascule("write", "api.json", "-o", "stubs", cwd=tmp_path)
    assert "gone.lib can't be imported" in done.stderr
    stub = (tmp_path / "stubs" / "gone" / "lib.pyi").read_text()
    assert "def good(" in stub
    assert "def class" not in stub
    checked(tmp_path / "stubs")


def test_a_target_of_which_nothing_was_seen_is_told(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("print(1)\n")
    done = bascule("--to", "no_such_lib", "-o", "stubs", "--", "app.py", cwd=tmp_path)
    assert "no use of no_such_lib was seen: is that its name?" in done.stderr
    assert "did you mean --from" in bascule("--form", "app", "--", "app.py", cwd=tmp_path, check=False).stderr
    assert (
        "bascule record: gone.jsonl: No such"
        in bascule("counts", "gone.jsonl", "-o", "g", cwd=tmp_path, check=False).stderr
    )


def test_a_name_that_cannot_be_a_modules_is_refused(tmp_path: Path) -> None:
    done = bascule("run", "--to", "no-name", "-o", "trace.jsonl", "x.py", cwd=tmp_path, check=False)
    assert (done.returncode, done.stderr.count("'no-name' can't be the name of a module")) == (2, 1)


@pytest.mark.parametrize(
    ("user", "target", "tests"),
    [
        ("networkx.algorithms.tests", "networkx", "networkx.algorithms.tests.test_cluster"),
        ("numpy.lib.tests", "numpy", "numpy.lib.tests.test_shape_base"),
    ],
)
def test_the_test_run_of_a_real_package_becomes_stubs_that_mypy_accepts(
    user: str, target: str, tests: str, tmp_path: Path
) -> None:
    done = bascule(
        *("--from", user, "--to", target, "-o", "stubs", "--api", "api.json"),
        *("--", "pytest", "--pyargs", tests, "-q", "-p", "no:cacheprovider"),
        cwd=tmp_path,
    )
    assert "passed" in done.stdout
    api = json.loads((tmp_path / "api.json").read_text())
    assert target in api["modules"]
    assert sum(len(module.get("functions", {})) for module in api["modules"].values()) > 5
    checked(tmp_path / "stubs")
