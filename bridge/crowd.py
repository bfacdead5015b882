"""The clients of all listeners together, and the bytes that are carried for some of them.

A listener may go, by a reload; who came in by it stays, and is counted on. What is carried between TLS and the router
therefore belongs to nobody's loop but the crowd's own.
"""

from __future__ import annotations

import contextlib
import ssl

import trio

from bascule.bridge.greeting import relay


class Crowd:
    """Everybody who is connected.

    Attributes:
        clients: How many.
    """

    def __init__(self) -> None:
        self.clients = 0
        self._nursery: trio.Nursery

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Carry until cancelled."""
        async with trio.open_nursery() as self._nursery:
            task_status.started()
            await trio.sleep_forever()

    def carry(self, outside: trio.abc.Stream, inside: trio.SocketStream, plain: trio.SocketStream) -> None:
        """Carry bytes both ways from now on; `plain` is what is below `outside`."""
        self._nursery.start_soon(_carry, outside, inside, plain)


async def _carry(outside: trio.abc.Stream, inside: trio.SocketStream, plain: trio.SocketStream) -> None:
    try:
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError, ssl.SSLError, OSError):
            async with inside:
                await relay(outside, inside)
    finally:
        await trio.aclose_forcefully(plain)
