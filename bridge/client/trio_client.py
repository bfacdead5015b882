"""The client for trio.

    async with bascule.connect_trio() as client:
        await client.call("math:pow", 2, 16)

It does what the blocking one does, under the same names; each operation is awaited, any number of tasks may call at the
same time, and a task that is cancelled cancels its call in the service. When the service was restarted, the next call
connects again.
"""

from __future__ import annotations

import math
import os
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from contextvars import copy_context
from typing import Any

import trio

from bascule.bridge.client.async_client import AsyncClient, opened
from bascule.bridge.client.async_connection import AsyncConnection
from bascule.bridge.client.async_link import AsyncLink
from bascule.bridge.client.connecting import Greeted
from bascule.bridge.client.places import place_of
from bascule.bridge.client.printing import OnOutput
from bascule.bridge.client.tracing import Source
from bascule.bridge.client.trio_link import TrioLink


def connect_trio(
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
) -> AbstractAsyncContextManager[TrioClient]:
    """Connect to a service for the length of an `async with` block. The arguments are those of `connect`.

    Raises:
        NoService: Nobody answers there.
        ServiceRefused: It does not know the pool or the token, or does not speak our version.
    """
    place = place_of(path, token=token, ca=ca, certificate=certificate)
    return opened(
        TrioClient(place, pool=pool, timeout=timeout, output=output, name=name, patience=patience, tracing=tracing)
    )


class TrioConnection(AsyncConnection):
    """The trio client's way to the service."""

    def _make_lock(self) -> trio.Lock:
        return trio.Lock()

    async def _in_thread(self, function: Callable[[], Greeted]) -> Greeted:
        return await trio.to_thread.run_sync(function, abandon_on_cancel=True)

    async def _sleep(self, seconds: float) -> None:
        await trio.sleep(seconds)

    def _make_link(self, greeted: Greeted) -> AsyncLink:
        return TrioLink(self, greeted, self._tell_output, self._on_broken)

    def beside(self, function: Callable[[], Awaitable[None]]) -> Callable[[], object]:
        """Have it run in a task of its own, in our context. What is given back cancels it."""
        scope = trio.CancelScope()

        async def run() -> None:
            with scope:
                await function()

        trio.lowlevel.spawn_system_task(run, context=copy_context())
        return scope.cancel

    async def wait_for_news(self, entries: Iterable[Any], patience: float | None) -> None:
        """Return when one of them has news, or after so many seconds."""
        event = trio.Event()
        watched = list(entries)
        for entry in watched:
            entry.watch(event.set)
        try:
            with trio.move_on_after(math.inf if patience is None else patience):
                await event.wait()
        finally:
            for entry in watched:
                entry.unwatch(event.set)


class TrioClient(AsyncClient):
    """A connection to a service, as `connect_trio` gives it."""

    _connection_type = TrioConnection
