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
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import trio

from bascule.bridge.client.calling import Calling, read_answer
from bascule.bridge.client.connecting import Greeted, greet, pauses
from bascule.bridge.client.connection import OVERDUE
from bascule.bridge.client.encoding import milliseconds, want_of
from bascule.bridge.client.futures import RAISED, Answer, Entry, SafeAnswer
from bascule.bridge.client.mapping import MapRun
from bascule.bridge.client.operations import Operations, Wanted
from bascule.bridge.client.places import Place, place_of
from bascule.bridge.client.printing import OnOutput, print_output, tell
from bascule.bridge.client.proxy import release
from bascule.bridge.client.streams import Flow, Reader
from bascule.bridge.client.trio_link import TrioLink
from bascule.bridge.errors import BasculeError, CallError, ClientClosed, NoService, Timeout
from bascule.protocols.calls import Op
from bascule.protocols.envelope import Flag
from bascule.protocols.service import Welcome

_CALL, _ITERATE = int(Op.CALL), int(Op.ITERATE)
_IDEMPOTENT, _CAST, _STREAM = int(Flag.IDEMPOTENT), int(Flag.CAST), int(Flag.STREAM)
_FRESH = int(Flag.FRESH)


@asynccontextmanager
async def connect_trio(
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
) -> AsyncIterator[TrioClient]:
    """Connect to a service for the length of an `async with` block. The arguments are those of `connect`.

    Raises:
        NoService: Nobody answers there.
        ServiceRefused: It does not know the pool, or does not speak our version.
    """
    place = place_of(path, token=token, ca=ca, certificate=certificate)
    client = TrioClient(place, pool=pool, timeout=timeout, output=output, name=name, patience=patience)
    await client._connection.open(0)
    try:
        yield client
    finally:
        client.close()


class TrioConnection(Calling[TrioLink]):
    """The trio client's way to the service, across the service's restarts.

    Attributes:
        client: Whose it is.
        welcome: What the service said of itself when we connected last.
        closed: Whether it is of no use any more.
    """

    welcome: Welcome

    def __init__(
        self,
        client: TrioClient,
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
        self._connecting = trio.Lock()

    async def open(self, patience: float) -> None:
        """Connect."""
        waits = pauses(patience)
        while True:
            if self.closed:
                raise ClientClosed(f"this client of {self._place} was closed")
            try:
                greeted = await trio.to_thread.run_sync(self._greet, abandon_on_cancel=True)
                break
            except NoService:
                pause = next(waits, None)
                if pause is None:
                    raise
            await trio.sleep(pause)
        self.welcome = greeted.welcome
        greeted.sock.setblocking(False)
        self._link = TrioLink(self, greeted.sock, greeted.reader, self._tell_output, self._on_broken)

    async def live(self) -> None:
        """Have a link that is not known to be broken."""
        if self._link.broken is not None:
            async with self._connecting:
                if self._link.broken is not None:
                    await self.open(self._patience)

    async def wait(self, entry: Entry, timeout: float | None) -> None:
        """Return when `entry` has an outcome. Cancelled, it is cancelled in the service too."""
        event = trio.Event()
        entry.watch(event.set)
        entry.link.flush()
        try:
            with trio.move_on_after(math.inf if timeout is None else timeout + OVERDUE):
                await event.wait()
        except trio.Cancelled:
            entry.abandon()
            raise
        if not entry.state:
            entry.abandon()
            raise Timeout(f"the service has not answered call {entry.call_id}, {entry.what}, at all")

    def close(self) -> None:
        """Leave. Calls under way fail."""
        self.closed = True
        self._link.fail("the client was closed")
        self._place.leave()

    def _on_broken(self, link: TrioLink) -> None:
        if link.carried:
            trio.lowlevel.spawn_system_task(self._send_again, link)

    async def _send_again(self, link: TrioLink) -> None:
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


class TrioClient(Operations):
    """A connection to a service, as `connect_trio` gives it."""

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
        self._connection = TrioConnection(
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
        await trio.lowlevel.checkpoint()

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
    ) -> TrioMap:
        """Call a function with each item: `async for result in client.map(...)`. The arguments are `Client.map`'s."""
        run = MapRun(
            self._connection, target, items, chunk=chunk, timeout=timeout, errors=errors, star=star, window=window
        )
        return TrioMap(self._connection, run)

    def stream(
        self,
        target: str,
        /,
        *args: Any,
        window: int = 64,
        timeout: float | None = None,
        want: Wanted = None,
        **kwargs: Any,
    ) -> TrioStream:
        """Call a generator function: `async for item in client.stream(...)`. The arguments are `Client.stream`'s."""
        start = partial(
            self._connection.start,
            *(_CALL, target, args, kwargs),
            want=want_of(want),
            timeout=timeout,
            flags=_STREAM,
            entry_type=Flow,
        )
        return TrioStream(self._connection, start, window)

    def iterate(self, receiver: Any, *, window: int = 64, want: Wanted = None) -> TrioStream:
        """Iterate over a proxy's object; `async for item in proxy` does the same."""
        start = partial(
            self._connection.start,
            *(_ITERATE, "", (receiver,), None),
            takes_object=True,
            want=want_of(want),
            flags=_STREAM,
            entry_type=Flow,
        )
        return TrioStream(self._connection, start, window)

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
        return f"<bascule trio client of {self.place}, {'closed' if self._connection.closed else 'connected'}>"


class TrioMap:
    """The results of a map, in order. Stopped when it is closed or dropped."""

    def __init__(self, connection: TrioConnection, run: MapRun) -> None:
        self._connection = connection
        self._run = run
        self._values: deque[Any] = deque()
        self._error: CallError | None = None

    def __aiter__(self) -> TrioMap:
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


class TrioStream(Reader):
    """An iterator over what a call yields; the call is made when the first item is asked for."""

    __slots__ = ("_connection", "_start")

    def __init__(self, connection: TrioConnection, start: Callable[[], Flow], window: int) -> None:
        if window < 1:
            raise ValueError(f"a window must be at least 1 item, not {window!r}")
        self._connection = connection
        self._start: Callable[[], Flow] | None = start
        self._window = window
        self._over = False

    def __aiter__(self) -> TrioStream:
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
                event = trio.Event()
                gate.watch(event.set)
                await event.wait()
        raise StopAsyncIteration

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
