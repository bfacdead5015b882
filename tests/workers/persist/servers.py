"""Real servers for the stores that need one, each started once for a module's tests."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.ports import free_port

PATIENCE = 60.0  # seconds that a server has to start


@contextmanager
def running(command: list[str], port: int, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server process, once it takes connections."""
    with open(folder / f"{port}.log", "wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert process.poll() is None, (folder / f"{port}.log").read_text()
            assert time.monotonic() < deadline, f"{command[0]} takes no connections"
            time.sleep(0.02)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with running(command, port, folder):
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def mongodb_server(folder: Path) -> Iterator[int]:
    port = free_port()
    beside = Path(sys.executable).parent / "secantusd-py"
    command = [str(beside), "--port", str(port), "--host", "127.0.0.1", "--storage-path", str(folder / "secantus")]
    with running(command, port, folder):
        yield port


@contextmanager
def bascule_server(folder: Path, store: str) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "bascule", "cache", "serve", "--store", store, "--port", str(port)]
    with running(command, port, folder):
        yield f"mongodb+http://127.0.0.1:{port}/persist/"


@contextmanager
def eve_server(folder: Path, mongodb_port: int) -> Iterator[str]:
    port = free_port()
    program = Path(__file__).parent / "eve_server.py"
    with running([sys.executable, os.fspath(program), str(mongodb_port), str(port)], port, folder):
        yield f"mongodb+http://127.0.0.1:{port}/persist/"
