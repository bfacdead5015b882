"""One connection of the trio client: one task reads, and for what finds no room another waits until there is some."""

from __future__ import annotations

import contextlib
import socket

import trio

from bascule.bridge.client.async_link import AsyncLink


class TrioLink(AsyncLink):
    """A link whose tasks are trio's system tasks: they end with it."""

    def _watch(self, sock: socket.socket) -> None:
        trio.lowlevel.spawn_system_task(self._read_on, sock)

    def _drain(self) -> None:
        trio.lowlevel.spawn_system_task(self._write_on, self._sock)

    def _unwatch(self, sock: socket.socket) -> None:
        trio.lowlevel.notify_closing(sock)

    async def _read_on(self, sock: socket.socket) -> None:
        with contextlib.suppress(trio.ClosedResourceError):
            while self.broken is None:
                if self.read():
                    await trio.lowlevel.cancel_shielded_checkpoint()
                else:
                    await trio.lowlevel.wait_readable(sock)

    async def _write_on(self, sock: socket.socket) -> None:
        with contextlib.suppress(trio.ClosedResourceError):
            while self.broken is None:
                await trio.lowlevel.wait_writable(sock)
                if self.write_rest():
                    break
