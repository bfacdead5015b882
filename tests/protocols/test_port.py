"""The conversation with an Erlang node: what it asks, what it gets, and what {packet, N} has no room for."""

from __future__ import annotations

import contextlib
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.protocols import etf, packed
from bascule.protocols.calls import Op, encode_call
from bascule.protocols.envelope import REST, REST_SIZE, Codec, Flag, Kind
from bascule.protocols.errors import RemoteProtocolError
from bascule.protocols.framing import PacketReader, encode_packet
from bascule.protocols.port import PortConversation

CALL = encode_call(Op.CALL, "math:pow", etf.dumps([[2, 16]]))
ASK = (int(Kind.CALL), int(Codec.ETF), int(Flag.STREAM), 7, 1500, CALL)
ERROR = {
    "kind": "python",
    "class": "ValueError",
    "module": "builtins",
    "message": "too bad: " + "é" * 200,
    "traceback": "line\n" * 10_000,
    "frames": [{"file": "/x.py", "line": 1, "function": "f", "text": "f()"}] * 2000,
    "notes": ["note"] * 50,
    "cause": None,
    "worker": "default/0.1",
    "call": 12,
    "elapsed_ms": 1.5,
    "details": {},
}


def said(
    kind: int,
    payload: bytes = b"",
    *,
    packet: int = 4,
    codec: int = Codec.ETF,
    flags: int = 0,
    call_id: int = 1,
    session: int = 0,
    deadline: int = 0,
) -> bytes:
    """A frame as the node sends it."""
    return b"".join(encode_packet(packet, REST.pack(kind, codec, flags, call_id, session, deadline), payload))


def heard(pieces: list[bytes], packet: int = 4) -> list[tuple[int, int, int, int, bytes]]:
    """Frames as the node reads them: kind, codec, flags, id, payload."""
    reader = PacketReader(packet)
    frames = reader.receive_data(b"".join(pieces))
    assert reader.pending == 0
    found = []
    for frame in frames:
        kind, codec, flags, call_id, session, deadline = REST.unpack_from(frame)
        assert (session, deadline) == (0, 0)
        found.append((kind, codec, flags, call_id, frame[REST_SIZE:]))
    return found


def error_in(pieces: list[bytes], packet: int = 4) -> dict[str, Any]:
    ((kind, codec, _, _, payload),) = heard(pieces, packet)
    assert (kind, codec) == (Kind.ERROR, Codec.ETF)
    return etf.keywords(etf.loads(payload))


@pytest.mark.parametrize("packet", [1, 2, 4])
def test_a_call_comes_through_unread(packet: int) -> None:
    stream = said(Kind.CALL, CALL, packet=packet, flags=Flag.STREAM, call_id=7, deadline=1500) * 2
    assert PortConversation(packet).receive_data(stream) == [ASK, ASK]
    one_by_one = PortConversation(packet)
    assert [ask for at in range(len(stream)) for ask in one_by_one.receive_data(stream[at : at + 1])] == [ASK, ASK]


@pytest.mark.parametrize("flags", [Flag.FRESH, Flag.FRESH | Flag.IDEMPOTENT, Flag.FRESH | Flag.STREAM])
def test_a_call_may_ask_for_an_answer_that_was_not_kept(flags: int) -> None:
    one = said(Kind.CALL, CALL, flags=flags, call_id=7)
    placed = said(Kind.PLACED, b"\0\0" + CALL, flags=flags, call_id=8)
    for stream in (one, one + placed):
        requests = PortConversation(4).receive_data(stream)
        assert [request[2] for request in requests] == [flags] * len(requests)
        assert len(requests) == 1 + stream.endswith(placed)


def test_what_else_a_node_says_comes_through() -> None:
    node = PortConversation()
    stream = said(Kind.CANCEL, call_id=9) + said(Kind.CREDIT, b"\5\0\0\0", call_id=9) + said(Kind.RELEASE, b"t" * 60)
    assert node.receive_data(stream) == [
        (Kind.CANCEL, Codec.ETF, 0, 9, 0, b""),
        (Kind.CREDIT, Codec.ETF, 0, 9, 0, b"\5\0\0\0"),
        (Kind.RELEASE, Codec.ETF, 0, 1, 0, b"t" * 60),
    ]
    assert node.take_output() == b""


@pytest.mark.parametrize("packet", [1, 2, 4])
def test_answers_go_out_as_frames(packet: int) -> None:
    node = PortConversation(packet)
    pieces = node.encode(Kind.REPLY, Codec.ETF, 0, 7, b"value") + node.encode(Kind.END, Codec.ETF, 0, 8, b"")
    assert heard(pieces, packet) == [(Kind.REPLY, Codec.ETF, 0, 7, b"value"), (Kind.END, Codec.ETF, 0, 8, b"")]


def test_a_large_answer_is_not_copied() -> None:
    payload = b"x" * (1 << 20)
    assert PortConversation().encode(Kind.REPLY, Codec.ETF, 0, 7, payload)[-1] is payload


def test_control_requests_are_terms_outside_and_msgpack_inside() -> None:
    node = PortConversation()
    term = etf.dumps({etf.Atom("op"): b"scale", b"pool": etf.Atom("fast"), etf.Atom("size"): 3}, style=2)
    ((kind, codec, _, call_id, _, payload),) = node.receive_data(said(Kind.CONTROL, term, call_id=4))
    assert (kind, codec, call_id) == (Kind.CONTROL, Codec.MSGPACK, 4)
    assert packed.loads(payload) == {"op": "scale", "pool": "fast", "size": 3}
    answer = packed.dumps({"op": "status", "pools": {"fast": {"size": 3}}})
    ((kind, codec, _, call_id, payload),) = heard(node.encode(Kind.CONTROL, Codec.MSGPACK, 0, 4, answer))
    assert (kind, codec, call_id) == (Kind.CONTROL, Codec.ETF, 4)
    assert etf.loads(payload, style=4) == {b"op": b"status", b"pools": {b"fast": {b"size": 3}}}


def test_bye_is_the_end() -> None:
    node = PortConversation()
    assert not node.closing
    assert node.receive_data(said(Kind.CONTROL, etf.dumps([(etf.Atom("op"), etf.Atom("bye"))]))) == []
    assert node.closing


@pytest.mark.parametrize(
    "control",
    [{}, {"op": 5}, {"op": b"x", "who": etf.Opaque(b"\x78w\1n" + b"\0" * 12)}, [1], 5, etf.ImproperList([1], 2)],
)
def test_a_control_request_that_is_none_is_refused(control: object) -> None:
    with pytest.raises(RemoteProtocolError):
        PortConversation().receive_data(said(Kind.CONTROL, etf.dumps(control, style=2)))


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (said(Kind.CALL, CALL, codec=Codec.JSON), "codec 2"),
        (said(Kind.CALL, CALL, flags=64), "flags 0x40"),
        (said(Kind.CALL, CALL, call_id=0), "id"),
    ],
)
def test_a_call_that_can_not_be_taken_is_answered_and_the_next_one_is_taken(frame: bytes, why: str) -> None:
    node = PortConversation()
    asked = node.receive_data(frame + said(Kind.CALL, CALL, call_id=2))
    assert [ask[3] for ask in asked] == [2]
    error = error_in([node.take_output()])
    assert error["kind"] == "refused"
    assert why in error["message"]


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (b"\0\0\0\0", "shorter than its header"),
        (b"\0\0\0\x13" + b"x" * 19, "shorter than its header"),
        (said(Kind.ITEM), "kind 6"),
        (said(99), "kind 99"),
        (said(Kind.CALL, CALL, session=1), "session"),
        (b"\xff\xff\xff\xff", "over the limit"),
        (said(Kind.CONTROL, b"nonsense"), "131"),
    ],
)
def test_what_no_node_says_ends_the_conversation(frame: bytes, why: str) -> None:
    with pytest.raises(RemoteProtocolError, match=why):
        PortConversation().receive_data(frame)


@given(st.sampled_from([1, 2, 4]), st.lists(st.binary(max_size=80), max_size=6))
def test_any_bytes_are_requests_or_refused_or_waited_for(packet: int, pieces: list[bytes]) -> None:
    node = PortConversation(packet)
    try:
        for piece in pieces:
            node.receive_data(piece)
    except RemoteProtocolError:
        pass


def test_mutated_frames_are_requests_or_refused() -> None:
    pick = random.Random(1)
    control = etf.dumps({"op": "status", "x": [1, {"y": 2.5}]}, style=3)
    for _ in range(3_000):
        frame = bytearray(said(Kind.CONTROL, control))
        for _ in range(pick.randrange(1, 4)):
            frame[pick.randrange(3, len(frame))] = pick.randrange(256)
        with contextlib.suppress(RemoteProtocolError):
            PortConversation().receive_data(bytes(frame))


@pytest.mark.parametrize(("packet", "room"), [(1, 235), (2, 65_515)])
def test_a_result_that_does_not_fit_becomes_an_error_that_names_the_remedy(packet: int, room: int) -> None:
    node = PortConversation(packet)
    assert heard(node.encode(Kind.REPLY, Codec.ETF, 0, 7, b"x" * room), packet)[0][4] == b"x" * room
    error = error_in(node.encode(Kind.REPLY, Codec.ETF, 0, 7, b"x" * (room + 1)), packet)
    assert error["kind"] == "not_encodable"
    assert f"the result has {room + 1} bytes" in error["message"]
    assert "start the port with {packet, 4}" in error["message"]


def test_a_result_over_the_limit_of_any_frame_says_so() -> None:
    error = error_in(PortConversation(4, max_frame=1000).encode(Kind.REPLY, Codec.ETF, 0, 7, b"x" * 1001))
    assert "over the limit of 1000" in error["message"]
    assert "handle" in error["message"]


def test_a_long_error_loses_its_traceback_first() -> None:
    pieces = PortConversation(2).encode(Kind.ERROR, Codec.ETF, 0, 7, etf.dumps_error(ERROR))
    error = error_in(pieces, packet=2)
    assert error["traceback"] is None
    assert error["frames"] == []  # they alone were too many
    assert error["message"] == ERROR["message"]
    assert error["notes"] == ERROR["notes"]
    assert error["elapsed_ms"] == 1.5


def test_the_shortest_error_still_says_what_happened() -> None:
    pieces = PortConversation(1).encode(Kind.ERROR, Codec.ETF, 0, 7, etf.dumps_error(ERROR))
    error = error_in(pieces, packet=1)
    assert error["kind"] == "python"
    assert error["class"] == "ValueError"
    assert error["message"].startswith("too bad: éé")
    assert error["message"].endswith("é...")


def test_an_error_that_nobody_can_read_is_replaced() -> None:
    error = error_in(PortConversation(1).encode(Kind.ERROR, Codec.ETF, 0, 7, b"\x83" + b"?" * 300), packet=1)
    assert error["kind"] == "not_encodable"


def test_a_stream_with_an_item_that_does_not_fit_ends_once() -> None:
    node = PortConversation(1)
    assert heard(node.encode(Kind.ITEM, Codec.ETF, 0, 7, b"small"), 1)[0][0] == Kind.ITEM
    assert node.take_requests() == []
    assert "item" in error_in(node.encode(Kind.ITEM, Codec.ETF, 0, 7, b"x" * 300), packet=1)["message"]
    assert node.take_requests() == [(Kind.CANCEL, Codec.ETF, 0, 7, 0, b"")]
    assert node.take_requests() == []
    # What was on its way, and the answer to the cancel, are for nobody.
    assert node.encode(Kind.ITEM, Codec.ETF, 0, 7, b"small") == []
    assert node.encode(Kind.ERROR, Codec.ETF, 0, 7, etf.dumps_error(ERROR)) == []
    # The id may be used again.
    assert heard(node.encode(Kind.REPLY, Codec.ETF, 0, 7, b"x"), 1)[0][0] == Kind.REPLY
    assert heard(node.encode(Kind.END, Codec.ETF, 0, 7, b""), 1)[0][0] == Kind.END


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=2000))
def test_long_output_goes_out_in_parts_that_are_text(text: str) -> None:
    frames = heard(PortConversation(1).encode(Kind.OUTPUT, Codec.ETF, Flag.ERR, 7, text.encode()), 1)
    assert all(frame[:4] == (Kind.OUTPUT, Codec.ETF, Flag.ERR, 7) for frame in frames)
    assert "".join(frame[4].decode() for frame in frames) == text


def test_output_that_is_no_utf_8_goes_out_too() -> None:
    output = b"\x80" * 1000
    frames = heard(PortConversation(1).encode(Kind.OUTPUT, Codec.ETF, 0, 0, output), 1)
    assert b"".join(frame[4] for frame in frames) == output


def test_a_callback_that_does_not_fit_is_answered_for_the_node() -> None:
    conversation = PortConversation(packet=1)
    number = (7).to_bytes(8, "little")
    assert conversation.encode(Kind.CALLBACK, Codec.ETF, 0, 1, number + b"x" * 300) == []
    ((kind, _, _, call_id, _, payload),) = conversation.take_requests()
    assert (kind, call_id) == (Kind.ERROR, 7)
    assert b"start the port with {packet, 4}" in payload


def test_answers_to_callbacks_and_nested_calls_are_requests() -> None:
    conversation = PortConversation()
    number = (7).to_bytes(8, "little")
    frames = said(Kind.REPLY) + said(Kind.ERROR) + said(Kind.NESTED, number + CALL)
    kinds = [request[0] for request in conversation.receive_data(frames)]
    assert kinds == [Kind.REPLY, Kind.ERROR, Kind.NESTED]
    assert conversation.receive_data(said(Kind.NESTED, b"short")) == []
    assert conversation.receive_data(said(Kind.PLACED, b"1")) == []
    assert conversation.take_output().count(b"begins with the number of its callback, or slot") == 2
