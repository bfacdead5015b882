"""Items of a map or a scatter that come from an asynchronous iterable: an `async def` with a `yield`, a channel.

    async for result in client.scatter("stats:fit", rows_of_the_database()): ...

A task of its own reads them, so that results go on coming while the next item is waited for, and the other way round.
It reads one chunk ahead of what was sent, and then waits until that was taken: an endless source needs constant memory.
When nobody reads on, a source that is waiting is cancelled, and one that is not is closed (`aclose`).
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterable, Callable
from typing import TYPE_CHECKING, Any

from bascule.bridge.client.feed import Feed
from bascule.bridge.client.items import AsyncItems, Items

if TYPE_CHECKING:
    from bascule.bridge.client.async_connection import AsyncConnection


def supplied(connection: AsyncConnection, items: AsyncItems, chunk: int | None) -> Items:
    """The items as the runs of maps and scatters take them. A `chunk` of a given size is waited for."""
    if isinstance(items, AsyncIterable):
        return _Supply(connection, items, chunk or 1)
    return items


class _Supply(Feed):
    """The feed of one asynchronous iterable. Its task starts when it is asked for the first item."""

    def __init__(self, connection: AsyncConnection, source: AsyncIterable[Any], together: int) -> None:
        self._room = _Room(self._has_room)
        super().__init__(self._room.look)
        self._connection = connection
        self._source = source.__aiter__()
        self._together = together
        self._cancel: Callable[[], object] | None = None
        self._asking = False
        self._stopped = False

    def __next__(self) -> Any:
        if self._cancel is None and not self._stopped:
            self._cancel = self._connection.beside(self._read)
        return super().__next__()

    def stop(self) -> None:
        """Nobody takes any more."""
        self._stopped = True
        super().stop()
        if self._asking and self._cancel is not None:
            self._cancel()
        self._room.look()

    def _has_room(self) -> bool:
        return self._stopped or len(self) < self.wanted

    async def _read(self) -> None:
        try:
            await self._read_on()
        except GeneratorExit:  # the loop is no more
            raise
        except BaseException as error:  # whatever it is, who iterates over the results gets it
            self.end(error)
        close = getattr(self._source, "aclose", None)
        if close is not None:
            with contextlib.suppress(Exception):  # what it raises while it is closed has nobody to go to
                await close()

    async def _read_on(self) -> None:
        while True:
            if not self._has_room():
                await self._connection.wait_for_news((self._room,), None)
            if self._stopped:
                return
            items: list[Any] = []
            self._asking = True
            try:
                while len(items) < self._together:
                    items.append(await self._source.__anext__())
            except StopAsyncIteration:
                self.put(items)
                self.end()
                return
            finally:
                self._asking = False
            self.put(items)


class _Room:
    """Is waited for as a call under way is."""

    def __init__(self, is_there: Callable[[], bool]) -> None:
        self._is_there = is_there
        self._watcher: Callable[[], object] | None = None

    def watch(self, watcher: Callable[[], object]) -> None:
        """Have `watcher` called once there is room; at once if there is already."""
        self._watcher = watcher
        self.look()

    def unwatch(self, watcher: Callable[[], object]) -> None:
        """Take it back."""
        self._watcher = None

    def look(self) -> None:
        """There may be room now."""
        if self._watcher is not None and self._is_there():
            watcher, self._watcher = self._watcher, None
            watcher()
