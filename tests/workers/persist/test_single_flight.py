"""One computation for all who ask at once: threads, tasks, processes; and nobody waits for the dead or for himself."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import trio

from bascule import memoize, persist
from bascule.workers.persist.flights import Flight
from tests.workers.persist.conftest import ROOT

EIGHT = """
import sys, time
from bascule import persist

@persist(cache=sys.argv[1])
def slow(x):
    with open("computed", "a") as file:
        file.write(f"{x}\\n")
    time.sleep(0.05)
    return x * x

print("ready", flush=True)
sys.stdin.readline()
assert [slow(x) for x in range(10)] == [x * x for x in range(10)]
"""


def started(text: str, *arguments: str) -> subprocess.Popen[str]:
    Path("eight.py").write_text(text)
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    process = subprocess.Popen(
        [sys.executable, "eight.py", *arguments],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line == "ready\n", process.communicate()
    return process


@pytest.mark.parametrize("url", ["file://persist/", "sqlite://results.db"])
def test_eight_processes_and_ten_keys_are_ten_computations(url: str) -> None:
    processes = [started(EIGHT, url) for _ in range(8)]
    told = []
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        told.append(process.communicate()[1])
        assert process.returncode == 0, told[-1]
    assert Counter(Path("computed").read_text().split()) == {str(x): 1 for x in range(10)}
    assert told == [""] * 8


@pytest.mark.parametrize("url", ["file://persist/", "sqlite://results.db", "memory://threads"])
def test_threads_wait_for_one_and_each_has_its_own_copy(url: str) -> None:
    computed = []
    barrier = threading.Barrier(8)

    @persist(cache=url)
    def slow(x: int) -> list[int]:
        computed.append(x)
        time.sleep(0.1)
        return [x]

    def ask(_: int) -> list[int]:
        barrier.wait()
        return slow(1)  # type: ignore[no-any-return]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(8)))
    assert answers == [[1]] * 8
    assert computed == [1]
    assert len({id(answer) for answer in answers}) == 8
    slow.clear()


def test_tasks_of_trio_and_of_asyncio_wait_for_one() -> None:
    computed = []

    @persist
    async def in_trio(x: int) -> int:
        computed.append("trio")
        await trio.sleep(0.05)
        return x

    @persist
    async def in_asyncio(x: int) -> int:
        computed.append("asyncio")
        await asyncio.sleep(0.05)
        return x

    async def many_in_trio() -> list[int]:
        answers: list[int] = []

        async def ask() -> None:
            answers.append(await in_trio(1))

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(ask)
        return answers

    async def many_in_asyncio() -> list[int]:
        return list(await asyncio.gather(*[in_asyncio(1) for _ in range(5)]))

    assert trio.run(many_in_trio) == [1] * 5
    assert asyncio.run(many_in_asyncio()) == [1] * 5
    assert computed == ["trio", "asyncio"]


def test_a_cancelled_task_hands_over_to_the_next() -> None:
    computed = []

    @persist
    async def slow(x: int) -> int:
        computed.append(x)
        await asyncio.sleep(30 if len(computed) == 1 else 0)
        return x

    async def main() -> int:
        first = asyncio.create_task(slow(1))
        while not computed:
            await asyncio.sleep(0)
        second = asyncio.create_task(slow(1))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert asyncio.run(main()) == 1
    assert computed == [1, 1]


def test_an_exception_is_everybodys_and_the_next_call_tries_again(monkeypatch: pytest.MonkeyPatch) -> None:
    computed = []
    waiting = threading.Semaphore(0)
    wait = Flight.wait

    def announced_wait(flight: Flight) -> None:
        waiting.release()
        wait(flight)

    monkeypatch.setattr(Flight, "wait", announced_wait)

    @persist
    def fails(x: int) -> int:
        computed.append(x)
        if len(computed) == 1:
            for _ in range(3):
                assert waiting.acquire(timeout=60)
        raise ValueError(f"attempt {len(computed)}")

    def ask(_: int) -> str:
        with pytest.raises(ValueError, match="attempt") as raised:
            fails(1)
        return str(raised.value)

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(ask, range(4))) == {"attempt 1"}
    with pytest.raises(ValueError, match="attempt 2"):
        fails(1)


def holds_the_lock(url: str, told: Any) -> None:
    @persist(cache=url, funcname="slow")
    def slow(x: int) -> int:
        told.set()
        time.sleep(600)
        return x

    slow(1)


@pytest.mark.parametrize("url", ["file://persist/", "sqlite://results.db"])
def test_a_computing_process_that_is_killed_hands_over_at_once(url: str, tmp_path: Path) -> None:
    url = url.replace("://", f"://{tmp_path}/")
    spawn = multiprocessing.get_context("spawn")
    told = spawn.Event()
    process = spawn.Process(target=holds_the_lock, args=(url, told))
    process.start()
    assert told.wait(60)
    answers = []

    @persist(cache=url, funcname="slow")
    def slow(x: int) -> int:
        return 2 * x

    waiter = threading.Thread(target=lambda: answers.append(slow(1)))
    waiter.start()
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    waiter.join(60)
    assert answers == [2]
    process.join()


def test_a_function_that_calls_itself_waits_for_nobody() -> None:
    @persist
    def fib(n: int) -> int:
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    assert fib(30) == 832040
    assert fib.statistics.misses == 31

    @persist
    def round(n: int) -> int:
        return round(n) if n < 0 else n

    with pytest.raises(RecursionError):
        round(-1)


def test_functions_that_wait_for_each_other_in_threads_end() -> None:
    @persist
    def left(x: int) -> str:
        meet.wait()
        return "left" if deep.get(threading.get_ident()) else into(right, x)

    @persist
    def right(x: int) -> str:
        meet.wait()
        return "right" if deep.get(threading.get_ident()) else into(left, x)

    deep: dict[int, bool] = {}

    def into(function: Any, x: int) -> str:
        deep[threading.get_ident()] = True
        return str(function(x))

    class Meet:
        """The first two who come wait for each other, the others pass."""

        def __init__(self) -> None:
            self._barrier = threading.Barrier(2)
            self._came = 0
            self._mutex = threading.Lock()

        def wait(self) -> None:
            with self._mutex:
                self._came += 1
                pass_on = self._came > 2
            if not pass_on:
                self._barrier.wait()

    meet = Meet()
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(left, 1), pool.submit(right, 1)]
        assert {answer.result(60) for answer in answers} <= {"left", "right"}


CIRCLE = """
import sys, time
from pathlib import Path
from bascule import persist

def meet(mine, other):
    Path(mine).touch()
    while not Path(other).exists():
        time.sleep(0.01)

@persist(cache=sys.argv[2])
def left(x, depth=0):
    if sys.argv[1] == "left":
        meet("left is in", "right is in")
    return right(x) if sys.argv[1] == "left" else "left"

@persist(cache=sys.argv[2])
def right(x, depth=0):
    if sys.argv[1] == "right":
        meet("right is in", "left is in")
    return left(x) if sys.argv[1] == "right" else "right"

print("ready", flush=True)
print(left(1) if sys.argv[1] == "left" else right(1), flush=True)
"""


@pytest.mark.parametrize("url", ["file://persist/", "sqlite://results.db"])
def test_processes_that_would_wait_for_each_other_in_a_circle_end(url: str) -> None:
    processes = [started(CIRCLE, side, url) for side in ("left", "right")]
    told = [process.communicate(timeout=60) for process in processes]
    assert all(process.returncode == 0 for process in processes), told
    assert {out.strip() for out, _ in told} <= {"left", "right"}


def test_memoize_computes_once_tells_types_apart_and_keeps_none() -> None:
    computed = []

    @memoize
    def f(x: Any) -> Any:
        """Doc."""
        computed.append(x)
        time.sleep(0.02)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(f, [1] * 8)) == [None] * 8
    assert computed == [1]
    for x in (True, 1.0, {"a": [1]}, {"a": [1]}):
        f(x=x)
    assert computed == [1, True, 1.0, {"a": [1]}]
    assert (f.__name__, f.__doc__, len(f)) == ("f", "Doc.", 4)
    f.clear()
    f(1)
    assert len(computed) == 5
    with pytest.raises(TypeError):
        f()

    @memoize(maxsize=2)
    def g(x: int) -> object:
        return object()

    first = g(1)
    assert g(1) is first
    g(2)
    assert g(1) is first
    g(3)
    assert g(1) is first
    assert len(g) == 2
    with pytest.raises(ValueError, match="at least 1"):
        memoize(maxsize=0)

    @memoize
    async def h(x: int) -> int:
        computed.append("h")
        return x

    assert trio.run(h, 1) == trio.run(h, 1) == 1
    assert computed.count("h") == 1

    class C:
        def __init__(self, n: int) -> None:
            self.n = n

        @memoize
        def m(self, x: int) -> int:
            return self.n + x

    assert (C(1).m(1), C(2).m(1)) == (2, 3)
