"""The client for event loops: what those for trio and asyncio have in common, which is all but how they wait.

Each operation is awaited, any number of tasks may call at the same time, and a task that is cancelled cancels its call
in the service. A connection says how it is waited; see `AsyncConnection`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import islice
from typing import Any, ClassVar, TypeVar

from bascule.bridge.client.async_connection import AsyncConnection
from bascule.bridge.client.async_results import AsyncMap, AsyncScatter, AsyncStream
from bascule.bridge.client.calling import read_answer
from bascule.bridge.client.encoding import want_of
from bascule.bridge.client.futures import Answer, SafeAnswer
from bascule.bridge.client.items import AsyncItems
from bascule.bridge.client.many import (
    Reducing,
    ask_for_workers,
    awaited_parts,
    give_result,
    give_result_or_error,
    give_up,
    start_everywhere,
    start_methods,
)
from bascule.bridge.client.mapping import MapRun
from bascule.bridge.client.names import AsyncName
from bascule.bridge.client.operations import Operations, Wanted
from bascule.bridge.client.progress import Told, teller
from bascule.bridge.client.proxy import release
from bascule.bridge.client.scattering import Errors, Options
from bascule.bridge.client.streams import Flow
from bascule.bridge.client.supply import supplied
from bascule.protocols.calls import Op
from bascule.protocols.envelope import Flag

_CALL, _ITERATE = int(Op.CALL), int(Op.ITERATE)
_IDEMPOTENT, _CAST, _STREAM = int(Flag.IDEMPOTENT), int(Flag.CAST), int(Flag.STREAM)
_FRESH = int(Flag.FRESH)
ClientT = TypeVar("ClientT", bound="AsyncClient")


@asynccontextmanager
async def opened(client: ClientT) -> AsyncIterator[ClientT]:
    """Connect a client for the length of an `async with` block."""
    await client._connection.open(0)
    try:
        yield client
    finally:
        client.close()


class AsyncClient(Operations):
    """What the clients for trio and asyncio have in common: all but the connection."""

    _connection_type: ClassVar[type[AsyncConnection]]
    _connection: AsyncConnection

    async def _perform(
        self,
        op: int,
        target: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        takes_object: bool = False,
        want: Wanted = None,
        timeout: float | None = None,
        idempotent: bool = False,
        fresh: bool = False,
    ) -> Any:
        connection = self._connection
        await connection.live()
        timeout = self._timeout if timeout is None else timeout
        future = connection.start(
            op,
            target,
            args,
            kwargs,
            takes_object=takes_object,
            want=want_of(want),
            timeout=timeout,
            flags=(_IDEMPOTENT if idempotent else 0) | (_FRESH if fresh else 0),
            entry_type=SafeAnswer if idempotent else Answer,
        )
        await connection.wait(future, timeout)
        return future.result()

    async def cast(self, target: str, /, *args: Any, **kwargs: Any) -> None:
        """Have a function called, and hear nothing of it: neither its result nor its failure."""
        await self._connection.live()
        self._connection.start(_CALL, target, args, kwargs, flags=_CAST).link.flush()
        await self._connection.pause()

    def map(
        self,
        target: str,
        items: AsyncItems,
        *,
        chunk: int | None = None,
        timeout: float | None = None,
        errors: str = "raise",
        star: bool = False,
        window: int | None = None,
    ) -> AsyncMap:
        """Call a function with each item: `async for result in client.map(...)`. The arguments are `Client.map`'s.

        Items may also come from an asynchronous iterable: it is read no further than the results are, and closed when
        nobody reads on.
        """
        given = supplied(self._connection, items, chunk)
        run = MapRun(
            self._connection, target, given, chunk=chunk, timeout=timeout, errors=errors, star=star, window=window
        )
        return AsyncMap(self._connection, run)

    def scatter(
        self,
        target: str,
        items: AsyncItems,
        *,
        ordered: bool = True,
        errors: str = "raise",
        idempotent: bool = False,
        timeout: float | None = None,
        chunk: int | None = None,
        window: int | None = None,
        star: bool = False,
        progress: Told | bool | None = None,
    ) -> AsyncScatter:
        """`async for result in client.scatter(...)`. The arguments are `Client.scatter`'s; the items as in `map`."""
        told = teller(progress, target)
        options = Options(ordered, Errors(errors), chunk, window, timeout, star, idempotent, told)
        return AsyncScatter(self._connection, target, items, options)

    async def everywhere(
        self, target: str, /, *args: Any, copies: int | None = None, timeout: float | None = None
    ) -> list[Any]:
        """The same call on each worker of the pool, or on `copies` of them; see `Client.everywhere`."""
        timeout = self._timeout if timeout is None else timeout
        until = None if timeout is None else time.monotonic() + timeout
        answer = await self._ask(ask_for_workers(copies, timeout))
        futures = start_everywhere(
            self._connection, target, args, answer, copies=copies, until=until, entry_type=Answer
        )
        try:
            results = []
            for future in futures:
                await self._connection.wait(future, timeout)
                results.append(future.result())
            return results
        finally:
            give_up(futures)

    async def map_objects(
        self, proxies: Iterable[Any], method: str, /, *args: Any, window: int = 256, errors: str = "raise"
    ) -> AsyncIterator[Any]:
        """Call a method of many objects, each where it lives: `async for result in client.map_objects(...)`.

        The arguments are `Client.map_objects`'s.
        """
        result_of = give_result if Errors(errors) is Errors.RAISE else give_result_or_error
        connection = self._connection
        await connection.live()
        under_way: deque[Answer] = deque()
        calls = start_methods(connection.start, proxies, method, args, Answer)
        try:
            while True:
                under_way.extend(islice(calls, window - len(under_way)))
                if not under_way:
                    return
                await connection.wait(under_way[0], None)
                yield result_of(under_way.popleft())
        finally:
            give_up(under_way)

    async def reduce(
        self,
        function: str,
        items: AsyncItems,
        *,
        each: str | None = None,
        chunk: int = 256,
        timeout: float | None = None,
        idempotent: bool = False,
    ) -> Any:
        """Reduce items in the workers with an associative function of two. The arguments are `Client.reduce`'s."""
        awaited = awaited_parts(items, chunk) if isinstance(items, AsyncIterable) else None
        given = () if isinstance(items, AsyncIterable) else items
        reducing = Reducing(function, given, each=each, chunk=chunk, timeout=timeout, idempotent=idempotent)
        parts: AsyncItems = reducing.parts if awaited is None else awaited
        while True:
            scatter = AsyncScatter(self._connection, reducing.target, parts, reducing.options)
            reduced = [result.value async for result in scatter]
            if reducing.take(reduced):
                return reduced[0]
            parts = reducing.parts

    def stream(
        self,
        target: str,
        /,
        *args: Any,
        window: int = 64,
        timeout: float | None = None,
        want: Wanted = None,
        **kwargs: Any,
    ) -> AsyncStream:
        """Call a generator function: `async for item in client.stream(...)`. The arguments are `Client.stream`'s."""
        start = partial(
            self._connection.start,
            *(_CALL, target, args, kwargs),
            want=want_of(want),
            timeout=timeout,
            flags=_STREAM,
            entry_type=Flow,
        )
        return AsyncStream(self._connection, start, window)

    def iterate(self, receiver: Any, *, window: int = 64, want: Wanted = None) -> AsyncStream:
        """Iterate over a proxy's object; `async for item in proxy` does the same."""
        start = partial(
            self._connection.start,
            *(_ITERATE, "", (receiver,), None),
            takes_object=True,
            want=want_of(want),
            flags=_STREAM,
            entry_type=Flow,
        )
        return AsyncStream(self._connection, start, window)

    def module(self, name: str) -> AsyncName:
        """A module as if it were imported here: `np = client.module("numpy"); await np.arange(6)`."""
        return AsyncName(self, name)

    def release(self, *proxies: Any) -> None:
        """Let go of proxies' objects now, rather than when the garbage collector finds the proxies."""
        for proxy in proxies:
            release(proxy).flush()

    async def status(self) -> dict[str, Any]:
        """The service's pools, workers, sessions and calls."""
        return await self._ask({"op": "status"})

    async def handles(self) -> list[dict[str, Any]]:
        """The handles of this session, as the workers see them."""
        found: list[dict[str, Any]] = (await self._ask({"op": "handles"})).get("handles", [])
        return found

    async def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        await self._connection.live()
        entry = self._connection.start_request(message)
        await self._connection.wait(entry, None)
        return read_answer(entry)

    def close(self) -> None:
        """Leave: calls under way fail, and all objects of this session are released."""
        self._connection.close()

    def __repr__(self) -> str:
        return f"<bascule client of {self.place}, {'closed' if self._connection.closed else 'connected'}>"
