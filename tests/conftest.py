"""What all tests share: foreign runtimes, a private place for sockets and files, and a watch for what is left behind.

Fixtures:
    needs: `needs("erl", "erlc")` fails under CI=true when a foreign runtime is missing, and skips elsewhere.
    interpreters: the CPythons found on this machine through PATH, pyenv and uv, oldest first:
        `{(3, 9): "/usr/bin/python3.9", ...}`; asking for one that is missing fails under CI=true, and skips elsewhere.
    runtime_folder: a short-named folder that is XDG_RUNTIME_DIR and TMPDIR for the test and whatever it starts; empty
        at the end, or the test fails.
    nothing_left: fails the test when a process that it started, however indirectly, or a descriptor outlives it.

The longer sweeps of `make soak` set BASCULE_SOAK=1: hypothesis then tries far more, tests marked `soak` run, and
`soak_factor` (1 otherwise) multiplies counts.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

SOAK = os.environ.get("BASCULE_SOAK") == "1"
ROOT = Path(__file__).resolve().parent.parent
GONE_WITHIN = 30.0  # seconds that a process or a descriptor has to disappear once the test is over

_SLOW = [hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.function_scoped_fixture]
hypothesis.settings.register_profile("usual", deadline=None, suppress_health_check=_SLOW)
hypothesis.settings.register_profile("soak", deadline=None, suppress_health_check=_SLOW, max_examples=5_000)
hypothesis.settings.load_profile("soak" if SOAK else "usual")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if SOAK:
        return
    for item in items:
        if item.get_closest_marker("soak"):
            item.add_marker(pytest.mark.skip(reason="a longer sweep: make soak"))


@pytest.fixture(scope="session")
def soak_factor() -> int:
    return 50 if SOAK else 1


def require(*commands: str) -> None:
    """Stop the test when one of `commands` is not installed: a failure under CI=true, a skip elsewhere."""
    missing = [command for command in commands if shutil.which(command) is None]
    if not missing:
        return
    message = f"not installed: {', '.join(missing)} (`make test` as root installs what the tests need)"
    if os.environ.get("CI") == "true":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


@pytest.fixture(scope="session")
def needs() -> Callable[..., None]:
    return require


class Interpreters(dict[tuple[int, int], str]):
    """CPythons by version."""

    def __missing__(self, version: tuple[int, int]) -> str:
        wanted = ".".join(map(str, version))
        message = f"no CPython {wanted} found on PATH, in ~/.pyenv or in uv's folder: `pyenv install {wanted}` gets one"
        if os.environ.get("CI") == "true":
            pytest.fail(message, pytrace=False)
        pytest.skip(message)


@pytest.fixture(scope="session")
def interpreters() -> dict[tuple[int, int], str]:
    candidates = [sys.executable]
    for minor in range(9, 15):
        name = f"python3.{minor}"
        if found := shutil.which(name):
            candidates.append(found)
        candidates += [str(path) for path in sorted(Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python"))]
        uv = Path(os.environ.get("UV_PYTHON_INSTALL_DIR", Path.home() / ".local" / "share" / "uv" / "python"))
        candidates += [str(path) for path in sorted(uv.glob(f"cpython-3.{minor}.*/bin/python3"))]
    found_ones: dict[tuple[int, int], str] = {}
    ask = "import sys; print(*sys.version_info[:2]) if sys.implementation.name == 'cpython' else None"
    for candidate in candidates:
        told = subprocess.run([candidate, "-I", "-c", ask], capture_output=True, text=True, check=False)
        if told.returncode == 0 and told.stdout.strip():
            major, minor_text = told.stdout.split()
            found_ones.setdefault((int(major), int(minor_text)), candidate)
    return Interpreters(sorted(found_ones.items()))


@pytest.fixture
def runtime_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    # Not under tmp_path: a Unix socket's path has at most 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="bsc-", dir="/tmp"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.delenv("BASCULE_SOCKET", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", None)
    try:
        yield folder
        deadline = time.monotonic() + GONE_WITHIN
        while left := _files_below(folder):
            if time.monotonic() > deadline:
                pytest.fail(f"files left behind: {', '.join(left)}", pytrace=False)
            time.sleep(0.01)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _files_below(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in sorted(folder.rglob("*")) if not path.is_dir()]


@pytest.fixture
def nothing_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # Whatever a test starts inherits its environment, in a session of its own or with another parent as well.
    mark = f"BASCULE_TEST={uuid.uuid4().hex}"
    monkeypatch.setenv(*mark.split("="))
    descriptors_before = _descriptors()
    yield
    deadline = time.monotonic() + GONE_WITHIN
    while True:
        processes = _processes_with(mark.encode())
        descriptors = {fd: to for fd, to in _descriptors().items() if descriptors_before.get(fd) != to}
        if not processes and not descriptors:
            return
        if time.monotonic() > deadline:
            for pid in processes:  # so that they disturb no other test
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            pytest.fail(f"left behind: processes {processes}, descriptors {descriptors}", pytrace=False)
        time.sleep(0.01)


def _descriptors() -> dict[int, str]:
    """The descriptors of this process and what each is open on."""
    found: dict[int, str] = {}
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found[int(entry.name)] = str(entry.readlink())
        except OSError:
            continue  # the one that listed the folder
    return found


def _processes_with(mark: bytes) -> dict[int, str]:
    """Every process that was started with `mark` in its environment, and our own children that nobody reaped."""
    found: dict[int, str] = {}
    me = os.getpid()
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == me:
            continue
        try:
            state, parent = (process / "stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
            if state == "Z":
                if int(parent) == me:
                    found[int(process.name)] = "a zombie, not reaped"
            elif mark in (process / "environ").read_bytes().split(b"\0"):
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ")
                found[int(process.name)] = command.decode(errors="replace").strip()[:200]
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found
