"""The conversation between a service and its clients: whole, byte by byte, and with peers that mean no good."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.bridge.doors.service import ServiceDoor
from bascule.protocols.calls import Op, encode_call
from bascule.protocols.envelope import HEADER, HEADER_SIZE, Codec, Flag, FrameReader, Kind, encode_frame
from bascule.protocols.errors import RemoteProtocolError
from bascule.protocols.limits import MAX_BEFORE_HELLO, MAX_FRAME
from bascule.protocols.service import (
    RefusedByService,
    ServiceSide,
    Welcome,
    hello,
    read_message,
    read_welcome,
    welcome,
    write_message,
)
from bascule.protocols.tokens import TOKEN_LENGTH

HELLO = hello(0, client="test", pool="default")
PAYLOAD = encode_call(Op.CALL, "math:pow", msgpack.packb([[2, 16]]))


def call(call_id: int = 1, *, codec: int = Codec.MSGPACK, flags: int = 0, deadline: int = 0) -> bytes:
    return encode_frame(Kind.CALL, codec, flags, call_id, 0, deadline, PAYLOAD)


def greeted() -> ServiceSide:
    side = ServiceSide()
    side.receive_data(HELLO)
    return side


def told(side: ServiceSide | ServiceDoor) -> list[tuple[int, int, Any]]:
    """What the service says of its own accord: kind, call id, decoded payload."""
    frames = FrameReader().receive_data(side.take_output())
    return [(kind, call_id, msgpack.unpackb(payload)) for kind, _, _, call_id, _, _, payload in frames]


def assert_refused(side: ServiceSide, data: bytes, because: str, call_id: int = 0) -> None:
    with pytest.raises(RemoteProtocolError, match=because):
        side.receive_data(data)
    ((kind, refused_id, message),) = told(side)
    assert (kind, refused_id, message["op"]) == (Kind.CONTROL, call_id, "refused")
    assert because in message["message"]


def test_the_hello_is_the_first_request() -> None:
    side = ServiceSide()
    ((kind, codec, _flags, call_id, _deadline, payload),) = side.receive_data(hello(7, client="me", pool="fast"))
    assert (kind, codec, call_id) == (Kind.CONTROL, Codec.MSGPACK, 7)
    assert read_message(payload) == {"op": "hello", "version": 1, "client": "me", "pool": "fast"}
    assert side.hello is not None
    assert (side.hello.client, side.hello.pool) == ("me", "fast")


def test_a_hello_may_leave_out_who_it_is_and_what_it_wants() -> None:
    side = ServiceSide()
    side.receive_data(encode_frame(Kind.CONTROL, 1, 0, 0, 0, 0, write_message({"op": "hello", "version": 1})))
    assert side.hello is not None
    assert (side.hello.client, side.hello.pool) == ("", None)


def test_calls_may_follow_the_hello_at_once() -> None:
    requests = ServiceSide().receive_data(HELLO + call(1) + call(2, deadline=1500))
    assert [(kind, call_id, deadline) for kind, _, _, call_id, deadline, _ in requests] == [
        (Kind.CONTROL, 0, 0),
        (Kind.CALL, 1, 0),
        (Kind.CALL, 2, 1500),
    ]
    assert requests[1] == (Kind.CALL, Codec.MSGPACK, 0, 1, 0, PAYLOAD)


def test_byte_by_byte_it_is_the_same_conversation() -> None:
    everything = (
        HELLO
        + call(1, codec=Codec.JSON, flags=Flag.IDEMPOTENT | Flag.STREAM)
        + encode_frame(Kind.CREDIT, 1, 0, 1, 0, 0, b"\x02\0\0\0")
        + encode_frame(Kind.CANCEL, 1, 0, 1, 0, 0)
        + encode_frame(Kind.RELEASE, 1, 0, 0, 0, 0, b"t" * TOKEN_LENGTH * 2)
        + encode_frame(Kind.CONTROL, 1, 0, 9, 0, 0, write_message({"op": "status"}))
    )
    whole = ServiceSide().receive_data(everything)
    side = ServiceSide()
    piecewise = [request for byte in everything for request in side.receive_data(bytes([byte]))]
    assert piecewise == whole
    assert [request[0] for request in whole] == [
        Kind.CONTROL,
        Kind.CALL,
        Kind.CREDIT,
        Kind.CANCEL,
        Kind.RELEASE,
        Kind.CONTROL,
    ]


@pytest.mark.parametrize(
    ("message", "because"),
    [
        ({"op": "hello", "version": 2}, "version 2 is not spoken"),
        ({"op": "hello", "version": True}, "version True is not spoken"),
        ({"op": "hello"}, "version None is not spoken"),
        ({"op": "status"}, "'status', where 'hello' must stand"),
        ({"op": "hello", "version": 1, "pool": 5}, "the hello's pool must be text"),
        ({"op": "hello", "version": 1, "client": "x" * 201}, "the hello's client must be text of at most 200"),
        ({"version": 1}, "no map with a text under 'op'"),
        (["hello"], "no map with a text under 'op'"),
    ],
)
def test_a_wrong_hello_is_refused_with_its_reason(message: Any, because: str) -> None:
    frame = encode_frame(Kind.CONTROL, Codec.MSGPACK, 0, 3, 0, 0, msgpack.packb(message))
    assert_refused(ServiceSide(), frame, because, call_id=3)


def test_a_hello_that_does_not_decode_is_refused() -> None:
    assert_refused(ServiceSide(), encode_frame(Kind.CONTROL, 1, 0, 0, 0, 0, b"\xc1"), "does not decode")


def test_a_call_before_the_hello_is_refused() -> None:
    assert_refused(ServiceSide(), call(5), "the first frame is of kind 1", call_id=5)


def test_who_speaks_another_protocol_is_told_so() -> None:
    side = ServiceSide()
    with pytest.raises(RemoteProtocolError, match="where a hello"):
        side.receive_data(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert "where a hello" in told(side)[0][2]["message"]


def test_before_the_hello_little_is_taken_in() -> None:
    header = HEADER.pack(MAX_BEFORE_HELLO, Kind.CONTROL, Codec.MSGPACK, 0, 0, 0, 0)
    assert_refused(ServiceSide(), header, f"over the limit of {MAX_BEFORE_HELLO}")


def test_after_the_hello_much_is() -> None:
    side = greeted()
    length = 1 << 20
    assert side.receive_data(HEADER.pack(length, Kind.CALL, 1, 0, 1, 0, 0)) == []
    ((*_, payload),) = side.receive_data(bytes(length))
    assert len(payload) == length


def test_any_call_may_ask_for_an_answer_that_was_not_kept() -> None:
    placed = encode_frame(Kind.PLACED, Codec.MSGPACK, Flag.FRESH, 2, 0, 0, b"\0\0" + PAYLOAD)
    requests = greeted().receive_data(call(1, flags=Flag.FRESH | Flag.IDEMPOTENT) + placed)
    assert [request[2] for request in requests] == [Flag.FRESH | Flag.IDEMPOTENT, Flag.FRESH]


def test_a_frame_over_the_limit_ends_the_connection() -> None:
    header = HEADER.pack(MAX_FRAME + 1, Kind.CALL, 1, 0, 1, 0, 0)
    assert_refused(greeted(), header, f"over the limit of {MAX_FRAME}")


@pytest.mark.parametrize(
    ("frame", "because"),
    [
        (call(1, codec=0), "codec 0 is unknown"),
        (call(1, codec=6), "codec 6 is unknown"),
        (call(1, flags=8), "flags 0x8 are none of a call"),
        (call(1, flags=6), "flags 0x6 are none of a call"),
        (call(1, flags=0x8001), "flags 0x8001 are none of a call"),
        (call(0), "a call's id must not be 0"),
    ],
)
def test_a_call_that_cannot_be_taken_is_answered_and_the_next_one_is_taken(frame: bytes, because: str) -> None:
    side = greeted()
    ((kind, _, _, call_id, _, _),) = side.receive_data(frame + call(2))
    assert (kind, call_id) == (Kind.CALL, 2)
    ((kind, _, error),) = told(side)
    assert kind == Kind.ERROR
    assert error["kind"] == "refused"
    assert because in error["message"]
    assert set(error) == {
        *("kind", "class", "module", "message", "traceback", "frames"),
        *("notes", "cause", "worker", "call", "elapsed_ms", "details"),
    }
    assert side.take_output() == b""


@pytest.mark.parametrize(
    ("kind", "payload", "because"),
    [
        (Kind.CREDIT, b"", "a CREDIT's payload is 4 bytes, this has 0"),
        (Kind.CREDIT, b"12345", "a CREDIT's payload is 4 bytes, this has 5"),
        (Kind.RELEASE, b"t" * 59, "tokens of 60 bytes, this has 59"),
        (Kind.CANCEL, b"x", "a CANCEL has no payload"),
        (Kind.CONTROL, b"\xc1", "does not decode"),
        (Kind.CONTROL, msgpack.packb({"op": 1}), "no map with a text under 'op'"),
        (Kind.CONTROL, msgpack.packb({1: "x"}), "does not decode"),
        (Kind.REPLY, b"", "kind 2 (REPLY) is none that a client may send"),
        (Kind.MISROUTED, b"", "kind 4 (MISROUTED) is none that a client may send"),
        (Kind.OUTPUT, b"", "kind 9 (OUTPUT) is none that a client may send"),
        (77, b"", "kind 77 (unknown) is none that a client may send"),
    ],
)
def test_what_a_client_may_not_send_ends_the_connection(kind: int, payload: bytes, because: str) -> None:
    side = greeted()
    with pytest.raises(RemoteProtocolError):
        side.receive_data(encode_frame(kind, Codec.MSGPACK, 0, 6, 0, 0, payload))
    ((told_kind, call_id, message),) = told(side)
    assert (told_kind, call_id) == (Kind.CONTROL, 6)
    assert because in message["message"]


def test_a_control_request_is_msgpack() -> None:
    frame = encode_frame(Kind.CONTROL, Codec.JSON, 0, 0, 0, 0, b'{"op": "status"}')
    assert_refused(greeted(), frame, "a CONTROL is msgpack")


def test_a_release_may_name_all() -> None:
    assert [request[5] for request in greeted().receive_data(encode_frame(Kind.RELEASE, 1, 0, 0, 0, 0))] == [b""]


@given(st.binary(max_size=200), st.booleans(), st.integers(1, 30))
def test_any_bytes_are_requests_or_a_refusal(data: bytes, after_hello: bool, step: int) -> None:
    whole, piecewise = (greeted(), greeted()) if after_hello else (ServiceSide(), ServiceSide())
    results = []
    for side, size in ((whole, len(data) or 1), (piecewise, step)):
        requests: list[Any] = []
        problem = None
        try:
            for at in range(0, len(data), size):
                requests += side.receive_data(data[at : at + size])
        except RemoteProtocolError as error:
            problem = str(error)
        results.append((problem, side.take_output()))
        assert problem is None or results[-1][1]
    assert results[0] == results[1]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*Kind, 0, 99]),
            st.integers(0, 5),
            st.integers(0, 20),
            st.integers(0, 3),
            st.binary(max_size=130),
        ),
        max_size=6,
    )
)
def test_any_frames_are_requests_or_a_refusal(frames: list[tuple[int, int, int, int, bytes]]) -> None:
    side = greeted()
    for kind, codec, flags, call_id, payload in frames:
        try:
            requests = side.receive_data(encode_frame(kind, codec, flags, call_id, 0, 0, payload))
        except RemoteProtocolError:
            assert side.take_output()
            return
        assert requests or side.take_output()


def test_a_welcome_is_read_as_it_was_written() -> None:
    given_welcome = Welcome(5, "0.1.0", ["default", "fast"], {"frame": 1 << 28})
    assert read_welcome(Kind.CONTROL, welcome(given_welcome)) == given_welcome


def test_a_refusal_is_told_from_a_welcome() -> None:
    with pytest.raises(RefusedByService, match="no such pool"):
        read_welcome(Kind.CONTROL, write_message({"op": "refused", "message": "no such pool"}))


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (Kind.REPLY, b""),
        (Kind.CONTROL, b"HTTP/1.1 400 Bad Request"),
        (Kind.CONTROL, write_message({"op": "hello", "version": 2, "session": 1})),
        (Kind.CONTROL, write_message({"op": "hello", "version": 1, "session": "one"})),
    ],
)
def test_what_is_no_welcome_is_rubbish(kind: int, payload: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        read_welcome(kind, payload)


def test_the_door_frames_answers() -> None:
    door = ServiceDoor()
    door.receive_data(HELLO)
    small = b"".join(door.encode(Kind.REPLY, Codec.JSON, 0, 1 << 60, b"65536.0"))
    assert FrameReader().receive_data(small) == [(Kind.REPLY, Codec.JSON, 0, 1 << 60, 0, 0, b"65536.0")]
    large = bytes(1 << 20)
    header, payload = door.encode(Kind.ITEM, Codec.MSGPACK, 0, 2, large)
    assert len(header) == HEADER_SIZE
    assert payload is large


def test_the_door_closes_on_a_client_whose_hello_was_refused() -> None:
    door = ServiceDoor()
    door.receive_data(HELLO)
    door.encode(Kind.CONTROL, Codec.MSGPACK, 0, 0, write_message({"op": "refused", "message": "no such pool"}))
    assert door.closing


def test_the_door_stays_open_when_a_later_request_is_refused() -> None:
    door = ServiceDoor()
    door.receive_data(HELLO)
    door.encode(Kind.CONTROL, Codec.MSGPACK, 0, 0, welcome(Welcome(1, "0.1.0")))
    door.encode(Kind.CONTROL, Codec.MSGPACK, 0, 4, write_message({"op": "refused", "message": "no such slot"}))
    assert not door.closing
    assert door.hello is not None
    assert (door.receive_eof(), door.take_requests()) == ([], [])
