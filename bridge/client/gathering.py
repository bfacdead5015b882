"""The blocking client's operations that have many results: maps, scatters, reductions, streams.

They are `Client`'s own; what they have in common with those of the clients for event loops stands in `many`, `mapping`,
`scattering` and `streams`.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from bascule.bridge.client.connection import Connection
from bascule.bridge.client.encoding import want_of
from bascule.bridge.client.futures import Future
from bascule.bridge.client.items import Items
from bascule.bridge.client.many import (
    Reducing,
    ask_for_workers,
    give_result,
    give_result_or_error,
    give_up,
    start_everywhere,
    start_methods,
)
from bascule.bridge.client.mapping import MapRun
from bascule.bridge.client.operations import Operations, Wanted
from bascule.bridge.client.progress import Told, teller
from bascule.bridge.client.scatter import Scatter
from bascule.bridge.client.scattering import Errors, Options
from bascule.bridge.client.streams import Flow, Stream
from bascule.protocols.calls import Op
from bascule.protocols.envelope import Flag

_STREAM = int(Flag.STREAM)
_CALL, _ITERATE = int(Op.CALL), int(Op.ITERATE)


class Gathering(Operations):
    """Operations that gather more than one result, each a method of `Client`."""

    _connection: Connection

    def map(
        self,
        target: str,
        items: Items,
        *,
        chunk: int | None = None,
        timeout: float | None = None,
        errors: str = "raise",
        star: bool = False,
        window: int | None = None,
    ) -> Iterator[Any]:
        """Call a function with each item; the results come in order, while later items are still worked on.

        Args:
            target: The function; or, with a dot before it, a method: each item is an object, whose method is called
                where it lives. With `star` its arguments follow it.
            items: Its arguments, one each, or the path of a file of JSON lines. May be endless: no more is taken
                from it than the results' reader allows.
            chunk: How many items travel together. None: as many as suits their number, size and speed.
            timeout: Seconds for all of it.
            errors: "raise" raises the first item's error in its place; "return" gives it as that item's result.
            star: Each item is a sequence of arguments.
            window: How many chunks are under way at a time.
        """
        run = MapRun(
            self._connection, target, items, chunk=chunk, timeout=timeout, errors=errors, star=star, window=window
        )
        run.fill()
        return itertools.chain.from_iterable(run.results())

    def scatter(
        self,
        target: str,
        items: Items,
        *,
        ordered: bool = True,
        errors: str = "raise",
        idempotent: bool = False,
        timeout: float | None = None,
        chunk: int | None = None,
        window: int | None = None,
        star: bool = False,
        progress: Told | bool | None = None,
    ) -> Scatter:
        """`map`, with all that may be wanted of it: gives a `Result` for each item, with its index, value and error.

        Args:
            target: The function; or, with a dot before it, a method: each item is an object, whose method is called
                where it lives. With `star` its arguments follow it.
            items: Its arguments, one each, or the path of a file of JSON lines. No more is taken than the results'
                reader allows.
            ordered: In the order of the items; otherwise as they are completed.
            errors: "raise" raises the first error and cancels the rest; "return" gives it with its item's result.
            idempotent: What was lost with a worker or the connection may be tried again, what takes far longer than the
                rest may be run a second time at the end.
            timeout: Seconds for all of it.
            chunk: How many items travel together. None: as many as suits their number, size and speed.
            window: How many chunks are under way at a time.
            star: Each item is a sequence of arguments.
            progress: A function that is told how far it is, each time that a chunk has ended. True: it is shown on
                standard error, as a bar on a terminal, else as a line now and then.
        """
        told = teller(progress, target)
        options = Options(ordered, Errors(errors), chunk, window, timeout, star, idempotent, told)
        return Scatter(self._connection, target, items, options)

    def everywhere(
        self, target: str, /, *args: Any, copies: int | None = None, timeout: float | None = None
    ) -> list[Any]:
        """Make the same call once on each worker of the pool; the results, one for each of them.

        Args:
            target: The function.
            *args: Its arguments.
            copies: Make it so many times instead, each on another worker; in turns where there are fewer.
            timeout: Seconds for all of it. Workers that are starting, or starting again, are waited for; without a
                timeout as long as it takes.

        Raises:
            CallError: The first error; the others are cancelled.
        """
        timeout = self._timeout if timeout is None else timeout
        until = None if timeout is None else time.monotonic() + timeout
        answer = self._connection.ask(ask_for_workers(copies, timeout))
        futures: list[Future] = start_everywhere(self._connection, target, args, answer, copies=copies, until=until)
        try:
            return [future.result() for future in futures]
        finally:
            give_up(futures)

    def map_objects(
        self, proxies: Iterable[Any], method: str, /, *args: Any, window: int = 256, errors: str = "raise"
    ) -> Iterator[Any]:
        """Call a method of many objects, each where it lives; the results come in order.

        As they are completed they come from `scatter`, whose target may be a method.

        Args:
            proxies: The objects.
            method: Its name.
            *args: Its arguments, the same for all of them.
            window: How many calls are under way at a time.
            errors: "raise" raises the first error in its place; "return" gives it as that object's result.
        """
        result_of = give_result if Errors(errors) is Errors.RAISE else give_result_or_error
        under_way: deque[Future] = deque()
        try:
            for future in start_methods(self._connection.start, proxies, method, args, Future):
                under_way.append(future)
                if len(under_way) >= window:
                    yield result_of(under_way.popleft())
            while under_way:
                yield result_of(under_way.popleft())
        finally:
            for future in under_way:
                future.abandon()

    def reduce(
        self,
        function: str,
        items: Items,
        *,
        each: str | None = None,
        chunk: int = 256,
        timeout: float | None = None,
        idempotent: bool = False,
    ) -> Any:
        """Reduce items in the workers with an associative function of two: `client.reduce("operator:add", numbers)`.

        Args:
            function: The function of two.
            items: At least one; or the path of a file of JSON lines.
            each: A function that is applied to every item first.
            chunk: How many items one call reduces.
            timeout: Seconds for all of it.
            idempotent: What is lost with a worker may be reduced again, and a straggler a second time.

        Raises:
            ValueError: There are no items.
        """
        reducing = Reducing(function, items, each=each, chunk=chunk, timeout=timeout, idempotent=idempotent)
        while True:
            scatter = Scatter(self._connection, reducing.target, reducing.parts, reducing.options)
            reduced = [result.value for result in scatter]
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
    ) -> Stream:
        """Call a generator function (also an asynchronous one) and iterate over what it yields, as it does.

        Args:
            target: The function.
            *args: Its arguments.
            window: How many items it may be ahead of us.
            timeout: Seconds for the whole of it.
            want: How each item travels.
            **kwargs: Its keywords.
        """
        return self._stream(_CALL, target, args, kwargs, window=window, want=want, timeout=timeout)

    def iterate(self, receiver: Any, *, window: int = 64, want: Wanted = None) -> Stream:
        """Iterate over a proxy's object; `for item in proxy` does the same. Reads up to `window` items ahead."""
        return self._stream(_ITERATE, "", (receiver,), None, takes_object=True, window=window, want=want)

    def _stream(
        self,
        op: int,
        target: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any] | None,
        *,
        window: int,
        want: Wanted,
        timeout: float | None = None,
        takes_object: bool = False,
    ) -> Stream:
        if window < 1:
            raise ValueError(f"a window must be at least 1 item, not {window!r}")
        flow: Flow = self._connection.start(
            op,
            target,
            args,
            kwargs,
            takes_object=takes_object,
            want=want_of(want),
            timeout=timeout,
            flags=_STREAM,
            entry_type=Flow,
        )
        return Stream(flow, window)
