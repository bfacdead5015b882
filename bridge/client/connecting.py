"""How a blocking client comes to a greeted connection."""

from __future__ import annotations

import contextlib
import errno
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bascule.bridge.client.encoding import client_name
from bascule.bridge.client.link import Link, OnOutput
from bascule.bridge.errors import NoService, ServiceRefused
from bascule.protocols.envelope import FrameReader
from bascule.protocols.errors import RemoteProtocolError
from bascule.protocols.service import RefusedByService, Welcome, hello, read_welcome

if TYPE_CHECKING:
    from bascule.bridge.client.connection import Connection
    from bascule.protocols.envelope import Frame

_GREETING: Final = 10.0  # seconds in which a service must answer the hello
_RETRY_FROM, _RETRY_TO = 0.01, 0.2  # seconds between two attempts
_BUFFER: Final = 1 << 20  # bytes that we ask the kernel to hold each way
_LONGEST_PATH: Final = 107  # bytes of a Unix socket's path


def open_link(
    connection: Connection, path: Path, *, pool: str | None, name: str | None, patience: float, on_output: OnOutput
) -> tuple[Link, Welcome]:
    """Connect and say hello. While nobody answers, try again for `patience` seconds.

    Raises:
        NoService: Nobody answers.
        ServiceRefused: Who answers would not have us, or is no service.
    """
    until = time.monotonic() + patience
    pause = _RETRY_FROM
    while True:
        sock = None
        try:
            sock = connect_socket(path)
            reader = FrameReader()
            welcome = _greet(sock, reader, path, hello(0, client=name or client_name(), pool=pool))
            sock.settimeout(None)
            return Link(connection, sock, reader, on_output), welcome
        except NoService:
            _close(sock)
            remaining = until - time.monotonic()
            if remaining <= 0:
                raise
        except BaseException:
            _close(sock)
            raise
        time.sleep(min(pause, remaining))
        pause = min(pause * 2, _RETRY_TO)


def connect_socket(path: Path) -> socket.socket:
    """A socket connected to `path`, blocking, with a time limit.

    Raises:
        NoService: Nobody listens there.
    """
    if len(str(path).encode(errors="surrogateescape")) > _LONGEST_PATH:
        raise NoService(f"{path} can't be a Unix socket: its path has more than {_LONGEST_PATH} bytes")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(_GREETING)
    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        sock.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
    try:
        sock.connect(str(path))
    except OSError as error:
        sock.close()
        raise no_service(path, error) from None
    return sock


def no_service(path: Path, error: OSError) -> NoService:
    """The error for a socket that can't be connected to."""
    if error.errno == errno.ENOENT:
        why = "there is no such socket"
    elif error.errno == errno.ECONNREFUSED:
        why = "its socket is there, but nobody listens on it"
    elif isinstance(error, TimeoutError) or error.errno == errno.EAGAIN:
        why = "it does not answer"
    else:
        why = error.strerror or str(error)
    return NoService(f"no service at {path}: {why}. Start one with: bascule serve --socket {path}")


def read_greeting(frames: list[Frame], path: Path) -> Welcome:
    """The service's answer to the hello, the first of `frames`.

    Raises:
        ServiceRefused: It is none.
    """
    kind, *_, payload = frames[0]
    try:
        return read_welcome(kind, payload)
    except RefusedByService as refused:
        raise ServiceRefused(f"the service at {path} refused us: {refused}") from None
    except RemoteProtocolError as error:
        raise ServiceRefused(f"what answers at {path} is no service that we know: {error}") from None


def _greet(sock: socket.socket, reader: FrameReader, path: Path, greeting: bytes) -> Welcome:
    try:
        sock.sendall(greeting)
        while True:
            data = sock.recv(4096)
            if not data:
                raise NoService(
                    f"the service at {path} closed the connection without a word: it is stopping, or serves another "
                    "user than us"
                )
            frames = reader.receive_data(data)
            if frames:
                return read_greeting(frames, path)
    except RemoteProtocolError as error:
        raise ServiceRefused(f"what answers at {path} is no service that we know: {error}") from None
    except OSError as error:
        raise no_service(path, error) from None


def _close(sock: socket.socket | None) -> None:
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.close()
