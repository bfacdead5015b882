"""Clients that send without end what no call waits for: the bridge's memory has a bound, and others go on."""

from __future__ import annotations

import pytest
from router_world import Client, World

from bascule.bridge.operations.control import Control
from bascule.bridge.router import callbacks, queries, requests
from bascule.bridge.router.messages import write_control
from bascule.protocols.calls import Op, encode_call
from bascule.protocols.envelope import Flag, Kind
from bascule.protocols.tokens import make_token

ONE = (1).to_bytes(4, "little")


def busy_world() -> tuple[World, Client, Client]:
    """A worker that reads nothing, since it is in a long call: of the first client, which has a stream there too."""
    world = World()
    flood, other, (worker,) = world.client(), world.client(), world.workers
    stream = flood.call("m:stream", flags=Flag.STREAM)
    assert stream == 1
    worker.start(worker.calls()[0])
    worker.say(Kind.CONTROL, payload=write_control({"op": "opened", "call": worker.started}))
    other.call("m:long")
    worker.start(worker.calls()[0])
    worker.core.unwritten = requests.QUEUE_BYTES + 1  # as the pump counts
    return world, flood, other


@pytest.mark.parametrize("kind", [Kind.RELEASE, Kind.CREDIT])
def test_who_floods_a_worker_that_does_not_read_is_dropped_alone(kind: Kind) -> None:
    world, flood, other = busy_world()
    (worker,) = world.workers
    token = make_token(world.core.prefix, worker.core.slot, worker.core.incarnation, 0).encode()
    for _ in range(3):
        flood.door.requests.append((kind, 1, 0, 1, 0, token if kind == Kind.RELEASE else ONE))
    flood.request(Kind.CANCEL, 99)
    assert flood.session.dead
    assert not other.session.dead
    worker.reply(worker.started, 5)
    assert other.answers() == [(Kind.REPLY, 1, 5)]


def test_a_session_has_so_many_streams_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "MOST_STREAMS", 3)
    world = World()
    client, (worker,) = world.client(), world.workers
    for _ in range(5):
        client.call("m:stream", flags=Flag.STREAM)
        for wire_id in worker.calls():
            worker.start(wire_id)
            worker.say(Kind.CONTROL, payload=write_control({"op": "opened", "call": wire_id}))
    assert client.answers() == [(Kind.ERROR, 4, "overloaded"), (Kind.ERROR, 5, "overloaded")]


def test_so_many_calls_are_made_in_the_course_of_a_callback_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callbacks, "MOST_STREAMS", 3)
    world = World()
    client, (worker,) = world.client(), world.workers
    client.call("m:asks")
    (wire_id,) = worker.calls()
    worker.start(wire_id)
    worker.say(Kind.CALLBACK, wire_id, (1).to_bytes(8, "little") + b"\xc0")
    number = client.door.answers.pop()[2][:8]
    for nested in range(10, 14):
        client.request(Kind.NESTED, nested, number + encode_call(Op.CALL, "m:f", b""))
    assert client.answers() == [(Kind.ERROR, 12, "overloaded"), (Kind.ERROR, 13, "overloaded")]


def test_so_many_questions_wait_for_workers_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "MOST_WAITING", 3)
    world, flood, _ = busy_world()
    world.core.on_control = Control(world.core)
    for number in range(3):
        flood.request(Kind.CONTROL, number, write_control({"op": "handles"}))
    assert flood.door.answers == []
    assert flood.control({"op": "handles"})["op"] == "refused"
