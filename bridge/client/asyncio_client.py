"""The client for asyncio.

    async with bascule.connect_asyncio() as client:
        await client.call("math:pow", 2, 16)

It does what the blocking one does, under the same names, as the client for trio does; see `async_client`. It belongs to
the event loop that it was connected in.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from bascule.bridge.client.async_client import AsyncClient, AsyncConnection
from bascule.bridge.client.asyncio_link import AsyncioLink
from bascule.bridge.client.connecting import Greeted, greet, pauses
from bascule.bridge.client.connection import OVERDUE
from bascule.bridge.client.futures import RAISED, Entry
from bascule.bridge.client.places import Place, place_of
from bascule.bridge.client.printing import OnOutput, print_output, tell
from bascule.bridge.client.tracing import Source, source_of
from bascule.bridge.errors import BasculeError, ClientClosed, NoService, Timeout


@asynccontextmanager
async def connect_asyncio(
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
) -> AsyncIterator[AsyncioClient]:
    """Connect to a service for the length of an `async with` block. The arguments are those of `connect`.

    Raises:
        NoService: Nobody answers there.
        ServiceRefused: It does not know the pool or the token, or does not speak our version.
    """
    place = place_of(path, token=token, ca=ca, certificate=certificate)
    client = AsyncioClient(place, pool=pool, timeout=timeout, output=output, name=name, patience=patience)
    client._connection.trace(source_of(tracing))
    await client._connection.open(0)
    try:
        yield client
    finally:
        client.close()


class AsyncioConnection(AsyncConnection):
    """The asyncio client's way to the service."""

    def __init__(
        self,
        client: AsyncioClient,
        place: Place,
        *,
        pool: str | None,
        name: str | None,
        patience: float,
        output: OnOutput,
    ) -> None:
        super().__init__()
        self.client = client
        self.closed = False
        self._greet: Callable[[], Greeted] = partial(greet, place, pool=pool, name=name)
        self._place, self._patience = place, patience
        self._tell_output = partial(tell, output)
        self._connecting = asyncio.Lock()
        self._sending: set[asyncio.Task[None]] = set()

    async def open(self, patience: float) -> None:
        """Connect."""
        waits = pauses(patience)
        while True:
            if self.closed:
                raise ClientClosed(f"this client of {self._place} was closed")
            try:
                greeted = await asyncio.get_running_loop().run_in_executor(None, self._greet)
                break
            except NoService:
                pause = next(waits, None)
                if pause is None:
                    raise
            await asyncio.sleep(pause)
        self.welcome = greeted.welcome
        greeted.sock.setblocking(False)
        self._link = AsyncioLink(self, greeted.sock, greeted.reader, self._tell_output, self._on_broken)

    async def live(self) -> None:
        """Have a link that is not known to be broken."""
        if self._link.broken is not None:
            async with self._connecting:
                if self._link.broken is not None:
                    await self.open(self._patience)

    async def wait(self, entry: Entry, timeout: float | None) -> None:
        """Return when `entry` has an outcome. Cancelled, it is cancelled in the service too."""
        entry.link.flush()
        try:
            await self.wait_for_news((entry,), None if timeout is None else timeout + OVERDUE)
        except asyncio.CancelledError:
            entry.abandon()
            raise
        if not entry.state:
            entry.abandon()
            raise Timeout(f"the service has not answered call {entry.call_id}, {entry.what}, at all")

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

    async def pause(self) -> None:
        """Let others run."""
        await asyncio.sleep(0)

    def close(self) -> None:
        """Leave. Calls under way fail."""
        self.closed = True
        self._link.fail("the client was closed")
        self._place.leave()

    def _on_broken(self, link: AsyncioLink) -> None:
        if link.carried:
            task = asyncio.get_running_loop().create_task(self._send_again(link))
            self._sending.add(task)  # the loop itself would forget it
            task.add_done_callback(self._sending.discard)

    async def _send_again(self, link: AsyncioLink) -> None:
        """Send on a new link what can be sent again."""
        carried, link.carried = link.carried, []
        try:
            await self.live()
        except BasculeError as error:
            for entry, _ in carried:
                entry.settle(RAISED, error)
            return
        for entry, frame in carried:
            entry.link = self._link
            self._link.pending[entry.call_id] = entry
            self._link.out.extend(frame)
        self._link.flush()


class AsyncioClient(AsyncClient):
    """A connection to a service, as `connect_asyncio` gives it."""

    _connection: AsyncioConnection

    def __init__(
        self,
        place: Place,
        *,
        pool: str | None = None,
        timeout: float | None = None,
        output: OnOutput | None = None,
        name: str | None = None,
        patience: float = 5.0,
    ) -> None:
        connection = AsyncioConnection(
            self, place, pool=pool, name=name, patience=patience, output=output or print_output
        )
        super().__init__(place, connection, timeout=timeout)
