"""ErlPort's conversation without a process: terms both ways, frames whole and byte by byte, and anything else."""

from __future__ import annotations

import importlib
import math
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.protocols.erlport import external
from bascule.protocols.erlport.encode import encode_term
from bascule.protocols.erlport.frames import KEPT
from bascule.protocols.erlport.messages import Answer, Call, ErlportConversation, Message, Refused, Unreadable
from bascule.protocols.erlport.terms import (
    Atom,
    ExactMap,
    ImproperList,
    IncompleteData,
    List,
    Map,
    MutationError,
    OpaqueObject,
)
from bascule.protocols.errors import RemoteProtocolError

MODULES = Path(__file__).resolve().parents[2] / "workers" / "erlport" / "modules"
PID = OpaqueObject(b"Xw\rnonode@nohost" + bytes(12), Atom(b"erlang"))

scalars = st.one_of(
    st.integers(-(2**80), 2**80),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none(),
    st.binary(max_size=40),
    st.sampled_from([Atom(b"ok"), Atom(b"none"), Atom("\u2603".encode()), PID]),
)
keys = st.one_of(st.integers(-5, 300), st.binary(max_size=5), st.sampled_from([Atom(b"a"), Atom(b"b")]))
terms = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=12).map(List),
        st.lists(st.integers(0, 70_000), min_size=7, max_size=40).map(List),
        st.lists(inner, max_size=5).map(tuple),
        st.dictionaries(keys, inner, max_size=4).map(Map),
        st.builds(ImproperList, st.lists(inner, min_size=1, max_size=3), scalars),
    ),
    max_leaves=20,
)


def message(*elements: object) -> bytes:
    return b"\x83" + encode_term(tuple(elements))


def packet(frame: bytes) -> bytes:
    return len(frame).to_bytes(4, "big") + frame


def events(data: bytes, *, step: int = 0) -> list[Any]:
    conversation = ErlportConversation()
    found: list[Any] = []
    for start in range(0, len(data), step or len(data)):
        found += conversation.receive_data(data[start : start + (step or len(data))])
    return found


def described(event: Any) -> tuple[object, ...]:
    if isinstance(event, Call):
        return "call", event.id, event.module, event.names, list(event.arguments())
    if isinstance(event, Answer):
        return "answer", event.id, event.failed, event.value()
    if isinstance(event, Message):
        return "message", event.value()
    return type(event).__name__, event.reason


CONVERSATION = [
    message(Atom(b"C"), 1, Atom(b"operator"), Atom(b"add"), [37, 5]),
    message(Atom(b"C"), 1, Atom(b"operator"), Atom(b"add"), [1, 2]),
    message(Atom(b"C"), 2**70, Atom(b"os"), Atom(b"path.join"), ["a", b"b"]),
    message(Atom(b"M"), {Atom(b"k"): [1.5]}),
    message(Atom(b"r"), 7, (1, 2)),
    message(Atom(b"e"), 8, (Atom(b"erlang"), Atom(b"error"), None, [])),
    b"garbage",
    message(Atom(b"C"), 3, Atom(b"true"), Atom(b"f"), []),
]


@pytest.mark.parametrize("step", [0, 1, 2, 3, 5, 64])
def test_a_conversation_is_the_same_however_it_is_cut(step: int) -> None:
    data = b"".join(map(packet, CONVERSATION))
    assert [described(event) for event in events(data, step=step)] == [
        ("call", b"a\x01", "operator", ("add",), [37, 5]),
        ("call", b"a\x01", "operator", ("add",), [1, 2]),
        ("call", encode_term(2**70), "os", ("path", "join"), [List(b"a"), b"b"]),
        ("message", Map({Atom(b"k"): List([1.5])})),
        ("answer", 7, False, (1, 2)),
        ("answer", 8, True, (Atom(b"erlang"), Atom(b"error"), None, List())),
        ("Unreadable", "a frame of 7 bytes is no external term: it does not begin with 131"),
        ("call", b"a\x03", "true", ("f",), []),
    ]


def test_newer_nodes_write_their_atoms_in_utf8() -> None:
    frame = b"\x83h\x05w\x01Ca\x01w\x08operatorw\x03addk\x00\x02\x25\x05"
    for event in events(packet(frame) * 3, step=len(packet(frame))):
        assert described(event) == ("call", b"a\x01", "operator", ("add",), [37, 5])
    packed = external.encode(external.decode(frame)[0], compressed=9)
    assert described(events(packet(packed))[0])[2:] == ("operator", ("add",), [37, 5])


@pytest.mark.parametrize("packet_bytes", [1, 2, 4])
def test_every_packet_length_carries_a_conversation(packet_bytes: int) -> None:
    conversation = ErlportConversation(packet_bytes)
    for frame in CONVERSATION[:2]:
        (event,) = conversation.receive_data(len(frame).to_bytes(packet_bytes, "big") + frame)
        assert isinstance(event, Call)
        (reply,) = conversation.reply(event.id, sum(event.arguments()))
        assert int.from_bytes(reply[:packet_bytes], "big") == len(reply) - packet_bytes


@given(terms)
def test_terms_come_back_as_they_went(term: object) -> None:
    decoded, rest = external.decode(external.encode(term))
    assert (decoded, rest) == (term, b"")
    assert external.decode(external.encode(term, compressed=9))[0] == term


@given(terms)
def test_every_beginning_of_a_term_is_incomplete(term: object) -> None:
    whole = external.encode(term)
    for end in range(len(whole)):
        with pytest.raises(IncompleteData):
            external.decode(whole[:end])


@given(st.binary(max_size=80))
def test_no_bytes_raise_anything_but_what_is_promised(data: bytes) -> None:
    for start in (b"", b"\x83", b"\x83h\x05d\x00\x01Ca\x01", b"\x83h\x02d\x00\x01M", b"\x83h\x03w\x01ra\x01"):
        (event,) = events(packet(start + data))
        assert isinstance(event, (Call, Message, Answer, Refused, Unreadable))
        try:
            described(event)
        except RemoteProtocolError:
            pass
        except Exception:
            assert b"$erlport.opaque" in data


@given(st.lists(st.sampled_from(CONVERSATION[:6]), min_size=1, max_size=4), st.data())
def test_a_changed_byte_costs_one_message_only(frames: list[bytes], data: st.DataObject) -> None:
    chosen = data.draw(st.integers(0, len(frames) - 1))
    position = data.draw(st.integers(0, len(frames[chosen]) - 1))
    changed = bytearray(frames[chosen])
    changed[position] ^= data.draw(st.integers(1, 255))
    sent = [*frames[:chosen], bytes(changed), *frames[chosen + 1 :]]
    found = events(b"".join(map(packet, sent)))
    assert len(found) == len(sent)
    for event, frame in [*zip(found, sent)][:chosen] + [*zip(found, sent)][chosen + 1 :]:
        assert described(event) == described(events(packet(frame))[0])


def test_a_frame_that_is_too_long_is_refused_and_the_next_one_understood() -> None:
    long = message(Atom(b"C"), 9, Atom(b"m"), Atom(b"f"), [bytes(4 * KEPT)])
    data = packet(long) + packet(CONVERSATION[0])
    for step in (len(data), 1000, 7):
        conversation = ErlportConversation(max_frame=KEPT)
        found = [
            event for start in range(0, len(data), step) for event in conversation.receive_data(data[start:][:step])
        ]
        refused, call = found
        assert isinstance(refused, Refused)
        assert (refused.id, isinstance(call, Call)) == (b"a\x09", True)
        assert "over the limit" in refused.reason


def test_two_gibibytes_are_not_waited_for_in_memory() -> None:
    conversation = ErlportConversation()
    (*_,) = conversation.receive_data((2**31).to_bytes(4, "big"))
    for _ in range(64):
        assert conversation.receive_data(bytes(1 << 20)) == []
    assert conversation.missing == 2**31 - (64 << 20)
    assert sys.getsizeof(conversation) < 1000


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (message(Atom(b"C"), 1, b"m", Atom(b"f"), []), "module and function of a call are atoms"),
        (message(Atom(b"C"), 1, Atom(b"m"), 5, []), "module and function of a call are atoms"),
        (message(Atom(b"C"), 1, Atom(b"m"), Atom(b"f"), [])[:-3], "cut off"),
        (message(Atom(b"C"), 1), "none of ErlPort's"),
        (message(Atom(b"X"), 1), "none of ErlPort's"),
        (message(Atom(b"r"), b"x", 1), "number of a call"),
        (message(), "empty"),
        (b"\x83a\x01", "a message is a tuple"),
        (b"\x83P\x00\x00\x00\x05garbage", "inflate"),
        (b"", "no external term"),
    ],
)
def test_what_no_node_sends_is_named(frame: bytes, reason: str) -> None:
    (event,) = events(packet(frame))
    assert isinstance(event, (Refused, Unreadable))
    assert reason in event.reason


@pytest.mark.parametrize(
    "arguments",
    [b"a\x01", b"m\x00\x00\x00\x05ab", b"l\x00\x00\x00\x01a\x01", b"ja\x01", b"l\xff\xff\xff\xffj", b"\x00"],
)
def test_arguments_that_are_no_list_are_the_callers_error(arguments: bytes) -> None:
    head = b"\x83h\x05d\x00\x01Ca\x01d\x00\x01md\x00\x01f"
    (event,) = events(packet(head + arguments))
    assert isinstance(event, Call)
    with pytest.raises(RemoteProtocolError):
        event.arguments()


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        [1.0] * 20 + [math.nan],
        {"a": 1, List(b"a"): 2},
        {None: 1, Atom(b"undefined"): 2},
        OpaqueObject(b"", Atom(b"erlang")),
        OpaqueObject(b"a\x01a\x01", Atom(b"erlang")),
        lambda: None,
    ],
)
def test_what_would_end_the_port_is_refused(value: object) -> None:
    with pytest.raises(ValueError):
        ErlportConversation().reply(b"a\x01", value)


def test_a_value_that_contains_itself_is_refused() -> None:
    ring: list[object] = []
    ring.append(ring)
    with pytest.raises(ValueError, match="nested deeper"):
        ErlportConversation().reply(b"a\x01", ring)


@pytest.mark.parametrize("packet_bytes", [1, 2, 4])
def test_an_error_always_fits(packet_bytes: int) -> None:
    conversation = ErlportConversation(packet_bytes)
    pieces = conversation.error(b"a\x01", ["module.Class"], "x" * 70_000, ["frame\n" * 100] * 50)
    term, rest = external.decode(b"".join(pieces)[packet_bytes:])
    assert (term[:2], term[2][:2], rest) == ((Atom(b"e"), 1), (Atom(b"python"), Atom(b"module.Class")), b"")


@pytest.mark.parametrize("packet_bytes", [1, 2])
def test_text_is_printed_in_parts_that_fit(packet_bytes: int) -> None:
    conversation = ErlportConversation(packet_bytes)
    text = "\u2603text " * 20_000
    data = b"".join(conversation.output(text))
    told = ""
    while data:
        end = packet_bytes + int.from_bytes(data[:packet_bytes], "big")
        told += external.decode(data[packet_bytes:end])[0][1].to_string()
        data = data[end:]
    assert told == text


def test_mixed_lists_are_not_taken_for_numbers() -> None:
    for odd in (True, 1.5, None, b"i\x01\0\0\0", 2**40, Atom(b"a"), (1,)):
        for place in (0, 5, 9, 19):
            values = list(range(300, 320))
            values[place] = odd  # type: ignore[call-overload]
            (back, _) = external.decode(external.encode(values))
            assert [*map(type, back)] == [*map(type, values)]
            assert back == values


def test_terms_are_immutable_and_hash_by_content() -> None:
    for one, other in ((List([1, [2]]), List([1, [2]])), (Map({1: [2]}), Map({1: [2]}))):
        assert (one, hash(one)) == (other, hash(other))
    values = List([1])
    with pytest.raises(MutationError):
        values.append(2)
    with pytest.raises(MutationError):
        Map({1: 2})[1] = 3
    kept = values
    values += [2]
    assert (kept, values) == ([1], [1, 2])
    with pytest.raises(TypeError):
        Atom("text")  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        Atom(b"x" * 256)


def test_maps_keep_keys_apart_that_a_dict_would_not() -> None:
    exact = external.decode(b"\x83t\x00\x00\x00\x03a\x01a\x0ad\x00\x04truea\x14F\x3f\xf0\x00\x00\x00\x00\x00\x00a\x1e")[
        0
    ]
    assert type(exact) is ExactMap
    assert (exact[1], exact[True], exact[1.0], len(exact)) == (10, 20, 30, 3)
    assert 2 not in exact
    assert external.decode(external.encode(exact))[0] == exact
    with pytest.raises(ValueError, match="twice"):
        external.decode(b"\x83t\x00\x00\x00\x02a\x01a\x0aa\x01a\x14")


@pytest.fixture
def erlport(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(MODULES))
    yield importlib.import_module("erlport.erlang")
    for name in ("erlport", "erlport.erlang", "erlport.erlterms"):
        sys.modules.pop(name, None)


def test_terms_pickle_under_erlports_names(erlport: Any) -> None:
    exact = ExactMap([(1, 2), (True, 3)])
    for value in (Atom(b"a"), List([1, [2]]), Map({1: [2]}), exact, ImproperList([1], 2), PID):
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
            pickled = pickle.dumps(value, protocol)
            assert b"erlport.erlterms" in pickled
            assert pickle.loads(pickled) == value


def test_without_a_port_the_module_says_so(erlport: Any) -> None:
    with pytest.raises(erlport.Error, match="not started by Erlang"):
        erlport.call(Atom(b"erlang"), Atom(b"self"), [])


def test_a_call_error_tells_its_parts(erlport: Any) -> None:
    error = erlport.CallError((Atom(b"erlang"), Atom(b"error"), Atom(b"badarg"), []))
    assert (error.language, error.type, error.value, error.stacktrace) == (b"erlang", b"error", b"badarg", [])
    assert erlport.CallError("odd").value == "odd"
    assert issubclass(erlport.UnexpectedResponses, erlport.UnexpectedMessage)
