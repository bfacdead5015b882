"""Answers that the router keeps: identical calls run once, each is settled once, nothing is shared that must not be."""

from __future__ import annotations

import json
import queue
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bascule.bridge.caching.answers import AnswerCache
from bascule.bridge.caching.policy import Rule, Rules
from bascule.bridge.caching.shelves import Shelves
from bascule.bridge.router.messages import write_control
from bascule.protocols.calls import Op, decode_head, encode_call
from bascule.protocols.envelope import Flag, Kind
from bascule.workers.persist.lifetimes import Lifetime
from bascule.workers.persist.places import open_place
from tests.bridge.router_world import Client, World


class CachedWorld(World):
    """A world whose core keeps the answers of `m:f` and of the module `all`; stores answer when `turn` is called."""

    def __init__(self, *, workers: int = 1, **rule: Any) -> None:
        super().__init__(workers=workers)
        self._posted: queue.Queue[Callable[[], None]] = queue.Queue()
        self.shelves = Shelves()
        rules = {"m:f": Rule(**{"store": f"memory://{uuid.uuid4().hex}", **rule})}
        rules["all:*"] = rules["m:f"]
        self.cache = AnswerCache(self.core, Rules(rules), self.shelves, self._posted.put)
        self.core.cache = self.cache

    def turn(self) -> None:
        """The stores have looked something up, and the router hears of it."""
        self._posted.get(timeout=30)()

    def reply(self, value: Any, worker: int = 0) -> None:
        """The one call that a worker was sent is answered."""
        (wire_id,) = self.workers[worker].calls()
        self.workers[worker].reply(wire_id, value)

    def forget(self) -> None:
        """As if the moment had passed in which an answer is given without looking."""
        self.cache._front.clear()


@pytest.fixture
def world() -> Iterator[CachedWorld]:
    made = CachedWorld()
    yield made
    made.cache.close()


def test_the_second_call_never_reaches_a_worker(world: CachedWorld) -> None:
    client = world.client()
    client.call()
    world.turn()
    world.reply("computed")
    client.call()
    world.forget()
    client.call()
    world.turn()
    other = world.client()
    other.call()
    assert client.answers() == [(Kind.REPLY, number, "computed") for number in (1, 2, 3)]
    assert other.answers() == [(Kind.REPLY, 1, "computed")]
    assert world.workers[0].calls() == []
    assert world.cache.counts == {"hits": 3, "misses": 1, "shared": 0}


def test_identical_calls_in_flight_run_once_and_each_is_settled_once(world: CachedWorld) -> None:
    clients = [world.client() for _ in range(5)]
    for client in clients[:3]:
        client.call()
    world.turn()
    for client in clients[3:]:
        client.call()
    world.reply("for all")
    for client in clients:
        assert client.answers() == [(Kind.REPLY, 1, "for all")]
        assert client.session.calls == {}
    assert world.core.settled == {"reply": 5, "error": 0, "late": 0}


def test_other_arguments_targets_and_rules_are_other_calls(world: CachedWorld) -> None:
    client = world.client()
    client.call(arguments=b"\x91\x01")
    world.turn()
    world.reply("one")
    client.call(arguments=b"\x91\x02")
    world.turn()
    world.reply("two")
    client.call("m:g")
    world.reply("not cached")
    client.call("all:of_them")
    world.turn()
    world.reply("by its module")
    client.call("all:of_them")
    assert [value for _, _, value in client.answers()] == ["one", "two", "not cached", "by its module", "by its module"]


def cancel(client: Client, call_id: int) -> None:
    client.request(Kind.CANCEL, call_id)


def test_when_the_one_that_leads_is_cancelled_the_next_one_is_run() -> None:
    world = CachedWorld(workers=2)
    first, second = world.client(), world.client()
    first.call()
    world.turn()
    second.call()
    cancel(first, 1)
    assert first.answers() == [(Kind.ERROR, 1, "cancelled")]
    assert second.answers() == []
    placed = [worker for worker in world.workers if worker.core.calls]
    assert len(placed) == 2  # the cancelled one is still being stopped
    wire_id = placed[1].calls()[-1]
    placed[1].reply(wire_id, "later")
    assert second.answers() == [(Kind.REPLY, 1, "later")]
    world.cache.close()


def test_a_client_that_leaves_while_it_leads_costs_the_others_nothing() -> None:
    world = CachedWorld(workers=2)
    first, second = world.client(), world.client()
    first.call()
    world.turn()
    second.call()
    world.core.requests.close_session(first.session)
    placed = [worker for worker in world.workers if worker.core.calls]
    placed[-1].reply(placed[-1].calls()[-1], "still here")
    assert second.answers() == [(Kind.REPLY, 1, "still here")]
    world.cache.close()


def test_one_who_waits_may_leave_or_run_out_of_time(world: CachedWorld) -> None:
    patient, hasty, gone = world.client(), world.client(), world.client()
    patient.call()
    hasty.call(deadline=50)
    gone.call()
    world.turn()
    world.pass_time(0.1)
    world.core.requests.close_session(gone.session)
    assert hasty.answers() == [(Kind.ERROR, 1, "timeout")]
    world.reply("in the end")
    assert patient.answers() == [(Kind.REPLY, 1, "in the end")]
    assert hasty.answers() == []


def test_all_have_left_before_the_store_has_answered(world: CachedWorld) -> None:
    client = world.client()
    client.call()
    world.core.requests.close_session(client.session)
    world.turn()
    assert world.workers[0].calls() == []
    again = world.client()
    again.call()
    world.turn()
    world.reply("computed")
    assert again.answers() == [(Kind.REPLY, 1, "computed")]


def error(world: CachedWorld) -> None:
    from bascule.bridge.errormaps import encode_error, error_map
    from bascule.protocols.errors import ErrorKind

    (wire_id,) = world.workers[0].calls()
    payload = encode_error(1, error_map(ErrorKind.PYTHON, "it raised"))
    world.workers[0].say(Kind.ERROR, wire_id, payload)


@pytest.mark.parametrize("kept", [False, True])
def test_an_error_is_everybodys_in_flight_and_is_kept_only_when_asked(kept: bool) -> None:
    world = CachedWorld(errors=kept)
    one, two = world.client(), world.client()
    one.call()
    two.call()
    world.turn()
    error(world)
    assert one.answers() == two.answers() == [(Kind.ERROR, 1, "python")]
    one.call()
    if not kept:
        world.turn()
        world.reply("better")
    assert one.answers() == [(Kind.ERROR, 2, "python") if kept else (Kind.REPLY, 2, "better")]
    world.cache.close()


def test_a_handle_is_nobody_elses() -> None:
    world = CachedWorld(workers=2)
    one, two = world.client(), world.client()
    one.call()
    two.call()
    world.turn()
    (worker,) = [each for each in world.workers if each.core.calls]
    token = world.core.prefix + "x" * (60 - len(world.core.prefix))
    worker.reply(worker.calls()[0], token)
    assert one.answers() == [(Kind.REPLY, 1, token)]
    assert two.answers() == []
    (worker,) = [each for each in world.workers if each.core.calls]
    worker.reply(worker.calls()[0], "its own")
    assert two.answers() == [(Kind.REPLY, 1, "its own")]
    one.call()
    world.turn()
    assert sum(len(each.calls()) for each in world.workers) == 1  # nothing was kept
    world.cache.close()


def test_casts_streams_and_calls_with_handles_go_their_usual_way(world: CachedWorld) -> None:
    client = world.client()
    client.call(flags=int(Flag.CAST))
    client.call(flags=int(Flag.STREAM))
    client.call(arguments=world.core.prefix_bytes + b"1" * 47)
    assert world.cache.counts == {"hits": 0, "misses": 0, "shared": 0}


def test_a_fresh_call_is_computed_and_its_answer_is_kept(world: CachedWorld) -> None:
    client = world.client()
    client.call()
    world.turn()
    world.reply("old")
    client.call(flags=int(Flag.FRESH))
    world.reply("new")
    client.call()
    assert [value for _, _, value in client.answers()] == ["old", "new", "new"]


def test_an_answer_beyond_its_time_is_computed_anew() -> None:
    world = CachedWorld(lifetime=Lifetime(0.0))
    client = world.client()
    for value in ("one", "two"):
        client.call()
        world.turn()
        world.reply(value)
    assert [value for _, _, value in client.answers()] == ["one", "two"]
    world.cache.close()


def test_a_store_that_can_not_be_used_keeps_nobody_from_calling() -> None:
    world = CachedWorld(store="sqlite:///proc/nowhere/x.db")
    client = world.client()
    client.call()
    world.turn()
    world.reply("computed")
    assert client.answers() == [(Kind.REPLY, 1, "computed")]
    world.cache.close()


def test_a_pool_that_fails_meanwhile_is_told_to_those_who_wait(world: CachedWorld) -> None:
    client = world.client()
    client.call()
    world.core.fail_pool("default", "no worker lives")
    world.turn()
    assert client.answers() == [(Kind.ERROR, 1, "pool_unavailable")]


def test_a_worker_that_a_call_has_killed_is_not_followed_by_others(world: CachedWorld) -> None:
    one, two = world.client(), world.client()
    one.call()
    two.call()
    world.turn()
    (wire_id,) = world.workers[0].calls()
    world.workers[0].start(wire_id)
    world.workers[0].die()
    assert one.answers() == two.answers() == [(Kind.ERROR, 1, "worker_lost")]


def test_a_dotted_name_is_the_same_function_and_shares_its_store(world: CachedWorld) -> None:
    rules = world.cache.rules
    rule = rules.of(b"m:f")
    assert rule is not None
    assert rules.of(b"m.f") == rule
    assert rules.of(b"all.of.them") == (rule[0], "all:of.them")
    assert rules.of(b"other.f") is rules.of(b"m:g") is rules.of(b"\xff") is None


def test_a_worker_is_told_where_to_look_and_what_it_finds_is_a_hit_of_that_age(tmp_path: Path) -> None:
    world = CachedWorld(store=f"sqlite://{tmp_path}/s.db", lifetime=Lifetime(3600.0), version="2")
    client = world.client()
    client.call(arguments=b"\x91\x91\x01")
    world.turn()
    (frame,) = [frame for frame in world.workers[0].frames() if frame[0] == Kind.CALL]
    op, _, _, target, token, start = decode_head(frame[-1])
    name, _, line = target.decode().partition("\n")
    assert (op, name, token, frame[-1][start:]) == (Op.KEPT, "m:f", b"", b"\x91\x91\x01")
    told = json.loads(line)
    assert told["store"] == f"sqlite://{tmp_path}/s.db"
    assert (told["function"], told["pool"], told["version"], told["ttl"]) == ("m:f", "default", "2", 3600.0)
    computed_at = time.time() - 3599.9
    world.workers[0].say(Kind.CONTROL, payload=write_control({"op": "kept", "call": frame[3], "created": computed_at}))
    for nonsense in ({"op": "kept"}, {"op": "kept", "call": [], "created": "now"}, {"op": "kept", "call": 7}):
        world.workers[0].say(Kind.CONTROL, payload=write_control(nonsense))
    world.workers[0].reply(frame[3], "found there")
    assert client.answers() == [(Kind.REPLY, 1, "found there")]
    assert world.cache.counts == {"hits": 1, "misses": 0, "shared": 0}
    world.cache.close()
    (entry,) = open_place(f"sqlite://{tmp_path}/s.db").store("m:f").iterate()
    assert (entry.created, entry.expires) == (computed_at, computed_at + 3600.0)


def test_no_client_may_send_what_only_a_bridge_writes(world: CachedWorld) -> None:
    client = world.client()
    client.request(Kind.CALL, 1, encode_call(Op.KEPT, 'm:f\n{"store": "file:///"}', b""))
    assert client.answers() == [(Kind.ERROR, 1, "refused")]
    assert world.workers[0].calls() == []
