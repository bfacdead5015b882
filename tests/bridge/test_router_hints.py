"""Calls that are meant for one worker: by a hint, which may be wrong, or by name, which may not."""

from __future__ import annotations

from router_world import FakeWorker, World

from bascule.protocols.calls import Op, encode_call
from bascule.protocols.envelope import Flag, Kind
from bascule.protocols.tokens import make_token

LARGE = b"x" * (64 << 20)


def token_of(world: World, worker: FakeWorker) -> bytes:
    return make_token(world.core.prefix, worker.core.slot, worker.core.incarnation, 0).encode()


def test_a_call_that_waited_for_a_hints_sake_is_done_elsewhere_when_that_worker_dies() -> None:
    world = World(workers=2)
    client, (one, other) = world.client(), world.workers
    client.call("m:long", object_token=token_of(world, one))
    client.call("m:f", arguments=b"a text with " + token_of(world, one))
    one.start(one.calls()[0])
    one.die()
    assert client.answers() == [(Kind.ERROR, 1, "worker_lost")]
    (wire_id,) = other.calls()
    other.reply(wire_id, 7)
    assert client.answers() == [(Kind.REPLY, 2, 7)]


def test_a_hint_to_a_crowded_worker_is_not_followed() -> None:
    world = World(workers=2, max_queue=2)
    client, (one, other) = world.client(), world.workers
    for _ in range(3):
        client.call("m:long", object_token=token_of(world, one))
    client.call("m:f", arguments=b"a text with " + token_of(world, one))
    assert client.answers() == []
    assert len(other.calls()) == 1


def test_the_bytes_that_wait_for_one_worker_have_a_limit() -> None:
    world = World()
    client, (one,) = world.client(), world.workers
    for _ in range(20):
        client.call("m:long", object_token=token_of(world, one), arguments=LARGE)
    refused = client.answers()
    assert 0 < len(refused) < 10
    assert {kind for _, _, kind in refused} == {"overloaded"}


def placed(slot: int) -> bytes:
    return slot.to_bytes(2, "little") + encode_call(Op.CALL, "m:f", b"")


def test_a_placed_call_is_lost_with_its_worker_and_never_done_by_another() -> None:
    world = World(workers=2)
    client, (one, other) = world.client(), world.workers
    for number in range(3):
        client.request(Kind.PLACED, number, placed(0), flags=Flag.IDEMPOTENT)
    one.start(one.calls()[0])
    one.die()
    assert sorted(client.answers()) == [(Kind.ERROR, number, "worker_lost") for number in range(3)]
    assert other.calls() == []


def test_handles_are_copied_to_where_a_placed_call_is_placed() -> None:
    world = World(workers=2)
    client, (one, other) = world.client(), world.workers
    client.request(Kind.PLACED, 1, placed(0))
    one.say(Kind.MISROUTED, one.calls()[0], token_of(world, other))
    assert one.frames() == []
    assert [frame[0] for frame in other.frames()] == [Kind.CONTROL]  # it is asked for a copy, and not for the call
