"""Where a service is found: at a path in the file system, or started for us alone.

A place can be dialled, more than once: after a service went away, the client asks for a new connection.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from bascule.bridge.client.paths import default_socket
from bascule.bridge.errors import NoService

_ANSWERS_WITHIN: Final = 10.0  # seconds: a time limit on the socket until we are greeted
_STARTS_WITHIN: Final = 30.0  # the same for a bridge that must be started first
_BUFFER: Final = 1 << 20  # bytes that we ask the kernel to hold each way
_LONGEST_PATH: Final = 107  # bytes of a Unix socket's path
_ENDS_WITHIN: Final = 10.0  # seconds that a private bridge has to end


class Place(Protocol):
    """A way to reach a service. `str` of it stands in messages."""

    silence: str
    """What it means when a service there hangs up without a word."""
    token: str | None
    """What is shown to a listener that wants one."""

    def dial(self) -> socket.socket:
        """A connected socket, with a time limit.

        Raises:
            NoService: Nobody is there.
        """

    def leave(self) -> None:
        """The client is closed; its socket is closed already."""


class SocketPlace:
    """A Unix socket that a service listens on."""

    silence = "it is stopping, or serves another user than us"

    def __init__(self, path: Path, token: str | None = None) -> None:
        self.path = path
        self.token = token

    def __str__(self) -> str:
        return str(self.path)

    def dial(self) -> socket.socket:
        """Connect."""
        if len(os.fsencode(self.path)) > _LONGEST_PATH:
            raise NoService(f"{self.path} can't be a Unix socket: its path has more than {_LONGEST_PATH} bytes")
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        _widen(sock)
        try:
            # Python's own time limit makes the socket one that does not wait: so many others come that the service has
            # a queue of them, and a Unix socket says no at once.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(_ANSWERS_WITHIN))
            sock.connect(str(self.path))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(0.0))
        except OSError as error:
            sock.close()
            raise self._no_service(error) from None
        sock.settimeout(_ANSWERS_WITHIN)
        return sock

    def leave(self) -> None:
        """The service goes on without us."""

    def _no_service(self, error: OSError) -> NoService:
        if error.errno == errno.ENOENT:
            why = "there is no such socket"
        elif error.errno == errno.ECONNREFUSED:
            why = "its socket is there, but nobody listens on it"
        elif isinstance(error, TimeoutError) or error.errno == errno.EAGAIN:
            why = "it does not answer"
        else:
            why = error.strerror or str(error)
        return NoService(f"no service at {self.path}: {why}. Start one with: bascule serve --socket {self.path}")


def place_of(
    path: str | os.PathLike[str] | None, *, token: str | None, ca: str | None, certificate: str | None
) -> Place:
    """The place that a caller of `connect` names: nothing, a path, or tls://host:port."""
    if isinstance(path, str) and path.startswith("tls://"):
        from bascule.bridge.client.tls import TlsPlace

        return TlsPlace(path.removeprefix("tls://"), token=token, ca=ca, certificate=certificate)
    return SocketPlace(default_socket() if path is None else Path(path), token)


class PrivatePlace:
    """A bridge that is started for us, and ends when our socket is closed."""

    silence = "it could not start; what it wrote to standard error says why"
    token: str | None = None

    def __init__(self, *, workers: int, python: str | None, paths: Sequence[str]) -> None:
        if workers < 1:
            raise ValueError(f"workers= must be at least 1, it is {workers!r}")
        self._command = [sys.executable, "-P", "-m", "bascule.bridge.private", "--workers", str(workers)]
        if python is not None:
            self._command += ["--python", python]
        for path in paths:
            self._command += ["--path", path]
        self._process: subprocess.Popen[bytes] | None = None

    def __str__(self) -> str:
        return "a private bridge"

    def dial(self) -> socket.socket:
        """Start it."""
        self.leave()
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                # In a process group of its own: a Ctrl-C is for us, and it ends with us anyway.
                fd = theirs.fileno()
                self._process = subprocess.Popen(self._command, stdin=fd, stdout=fd, process_group=0)
        except OSError as error:
            ours.close()
            raise NoService(f"a private bridge can't be started: {error}") from None
        ours.settimeout(_STARTS_WITHIN)
        _widen(ours)
        return ours

    def leave(self) -> None:
        """See it end."""
        process, self._process = self._process, None
        if process is None:
            return
        try:
            process.wait(_ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _timeval(seconds: float) -> bytes:
    return struct.pack("@ll", int(seconds), int(seconds % 1 * 1e6))


def _widen(sock: socket.socket) -> None:
    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
