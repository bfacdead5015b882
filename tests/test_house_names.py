"""Only `bascule` is claimed: a user's own packages `bridge`, `protocols` and `workers` are his."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOMS = ("bridge", "protocols", "workers")

BESIDE_THE_CLIENT = """
import bridge, protocols, workers
import bascule
with bascule.connect() as client:
    assert client.call("math:pow", 2, 16) == 65536.0
    for module in (bridge, protocols, workers):
        assert client.call(module.__name__ + ":whose") == module.whose() == "the user's " + module.__name__
    made = client.object("workers:Made", 3)
    assert (made.number, type(made).__name__) == (3, "Proxy")
print("right")
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose packages have the rooms' names."""
    for room in ROOMS:
        (tmp_path / room).mkdir()
        code = f'def whose():\n    return "the user\'s {room}"\n\nclass Made:\n    def __init__(self, number):\n'
        (tmp_path / room / "__init__.py").write_text(f"{code}        self.number = number\n")
    return tmp_path


@pytest.fixture
def service(project: Path, nothing_left: None, runtime_folder: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "bascule", "serve", "--workers", "1", "--path", str(project)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    assert process.stderr is not None
    while b"listening" not in (line := process.stderr.readline()):
        assert line, "the service ended"
    yield
    process.terminate()
    process.communicate()


def test_a_users_packages_with_the_rooms_names_work_in_workers_and_beside_the_client(
    project: Path, service: None
) -> None:
    environment = dict(os.environ, PYTHONPATH=str(project))
    command = [sys.executable, "-c", BESIDE_THE_CLIENT]
    told = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert told.stdout == "right\n", told.stderr


def test_a_users_packages_with_the_rooms_names_do_not_disturb_the_bridge(project: Path) -> None:
    environment = dict(os.environ, PYTHONPATH=str(project))
    command = [sys.executable, "-m", "bascule", "path", "systemd"]
    told = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
