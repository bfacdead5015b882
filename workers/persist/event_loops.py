"""The two event loops in which a persisted coroutine may be awaited, asyncio's and trio's, and all that differs.

Nothing is imported here for them: a task of a loop has loaded it, so `sys.modules` has it. The rest of the room asks
`loop_here` and never names either.
"""

from __future__ import annotations

import contextlib
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import Any

Tell = Callable[[], None]


class EventLoop(ABC):
    """What there is to do in a loop, from a task of its own."""

    @abstractmethod
    def identity(self) -> object:
        """This very loop, to be told from any other that runs or has run."""

    @abstractmethod
    async def sleep(self, seconds: float) -> None:
        """Let time pass."""

    @abstractmethod
    async def wait_until_told(self, ask: Callable[[Tell], None]) -> None:
        """Give `ask` a function, and return when that was called, in whichever thread."""

    @abstractmethod
    def start(self, function: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a coroutine function, which raises nothing, beside whoever waits for what."""


class _Asyncio(EventLoop):
    def __init__(self, asyncio: Any) -> None:
        self._asyncio = asyncio

    def identity(self) -> object:
        return self._asyncio.get_running_loop()

    async def sleep(self, seconds: float) -> None:
        await self._asyncio.sleep(seconds)

    async def wait_until_told(self, ask: Callable[[Tell], None]) -> None:
        loop = self._asyncio.get_running_loop()
        future = loop.create_future()

        def done() -> None:
            if not future.done():
                future.set_result(None)

        ask(lambda: _quietly(lambda: loop.call_soon_threadsafe(done)))
        await future

    def start(self, function: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = self._asyncio.get_running_loop().create_task(function())
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)


class _Trio(EventLoop):
    def __init__(self, trio: Any) -> None:
        self._trio = trio

    def identity(self) -> object:
        return self._trio.lowlevel.current_trio_token()

    async def sleep(self, seconds: float) -> None:
        await self._trio.sleep(seconds)

    async def wait_until_told(self, ask: Callable[[Tell], None]) -> None:
        event, token = self._trio.Event(), self._trio.lowlevel.current_trio_token()
        ask(lambda: _quietly(lambda: token.run_sync_soon(event.set)))
        await event.wait()

    def start(self, function: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._trio.lowlevel.spawn_system_task(function)


_tasks: set[object] = set()  # those of asyncio, whose loop keeps none alive


def loop_here() -> EventLoop:
    """The loop whose task runs this code.

    Raises:
        RuntimeError: There is none that is known here.
    """
    trio = sys.modules.get("trio")
    with contextlib.suppress(AttributeError):  # it is just being imported: by no task of its own
        if trio is not None and trio.lowlevel.in_trio_task():
            return _Trio(trio)
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        raise RuntimeError("this coroutine is run by neither asyncio nor trio: await it in a task of one of them")
    return _Asyncio(asyncio)


def _quietly(tell: Tell) -> None:
    with contextlib.suppress(RuntimeError):  # that loop is over: nobody waits there any more
        tell()
