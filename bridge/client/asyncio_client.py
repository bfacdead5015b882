"""The client for asyncio.

    async with bascule.connect_asyncio() as client:
        await client.call("math:pow", 2, 16)

It does what the blocking one does, under the same names, as the client for trio does; see `async_client`. It belongs to
the event loop that it was connected in.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any

from bascule.bridge.client.async_client import AsyncClient, opened
from bascule.bridge.client.async_connection import AsyncConnection
from bascule.bridge.client.async_link import AsyncLink
from bascule.bridge.client.asyncio_link import AsyncioLink
from bascule.bridge.client.connecting import Greeted
from bascule.bridge.client.places import place_of
from bascule.bridge.client.printing import OnOutput
from bascule.bridge.client.tracing import Source


def connect_asyncio(
    path: str | os.PathLike[str] | None = None,
    *,
    pool: str | None = None,
    timeout: float | None = None,
    output: OnOutput | None = None,
    name: str | None = None,
    patience: float = 5.0,
    token: str | None = None,
    ca: str | None = None,
    certificate: str | None = None,
    tracing: Source | bool = False,
) -> AbstractAsyncContextManager[AsyncioClient]:
    """Connect to a service for the length of an `async with` block. The arguments are those of `connect`.

    Raises:
        NoService: Nobody answers there.
        ServiceRefused: It does not know the pool or the token, or does not speak our version.
    """
    place = place_of(path, token=token, ca=ca, certificate=certificate)
    return opened(
        AsyncioClient(place, pool=pool, timeout=timeout, output=output, name=name, patience=patience, tracing=tracing)
    )


class AsyncioConnection(AsyncConnection):
    """The asyncio client's way to the service."""

    def _make_lock(self) -> asyncio.Lock:
        self._tasks: set[asyncio.Future[None]] = set()
        return asyncio.Lock()

    async def _in_thread(self, function: Callable[[], Greeted]) -> Greeted:
        return await asyncio.get_running_loop().run_in_executor(None, function)

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def _make_link(self, greeted: Greeted) -> AsyncLink:
        return AsyncioLink(self, greeted, self._tell_output, self._on_broken)

    def beside(self, function: Callable[[], Awaitable[None]]) -> Callable[[], object]:
        """Have it run in a task of its own, in our context. What is given back cancels it."""
        task = asyncio.ensure_future(function())
        self._tasks.add(task)  # the loop itself would forget it
        task.add_done_callback(self._tasks.discard)

        def cancel() -> None:
            if not task.get_loop().is_closed():
                task.cancel()

        return cancel

    async def wait_for_news(self, entries: Iterable[Any], patience: float | None) -> None:
        """Return when one of them has news, or after so many seconds."""
        event = asyncio.Event()
        watched = list(entries)
        for entry in watched:
            entry.watch(event.set)
        try:
            async with asyncio.timeout(patience):
                await event.wait()
        except TimeoutError:
            return
        finally:
            for entry in watched:
                entry.unwatch(event.set)


class AsyncioClient(AsyncClient):
    """A connection to a service, as `connect_asyncio` gives it."""

    _connection_type = AsyncioConnection
