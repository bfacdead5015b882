"""Objects that stay in the worker: who reaches them, and for how long."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from bascule.protocols.calls import Op, Want
from bascule.protocols.envelope import Codec, Flag, Kind
from bascule.protocols.tokens import Handle, make_token, new_prefix
from tests.workers.conftest import PROJECT
from tests.workers.harness import Misrouted, Worker, wait_until


@pytest.mark.parametrize("codec", list(Codec))
def test_a_handle_is_the_object_itself_in_every_codec(worker: Worker, codec: Codec) -> None:
    counter = worker.call("things:Counter", 1, op=Op.INIT, codec=codec)
    worker.call("increase", op=Op.METHOD, on=counter, codec=codec)
    assert worker.call("builtins:len", counter, codec=codec) == 2
    assert worker.call("operator:is_", counter, counter, codec=codec) is True


def test_the_same_object_has_the_same_token(worker: Worker) -> None:
    counter = worker.call("things:Counter", 1, op=Op.INIT)
    assert worker.call("itself", op=Op.METHOD, on=counter) == counter
    assert worker.call("things:Counter", 1, op=Op.INIT) != counter


def test_a_token_that_was_received_twice_lives_until_it_was_released_twice(worker: Worker) -> None:
    counter = worker.call("things:Counter", 1, op=Op.INIT)
    worker.call("itself", op=Op.METHOD, on=counter)
    worker.send(Kind.RELEASE, payload=counter.token.encode())
    assert worker.call("len", op=Op.BUILTIN, on=counter) == 1
    worker.send(Kind.RELEASE, payload=counter.token.encode())
    assert worker.error("len", op=Op.BUILTIN, on=counter)["kind"] == "handle_lost"


def test_handles_stand_at_any_depth_of_results_and_arguments(worker: Worker) -> None:
    first, second = worker.call("things:counters", 2)
    assert worker.call("things:add", 1, kwargs={"b": 2}) == 3
    same = worker.call("things:same", {"a": [first, (second,)]})
    assert same == {"a": [first, (second,)]}


def test_a_released_handle_is_lost_and_its_object_goes(worker: Worker) -> None:
    worker.call("things:taken")
    first, second = worker.call("things:Loud", op=Op.INIT), worker.call("things:Loud", op=Op.INIT)
    worker.send(Kind.RELEASE, payload=(first.token + second.token).encode())
    assert worker.call("things:taken") == ["finalized", "finalized"]
    error = worker.error("value", op=Op.GETATTR, on=first)
    assert error["kind"] == "handle_lost"
    assert error["message"]


def test_releasing_what_is_unknown_does_nothing(worker: Worker) -> None:
    counter = worker.call("things:Counter", 1, op=Op.INIT)
    stranger = make_token(worker.prefix, worker.slot, worker.incarnation, 5)
    worker.send(Kind.RELEASE, payload=(stranger + "x" * 60 + "\xff").encode("latin-1"))
    worker.send(Kind.RELEASE, payload=counter.token.encode(), session=77)
    assert worker.call("len", op=Op.BUILTIN, on=counter) == 1


def test_another_session_does_not_reach_a_handle(worker: Worker) -> None:
    counter = worker.call("things:Counter", 1, op=Op.INIT, session=1)
    for options in ({"on": counter, "op": Op.BUILTIN}, {"op": Op.BUILTIN}):
        args = [] if "on" in options else [counter]
        assert worker.error("len", *args, session=2, **options)["kind"] == "handle_lost"
    assert worker.call("len", op=Op.BUILTIN, on=counter, session=1) == 1


def test_a_guessed_token_is_lost_like_any_other(worker: Worker) -> None:
    counter = worker.call("things:Counter", 1, op=Op.INIT)
    messages = set()
    for token in (
        counter.token[:-1] + ("0" if counter.token[-1] != "0" else "1"),
        make_token(worker.prefix, worker.slot, worker.incarnation, 999_999),
        make_token(new_prefix(), worker.slot, worker.incarnation, 0),
        worker.prefix + "zzzz" + counter.token[20:],
    ):
        for options in ({"on": Handle(token), "op": Op.BUILTIN}, {"op": Op.BUILTIN}):
            args = [] if "on" in options else [Handle(token)]
            error = worker.error("len", *args, **options)
            assert error["kind"] == "handle_lost"
            messages.add(error["message"].split(":", 1)[1])
    assert len(messages) == 1


def test_the_end_of_a_session_ends_its_handles_alone(worker: Worker) -> None:
    worker.call("things:taken")
    mine = worker.call("things:Loud", op=Op.INIT, session=1)
    theirs = worker.call("things:Loud", op=Op.INIT, session=9)
    worker.send(Kind.RELEASE, session=9)
    assert worker.call("things:taken") == ["finalized"]
    assert worker.error("len", op=Op.BUILTIN, on=theirs, session=9)["kind"] == "handle_lost"
    assert worker.call("", op=Op.DESCRIBE, on=mine)["type"] == "Loud"


def test_handles_of_other_workers_are_sent_back_before_anything_runs(worker: Worker) -> None:
    worker.call("things:taken")
    mine = worker.call("things:Counter", 1, op=Op.INIT)
    there = [
        make_token(worker.prefix, worker.slot + 1, 1, 0),
        make_token(worker.prefix, worker.slot, worker.incarnation + 1, 0),
    ]
    for codec in Codec:
        with pytest.raises(Misrouted) as caught:
            worker.call(
                "things:count", [Handle(there[0]), mine, {"a": Handle(there[1])}, Handle(there[0])], codec=codec
            )
        assert caught.value.tokens == there
    with pytest.raises(Misrouted) as caught:
        worker.call("len", op=Op.BUILTIN, on=Handle(there[1]))
    assert caught.value.tokens == there[1:]
    assert worker.call("things:taken") == []


def test_a_token_inside_text_is_text(worker: Worker) -> None:
    token = make_token(worker.prefix, worker.slot + 1, 1, 0)
    assert worker.call("things:same", token) == token


def test_the_cap_is_kept_and_named() -> None:
    with Worker(paths=[str(PROJECT)], handle_cap=10) as worker:
        held = worker.call("things:counters", 10)
        error = worker.error("things:counters", 1)
        assert error["kind"] == "too_many_handles"
        assert error["details"]["limit"] == 10
        assert worker.call("things:counters", 10, session=2)
        worker.send(Kind.RELEASE, payload=held[0].token.encode())
        assert worker.error("things:counters", 2)["kind"] == "too_many_handles"
        assert len(worker.call("things:counters", 1)) == 1  # those of the failed attempt were taken back


def test_handles_are_counted_and_listed(worker: Worker) -> None:
    worker.send(Kind.RELEASE, session=1)
    worker.send(Kind.RELEASE, session=2)
    counter = worker.call("things:Counter", 1, op=Op.INIT, session=1)
    worker.call("things:counters", 2, session=2)
    pong = worker.ask("ping")
    assert (pong["op"], pong["handles"], pong["sessions"], pong["calls"]) == ("pong", 3, 2, 0)
    rows = worker.ask("handles", session=None)["handles"]
    assert len(rows) == 3
    (row,) = worker.ask("handles", session=1)["handles"]
    assert (row["token"], row["session"], row["type"]) == (counter.token, 1, "things.Counter")
    assert row["age"] >= 0
    assert row["idle"] >= 0


def test_an_object_is_watched_until_it_goes_or_the_watch_is_taken_back(worker: Worker) -> None:
    counter = worker.call("things:Counter", 1, op=Op.INIT)
    for number in (1, 2, 3):
        worker.control({"op": "watch", "id": number, "session": 1, "token": counter.token})
    worker.control({"op": "unwatch", "id": 2, "session": 1, "token": counter.token})
    assert worker.control_answer() == {"op": "watch", "id": 2, "reason": "withdrawn"}
    worker.control({"op": "unwatch", "id": 2, "session": 1, "token": counter.token})
    worker.control({"op": "unwatch", "id": 9, "session": 1, "token": "none"})
    worker.send(Kind.RELEASE, payload=counter.token.encode())
    told = [worker.control_answer() for _ in range(2)]
    assert told == [{"op": "watch", "id": number, "reason": "released"} for number in (1, 3)]
    assert worker.ask("ping")["op"] == "pong"


def test_a_lease_ends_what_nobody_uses_even_in_an_idle_worker(tmp_path: Path) -> None:
    (tmp_path / "leased.py").write_text(
        "class Marked:\n"
        "    def __init__(self, name): self.name = name\n"
        "    def __del__(self): open(self.name, 'w').close()\n"
    )
    with Worker(paths=[str(tmp_path)], handle_lease=0.05) as worker:
        marked = worker.call("leased:Marked", str(tmp_path / "gone"), op=Op.INIT)
        wait_until((tmp_path / "gone").exists)
        assert worker.error("name", op=Op.GETATTR, on=marked)["kind"] == "handle_lost"
        assert worker.ask("ping")["handles"] == 0


def test_a_lease_ends_what_nobody_uses_even_in_a_worker_that_is_never_idle() -> None:
    lease = 2.0  # by when the cap must have been met, however slow the machine
    with Worker(handle_lease=lease, handle_cap=2) as worker:
        for _ in range(2):
            worker.call("builtins:object", op=Op.INIT)
        assert worker.error("builtins:object", op=Op.INIT)["kind"] == "too_many_handles"
        over = time.monotonic() + 2 * lease
        while time.monotonic() < over:  # busy all the time: nothing is swept because there is nothing else to do
            worker.call("math:sqrt", 4)
        worker.call("builtins:object", op=Op.INIT)
        assert len(worker.ask("handles")["handles"]) == 1


def test_objects_are_copied_to_another_worker_for_one_call() -> None:
    prefix = new_prefix()
    with (
        Worker(paths=[str(PROJECT)], prefix=prefix, slot=1) as one,
        Worker(paths=[str(PROJECT)], prefix=prefix, slot=2) as two,
    ):
        there = one.call("things:Counter", 40, op=Op.INIT)
        here = two.call("things:Counter", 2, op=Op.INIT)
        with pytest.raises(Misrouted):
            two.call("operator:add", here, there)
        pickles = one.ask("export", session=1, tokens=[there.token], max=1 << 20)["pickles"]
        two.control({"op": "import", "session": 1, "call": two._next_id + 1, "objects": {there.token: pickles[0]}})
        total = two.call("operator:add", here, there)
        assert two.call("value", op=Op.GETATTR, on=total) == 42
        with pytest.raises(Misrouted):
            two.call("operator:add", here, there)
        two.control({"op": "import", "session": 1, "call": two._next_id + 1, "objects": {there.token: pickles[0]}})
        assert two.call("len", op=Op.BUILTIN, on=there) == 40
        two.control({"op": "import", "session": 5, "call": two._next_id + 1, "objects": {there.token: pickles[0]}})
        with pytest.raises(Misrouted):  # meant for another session
            two.call("len", op=Op.BUILTIN, on=there)


def test_what_cannot_be_copied_is_said_by_either_side(worker: Worker) -> None:
    unpicklable = worker.call("things:Unpicklable", op=Op.INIT)
    answer = worker.ask("export", session=1, tokens=[unpicklable.token], max=1 << 20)
    assert answer["error"]["kind"] == "handles_apart"
    assert "Unpicklable" in answer["error"]["message"]
    large = worker.call("builtins:bytearray", 1 << 20, want=Want.HANDLE)
    assert worker.ask("export", session=1, tokens=[large.token], max=1000)["error"]["details"] == {"limit": 1000}
    assert worker.ask("export", session=2, tokens=[large.token], max=0)["error"]["kind"] == "handle_lost"
    unloadable = worker.call("things:Unloadable", op=Op.INIT)
    (pickle,) = worker.ask("export", session=1, tokens=[unloadable.token], max=1000)["pickles"]
    elsewhere = make_token(worker.prefix, worker.slot + 1, 1, 0)
    worker.control({"op": "import", "session": 1, "call": worker._next_id + 1, "objects": {elsewhere: pickle}})
    error = worker.error("things:same", Handle(elsewhere))
    assert error["kind"] == "handles_apart"
    assert error["cause"]["message"] == "not this"


def test_a_cast_hands_nothing_out(worker: Worker) -> None:
    before = worker.ask("ping")["handles"]
    call_id = worker.start("things:counters", 5, flags=Flag.CAST)
    worker.wait_for(lambda frame: frame[3] == call_id)
    assert worker.ask("ping")["handles"] == before


def test_a_result_that_cannot_be_sent_leaves_no_handles_behind(worker: Worker) -> None:
    worker.exec("import things; things.mixed = lambda: [things.Counter(), things.deep(50_000)]")
    before = worker.ask("ping")["handles"]
    whole = worker.call("things:mixed")
    assert isinstance(whole, Handle)
    assert worker.ask("ping")["handles"] == before + 1
