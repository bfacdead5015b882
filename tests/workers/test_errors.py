"""What a caller is told when a call fails."""

from __future__ import annotations

import pytest

from bascule.protocols.calls import Op, Want
from bascule.protocols.envelope import Codec
from tests.workers.conftest import PROJECT
from tests.workers.harness import Worker

KEYS = {"kind", "class", "module", "message", "traceback", "frames", "notes", "cause", "worker", "call", "elapsed_ms"}
KEYS |= {"details"}


@pytest.mark.parametrize("codec", list(Codec))
def test_an_exception_is_told_in_full_in_every_codec(worker: Worker, codec: Codec) -> None:
    call_id = worker.start("things:fail", codec=codec)
    frame = worker.wait_for(lambda frame: frame[3] == call_id)
    from tests.workers.harness import MODULES

    error = MODULES[codec].loads(frame[6])
    assert set(error) == KEYS
    assert (error["kind"], error["class"], error["module"]) == ("python", "ValueError", "builtins")
    assert error["message"] == "not this"
    assert error["worker"] == "tests/3.1"
    assert error["call"] == call_id
    assert error["elapsed_ms"] >= 0


def test_the_traceback_begins_with_the_users_function(worker: Worker) -> None:
    error = worker.error("things:fail")
    (frame,) = error["frames"]
    assert frame["file"] == str(PROJECT / "things.py")
    assert frame["function"] == "fail"
    assert frame["text"] == 'raise ValueError("not this")'
    assert error["traceback"].startswith("Traceback (most recent call last):")
    assert error["traceback"].endswith("ValueError: not this\n")
    assert "bascule" not in error["traceback"].replace(str(PROJECT), "")
    assert "workers/running" not in error["traceback"]


def test_a_call_with_the_wrong_arguments_has_no_frames_of_ours(worker: Worker) -> None:
    error = worker.error("things:add")
    assert error["class"] == "TypeError"
    assert error["frames"] == []
    assert "running" not in error["traceback"]


def test_the_traceback_of_a_coroutine_shows_no_event_loop(worker: Worker) -> None:
    error = worker.error("things:aadd", 1, "2")
    assert [frame["function"] for frame in error["frames"]] == ["aadd"]


def test_notes_causes_and_contexts_are_told(worker: Worker) -> None:
    assert worker.error("things:fail", "notes")["notes"] == ["first", "second"]
    for kind in ("cause", "context"):
        error = worker.error("things:fail", kind)
        assert (error["class"], error["cause"]["class"]) == ("RuntimeError", "KeyError")
        assert error["cause"]["frames"][0]["function"] == "fail"
        assert error["cause"]["cause"] is None
        assert "KeyError: 'inner'" in error["traceback"]


def test_a_long_chain_of_causes_has_an_end(worker: Worker) -> None:
    error = worker.error("things:fail", "chain")
    depth = 0
    while error["cause"]:
        error = error["cause"]
        depth += 1
    assert 5 <= depth <= 10


@pytest.mark.parametrize(
    ("how", "name"),
    [
        ("exit", "SystemExit"),
        ("interrupt", "KeyboardInterrupt"),
        ("generator_exit", "GeneratorExit"),
        ("base", "fail.<locals>.Strange"),
    ],
)
def test_exceptions_that_would_end_a_program_are_errors_of_the_call(worker: Worker, how: str, name: str) -> None:
    error = worker.error("things:fail", how)
    assert (error["kind"], error["class"]) == ("python", name)
    assert worker.call("things:add", 1, 1) == 2


def test_an_exception_that_cannot_be_shown_is_still_an_error(worker: Worker) -> None:
    error = worker.error("things:fail", "bad_str")
    assert error["class"] == "BadError"
    assert "RuntimeError" in error["message"]


def test_a_huge_message_is_cut(worker: Worker) -> None:
    error = worker.error("things:fail", "huge")
    assert len(error["message"]) < 20_000
    assert len(error["traceback"]) < 80_000
    assert "left out" in error["message"]


@pytest.mark.parametrize("codec", list(Codec))
def test_a_message_that_is_no_unicode_arrives_escaped(worker: Worker, codec: Codec) -> None:
    error = worker.error("things:fail", "surrogate", codec=codec)
    assert "\\udc80" in error["message"]


def test_endless_recursion_is_an_error(worker: Worker) -> None:
    for _ in range(3):
        error = worker.error("things:recurse")
        assert error["class"] == "RecursionError"
        assert 2 <= len(error["frames"]) <= 100
        assert len(error["traceback"]) < 80_000
    assert worker.call("things:add", 1, 1) == 2


@pytest.mark.parametrize("codec", list(Codec))
def test_results_that_are_too_deep_or_circular_are_handles_or_an_error(worker: Worker, codec: Codec) -> None:
    for target, args in (("things:deep", [50_000]), ("things:circle", [])):
        error = worker.error(target, *args, want=Want.VALUE, codec=codec)
        assert error["kind"] == "not_encodable"
        handle = worker.call(target, *args, codec=codec)
        assert worker.call("len", op=Op.BUILTIN, on=handle) == 1


def test_what_cannot_be_encoded_is_named(worker: Worker) -> None:
    error = worker.error("things:counters", 2, want=Want.VALUE)
    assert error["kind"] == "not_encodable" or error["kind"] == "python"
    error = worker.error("builtins:iter", [1], want=Want.VALUE)
    assert error["kind"] == "not_encodable"
    assert "list_iterator" in error["message"]
    assert error["details"] == {"type": "list_iterator"}


def test_a_number_that_json_does_not_have_is_an_error(worker: Worker) -> None:
    error = worker.error("builtins:float", "nan", codec=Codec.JSON)
    assert error["kind"] == "not_encodable"


def test_a_result_that_fits_no_frame_is_refused(worker: Worker) -> None:
    error = worker.error("builtins:bytes", (1 << 28) + 1, want=Want.VALUE)
    assert error["kind"] == "not_encodable"
    assert str(1 << 28) in error["message"]


def test_running_out_of_memory_is_an_error_of_the_call() -> None:
    with Worker(paths=[str(PROJECT)], memory=300 << 20) as worker:
        error = worker.error("things:eat_memory")
        assert (error["kind"], error["class"]) == ("python", "MemoryError")
        assert worker.call("things:add", 1, 1) == 2
