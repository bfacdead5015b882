"""One connection of the asyncio client: the loop calls when there is something to read, or room to write."""

from __future__ import annotations

import asyncio
import socket

from bascule.bridge.client.async_link import AsyncLink


class AsyncioLink(AsyncLink):
    """A link in the event loop that it was made in."""

    def _watch(self, sock: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(sock, self.read)

    def _drain(self) -> None:
        self._loop.add_writer(self._sock, self._write_on)

    def _write_on(self) -> None:
        if self.write_rest() and self.broken is None:
            self._loop.remove_writer(self._sock)

    def _unwatch(self, sock: socket.socket) -> None:
        if not self._loop.is_closed():
            self._loop.remove_reader(sock)
            self._loop.remove_writer(sock)
