"""A pod's client over a socket instead of stdio: `BABASHKA_POD_TRANSPORT=socket`, as clients set it.

The pod listens on 127.0.0.1 at a port that the system chooses and tells it in the file `.babashka-pod-<pid>.port` in
the current folder: the client, which knows our pid, looks there until the file ends with a newline. One client is
served; then the file is gone. Who only wraps this command must `exec` it, since the pid is in the file's name.

Whoever started us may end before it connects: then nobody ever will.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys

from bascule.bridge import early_signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_LOOK = 1.0  # seconds between two looks at whether our parent is still there


@contextlib.contextmanager
def one_client() -> Iterator[int | None]:
    """The descriptor of the one client that connects.

    None when none can, with a word on stderr, or when a signal came first.
    """
    file = f".babashka-pod-{os.getpid()}.port"
    parent = os.getppid()
    with contextlib.ExitStack() as stack:
        try:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1))
            with open(f"{file}.new", "w", encoding="ascii") as new:
                new.write(f"{listener.getsockname()[1]}\n")
            os.replace(f"{file}.new", file)  # noqa: PTH105
        except OSError as error:
            print(f"bascule pod: it can't tell its client the port: {error}", file=sys.stderr)
            yield None
            return
        stack.callback(_remove, file)
        listener.settimeout(_LOOK)
        client = None
        while client is None and os.getppid() == parent and not early_signals.came():
            with contextlib.suppress(TimeoutError):
                client, _ = listener.accept()
        listener.close()
        if client is None:
            if not early_signals.came():
                print("bascule pod: the client that started this pod is gone", file=sys.stderr)
            yield None
            return
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield client.detach()


def _remove(file: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(file)  # noqa: PTH108
