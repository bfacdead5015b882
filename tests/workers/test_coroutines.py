"""Coroutine functions and what else can be awaited."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bascule.protocols.calls import Op, Want
from bascule.protocols.tokens import Handle
from tests.workers.conftest import PROJECT
from tests.workers.harness import Worker


@pytest.fixture(scope="module", params=[1, 3], ids=["one thread", "three threads"])
def worker(request: pytest.FixtureRequest) -> Iterator[Worker]:
    with Worker(paths=[str(PROJECT)], threads=request.param) as one:
        yield one


def test_a_coroutine_function_is_awaited(worker: Worker) -> None:
    assert worker.call("things:aadd", 1, 2) == 3
    assert worker.call("things:aadd", 1, kwargs={"b": 5}) == 6


def test_a_plain_function_may_give_a_coroutine(worker: Worker) -> None:
    assert worker.call("things:gives_coroutine", 1) == 2


def test_methods_operators_and_builtins_are_awaited_too(worker: Worker) -> None:
    worker.exec(
        "import things\n"
        "class Async:\n"
        "    async def double(self, n): return 2 * n\n"
        "    def __add__(self, other): return self.double(other)\n"
        "things.Async = Async"
    )
    made = worker.call("things:Async", op=Op.INIT)
    assert worker.call("double", 4, op=Op.METHOD, on=made) == 8
    assert worker.call("add", 5, op=Op.OPERATOR, on=made) == 10
    agen = worker.call("things:acount", 3)
    worker.call("__anext__", op=Op.METHOD, on=agen)
    assert worker.call("__anext__", op=Op.METHOD, on=agen) == 1


def test_futures_and_objects_of_the_users_are_awaited_but_an_instance_is_not(worker: Worker) -> None:
    worker.exec(
        "import things\n"
        "class Later:\n"
        "    def __await__(self):\n"
        "        yield from things.aadd(20, 1).__await__()\n"
        "        return 'awaited'\n"
        "things.Later = Later"
    )
    assert worker.call("things:Later") == "awaited"
    later = worker.call("things:Later", op=Op.INIT)
    assert isinstance(later, Handle)
    assert worker.call("things:aadd", 1, 1, want=Want.HANDLE).type_name == "int"


def test_errors_in_a_coroutine_are_the_calls(worker: Worker) -> None:
    worker.exec("import things, sys\nasync def leave(): sys.exit(4)\nthings.leave = leave")
    assert worker.error("things:aadd", 1, "x")["class"] == "TypeError"
    assert worker.error("things:leave")["class"] == "SystemExit"
    assert worker.call("things:aadd", 1, 2) == 3


def test_user_code_may_run_a_loop_of_its_own(worker: Worker) -> None:
    worker.exec("import asyncio, things\nthings.own_loop = lambda: asyncio.run(things.aadd(1, 2))")
    assert worker.call("things:own_loop") == 3
    assert worker.call("things:aadd", 2, 2) == 4


def test_one_thread_keeps_one_loop() -> None:
    with Worker(paths=[str(PROJECT)]) as one:
        assert len({one.call("things:loop_id") for _ in range(5)}) == 1
        one.exec(
            "import asyncio, things\n"
            "async def close(): asyncio.get_running_loop().call_soon(asyncio.get_running_loop().stop)\n"
            "things.close = close"
        )
        one.error_or_none("things:close")
        assert one.call("things:aadd", 2, 2) == 4
