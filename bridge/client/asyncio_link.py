"""One connection of the asyncio client: the loop says when there is something to read, whoever calls writes.

As in the trio client's, a call writes at once where the socket takes it; what it does not take follows when the loop
says that there is room.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from bascule.bridge.client.outbox import Outbox
from bascule.bridge.client.settling import OnOutput, Settling
from bascule.bridge.client.trio_proxy import TrioProxy
from bascule.protocols.errors import RemoteProtocolError

if TYPE_CHECKING:
    from bascule.bridge.client.asyncio_client import AsyncioConnection
    from bascule.protocols.envelope import FrameReader

_CHUNK: Final = 64 << 10


class _NoRoom(Exception):
    """The socket takes no more."""


def _no_room() -> None:
    raise _NoRoom


class AsyncioLink(Settling):
    """A connected, greeted socket and the calls that travel on it."""

    def __init__(
        self,
        connection: AsyncioConnection,
        sock: socket.socket,
        reader: FrameReader,
        on_output: OnOutput,
        on_broken: Callable[[AsyncioLink], None],
    ) -> None:
        super().__init__(connection, Outbox(sock, _no_room), reader, TrioProxy, on_output)
        self._loop = asyncio.get_running_loop()
        self._sock = sock
        self._on_broken = on_broken
        self._draining = False
        self._loop.add_reader(sock, self._read)

    def flush(self) -> None:
        """Write what there is to write; what finds no room follows as soon as there is some."""
        if self.dropped:
            self.add_release()
        if (self.out or self.outbox.batch) and not self._draining and self.broken is None:
            self._write()

    def fail(self, reason: str) -> None:
        """The connection can't go on: settle or carry the calls under way."""
        if self.broken is not None:
            return
        self.broken = reason
        if not self._loop.is_closed():
            self._loop.remove_reader(self._sock)
            self._loop.remove_writer(self._sock)
        with contextlib.suppress(OSError):
            self._sock.close()
        self.settle_or_carry()
        self._on_broken(self)

    def _write(self) -> None:
        try:
            self.outbox.write()
        except _NoRoom:
            if not self._draining:
                self._draining = True
                self._loop.add_writer(self._sock, self._write)
            return
        except OSError as error:
            self.fail(error.strerror or type(error).__name__)
            return
        if self._draining:
            self._draining = False
            self._loop.remove_writer(self._sock)

    def _read(self) -> None:
        """Read once: a flood of answers must not keep the other tasks from running."""
        try:
            data = self._sock.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            self.fail(error.strerror or type(error).__name__)
            return
        if not data:
            self.fail("the service closed the connection")
            return
        try:
            self.receive(data)
        except RemoteProtocolError as error:
            self.fail(f"the service sent what we can't read: {error}")
