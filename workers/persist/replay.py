"""Generators: recorded while somebody consumes them, replayed from the record.

The record is stored when the generator has come to its end; one that nobody consumed to its end is not remembered.
While it is recorded nobody is made to wait: a consumer may take hours between two items, or never come back.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from typing import Any

from bascule.workers.persist.entries import Form

FLAG = Form.RECORDED

Recording = tuple[list[Any], Any]
"""The items, and what the generator returned."""

Keep = Callable[[Recording, float], None]


def replayed(recording: Recording) -> Generator[Any, None, Any]:
    """Give what was recorded."""
    items, result = recording
    yield from items
    return result


async def replayed_async(recording: Recording) -> AsyncIterator[Any]:
    """The same, asynchronously."""
    for item in recording[0]:
        yield item


def recorded(source: Iterator[Any], keep: Keep) -> Generator[Any, None, Any]:
    """Give what the generator gives, and keep it at the end."""
    items: list[Any] = []
    seconds, start = 0.0, time.perf_counter()
    try:
        while True:
            try:
                item = next(source)
            except StopIteration as end:
                seconds += time.perf_counter() - start
                keep((items, end.value), seconds)
                return end.value
            items.append(item)
            seconds += time.perf_counter() - start
            yield item
            start = time.perf_counter()
    finally:
        if isinstance(source, Generator):
            source.close()


async def recorded_async(source: AsyncIterator[Any], keep: Keep) -> AsyncIterator[Any]:
    """The same, asynchronously."""
    items: list[Any] = []
    seconds, start = 0.0, time.perf_counter()
    try:
        async for item in source:
            items.append(item)
            seconds += time.perf_counter() - start
            yield item
            start = time.perf_counter()
        keep((items, None), seconds + time.perf_counter() - start)
    finally:
        if isinstance(source, AsyncGenerator):
            await source.aclose()
