"""Scatter and gather on a real service, and the command that goes from file to file whatever dies."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from configured import Configured, configured, eventually, pool
from pod_client import PodClient, PodError
from running_service import READY_WITHIN, Terminal

import bascule
from bascule.bridge.client.blocking import Client
from bascule.bridge.client.scattering import Progress
from bascule.bridge.errors import CallError, HandleLost, PythonError, Timeout, WorkerLost


@pytest.fixture(scope="module")
def service() -> Iterator[Configured]:
    with configured(pool(intensity=1000)) as service:
        yield service


def active_pids(status: dict[str, Any]) -> set[int]:
    """Of the workers that take calls."""
    return {row["pid"] for row in status["workers"] if row["state"] == "active"}


def test_results_come_in_order_or_as_completed_with_their_index(service: Configured, tmp_path: Path) -> None:
    with service.client() as client:
        items = [0.3, 0.0, 0.0, 0.0]
        assert [result.index for result in client.scatter("served:rest", items, chunk=1)] == [0, 1, 2, 3]
        gate = tmp_path / "gate"
        results = client.scatter("served:behind", [str(gate), None, None, None], chunk=1, ordered=False)
        assert {next(results).index for _ in range(3)} == {1, 2, 3}
        gate.touch()
        assert [result.index for result in results] == [0]


def test_errors_are_raised_at_once_or_returned_with_their_item(service: Configured) -> None:
    with service.client() as client:
        results = list(client.scatter("math:sqrt", [4, -1, 9], errors="return"))
        assert [result.value for result in results] == [2, None, 3]
        with pytest.raises(PythonError):
            results[1].get()
        with pytest.raises(ValueError, match=r"math domain|nonnegative"):
            list(client.scatter("math:sqrt", itertools.cycle([4, 4, 4, -1])))  # and the endless rest is cancelled
        eventually(lambda: client.status()["calls"]["outstanding"] == 0)


def test_an_item_that_can_not_travel_is_an_error_of_its_own(service: Configured) -> None:
    with service.client() as client:
        items = [4, object(), 9, 16, object()]
        for chunk in (None, 1, 2, 5):
            results = list(client.scatter("math:sqrt", iter(items), chunk=chunk, errors="return"))
            assert [result.value for result in results] == [2, None, 3, 4, None]
            assert "an argument of type builtins.object can't travel" in str(results[1].error)
            mapped = list(client.map("math:sqrt", items, chunk=chunk, errors="return"))
            assert [mapped[at] for at in (0, 2, 3)] == [2, 3, 4]
            assert [isinstance(mapped[at], CallError) for at in (1, 4)] == [True, True]
        assert len(list(client.scatter("math:sqrt", [object()] * 9, ordered=False, errors="return", chunk=3))) == 9
        with pytest.raises(TypeError, match="can't travel"):
            list(client.scatter("math:sqrt", items))
        boxes = [client.object("served:Box") for _ in range(4)]
        client.release(boxes[1])
        called = list(client.scatter(".pid", boxes, errors="return"))
        assert [result.error is None for result in called] == [True, False, True, True]
        assert isinstance(called[1].error, HandleLost)


def test_a_path_is_a_file_of_json_lines(service: Configured, tmp_path: Path) -> None:
    lines = tmp_path / "items.jsonl"
    lines.write_text("4\n\n 9 \n16")
    with service.client() as client:
        assert [result.value for result in client.scatter("math:sqrt", lines)] == [2, 3, 4]
        assert list(client.map("math:sqrt", lines)) == [2, 3, 4]
        assert client.reduce("operator:add", lines) == 29
        lines.write_text("4\n{\n")
        with pytest.raises(ValueError, match=r"items\.jsonl:2 is no JSON"):
            list(client.scatter("math:sqrt", lines, chunk=1))
        with pytest.raises(FileNotFoundError):
            client.scatter("math:sqrt", tmp_path / "nothing.jsonl")


def test_a_generator_is_read_no_further_than_results_are(service: Configured) -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for number in itertools.count():
            taken += 1
            yield number

    with service.client() as client, client.scatter("builtins:abs", items(), chunk=10, window=4) as results:
        assert [next(results).value for _ in range(25)] == list(range(25))
        assert taken <= 25 + 10 * 6


@pytest.mark.parametrize("how", ["map", "scatter"])
def test_what_is_long_needs_constant_memory(service: Configured, soak_factor: int, how: str) -> None:
    def total(client: Client, count: int) -> int:
        items = iter(range(count))
        if how == "map":
            return sum(client.map("builtins:abs", items))
        return sum(result.value for result in client.scatter("builtins:abs", items))

    def memory(client: Client) -> list[int]:
        """Of this process, of the bridge and of its workers, in KiB."""
        processes = [os.getpid(), service.process.pid, *active_pids(client.status())]
        told = [Path(f"/proc/{pid}/status").read_text() for pid in processes]
        return [int(text.partition("VmRSS:")[2].split()[0]) for text in told]

    count = 200_000 if soak_factor == 1 else 10_000_000
    with service.client() as client:
        eventually(lambda: len(active_pids(client.status())) == 2)
        assert total(client, 50_000) == 50_000 * 49_999 // 2
        before = memory(client)
        assert total(client, count) == count * (count - 1) // 2
        for small, large in zip(before, memory(client), strict=True):
            assert large - small < 30 << 10


def test_the_whole_has_a_deadline_and_progress_is_told(service: Configured) -> None:
    told: list[Progress] = []
    with service.client() as client:
        with pytest.raises((Timeout, TimeoutError)):
            list(client.scatter("served:rest", [0.05] * 1000, timeout=0.5, chunk=1))
        list(client.scatter("math:sqrt", [1, -1, 4], errors="return", chunk=1, progress=told.append))
    assert (told[-1].done, told[-1].failed, told[-1].total, told[-1].over) == (2, 1, 3, True)


def test_what_is_lost_is_tried_again_only_when_that_is_harmless(service: Configured) -> None:
    with service.client() as client:
        items = [False] * 20 + [True] + [False] * 20
        lost = list(client.scatter("served:maybe_die", items, chunk=41, errors="return"))
        assert all(isinstance(result.error, WorkerLost) for result in lost)
        told = list(client.scatter("served:maybe_die", items, chunk=41, errors="return", idempotent=True))
        assert [result.index for result in told if result.error is not None] == [20]
        assert isinstance(told[20].error, WorkerLost)


def test_a_straggler_is_run_a_second_time_when_that_is_harmless(service: Configured, tmp_path: Path) -> None:
    with service.client() as client:
        mark = str(tmp_path / "first")
        items = [["", 0.0]] * 20 + [[mark, 3600.0]]
        scatter = client.scatter("served:slow_once", items, star=True, chunk=1, idempotent=True, ordered=False)
        assert len([result.get() for result in scatter]) == 21


def test_progress_is_a_bar_on_a_terminal_and_lines_elsewhere(
    service: Configured, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with service.client() as client:
        items = [4, -1] * 20
        assert len(list(client.scatter("math:sqrt", items, errors="return", progress=True))) == 40
        assert "math:sqrt: 20 of 40 done, 20 failed, 0 s\n" in capsys.readouterr().err
        terminal = Terminal()
        with open(terminal.theirs, "w", closefd=False) as stderr:
            monkeypatch.setenv("TERM", "xterm")
            monkeypatch.setenv("COLUMNS", "120")
            monkeypatch.setattr(sys, "stderr", stderr)
            assert len(list(client.scatter("math:sqrt", iter(items), errors="return", progress=True))) == 40
            monkeypatch.undo()
        shown = terminal.drawn()
        assert "math:sqrt" in shown
        assert "40/40" in shown
        assert "20 failed" in shown
        told: list[Progress] = []
        assert len(list(client.scatter("math:sqrt", iter([1.0] * 300), chunk=3, progress=told.append))) == 300
        assert [each.over for each in told].count(True) == 1
        assert told[-1].over


def test_the_same_call_many_times_objects_where_they_live_and_reducing(service: Configured) -> None:
    with service.client() as client:
        pids = eventually(lambda: len(found := active_pids(client.status())) == 2 and found)
        assert set(client.everywhere("served:rest", 0.0)) == pids  # all of them, each once
        one, another, one_again = client.everywhere("served:rest", 0.0, copies=3)  # in turns
        assert one == one_again
        assert {one, another} == pids
        with pytest.raises(ZeroDivisionError):
            client.everywhere("operator:truediv", 1, 0)
        with pytest.raises(ValueError, match="at least once"):
            client.everywhere("served:rest", 0.0, copies=0)
        boxes = [client.object("served:Box") for _ in range(6)]
        homes = [box.pid() for box in boxes]
        assert list(client.map_objects(boxes, "pid")) == homes
        assert list(client.map(".pid", boxes)) == homes
        (method,) = client.map(".__getattribute__", [(boxes[0], "pid")], star=True)
        assert method() == homes[0]
        gone = client.object("served:Box")
        client.release(gone)
        first, lost, last = client.map(".pid", iter([boxes[0], gone, boxes[1]]), errors="return")
        assert (first, last) == (homes[0], homes[1])
        assert isinstance(lost, HandleLost)
        with pytest.raises(TypeError, match=r"\.pid is called of objects that live in a worker; 7 is none"):
            list(client.map(".pid", [7]))
        called = client.scatter(".pid", iter(boxes), ordered=False, errors="return", timeout=60)
        assert sorted((result.index, result.get()) for result in called) == list(enumerate(homes))
        mixed = [(boxes[0], "pid"), (boxes[1], "nothing"), (boxes[2], "pid")]
        every = list(client.scatter(".__getattribute__", mixed, star=True, errors="return"))
        assert [result.error is None for result in every] == [True, False, True]
        failed = list(client.map_objects(boxes[:2], "nothing", errors="return"))
        assert all(isinstance(error, CallError) for error in failed)
        with pytest.raises(CallError):
            list(client.map_objects(boxes[:2], "nothing"))
        with pytest.raises(TypeError, match="called of objects that live in a worker; 7 is none"):
            list(client.scatter(".pid", [7]))
        # A function, too, is called where each of them is, though they could not be copied.
        assert list(client.map("served:pid_of", boxes)) == homes
        pairs = [(box, 1) for box in boxes]
        assert [result.value for result in client.scatter("served:pid_of", pairs, star=True)] == homes
        assert client.reduce("operator:add", range(1000), chunk=64) == 499_500
        assert client.reduce("operator:add", iter(range(100)), each="operator:neg", chunk=7) == -4950
        with pytest.raises(ValueError, match="nothing to reduce"):
            client.reduce("operator:add", [])


@pytest.fixture
def held(tmp_path: Path) -> Iterator[tuple[Configured, Path]]:
    """A pool of two workers, one of which was killed and doesn't come back as long as the file is there."""
    hold = tmp_path / "hold"
    service = Configured(tmp_path, pool(init="served:wait_while_held", env={"HOLD": str(hold)}, spares=0))
    try:
        with service.client() as client:
            eventually(lambda: len(active_pids(client.status())) == 2)
            hold.touch()
            client.kill_worker(client.status()["workers"][0]["slot"])
            eventually(lambda: len(active_pids(client.status())) == 1)
        yield service, hold
    finally:
        hold.unlink(missing_ok=True)
        service.stop()


def test_identical_calls_wait_for_the_workers_that_start(held: tuple[Configured, Path]) -> None:
    service, hold = held
    with service.client() as client, ThreadPoolExecutor(1) as pool:
        with pytest.raises(Timeout, match="1 of 2 workers of pool 'default' were there in time"):
            client.everywhere("os:getpid", timeout=0.3)
        assert len(client.everywhere("os:getpid", copies=1)) == 1  # for which there are enough
        waiting = pool.submit(client.everywhere, "os:getpid")
        shell = service.command("call", "--everywhere", "os:getpid", "--timeout", "0.3")
        assert "1 of 2 workers" in shell.stderr
        assert not waiting.done()
        hold.unlink()
        assert set(waiting.result()) == active_pids(client.status())


def test_a_pod_that_has_said_all_hears_of_identical_calls_that_waited(held: tuple[Configured, Path]) -> None:
    service, hold = held
    command = [sys.executable, "-m", "bascule", "pod", "--attach", str(service.socket)]
    with PodClient(command=command) as pod:
        late = pod.start("py/everywhere", "os:getpid", [], {"timeout": 0.3})
        waiting = pod.start("py/everywhere", "os:getpid")
        assert pod.process.stdin is not None
        pod.process.stdin.close()
        with pytest.raises(PodError, match="1 of 2 workers"):
            pod.result(late)
        hold.unlink()
        assert len(set(pod.result(waiting))) == 2


# ---- From file to file --------------------------------------------------------------------------------------------


class Mapping:
    """One `bascule map --over`."""

    def __init__(self, service: Configured, folder: Path, target: str, count: int = 0) -> None:
        self.items, self.output, self.errors = (folder / name for name in ("items", "results", "errors"))
        if count:
            self.items.write_text("".join(f"{number}\n" for number in range(count)))
        line = [sys.executable, "-m", "bascule", "map", "--socket", str(service.socket), target]
        self._line = [*line, "--over", str(self.items), "--output", str(self.output), "--errors", str(self.errors)]

    def hold(self, free: int, held: int, gate: Path) -> None:
        """Items for `served:dawdle`: some that are done at once, and some that take long until the file is there."""
        self.items.write_text("null\n" * free + f"{json.dumps(str(gate))}\n" * held)

    def start(self, *more: str) -> subprocess.Popen[str]:
        return subprocess.Popen([*self._line, *more], stderr=subprocess.PIPE, text=True)

    def run(self, *more: str) -> tuple[int, str]:
        done = subprocess.run([*self._line, *more], stderr=subprocess.PIPE, text=True, timeout=100, check=False)
        return done.returncode, done.stderr

    def rows(self, path: Path) -> list[dict[str, Any]]:
        return [json.loads(line) for line in path.read_bytes().splitlines()]

    def written(self) -> int:
        return self.output.read_bytes().count(b"\n") if self.output.exists() else 0

    def check(self, count: int) -> None:
        """No item lost, none written twice."""
        lines = Counter(row["line"] for row in self.rows(self.output) + self.rows(self.errors))
        assert set(lines) == set(range(1, count + 1))
        assert set(lines.values()) == {1}


def test_a_file_is_mapped_with_its_errors_apart(service: Configured, tmp_path: Path) -> None:
    mapping = Mapping(service, tmp_path, "math:sqrt")
    mapping.items.write_text('4\n\n-1\n"nine"\n{no json\n16\n')
    status, said = mapping.run()
    assert status == 1
    assert "2 results" in said
    assert "3 errors" in said
    assert sorted((row["line"], row["result"]) for row in mapping.rows(mapping.output)) == [(1, 2.0), (6, 4.0)]
    kinds = {row["line"]: row["error"]["kind"] for row in mapping.rows(mapping.errors)}
    assert kinds == {3: "python", 4: "python", 5: "bad_arguments"}
    again, said = mapping.run()
    assert again == 2
    assert "--resume goes on with it" in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_its_own_death_loses_nothing(service: Configured, tmp_path: Path, number: signal.Signals) -> None:
    mapping = Mapping(service, tmp_path, "served:dawdle")
    mapping.hold(60, 540, gate := tmp_path / "gate")
    process = mapping.start("--chunk", "4")
    eventually(lambda: mapping.written() > 50)
    process.send_signal(number)
    _, said = process.communicate(timeout=READY_WITHIN)
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert "go on with --resume" in said
    assert 0 < mapping.written() < 600
    gate.touch()
    with mapping.output.open("ab") as file:
        file.write(b'{"line": 99, "res')  # as if it had died in the middle of a line
    status, said = mapping.run("--resume")
    assert status == 0, said
    mapping.check(600)


def test_on_a_terminal_a_bar_shows_how_much_of_the_file_is_done(service: Configured, tmp_path: Path) -> None:
    mapping = Mapping(service, tmp_path, "served:tick", 40)
    assert mapping.run()[1] == f"bascule map: 40 results in {mapping.output}, 0 errors in {mapping.errors}\n"
    with mapping.items.open("a") as file:
        file.write("\n" + "7\n" * 60)
    terminal = Terminal()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    line = [*mapping._line, "--resume", "--chunk", "1"]
    assert subprocess.run(line, stderr=terminal.theirs, env=environment, check=False).returncode == 0
    shown = terminal.drawn()
    assert "1/60" in shown
    assert "60/60" in shown
    assert "60 results" in shown


def test_what_the_deadline_ended_is_done_when_it_goes_on(service: Configured, tmp_path: Path) -> None:
    mapping = Mapping(service, tmp_path, "served:rest")
    mapping.items.write_text("0.0\n" + "0.4\n" * 7)
    status, said = mapping.run("--timeout", "0.5", "--chunk", "1")
    assert status == 1
    assert "ended early: timeout" in said
    assert "--resume" in said
    assert mapping.written() < 8
    assert mapping.rows(mapping.errors) == []
    status, said = mapping.run("--resume")
    assert status == 0, said
    mapping.check(8)


def test_two_do_not_write_the_same_file(service: Configured, tmp_path: Path) -> None:
    mapping = Mapping(service, tmp_path, "served:dawdle")
    mapping.hold(60, 540, gate := tmp_path / "gate")
    process = mapping.start("--chunk", "4")
    eventually(lambda: mapping.written() > 50)
    status, said = mapping.run("--resume")
    gate.touch()
    assert status == 2
    assert "results is being written by another `bascule map`" in said
    _, said = process.communicate(timeout=100)
    assert process.returncode == 0, said
    mapping.check(600)
    line = ["--over", str(mapping.items), "--output", str(tmp_path / "both"), "--errors", str(tmp_path / "both")]
    assert "is named twice" in service.command("map", "math:sqrt", *line, "--resume").stderr


def test_killed_workers_lose_nothing_and_what_is_idempotent_is_done(service: Configured, tmp_path: Path) -> None:
    mapping = Mapping(service, tmp_path, "served:tick", 400)
    process = mapping.start("--idempotent", "--chunk", "4")
    with service.client() as client:
        for _ in range(5):
            # From one to the next some are done: what one took along is tried again, but not for ever.
            wanted = mapping.written() + 30
            eventually(lambda wanted=wanted: mapping.written() > wanted or process.poll() is not None)  # type: ignore[misc]
            os.kill(next(iter(eventually(lambda: active_pids(client.status())))), signal.SIGKILL)
    _, said = process.communicate(timeout=100)
    assert process.returncode == 0, said
    mapping.check(400)
    assert not mapping.rows(mapping.errors)


def test_a_full_disk_is_said_and_the_file_stays_whole(service: Configured, tmp_path: Path) -> None:
    mapping = Mapping(service, tmp_path, "served:tick", 3000)
    program = tmp_path / "limited.py"
    program.write_text(
        "import resource, runpy, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))\n"
        "runpy.run_module('bascule', run_name='__main__')\n"
    )
    line = [sys.executable, str(program), *mapping._line[3:]]
    done = subprocess.run(line, stderr=subprocess.PIPE, text=True, timeout=100, check=False)
    assert done.returncode == 1, done.stderr
    assert "File too large" in done.stderr
    assert "--resume" in done.stderr
    assert mapping.output.read_bytes().endswith(b"\n")
    status, said = mapping.run("--resume", "--chunk", "64")
    assert status == 0, said
    mapping.check(3000)


def test_wrong_uses_are_told(service: Configured, tmp_path: Path) -> None:
    mapping = Mapping(service, tmp_path, "math:sqrt")
    assert mapping.run() == (2, f"bascule map: {mapping.items}: there is no such file\n")
    mapping.items.write_text("4\n")
    mapping.output.write_text("something else\n")
    status, said = mapping.run("--resume")
    assert status == 2
    assert "results:1: this is no line of `bascule map`" in said
    assert service.command("map", "math:sqrt", "--over", str(mapping.items)).returncode == 2
    assert bascule.__version__


# ---- In event loops -----------------------------------------------------------------------------------------------


async def use_all(client: Any) -> None:
    """What both clients for event loops can do."""
    assert await client.call("math:pow", 2, 16) == 65536
    with pytest.raises(ZeroDivisionError):
        await client.operator("truediv", 1, 0)
    math = client.module("math")
    assert await math.pow(2, 4) == 16
    assert await math.pi == await client.const("math:pi")
    assert str(client.module("os").path.join) == "<remote os:path.join>"
    assert await client.module("os").path.join("a", "b") == "a/b"
    with pytest.raises(AttributeError, match="has no attribute 'pov'"):
        await math.pov(2, 4)
    box = await client.object("served:Box")
    async with client.stream("itertools:count", 10) as endless:
        assert await endless.__anext__() == 10
    with pytest.raises(TypeError, match="iterated by `async for`"):
        list(box)
    with pytest.raises(TypeError, match="an `in` can't be awaited"):
        assert 1 in box
    with pytest.raises(TypeError, match=r"client.builtin\('len', proxy\)"):
        len(box)
    assert box  # whatever its object says: that would have to be awaited
    assert await box.pid() > 0
    assert [item async for item in client.stream("itertools:islice", "abc", 2)] == ["a", "b"]
    assert [value async for value in client.map("math:sqrt", [1, 4])] == [1, 2]
    assert len(await client.call("builtins:bytes", 3 << 20)) == 3 << 20
    assert await client.call("builtins:len", b"x" * (3 << 20)) == 3 << 20
    ordered = [result.index async for result in client.scatter("served:rest", [0.2, 0.0, 0.0], chunk=1)]
    assert ordered == [0, 1, 2]
    results = [result async for result in client.scatter("math:sqrt", [4, -1], ordered=False, errors="return", chunk=1)]
    assert sorted(result.index for result in results if result.error is not None) == [1]
    with pytest.raises(ValueError, match=r"math domain|nonnegative"):
        async for _ in client.scatter("math:sqrt", itertools.cycle([4, 4, -1])):
            pass
    async with client.scatter("builtins:abs", itertools.count(), chunk=10) as endless:
        assert (await endless.__anext__()).value == 0
    while len(pids := active_pids(await client.status())) < 2:  # another test may have killed one
        pass
    assert set(await client.everywhere("served:rest", 0.0)) == pids
    boxes = [await client.object("served:Box") for _ in range(4)]
    assert [pid async for pid in client.map_objects(boxes, "pid", window=2)] == [await box.pid() for box in boxes]
    assert [pid async for pid in client.map(".pid", boxes)] == [await box.pid() for box in boxes]
    called = client.scatter(".pid", boxes, ordered=False)
    assert {result.index: result.value async for result in called} == {
        at: await box.pid() for at, box in enumerate(boxes)
    }
    errors = [error async for error in client.map_objects(boxes, "nothing", errors="return")]
    assert [isinstance(error, CallError) for error in errors] == [True] * 4
    assert await client.reduce("operator:add", range(1000), chunk=64, each="operator:neg") == -499_500
    told: list[Progress] = []
    assert len([result async for result in client.scatter("math:sqrt", [4] * 9, progress=told.append)]) == 9
    assert told[-1].over
    lost = client.scatter("served:maybe_die", [False] * 5 + [True], chunk=6, errors="return", idempotent=True)
    assert [result.error is None async for result in lost] == [True] * 5 + [False]


def test_the_trio_client_does_all_of_it(service: Configured) -> None:
    import trio

    async def main() -> None:
        async with bascule.connect_trio(service.socket) as client:
            await use_all(client)
            with trio.move_on_after(0.2):
                await client.call("time:sleep", 60)

    trio.run(main)
    eventually(lambda: not service.told("calls"))


def test_the_asyncio_client_does_all_of_it(service: Configured) -> None:
    import asyncio

    async def main() -> None:
        async with bascule.connect_asyncio(service.socket) as client:
            await use_all(client)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.call("time:sleep", 60), 0.2)
            answers = await asyncio.gather(*(client.call("math:sqrt", number) for number in range(200)))
            assert answers == [number**0.5 for number in range(200)]

    asyncio.run(main())
    eventually(lambda: not service.told("calls"))


def test_the_asyncio_client_outlives_a_restart_of_the_service(runtime_folder: Path, nothing_left: None) -> None:
    import asyncio

    from running_service import Service

    async def main() -> None:
        first = Service(runtime_folder, workers=1)
        try:
            async with bascule.connect_asyncio(first.socket) as client:
                assert await client.call("math:sqrt", 4) == 2
                first.stop()
                second = Service(runtime_folder, workers=1)
                try:
                    assert await client.call("math:sqrt", 9, idempotent=True) == 3
                finally:
                    second.stop()
        finally:
            first.kill()

    asyncio.run(main())
