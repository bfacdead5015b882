"""What the tests call: plain, odd and hostile user code."""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
import threading
import time
from typing import Any

PI = 3.25
WORDS = "12"
calls: list[str] = []


def add(a: Any, b: Any = 0, *, c: Any = 0) -> Any:
    return a + b + c


def echo(*args: Any, **kwargs: Any) -> Any:
    return [list(args), kwargs]


def same(value: Any) -> Any:
    return value


class Counter:
    """Counts."""

    kind = "counter"

    def __init__(self, start: int = 0) -> None:
        self.value = start
        self.inner = self

    def __len__(self) -> int:
        return self.value

    def __add__(self, other: Any) -> Counter:
        return Counter(self.value + (other.value if isinstance(other, Counter) else other))

    def increase(self, by: int = 1) -> int:
        self.value += by
        return self.value

    def itself(self) -> Counter:
        return self

    @property
    def broken(self) -> int:
        return self.missing_inside  # type: ignore[attr-defined,no-any-return]

    @classmethod
    def made(cls) -> Counter:
        return cls(100)


def counters(number: int) -> list[Counter]:
    return [Counter(index) for index in range(number)]


class Unreadable:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class BadError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no str")


def fail(kind: str = "value") -> None:
    if kind == "value":
        raise ValueError("not this")
    if kind == "notes":
        error = ValueError("with notes")
        error.__notes__ = ["first", "second"]  # type: ignore[attr-defined]
        raise error
    if kind == "cause":
        try:
            raise KeyError("inner")
        except KeyError as inner:
            raise RuntimeError("outer") from inner
    if kind == "context":
        try:
            raise KeyError("inner")
        except KeyError:
            raise RuntimeError("outer")  # noqa: B904
    if kind == "exit":
        sys.exit(3)
    if kind == "interrupt":
        raise KeyboardInterrupt
    if kind == "generator_exit":
        raise GeneratorExit
    if kind == "base":

        class Strange(BaseException):
            pass

        raise Strange("strange")
    if kind == "bad_str":
        raise BadError
    if kind == "huge":
        raise ValueError("x" * 10_000_000)
    if kind == "surrogate":
        raise ValueError("\udc80 \x00")
    if kind == "chain":
        failing: BaseException = ValueError("link 0")
        for number in range(1, 50):
            link = ValueError(f"link {number}")
            link.__cause__ = failing
            failing = link
        raise failing
    raise NotImplementedError(kind)


def recurse(depth: int = 0) -> int:
    return recurse(depth + 1) + 1


def deep(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


def circle() -> Any:
    value: list[Any] = []
    value.append(value)
    return value


def eat_memory() -> None:
    hoard = []
    while True:
        hoard.append(bytearray(1 << 24))


def count(stop: int) -> Any:
    calls.append("opened")
    try:
        yield from range(stop)
    finally:
        calls.append("closed")


def count_forever() -> Any:
    yield from itertools.count()


def count_then_fail(number: int) -> Any:
    yield from range(number)
    raise ValueError("in the middle")


def odd_items() -> Any:
    yield 1
    yield Counter(7)


async def acount(stop: int) -> Any:
    calls.append("opened")
    try:
        for number in range(stop):
            await asyncio.sleep(0)
            yield number
    finally:
        calls.append("closed")


async def aadd(a: int, b: int) -> int:
    await asyncio.sleep(0)
    return a + b


def gives_coroutine(a: int) -> Any:
    return aadd(a, 1)


async def asleep_forever(begun: str) -> None:
    try:
        open(begun, "w").close()
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        calls.append("cancelled inside")
        raise


async def abusy(begun: str) -> None:
    open(begun, "w").close()
    while True:
        pass


async def loop_id() -> int:
    return id(asyncio.get_running_loop())


def taken() -> list[str]:
    found = list(calls)
    calls.clear()
    return found


def spin(begun: str | None = None) -> None:
    if begun is not None:
        open(begun, "w").close()
    while True:
        pass


def sleep(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def spin_cleanly(begun: str) -> None:
    try:
        open(begun, "w").close()
        while True:
            pass
    finally:
        calls.append("cleaned up")


def stubborn(begun: str) -> str:
    try:
        open(begun, "w").close()
        while True:
            pass
    except BaseException:
        calls.append("caught")
    return "still here"


def print_forever() -> None:
    while True:
        print("x" * 50)


def print_lines(number: int) -> int:
    for index in range(number):
        print("line", index)
    return number


def print_both() -> None:
    print("one")
    print("two", file=sys.stderr)
    print("three")
    sys.stdout.buffer.write("für".encode()[:2])
    sys.stdout.buffer.write("für".encode()[2:] + b"\n")


def print_then_wait(name: str) -> None:
    print("connecting")
    wait_for_file(name)


def print_partial_then_wait(name: str, flush: bool) -> None:
    print("half a line", end="", flush=flush)
    wait_for_file(name)


def wait_for_file(name: str) -> bool:
    while not os.path.exists(name):  # noqa: PTH110
        time.sleep(0.001)
    return True


def print_from_thread() -> None:
    thread = threading.Thread(target=print, args=("from a thread",))
    thread.start()
    thread.join()


def log_warning() -> None:
    import logging

    logging.warning("careful")


def stream_facts() -> list[Any]:
    out = sys.stdout
    out.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    out.close()
    return [out.encoding, out.errors, out.isatty(), out.fileno(), sys.stderr.fileno(), out.writable(), out.closed]


def fork_and(how: str) -> list[int]:
    """Fork; what the child does depends on `how`; the parent gives the child's exit status."""
    pid = os.fork()
    if pid == 0:
        print("printed by the child")
        if how == "return":
            return [0]
        if how == "raise":
            raise ValueError("in the child")
        if how == "exit":
            sys.exit(7)
        os._exit(9)
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])]


def fork_a_generator() -> Any:
    pid = os.fork()
    if pid == 0:
        yield "child"
        yield "child again"
    else:
        yield os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def pool_map(number: int) -> list[int]:
    import multiprocessing

    with multiprocessing.get_context("fork").Pool(2) as pool:
        return pool.map(abs, range(-number, 0))


def spawned(value: int) -> int:
    import multiprocessing

    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.map(abs, [value])[0]


def child_descriptors() -> list[str]:
    import subprocess

    listing = "import os; print(*[os.readlink('/proc/self/fd/' + n) for n in '012'], len(os.listdir('/proc/self/fd')))"
    return subprocess.run([sys.executable, "-c", listing], stdout=subprocess.PIPE, check=True, text=True).stdout.split()


class Unpicklable:
    def __reduce__(self) -> Any:
        raise TypeError("never")


class Unloadable:
    def __reduce__(self) -> Any:
        return (fail, ())


class Loud:
    """Says when it goes."""

    def __del__(self) -> None:
        calls.append("finalized")
