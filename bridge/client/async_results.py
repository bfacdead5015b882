"""What the clients for event loops give to iterate over: the results of a map, of a scatter, the items of a stream.

Each is the asynchronous half of a thing that has no loop: `MapRun`, `ScatterRun`, `Flow`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from bascule.bridge.client.async_connection import AsyncConnection
from bascule.bridge.client.items import AsyncItems
from bascule.bridge.client.mapping import MapRun
from bascule.bridge.client.scattering import Errors, Options, Progress, Result, ScatterRun
from bascule.bridge.client.streams import Flow, Reader
from bascule.bridge.client.supply import supplied
from bascule.bridge.errors import CallError


class AsyncMap:
    """The results of a map, in order. Stopped, with all that is under way, when it is closed or dropped."""

    def __init__(self, connection: AsyncConnection, run: MapRun) -> None:
        self._connection = connection
        self._run = run
        self._values: deque[Any] = deque()
        self._error: CallError | None = None

    def __aiter__(self) -> AsyncMap:
        return self

    async def __anext__(self) -> Any:
        try:
            while not self._values:
                if self._error is not None:
                    error, self._error = self._error, None
                    raise error
                if not await self._take():
                    raise StopAsyncIteration
            return self._values.popleft()
        except StopAsyncIteration:
            raise
        except BaseException:  # an error, or a cancellation: what is under way is wanted no more
            self._run.stop()
            raise

    async def _take(self) -> bool:
        """Take the next chunk's results; whether there is one."""
        run = self._run
        waited = False
        while True:
            await self._connection.live()
            run.fill()
            chunk = run.started[0] if run.started else None
            if chunk is not None and chunk.future.state:
                run.started.popleft()
                values, self._error = run.take(chunk, waited=waited)
                self._values.extend(values)
                return True
            awaited = [*([] if chunk is None else [chunk.future]), *run.awaited_items()]
            if not awaited:
                return False
            waited = True
            await self._connection.wait_for_news(awaited, run.patience())

    def close(self) -> None:
        """Stop it; what is left is not read."""
        self._run.stop()

    def __del__(self) -> None:
        self._run.stop()


class AsyncScatter:
    """The results of a scatter. Stopped, with all that is under way, when it is closed, left or dropped."""

    def __init__(self, connection: AsyncConnection, target: str, items: AsyncItems, options: Options) -> None:
        self._connection = connection
        self._options = options
        self._run = ScatterRun(connection, target, supplied(connection, items, options.chunk), options)
        self._ready: deque[Result] = deque()

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return self._run.progress

    @property
    def ready(self) -> int:
        """Results that are there already: so many come without waiting."""
        return len(self._ready)

    def __aiter__(self) -> AsyncScatter:
        return self

    async def __anext__(self) -> Result:
        run = self._run
        try:
            while not self._ready:
                await self._connection.live()
                run.fill()
                calls = run.awaited()
                awaited = [*calls, *run.awaited_items()]
                if not awaited:
                    raise StopAsyncIteration
                if not any(call.state for call in calls):
                    await self._connection.wait_for_news(awaited, run.patience())
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
