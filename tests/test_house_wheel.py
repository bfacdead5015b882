"""A wheel built from the tree, installed where nothing else is, runs every command and knows its files."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import bascule

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = ("serve", "pod", "port", "call", "map", "cache", "sketch", "path", "doctor", "completion", "man")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and what its metadata declares, and nothing else: no tree, no network."""
    environment = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(environment / "bin" / "python")]
    subprocess.run([*pip, "install", "-q", "--no-deps", "--no-index", str(wheel)], check=True)
    lend(environment, dependencies_of("bascule"))
    return environment


def lend(environment: Path, names: set[str]) -> None:
    """Let an environment see distributions of the one that the tests run in."""
    packages = next((environment / "lib").glob("python3.*/site-packages"))
    for name in names:
        for file in importlib.metadata.distribution(name).files or ():
            top = packages / file.parts[0]
            if file.parts[0] != ".." and not top.is_symlink() and not top.exists():
                top.symlink_to(Path(str(importlib.metadata.distribution(name).locate_file(file.parts[0]))))


def dependencies_of(name: str) -> set[str]:
    """All that `name` declares to need at run time, and what that needs in turn."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for line in importlib.metadata.requires(waiting.pop()) or ():
            requirement = Requirement(line)
            if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
                continue
            if requirement.name not in found:
                found.add(requirement.name)
                waiting.append(requirement.name)
    return found


def run(environment: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # Not from the tree, and without what the tests' own environment says.
    outside = {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    command = [str(environment / "bin" / arguments[0]), *arguments[1:]]
    return subprocess.run(command, cwd=environment, env=outside, capture_output=True, text=True, check=False)


def test_the_wheel_holds_the_package_and_the_shipped_files_and_claims_no_other_name(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    about = f"bascule-{bascule.__version__}"
    assert {name.split("/")[0] for name in names} == {"bascule", f"{about}.dist-info", f"{about}.data"}
    assert [name for name in names if name.startswith(f"{about}.data/")] == [f"{about}.data/scripts/bascule"]
    assert "bascule/workers/__init__.py" in names
    assert "bascule/deploy/systemd/bascule.service" in names
    assert any(name.startswith("bascule/deploy/erlang/py/src/") for name in names)
    assert not [name for name in names if name.endswith((".pyc", ".beam"))]
    assert f"bascule-{bascule.__version__}.dist-info/licenses/LICENSE" in names


def test_the_installed_package_is_the_wheels_own(installed: Path) -> None:
    told = run(installed, "python", "-c", "import bascule; print(bascule.__file__)")
    assert told.stdout.startswith(str(installed)), told


def test_every_command_explains_itself(installed: Path) -> None:
    told = run(installed, "bascule", "--version")
    assert (told.returncode, told.stdout.strip()) == (0, f"bascule {bascule.__version__}"), told
    overview = run(installed, "bascule", "--help").stdout
    for command in COMMANDS:
        assert re.search(rf"^\s+{command}\b", overview, re.MULTILINE), overview
        told = run(installed, "bascule", command, "--help")
        assert told.returncode == 0, told
        assert told.stdout.startswith(f"usage: bascule {command}"), told


def test_a_call_is_answered_by_the_installed_wheel(installed: Path, runtime_folder: Path, nothing_left: None) -> None:
    environment = dict(os.environ, PATH=f"{installed / 'bin'}:{os.environ['PATH']}")
    command = [str(installed / "bin" / "bascule"), "serve", "--workers", "1"]
    service = subprocess.Popen(command, cwd=installed, env=environment, stderr=subprocess.PIPE)
    try:
        assert service.stderr is not None
        while b"listening" not in (line := service.stderr.readline()):
            assert line, "the service ended"
        told = run(installed, "bascule", "call", "math:pow", "2", "16")
        assert (told.returncode, told.stdout.strip()) == (0, "65536.0"), told
    finally:
        service.terminate()
        service.communicate()


def test_plain_pytest_finds_the_recorder_of_the_wheel(installed: Path, tmp_path: Path) -> None:
    lend(installed, {"pytest", *dependencies_of("pytest")})
    (tmp_path / "test_it.py").write_text("import json\ndef test_it():\n    assert json.dumps([]) == '[]'\n")
    trace = tmp_path / "trace.jsonl"
    told = run(
        *(installed, "python", "-m", "pytest", "-q", str(tmp_path), "--bascule-record", str(trace)),
        *("--bascule-record-to", "json", "--bascule-record-from", "test_it"),
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert '"name":"dumps"' in trace.read_text()


@pytest.mark.parametrize("name", ["compat", "erlang", "systemd"])
def test_path_prints_where_shipped_files_are_in_the_tree_and_installed(name: str, installed: Path) -> None:
    told = run(installed, "bascule", "path", name)
    assert told.returncode == 0, told
    folder = Path(told.stdout.rstrip("\n"))
    assert folder.is_dir()
    assert folder.is_relative_to(installed)
    in_tree = subprocess.run(
        [sys.executable, "-c", "from bascule.bridge.cli.main import main; raise SystemExit(main())", "path", name],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert in_tree.stdout == f"{ROOT / 'deploy' / name}\n"


def test_path_says_what_there_is_when_asked_for_something_else(installed: Path) -> None:
    told = run(installed, "bascule", "path", "cobol")
    assert told.returncode == 1
    assert told.stdout == ""
    assert "nothing is shipped for 'cobol'" in told.stderr
    folders = sorted(folder.name for folder in (ROOT / "deploy").iterdir() if folder.is_dir())
    assert ", ".join(folders) in told.stderr
    listing = run(installed, "bascule", "path")
    assert listing.returncode == 0
    assert [line.split()[0] for line in listing.stdout.splitlines()] == folders


def test_the_systemd_unit_starts_the_service() -> None:
    unit = (ROOT / "deploy" / "systemd" / "bascule.service").read_text()
    (command,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    assert command.endswith("/bin/bascule serve")
