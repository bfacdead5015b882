"""Results that are sent bit by bit, as far as there is credit."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import pytest

from bascule.protocols.calls import Op, Want
from bascule.protocols.envelope import Codec, Flag, Kind
from bascule.protocols.tokens import Handle
from tests.workers.conftest import PROJECT
from tests.workers.harness import CallError, Worker, value_of


@pytest.fixture(scope="module", params=[1, 3], ids=["one thread", "three threads"])
def worker(request: pytest.FixtureRequest) -> Iterator[Worker]:
    with Worker(paths=[str(PROJECT)], threads=request.param) as one:
        yield one


class Streamed:
    """A client's end of a stream."""

    def __init__(self, worker: Worker, target: str, *args: Any, **options: Any) -> None:
        self.worker = worker
        self.call_id = worker.start(target, *args, flags=Flag.STREAM, **options)

    def credit(self, items: int) -> None:
        self.worker.send(Kind.CREDIT, self.call_id, struct.pack("<I", items))

    def next(self) -> Any:
        return value_of(self.worker.wait_for(lambda frame: frame[3] == self.call_id))

    def rest(self) -> list[Any]:
        """All that comes until the end, with credit enough."""
        self.credit(1000)
        found = []
        while True:
            value = self.next()
            if value is Kind.END:
                return found
            found.append(value)

    def close(self) -> None:
        self.worker.control({"op": "close_stream", "call": self.call_id})

    def has_come(self) -> int:
        """Frames that came so far; a ping's answer comes after all that was sent before it."""
        self.worker.ask("ping")
        return len([frame for frame in self.worker.frames if frame[3] == self.call_id])


@pytest.mark.parametrize("codec", list(Codec))
@pytest.mark.parametrize("target", ["things:count", "things:acount"])
def test_a_generator_is_sent_item_by_item(worker: Worker, target: str, codec: Codec) -> None:
    assert Streamed(worker, target, 5, codec=codec).rest() == [0, 1, 2, 3, 4]


def test_nothing_is_sent_and_nothing_is_run_without_credit(worker: Worker) -> None:
    worker.call("things:taken")
    stream = Streamed(worker, "things:count", 5)
    assert stream.has_come() == 0
    assert worker.call("things:taken") == []
    stream.credit(2)
    assert [stream.next(), stream.next()] == [0, 1]
    assert stream.has_come() == 0
    assert stream.rest() == [2, 3, 4]
    assert worker.call("things:taken") == ["opened", "closed"]


def test_other_calls_run_while_streams_are_open(worker: Worker) -> None:
    streams = [Streamed(worker, "things:count_forever") for _ in range(5)]
    for turn in range(3):
        for stream in streams:
            stream.credit(1)
            assert worker.call("things:add", turn, 1) == turn + 1
            assert stream.next() == turn
    for stream in streams:
        stream.close()
        assert stream.next() is Kind.END


def test_an_endless_stream_with_much_credit_leaves_others_their_turn(worker: Worker) -> None:
    stream = Streamed(worker, "things:count_forever")
    stream.credit(1 << 31)
    for _ in range(5):
        assert worker.call("things:add", 1, 1) == 2
    stream.close()
    while stream.next() is not Kind.END:
        pass


def test_closing_runs_the_generators_finally(worker: Worker) -> None:
    for target in ("things:count", "things:acount"):
        worker.call("things:taken")
        stream = Streamed(worker, target, 100)
        stream.credit(1)
        assert stream.next() == 0
        stream.close()
        assert stream.next() is Kind.END
        assert worker.call("things:taken") == ["opened", "closed"]
        stream.credit(1)
        stream.close()
        assert worker.call("things:add", 1, 1) == 2


def test_the_end_of_a_session_closes_its_streams(worker: Worker) -> None:
    worker.call("things:taken")
    stream = Streamed(worker, "things:count", 100, session=8)
    stream.credit(1)
    assert stream.next() == 0
    worker.send(Kind.RELEASE, session=8)
    assert stream.next() is Kind.END
    assert worker.call("things:taken") == ["opened", "closed"]


def test_an_error_in_mid_stream_ends_it(worker: Worker) -> None:
    stream = Streamed(worker, "things:count_then_fail", 2)
    stream.credit(10)
    assert [stream.next(), stream.next()] == [0, 1]
    with pytest.raises(CallError) as caught:
        stream.next()
    assert caught.value.error["class"] == "ValueError"
    assert caught.value.error["frames"][-1]["function"] == "count_then_fail"
    assert worker.ask("ping")["streams"] == 0


def test_an_item_that_does_not_encode_ends_the_stream(worker: Worker) -> None:
    stream = Streamed(worker, "things:odd_items", want=Want.VALUE)
    stream.credit(10)
    assert stream.next() == 1
    try:
        assert stream.next() == {"value": 7}
    except CallError as error:
        assert error.kind == "not_encodable"


def test_items_may_be_handles(worker: Worker) -> None:
    first, second = Streamed(worker, "things:odd_items").rest()
    assert first == 1
    assert worker.call("len", op=Op.BUILTIN, on=second) == 7
    for item in Streamed(worker, "things:count", 2, want=Want.HANDLE).rest():
        assert isinstance(item, Handle)


def test_a_result_that_is_no_iterator_is_a_plain_reply(worker: Worker) -> None:
    for value in (5, [1, 2], None, "text", {"a": 1}):
        assert Streamed(worker, "things:same", value).next() == value
    with pytest.raises(CallError):
        Streamed(worker, "things:fail").next()
    assert worker.ask("ping")["streams"] == 0


def test_anything_iterable_can_be_iterated(worker: Worker) -> None:
    assert Streamed(worker, "", [1, 2, 3], op=Op.ITERATE).rest() == [1, 2, 3]
    assert Streamed(worker, "", {"a": 1}, op=Op.ITERATE).rest() == ["a"]
    agen = worker.call("things:acount", 3)
    assert isinstance(agen, Handle)
    assert Streamed(worker, "", op=Op.ITERATE, on=agen).rest() == [0, 1, 2]
    with pytest.raises(CallError) as caught:
        Streamed(worker, "", 5, op=Op.ITERATE).next()
    assert caught.value.error["class"] == "TypeError"
    handle = worker.call("", [1, 2], op=Op.ITERATE)
    assert worker.call("next", op=Op.BUILTIN, on=handle) == 1


def test_a_generator_without_the_flag_is_a_handle_and_survives_a_closed_stream(worker: Worker) -> None:
    generator = worker.call("things:count", 10)
    assert worker.call("next", op=Op.BUILTIN, on=generator) == 0
    stream = Streamed(worker, "", op=Op.ITERATE, on=generator)
    stream.credit(1)
    assert stream.next() == 1
    stream.close()
    assert stream.next() is Kind.END
    assert worker.call("next", op=Op.BUILTIN, on=generator) == 2


def test_output_comes_before_the_item_that_it_belongs_to(worker: Worker) -> None:
    worker.exec(
        "import things\n"
        "def talk():\n"
        "    for number in range(3):\n"
        "        print('making', number)\n"
        "        yield number\n"
        "things.talk = talk"
    )
    stream = Streamed(worker, "things:talk")
    for number in range(3):
        stream.credit(1)
        assert stream.next() == number
        assert worker.printed(call=stream.call_id).endswith(f"making {number}\n")


def test_credit_and_closing_of_what_is_no_stream_do_nothing(worker: Worker) -> None:
    worker.send(Kind.CREDIT, 999_999_999, struct.pack("<I", 5))
    worker.send(Kind.CREDIT, 999_999_999, b"x")
    worker.control({"op": "close_stream", "call": 999_999_999})
    assert worker.call("things:add", 1, 1) == 2


def test_a_flood_of_calls_does_not_starve_a_stream(worker: Worker) -> None:
    stream = Streamed(worker, "things:count", 50)
    stream.credit(100)
    pending = [worker.start("things:add", number, 1) for number in range(5)]
    items = 0
    while items < 50:  # there is always a call waiting
        pending += [worker.start("things:add", number, 1) for number in range(20)]
        for call_id in pending[:20]:
            worker.result(call_id)
        del pending[:20]
        worker.poll()
        items += len([frame for frame in worker.frames if frame[:1] + frame[3:4] == (Kind.ITEM, stream.call_id)])
        worker.frames = [frame for frame in worker.frames if frame[0] != Kind.ITEM]
    for call_id in pending:
        worker.result(call_id)
    assert stream.next() is Kind.END
