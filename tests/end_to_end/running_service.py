"""A real `bascule serve` for tests: its process, its socket, its log."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bascule
from bascule.bridge.client.blocking import Client

READY_WITHIN = 60.0  # seconds: how long we wait before the test fails, not how long it should take


class Service:
    """One `bascule serve`."""

    def __init__(self, folder: Path, *options: str, workers: int = 2) -> None:
        self.socket = folder / "b.sock"
        self._log = folder / "serve.log"
        command = [sys.executable, "-m", "bascule", "serve", "--socket", str(self.socket)]
        if "--config" not in options:
            command += ["--workers", str(workers)]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen([*command, *options], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._await_socket()

    def _await_socket(self) -> None:
        deadline = time.monotonic() + READY_WITHIN
        while True:
            with socket.socket(socket.AF_UNIX) as probe:
                try:
                    probe.connect(str(self.socket))
                    return
                except OSError:
                    pass
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the service did not start:\n{self.log()}")
            time.sleep(0.01)

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def client(self) -> Client:
        return bascule.connect(str(self.socket))

    def stop(self) -> int:
        """End it in good order."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(READY_WITHIN)
        finally:
            self.process.kill()
            self.process.wait()
            self._log.unlink(missing_ok=True)

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.process.wait()


def alive(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_gone(pid: int, seconds: float = READY_WITHIN) -> bool:
    """Wait until a process is gone; whether it is."""
    deadline = time.monotonic() + seconds
    while alive(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def parent_of(pid: int) -> int:
    """The parent's pid; 0 when the process is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def descendants(pid: int) -> list[int]:
    """The living children of a process, and theirs."""
    found: list[int] = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            child = int(process.name)
            if parent_of(child) == pid and alive(child):
                found += [child, *descendants(child)]
    return found


class Terminal:
    """A pseudo-terminal whose reader keeps up with whoever writes to it.

    Attributes:
        theirs: The descriptor to write to. It is closed by `drawn`.
    """

    def __init__(self) -> None:
        self._ours, self.theirs = os.openpty()
        self._shown = bytearray()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # that is how the end of a terminal shows
            while data := os.read(self._ours, 1 << 16):
                self._shown += data

    def drawn(self) -> str:
        """All that was written, once every writer has closed it."""
        os.close(self.theirs)
        self._reader.join(READY_WITHIN)
        assert not self._reader.is_alive(), "somebody has the terminal open"
        os.close(self._ours)
        return self._shown.decode()


@contextmanager
def own_service(*options: str) -> Iterator[Service]:
    """One with a folder of its own, which ends in good order."""
    with tempfile.TemporaryDirectory(prefix="bsc-", dir="/tmp") as folder:  # a short name: a socket is below it
        service = Service(Path(folder), *options)
        yield service
        assert service.stop() == 0
