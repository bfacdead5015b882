"""What a call asks of its client while it runs: every answer finds its question, at any depth and from any thread."""

from __future__ import annotations

import pytest

from bascule.protocols.calls import Op, Style, encode_call
from bascule.protocols.envelope import Codec, Flag, Kind
from bascule.protocols.errors import ErrorKind
from bascule.workers import page as pages
from bascule.workers.nesting import MOST_LEVELS
from tests.workers.harness import MODULES, CallError, Worker, value_of, wait_until

PREPARED = """
import threading
import time
from bascule import CallbackFailed, caller

def ask(what, *arguments):
    return caller().ask(what, arguments)

def tell_all(count):
    for number in range(count):
        caller().tell("note", [number])
    return "told"

def caught(what):
    try:
        return caller().ask(what)
    except CallbackFailed as failure:
        return [failure.kind, str(failure)]

def in_time(what):
    try:
        return caller().ask(what, timeout=0.01)
    except TimeoutError as error:
        return str(error)

def goes_on(what):
    try:
        caller().ask(what, timeout=0.01)
    except TimeoutError:
        time.sleep(60)

def from_threads(count):
    mine, answers = caller(), {}
    def work(number):
        answers[number] = mine.ask("square", [number])
    threads = [threading.Thread(target=work, args=[number]) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [answers[number] for number in range(count)]

def later(gate):
    mine = caller()
    def work():
        gate.wait()
        box.append(mine.ask("later"))
        done.set()
    threading.Thread(target=work).start()
    return "begun"

async def from_coroutine(what):
    return caller().ask(what)

def keep(value):
    kept.append(value)
    return caller().ask("echo", [value])

def spin():
    while True:
        time.sleep(0.001)

def wait_at_gate():
    gate.wait()
    return "opened"

def open_gate():
    gate.set()
    return "open"

class Thing: pass

gate, done, box, kept = threading.Event(), threading.Event(), [], []
"""


class Client(Worker):
    """A worker's client that answers callbacks: by functions, or with calls of its own in their course."""

    def __init__(self, **configuration: object) -> None:
        super().__init__(**configuration)
        self.exec(PREPARED)
        self.notes: list[object] = []
        self.given_back: list[int] = []
        self.withdrawn: list[int] = []

    def next_callback(self, call_id: int, codec: int = Codec.MSGPACK) -> tuple[int, str, list[object]]:
        frame = self.wait_for(lambda frame: frame[0] == Kind.CALLBACK and frame[3] == call_id)
        what, arguments = MODULES[codec].loads(frame[6][8:])
        return int.from_bytes(frame[6][:8], "little"), what, arguments

    def reply(self, number: int, value: object, codec: int = Codec.MSGPACK) -> None:
        self.send(Kind.REPLY, number, MODULES[codec].dumps(value), codec=codec)

    def nest(self, number: int, target: str, *args: object, flags: int = 0) -> int:
        """A call in the course of a callback."""
        payload = encode_call(Op.CALL, target, MODULES[Codec.MSGPACK].dumps([list(args)]))
        call_id = self.new_id()
        self.send(Kind.NESTED, call_id, number.to_bytes(8, "little") + payload, flags=flags)
        return call_id

    def answer(self, call_id: int) -> object:
        """What a call came to; its own callbacks must be over."""
        return value_of(self.wait_for(lambda frame: frame[3] == call_id and frame[0] != Kind.CALLBACK))


@pytest.mark.parametrize("codec", list(Codec))
@pytest.mark.parametrize("threads", [1, 2])
def test_a_call_asks_its_client_and_goes_on_with_the_answer(codec: Codec, threads: int) -> None:
    with Client(threads=threads) as client:
        call_id = client.start("__main__:ask", "add", 37, 5, codec=codec, style=int(Style.STR_AS_BINARY))
        number, what, arguments = client.next_callback(call_id, codec)
        assert (what, arguments) == ("add", [37, 5])
        client.reply(number, 42, codec)
        assert client.answer(call_id) == 42


def test_an_error_of_the_client_is_an_exception_in_the_call() -> None:
    with Client() as client:
        call_id = client.start("__main__:caught", "fail")
        number, _, _ = client.next_callback(call_id)
        error = {"kind": "clojure", "class": "ArithmeticException", "message": "Divide by zero"}
        client.send(Kind.ERROR, number, MODULES[Codec.MSGPACK].dumps(error))
        assert client.answer(call_id) == ["clojure", "ArithmeticException: Divide by zero"]


@pytest.mark.parametrize("threads", [1, 2])
def test_a_call_that_is_made_in_the_course_of_a_callback_runs_in_the_worker_that_waits(threads: int) -> None:
    depth = 60
    with Client(threads=threads) as client:
        calls, numbers = [client.start("__main__:ask", "deeper")], []
        for _ in range(depth):
            number, _, _ = client.next_callback(calls[-1])
            numbers.append(number)
            calls.append(client.nest(number, "__main__:ask", "deeper"))
        last, _, _ = client.next_callback(calls[-1])
        client.reply(last, 0)
        for level, (call_id, number) in enumerate(zip(reversed(calls[1:]), reversed(numbers), strict=True)):
            assert client.answer(call_id) == level
            client.reply(number, level + 1)
        assert client.answer(calls[0]) == depth


def test_depth_ends_in_an_exception_and_not_in_a_crash() -> None:
    with Client() as client:
        calls, numbers = [client.start("__main__:ask", "deeper")], []
        while True:
            frame = client.wait_for(lambda frame: frame[3] == calls[-1])
            if frame[0] == Kind.ERROR:
                break
            number = int.from_bytes(frame[6][:8], "little")
            numbers.append(number)
            calls.append(client.nest(number, "__main__:ask", "deeper"))
        assert len(calls) == MOST_LEVELS + 2
        with pytest.raises(CallError, match="nested 1000 deep"):
            value_of(frame)
        for call_id, number in zip(reversed(calls[:-1]), reversed(numbers), strict=True):
            client.reply(number, "up")
            assert client.answer(call_id) == "up"
        assert client.call("math:pow", 2, 8) == 256.0


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_of_user_code_ask_while_the_call_waits_for_them(threads: int) -> None:
    with Client(threads=threads) as client:
        call_id = client.start("__main__:from_threads", 8)
        asked = [client.wait_for(lambda frame: frame[0] == Kind.CALLBACK) for _ in range(8)]
        for frame in reversed(asked):
            number = int.from_bytes(frame[6][:8], "little")
            _, (value,) = MODULES[Codec.MSGPACK].loads(frame[6][8:])
            nested = client.nest(number, "operator:mul", value, value)
            client.reply(number, client.answer(nested))
        assert client.answer(call_id) == [number * number for number in range(8)]
        assert client.call("math:pow", 2, 8) == 256.0


def test_a_thread_may_ask_when_its_call_is_over() -> None:
    with Client() as client:
        client.exec("def begin(): return later(gate)")
        assert client.call("__main__:begin") == "begun"
        client.call("__main__:gate.set")
        number, what, _ = client.next_callback(0)
        assert what == "later"
        client.reply(number, "at last")
        client.call("__main__:done.wait")
        assert client.call("__main__:box.copy") == ["at last"]


def test_a_coroutine_may_ask_and_the_call_on_top_may_be_a_coroutine_too() -> None:
    with Client() as client:
        call_id = client.start("__main__:from_coroutine", "outer")
        number, _, _ = client.next_callback(call_id)
        nested = client.nest(number, "__main__:from_coroutine", "inner")
        inner, what, _ = client.next_callback(nested)
        assert what == "inner"
        client.reply(inner, 1)
        assert client.answer(nested) == 1
        client.reply(number, 2)
        assert client.answer(call_id) == 2


def test_what_is_told_comes_in_order_and_is_asked_now_and_then() -> None:
    with Client() as client:
        call_id = client.start("__main__:tell_all", 200)
        asked = 0
        for expected in range(200):
            frame = client.wait_for(lambda frame: frame[0] == Kind.CALLBACK)
            assert MODULES[Codec.MSGPACK].loads(frame[6][8:]) == ["note", [expected]]
            if not frame[2] & Flag.CAST:
                asked += 1
                client.reply(int.from_bytes(frame[6][:8], "little"), None)
        assert client.answer(call_id) == "told"
        assert asked == 3


def test_a_late_answer_is_dropped_and_the_client_is_told() -> None:
    with Client() as client:
        call_id = client.start("__main__:in_time", "slow")
        number, _, _ = client.next_callback(call_id)
        assert client.answer(call_id) == "the client did not answer in time"
        assert client.wait_for(lambda frame: frame[0] == Kind.CANCEL)[3] == number
        client.reply(number, "late")
        nested = client.nest(number, "math:pow", 2, 8)
        with pytest.raises(CallError) as refused:
            client.answer(nested)
        assert refused.value.kind == ErrorKind.CANCELLED
        assert client.call("math:pow", 2, 8) == 256.0


def test_a_call_that_has_waited_in_vain_can_still_be_cancelled() -> None:
    with Client() as client:
        call_id = client.start("__main__:goes_on", "slow")
        client.next_callback(call_id)
        client.wait_for(lambda frame: frame[0] == Kind.CANCEL)
        client.wait_until_armed(call_id)
        client.cancel(call_id)
        with pytest.raises(CallError) as cancelled:
            client.result(call_id)
        assert cancelled.value.kind == ErrorKind.CANCELLED
        assert client.call("math:pow", 2, 8) == 256.0


@pytest.mark.parametrize("threads", [1, 2])
def test_a_call_that_waits_can_be_cancelled(threads: int) -> None:
    with Client(threads=threads) as client:
        call_id = client.start("__main__:ask", "for ever")
        client.next_callback(call_id)
        client.cancel(call_id)
        with pytest.raises(CallError) as cancelled:
            client.answer(call_id)
        assert cancelled.value.kind == ErrorKind.CANCELLED
        assert client.call("math:pow", 2, 8) == 256.0


@pytest.mark.parametrize("threads", [1, 2])
def test_a_call_on_top_is_cancelled_alone(threads: int) -> None:
    with Client(threads=threads) as client:
        call_id = client.start("__main__:ask", "outer")
        number, _, _ = client.next_callback(call_id)
        nested = client.nest(number, "__main__:spin")
        client.wait_until_running(nested)
        client.cancel(nested)
        with pytest.raises(CallError):
            client.answer(nested)
        client.reply(number, "goes on")
        assert client.answer(call_id) == "goes on"


@pytest.mark.parametrize("threads", [1, 2])
def test_a_call_on_a_thread_of_user_code_is_cancelled_alone(threads: int) -> None:
    with Client(threads=threads) as client:
        call_id = client.start("__main__:from_threads", 2)
        asked = [client.wait_for(lambda frame: frame[0] == Kind.CALLBACK) for _ in range(2)]
        numbers = [int.from_bytes(frame[6][:8], "little") for frame in asked]
        spinning = client.nest(numbers[0], "__main__:spin")
        wait_until(lambda: pages.started_id(client.page) >= spinning)
        client.control({"op": "cancel", "call": spinning})
        with pytest.raises(CallError) as cancelled:
            client.answer(spinning)
        assert cancelled.value.kind == ErrorKind.CANCELLED
        # One that was not begun, since its thread works on another, ends when it begins.
        first, second = client.nest(numbers[1], "__main__:wait_at_gate"), client.nest(numbers[1], "__main__:spin")
        client.control({"op": "cancel", "call": second})
        assert client.answer(client.nest(numbers[0], "__main__:open_gate")) == "open"
        assert client.answer(first) == "opened"
        with pytest.raises(CallError):
            client.answer(second)
        for number in numbers:
            client.reply(number, number)
        assert sorted(client.answer(call_id)) == sorted(numbers)


def test_calls_that_can_not_be_begun_are_given_back() -> None:
    with Client() as client:
        first = client.start("__main__:ask", "wait")
        number, _, _ = client.next_callback(first)
        others = [client.start("math:pow", 2, power) for power in range(3)]
        given_back = [client.wait_for(lambda frame: frame[3] in others) for _ in others]
        assert {(frame[0], frame[6]) for frame in given_back} == {(Kind.MISROUTED, b"")}
        assert sorted(frame[3] for frame in given_back) == others
        client.reply(number, 1)
        assert client.answer(first) == 1


def test_a_stream_in_the_course_of_a_callback_goes_on_while_the_call_waits() -> None:
    with Client() as client:
        call_id = client.start("__main__:ask", "stream")
        number, _, _ = client.next_callback(call_id)
        stream = client.nest(number, "itertools:count", 5, flags=int(Flag.STREAM))
        client.send(Kind.CREDIT, stream, (3).to_bytes(4, "little"))
        assert [client.answer(stream) for _ in range(3)] == [5, 6, 7]
        client.reply(number, "done")
        assert client.answer(call_id) == "done"


def test_objects_go_out_as_handles_and_come_back_as_themselves() -> None:
    with Client() as client:
        thing = client.call("__main__:Thing", want=2)
        client.exec("def same(thing):\n    return keep(thing) is thing")
        call_id = client.start("__main__:same", thing)
        number, what, (handed,) = client.next_callback(call_id)
        assert what == "echo"
        client.reply(number, handed)
        assert client.answer(call_id) is True


def test_code_outside_of_a_worker_is_told_so() -> None:
    import bascule

    with pytest.raises(RuntimeError, match="only code that a Bascule worker runs can call back"):
        bascule.caller()
