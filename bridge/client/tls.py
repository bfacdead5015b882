"""A service elsewhere: over TLS, with a token.

The rest of a client reads and writes plain sockets, of which it asks more than Python's TLS sockets can (two threads at
a time, gathered writes, looking without waiting). So here the encrypted connection is joined to one end of a socket
pair by a thread, and the client has the other end.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from typing import Final

from bascule.bridge.errors import NoService

_ANSWERS_WITHIN: Final = 10.0
_CHUNK: Final = 64 << 10


class TlsPlace:
    """A service's TCP listener.

    Args:
        address: host:port.
        token: One of the listener's.
        ca: A file with the certificate authorities (PEM) to trust. None: those of the system.
        certificate: Our own certificate and key (PEM), where the listener wants one.
    """

    silence = "it did not let us in"

    def __init__(self, address: str, *, token: str | None, ca: str | None, certificate: str | None) -> None:
        host, colon, port = address.rpartition(":")
        if not colon or not port.isdigit():
            raise ValueError(f"{address!r} is no address of a service: write tls://host:port")
        self.token = token
        self._host, self._port = host.strip("[]"), int(port)
        self._context = ssl.create_default_context(cafile=ca)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        if certificate is not None:
            self._context.load_cert_chain(certificate)

    def __str__(self) -> str:
        return f"tls://{self._host}:{self._port}"

    def dial(self) -> socket.socket:
        """Connect."""
        try:
            plain = socket.create_connection((self._host, self._port), _ANSWERS_WITHIN)
        except OSError as error:
            raise NoService(f"no service at {self}: {error.strerror or error}") from None
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            outside = self._context.wrap_socket(plain, server_hostname=self._host)
        except OSError as error:
            plain.close()
            raise NoService(f"no service that we can trust at {self}: {error}") from None
        inside, ours = socket.socketpair()
        outside.setblocking(False)
        inside.setblocking(False)
        threading.Thread(target=_join, args=(outside, inside), name="bascule-tls", daemon=True).start()
        ours.settimeout(_ANSWERS_WITHIN)
        return ours

    def leave(self) -> None:
        """The service goes on without us."""


def _join(outside: ssl.SSLSocket, inside: socket.socket) -> None:
    """Carry bytes both ways until one side is done."""
    with outside, inside:
        try:
            _carry(outside, inside)
        except OSError:
            return


def _carry(outside: ssl.SSLSocket, inside: socket.socket) -> None:
    """One thread for both ways: a TLS connection is not to be read and written at the same time."""
    to_outside, to_inside = b"", b""
    wants_write = False  # TLS itself has something to say
    while True:
        reading: list[socket.socket] = []
        writing: list[socket.socket] = [inside] if to_inside else []
        if not to_inside:
            reading.append(outside)
        if not to_outside:
            reading.append(inside)
        if to_outside or wants_write:
            writing.append(outside)
        if not outside.pending():
            select.select(reading, writing, [])
        wants_write = False
        if to_inside:
            to_inside = to_inside[_send(inside, to_inside) :]
        if not to_inside:
            try:
                to_inside = outside.recv(_CHUNK)
                if not to_inside:
                    return
            except ssl.SSLWantWriteError:
                wants_write = True
            except (ssl.SSLWantReadError, BlockingIOError):
                pass
        if not to_outside:
            try:
                to_outside = inside.recv(_CHUNK)
                if not to_outside:
                    return
            except BlockingIOError:
                pass
        if to_outside:
            with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
                to_outside = to_outside[outside.send(to_outside) :]


def _send(sock: socket.socket, data: bytes) -> int:
    try:
        return sock.send(data)
    except BlockingIOError:
        return 0
