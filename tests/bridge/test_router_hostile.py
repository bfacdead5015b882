"""The router among workers that say odd things, clients that flood, leave halfway or read slowly, and bad luck."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
import time
from collections.abc import Iterator

import msgpack
import pytest
from router_world import FakeWorker, ListDoor, World

from bascule.bridge.notices import Notice, RouterFailed
from bascule.bridge.router import client_ends
from bascule.bridge.router.core import RouterCore
from bascule.bridge.router.messages import read_control, write_control
from bascule.bridge.router.peers import Effect, Session
from bascule.bridge.router.pump import RouterPump
from bascule.bridge.router.scribe import MOST_WAITING, Scribe
from bascule.protocols import tokens
from bascule.protocols.envelope import Flag, Kind, encode_frame


def credit_of(frames: list[tuple]) -> dict[int, int]:  # type: ignore[type-arg]
    """wire id -> credit that came after its CALL."""
    given: dict[int, int] = {}
    for kind, _, _, wire_id, _, _, payload in frames:
        if kind == Kind.CREDIT:
            given[wire_id] = given.get(wire_id, 0) + int.from_bytes(payload, "little")
    return given


def token_of(world: World, worker: FakeWorker) -> bytes:
    return tokens.make_token(world.core.prefix, worker.core.slot, worker.core.incarnation, 1).encode()


def quick(world: World, client: object, target: str = "m:f") -> None:
    """Let a target be known as quick, so that calls may wait behind it."""
    worker = world.workers[0]
    client.call(target)  # type: ignore[attr-defined]
    for wire_id in worker.calls():
        worker.reply(wire_id)
    client.answers()  # type: ignore[attr-defined]


# -- exceptions that end the router thread ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"\x81\x90\x01", id="a list as a key"),
        pytest.param(b"\x81\x81\x01\x02\x01", id="a map as a key"),
    ],
)
def test_a_control_message_with_an_odd_key_is_no_message(payload: bytes) -> None:
    assert read_control(payload) == {}


def test_a_worker_that_says_odd_control_messages_costs_only_itself() -> None:
    world = World()
    world.workers[0].say(Kind.CONTROL, payload=b"\x81\x90\x01")
    assert world.core.effects[-1][1] is Effect.KILL


@pytest.mark.parametrize("pickles", [[1], [None, None], ["text"]])
def test_pickles_that_are_no_bytes_fail_the_call_alone(pickles: list[object]) -> None:
    world = World(workers=3)
    client = world.client()
    one, two, three = world.workers
    call_id = client.call(arguments=b"two tokens, which the worker finds")
    (wire_id,) = one.calls()
    one.say(Kind.MISROUTED, wire_id, token_of(world, two) + token_of(world, three))
    for other in (two, three):
        (question,) = [read_control(frame[6]) for frame in other.frames() if frame[0] == Kind.CONTROL]
        other.say(Kind.CONTROL, payload=write_control({"op": "exported", "id": question["id"], "pickles": pickles}))
    assert (Kind.ERROR, call_id, "handles_apart") in client.answers()


def test_deep_nesting_in_an_export_error_is_survived() -> None:
    deep: bytes = b"\x91" * 1000 + b"\x90"
    world = World(workers=2)
    client = world.client()
    one, two = world.workers
    call_id = client.call(arguments=token_of(world, one) + b"and a hidden one")
    (wire_id,) = one.calls()
    one.say(Kind.MISROUTED, wire_id, token_of(world, two))
    questions = [read_control(f[6]) for w in (one, two) for f in w.frames() if f[0] == Kind.CONTROL]
    for worker, question in zip((one, two), questions, strict=True):
        head = b"\x83\xa2op\xa8exported\xa2id" + msgpack.packb(question["id"])
        worker.say(Kind.CONTROL, payload=head + b"\xa5error\x81\xa7message" + deep)
    assert (Kind.ERROR, call_id, "handles_apart") in client.answers()


# -- calls that are never settled, streams that never move ----------------------------------------------------------


def test_a_misrouted_answer_without_tokens_settles_the_call() -> None:
    world = World()
    client, (worker,) = world.client(), world.workers
    call_id = client.call()
    worker.say(Kind.MISROUTED, worker.calls()[0], b"")
    if world.core.effects:  # it may cost the worker its life: then its death settles the call
        worker.die()
    assert [answer[:2] for answer in client.answers()] == [(Kind.ERROR, call_id)]


def test_credit_for_a_stream_that_waited_for_its_handles_owner_is_passed_on() -> None:
    world = World()
    client, (worker,) = world.client(), world.workers
    client.call("slow")
    (first,) = worker.calls()
    stream = client.call(object_token=token_of(world, worker), flags=Flag.STREAM)
    client.request(Kind.CREDIT, stream, struct.pack("<I", 7))
    worker.reply(first)
    frames = worker.frames()
    (wire_id,) = [frame[3] for frame in frames if frame[0] == Kind.CALL]
    assert credit_of(frames) == {wire_id: 7}


def test_credit_goes_along_when_a_stream_is_misrouted() -> None:
    world = World(workers=2)
    client, (one, two) = world.client(), world.workers
    stream = client.call(flags=Flag.STREAM)
    client.request(Kind.CREDIT, stream, struct.pack("<I", 7))
    (wire_id,) = one.calls()
    one.say(Kind.MISROUTED, wire_id, token_of(world, two))
    assert list(credit_of(two.frames()).values()) == [7]


def test_credit_goes_along_when_a_worker_dies_before_it_started_the_stream() -> None:
    world = World(workers=2)
    client, (one, two) = world.client(), world.workers
    stream = client.call(flags=Flag.STREAM)
    client.request(Kind.CREDIT, stream, struct.pack("<I", 7))
    one.die()
    assert list(credit_of(two.frames()).values()) == [7]


def test_a_stream_without_credit_occupies_nobody() -> None:
    world = World()
    client, (worker,) = world.client(), world.workers
    stream = client.call("m:endless", flags=Flag.STREAM)
    (wire_id,) = worker.calls()
    worker.start(wire_id)
    worker.say(Kind.CONTROL, payload=write_control({"op": "opened", "call": wire_id}))
    client.call("m:other")
    assert len(worker.calls()) == 1
    client.request(Kind.CANCEL, stream)
    assert read_control(worker.frames()[-1][6]) == {"op": "close_stream", "call": wire_id}
    world.pass_time(60)
    assert worker.core.kill_reason is None


def test_a_retired_worker_leaves_when_its_last_stream_ended() -> None:
    world = World(workers=2, size=1)
    client, worker = world.client(), world.workers[0]
    client.call(flags=Flag.STREAM)
    (wire_id,) = worker.calls()
    worker.start(wire_id)
    worker.say(Kind.ITEM, wire_id, b"\x01")
    world.core.retire_worker(0, 1)
    assert (worker.core, Effect.CLOSE_WIRE) not in world.core.effects
    worker.say(Kind.END, wire_id)
    assert (worker.core, Effect.CLOSE_WIRE) in world.core.effects


def test_a_retired_worker_leaves_when_its_last_stream_failed() -> None:
    world = World(workers=2, size=1)
    client, worker = world.client(), world.workers[0]
    client.call(flags=Flag.STREAM)
    (wire_id,) = worker.calls()
    worker.start(wire_id)
    worker.say(Kind.ITEM, wire_id, b"\x01")
    world.core.retire_worker(0, 1)
    worker.say(Kind.ERROR, wire_id, msgpack.packb({"kind": "python"}))
    assert (worker.core, Effect.CLOSE_WIRE) in world.core.effects


def test_a_retired_worker_leaves_when_its_last_stream_is_cancelled() -> None:
    world = World(workers=2, size=1)
    client, worker = world.client(), world.workers[0]
    stream = client.call(flags=Flag.STREAM)
    (wire_id,) = worker.calls()
    worker.start(wire_id)
    worker.say(Kind.ITEM, wire_id, b"\x01")
    world.core.retire_worker(0, 1)
    client.request(Kind.CANCEL, stream)
    assert (worker.core, Effect.CLOSE_WIRE) in world.core.effects


def test_calls_that_a_dying_worker_of_a_failed_pool_had_not_started_are_settled() -> None:
    world = World()
    client, (worker,) = world.client(), world.workers
    call_id = client.call()
    world.core.fail_pool("default", "it is failed")
    world.core.retire_worker(0, 1)
    worker.die()
    assert client.answers() == [(Kind.ERROR, call_id, "pool_unavailable")]


def test_a_payload_is_kept_while_its_call_may_still_be_misrouted() -> None:
    world = World(workers=2, size=2)
    client, (one, _) = world.client(), world.workers
    quick(world, client)
    arguments = b"x" * 100_000
    world.core.retire_worker(1, 1)  # so that both go to the first
    client.call(arguments=arguments)
    client.call(arguments=arguments)
    first, second = one.calls()
    three = world.spawn(2)
    one.start(second)  # it has answered the first, and is at the second
    reply = encode_frame(Kind.REPLY, 1, 0, first, 0, 0, b"\xc0" * 200_000)
    world.core.answers.worker_data(one.core, reply[:65_536])
    world.core.answers.worker_data(one.core, reply[65_536:])
    one.say(Kind.MISROUTED, second, token_of(world, three))
    (sent_on,) = [frame for frame in three.frames() if frame[0] == Kind.CALL]
    assert sent_on[6].endswith(arguments)


# -- growth and fairness ------------------------------------------------------------------------------------------


def test_calls_that_wait_for_a_handles_owner_are_bounded_too() -> None:
    world = World(max_queue=10)
    client, (worker,) = world.client(), world.workers
    for _ in range(100):
        client.call(object_token=token_of(world, worker))
    assert (Kind.ERROR, 100, "overloaded") in client.answers()


def test_a_flood_on_one_handle_leaves_others_their_turn() -> None:
    world = World()
    flood, other, (worker,) = world.client(), world.client(), world.workers
    for _ in range(2_000):
        flood.call("m:flood", object_token=token_of(world, worker))
    other.call("m:small")
    for _ in range(20):
        for wire_id in worker.calls():
            worker.reply(wire_id)
        if other.answers():
            return
    pytest.fail("no turn for the small caller within 20 rounds of answers")


def test_calls_that_were_cancelled_while_they_waited_are_forgotten() -> None:
    world = World(max_queue=100)
    client = world.client()
    client.call()  # occupies the worker
    client.call()  # waits, at the head
    for _ in range(20_000):
        client.request(Kind.CANCEL, client.call())
    queue = world.core.pools["default"].queue
    assert sum(map(len, queue._queues.values())) < 5_000


def test_credit_for_a_call_that_waits_does_not_pile_up() -> None:
    world = World()
    client = world.client()
    client.call()
    stream = client.call(flags=Flag.STREAM)
    for _ in range(10_000):
        client.request(Kind.CREDIT, stream, struct.pack("<I", 1))
    assert len(client.session.held_credit) < 100


def test_one_session_cannot_fill_the_queue_for_all() -> None:
    world = World(max_queue=100)
    flood, other = world.client(), world.client()
    for _ in range(200):
        flood.call()
    call_id = other.call()
    assert (Kind.ERROR, call_id, "overloaded") not in other.answers()


# -- who is to blame, and who is killed ------------------------------------------------------------------------------


def test_the_offender_is_the_call_that_ran_last_not_the_oldest() -> None:
    world = World()
    client, (worker,) = world.client(), world.workers
    quick(world, client, "m:good")
    quick(world, client, "m:bad")
    client.call("m:good")
    client.call("m:bad")
    _, bad = worker.calls()
    worker.start(bad)  # the first one's answer waits in the worker's buffer
    client.door.answers.clear()
    worker.die()
    errors = {call_id: msgpack.unpackb(payload) for _, call_id, payload in client.door.answers}
    assert {error["details"]["offender"] for error in errors.values()} == {"m:bad"}


def test_each_cancelled_call_has_its_grace() -> None:
    world = World(cancel_grace_ms=500)
    client, (worker,) = world.client(), world.workers
    quick(world, client)
    client.call()
    cancelled = [client.call() for _ in range(3)]
    first, second, *_ = worker.calls()
    worker.start(first)
    for call_id in cancelled:
        client.request(Kind.CANCEL, call_id)
    world.pass_time(0.49)
    worker.reply(first)
    worker.start(second)  # begins now: its grace ends at 0.99 at the earliest
    world.pass_time(0.02)
    assert (worker.core, Effect.KILL) not in world.core.effects


# -- the pump, with real descriptors ----------------------------------------------------------------------------------


class ReplyDoor(ListDoor):
    """Answers are their payloads; each byte that comes in is a request of kind CONTROL."""

    def receive_data(self, data: bytes) -> list:  # type: ignore[type-arg]
        return [(int(Kind.CONTROL), 1, 0, 0, 0, bytes([byte])) for byte in data]

    def encode(self, kind: int, codec: int, flags: int, call_id: object, payload: bytes) -> list[bytes]:
        return [payload]


@pytest.fixture
def pump() -> Iterator[RouterPump]:
    pump = RouterPump()
    pump.start()
    yield pump
    with contextlib.suppress(OSError):
        pump.stop()


def attach(pump: RouterPump, read_fd: int, write_fd: int) -> Session:
    before = pump.ask(lambda core: set(core.sessions))
    pump.attach_client(read_fd, write_fd, ReplyDoor(), pool="default")
    return pump.ask(lambda core: next(s for n, s in core.sessions.items() if n not in before))


def spins(pump: RouterPump) -> bool:
    """Whether it turns on and on while nothing happens: hundreds of turns while we ask it fifty times."""
    before = pump.turns
    for _ in range(50):
        time.sleep(0.005)
    return pump.turns - before > 500


def test_a_deadline_of_weeks_is_no_reason_to_end(pump: RouterPump) -> None:
    failed = threading.Event()
    pump.subscribe(lambda notice: failed.set() if isinstance(notice, RouterFailed) else None)
    pump.ask(lambda core: core.endings.set_timer(time.monotonic() + 0xFFFFFFFF / 1000, lambda: None))
    assert not failed.wait(0.5)
    assert pump.ask(lambda core: True)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_after_a_failure_of_the_router_others_can_still_speak_to_it(pump: RouterPump) -> None:
    notices: list[Notice] = []
    pump.subscribe(notices.append)

    def broken() -> None:
        raise ZeroDivisionError

    pump.post(broken)
    pump._runner.join(60)
    assert isinstance(notices[-1], RouterFailed)
    wake = pump._wake
    other = os.open(os.devnull, os.O_RDONLY)  # the number is somebody else's now
    try:
        assert other != wake, "the wake descriptor was closed under those who still write to it"
        pump.post(lambda: None)  # as every pool does while it stops
        pump.stop()
    finally:
        os.close(other)


def half_closed(pump: RouterPump) -> tuple[socket.socket, Session]:
    """A client that will send nothing more, and waits for the answer to a call."""
    ours, theirs = socket.socketpair()
    fd = ours.detach()
    session = attach(pump, fd, fd)
    pump.ask(lambda core: session.calls.update(open=None))  # type: ignore[call-overload]
    theirs.shutdown(socket.SHUT_WR)
    while not session.input_over:
        time.sleep(0.001)
    theirs.settimeout(60)
    return theirs, session


def test_a_half_closed_client_gets_all_of_a_large_answer(pump: RouterPump) -> None:
    theirs, session = half_closed(pump)
    size = 4 << 20

    def settle(core: RouterCore) -> None:  # as `RouterCore.settle` does
        session.calls.clear()
        core.answer(session, Kind.REPLY, 1, 0, 0, b"x" * size)
        core.requests.close_if_done(session)

    pump.ask(settle)
    got = 0
    while data := theirs.recv(1 << 20):
        got += len(data)
    theirs.close()
    assert got == size


def test_the_end_of_a_client_that_read_on_after_it_is_told_once(
    pump: RouterPump, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_ends, "LINGER", 0.2)
    notices: list[Notice] = []
    pump.subscribe(notices.append)
    theirs, session = half_closed(pump)

    def end(core: RouterCore) -> None:
        session.calls.clear()
        core.answer(session, Kind.REPLY, 1, 0, 0, b"x" * (4 << 20))  # does not fit the socket
        core.requests.close_session(session)
        core.endings.set_timer(core.now + 0.4, over.set)  # behind the one that ends the lingering

    over = threading.Event()
    pump.ask(end)
    while theirs.recv(1 << 20):
        pass
    theirs.close()
    assert over.wait(60)
    pump.ask(lambda core: None)
    assert [type(notice).__name__ for notice in notices] == ["SessionClosed"]


def test_a_half_closed_client_that_reads_slowly_costs_no_processor(pump: RouterPump) -> None:
    theirs, session = half_closed(pump)
    pump.ask(lambda core: core.answer(session, Kind.OUTPUT, 1, 0, 0, b"x" * (700 << 10)))  # does not fit the socket
    spinning = spins(pump)
    session.calls.clear()
    theirs.close()
    assert not spinning


def test_a_half_closed_client_that_has_caught_up_costs_no_processor(pump: RouterPump) -> None:
    theirs, session = half_closed(pump)
    size = 2 << 20
    pump.ask(lambda core: core.answer(session, Kind.OUTPUT, 1, 0, 0, b"x" * size))  # so much that it is paused
    got = 0
    while got < size:
        got += len(theirs.recv(1 << 20))
    spinning = spins(pump)
    session.calls.clear()
    theirs.close()
    assert not spinning


def test_a_client_whose_output_is_a_closed_socket_is_gone(pump: RouterPump) -> None:
    read_end, write_end = os.pipe()
    ours, theirs = socket.socketpair()
    session = attach(pump, read_end, ours.detach())
    theirs.close()
    assert not spins(pump)
    assert pump.ask(lambda core: session.dead)
    os.close(write_end)


def test_requests_in_a_pipe_are_all_served_though_its_writer_left(pump: RouterPump) -> None:
    read_end, write_end = os.pipe()
    out_read, out_write = os.pipe()
    pump.core.on_control = lambda session, client_id, payload: pump.core.answer(session, Kind.REPLY, 1, 0, 0, payload)
    os.write(write_end, b"." * 500)
    os.close(write_end)  # `printf ... | bascule pod`
    pump.attach_client(read_end, out_write, ReplyDoor(), pool="default")
    got = b""
    while data := os.read(out_read, 65536):
        got += data
    os.close(out_read)
    assert len(got) == 500


def test_a_pipe_whose_writer_left_is_not_dropped_while_its_reader_is_slow(pump: RouterPump) -> None:
    read_end, write_end = os.pipe()
    out_read, out_write = os.pipe()
    size = 2 << 20
    pump.core.on_control = lambda session, client_id, payload: pump.core.answer(
        session, Kind.REPLY, 1, 0, 0, b"x" * size
    )
    attach(pump, read_end, out_write)
    os.write(write_end, b".")
    time.sleep(0.05)
    os.close(write_end)
    time.sleep(0.05)
    got = 0
    while data := os.read(out_read, 1 << 20):
        got += len(data)
    os.close(out_read)
    assert got == size


# Answers that are stuck, workers that stay, output that nobody reads


def test_answers_that_a_worker_gathered_are_sent_for_once_when_a_call_takes_long() -> None:
    world = World()
    worker, client = world.workers[0], world.client()
    quick(world, client)
    for _ in range(3):
        client.call()
    first, second, _ = worker.calls()
    worker.start(second)  # the first has its answer, which has not come
    world.core.effects.clear()
    world.pass_time(0.006)
    assert world.core.effects == []  # it may be on its way
    world.pass_time(0.006)
    assert world.core.effects == [(worker.core, Effect.INTERRUPT)]
    for _ in range(10):
        world.pass_time(0.006)
    assert world.core.effects == [(worker.core, Effect.INTERRUPT)]
    worker.reply(first)
    assert [kind for kind, _, _ in client.answers()] == [Kind.REPLY]


def test_a_call_that_takes_long_with_others_behind_it_is_left_alone() -> None:
    world = World()
    worker, client = world.workers[0], world.client()
    quick(world, client)
    for _ in range(3):
        client.call()
    worker.start(worker.calls()[0])
    world.core.effects.clear()
    for _ in range(10):
        world.pass_time(0.006)
    assert world.core.effects == []


def test_a_retired_worker_that_does_not_leave_is_made_to() -> None:
    world = World()
    worker = world.workers[0]
    world.core.retire_worker(0, 1)
    assert world.core.effects == [(worker.core, Effect.CLOSE_WIRE)]
    world.pass_time(4.9)
    assert len(world.core.effects) == 1
    world.pass_time(0.2)
    assert world.core.effects[1:] == [(worker.core, Effect.KILL)]


def test_output_that_nobody_reads_holds_up_nobody() -> None:
    read_fd, write_fd = os.pipe()
    written: list[str] = []

    def write(worker: str, text: str, err: bool) -> None:
        os.read(read_fd, 1)  # until the test says so
        written.append(text)

    scribe = Scribe(write)
    line = "x" * 1000 + "\n"
    for _ in range(3000):
        scribe.put("default/0.1", line, False)  # returns
    os.write(write_fd, b"." * 4000)
    scribe.close(60)
    said = "".join(written)
    assert MOST_WAITING <= len(said) < MOST_WAITING + 10 * len(line)
    os.close(read_fd)
    os.close(write_fd)


def test_what_was_dropped_of_the_output_is_said_when_there_is_room_again() -> None:
    gate = threading.Event()
    written: list[str] = []
    done = threading.Event()

    def write(worker: str, text: str, err: bool) -> None:
        gate.wait()
        written.append(text)
        if text.endswith("after\n"):
            done.set()

    scribe = Scribe(write)
    scribe.put("w", "y" * (MOST_WAITING + 1), False)
    scribe.put("w", "lost", False)
    gate.set()
    while not done.is_set():  # there is room once the thread has written what waited
        scribe.put("w", "after\n", False)
    scribe.close(60)
    assert any(text.startswith("[") and "characters of output were dropped" in text for text in written)
