"""What the clients do with many workers, objects or parts at a time, but for how they wait.

*Everywhere*: the same call on each worker of the pool, or on so many of them, by calls that name their worker (PLACED).
*Reducing*: parts of the items are folded by one call each, their results again, until one is left.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from bascule.bridge.client.encoding import milliseconds
from bascule.bridge.client.futures import Answer, Entry, Future
from bascule.bridge.client.items import Items, each_of
from bascule.bridge.client.scattering import Options
from bascule.bridge.errors import CallError, PoolUnavailable, Timeout
from bascule.protocols.calls import Op, combine

if TYPE_CHECKING:
    from bascule.bridge.client.calling import Calling

_CALL: Final = int(Op.CALL)
_AS_LONG_AS_IT_TAKES: Final = 4_000_000_000  # milliseconds


def ask_for_workers(copies: int | None, timeout: float | None) -> dict[str, Any]:
    """The request whose answer names the workers of our pool that take calls, once all are there (or `copies`).

    Raises:
        ValueError: `copies` is below 1, or the time is none.
    """
    if copies is not None and copies < 1:
        raise ValueError(f"a call is made at least once, not {copies!r} times")
    return {"op": "workers", "wait_ms": milliseconds(timeout) or _AS_LONG_AS_IT_TAKES, "copies": copies or 0}


def start_everywhere(
    calling: Calling[Any],
    target: str,
    args: Sequence[Any],
    answer: dict[str, Any],
    *,
    copies: int | None,
    until: float | None,
    entry_type: Any = Future,
) -> list[Any]:
    """Start the same call on each worker that `answer` (to `ask_for_workers`) names, or on `copies` of them, in turn.

    Raises:
        PoolUnavailable: The pool has no workers, and will have none.
        Timeout: Not all of them were there in time.
    """
    slots = [slot for slot in answer.get("slots", ()) if isinstance(slot, int)]
    pool, size = answer.get("pool"), answer.get("size", 0)
    if "why" in answer or not size:
        raise PoolUnavailable(str(answer.get("why", f"pool {pool!r} has no workers")))
    wanted = min(size, copies or size)
    timeout = None if until is None else until - time.monotonic()
    if len(slots) < wanted or (timeout is not None and timeout <= 0):
        raise Timeout(f"{len(slots)} of {wanted} workers of pool {pool!r} were there in time to call {target}")
    arguments, kept = calling.encode(args, None)
    chosen = slots if copies is None else itertools.islice(itertools.cycle(slots), copies)
    deadline = milliseconds(timeout)
    return [
        calling.launch(_CALL, target, arguments, kept, deadline_ms=deadline, entry_type=entry_type, slot=slot)
        for slot in chosen
    ]


def give_up(entries: Iterable[Entry]) -> None:
    """Nobody waits for these any more: cancel those that have not ended."""
    for entry in entries:
        if not entry.state:
            entry.abandon()


class Reducing:
    """One reduction: rounds of folding, each a scatter over `calls`, whose results are given to `take`.

    Attributes:
        target: Of the round's calls: what they reduce with, and what is applied to the items first.
        parts: What each of them reduces.
    """

    def __init__(
        self,
        function: str,
        items: Items,
        *,
        each: str | None,
        chunk: int,
        timeout: float | None,
        idempotent: bool = False,
    ) -> None:
        if chunk < 1:
            raise ValueError(f"a chunk must have at least 1 item, not {chunk!r}")
        milliseconds(timeout)  # to complain now
        self._function = function
        self._chunk = max(2, chunk)
        self.target = combine("fold", function) if each is None else combine("fold", function, each)
        self.parts: Iterator[list[Any]] = _parts(each_of(items), chunk)
        self._idempotent = idempotent
        self._timeout = timeout
        self._until = None if timeout is None else time.monotonic() + timeout

    @property
    def options(self) -> Options:
        """How to scatter the round's calls.

        Raises:
            Timeout: The time for all of it is over.
        """
        left = self._timeout if self._until is None else self._until - time.monotonic()
        if left is not None and left <= 0:
            raise Timeout(f"the reduction by {self._function} has not ended within {self._timeout} s")
        return Options(chunk=1, timeout=left, idempotent=self._idempotent)

    def take(self, reduced: list[Any]) -> bool:
        """The results of a round; whether that was the last one.

        Raises:
            ValueError: There was nothing to reduce.
        """
        if not reduced:
            raise ValueError("there is nothing to reduce")
        self.target = combine("fold", self._function)
        self.parts = _parts(reduced, self._chunk)
        return len(reduced) == 1


def start_methods(
    start: Callable[..., Any], proxies: Iterable[Any], method: str, args: Sequence[Any], entry_type: Any
) -> Iterator[Any]:
    """Start a method's calls on many objects, one each time that the next is asked for."""
    for proxy in proxies:
        yield start(int(Op.METHOD), method, (proxy, *args), None, takes_object=True, entry_type=entry_type)


def give_result(call: Answer) -> Any:
    """Its value.

    Raises:
        CallError: It has none.
    """
    return call.result()


def give_result_or_error(call: Answer) -> Any:
    """Its value, or its error."""
    try:
        return call.result()
    except CallError as error:
        return error


def _parts(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Items in lists of that size; the last may be shorter."""
    iterator = iter(items)
    while part := list(itertools.islice(iterator, size)):
        yield part


async def awaited_parts(items: AsyncIterable[Any], size: int) -> AsyncIterator[list[Any]]:
    """Items that come asynchronously, in lists of that size; the last may be shorter."""
    part: list[Any] = []
    async for item in items:
        part.append(item)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part
