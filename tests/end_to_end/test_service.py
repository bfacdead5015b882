"""Python clients and a real service: values, objects, streams, maps, and what happens when something is killed."""

from __future__ import annotations

import datetime
import itertools
import operator
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trio
from configured import eventually
from running_service import READY_WITHIN, Service, own_service, wait_gone
from wire_page import VECTORS

import bascule
from bascule.bridge.client import Client, Proxy, local
from bascule.bridge.errors import (
    Cancelled,
    Disconnected,
    HandleLost,
    NotEncodable,
    NotFound,
    PythonError,
    ServiceRefused,
    Timeout,
    WorkerLost,
)
from bascule.protocols.envelope import FrameReader, Kind

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """One for all tests that do it no harm."""
    with own_service("--path", str(HERE)) as service:
        yield service


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    with service.client() as client:
        yield client


@pytest.fixture
def lonely(runtime_folder: Path, nothing_left: None) -> Iterator[Client]:
    """The only client of a service of its own."""
    service = Service(runtime_folder, "--path", str(HERE))
    with service.client() as client:
        yield client
    assert service.stop() == 0


# ---- Calls and values ----------------------------------------------------------------------------------------------


def test_a_call_goes_through_and_comes_back(client: Client) -> None:
    assert client.call("math:pow", 2, 16) == 65536.0
    assert client.call("os.path.join", "a", "b") == "a/b"
    assert client.call("json:dumps", {"a": [1, 2]}, separators=(",", ":")) == '{"a":[1,2]}'


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -(2**200),
        1.5,
        "grüße 🚢",
        b"\x00\xff",
        [1, [2, {"a": None}]],
        (1, (2,)),
        {1: "a", (2, 3): "b"},
        {1, 2},
        frozenset({3}),
        2 + 3j,
        datetime.datetime(2024, 2, 29, 12, 30, tzinfo=datetime.timezone.utc),
        datetime.timedelta(days=-1, seconds=2),
        Decimal("1.50"),
        range(3, 30, 3),
    ],
    ids=repr,
)
def test_a_value_comes_back_as_what_it_was(client: Client, value: Any) -> None:
    again = client.call("copy:copy", value)
    assert again == value
    assert type(again) is type(value)


def test_large_values_travel_both_ways(client: Client) -> None:
    data = os.urandom(1 << 20) * 24
    assert client.call("builtins:bytes", data) == data


def test_errors_are_python_s_own_and_carry_the_worker_s_traceback(client: Client) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        client.call("operator:truediv", 1, 0)
    assert isinstance(caught.value, PythonError)
    assert str(caught.value) == "ZeroDivisionError: division by zero"
    assert caught.value.worker is not None
    assert "ZeroDivisionError: division by zero" in "".join(caught.value.__notes__)
    with pytest.raises(NotFound, match="no module 'no_such_module'"):
        client.call("no_such_module:f")


def test_want_says_how_the_result_travels(client: Client) -> None:
    assert client.call("builtins:dict", a=1) == {"a": 1}
    assert type(client.call("builtins:dict", a=1, want="handle")) is Proxy
    assert type(client.call("builtins:iter", [1])) is Proxy
    with pytest.raises(NotEncodable):
        client.call("builtins:iter", [1], want="value")


def test_constants_operators_builtins_descriptions_and_landscapes(client: Client) -> None:
    assert client.const("math:pi") == pytest.approx(3.14159265)
    assert client.const("math:pi", "int") == 3
    assert client.operator("add", 1, 2) == client.operator("matmul" and "add", 2, 1) == 3
    assert client.operator("contains", [1, 2], 2) is True
    assert client.builtin("sorted", [3, 1, 2], reverse=True) == [3, 2, 1]
    assert client.method("a,b", "split", ",") == ["a", "b"]
    assert client.getattr(datetime.date(2024, 2, 29), "year") == 2024
    assert client.init("datetime:date", 2024, 2, 29) == datetime.date(2024, 2, 29)
    assert client.describe(client.object("collections:OrderedDict"))["type"].endswith("OrderedDict")
    assert client.landscape("math")


def test_output_comes_before_the_result_and_to_whoever_is_told(service: Service) -> None:
    heard: list[tuple[str, str]] = []
    with bascule.connect(service.socket, output=lambda text, stream, _call: heard.append((text, stream))) as client:
        client.builtin("print", "hello")
        assert heard == [("hello\n", "stdout")]
        client.call("warnings:warn", "careful")
        assert heard[-1][1] == "stderr"
        assert "careful" in heard[-1][0]


def test_the_service_tells_of_itself_and_refuses_what_is_not_there(service: Service, client: Client) -> None:
    status = client.status()
    assert status["pools"]["default"]["size"] == 2
    assert client.welcome.pools == ["default"]
    with pytest.raises(ServiceRefused, match=r"there is no pool 'fast'"):
        bascule.connect(service.socket, pool="fast")
    with pytest.raises(ServiceRefused):
        client.kill_worker(99)


# ---- Futures and threads -------------------------------------------------------------------------------------------


def test_ten_thousand_calls_may_be_under_way(client: Client) -> None:
    futures = [client.submit("operator:add", number, 1) for number in range(10_000)]
    assert [future.result() for future in futures] == list(range(1, 10_001))


def test_sixty_four_threads_share_one_client(client: Client) -> None:
    failures: list[Any] = []

    def work(number: int) -> None:
        try:
            held = client.object("builtins:list", [number])
            for step in range(10):
                held.append(client.call("operator:add", number, step))
            assert list(held) == [number, *range(number, number + 10)]
            with pytest.raises(ZeroDivisionError):
                client.call("operator:truediv", number, 0)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures
    assert not any(thread.is_alive() for thread in threads)


def test_a_deadline_and_a_cancellation_end_a_call_and_the_next_one_runs(client: Client) -> None:
    with pytest.raises(Timeout, match="the deadline passed"):
        client.call("time:sleep", 60, timeout=0.1)
    future = client.submit("time:sleep", 60)
    assert future.cancel()
    with pytest.raises(Cancelled):
        future.result()
    assert client.call("math:sqrt", 4) == 2.0


def test_a_client_may_have_one_timeout_for_all_its_calls(service: Service) -> None:
    with bascule.connect(service.socket, timeout=0.1) as client, pytest.raises(Timeout):
        client.call("time:sleep", 60)


def test_a_cast_is_carried_out_unheard(client: Client) -> None:
    client.call("operator:truediv", 1, 1)
    marks = client.object("builtins:list")
    client.cast("operator:truediv", 1, 0)
    client.cast("builtins:setattr", 1, "x", 2)
    marks.append(1)
    assert list(marks) == [1]
    eventually(lambda: client.status()["calls"]["outstanding"] == 0)  # whichever worker carries them out


# ---- Proxies -------------------------------------------------------------------------------------------------------


def test_a_proxy_of_a_dict_is_used_like_one(client: Client) -> None:
    ages = client.object("builtins:dict", {"ann": 3})
    ages["bob"] = 4
    ages[datetime.date(2024, 1, 1)] = (1, 2)
    assert len(ages) == 3
    assert ages["ann"] == 3
    assert "bob" in ages
    assert "eve" not in ages
    assert list(ages) == ["ann", "bob", datetime.date(2024, 1, 1)]
    assert sorted(map(str, ages.keys())) == ["2024-01-01", "ann", "bob"]
    del ages["bob"]
    with pytest.raises(KeyError):
        ages["bob"]
    assert ages.get("bob", 9) == 9
    assert ages == {"ann": 3, datetime.date(2024, 1, 1): (1, 2)}
    assert bool(ages)
    ages.clear()
    assert not ages


def test_a_proxy_of_a_list_is_used_like_one(client: Client) -> None:
    numbers = client.object("builtins:list", [3, 1, 2])
    same = numbers
    numbers += [5]
    assert same is not numbers
    assert same == [3, 1, 2, 5]  # in place, as on a list of our own
    numbers.sort(key=client.module("operator").neg)
    assert numbers[0] == 5
    assert numbers[1:3] == [3, 2]
    assert operator.add(numbers, [7]) == [5, 3, 2, 1, 7]
    assert operator.add([0], numbers) == [0, 5, 3, 2, 1]
    assert 2 * numbers == [5, 3, 2, 1] * 2
    assert list(reversed(numbers)) == [1, 2, 3, 5]
    assert numbers < [6]
    assert max(numbers) == 5
    assert repr(numbers) == "<proxy of [5, 3, 2, 1]>"
    assert str(numbers) == "[5, 3, 2, 1]"
    with pytest.raises(IndexError):
        numbers[9]


NUMBERS: list[tuple[str, Callable[[Any], Any]]] = [
    ("+", lambda n: n + 2),
    ("r+", lambda n: 2 + n),
    ("-", lambda n: n - 2),
    ("r-", lambda n: 2 - n),
    ("*", lambda n: n * 3),
    ("/", lambda n: n / 2),
    ("r/", lambda n: 2 / n),
    ("//", lambda n: n // 2),
    ("%", lambda n: n % 4),
    ("r%", lambda n: 100 % n),
    ("**", lambda n: n**2),
    ("r**", lambda n: 2**n),
    ("pow", lambda n: pow(n, 2, 5)),
    ("divmod", lambda n: divmod(n, 2)),
    ("rdivmod", lambda n: divmod(100, n)),
    ("<<", lambda n: n << 1),
    ("r>>", lambda n: 1000 >> n),
    ("&", lambda n: n & 3),
    ("|", lambda n: n | 8),
    ("r^", lambda n: 1 ^ n),
    ("neg", lambda n: -n),
    ("pos", lambda n: +n),
    ("invert", lambda n: ~n),
    ("abs", abs),
    ("<", lambda n: n < 8),
    (">=", lambda n: n >= 8),
    ("==", lambda n: n == 7),
    ("!=", lambda n: n != 7),
    ("int", int),
    ("float", float),
    ("complex", complex),
    ("round", lambda n: round(n, -1)),
    ("index", lambda n: list(range(10))[n]),
    ("format", lambda n: f"{n:04d}"),
    ("bool", bool),
    ("floor", __import__("math").floor),
]


@pytest.mark.parametrize("apply", [apply for _, apply in NUMBERS], ids=[name for name, _ in NUMBERS])
def test_every_operator_works_on_a_proxy(client: Client, apply: Callable[[Any], Any]) -> None:
    assert apply(client.object("builtins:int", 7)) == apply(7)


def test_in_place_operators_keep_a_proxy(client: Client) -> None:
    number = client.object("builtins:int", 7)
    for change in (operator.iadd, operator.imul, operator.isub, operator.ipow, operator.ior):
        number = change(number, 2)
        assert type(number) is Proxy
    assert number == ((7 + 2) * 2 - 2) ** 2 | 2


def test_a_proxy_s_attributes_are_the_object_s(client: Client) -> None:
    space = client.object("types:SimpleNamespace", a=1)
    space.b = [1, 2]
    assert (space.a, space.b) == (1, [1, 2])
    del space.a
    assert not hasattr(space, "a")
    assert getattr(space, "a", "none") == "none"
    with pytest.raises(AttributeError, match="has no attribute 'a'"):
        space.a  # noqa: B018  # the attribute is asked for
    assert "b" in dir(space)
    moment = client.object("datetime:datetime", 2024, 2, 29)
    assert (moment.year, moment.isoformat()) == (2024, "2024-02-29T00:00:00")
    assert moment.replace(year=2028) == datetime.datetime(2028, 2, 29)


def test_what_needs_a_local_object_is_not_asked_of_a_proxy(client: Client) -> None:
    import copy
    import pickle

    held = client.object("builtins:list", [1])
    assert not hasattr(held, "__array_interface__")
    assert held.__class__ is Proxy
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="can't be pickled or copied"):
            attempt(held)
    assert client.call("copy:copy", held) == [1]
    assert len({held, held}) == 1
    assert held != object()


def test_an_iterator_is_read_to_its_end_by_a_proxy(client: Client) -> None:
    numbers = client.builtin("iter", [1, 2, 3])
    assert next(numbers) == 1
    assert list(numbers) == [2, 3]
    with pytest.raises(StopIteration):
        next(numbers)
    assert list(client.call("itertools:islice", client.call("itertools:count", 5), 3)) == [5, 6, 7]


def test_a_context_manager_is_entered_and_left(client: Client) -> None:
    lock = client.object("threading:Lock")
    with lock as entered:
        assert entered is True
        assert lock.locked()
    assert not lock.locked()
    with client.call("contextlib:suppress", client.const("builtins:KeyError")):
        raise KeyError("it is suppressed over there")
    with (
        pytest.raises(ValueError, match="not this one"),
        client.call("contextlib:suppress", client.const("builtins:KeyError")),
    ):
        raise ValueError("not this one")
    with pytest.raises(KeyError, match="ours"), client.call("io:StringIO"):
        raise KeyError("ours")


def test_proxies_are_arguments_at_any_depth(client: Client) -> None:
    held = client.object("builtins:list", [3, 1, 2])
    assert client.call("builtins:sorted", held) == [1, 2, 3]
    assert client.call("builtins:dict", a={"b": [held]}) == {"a": {"b": [[3, 1, 2]]}}
    functions = client.const("operator:neg")
    assert list(client.call("builtins:map", functions, held)) == [-3, -1, -2]


def test_a_module_is_used_as_if_it_were_imported(client: Client) -> None:
    statistics = client.module("statistics")
    assert statistics.mean([1, 2, 3, 6]) == 3
    path = client.module("os").path
    assert path.join("a", "b") == "a/b"
    assert client.module("sys").maxsize == sys.maxsize
    assert "mean" in dir(statistics)
    assert repr(statistics.mean) == "<remote statistics:mean>"
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        statistics.nope  # noqa: B018  # the attribute is asked for
    assert not hasattr(statistics, "__array__")


def test_proxies_of_arrays_compute_over_there(client: Client) -> None:
    np = client.module("numpy")
    square = client.call("numpy:arange", 6, want="handle").reshape(2, 3)
    held = client.method(square, "copy", want="handle") if type(square) is Proxy else square
    assert float(np.linalg.norm(held)) == pytest.approx(55**0.5)


def test_objects_live_as_long_as_their_proxies(client: Client) -> None:
    held = [client.object("builtins:list") for _ in range(10)]
    assert len(client.handles()) == 10
    del held[4:]
    assert len(client.handles()) == 4
    client.release(*held)
    assert client.handles() == []
    with pytest.raises(HandleLost, match="released"):
        len(held[0])


# ---- Streams and maps ----------------------------------------------------------------------------------------------


def test_a_stream_is_no_further_ahead_than_its_window(client: Client) -> None:
    counter = client.object("itertools:count")
    stream = client.iterate(counter, window=4)
    assert list(itertools.islice(stream, 3)) == [0, 1, 2]
    stream.close()
    assert next(counter) <= 8


def test_streams_run_side_by_side_with_calls(client: Client) -> None:
    streams = [client.stream("faulty:count_up", window=2) for _ in range(6)]
    for turn in range(20):
        assert [next(stream) for stream in streams] == [turn] * 6
        assert client.call("math:sqrt", 4) == 2.0
    for stream in streams:
        stream.close()
    eventually(lambda: client.status()["calls"]["outstanding"] == 0)


def test_a_dropped_stream_stops_over_there(client: Client) -> None:
    for number in client.stream("faulty:count_up"):
        if number == 100:
            break
    eventually(lambda: client.status()["calls"]["outstanding"] == 0)


def test_a_map_keeps_order_whatever_the_items_are(client: Client) -> None:
    assert list(client.map("builtins:abs", range(-5000, 0))) == list(range(5000, 0, -1))
    assert list(client.map("operator:add", [(1, 2), (3, 4)], star=True)) == [3, 7]
    assert list(client.map("builtins:len", iter(["a", "bc", ""]))) == [1, 2, 0]
    assert list(client.map("builtins:len", [])) == []
    assert list(client.map("builtins:len", [bytes(3 << 20)] * 6)) == [3 << 20] * 6


def test_a_map_takes_from_an_endless_source_only_what_is_read(client: Client) -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for number in itertools.count(1):
            taken = number
            yield number

    results = client.map("builtins:abs", items(), chunk=2, window=3)
    assert list(itertools.islice(results, 4)) == [1, 2, 3, 4]
    assert taken <= 4 + 2 * 4
    results = client.map("builtins:abs", items())
    assert list(itertools.islice(results, 3000)) == list(range(1, 3001))


def test_an_item_that_fails_is_raised_in_its_place_or_returned(client: Client) -> None:
    items = [4, -1, 9, -1]
    results = client.map("math:sqrt", items, chunk=2)
    assert next(results) == 2.0
    with pytest.raises(ValueError, match="math domain error"):
        next(results)
    kept = list(client.map("math:sqrt", items, errors="return", chunk=3))
    assert [isinstance(one, ValueError) for one in kept] == [False, True, False, True]
    with pytest.raises(ValueError, match="'raise' or 'return'"):
        client.map("math:sqrt", items, errors="ignore")


def test_a_map_has_one_deadline_for_all(client: Client) -> None:
    with pytest.raises(Timeout):
        list(client.map("time:sleep", [60] * 8, timeout=0.2, chunk=1))
    assert client.call("math:sqrt", 4) == 2.0


# ---- Kills ---------------------------------------------------------------------------------------------------------


def test_a_killed_worker_fails_its_own_call_and_the_map_around_it_says_so(lonely: Client) -> None:
    client = lonely
    victim = client.submit("faulty:kill_self", 9)
    others = [client.submit("operator:add", number, 1) for number in range(200)]
    with pytest.raises(WorkerLost, match="SIGKILL"):
        victim.result()
    assert [future.result() for future in others] == list(range(1, 201))
    lost, kept = client.map("served:maybe_die", [True, False], chunk=1, errors="return")
    assert isinstance(lost, WorkerLost)
    assert kept == "alive"


def test_an_object_dies_with_its_worker_and_its_proxy_says_so(lonely: Client) -> None:
    client = lonely
    held = client.object("builtins:list", [1])
    with pytest.raises(WorkerLost):
        client.call("served:die_with", held)
    with pytest.raises(HandleLost):
        len(held)
    assert "HandleLost" in repr(held)


def test_a_client_comes_back_after_a_restart_and_says_what_was_lost(runtime_folder: Path, nothing_left: None) -> None:
    first = Service(runtime_folder, "--path", str(HERE))
    with bascule.connect(first.socket, patience=READY_WITHIN) as client:
        held = client.object("builtins:list", [1])
        under_way = client.submit("time:sleep", 60)
        again = client.submit("operator:add", 1, 2, idempotent=True)
        slow_again = client.submit("time:sleep", 0.01, idempotent=True)
        assert again.result() == 3
        first.kill()
        second = Service(runtime_folder, "--path", str(HERE))
        with pytest.raises(Disconnected, match=r"before call \d+, time:sleep, was answered; it may have run"):
            under_way.result()
        assert client.call("math:sqrt", 4) == 2.0
        assert slow_again.result() is None
        with pytest.raises(HandleLost, match="the service restarted"):
            held.append(2)
        assert list(client.map("builtins:abs", range(-10, 0))) == list(range(10, 0, -1))
    assert second.stop() == 0


def test_a_client_waits_for_a_service_that_is_being_restarted(runtime_folder: Path, nothing_left: None) -> None:
    first = Service(runtime_folder)
    with bascule.connect(first.socket, patience=READY_WITHIN) as client:  # where all is slow, a restart is slow too
        assert client.call("math:sqrt", 4) == 2.0
        assert first.stop() == 0
        results: list[float] = []
        thread = threading.Thread(target=lambda: results.append(client.call("math:sqrt", 9)))
        thread.start()
        second = Service(runtime_folder)
        thread.join(READY_WITHIN)
        assert results == [3.0]
    assert second.stop() == 0


def test_a_killed_client_leaves_nothing_of_its_own(service: Service, client: Client) -> None:
    code = (
        "import bascule, os, sys\n"
        f"client = bascule.connect({str(service.socket)!r}, name='to be killed')\n"
        "held = client.object('builtins:list')\n"
        "future = client.submit('time:sleep', 60)\n"
        "client.flush()\n"
        "print(client.status()['calls']['outstanding'], flush=True)\n"
        "sys.stdin.read()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdin is not None
    assert int(process.stdout.readline()) >= 1
    assert "to be killed" in [row["client"] for row in client.ask("sessions")["sessions"]]
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    process.stdin.close()
    eventually(lambda: "to be killed" not in [row["client"] for row in client.ask("sessions")["sessions"]])
    eventually(lambda: client.status()["calls"]["outstanding"] == 0)
    assert [client.call("math:sqrt", 4) for _ in range(8)] == [2.0] * 8


def test_a_private_bridge_lives_as_long_as_its_client(runtime_folder: Path, nothing_left: None) -> None:
    with local(workers=2, paths=[str(HERE)]) as client:
        assert client.call("math:pow", 2, 16) == 65536.0
        worker = client.call("faulty:pid")
        assert str(client.place) == "a private bridge"
    assert wait_gone(worker)


def test_a_private_bridge_without_workers_is_refused_before_anything_starts(nothing_left: None) -> None:
    with pytest.raises(ValueError, match="workers= must be at least 1, it is 0"):
        local(workers=0)


def test_a_private_bridge_dies_with_a_killed_client(runtime_folder: Path, nothing_left: None) -> None:
    code = (
        "import os\nfrom bascule.bridge.client import local\n"
        "client = local()\nprint(client.call('os:getpid'), flush=True)\nos.kill(os.getpid(), 9)\n"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert told.returncode == -signal.SIGKILL
    assert wait_gone(int(told.stdout))


# ---- trio ----------------------------------------------------------------------------------------------------------


@pytest.mark.trio
async def test_the_trio_client_does_the_same(service: Service) -> None:
    async with bascule.connect_trio(service.socket) as client:
        assert await client.call("math:pow", 2, 16) == 65536.0
        with pytest.raises(ZeroDivisionError):
            await client.call("operator:truediv", 1, 0)
        space = await client.object("types:SimpleNamespace", names=["b", "a"])
        assert await space.names == ["b", "a"]
        assert await space.names.index("a") == 1
        held = await client.object("builtins:list", [3, 1, 2])
        assert await held.sort() is None
        assert await held[0] == 1
        assert await operator.add(held, [4]) == [1, 2, 3, 4]
        assert await operator.add([0], held) == [0, 1, 2, 3]
        assert [item async for item in held] == [1, 2, 3]
        assert await client.builtin("len", held) == 3
        lock = await client.object("threading:Lock")
        async with lock:
            assert await lock.locked()
        assert not await lock.locked()
        assert [result async for result in client.map("builtins:abs", range(-3000, 0))] == list(range(3000, 0, -1))
        assert (await client.status())["sessions"] >= 1


@pytest.mark.trio
async def test_many_tasks_call_at_the_same_time(service: Service) -> None:
    results: dict[int, int] = {}
    async with bascule.connect_trio(service.socket) as client:

        async def work(number: int) -> None:
            results[number] = await client.call("operator:add", number, 1)

        async with trio.open_nursery() as nursery:
            for number in range(500):
                nursery.start_soon(work, number)
        data = bytes(8 << 20)
        assert await client.call("builtins:bytes", data) == data
    assert results == {number: number + 1 for number in range(500)}


@pytest.mark.trio
async def test_a_cancelled_task_cancels_its_call(service: Service) -> None:
    async with bascule.connect_trio(service.socket) as client:
        with trio.move_on_after(0.05) as scope:
            await client.call("time:sleep", 60)
        assert scope.cancelled_caught
        while (await client.status())["calls"]["outstanding"]:
            pass
        with pytest.raises(Timeout):
            await client.call("time:sleep", 60, timeout=0.05)
        stream = client.stream("faulty:count_up")
        with trio.move_on_after(0.05):
            async for _ in stream:
                pass
        stream.close()
        while (await client.status())["calls"]["outstanding"]:
            pass


@pytest.mark.trio
async def test_a_trio_client_comes_back_after_a_restart(runtime_folder: Path, nothing_left: None) -> None:
    first = Service(runtime_folder)
    async with bascule.connect_trio(first.socket, patience=READY_WITHIN) as client:
        held = await client.object("builtins:list")
        errors: list[BaseException] = []

        async def wait(idempotent: bool) -> None:
            try:
                await client.call("time:sleep", 0.5, idempotent=idempotent)
            except Disconnected as error:
                errors.append(error)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait, False)
            nursery.start_soon(wait, True)
            await trio.testing.wait_all_tasks_blocked()
            await trio.to_thread.run_sync(first.kill)
            second = await trio.to_thread.run_sync(Service, runtime_folder)
        assert len(errors) == 1
        assert await client.call("math:sqrt", 4) == 2.0
        with pytest.raises(HandleLost):
            await held.append(1)
    assert second.stop() == 0


# ---- The page ------------------------------------------------------------------------------------------------------


def test_what_the_page_says_is_what_a_real_service_answers(service: Service) -> None:
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(READY_WITHIN)
        raw.connect(str(service.socket))
        reader = FrameReader()
        heard: list[Any] = []

        def hear() -> Any:
            while not heard:
                heard.extend(reader.receive_data(raw.recv(1 << 16)))
            return heard.pop(0)

        def answers(said: str, expected: str) -> None:
            raw.sendall(VECTORS[said])
            (frame,) = FrameReader().receive_data(VECTORS[expected])
            assert hear() == frame

        raw.sendall(VECTORS["hello"])
        assert hear()[0] == Kind.CONTROL
        answers("call", "reply")
        answers("call-json", "reply-json")
        answers("call-etf", "reply-etf")
        answers("map", "map-reply")
        raw.sendall(VECTORS["stream"])
        raw.sendall(VECTORS["credit"])
        (item,) = FrameReader().receive_data(VECTORS["item"])
        assert hear() == item
        assert hear()[6] == b"\x0b"
        raw.sendall(VECTORS["cancel"])
        assert hear()[0] == Kind.ERROR
        raw.sendall(VECTORS["init"])
        kind, _, _, call_id, _, _, payload = hear()
        assert (kind, call_id) == (Kind.REPLY, 5)
        token = payload[3:63]
        placeholder = FrameReader().receive_data(VECTORS["release"])[0][6]
        raw.sendall(VECTORS["method"].replace(placeholder, token))
        assert hear()[6] == b"\x01"
        raw.sendall(VECTORS["operator"].replace(placeholder, token))
        assert hear()[0] == Kind.ERROR  # 1 + a dict
        raw.sendall(VECTORS["release"].replace(placeholder, token))
        raw.sendall(VECTORS["method"].replace(placeholder, token))
        assert b"handle_lost" in hear()[6]
        raw.sendall(VECTORS["status"])
        assert hear()[3] == 10
