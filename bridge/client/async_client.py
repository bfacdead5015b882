"""The client for event loops: what those for trio and asyncio have in common, which is all but how they wait.

Each operation is awaited, any number of tasks may call at the same time, and a task that is cancelled cancels its call
in the service. A connection says how it is waited; see `AsyncConnection`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, ClassVar

from bascule.bridge.client.async_connection import AsyncConnection
from bascule.bridge.client.calling import read_answer
from bascule.bridge.client.encoding import milliseconds, want_of
from bascule.bridge.client.futures import Answer, SafeAnswer
from bascule.bridge.client.many import FOLD, WORKERS, Reducing, give_up, start_everywhere, start_methods
from bascule.bridge.client.mapping import MapRun
from bascule.bridge.client.names import AsyncName
from bascule.bridge.client.operations import Operations, Wanted
from bascule.bridge.client.places import Place
from bascule.bridge.client.printing import OnOutput, print_output
from bascule.bridge.client.progress import Told, teller
from bascule.bridge.client.proxy import release
from bascule.bridge.client.scattering import Errors, Options, Progress, Result, ScatterRun
from bascule.bridge.client.streams import Flow, Reader
from bascule.bridge.errors import CallError
from bascule.protocols.calls import Op
from bascule.protocols.envelope import Flag
from bascule.protocols.service import Welcome

_CALL, _ITERATE = int(Op.CALL), int(Op.ITERATE)
_IDEMPOTENT, _CAST, _STREAM = int(Flag.IDEMPOTENT), int(Flag.CAST), int(Flag.STREAM)
_FRESH = int(Flag.FRESH)


class AsyncClient(Operations):
    """What the clients for trio and asyncio have in common: all but the connection."""

    connection_type: ClassVar[type[AsyncConnection]]

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
        milliseconds(timeout)  # to complain now
        self.place = place
        self._timeout = timeout
        self._connection = self.connection_type(
            self, place, pool=pool, name=name, patience=patience, output=output or print_output
        )

    @property
    def welcome(self) -> Welcome:
        """What the service said of itself when we connected last."""
        return self._connection.welcome

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
        items: Iterable[Any],
        *,
        chunk: int | None = None,
        timeout: float | None = None,
        errors: str = "raise",
        star: bool = False,
        window: int | None = None,
    ) -> AsyncMap:
        """Call a function with each item: `async for result in client.map(...)`. The arguments are `Client.map`'s."""
        run = MapRun(
            self._connection, target, items, chunk=chunk, timeout=timeout, errors=errors, star=star, window=window
        )
        return AsyncMap(self._connection, run)

    def scatter(
        self,
        target: str,
        items: Iterable[Any],
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
        """`async for result in client.scatter(...)`. The arguments are `Client.scatter`'s."""
        told = teller(progress, target)
        options = Options(ordered, Errors(errors), chunk, window, timeout, star, idempotent, told)
        return AsyncScatter(self._connection, target, items, options)

    async def everywhere(
        self, target: str, /, *args: Any, copies: int | None = None, timeout: float | None = None
    ) -> list[Any]:
        """The same call on each worker of the pool, or on `copies` of them; see `Client.everywhere`."""
        timeout = self._timeout if timeout is None else timeout
        answer = await self._ask(WORKERS)
        futures = start_everywhere(
            self._connection, target, args, answer, copies=copies, timeout=timeout, entry_type=Answer
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
        self, proxies: Iterable[Any], method: str, /, *args: Any, window: int = 256
    ) -> AsyncIterator[Any]:
        """Call a method of many objects, each where it lives: `async for result in client.map_objects(...)`."""
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
                yield under_way.popleft().result()
        finally:
            give_up(under_way)

    async def reduce(
        self,
        function: str,
        items: Iterable[Any],
        *,
        each: str | None = None,
        chunk: int = 256,
        timeout: float | None = None,
        idempotent: bool = False,
    ) -> Any:
        """Reduce items in the workers with an associative function of two. The arguments are `Client.reduce`'s."""
        reducing = Reducing(function, items, each=each, chunk=chunk, timeout=timeout, idempotent=idempotent)
        while True:
            scatter = AsyncScatter(self._connection, FOLD, reducing.calls, reducing.options)
            reduced = [result.value async for result in scatter]
            if reducing.take(reduced):
                return reduced[0]

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


class AsyncMap:
    """The results of a map, in order. Stopped when it is closed or dropped."""

    def __init__(self, connection: AsyncConnection, run: MapRun) -> None:
        self._connection = connection
        self._run = run
        self._values: deque[Any] = deque()
        self._error: CallError | None = None

    def __aiter__(self) -> AsyncMap:
        return self

    async def __anext__(self) -> Any:
        run = self._run
        while not self._values:
            if self._error is not None:
                error, self._error = self._error, None
                run.stop()
                raise error
            await self._connection.live()
            run.fill()
            if not run.started:
                raise StopAsyncIteration
            chunk = run.started[0]
            waited = not chunk.future.state
            if waited:
                await self._connection.wait(chunk.future, None)
            run.started.popleft()
            values, self._error = run.take(chunk, waited=waited)
            self._values.extend(values)
        return self._values.popleft()

    def close(self) -> None:
        """Stop it; what is left is not read."""
        self._run.stop()

    def __del__(self) -> None:
        self._run.stop()


class AsyncScatter:
    """The results of a scatter. Stopped, with all that is under way, when it is closed, left or dropped."""

    def __init__(self, connection: AsyncConnection, target: str, items: Iterable[Any], options: Options) -> None:
        self._connection = connection
        self._options = options
        self._run = ScatterRun(connection, target, items, options)
        self._ready: deque[Result] = deque()

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return self._run.progress

    def __aiter__(self) -> AsyncScatter:
        return self

    async def __anext__(self) -> Result:
        run = self._run
        try:
            while not self._ready:
                await self._connection.live()
                run.fill()
                calls = run.awaited()
                if not calls:
                    raise StopAsyncIteration
                if not any(call.state for call in calls):
                    await self._connection.wait_for_news(calls, run.patience())
                    run.look_for_stragglers()
                self._ready.extend(run.take())
            result = self._ready.popleft()
            if result.error is not None and self._options.errors is Errors.RAISE:
                raise result.error
            return result
        except StopAsyncIteration:
            raise
        except BaseException:  # an error, or a cancellation: what is under way is wanted no more
            run.stop()
            raise

    async def __aenter__(self) -> AsyncScatter:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop it; what is left is not read."""
        self._ready.clear()
        self._run.stop()

    def __del__(self) -> None:
        if hasattr(self, "_run"):
            self._run.stop()


class AsyncStream(Reader):
    """An iterator over what a call yields; the call is made when the first item is asked for."""

    __slots__ = ("_connection", "_start")

    def __init__(self, connection: AsyncConnection, start: Callable[[], Flow], window: int) -> None:
        if window < 1:
            raise ValueError(f"a window must be at least 1 item, not {window!r}")
        self._connection = connection
        self._start: Callable[[], Flow] | None = start
        self._window = window
        self._over = False

    def __aiter__(self) -> AsyncStream:
        return self

    async def __anext__(self) -> Any:
        if self._start is not None and not self._over:
            await self._connection.live()
            start, self._start = self._start, None
            super().__init__(start(), self._window)
        while not self._over:
            flow = self._flow
            if flow.items:
                return self._take()
            if flow.state:
                self._finish()
            elif (gate := flow.gate()) is not None:
                await self._connection.wait_for_news((gate,), None)
        raise StopAsyncIteration

    async def __aenter__(self) -> AsyncStream:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop it; what is left is not read."""
        if self._start is not None:
            self._over = True
        super().close()

    def __del__(self) -> None:
        if getattr(self, "_start", None) is None:
            super().__del__()

    def __repr__(self) -> str:
        return "<stream, not begun>" if self._start is not None else super().__repr__()
