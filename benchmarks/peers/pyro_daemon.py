"""Pyro5: a daemon behind a Unix socket, a proxy, and batches of calls."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import subject


@contextmanager
def connected() -> Iterator[Any]:
    """A proxy of the subject in another process."""
    import Pyro5.api

    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        path = Path(folder) / "pyro.sock"
        process = subprocess.Popen([sys.executable, "-m", __name__, str(path)])
        try:
            while not path.exists():
                time.sleep(0.01)
            with Pyro5.api.Proxy(f"PYRO:subject@./u:{path}") as proxy:
                yield proxy
        finally:
            process.terminate()
            process.wait()


def serve(path: str) -> None:
    """The daemon's process."""
    import Pyro5.api

    @Pyro5.api.expose
    class Subject:
        def f(self, a: int, b: int) -> int:
            return subject.f(a, b)

    daemon = Pyro5.api.Daemon(unixsocket=path)
    daemon.register(Subject(), "subject")
    daemon.requestLoop()


if __name__ == "__main__":
    serve(sys.argv[1])
