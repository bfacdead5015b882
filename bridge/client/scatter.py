"""The results of a scatter, for the blocking client."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import TYPE_CHECKING

from bascule.bridge.client.futures import VALUE, Entry, Future
from bascule.bridge.client.items import Items
from bascule.bridge.client.scattering import Options, Progress, Result, ScatterRun, fail_fast

if TYPE_CHECKING:
    from bascule.bridge.client.connection import Connection


class Scatter:
    """An iterator over results. Stopped, with all that is under way, when it is closed, left or dropped."""

    def __init__(self, connection: Connection, target: str, items: Items, options: Options) -> None:
        self._connection = connection
        self._options = options
        self._run = ScatterRun(connection, target, items, options)
        self._results = self._gather()

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return self._run.progress

    def close(self) -> None:
        """Stop it; what is left is not read."""
        self._results.close()
        self._run.stop()

    def __iter__(self) -> Scatter:
        return self

    def __next__(self) -> Result:
        return next(self._results)

    def __enter__(self) -> Scatter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _gather(self) -> Generator[Result, None, None]:
        run = self._run
        try:
            while True:
                run.fill()
                calls = run.awaited()
                if not calls:
                    return
                if not any(call.state for call in calls):
                    self._wait_for_any(calls)
                yield from fail_fast(run.take(), self._options.errors)
        finally:
            run.stop()

    def _wait_for_any(self, calls: list[Future]) -> None:
        """Until one of them has ended, or it is time to look for stragglers."""
        news = Entry(calls[0].link, 0, "a scatter")

        def tell() -> None:
            news.settle(VALUE, None)

        for call in calls:
            call.watch(tell)
        try:
            with contextlib.suppress(TimeoutError):
                self._connection.wait(calls[0], self._run.patience(), news)
        finally:
            for call in calls:
                call.unwatch(tell)
        self._run.look_for_stragglers()
