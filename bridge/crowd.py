"""The clients of all listeners together, and the bytes that are carried for some of them.

A listener may go, by a reload; who came in by it stays, and is counted on. What is carried between TLS and the router
therefore belongs to nobody's loop but the crowd's own.
"""

from __future__ import annotations

import contextlib
import ssl
from typing import Final

import trio

from bascule.bridge.greeting import relay

_LAST_WORDS: Final = 5.0  # seconds for what was said to a client before it was dropped


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

    def carry(self, outside: trio.abc.Stream, inside: trio.SocketStream, plain: trio.SocketStream) -> Carrying:
        """Carry bytes both ways from now on; `plain` is what is below `outside`."""
        carrying = Carrying()
        self._nursery.start_soon(_carry, carrying, outside, inside, plain)
        return carrying


class Carrying:
    """Bytes that are carried for one client."""

    def __init__(self) -> None:
        self.scope = trio.CancelScope()

    def end(self) -> None:
        """The router has dropped the client: what it has not read by now, it may take so long to read."""
        self.scope.deadline = trio.current_time() + _LAST_WORDS


async def _carry(
    carrying: Carrying, outside: trio.abc.Stream, inside: trio.SocketStream, plain: trio.SocketStream
) -> None:
    try:
        with (
            carrying.scope,
            contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError, ssl.SSLError, OSError),
        ):
            async with inside:
                await relay(outside, inside)
    finally:
        await trio.aclose_forcefully(plain)
