"""Callbacks through the router: every question finds its client, every answer its question, and none waits for ever."""

from __future__ import annotations

import msgpack
import pytest
from router_world import Client, FakeWorker, World

from bascule.protocols.calls import Op, encode_call
from bascule.protocols.envelope import Flag, Kind
from bascule.protocols.tokens import make_token


def ask(worker: FakeWorker, wire_id: int, number: int, body: bytes = b"?") -> None:
    worker.say(Kind.CALLBACK, wire_id, number.to_bytes(8, "little") + body)


def asked(client: Client) -> list[tuple[int, int, bytes]]:
    """(call id, number, body) of the callbacks since the last look; other answers are dropped."""
    answers, client.door.answers = client.door.answers, []
    return [
        (int(str(call_id)), int.from_bytes(payload[:8], "little"), payload[8:])
        for kind, call_id, payload in answers
        if kind == Kind.CALLBACK
    ]


def nest(client: Client, number: int, *, object_token: bytes = b"", deadline: int = 0) -> int:
    client._ids += 1
    payload = number.to_bytes(8, "little") + encode_call(Op.CALL, "m:nested", b"", object_token=object_token)
    client.request(Kind.NESTED, client._ids, payload, deadline=deadline)
    return client._ids


def answers_to(worker: FakeWorker) -> list[tuple[int, int, bytes]]:
    """(kind, number, payload) of what answers the worker's callbacks."""
    return [(kind, number, payload) for kind, _, _, number, _, _, payload in worker.frames() if kind in (2, 3)]


def kind_of(payload: bytes) -> str:
    return str(msgpack.unpackb(payload)["kind"])


def test_numbers_of_two_workers_are_not_mixed_up() -> None:
    world = World(workers=2)
    one, other = world.workers
    clients = [world.client(), world.client()]
    for client in clients:
        client.call("m:slow")
    (first,), (second,) = one.calls(), other.calls()
    ask(one, first, 7, b"one")
    ask(other, second, 7, b"other")
    ((_, number_one, body_one),), ((_, number_other, body_other),) = asked(clients[0]), asked(clients[1])
    assert (body_one, body_other) == (b"one", b"other")
    assert number_one != number_other
    clients[1].request(Kind.REPLY, number_one, b"stolen")  # not asked of this client
    assert answers_to(one) == []
    clients[1].request(Kind.REPLY, number_other, b"B")
    clients[0].request(Kind.ERROR, number_one, b"A")
    assert answers_to(one) == [(Kind.ERROR, 7, b"A")]
    assert answers_to(other) == [(Kind.REPLY, 7, b"B")]


def test_an_answer_is_taken_once() -> None:
    world = World()
    client, (worker,) = world.client(), world.workers
    client.call()
    ask(worker, worker.calls()[0], 1)
    ((_, number, _),) = asked(client)
    for _ in range(2):
        client.request(Kind.REPLY, number, b"x")
    assert len(answers_to(worker)) == 1


def test_a_client_that_takes_none_is_not_asked() -> None:
    world = World()
    client, (worker,) = world.client(), world.workers
    client.door.takes_callbacks = False
    client.call()
    ask(worker, worker.calls()[0], 1)
    assert asked(client) == []
    ((kind, number, payload),) = answers_to(worker)
    assert (kind, number, kind_of(payload)) == (Kind.ERROR, 1, "refused")


def test_what_needs_no_answer_is_not_kept() -> None:
    world = World()
    client, (worker,) = world.client(), world.workers
    client.call()
    (wire_id,) = worker.calls()
    worker.say(Kind.CALLBACK, wire_id, (1).to_bytes(8, "little"), flags=Flag.CAST)
    ((_, number, _),) = asked(client)
    client.request(Kind.REPLY, number, b"x")
    assert answers_to(worker) == []


def test_a_cancelled_call_is_not_asked_for_any_more() -> None:
    world = World()
    client, (worker,) = world.client(), world.workers
    call_id = client.call()
    ask(worker, worker.calls()[0], 5)
    ((_, number, _),) = asked(client)
    client.request(Kind.CANCEL, call_id)
    assert (Kind.CANCEL, number, b"") in client.door.answers
    assert [(kind, of, kind_of(payload)) for kind, of, payload in answers_to(worker)] == [(Kind.ERROR, 5, "cancelled")]


def test_a_client_that_leaves_is_not_waited_for() -> None:
    world = World()
    staying, leaving = world.client(), world.client()
    (worker,) = world.workers
    leaving.call()
    (wire_id,) = worker.calls()
    ask(worker, wire_id, 1)
    worker.say(Kind.CALLBACK, 0, (2).to_bytes(8, "little"), session=leaving.session.id)
    world.core.requests.close_session(leaving.session)
    assert sorted((number, kind_of(payload)) for _, number, payload in answers_to(worker)) == [
        (1, "cancelled"),
        (2, "client_gone"),
    ]
    assert staying.answers() == []


def test_a_worker_that_dies_is_not_answered_and_its_client_is_told() -> None:
    world = World()
    client, (worker,) = world.client(), world.workers
    client.call()
    ask(worker, worker.calls()[0], 1)
    ((_, number, _),) = asked(client)
    worker.start(1)
    worker.die()
    assert [(kind, call_id) for kind, call_id, _ in client.door.answers] == [(Kind.CANCEL, number), (Kind.ERROR, 1)]


def test_a_worker_that_gave_up_waiting_says_so_to_the_client() -> None:
    world = World()
    client, (worker,) = world.client(), world.workers
    client.call()
    ask(worker, worker.calls()[0], 3)
    ((_, number, _),) = asked(client)
    worker.say(Kind.CANCEL, 3)
    assert client.door.answers == [(Kind.CANCEL, number, b"")]
    client.request(Kind.REPLY, number, b"late")
    assert answers_to(worker) == []


def test_a_thread_without_a_call_asks_the_only_client_and_nobody_where_there_are_two() -> None:
    world = World()
    (worker,) = world.workers
    client = world.client()
    ask(worker, 0, 1)
    assert [call_id for call_id, _, _ in asked(client)] == [0]
    world.client()
    ask(worker, 0, 2)
    ((_, number, payload),) = answers_to(worker)
    assert (number, kind_of(payload)) == (2, "client_gone")


def test_nested_calls_go_deeper_than_there_are_workers() -> None:
    world = World(workers=2)
    client, (one, other) = world.client(), world.workers
    client.call()
    ask(one, one.calls()[0], 1)
    ((_, number, _),) = asked(client)
    nest(client, number)
    (wire_id,) = other.calls()  # a free worker first
    ask(other, wire_id, 1)
    ((_, number, _),) = asked(client)
    for level in range(2, 50):
        nest(client, number)
        ((kind, _, _, wire_id, _, _, payload),) = other.frames()
        assert (kind, payload[:8]) == (Kind.NESTED, (level - 1).to_bytes(8, "little"))
        ask(other, wire_id, level)
        ((_, number, _),) = asked(client)
    assert one.frames() == []


def test_a_nested_call_passes_a_queue_that_is_full() -> None:
    world = World(max_queue=1)
    client, (worker,) = world.client(), world.workers
    client.call()
    ask(worker, worker.calls()[0], 1)
    ((_, number, _),) = asked(client)
    client.call()
    nest(client, number)
    assert [frame[0] for frame in worker.frames()] == [Kind.NESTED]


def test_a_nested_call_on_an_object_runs_where_that_is_even_if_all_wait_there() -> None:
    world = World(workers=2)
    client, (one, other) = world.client(), world.workers
    client.call()
    client.call()
    ask(one, one.calls()[0], 1)
    ask(other, other.calls()[0], 9)
    (_, number, _), _ = asked(client)
    token = make_token(world.core.prefix, other.core.slot, other.core.incarnation, 0).encode()
    nest(client, number, object_token=token)
    ((kind, _, _, _, _, _, payload),) = other.frames()
    assert (kind, payload[:8]) == (Kind.NESTED, (9).to_bytes(8, "little"))


def test_a_nested_call_whose_callback_is_over_is_refused() -> None:
    world = World()
    client, (worker,) = world.client(), world.workers
    call_id = nest(client, 12345)
    assert client.answers() == [(Kind.ERROR, call_id, "cancelled")]
    assert worker.frames() == []


def test_a_call_that_is_given_back_goes_to_another_worker() -> None:
    world = World(workers=2)
    client, (one, other) = world.client(), world.workers
    client.call("m:f")
    one.reply(one.calls()[0])
    for _ in range(3):  # known to be fast: two of them go into one worker
        client.call("m:f")
    taken = {worker: worker.calls() for worker in (one, other)}
    crowded = max(taken, key=lambda worker: len(taken[worker]))
    first, second = taken[crowded]
    crowded.start(first)
    ask(crowded, first, 1)
    free = other if crowded is one else one
    free.reply(taken[free][0])
    crowded.say(Kind.MISROUTED, second)
    assert len(free.calls()) == 1
    assert crowded.calls() == []


def test_nothing_waits_behind_a_target_that_calls_back() -> None:
    world = World()
    client, (worker,) = world.client(), world.workers
    for _ in range(3):
        client.call("m:f")
        worker.reply(worker.calls()[0])
    client.call("m:f")
    (wire_id,) = worker.calls()
    ask(worker, wire_id, 1)
    client.call("m:f")
    assert worker.calls() == []


@pytest.mark.parametrize("payload", [b"", b"1234567"])
def test_a_callback_without_a_number_costs_the_worker_its_life(payload: bytes) -> None:
    world = World()
    client, (worker,) = world.client(), world.workers
    client.call()
    worker.say(Kind.CALLBACK, worker.calls()[0], payload)
    assert worker.core.killed


@pytest.mark.parametrize("payload", [b"", b"1234567", b"12345678", b"12345678\1"])
def test_a_nested_call_that_is_rubbish_is_refused(payload: bytes) -> None:
    world = World()
    client = world.client()
    client.request(Kind.NESTED, 1, payload)
    ((kind, call_id, _),) = client.answers()
    assert (kind, call_id) == (Kind.ERROR, 1)
