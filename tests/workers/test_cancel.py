"""Calls that are taken back while they run, and the moments around them."""

from __future__ import annotations

import signal
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from bascule.protocols.calls import Op
from bascule.protocols.envelope import Flag, Kind
from bascule.workers import page as pages
from tests.workers.conftest import PROJECT
from tests.workers.harness import CallError, Worker, value_of, wait_until


@pytest.fixture(scope="module", params=[1, 3], ids=["one thread", "three threads"])
def worker(request: pytest.FixtureRequest) -> Iterator[Worker]:
    with Worker(paths=[str(PROJECT)], preload=["things"], threads=request.param) as one:
        yield one


def cancelled(worker: Worker, target: str, *args: object) -> dict[str, object]:
    """Start a call, cancel it once it runs, and give its error."""
    call_id = worker.start(target, *args)
    worker.wait_until_running(call_id)
    worker.cancel(call_id)
    with pytest.raises(CallError) as caught:
        worker.result(call_id)
    return caught.value.error


def cancelled_inside(worker: Worker, target: str, begun: Path) -> dict[str, object]:
    """The same, once the function itself says that it has begun: a call may be cancelled before its first line."""
    call_id = worker.start(target, str(begun))
    wait_until(begun.exists)
    worker.cancel(call_id)
    with pytest.raises(CallError) as caught:
        worker.result(call_id)
    return caught.value.error


def test_a_python_loop_is_interrupted(worker: Worker, tmp_path: Path) -> None:
    error = cancelled_inside(worker, "things:spin", tmp_path / "begun")
    assert error["kind"] == "cancelled"
    assert "spin" in str(error["traceback"])
    assert worker.call("things:add", 1, 1) == 2


def test_finally_blocks_run(worker: Worker, tmp_path: Path) -> None:
    worker.call("things:taken")
    assert cancelled_inside(worker, "things:spin_cleanly", tmp_path / "begun")["kind"] == "cancelled"
    assert worker.call("things:taken") == ["cleaned up"]


def test_a_loop_that_prints_is_interrupted_and_the_wire_stays_whole(worker: Worker) -> None:
    for _ in range(5):
        error = cancelled(worker, "things:print_forever")
        assert error["kind"] == "cancelled"
        assert worker.call("things:add", 1, 1) == 2
    worker.output.clear()


def test_awaiting_is_interrupted_the_way_asyncio_does_it(worker: Worker, tmp_path: Path) -> None:
    worker.call("things:taken")
    assert cancelled_inside(worker, "things:asleep_forever", tmp_path / "begun")["kind"] == "cancelled"
    assert worker.call("things:taken") == ["cancelled inside"]
    assert worker.call("things:aadd", 1, 2) == 3


def test_a_map_is_interrupted_between_or_in_its_items(worker: Worker) -> None:
    call_id = worker.start("things:sleep", [[0.005]] * 5000, op=Op.MAP)
    worker.wait_until_running(call_id)
    worker.cancel(call_id)
    with pytest.raises(CallError) as caught:
        worker.result(call_id)
    assert caught.value.kind == "cancelled"


def test_a_stream_is_interrupted_while_it_makes_an_item(worker: Worker) -> None:
    worker.exec("import things\ndef stuck():\n    yield 1\n    things.spin()\nthings.stuck = stuck")
    call_id = worker.start("things:stuck", flags=Flag.STREAM)
    worker.send(Kind.CREDIT, call_id, struct.pack("<I", 10))
    assert worker.result(call_id) == 1
    worker.wait_until_running(call_id)
    worker.cancel(call_id)
    with pytest.raises(CallError) as caught:
        worker.result(call_id)
    assert caught.value.kind == "cancelled"


def test_code_that_swallows_it_answers_all_the_same(worker: Worker, tmp_path: Path) -> None:
    worker.call("things:taken")
    begun = tmp_path / "begun"
    call_id = worker.start("things:stubborn", str(begun))
    wait_until(begun.exists)
    worker.cancel(call_id)
    assert worker.result(call_id) == "still here"
    assert worker.call("things:taken") == ["caught"]


def test_many_cancellations_at_any_moment_never_hit_another_call(worker: Worker) -> None:
    """Short calls and cancellations that race them: each call is answered once, and only by its own."""
    outcomes = set()
    for turn in range(300):
        doomed = worker.start("things:sleep", 0.0003 * (turn % 4))
        innocent = worker.start("things:add", turn, 1)
        if turn % 3:
            wait_until(lambda doomed=doomed: pages.started_id(worker.page) >= doomed)  # type: ignore[misc]
        worker.cancel(doomed)
        answer = worker.wait_for(lambda frame, doomed=doomed: frame[3] == doomed)  # type: ignore[misc]
        outcomes.add(answer[0])
        assert answer[0] in (Kind.REPLY, Kind.ERROR)
        if answer[0] == Kind.ERROR:
            with pytest.raises(CallError, match="cancelled"):
                value_of(answer)
        assert worker.result(innocent) == turn + 1
    worker.ask("ping")
    assert worker.frames == []
    assert Kind.ERROR in outcomes


def test_cancelling_what_has_ended_does_nothing(worker: Worker) -> None:
    call_id = worker.start("things:add", 1, 1)
    worker.result(call_id)
    worker.cancel(call_id)
    assert worker.call("things:sleep", 0.01) == 0.01


def test_a_call_that_waits_is_not_begun_once_it_is_cancelled(worker: Worker, tmp_path: Path) -> None:
    go, mark = tmp_path / "go", tmp_path / "mark"
    busy = [worker.start("things:wait_for_file", str(go)) for _ in range(3)]
    waiting = worker.start("builtins:open", str(mark), "w")
    for call_id in busy[: worker.threads]:
        worker.wait_until_running(call_id)
    worker.cancel(waiting)
    if worker.threads > 1:
        worker.ask("ping")  # answered after the cancellation was taken in
    go.touch()
    for call_id in busy:
        worker.result(call_id)
    with pytest.raises(CallError) as caught:
        worker.result(waiting)
    assert caught.value.kind == "cancelled"
    assert not mark.exists()


# One thread: the signal


def test_a_sleep_is_interrupted() -> None:
    with Worker(paths=[str(PROJECT)], preload=["things"]) as worker:
        assert cancelled(worker, "things:sleep", 3600)["kind"] == "cancelled"
        assert cancelled(worker, "time:sleep", 3600)["kind"] == "cancelled"
        assert worker.call("things:add", 1, 1) == 2


def test_a_coroutine_that_never_awaits_is_interrupted(tmp_path: Path) -> None:
    with Worker(paths=[str(PROJECT)], preload=["things"]) as worker:
        assert cancelled_inside(worker, "things:abusy", tmp_path / "begun")["kind"] == "cancelled"
        assert worker.call("things:aadd", 1, 2) == 3


def test_an_import_is_never_cut_in_half_but_what_follows_it_is_not_begun(tmp_path: Path) -> None:
    go = tmp_path / "go"
    (tmp_path / "slow_module.py").write_text(
        f"import os, time\nwhile not os.path.exists({str(go)!r}): time.sleep(0.001)\n"
        f"def f(): open({str(go)!r} + '2', 'w')\n"
    )
    with Worker(paths=[str(tmp_path)]) as worker:
        call_id = worker.start("slow_module:f")
        wait_until(lambda: pages.started_id(worker.page) == call_id)
        worker.cancel(call_id)
        go.touch()
        with pytest.raises(CallError, match="cancelled"):
            worker.result(call_id)
        assert not (tmp_path / "go2").exists()
        assert worker.call("slow_module:f") is None


def test_signals_without_a_cancellation_change_nothing() -> None:
    with Worker(paths=[str(PROJECT)], preload=["things"]) as worker:
        call_id = worker.start("things:print_lines", 20_000)
        for _ in range(200):
            worker.process.send_signal(signal.SIGURG)
        assert worker.result(call_id) == 20_000
        assert worker.printed(call=call_id) == "".join([f"line {number}\n" for number in range(20_000)])


def test_the_page_tells_what_was_started_and_what_runs() -> None:
    with Worker(paths=[str(PROJECT)], preload=["things"]) as worker:
        call_id = worker.start("things:spin")
        worker.wait_until_armed(call_id)
        assert pages.started_id(worker.page) == call_id
        worker.cancel(call_id)
        worker.wait_for(lambda frame: frame[3] == call_id)
        assert pages.armed_id(worker.page) == 0
