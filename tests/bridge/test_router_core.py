"""The router's promises, on bytes and a clock that the test turns."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from router_world import Client, FakeWorker, World

from bascule.bridge.notices import KillReason, PoolPolicy, RecycleWanted, WorkerExited, WorkerReady
from bascule.bridge.router.calls import CallState
from bascule.bridge.router.messages import read_control, write_control
from bascule.bridge.router.peers import Effect
from bascule.bridge.supervision.exits import ExitCause
from bascule.protocols import tokens
from bascule.protocols.calls import Op, encode_call
from bascule.protocols.envelope import Flag, Kind


def test_a_call_goes_to_a_worker_and_its_answer_comes_back_under_the_callers_id() -> None:
    world = World()
    client, (worker,) = world.client(), world.workers
    call_id = client.call()
    (wire_id,) = worker.calls()
    worker.reply(wire_id, 42)
    assert client.answers() == [(Kind.REPLY, call_id, 42)]


def test_ids_of_two_clients_may_be_the_same() -> None:
    world = World(workers=2)
    one, two = world.client(), world.client()
    assert one.call() == two.call()
    for number, worker in enumerate(world.workers):
        (wire_id,) = worker.calls()
        worker.reply(wire_id, number)
    assert one.answers() == [(Kind.REPLY, 1, 0)]
    assert two.answers() == [(Kind.REPLY, 1, 1)]


def test_an_id_in_use_is_refused_and_the_first_call_goes_on() -> None:
    world = World()
    client, (worker,) = world.client(), world.workers
    client.call()
    client._ids = 0
    client.call()
    assert client.answers() == [(Kind.ERROR, 1, "refused")]
    worker.reply(worker.calls()[0], "first")
    assert client.answers() == [(Kind.REPLY, 1, "first")]


def test_calls_wait_until_a_worker_is_ready() -> None:
    world = World(workers=0, size=1)
    client = world.client()
    client.call()
    worker = world.spawn(0, ready=False)
    assert worker.calls() == []
    worker.ready()
    assert len(worker.calls()) == 1
    assert any(isinstance(notice, WorkerReady) for notice in world.core.notices)


def test_an_unknown_target_lets_nobody_wait_behind_it_a_quick_one_does() -> None:
    world = World()
    client, (worker,) = world.client(), world.workers
    client.call()
    client.call()
    (first,) = worker.calls()
    worker.reply(first)  # at once: the target is quick
    (second,) = worker.calls()
    for _ in range(10):
        client.call()
    assert len(worker.calls()) == 10
    worker.reply(second)


def test_a_full_queue_answers_overloaded_at_once() -> None:
    world = World(max_queue=2)
    client = world.client()
    for _ in range(3):
        client.call()
    assert client.answers() == []
    client.call()
    assert client.answers() == [(Kind.ERROR, 4, "overloaded")]


def test_sessions_take_turns_in_the_queue() -> None:
    world = World()
    flood, small = world.client(), world.client()
    (worker,) = world.workers
    for _ in range(100):
        flood.call("m:slow")
    small.call("m:other")
    (running,) = worker.calls()
    world.core.now += 1.0
    for _ in range(2):
        worker.reply(running, micros=1_000_000)
        world.core.now += 1.0
        (running,) = worker.calls()
    worker.reply(running)
    assert len(small.answers()) == 1


def test_of_the_quickest_calls_a_session_has_eight_at_a_turn_and_no_more() -> None:
    world = World()
    flood, small = world.client(), world.client()
    (worker,) = world.workers
    for _ in range(100):
        flood.call("m:quick")
    for _ in range(9):
        small.call("m:quick")
    (running,) = worker.calls()
    worker.reply(running)  # teaches the router that these are quick
    for wire_id in worker.calls()[:24]:
        worker.reply(wire_id)
    assert len(flood.answers()) == 1 + 8 + 8
    assert len(small.answers()) == 8


def test_a_killed_worker_fails_only_the_call_that_was_started_and_the_rest_go_elsewhere() -> None:
    world = World(workers=2)
    client = world.client()
    one, two = world.workers
    client.call()
    one.reply(one.calls()[0])  # teaches the router that these are quick
    client.answers()
    first, second, third = (client.call() for _ in range(3))
    in_one, in_two = one.calls(), two.calls()
    assert (len(in_one), len(in_two)) == (2, 1)
    one.start(in_one[0])
    one.die()
    assert client.answers() == [(Kind.ERROR, first, "worker_lost")]
    (again,) = two.calls()
    two.reply(in_two[0], "second")
    two.reply(again, "third")
    assert client.answers() == [(Kind.REPLY, second, "second"), (Kind.REPLY, third, "third")]
    exited = next(notice for notice in world.core.notices if isinstance(notice, WorkerExited))
    assert exited.had_started_call
    assert exited.was_ready
    assert exited.reason is None


def test_what_a_dying_worker_had_answered_counts() -> None:
    world = World()
    client, (worker,) = world.client(), world.workers
    client.call()
    (wire_id,) = worker.calls()
    worker.reply(wire_id, "whole")
    worker.die()
    assert client.answers() == [(Kind.REPLY, 1, "whole")]


def test_an_idempotent_call_is_run_again_a_bounded_number_of_times() -> None:
    world = World()
    client = world.client()
    client.call(flags=Flag.IDEMPOTENT)
    worker = world.workers[0]
    for incarnation in range(2, 6):
        sent = worker.calls()
        if not sent:
            break
        worker.start(sent[0])
        worker.die()
        worker = world.spawn(0, incarnation)
    assert client.answers() == [(Kind.ERROR, 1, "worker_lost")]


def test_a_spare_takes_the_place_of_a_dead_worker_at_once() -> None:
    world = World(workers=2, size=1)
    active, spare = world.workers
    client = world.client()
    client.call()
    active.start(active.calls()[0])
    client.call()
    assert spare.calls() == []
    active.die()
    assert len(spare.calls()) == 1


def test_the_scheduler_sees_the_workers_in_the_order_of_their_slots() -> None:
    world = World(workers=0, size=3, scheduler="round_robin")
    workers = [world.spawn(slot) for slot in (2, 0, 1)]
    client = world.client()
    for _ in range(3):
        client.call()
    assert [len(worker.calls()) for worker in workers] == [1, 1, 1]


def test_the_least_processor_time_is_not_that_of_a_worker_that_is_gone() -> None:
    world = World(workers=2, scheduler="least_reductions")
    world.workers[0].core.pid = 1 << 22  # beyond all pids: its death is not known yet
    world.workers[1].core.pid = os.getpid()
    world.client().call()
    assert [len(worker.calls()) for worker in world.workers] == [0, 1]


def test_a_deadline_settles_the_call_then_interrupts_then_kills() -> None:
    world = World(cancel_grace_ms=500)
    client, (worker,) = world.client(), world.workers
    client.call(deadline=1000)
    (wire_id,) = worker.calls()
    worker.start(wire_id)
    world.pass_time(0.9)
    assert client.answers() == []
    world.pass_time(0.2)
    assert client.answers() == [(Kind.ERROR, 1, "timeout")]
    assert worker.cancelled == wire_id
    assert world.core.effects == [(worker.core, Effect.INTERRUPT)]
    world.pass_time(0.6)
    assert world.core.effects[-1] == (worker.core, Effect.KILL)
    assert worker.core.kill_reason is KillReason.DEADLINE


def test_a_call_that_stops_within_its_grace_costs_nobody_a_worker() -> None:
    world = World()
    client, (worker,) = world.client(), world.workers
    client.call(deadline=1000)
    (wire_id,) = worker.calls()
    worker.start(wire_id)
    world.pass_time(1.1)
    worker.say(Kind.ERROR, wire_id, b"\x80")
    world.pass_time(10)
    assert worker.core.kill_reason is None
    assert client.answers() == [(Kind.ERROR, 1, "timeout")]
    client.call()
    assert len(worker.calls()) == 1


def test_a_cancelled_call_that_waits_in_the_queue_touches_no_worker() -> None:
    world = World()
    client, (worker,) = world.client(), world.workers
    client.call()
    waiting = client.call()
    (running,) = worker.calls()
    client.request(Kind.CANCEL, waiting)
    assert client.answers() == [(Kind.ERROR, waiting, "cancelled")]
    worker.reply(running)
    assert worker.calls() == []
    assert world.core.effects == []


def test_cancelling_what_is_settled_or_unknown_does_nothing() -> None:
    world = World()
    client, (worker,) = world.client(), world.workers
    client.call()
    worker.reply(worker.calls()[0], 1)
    client.request(Kind.CANCEL, 1)
    client.request(Kind.CANCEL, 99)
    assert client.answers() == [(Kind.REPLY, 1, 1)]


def test_a_call_cancelled_inside_a_worker_before_its_start_is_not_a_reason_to_kill() -> None:
    world = World(workers=1, cancel_grace_ms=100)
    client, (worker,) = world.client(), world.workers
    client.call()
    worker.reply(worker.calls()[0])
    client.call()
    client.call()
    first, second = worker.calls()
    worker.start(first)
    client.request(Kind.CANCEL, 3)
    for _ in range(5):
        world.pass_time(0.2)
    assert worker.core.kill_reason is None
    worker.reply(first)
    worker.start(second)
    for _ in range(3):
        world.pass_time(0.2)
    assert worker.core.kill_reason is KillReason.CANCEL


def test_a_client_that_leaves_takes_its_calls_along_and_its_handles_are_released() -> None:
    world = World()
    client, (worker,) = world.client(), world.workers
    client.call()
    client.call()
    (wire_id,) = worker.calls()
    worker.start(wire_id)
    session = client.session.id
    world.core.requests.close_session(client.session)
    releases = [frame for frame in worker.frames() if frame[0] == Kind.RELEASE]
    assert [(frame[4], frame[6]) for frame in releases] == [(session, b"")]
    assert world.core.effects == [(worker.core, Effect.INTERRUPT)]
    assert world.core.dropped == [client.session]
    worker.reply(wire_id)
    assert worker.calls() == []
    assert client.answers() == []


def test_input_that_ends_lets_the_calls_under_way_be_answered() -> None:
    world = World()
    client, (worker,) = world.client(), world.workers
    client.call()
    world.core.requests.client_eof(client.session)
    assert not client.session.dead
    worker.reply(worker.calls()[0], "still")
    assert client.answers() == [(Kind.REPLY, 1, "still")]
    assert client.session.dead


def test_rubbish_from_a_client_drops_that_client_alone() -> None:
    world = World()
    bad, good = world.client(), world.client()
    world.core.requests.client_data(bad.session, b"rubbish")
    assert bad.session.dead
    good.call()
    assert len(world.workers[0].calls()) == 1


def test_rubbish_from_a_worker_costs_its_life() -> None:
    world = World()
    (worker,) = world.workers
    world.core.answers.worker_data(worker.core, b"\xff" * 64)
    assert world.core.effects == [(worker.core, Effect.KILL)]
    assert worker.core.kill_reason is KillReason.RUBBISH


def test_a_poison_call_is_quarantined_for_its_session_and_comes_back_after_a_minute() -> None:
    world = World()
    client, other = world.client(), world.client()
    worker = world.workers[0]
    for incarnation in range(2, 5):
        client.call("m:segfault")
        worker.start(worker.calls()[0])
        worker.die(ExitCause(signal=11))
        worker = world.spawn(0, incarnation)
    client.answers()
    client.call("m:segfault")
    assert [answer[2] for answer in client.answers()] == ["quarantined"]
    client.call("m:fine")
    other.call("m:segfault")
    assert len(worker.calls()) == 1
    world.pass_time(61)
    client.call("m:segfault")
    assert client.answers() == []


def handle_in(world: World, worker: FakeWorker) -> bytes:
    return tokens.make_token(world.core.prefix, worker.core.slot, worker.core.incarnation, 1).encode()


def test_a_call_goes_to_the_owner_of_its_object() -> None:
    world = World(workers=3)
    client, owner = world.client(), world.workers[2]
    for _ in range(3):
        client.call(object_token=handle_in(world, owner))
    assert len(owner.calls()) == 1
    assert [worker.calls() for worker in world.workers[:2]] == [[], []]
    assert owner.core.backlog.waiting == 2


def test_a_handle_among_the_arguments_is_a_hint_where_to_go() -> None:
    world = World(workers=3)
    client, owner = world.client(), world.workers[1]
    client.call(arguments=b"..." + handle_in(world, owner) + b"...")
    assert len(owner.calls()) == 1


@pytest.mark.parametrize("where", ["object", "argument"])
def test_a_handle_whose_worker_is_gone_is_lost(where: str) -> None:
    world = World(workers=2)
    client, (owner, other) = world.client(), world.workers
    token = handle_in(world, owner)
    owner.die()
    if where == "object":
        client.call(object_token=token)
    else:
        client.call(arguments=token)
        (wire_id,) = other.calls()
        other.say(Kind.MISROUTED, wire_id, token)
    assert client.answers() == [(Kind.ERROR, 1, "handle_lost")]


def test_calls_that_wait_for_an_owner_fail_when_it_dies() -> None:
    world = World(workers=2)
    client, owner = world.client(), world.workers[0]
    for _ in range(2):
        client.call(object_token=handle_in(world, owner))
    owner.start(owner.calls()[0])
    owner.die()
    assert client.answers() == [(Kind.ERROR, 1, "worker_lost"), (Kind.ERROR, 2, "handle_lost")]


def test_a_misrouted_call_is_sent_on_to_the_owner() -> None:
    world = World(workers=2)
    client, (wrong, owner) = world.client(), world.workers
    client.call(arguments=b"hidden in a compressed term")
    (wire_id,) = wrong.calls()
    wrong.say(Kind.MISROUTED, wire_id, handle_in(world, owner))
    (again,) = owner.calls()
    assert again != wire_id
    owner.reply(again, "found")
    assert client.answers() == [(Kind.REPLY, 1, "found")]


def test_handles_of_two_workers_are_brought_together_for_one_call() -> None:
    world = World(workers=2)
    client, (one, two) = world.client(), world.workers
    mine, theirs = handle_in(world, one), handle_in(world, two)
    client.call(object_token=mine, arguments=theirs)
    (wire_id,) = one.calls()
    one.say(Kind.MISROUTED, wire_id, theirs)
    (question,) = two.frames()
    asked = read_control(question[6])
    assert (asked["op"], asked["tokens"], asked["session"]) == ("export", [theirs.decode()], client.session.id)
    two.say(Kind.CONTROL, payload=write_control({"op": "exported", "id": asked["id"], "pickles": [b"pickle"]}))
    imported, call = one.frames()
    message = read_control(imported[6])
    assert message["op"] == "import"
    assert message["call"] == call[3]
    assert message["objects"] == {theirs.decode(): b"pickle"}
    one.reply(call[3], "together")
    assert client.answers() == [(Kind.REPLY, 1, "together")]


def test_handles_that_cannot_be_copied_give_an_error_that_names_both_workers() -> None:
    world = World(workers=2)
    client, (one, two) = world.client(), world.workers
    client.call(object_token=handle_in(world, one), arguments=handle_in(world, two))
    (wire_id,) = one.calls()
    one.say(Kind.MISROUTED, wire_id, handle_in(world, two))
    two.die()
    assert [answer[2] for answer in client.answers()] == ["handle_lost"]


def test_a_stream_occupies_nobody_and_ends_once() -> None:
    world = World()
    client, (worker,) = world.client(), world.workers
    client.call(flags=Flag.STREAM)
    (wire_id,) = worker.calls()
    client.request(Kind.CREDIT, 1, (2).to_bytes(4, "little"))
    assert [frame[0] for frame in worker.frames()] == [Kind.CREDIT]
    worker.start(wire_id)
    worker.say(Kind.ITEM, wire_id, b"\x01")
    client.call()
    (other,) = worker.calls()
    worker.reply(other, "meanwhile")
    worker.say(Kind.ITEM, wire_id, b"\x02")
    worker.say(Kind.END, wire_id)
    worker.say(Kind.END, wire_id)
    assert client.answers() == [
        (Kind.ITEM, 1, 1),
        (Kind.REPLY, 2, "meanwhile"),
        (Kind.ITEM, 1, 2),
        (Kind.END, 1, None),
    ]


def test_a_cancelled_stream_is_closed_in_its_worker() -> None:
    world = World()
    client, (worker,) = world.client(), world.workers
    client.call(flags=Flag.STREAM)
    (wire_id,) = worker.calls()
    worker.say(Kind.ITEM, wire_id, b"\x01")
    client.request(Kind.CANCEL, 1)
    assert [answer[0] for answer in client.answers()] == [Kind.ITEM, Kind.ERROR]
    assert [frame[0] for frame in worker.frames()] == [Kind.CONTROL]
    worker.say(Kind.ITEM, wire_id, b"\x02")
    assert client.answers() == []


def test_a_recycled_worker_is_asked_for_once_and_leaves_when_idle() -> None:
    world = World(workers=2, size=1, max_calls=1)
    client, (old, successor) = world.client(), world.workers
    client.call()
    first = old.calls()[0]
    old.reply(first)
    client.call()
    (second,) = old.calls()
    wanted = [notice for notice in world.core.notices if isinstance(notice, RecycleWanted)]
    assert len(wanted) == 1
    world.core.retire_worker(0, 1)
    client.call()
    assert len(successor.calls()) == 1
    assert world.core.effects == []
    old.reply(second, "not lost")
    assert world.core.effects == [(old.core, Effect.CLOSE_WIRE)]
    assert (Kind.REPLY, 2, "not lost") in client.answers()


def test_what_waits_for_a_retired_worker_is_not_held_up_by_the_pools_queue() -> None:
    world = World(workers=2)
    client, (old, successor) = world.client(), world.workers
    for _ in range(2):
        client.call("m:method", object_token=handle_in(world, old))
    world.core.retire_worker(0, 1, handle_wait=60.0)
    for _ in range(3):
        client.call()
    assert world.core.pools["default"].queue.waiting == 2
    (running,) = old.calls()
    old.reply(running)
    (waited,) = old.calls()
    old.reply(waited)
    world.pass_time(61)
    assert world.core.effects[0] == (old.core, Effect.CLOSE_WIRE)
    assert len(successor.calls()) == 1


def test_who_is_retired_once_more_waits_for_no_handles() -> None:
    world = World(workers=2)
    client, old = world.client(), world.workers[0]
    client.call("m:method", object_token=handle_in(world, old))
    old.reply(old.calls()[0])
    world.core.retire_worker(0, 1, handle_wait=60.0)
    assert world.core.effects == []
    world.core.retire_worker(0, 1)
    assert world.core.effects == [(old.core, Effect.CLOSE_WIRE)]


def test_a_retired_worker_that_does_not_leave_can_still_be_killed() -> None:
    world = World()
    (worker,) = world.workers
    world.core.retire_worker(0, 1)
    world.core.kill_worker(0, 1, KillReason.STOPPED)
    assert world.core.effects == [(worker.core, Effect.CLOSE_WIRE), (worker.core, Effect.KILL)]
    assert worker.core.kill_reason is KillReason.RECYCLED


def test_a_failed_pool_answers_at_once_and_serves_again_when_restored() -> None:
    world = World(workers=0, size=1)
    client = world.client()
    client.call()
    world.core.fail_pool("default", "its workers die at start")
    client.call()
    assert [answer[2] for answer in client.answers()] == ["pool_unavailable"] * 2
    world.core.restore_pool("default")
    client.call()
    worker = world.spawn(0)
    assert len(worker.calls()) == 1


def test_a_bridge_that_drains_takes_no_new_calls() -> None:
    world = World()
    client, (worker,) = world.client(), world.workers
    client.call()
    world.core.draining = True
    client.call()
    worker.reply(worker.calls()[0], "finished")
    assert client.answers() == [(Kind.ERROR, 2, "shutting_down"), (Kind.REPLY, 1, "finished")]


def test_a_cast_is_not_answered() -> None:
    world = World()
    client, (worker,) = world.client(), world.workers
    client.call(flags=Flag.CAST)
    worker.reply(worker.calls()[0], "unheard")
    assert client.answers() == []
    assert client.session.calls == {}


def test_a_pool_shrinks_to_spares_and_grows_from_them() -> None:
    world = World(workers=3)
    core, pool = world.core, world.core.pools["default"]
    core.set_pool(PoolPolicy("default", size=1))
    assert (len(pool.active), len(pool.spares)) == (1, 2)
    core.set_pool(PoolPolicy("default", size=3))
    assert (len(pool.active), len(pool.spares)) == (3, 0)


class EverythingHappens(RuleBasedStateMachine):
    """Any order of calls, answers, deaths, cancellations and time: each call settles exactly once."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(workers=2, max_queue=6)
        self.incarnations = {0: 1, 1: 1}
        self.clients = [self.world.client() for _ in range(2)]
        self.accepted: dict[tuple[int, int], int] = {}
        self.inside: dict[int, list[int]] = {0: [], 1: []}

    def look(self) -> None:
        for slot, worker in enumerate(self.world.workers):
            self.inside[slot] += worker.calls()
        for number, client in enumerate(self.clients):
            for kind, call_id, _ in client.answers():
                if kind in (Kind.REPLY, Kind.ERROR):
                    assert isinstance(call_id, int)
                    self.accepted[number, call_id] += 1

    def _client(self, number: int) -> Client:
        return self.clients[number]

    @rule(number=st.integers(0, 1), name=st.sampled_from(["m:f", "m:g"]), deadline=st.sampled_from([0, 50]))
    def call(self, number: int, name: str, deadline: int) -> None:
        client = self._client(number)
        self.accepted[number, client._ids + 1] = 0
        client.call(name, deadline=deadline)
        self.look()

    @rule(slot=st.integers(0, 1), start_only=st.booleans())
    def work(self, slot: int, start_only: bool) -> None:
        if self.inside[slot]:
            wire_id = self.inside[slot][0]
            worker = self.world.workers[slot]
            if start_only:
                worker.start(max(wire_id, worker.started))
            else:
                self.inside[slot].pop(0)
                worker.reply(wire_id, 1)
        self.look()

    @rule(slot=st.integers(0, 1))
    def die(self, slot: int) -> None:
        self.inside[slot].clear()
        self.world.workers[slot].die()
        self.incarnations[slot] += 1
        self.world.workers[slot] = self.world.spawn(slot, self.incarnations[slot])
        self.look()

    @rule(number=st.integers(0, 1), back=st.integers(0, 5))
    def cancel(self, number: int, back: int) -> None:
        client = self._client(number)
        client.request(Kind.CANCEL, client._ids - back)
        self.look()

    @rule(seconds=st.sampled_from([0.01, 0.1, 61.0]))
    def pass_time(self, seconds: float) -> None:
        self.world.pass_time(seconds)
        for slot, worker in enumerate(self.world.workers):
            if worker.core.kill_reason is not None:
                self.die(slot)
        self.look()

    @precondition(lambda self: self.accepted)
    @invariant()
    def nothing_is_settled_twice(self) -> None:
        assert all(times <= 1 for times in self.accepted.values())
        queue = self.world.core.pools["default"].queue
        waiting = [
            call for client in self.clients for call in client.session.calls.values() if call.state is CallState.QUEUED
        ]
        assert queue.waiting == len(waiting)

    def teardown(self) -> None:
        for _ in range(200):
            self.look()
            if not any(self.inside.values()):
                break
            for slot in (0, 1):
                self.work(slot, False)
        for (number, call_id), times in self.accepted.items():
            assert times == 1, (number, call_id)


EverythingHappens.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestEverythingHappens = EverythingHappens.TestCase


def test_a_placed_call_runs_in_the_worker_that_it_names_and_in_no_other() -> None:
    world = World(workers=3)
    client = world.client()
    payload = encode_call(Op.CALL, "m:f", b"")
    for slot in (2, 2, 0):
        client.request(Kind.PLACED, ("placed", slot, len(client.session.calls)), slot.to_bytes(2, "little") + payload)
    assert [len(worker.calls()) for worker in world.workers] == [1, 0, 1]  # the other one waits for its worker
    (first,) = list(world.workers[2].core.calls)
    world.workers[2].reply(first)
    assert len(world.workers[2].calls()) == 1
    client.door.answers.clear()
    client.request(Kind.PLACED, 9, (7).to_bytes(2, "little") + payload)
    assert client.answers() == [(Kind.ERROR, 9, "not_found")]
