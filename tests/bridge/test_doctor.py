"""`bascule doctor` finds what would keep a service from working, says what to do, and changes nothing."""

from __future__ import annotations

import json
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bascule.bridge.doctor import Level, collisions, sockets
from bascule.bridge.doctor.findings import Pool

Doctor = Callable[..., dict[str, dict[str, str | None]]]


@pytest.fixture
def doctor(tmp_path: Path, runtime_folder: Path, nothing_left: None) -> Doctor:
    """Run it; the findings by subject, each with all remedies in one."""

    def look(*arguments: object, status: int = 0, before: str = "") -> dict[str, dict[str, str | None]]:
        command = [sys.executable, "-m", "bascule", "doctor", "--json", *map(str, arguments)]
        shell = ["bash", "-c", f"{before} exec {shlex.join(command)}"]
        told = subprocess.run(shell, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert told.returncode == status, told.stdout + told.stderr
        findings = json.loads(told.stdout)
        for one in findings:
            assert (one["remedy"] is None) == (one["level"] == "good"), one
        order = ["good", "note", "warning", "problem"]
        return {one["subject"]: one for one in sorted(findings, key=lambda one: order.index(one["level"]))}

    return look


def test_a_healthy_machine_has_no_problem(doctor: Doctor) -> None:
    found = doctor("json", "math")
    pool = ("python of pool default", "workers of pool default", "module json in pool default")
    for subject in ("bridge", *pool, "module math in pool default"):
        assert found[subject]["level"] == "good", found[subject]
    assert {"kernel", "descriptors", "processes", "pipes", "memory", "systemd", "runtime Erlang"} <= set(found)


def test_it_reads_like_a_report(runtime_folder: Path, nothing_left: None) -> None:
    command = [sys.executable, "-m", "bascule", "doctor", "no_such_module"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert "x module no_such_module in pool default: ModuleNotFoundError:" in told.stdout
    assert "    -> install it there" in told.stdout
    assert told.stdout.splitlines()[-1].startswith("1 problem")


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (None, "is not there"),
        ("#!/bin/sh\nexit 0\n", "does not run"),
        ("#!/bin/sh\necho broken >&2; exit 3\n", "does not run: broken"),
        ("#!/bin/sh\necho '[\"pypy\", 3, 10, 2, false]'\n", "is pypy 3.10.2"),
        ("#!/bin/sh\necho '[\"cpython\", 3, 8, 1, false]'\n", "is cpython 3.8.1"),
    ],
)
def test_an_interpreter_that_can_run_no_worker_is_found(
    script: str | None, said: str, doctor: Doctor, tmp_path: Path
) -> None:
    python = tmp_path / "python"
    if script is not None:
        python.write_text(script)
        python.chmod(0o755)
    finding = doctor("--python", python, "json", status=1)["python of pool default"]
    assert finding["level"] == "problem"
    assert said in str(finding["text"])


def test_an_interpreter_in_which_no_worker_starts_is_found(doctor: Doctor, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\ncase "$*" in *json*) exec {sys.executable} "$@";; esac\nexit 9\n')
    python.chmod(0o755)
    found = doctor("--python", python, "json", status=1)
    assert found["python of pool default"]["level"] == "good"
    assert found["workers of pool default"]["level"] == "problem"
    assert "none starts" in str(found["workers of pool default"]["text"])
    assert "module json in pool default" not in found


def test_modules_are_looked_for_where_the_pool_would(doctor: Doctor, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "mine.py").write_text("def f(): ...\nprint('noise')\n")
    (tmp_path / "src" / "raising.py").write_text("raise RuntimeError('no luck')\n")
    (tmp_path / "src" / "deadly.py").write_text("import os\nos.abort()\n")
    found = doctor("--path", tmp_path / "src", "deadly", "raising", "mine", status=1)
    assert "no luck" in str(found["module raising in pool default"]["text"])
    assert "did not end well" in str(found["module deadly in pool default"]["text"])
    assert "mine.py; offers 1 names" in str(found["module mine in pool default"]["text"])


def test_names_that_hide_others_are_found(tmp_path: Path) -> None:
    for name in ("a/random.py", "a/msgpack.py", "a/same.py", "b/same.py"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.touch()
    paths = tuple([str(tmp_path / name) for name in "abc"])
    found = {(one.level, one.text) for one in collisions.pool(Pool("default", sys.executable, paths=paths))}
    assert found == {
        (Level.PROBLEM, f"{tmp_path}/a/random hides the standard library's random from everything in the pool"),
        (Level.WARNING, f"{tmp_path}/a/msgpack hides the installed msgpack from the pool's code"),
        (Level.WARNING, f"{tmp_path}/b/same is never imported: {tmp_path}/a/same comes before it"),
        (Level.PROBLEM, f"{tmp_path}/c is no folder"),
    }
    (clean,) = collisions.pool(Pool("default", sys.executable, paths=(str(tmp_path / "b"),)))
    assert clean.level is Level.GOOD


def test_sockets_are_looked_at(runtime_folder: Path) -> None:
    def at(place: Path) -> tuple[Level, str]:
        *_, finding = sockets.check([place], [])
        return finding.level, finding.text

    stale = runtime_folder / "stale.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(stale))
    assert at(stale) == (Level.WARNING, "a socket was left behind: nobody listens")
    stale.unlink()
    assert at(stale) == (Level.NOTE, "nobody listens there")
    assert at(Path("/tmp") / ("x" * 120)) == (Level.PROBLEM, "the path has 125 bytes, and 107 is the most")
    plain = runtime_folder / "file"
    plain.touch()
    assert at(plain) == (Level.PROBLEM, "something that is no socket stands there")
    plain.unlink()
    assert at(runtime_folder / "new" / "b.sock")[0] is Level.GOOD
    open_to_all = runtime_folder / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    first, *_ = sockets.check([open_to_all / "b.sock"], [])
    assert (first.level, first.text) == (Level.PROBLEM, f"anybody may write in its folder {open_to_all}")


def test_an_address_that_is_taken_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        address = f"127.0.0.1:{busy.getsockname()[1]}"
        (taken,) = sockets.check([], [address])
    (free,) = sockets.check([], [address])
    (nowhere,) = sockets.check([], ["192.0.2.1:80"])
    assert [one.level for one in (taken, free, nowhere)] == [Level.WARNING, Level.GOOD, Level.PROBLEM]


def test_a_running_service_answers_it(doctor: Doctor, runtime_folder: Path) -> None:
    place = runtime_folder / "b.sock"
    command = [sys.executable, "-m", "bascule", "serve", "--workers", "1", "--socket", str(place)]
    service = subprocess.Popen(command, stderr=subprocess.PIPE)
    assert service.stderr is not None
    try:
        while b"listening" not in (line := service.stderr.readline()):
            assert line, "the service ended"
        assert doctor("--socket", place)[f"socket {place}"]["text"] == "a service answers"
    finally:
        service.terminate()
        service.communicate()


def test_a_configuration_is_looked_at_pool_by_pool(doctor: Doctor, tmp_path: Path) -> None:
    file = tmp_path / "good.toml"
    file.write_text(
        "[pools.one]\nsize = 1\npreload = ['json', 'no_such_module']\ninit = 'random:seed'\n"
        "[pools.two]\nsize = 3\nscheduler = 'no_such_module:choose'\n"
    )
    found = doctor("--config", file, status=1)
    assert found["configuration"]["level"] == "good"
    assert found["module json in pool one"]["level"] == "good"
    assert found["module no_such_module in pool one"]["level"] == "problem"
    assert found["module random in pool one"]["level"] == "good"
    assert found["python of pool two"]["level"] == "good"
    assert found["scheduler of pool two"]["level"] == "problem"
    assert "no_such_module" in str(found["scheduler of pool two"]["text"])


def test_a_configuration_that_is_wrong_is_a_finding_and_not_the_end(doctor: Doctor, tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text("[pools.one]\nsize = 'many'\n")
    found = doctor("--config", file, status=1)
    assert "bad.toml:2" in str(found["configuration"]["text"])
    assert found["python of pool default"]["level"] == "good"


def test_limits_that_are_too_low_are_found(doctor: Doctor) -> None:
    found = doctor(before="ulimit -n 200;")
    assert found["descriptors"]["level"] == "warning"
    assert "LimitNOFILE" in str(found["descriptors"]["remedy"])


def test_what_is_not_installed_is_a_note_and_no_problem(doctor: Doctor, tmp_path: Path) -> None:
    found = doctor(before=f"PATH={tmp_path}:{Path(sys.executable).parent};")
    assert found["runtime Erlang"]["level"] == "note"
    assert "apt-get install erlang-base" in str(found["runtime Erlang"]["remedy"])


def test_options_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bascule", "doctor", "--config", "x.toml", "--python", "python3"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == 2
    assert "--python and --path go without --config" in told.stderr
