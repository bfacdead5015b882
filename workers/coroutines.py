"""Awaiting what user code returns: one event loop per thread that runs calls, made when it is first needed.

`asyncio` costs a worker megabytes, so nothing here imports it before something awaitable came back from a call. The
loop is kept: what user code tied to it (connections, locks) works in the next call too. Background tasks run on only
while some call is awaited.
"""

from __future__ import annotations

from bascule.workers.cancel import Cancelled
from bascule.workers.page import CANCEL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from bascule.workers.cancel import Gate


def is_awaitable(value: object) -> bool:
    """Coroutines of every make, futures, tasks. (A class has the attribute without being awaitable.)"""
    return hasattr(type(value), "__await__")


class Awaiter:
    """The event loop of one thread."""

    __slots__ = ("_gate", "_loop")

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._loop: Any = None

    @property
    def loop(self) -> Any:
        """The thread's event loop, made if need be."""
        if self._loop is None or self._loop.is_closed():
            import asyncio

            self._loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self._loop)
        return self._loop

    def close(self) -> None:
        """Nothing more is awaited here."""
        if self._loop is not None:
            self._loop.close()

    def wait(self, awaitable: Any, call_id: int, loop: Any = None) -> Any:
        """Run the loop until `awaitable` has its result.

        Raises:
            Cancelled: The call was cancelled, even if the coroutine made another exception of it.
        """
        import asyncio

        loop = loop or self.loop
        gate = self._gate
        outer = (gate.loop, gate.task)
        task = asyncio.ensure_future(_as_coroutine(awaitable), loop=loop)
        gate.loop, gate.task = loop, task
        try:
            return loop.run_until_complete(task)
        except asyncio.CancelledError:
            if gate.cell[CANCEL] == call_id:
                raise Cancelled from None
            raise
        finally:
            gate.loop, gate.task = outer


async def _as_coroutine(awaitable: Any) -> Any:
    return await awaitable
