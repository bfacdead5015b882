"""What who calls a persisted generator is given: its record, replayed, or made as he consumes it (see `recordings`)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from itertools import islice
from typing import Any

from bascule.workers.persist.driving import run, run_async
from bascule.workers.persist.entries import Form
from bascule.workers.persist.event_loops import loop_here
from bascule.workers.persist.recordings import END, Recorded, Ways, joining, thawed

FLAG = Form.RECORDED


def replayed(record: Recorded) -> Generator[Any, None, Any]:
    """Give what was recorded."""
    items, result = record
    yield from items
    return result


async def replayed_async(record: Recorded) -> AsyncIterator[Any]:
    """The same, asynchronously."""
    for item in record[0]:
        yield item


def recorded(ways: Ways, begin: Callable[[], Iterator[Any]]) -> Generator[Any, None, Any]:
    """Give what a call's generator gives, whoever makes it give that.

    Args:
        ways: How the store is dealt with.
        begin: Makes the generator, if there is need of one.
    """
    recording = run(joining(ways, None), _nothing)
    if recording is None:
        return (yield from begin())
    at = 0
    try:
        while True:
            item, found = END, None
            if at < len(recording.items):
                item = thawed(recording.items[at])
            elif recording.over:
                if not recording.found:
                    return recording.result()
                found = ways.look()
                if found is None:
                    return (yield from begin())
            elif recording.making.acquire(blocking=False):
                try:
                    if at == len(recording.items) and not recording.over:
                        if recording.opened:
                            item = recording.make(begin)
                        else:
                            found = run(recording.opening(), _nothing)
                finally:
                    recording.rest()
            elif not run(recording.waiting(), _nothing):
                return (yield from islice(begin(), at, None))
            if found is not None:
                return (yield from replayed(found[0]))
            if item is not END:
                at += 1
                yield item
    finally:
        source = recording.leave()
        if isinstance(source, Generator):
            source.close()


async def recorded_async(ways: Ways, begin: Callable[[], AsyncIterator[Any]]) -> AsyncIterator[Any]:
    """The same of an asynchronous generator."""
    recording = await run_async(joining(ways, loop_here().identity()), _nothing)
    at = 0
    if recording is None:
        async for item in begin():
            yield item
        return
    try:
        while True:
            item, found = END, None
            if at < len(recording.items):
                item = thawed(recording.items[at])
            elif recording.over:
                if not recording.found:
                    recording.result()
                    return
                found = ways.look()
                if found is None:
                    async for item in begin():
                        yield item
                    return
            elif recording.making.acquire(blocking=False):
                try:
                    if at == len(recording.items) and not recording.over:
                        if recording.opened:
                            item = await recording.make_async(begin)
                        else:
                            found = await run_async(recording.opening(), _nothing)
                finally:
                    recording.rest()
            elif not await run_async(recording.waiting(), _nothing):
                passed_over = 0
                async for item in begin():
                    passed_over += 1
                    if passed_over > at:
                        yield item
                return
            if found is not None:
                async for item in replayed_async(found[0]):
                    yield item
                return
            if item is not END:
                at += 1
                yield item
    finally:
        source = recording.leave()
        if isinstance(source, AsyncGenerator):
            await source.aclose()


def _nothing() -> Any:
    raise AssertionError("these steps call nothing")
