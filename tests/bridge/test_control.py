"""Control requests: whatever a client or a worker says in one, the router lives."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from router_world import Client, World

from bascule.bridge.operations.control import Control
from bascule.bridge.policy import NOTHING
from bascule.bridge.router.messages import read_control, write_control
from bascule.bridge.router.peers import Grant
from bascule.protocols.envelope import Kind
from bascule.protocols.tokens import make_token

ORDERS = ("pool_add", "pool_remove", "pool_restart", "pool_drain", "pool_resume", "reload", "stop", "logs", "metrics")
DEEP = b"\x91" * 1000 + b"\x90"  # a list in a list, and so on: too deep for repr


def message(**parts: Any) -> bytes:
    """A map, with values as they are or already packed."""
    packed = [msgpack.packb(name) + (v if isinstance(v, bytes) else msgpack.packb(v)) for name, v in parts.items()]
    return bytes([0x80 + len(parts)]) + b"".join(packed)


def world() -> tuple[World, Client, Control]:
    world = World()
    control = Control(world.core)
    world.core.on_control = control
    return world, world.client(), control


def ask(client: Client, payload: bytes) -> dict[str, Any]:
    client.request(Kind.CONTROL, 1, payload)
    _, _, answer = client.door.answers.pop()
    return read_control(answer)


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        (message(op="hello", version=DEEP), "version a list"),
        (message(op="hello", version=2), "version 2"),
        (message(op="hello", version=1, pool=[]), "no pool a list"),
        (message(op="hello", version=1, pool="x" * 10_000), "no pool 'xxx"),
        (message(op="scale", pool={}, size=1), "no pool a dict"),
        (message(op="scale", pool="default", size=DEEP), "not a list"),
        (message(op="scale", pool="default", size=True), "not True"),
        (message(op="scale", pool="default", size=5000), "not 5000"),
        (message(op="kill_worker", slot=DEEP), "slot a list"),
        (message(op="kill_worker", slot=[]), "slot a list"),
        (message(op=DEEP), "request a list"),
        (message(op="x" * 10_000), "request 'xxx"),
    ],
)
def test_a_request_with_odd_values_is_refused_in_few_words(payload: bytes, told: str) -> None:
    _, client, _ = world()
    answer = ask(client, payload)
    assert answer["op"] == "refused"
    assert told in answer["message"]
    assert len(answer["message"]) < 300


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(
    st.sampled_from(
        ["hello", "ping", "status", "handles", "kill_worker", "scale", "calls", "cancel", "sessions", *ORDERS]
    ),
    st.dictionaries(st.sampled_from(["version", "client", "pool", "all", "slot", "size", "call", "config"]), values),
)
def test_every_request_is_answered_or_asked_of_the_workers(op: str, rest: dict[str, Any]) -> None:
    here, client, control = world()
    taken: list[Any] = []
    control.orders = frozenset({"scale", *ORDERS})
    control.take_order = lambda request, reply: taken.append(request)
    client.request(Kind.CONTROL, 1, write_control({**rest, "op": op}))
    assert client.door.answers or here.core.queries._waiting or taken


@pytest.mark.parametrize("op", ["status", "calls", "sessions", "cancel", "kill_worker", "scale", "stop", "reload"])
def test_who_is_no_operator_gives_no_orders(op: str) -> None:
    _, client, control = world()
    control.orders = frozenset({"scale", *ORDERS})
    control.take_order = lambda request, reply: pytest.fail("it was carried out")
    client.session.grant = Grant("team", "uid 7, pid 8", NOTHING)
    answer = ask(client, message(op=op, pool="default", size=1, slot=0, call="1.1"))
    assert answer["op"] == "refused"
    assert "operators" in answer["message"]
    assert ask(client, message(op="ping")) == {"op": "ping"}


def test_what_came_with_a_refused_hello_is_not_done() -> None:
    _, client, _ = world()
    client.session.requests.append((int(Kind.CONTROL), 1, 0, 2, 0, message(op="ping")))
    assert ask(client, message(op="hello", version=1, pool="none"))["op"] == "refused"
    assert not client.session.requests


@pytest.mark.parametrize("handles", [None, 7, [7], [[]], [{"token": []}], [{1: 2}], {"a": 1}])
def test_a_workers_odd_answer_is_no_handle(handles: object) -> None:
    here, client, _ = world()
    client.call()
    (worker,) = here.workers
    worker.frames()
    client.request(Kind.CONTROL, 9, write_control({"op": "handles"}))
    (question,) = [read_control(frame[6]) for frame in worker.frames()]
    worker.say(Kind.CONTROL, payload=write_control({"op": "handles", "id": question["id"], "handles": handles}))
    ((_, call_id, payload),) = client.door.answers
    assert call_id == 9
    assert all(row.keys() <= {"worker"} for row in read_control(payload)["handles"])


def test_what_a_worker_says_of_itself_does_not_reach_clients_unless_it_is_text() -> None:
    here = World(workers=0, size=1)
    here.core.on_control = Control(here.core)
    worker = here.spawn(0, ready=False)
    worker.say(Kind.CONTROL, payload=message(op="ready", pid=1, python=DEEP))
    (row,) = ask(here.client(), message(op="status"))["workers"]
    assert row["python"] is None


def test_a_watch_that_is_taken_back_leaves_no_question_behind() -> None:
    here, client, _ = world()
    (worker,) = here.workers
    token = make_token(here.core.prefix, worker.core.slot, worker.core.incarnation, 1)
    for client_id in (7, 8):
        client.request(Kind.CONTROL, client_id, write_control({"op": "watch", "token": token}))
    first, second = [read_control(frame[6]) for frame in worker.frames()]
    client.request(Kind.CANCEL, 7)
    client.request(Kind.CANCEL, 7)
    assert [read_control(frame[6]) for frame in worker.frames()] == [{**first, "op": "unwatch"}]
    for question in (first, second):  # the object went before the worker read that
        worker.say(Kind.CONTROL, payload=write_control({"op": "watch", "id": question["id"], "reason": "released"}))
    assert client.answers() == [(Kind.CONTROL, 8, {"op": "watch", "reason": "released"})]
    assert not worker.core.killed
    client.request(Kind.CANCEL, 8)
    assert worker.frames() == []


def test_a_watch_is_answered_when_its_worker_dies_and_can_be_taken_back_after_that() -> None:
    here, client, _ = world()
    (worker,) = here.workers
    token = make_token(here.core.prefix, worker.core.slot, worker.core.incarnation, 1)
    client.request(Kind.CONTROL, 7, write_control({"op": "watch", "token": token}))
    worker.die()
    assert client.answers() == [(Kind.CONTROL, 7, {"op": "watch", "reason": "worker_lost"})]
    client.request(Kind.CANCEL, 7)
