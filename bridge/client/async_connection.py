"""A way to the service for an event loop, across the service's restarts: all of it but how one waits.

The connections for trio and asyncio say how a task waits, sleeps, and runs what blocks (connecting and the greeting
are the blocking client's, in a thread).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import TYPE_CHECKING, Any

from bascule.bridge.client.async_link import AsyncLink
from bascule.bridge.client.calling import Calling
from bascule.bridge.client.connecting import Greeted, greet, pauses
from bascule.bridge.client.connection import OVERDUE
from bascule.bridge.client.futures import RAISED, Entry
from bascule.bridge.client.places import Place
from bascule.bridge.client.printing import OnOutput, tell
from bascule.bridge.errors import BasculeError, ClientClosed, NoService, Timeout
from bascule.protocols.service import Welcome

if TYPE_CHECKING:
    from bascule.bridge.client.async_client import AsyncClient


class AsyncConnection(Calling[AsyncLink]):
    """See the module.

    Attributes:
        client: Whose it is.
        welcome: What the service said of itself when we connected last.
        closed: Whether it is of no use any more.
    """

    welcome: Welcome

    def __init__(
        self,
        client: AsyncClient,
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
        self._connecting = self._make_lock()

    @abstractmethod
    def _make_lock(self) -> AbstractAsyncContextManager[Any]:
        """A lock of the loop's own."""

    @abstractmethod
    async def _in_thread(self, function: Callable[[], Greeted]) -> Greeted:
        """Run what blocks."""

    @abstractmethod
    async def _sleep(self, seconds: float) -> None:
        """Let time pass."""

    @abstractmethod
    def _make_link(self, greeted: Greeted) -> AsyncLink:
        """The link over that socket."""

    @abstractmethod
    def beside(self, function: Callable[[], Awaitable[None]]) -> Callable[[], object]:
        """Have it run in a task of its own, in our context. What is given back cancels it."""

    @abstractmethod
    async def wait_for_news(self, entries: Iterable[Any], patience: float | None) -> None:
        """Return when one of them has news, or after so many seconds."""

    async def open(self, patience: float) -> None:
        """Connect."""
        waits = pauses(patience)
        while True:
            if self.closed:
                raise ClientClosed(f"this client of {self._place} was closed")
            try:
                greeted = await self._in_thread(self._greet)
                break
            except NoService:
                pause = next(waits, None)
                if pause is None:
                    raise
            await self._sleep(pause)
        self.welcome = greeted.welcome
        greeted.sock.setblocking(False)
        self._link = self._make_link(greeted)

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
        except BaseException:  # each loop has a word of its own for being cancelled
            entry.abandon()
            raise
        if not entry.state:
            entry.abandon()
            raise Timeout(f"the service has not answered call {entry.call_id}, {entry.what}, at all")

    async def pause(self) -> None:
        """Let others run."""
        await self._sleep(0)

    def close(self) -> None:
        """Leave. Calls under way fail."""
        self.closed = True
        self._link.fail("the client was closed")
        self._place.leave()

    def _on_broken(self, link: AsyncLink) -> None:
        if link.carried:
            self.beside(partial(self._send_again, link))

    async def _send_again(self, link: AsyncLink) -> None:
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
