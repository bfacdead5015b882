"""Generators: one computation for all who consume them at once, and nobody waits for a consumer who rests."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import trio

from bascule import persist
from bascule.workers.persist import recordings
from tests.workers.persist.test_single_flight import started

URLS = ["file://persist/", "sqlite://results.db"]


@pytest.mark.parametrize("url", [*URLS, "memory://generators"])
def test_threads_that_consume_it_at_once_share_one_computation(url: str) -> None:
    made: list[int] = []
    barrier = threading.Barrier(8)

    @persist(cache=url)
    def rows(n: int) -> Iterator[list[int]]:
        for x in range(n):
            made.append(x)
            time.sleep(0.001)
            yield [x]
        return "the end"

    def consume(_: int) -> list[list[int]]:
        barrier.wait()
        items = []
        for item in rows(20):
            items.append([*item])
            item.append(-1)  # what one does to an item is nothing to the others
        return items

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(consume, range(8)))
    assert answers == [[[x] for x in range(20)]] * 8
    assert made == list(range(20))
    assert list(rows(20)) == [[x] for x in range(20)]
    assert rows.statistics.misses == 1
    assert rows.statistics.hits >= 8
    rows.clear()


def test_two_consumers_in_one_thread_take_turns() -> None:
    made: list[int] = []

    @persist
    def rows(n: int) -> Iterator[int]:
        for x in range(n):
            made.append(x)
            yield x

    assert list(zip(rows(5), rows(5))) == [(x, x) for x in range(5)]
    slow, quick = rows(6), rows(6)
    assert next(slow) == 0
    assert list(quick) == [0, 1, 2, 3, 4, 5]
    assert list(slow) == [1, 2, 3, 4, 5]
    assert made == [*range(5), *range(6)]


@pytest.mark.parametrize("library", ["asyncio", "trio"])
def test_tasks_that_consume_it_at_once_share_one_computation(library: str) -> None:
    made: list[int] = []
    sleep: Any = asyncio.sleep if library == "asyncio" else trio.sleep

    @persist
    async def rows(n: int) -> AsyncIterator[int]:
        for x in range(n):
            made.append(x)
            await sleep(0.001)
            yield x

    answers: list[list[int]] = []

    async def consume() -> None:
        answers.append([x async for x in rows(10)])

    async def in_asyncio() -> None:
        await asyncio.gather(*[consume() for _ in range(5)])

    async def in_trio() -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(consume)

    if library == "asyncio":
        asyncio.run(in_asyncio())
    else:
        trio.run(in_trio)
    assert answers == [list(range(10))] * 5
    assert made == list(range(10))


def test_event_loops_in_two_threads_compute_once() -> None:
    made: list[int] = []
    barrier = threading.Barrier(2)

    @persist
    async def rows(n: int) -> AsyncIterator[int]:
        for x in range(n):
            made.append(x)
            await asyncio.sleep(0.01)
            yield x

    async def consume() -> list[int]:
        barrier.wait()
        return [x async for x in rows(10)]

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: asyncio.run(consume()), range(2)))
    assert answers == [list(range(10))] * 2
    assert made == list(range(10))


EIGHT = """
import sys, time
from bascule import persist

@persist(cache=sys.argv[1])
def rows(n):
    with open("computed", "a") as file:
        file.write("once ")
    for x in range(n):
        time.sleep(0.01)
        yield x * x

print("ready", flush=True)
sys.stdin.readline()
assert list(rows(10)) == [x * x for x in range(10)]
"""


@pytest.mark.parametrize("url", URLS)
def test_processes_that_consume_it_at_once_compute_once(url: str) -> None:
    processes = [started(EIGHT, url) for _ in range(4)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        told = process.communicate()
        assert process.returncode == 0, told
    assert Path("computed").read_text() == "once "


def begins_and_sleeps(url: str, told: Any, *, in_the_consumer: bool) -> None:
    @persist(cache=url, funcname="rows")
    def rows(n: int) -> Iterator[int]:
        yield 0
        if not in_the_consumer:
            told.set()
            time.sleep(600)
        yield 1

    for _ in rows(2):
        if in_the_consumer:
            told.set()
            time.sleep(600)


@pytest.mark.parametrize("in_the_consumer", [False, True])
@pytest.mark.parametrize("url", URLS)
def test_a_process_that_is_killed_or_rests_keeps_nobody_waiting(
    url: str, in_the_consumer: bool, tmp_path: Path
) -> None:
    url = url.replace("://", f"://{tmp_path}/")
    spawn = multiprocessing.get_context("spawn")
    told = spawn.Event()
    process = spawn.Process(target=begins_and_sleeps, args=(url, told), kwargs={"in_the_consumer": in_the_consumer})
    process.start()
    assert told.wait(60)

    @persist(cache=url, funcname="rows")
    def rows(n: int) -> Iterator[int]:
        yield from range(n)

    answers: list[list[int]] = []
    waiter = threading.Thread(target=lambda: answers.append(list(rows(2))))
    waiter.start()
    assert process.pid is not None
    if not in_the_consumer:
        os.kill(process.pid, signal.SIGKILL)
    waiter.join(60)
    assert answers == [[0, 1]]
    process.kill()
    process.join()


def test_a_consumer_that_was_passed_while_it_rested_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordings, "PATIENCE", 0.01)
    begun: list[str] = []

    @persist
    async def rows(n: int) -> AsyncIterator[int]:
        begun.append(threading.current_thread().name)
        for x in range(n):
            yield x

    async def all_of_them() -> list[int]:
        return [x async for x in rows(3)]

    async def with_a_rest() -> list[int]:
        items = []
        async for x in rows(3):
            if x == 0:  # this loop stands still, and another one goes ahead
                with ThreadPoolExecutor(1) as pool:
                    assert pool.submit(asyncio.run, all_of_them()).result(60) == [0, 1, 2]
            items.append(x)
        return items

    assert asyncio.run(with_a_rest()) == [0, 1, 2]
    assert len(begun) == 2


def test_consumers_that_leave_are_waited_for_by_nobody() -> None:
    made: list[int] = []
    closed: list[bool] = []

    @persist
    def rows(n: int) -> Iterator[int]:
        try:
            for x in range(n):
                made.append(x)
                yield x
        finally:
            closed.append(True)

    first, second = rows(3), rows(3)
    assert next(first) == next(second) == 0
    first.close()
    assert not closed
    second.close()
    assert closed == [True]
    left_lying = rows(3)
    assert next(left_lying) == 0
    del left_lying
    gc.collect()
    assert closed == [True, True]
    never_begun = rows(3)
    assert list(rows(3)) == [0, 1, 2]
    assert list(never_begun) == [0, 1, 2]
    assert made == [0, 0, 0, 1, 2]


def test_a_cancelled_task_hands_over_to_the_next_and_no_item_is_given_twice() -> None:
    begun: list[int] = []

    @persist
    async def rows(n: int) -> AsyncIterator[int]:
        begun.append(n)
        for x in range(n):
            if x == 2 and len(begun) == 1:
                await asyncio.sleep(600)
            yield x

    async def consume(items: list[int]) -> None:
        items.extend([x async for x in rows(4)])

    async def one_by_one(items: list[int]) -> None:
        given = rows(4)
        while True:
            items.append(await given.__anext__())

    async def main() -> tuple[list[int], list[int]]:
        of_first: list[int] = []
        of_second: list[int] = []
        first = asyncio.create_task(one_by_one(of_first))
        while len(of_first) < 2:
            await asyncio.sleep(0)
        second = asyncio.create_task(consume(of_second))
        await asyncio.sleep(0)
        first.cancel()
        await second
        return of_first, of_second

    assert asyncio.run(main()) == ([0, 1], [0, 1, 2, 3])
    assert begun == [4, 4]


def test_an_error_comes_behind_the_items_and_is_everybodys() -> None:
    begun: list[int] = []

    @persist
    def rows(n: int) -> Iterator[int]:
        begun.append(n)
        yield 1
        raise ValueError(f"attempt {len(begun)}")

    one, other = rows(1), rows(1)
    assert next(one) == next(other) == 1
    for each in (one, other):
        with pytest.raises(ValueError, match="attempt 1"):
            next(each)
    with pytest.raises(ValueError, match="attempt 2"):
        list(rows(1))


def test_a_generator_that_consumes_itself_waits_for_nobody() -> None:
    depth: list[int] = []

    @persist
    def rows(n: int) -> Iterator[int]:
        depth.append(n)
        yield n
        if len(depth) < 3:
            yield from rows(n)

    assert list(islice(rows(1), 10)) == [1, 1, 1]


def test_generators_that_consume_each_other_in_threads_end() -> None:
    barrier = threading.Barrier(2)
    this = threading.local()

    def into(function: Any, x: int) -> Iterator[str]:
        this.deep = True
        yield from function(x)

    def is_deep() -> bool:
        if not hasattr(this, "deep"):
            barrier.wait(60)  # both are in their own generator before one consumes the other's
        return hasattr(this, "deep")

    @persist
    def left(x: int) -> Iterator[str]:
        yield from ["left"] if is_deep() else into(right, x)

    @persist
    def right(x: int) -> Iterator[str]:
        yield from ["right"] if is_deep() else into(left, x)

    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(lambda: list(left(1))), pool.submit(lambda: list(right(1)))]
        assert all(answer.result(60) in (["left"], ["right"]) for answer in answers)


def test_a_stale_record_is_given_while_it_is_made_anew() -> None:
    made: list[int] = []
    renewed = threading.Event()

    @persist(ttl=0.0, stale_while_revalidate="1h")
    def rows(n: int) -> Iterator[int]:
        made.append(n)
        yield len(made)
        if len(made) == 2:
            renewed.set()

    assert list(rows(1)) == [1]
    assert list(rows(1)) == [1]
    assert renewed.wait(60)
    while (now := list(rows(1))) == [1]:
        time.sleep(0.001)
    assert now[0] >= 2


def test_a_stale_record_is_made_anew_in_a_task() -> None:
    made: list[int] = []

    @persist(ttl=0.0, stale_while_revalidate="1h")
    async def rows(n: int) -> AsyncIterator[int]:
        made.append(n)
        yield len(made)

    async def main() -> None:
        for _ in range(2):
            assert [x async for x in rows(1)] == [1]
        while [x async for x in rows(1)] == [1]:
            await asyncio.sleep(0.001)

    asyncio.run(main())
