"""One connection of a client for an event loop: what those of trio and asyncio have in common, which is most of it.

A call writes at once where the socket takes it, which is nearly always; what it does not take follows when the loop
says that there is room, so that a caller who is cancelled leaves no half frame behind. How the loop says so, and how
it tells that there is something to read, is all that the links for trio and asyncio add.
"""

from __future__ import annotations

import contextlib
import socket
from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from bascule.bridge.client.outbox import Outbox
from bascule.bridge.client.settling import OnOutput, Settling
from bascule.bridge.client.trio_proxy import TrioProxy
from bascule.protocols.errors import RemoteProtocolError

if TYPE_CHECKING:
    from bascule.bridge.client.connecting import Greeted

_CHUNK: Final = 64 << 10


class _NoRoom(Exception):
    """The socket takes no more."""


def _no_room() -> None:
    raise _NoRoom


class AsyncLink(Settling):
    """A connected, greeted socket and the calls that travel on it."""

    def __init__(
        self,
        connection: Any,
        greeted: Greeted,
        on_output: OnOutput,
        on_broken: Callable[[AsyncLink], None],
    ) -> None:
        super().__init__(connection, Outbox(greeted.sock, _no_room), greeted.reader, TrioProxy, on_output)
        self._sock = greeted.sock
        self._on_broken = on_broken
        self._draining = False
        self._watch(self._sock)

    @abstractmethod
    def _watch(self, sock: socket.socket) -> None:
        """Call `read` from now on, whenever there is something to read."""

    @abstractmethod
    def _drain(self) -> None:
        """Call `write_rest` once there is room, until that says that all is written."""

    @abstractmethod
    def _unwatch(self, sock: socket.socket) -> None:
        """Neither of both any more: the socket is about to be closed."""

    def flush(self) -> None:
        """Write what there is to write; what finds no room follows as soon as there is some."""
        if self.dropped:
            self.add_release()
        if (self.out or self.outbox.batch) and not self._draining and self.broken is None and not self.write_rest():
            self._draining = True
            self._drain()

    def write_rest(self) -> bool:
        """Write what there is; whether it is all gone (or will never be)."""
        try:
            self.outbox.write()
        except _NoRoom:
            return False
        except OSError as error:
            self.fail(error.strerror or type(error).__name__)
        self._draining = False
        return True

    def read(self) -> bool:
        """Read once: a flood of answers must not keep the other tasks from running. Whether there was something."""
        try:
            data = self._sock.recv(_CHUNK)
        except BlockingIOError:
            return False
        except OSError as error:
            self.fail(error.strerror or type(error).__name__)
            return True
        if not data:
            self.fail("the service closed the connection")
            return True
        try:
            self.receive(data)
        except RemoteProtocolError as error:
            self.fail(f"the service sent what we can't read: {error}")
        return True

    def fail(self, reason: str) -> None:
        """The connection can't go on: settle or carry the calls under way."""
        if self.broken is not None:
            return
        self.broken = reason
        self._unwatch(self._sock)
        with contextlib.suppress(OSError):
            self._sock.close()
        self.settle_or_carry()
        self._on_broken(self)
