"""Streams that hang, and streams that kill their worker: the router core, with workers made of bytes."""

from __future__ import annotations

import struct

import pytest
from router_world import Client, FakeWorker, World

from bascule.bridge.notices import KillReason, WorkerExited
from bascule.bridge.router.endings import CLOSING
from bascule.bridge.router.messages import read_control, write_control
from bascule.bridge.router.peers import Effect
from bascule.protocols.envelope import Flag, Kind
from bascule.workers.page import ARMED, ASIDE

GRACE = 0.5  # the pool's default


def arm(worker: FakeWorker, wire_id: int) -> None:
    """As the worker does when it begins an item."""
    struct.pack_into("<Q", worker.page, 8 * ARMED, wire_id)


def open_stream(client: Client, worker: FakeWorker, *, credit: int = 4, deadline: int = 0) -> int:
    """A stream that has sent its first item and is making the second; its wire id."""
    call = client.call("m:stream", flags=Flag.STREAM, deadline=deadline)
    client.request(Kind.CREDIT, call, credit.to_bytes(4, "little"))
    (wire_id,) = worker.calls()
    worker.start(wire_id)
    worker.say(Kind.CONTROL, payload=write_control({"op": "opened", "call": wire_id}))
    worker.say(Kind.ITEM, wire_id, b"\xc0")
    arm(worker, wire_id)
    client.answers()
    return wire_id


def orders(worker: FakeWorker) -> list[tuple[str, int]]:
    """The CONTROL messages that it was sent since the last look: op and call."""
    messages = [read_control(frame[6]) for frame in worker.frames() if frame[0] == Kind.CONTROL]
    return [(message["op"], message["call"]) for message in messages]


def exit_notice(world: World) -> WorkerExited:
    (notice,) = [notice for notice in world.core.notices if isinstance(notice, WorkerExited)]
    return notice


def test_a_stream_whose_item_does_not_come_is_interrupted_at_its_deadline_and_then_costs_the_worker() -> None:
    world = World()
    client, (worker,) = world.client(), world.workers
    wire_id = open_stream(client, worker, deadline=1_000)
    world.pass_time(1.1)
    assert client.answers() == [(Kind.ERROR, 1, "timeout")]
    assert worker.cancelled == wire_id
    assert world.core.effects == [(worker.core, Effect.INTERRUPT)]
    assert not worker.core.killed
    arm(worker, 0)  # it was disarmed, and did not listen
    world.pass_time(GRACE + 0.01)
    assert worker.core.killed
    assert worker.core.kill_reason is KillReason.DEADLINE


def test_a_stream_that_makes_way_in_time_costs_no_worker() -> None:
    world = World()
    client, (worker,) = world.client(), world.workers
    wire_id = open_stream(client, worker)
    client.request(Kind.CANCEL, 1)
    arm(worker, 0)
    worker.say(Kind.ERROR, wire_id, b"\x80")
    world.pass_time(10 * GRACE)
    assert not worker.core.killed
    assert not worker.core.closing


def test_a_cancelled_stream_that_waits_behind_a_long_call_is_waited_for() -> None:
    world = World()
    client, (worker,) = world.client(), world.workers
    wire_id = open_stream(client, worker)
    client.call("m:long")
    (long_id,) = worker.calls()
    worker.start(long_id)
    arm(worker, long_id)
    client.request(Kind.CANCEL, 1)
    for _ in range(10):
        world.pass_time(GRACE)
    assert not worker.core.killed
    assert worker.cancelled == 0
    arm(worker, 0)
    worker.reply(long_id)
    worker.say(Kind.END, wire_id)
    world.pass_time(GRACE)
    assert not worker.core.closing


def test_a_generator_that_hangs_while_it_is_closed_costs_the_worker() -> None:
    world = World()
    client, (worker,) = world.client(), world.workers
    wire_id = open_stream(client, worker, credit=1)
    arm(worker, 0)  # it waits for credit
    client.request(Kind.CANCEL, 1)
    assert worker.cancelled == 0  # its `finally` is not to be interrupted ...
    arm(worker, wire_id)
    world.pass_time(GRACE + 0.01)
    assert worker.cancelled == wire_id  # ... until it takes too long
    assert not worker.core.killed
    world.pass_time(GRACE + 0.01)
    assert worker.core.killed


def test_a_threaded_worker_is_told_of_a_hanging_stream_and_then_dies_for_it() -> None:
    world = World(threads=2)
    client, (worker,) = world.client(), world.workers
    wire_id = open_stream(client, worker)
    arm(worker, 0)  # several threads don't say what they run
    client.request(Kind.CANCEL, 1)
    assert orders(worker) == [("cancel", wire_id), ("close_stream", wire_id)]
    world.pass_time(GRACE + 0.01)
    assert worker.core.killed


def test_a_threaded_worker_has_longer_to_close_a_stream_that_was_idle() -> None:
    world = World(threads=2)
    client, (worker,) = world.client(), world.workers
    wire_id = open_stream(client, worker, credit=1)
    arm(worker, 0)
    client.request(Kind.CANCEL, 1)
    assert orders(worker) == [("close_stream", wire_id)]
    world.pass_time(4 * GRACE)
    assert orders(worker) == []
    world.pass_time(CLOSING)
    assert orders(worker) == [("cancel", wire_id)]
    assert not worker.core.killed
    world.pass_time(CLOSING)
    assert worker.core.killed


@pytest.mark.parametrize("threads", [1, 2])
def test_a_stream_that_kills_its_worker_is_the_offender_and_no_reason_to_fail_the_pool(threads: int) -> None:
    world = World(threads=threads)
    client, (worker,) = world.client(), world.workers
    open_stream(client, worker)
    if threads > 1:
        arm(worker, 0)
    worker.die()
    assert client.answers() == [(Kind.ERROR, 1, "worker_lost")]
    assert exit_notice(world).had_started_call


def test_streams_that_kill_worker_after_worker_are_quarantined() -> None:
    world = World()
    client = world.client()
    for life in range(1, 4):
        worker = world.workers[0] if life == 1 else world.spawn(0, life)
        open_stream(client, worker)
        worker.die()
    client.answers()
    client.call("m:stream", flags=Flag.STREAM)
    ((_, _, kind),) = client.answers()
    assert kind == "quarantined"


def test_a_worker_that_dies_with_an_idle_stream_open_was_idle() -> None:
    world = World()
    client, (worker,) = world.client(), world.workers
    open_stream(client, worker, credit=1)
    arm(worker, 0)
    worker.die()
    assert client.answers() == [(Kind.ERROR, 1, "worker_lost")]
    assert not exit_notice(world).had_started_call


def test_a_worker_that_dies_of_what_its_clients_let_go_of_did_not_die_by_itself() -> None:
    world = World()
    (worker,) = world.workers
    struct.pack_into("<Q", worker.page, 8 * ASIDE, 1)
    worker.die()
    assert exit_notice(world).had_started_call


def test_a_call_does_not_go_behind_a_stream_while_another_worker_has_nothing_to_do() -> None:
    world = World(workers=2)
    client = world.client()
    open_stream(client, world.workers[0])
    client.call("m:f")
    assert [len(worker.calls()) for worker in world.workers] == [0, 1]
