"""rpyc: a service behind a Unix socket, a connection, and calls on its root."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import subject


@contextmanager
def connected() -> Iterator[Callable[[int, int], int]]:
    """`f` of a service in another process."""
    from rpyc.utils.factory import unix_connect

    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        path = Path(folder) / "rpyc.sock"
        process = subprocess.Popen([sys.executable, "-m", __name__, str(path)])
        try:
            connection = None
            while connection is None:
                time.sleep(0.01)
                with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):  # not yet bound, not yet listening
                    connection = unix_connect(str(path))
            yield connection.root.f
            connection.close()
        finally:
            process.terminate()
            process.wait()


def serve(path: str) -> None:
    """The service's process."""
    import rpyc
    from rpyc.utils.server import ThreadedServer

    class Subject(rpyc.Service):  # type: ignore[misc]
        def exposed_f(self, a: int, b: int) -> int:
            return subject.f(a, b)

    ThreadedServer(Subject(), socket_path=path).start()


if __name__ == "__main__":
    serve(sys.argv[1])
