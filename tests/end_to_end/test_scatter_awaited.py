"""Maps, scatters and reductions over what comes asynchronously, by the clients for trio and asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
import trio
from configured import Configured, configured, eventually, pool

import bascule
from bascule.bridge.errors import Timeout

Main = Callable[[Any, Callable[[float], Awaitable[None]]], Awaitable[None]]


@pytest.fixture(scope="module")
def service() -> Iterator[Configured]:
    with configured(pool(intensity=1000)) as service:
        yield service


@pytest.fixture(params=["trio", "asyncio"])
def run(request: pytest.FixtureRequest, service: Configured) -> Callable[[Main], None]:
    """Runs `main(client, sleep)` in that loop, and sees that it leaves no call behind."""

    async def in_trio(main: Main) -> None:
        async with bascule.connect_trio(service.socket) as client:
            with trio.fail_after(60):
                await main(client, trio.sleep)

    async def in_asyncio(main: Main) -> None:
        async with bascule.connect_asyncio(service.socket) as client:
            await asyncio.wait_for(main(client, asyncio.sleep), 60)

    def go(main: Main) -> None:
        if request.param == "trio":
            trio.run(in_trio, main)
        else:
            asyncio.run(in_asyncio(main))
        eventually(lambda: not service.told("calls"))

    return go


class Source:
    """An endless generator that counts what is taken of it, and says when it was closed."""

    def __init__(self, sleep: Callable[[float], Awaitable[None]], most: float = float("inf")) -> None:
        self.taken = 0
        self.closed = False
        self._sleep = sleep
        self._most = most

    async def items(self) -> AsyncIterator[int]:
        try:
            while self.taken < self._most:
                if self.taken % 7 == 0:
                    await self._sleep(0)
                self.taken += 1
                yield self.taken
        finally:
            await self._sleep(0)
            self.closed = True

    async def gone(self) -> None:
        while not self.closed:
            await self._sleep(0.001)


def test_an_asynchronous_generator_is_mapped_scattered_and_reduced(run: Callable[[Main], None]) -> None:
    async def main(client: Any, sleep: Any) -> None:
        numbers = list(range(1, 3001))
        assert [value async for value in client.map("builtins:abs", Source(sleep, 3000).items())] == numbers
        results = [result async for result in client.scatter("operator:neg", Source(sleep, 3000).items())]
        assert [(result.index, result.value) for result in results] == [(n - 1, -n) for n in numbers]
        results = [result async for result in client.scatter("math:sqrt", Source(sleep, 50).items(), ordered=False)]
        assert sorted(result.index for result in results) == list(range(50))
        assert await client.reduce("operator:add", Source(sleep, 1000).items(), chunk=64) == 500_500
        assert [value async for value in client.map("builtins:abs", Source(sleep, 0).items())] == []
        with pytest.raises(ValueError, match="nothing to reduce"):
            await client.reduce("operator:add", Source(sleep, 0).items())

    run(main)


def test_what_is_iterated_asynchronously_may_be_any_such_thing(run: Callable[[Main], None]) -> None:
    async def main(client: Any, sleep: Any) -> None:
        words = await client.object("collections:deque", ["a", "bcd", "ef"])
        assert [value async for value in client.map("builtins:len", words)] == [1, 3, 2]
        stream = client.stream("itertools:repeat", 4, 40)
        assert [value async for value in client.map("builtins:abs", stream)] == [4] * 40

        async def boxes() -> AsyncIterator[Any]:
            for _ in range(9):
                yield await client.object("served:Box")

        pids = [value async for value in client.map("served:pid_of", boxes())]
        assert len(pids) == 9  # each went alone, to the worker that has it: none can be copied

        async def pairs() -> AsyncIterator[Any]:
            yield 1, 2
            yield 3, 4

        assert [result.value async for result in client.scatter("operator:add", pairs(), star=True)] == [3, 7]

    run(main)


def test_no_more_is_taken_than_is_read_and_an_abandoned_source_is_closed(run: Callable[[Main], None]) -> None:
    async def main(client: Any, sleep: Any) -> None:
        source = Source(sleep)
        async with client.scatter("builtins:abs", source.items(), chunk=10, window=4) as results:
            assert [(await results.__anext__()).value for _ in range(25)] == list(range(1, 26))
            await sleep(0.05)
            assert source.taken <= 25 + 10 * 7
        await source.gone()
        source = Source(sleep)
        mapping = client.map("builtins:abs", source.items(), chunk=10, window=4)
        assert [await mapping.__anext__() for _ in range(25)] == list(range(1, 26))
        await sleep(0.05)
        assert source.taken <= 25 + 10 * 7
        mapping.close()
        await source.gone()

    run(main)


def test_results_come_while_an_item_is_waited_for_and_the_wait_ends_with_the_scatter(
    run: Callable[[Main], None],
) -> None:
    async def main(client: Any, sleep: Any) -> None:
        ended: list[str] = []

        async def one_and_no_more() -> AsyncIterator[int]:
            try:
                yield 4
                await sleep(3600)
            finally:
                ended.append("yes")

        async with client.scatter("math:sqrt", one_and_no_more()) as results:
            assert (await results.__anext__()).value == 2
        mapping = client.map("math:sqrt", one_and_no_more())
        assert await mapping.__anext__() == 2
        mapping.close()
        for gathered in (client.scatter, client.map):
            with pytest.raises(Timeout, match="has not ended within"):
                _ = [each async for each in gathered("math:sqrt", one_and_no_more(), timeout=0.2)]
        while len(ended) < 4:
            await sleep(0.001)

    run(main)


def test_what_the_source_raises_is_raised_where_results_are_read(run: Callable[[Main], None]) -> None:
    async def main(client: Any, sleep: Any) -> None:
        async def breaks() -> AsyncIterator[int]:
            yield 1
            raise LookupError("the database is gone")

        for gathered in (client.scatter, client.map):
            with pytest.raises(LookupError, match="the database is gone"):
                _ = [each async for each in gathered("math:sqrt", breaks())]
        source = Source(sleep)
        with pytest.raises(TypeError):
            _ = [each async for each in client.map("builtins:len", source.items())]
        await source.gone()
        assert await client.call("math:sqrt", 4) == 2

    run(main)


def test_the_blocking_client_says_who_takes_such_items(service: Configured) -> None:
    async def items() -> AsyncIterator[int]:
        yield 1

    with service.client() as client:
        for gathered in (client.map, client.scatter, client.reduce):
            with pytest.raises(TypeError, match="the clients for trio and asyncio take it"):
                gathered("math:sqrt", items())
