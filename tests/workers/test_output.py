"""What user code prints, and where it arrives."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from bascule.protocols.calls import Op
from tests.workers.conftest import PROJECT
from tests.workers.harness import Worker, wait_until


def wait_for_output(worker: Worker, holds: Callable[[], bool]) -> None:
    """Until what the worker has written so far makes it true; no call is awaited."""

    def holds_by_now() -> bool:
        worker.poll()
        return holds()

    wait_until(holds_by_now)


def test_what_a_call_prints_comes_before_its_answer_and_bears_its_id(worker: Worker) -> None:
    first = worker.start("print", "first", op=Op.BUILTIN)
    second = worker.start("print", "second", op=Op.BUILTIN, kwargs={"end": ""})
    worker.result(second)
    assert worker.printed(call=first) == "first\n"
    assert worker.printed(call=second) == "second"


def test_output_carries_its_session(worker: Worker) -> None:
    call_id = worker.start("print", "x", op=Op.BUILTIN, session=6)
    worker.result(call_id)
    assert worker.output_sessions[call_id] == {6}


def test_both_streams_keep_their_order_and_their_kind(worker: Worker) -> None:
    worker.output.clear()
    call_id = worker.start("things:print_both")
    worker.result(call_id)
    assert worker.output == [
        (call_id, False, "one\n"),
        (call_id, True, "two\n"),
        (call_id, False, "three\n"),
        (call_id, False, "für\n"),
    ] or (worker.printed(call=call_id), worker.printed(call=call_id, err=True)) == ("one\nthree\nfür\n", "two\n")


def test_logging_is_captured(worker: Worker) -> None:
    call_id = worker.start("things:log_warning")
    worker.result(call_id)
    assert worker.printed(call=call_id, err=True) == "WARNING:root:careful\n"


def test_the_streams_look_like_streams(worker: Worker) -> None:
    facts = worker.call("things:stream_facts")
    assert facts == ["utf-8", "backslashreplace", False, 1, 2, True, False]
    call_id = worker.start("print", "\udc80 é €", op=Op.BUILTIN)
    worker.result(call_id)
    assert worker.printed(call=call_id) == "\\udc80 é €\n"
    assert worker.error("sys:stdout.write", 5)["class"] == "TypeError"
    assert worker.error("sys:stdout.read")["class"] == "UnsupportedOperation"


def test_a_line_arrives_while_the_call_still_runs(worker: Worker, tmp_path: Path) -> None:
    go = tmp_path / "go"
    call_id = worker.start("things:print_then_wait", str(go))
    wait_for_output(worker, lambda: worker.printed(call=call_id) == "connecting\n")
    go.touch()
    worker.result(call_id)


def test_a_flushed_part_of_a_line_arrives_while_the_call_still_runs(worker: Worker, tmp_path: Path) -> None:
    go = tmp_path / "go"
    call_id = worker.start("things:print_partial_then_wait", str(go), True)
    wait_for_output(worker, lambda: worker.printed(call=call_id) == "half a line")
    go.touch()
    worker.result(call_id)


def test_the_bridge_can_ask_for_what_waits(worker: Worker, tmp_path: Path) -> None:
    go = tmp_path / "go"
    call_id = worker.start("things:print_partial_then_wait", str(go), False)
    worker.wait_until_armed(call_id)

    def arrived() -> bool:
        worker.process.send_signal(signal.SIGURG)
        worker.poll()
        return worker.printed(call=call_id) == "half a line"

    wait_until(arrived)
    go.touch()
    worker.result(call_id)


def test_a_hundred_thousand_lines_do_not_take_a_hundred_thousand_writes(worker: Worker) -> None:
    def writes() -> int:
        facts = Path(f"/proc/{worker.process.pid}/io").read_text()
        return int(facts.split("syscw:")[1].split()[0])

    before = writes()
    call_id = worker.start("things:print_lines", 100_000)
    assert worker.result(call_id) == 100_000
    assert worker.printed(call=call_id) == "".join([f"line {number}\n" for number in range(100_000)])
    assert writes() - before < 5000


def test_a_hundred_megabytes_in_one_print_arrive(worker: Worker) -> None:
    call_id = worker.start("sys:stdout.write", "é" * 50_000_000)
    assert worker.result(call_id) == 50_000_000
    pieces = [text for of, _, text in worker.output if of == call_id]
    worker.output.clear()
    assert sum(map(len, pieces)) == 50_000_000
    assert max(map(len, pieces)) <= 1 << 16
    assert set(pieces[0]) == {"é"}


def test_threads_of_user_code_print_for_the_call_that_runs(worker: Worker) -> None:
    call_id = worker.start("things:print_from_thread")
    worker.result(call_id)
    assert worker.printed(call=call_id) == "from a thread\n"


def test_what_is_printed_between_calls_belongs_to_none(worker: Worker, tmp_path: Path) -> None:
    go = tmp_path / "go"
    worker.exec(
        "import threading, things\n"
        f"threading.Thread(target=lambda: (things.wait_for_file({str(go)!r}), print('late'))).start()"
    )
    worker.output.clear()
    go.touch()
    wait_for_output(worker, lambda: worker.output == [(0, False, "late\n")])


def test_the_real_descriptors_are_there_for_c_code_and_children(worker: Worker) -> None:
    with Worker(paths=[str(PROJECT)]) as one:
        one.call("os:write", 1, b"from fd 1")
        one.call("os:write", 2, b"from fd 2")
        one.call("subprocess:check_call", ["echo", "from a child"])
        assert one.process.stdout is not None
        assert one.process.stderr is not None
        assert os.read(one.process.stdout.fileno(), 9) == b"from fd 1"
        assert os.read(one.process.stderr.fileno(), 9) == b"from fd 2"
        assert os.read(one.process.stdout.fileno(), 13) == b"from a child\n"


@pytest.mark.parametrize("threads", [1, 2])
def test_redirected_output_is_not_captured(threads: int) -> None:
    with Worker(threads=threads) as one:
        one.exec(
            "import contextlib, io\n"
            "buffer = io.StringIO()\n"
            "with contextlib.redirect_stdout(buffer):\n"
            "    print('inside')"
        )
        assert one.call("eval", "buffer.getvalue()", op=Op.BUILTIN) == "inside\n"
        assert one.output == []


def test_each_thread_prints_for_its_own_call(tmp_path: Path) -> None:
    with Worker(paths=[str(PROJECT)], threads=3) as one:
        go = tmp_path / "go"
        ids = [one.start("things:print_then_wait", str(go)) for _ in range(3)]
        go.touch()
        for call_id in ids:
            one.result(call_id)
            assert one.printed(call=call_id) == "connecting\n"
        mixed = [one.start("things:print_lines", 500) for _ in range(6)]
        for call_id in mixed:
            one.result(call_id)
            assert one.printed(call=call_id) == "".join([f"line {number}\n" for number in range(500)])
