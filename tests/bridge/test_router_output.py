"""Whose is what a worker writes to its descriptors, past Python's own streams?"""

from __future__ import annotations

import struct

from router_world import Client, FakeWorker, World

from bascule.bridge.router.messages import write_control
from bascule.protocols.envelope import Flag, Kind
from bascule.workers.page import ARMED


def run(worker: FakeWorker, wire_id: int) -> None:
    """As the worker does when it begins a call, or an item of a stream."""
    worker.start(max(wire_id, worker.started))
    struct.pack_into("<Q", worker.page, 8 * ARMED, wire_id)


def heard(client: Client) -> list[object]:
    """The ids of the calls that output was told to belong to."""
    return [call_id for kind, call_id, _ in client.door.answers if kind == Kind.OUTPUT]


def write(world: World, worker: FakeWorker) -> None:
    world.core.answers.worker_output(worker.core, b"text\n", err=False)


def test_it_is_the_calls_that_runs_alone() -> None:
    world = World()
    client, (worker,) = world.client(), world.workers
    call = client.call()
    run(worker, worker.calls()[0])
    write(world, worker)
    assert heard(client) == [call]
    assert not world.core.logged


def test_it_is_the_streams_whose_item_is_made_and_not_the_calls_that_waits_behind_it() -> None:
    world = World()
    client, other, (worker,) = world.client(), world.client(), world.workers
    stream = client.call("m:stream", flags=Flag.STREAM)
    (wire_id,) = worker.calls()
    run(worker, wire_id)
    worker.say(Kind.CONTROL, payload=write_control({"op": "opened", "call": wire_id}))
    other.call("m:f")
    write(world, worker)
    assert heard(client) == [stream]
    assert heard(other) == []


def test_it_is_the_workers_when_calls_of_several_clients_may_have_written_it() -> None:
    world = World()
    one, other, (worker,) = world.client(), world.client(), world.workers
    one.call("m:quick")
    worker.reply(worker.calls()[0], micros=10)  # so that calls may wait behind such a one
    one.call("m:quick")
    other.call("m:quick")
    first, second = worker.calls()
    run(worker, first)
    write(world, worker)
    run(worker, second)  # the answer to the first is on its way
    write(world, worker)
    assert heard(one) == [2]
    assert heard(other) == []
    assert len(world.core.logged) == 1


def test_it_is_the_workers_when_no_call_runs_or_several_threads_do() -> None:
    world = World(threads=2)
    client, (worker,) = world.client(), world.workers
    write(world, worker)
    client.call()
    run(worker, worker.calls()[0])
    write(world, worker)
    assert heard(client) == []
    assert len(world.core.logged) == 2
