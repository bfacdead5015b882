"""The framer finds the end of every value however its bytes are cut, and no peer can make it do anything else."""

from __future__ import annotations

import time
from typing import Any

import bcoding
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.protocols import bencode
from bascule.protocols.errors import LocalProtocolError, RemoteProtocolError
from bascule.protocols.limits import MAX_BENCODE_DEPTH, MAX_BENCODE_DIGITS, MAX_LENGTH_DIGITS

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.integers(-(10**40), 10**40) | st.text(st.characters(exclude_categories=["Cs"])) | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), inner, max_size=5)
    ),
    max_leaves=20,
)


def framed(data: bytes, size: int, **limits: int) -> list[bytes]:
    framer = bencode.Framer(**limits)
    frames = [frame for at in range(0, len(data), size) for frame in framer.receive_data(data[at : at + size])]
    return frames + framer.receive_data(b"")


def as_read(value: Any) -> Any:
    """What bcoding makes of a value: bytes that are UTF-8 are text."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value
    if isinstance(value, list):
        return [as_read(each) for each in value]
    if isinstance(value, dict):
        return {key: as_read(each) for key, each in value.items()}
    return value


@given(st.lists(VALUES, max_size=4), st.integers(1, 7))
def test_values_come_out_whole_however_they_are_cut(values: list[Any], size: int) -> None:
    frames = [bencode.encode(value) for value in values]
    data = b"".join(frames)
    assert framed(data, len(data) or 1) == frames
    assert framed(data, 1) == frames
    assert framed(data, size) == frames
    assert [bencode.decode(frame) for frame in frames] == [as_read(value) for value in values]


def test_the_bytes_after_a_value_wait_for_their_end() -> None:
    framer = bencode.Framer()
    assert framer.receive_data(b"i1e4:sp") == [b"i1e"]
    assert framer.pending == 4
    assert framer.receive_data(b"amd1:") == [b"4:spam"]
    assert framer.receive_data(b"ale") == []
    assert framer.receive_data(b"ele") == [b"d1:alee", b"le"]
    assert framer.pending == 0


@pytest.mark.parametrize(
    "data",
    [
        b"d1:b0:1:a0:e",
        b"d1:a0:1:a1:xe",
        b"i0e",
        b"i-1e",
        b"0:",
        b"d0:0:e",
        b"l" * MAX_BENCODE_DEPTH + b"e" * MAX_BENCODE_DEPTH,
    ],
    ids=["unsorted keys", "a key twice", "zero", "negative", "no text", "an empty key", "as deep as allowed"],
)
def test_what_clients_may_send_is_accepted(data: bytes) -> None:
    assert framed(data, 1) == framed(data, len(data)) == [data]
    bencode.decode(data)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"x", "begins with"),
        (b" i1e", "begins with"),
        (b"e", "without a beginning"),
        (b"-1:a", "begins with"),
        (b"ie", "without digits"),
        (b"i-e", "without digits"),
        (b"i-0e", "no integer"),
        (b"i00e", "no integer"),
        (b"i01e", "no integer"),
        (b"i+1e", "no integer"),
        (b"i1.5e", "no integer"),
        (b"i 1e", "no integer"),
        (b"i1_0e", "no integer"),
        ("i٣e".encode(), "no integer"),
        (b"03:abc", "no length"),
        (b"1 :a", "no length"),
        (b"1x", "no length"),
        (b"9" * (MAX_LENGTH_DIGITS + 1), "digits"),
        (b"9" * MAX_LENGTH_DIGITS + b":", "over the limit"),
        (b"i" + b"1" * (MAX_BENCODE_DIGITS + 1) + b"e", "digits"),
        (b"i-" + b"1" * (MAX_BENCODE_DIGITS + 1) + b"e", "digits"),
        (b"di1e0:e", "key is a text"),
        (b"dle0:e", "key is a text"),
        (b"dde0:e", "key is a text"),
        (b"d1:ae", "no value"),
        (b"l" * (MAX_BENCODE_DEPTH + 1), "nested deeper"),
        (b"d1:a" * (MAX_BENCODE_DEPTH + 1), "nested deeper"),
    ],
)
def test_what_is_no_bencode_is_refused_with_the_place_and_the_reason(data: bytes, why: str) -> None:
    for size in (len(data), 1):
        with pytest.raises(RemoteProtocolError, match=why):
            framed(data, size)
    with pytest.raises(RemoteProtocolError, match="3 bytes into a message"):
        framed(b"0:" + b"l0:x", 1)


def test_whole_values_before_a_fault_are_given() -> None:
    for size in (1, 20):
        framer = bencode.Framer()
        data = b"i1e4:spamx"
        given: list[bytes] = []
        with pytest.raises(RemoteProtocolError, match="begins with"):
            for at in range(0, 20, size):
                given += framer.receive_data(data[at : at + size])
            framer.receive_data(b"")
        assert given == [b"i1e", b"4:spam"]
        assert "begins with" in framer.problem


def test_after_a_fault_nothing_is_read_any_more() -> None:
    framer = bencode.Framer()
    with pytest.raises(RemoteProtocolError):
        framer.receive_data(b"x")
    with pytest.raises(RemoteProtocolError):
        framer.receive_data(b"i1e")
    assert framer.pending == 0


def test_a_value_is_bounded_in_size_depth_and_elements() -> None:
    assert framed(b"5:12345", 1, max_frame=7) == [b"5:12345"]
    for data in (b"6:123456", b"l" + b"0:" * 4 + b"e", b"i" + b"1" * 8):
        for size in (len(data), 1):
            with pytest.raises(RemoteProtocolError, match="limit of 7"):
                framed(data, size, max_frame=7)
    assert framed(b"l0:0:e", 1, max_elements=2)
    with pytest.raises(RemoteProtocolError, match="more than 2 elements"):
        framed(b"l0:0:0:e", 1, max_elements=2)
    with pytest.raises(RemoteProtocolError, match="more than 2 elements"):
        framed(b"llelelee", 1, max_elements=2)
    with pytest.raises(RemoteProtocolError, match="nested deeper than 1"):
        framed(b"ll", 1, max_depth=1)


@given(st.binary(max_size=60) | st.text("ilde0123456789:-", max_size=60).map(str.encode), st.integers(1, 60))
def test_any_bytes_give_frames_that_decode_or_one_error(data: bytes, size: int) -> None:
    try:
        whole = framed(data, len(data) or 1)
    except RemoteProtocolError:
        with pytest.raises(RemoteProtocolError):
            framed(data, size)
        return
    assert framed(data, size) == whole
    for frame in whole:
        assert bcoding.bdecode(frame) is not None
        bencode.decode(frame)


@given(VALUES.map(bencode.encode), st.data())
def test_one_changed_byte_is_another_value_or_an_error(frame: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(frame) - 1))
    changed = frame[:at] + bytes([data.draw(st.integers(0, 255))]) + frame[at + 1 :]
    try:
        frames = framed(changed, 3)
    except RemoteProtocolError:
        return
    for each in frames:
        bencode.decode(each)


def test_many_bytes_take_linear_time_in_pieces_of_any_size() -> None:
    """Not a race against the clock: quadratic work on 8 MiB would take hours here."""
    large = bencode.encode({"args": b"x" * (8 << 20), "op": "invoke"})
    began = time.monotonic()
    assert framed(large, 4096) == [large]
    many = b"l" + b"1:a" * 50_000 + b"e"
    assert framed(many, 1) == [many]
    assert time.monotonic() - began < 60


@pytest.mark.parametrize("value", [True, None, 1.5, (1,), {1: "a"}, {"a": [None]}, {b"a": 1}, "\ud800", object()])
def test_what_bencode_has_not_is_not_written(value: Any) -> None:
    with pytest.raises(LocalProtocolError):
        bencode.encode(value)


@pytest.mark.parametrize("frame", [b"", b"e", b"d1:a", b"5:a", b"x", b"ie"])
def test_decoding_half_a_frame_is_an_error_and_no_other_exception(frame: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        bencode.decode(frame)


def test_what_is_too_deep_is_neither_written_nor_read() -> None:
    value: bencode.Value = 1
    for _ in range(100_000):
        value = [value]
    with pytest.raises(LocalProtocolError, match="nested deeper than 64"):
        bencode.encode(value)
    with pytest.raises(LocalProtocolError, match="or in a circle"):
        circle: list[bencode.Value] = []
        circle.append(circle)
        bencode.encode(circle)
    for text in (b"l" * 100_000 + b"e" * 100_000, b"d1:a" * 100_000 + b"0:" + b"e" * 100_000):
        with pytest.raises(RemoteProtocolError, match="nested deeper than 64"):
            bencode.decode(text)
