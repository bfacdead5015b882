"""One connection of the trio client: one task reads, whoever calls writes.

A call writes at once where the socket takes it, which is nearly always; what it does not take is left to a task that
waits for room, so that a caller who is cancelled leaves no half frame behind.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import trio

from bascule.bridge.client.outbox import Outbox
from bascule.bridge.client.settling import OnOutput, Settling
from bascule.bridge.client.trio_proxy import TrioProxy
from bascule.protocols.errors import RemoteProtocolError

if TYPE_CHECKING:
    from bascule.bridge.client.trio_client import TrioConnection
    from bascule.protocols.envelope import FrameReader

_CHUNK: Final = 64 << 10


class _NoRoom(Exception):
    """The socket takes no more."""


def _no_room() -> None:
    raise _NoRoom


class TrioLink(Settling):
    """A connected, greeted socket and the calls that travel on it."""

    def __init__(
        self,
        connection: TrioConnection,
        sock: socket.socket,
        reader: FrameReader,
        on_output: OnOutput,
        on_broken: Callable[[TrioLink], None],
    ) -> None:
        super().__init__(connection, Outbox(sock, _no_room), reader, TrioProxy, on_output)
        self._sock = sock
        self._on_broken = on_broken
        self._draining = False
        trio.lowlevel.spawn_system_task(self._read)

    def flush(self) -> None:
        """Write what there is to write; what finds no room follows as soon as there is some."""
        if self.dropped:
            self.add_release()
        if (self.out or self.outbox.batch) and not self._draining and self.broken is None:
            try:
                self.outbox.write()
            except _NoRoom:
                self._draining = True
                trio.lowlevel.spawn_system_task(self._drain)
            except OSError as error:
                self.fail(error.strerror or type(error).__name__)

    def fail(self, reason: str) -> None:
        """The connection can't go on: settle or carry the calls under way."""
        if self.broken is not None:
            return
        self.broken = reason
        trio.lowlevel.notify_closing(self._sock)
        with contextlib.suppress(OSError):
            self._sock.close()
        self.settle_or_carry()
        self._on_broken(self)

    async def _drain(self) -> None:
        with contextlib.suppress(trio.ClosedResourceError):
            while self.broken is None:
                await trio.lowlevel.wait_writable(self._sock)
                try:
                    self.outbox.write()
                    break
                except _NoRoom:
                    continue
                except OSError as error:
                    self.fail(error.strerror or type(error).__name__)
        self._draining = False

    async def _read(self) -> None:
        """Read until the connection ends. Many frames are settled at a time."""
        with contextlib.suppress(trio.ClosedResourceError):
            while self.broken is None:
                try:
                    data = self._sock.recv(_CHUNK)
                except BlockingIOError:
                    await trio.lowlevel.wait_readable(self._sock)
                    continue
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
                # A flood of answers must not keep the other tasks from running.
                await trio.lowlevel.cancel_shielded_checkpoint()
