"""`bascule serve` on its embedded defaults: no configuration file, no option, one pool."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PATIENCE = 20.0  # seconds until it must listen, or be gone


@contextmanager
def running(bascule: str) -> Iterator[subprocess.Popen[bytes]]:
    """The service, listening where clients look by default: in a runtime folder of the demo's own."""
    with tempfile.TemporaryDirectory(prefix="bascule-demo-") as folder:
        os.environ["XDG_RUNTIME_DIR"] = folder
        os.environ.pop("BASCULE_SOCKET", None)
        process = subprocess.Popen([bascule, "serve"], stderr=subprocess.DEVNULL)
        try:
            _wait_for(Path(folder) / "bascule" / "bascule.sock", process)
            yield process
        finally:
            process.terminate()
            process.wait(_PATIENCE)


def _wait_for(socket: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not socket.exists():
        if process.poll() is not None:
            raise RuntimeError(f"`bascule serve` ended with status {process.returncode} instead of listening")
        if time.monotonic() > deadline:
            raise RuntimeError(f"`bascule serve` did not listen within {_PATIENCE:g} s")
        time.sleep(0.01)
