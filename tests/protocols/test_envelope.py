"""The one frame: however the bytes are cut, the same frames come out, and no claim makes the reader keep too much."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.protocols.envelope import (
    HEADER,
    HEADER_SIZE,
    REST,
    REST_SIZE,
    Codec,
    Flag,
    FrameReader,
    Kind,
    encode_frame,
)
from bascule.protocols.errors import LocalProtocolError, RemoteProtocolError

u8, u16 = st.integers(0, 0xFF), st.integers(0, 0xFFFF)
u32, u64 = st.integers(0, 0xFFFFFFFF), st.integers(0, 0xFFFFFFFFFFFFFFFF)
frames = st.tuples(u8, u8, u16, u64, u32, u32, st.binary(max_size=100))


def pieces_of(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:stop] for start, stop in zip(edges, edges[1:])]


def test_the_header_is_24_bytes_little_endian() -> None:
    frame = encode_frame(Kind.CALL, Codec.ETF, Flag.STREAM, 0x0102030405060708, 9, 10, b"payload")
    assert frame == bytes.fromhex("07000000 01 03 0400 0807060504030201 09000000 0a000000") + b"payload"
    assert HEADER_SIZE == 24
    assert REST_SIZE == 20


def test_the_rest_of_the_header_is_the_header_without_its_length() -> None:
    fields = (1, 2, 3, 4, 5, 6)
    assert HEADER.pack(0, *fields)[4:] == REST.pack(*fields)


@given(st.lists(frames, max_size=8), st.lists(st.integers(0, 2000), max_size=20))
def test_frames_come_out_however_the_stream_is_cut(sent: list[tuple[int, ...]], cuts: list[int]) -> None:
    stream = b"".join(encode_frame(*frame) for frame in sent)
    reader = FrameReader()
    received = [frame for piece in pieces_of(stream, cuts) for frame in reader.receive_data(piece)]
    assert received == sent
    assert reader.pending == 0


@given(st.lists(frames, max_size=4))
def test_frames_come_out_byte_by_byte(sent: list[tuple[int, ...]]) -> None:
    stream = b"".join(encode_frame(*frame) for frame in sent)
    reader = FrameReader()
    assert [frame for at in range(len(stream)) for frame in reader.receive_data(stream[at : at + 1])] == sent


@given(frames, st.integers(1, 120))
def test_a_stream_that_was_cut_off_shows_as_pending(frame: tuple[int, ...], missing: int) -> None:
    stream = encode_frame(*frame)
    reader = FrameReader()
    rest = stream[:-missing]
    assert reader.receive_data(rest) == []
    assert reader.pending == len(rest)


@given(st.lists(st.binary(max_size=60), max_size=10))
def test_any_bytes_are_frames_or_refused_or_waited_for(pieces: list[bytes]) -> None:
    reader = FrameReader(max_frame=1000)
    fed = 0
    try:
        for piece in pieces:
            fed += len(piece)
            for frame in reader.receive_data(piece):
                fed -= HEADER_SIZE + len(frame[-1])
            assert reader.pending == fed
    except RemoteProtocolError:
        pass


@pytest.mark.parametrize("chunk", [1, 7, 24, 25, 1 << 16])
def test_a_frame_over_the_limit_is_refused_however_it_arrives(chunk: int) -> None:
    stream = encode_frame(Kind.CALL, Codec.JSON, 0, 1, 0, 0, b"x" * 101)
    reader = FrameReader(max_frame=100)
    with pytest.raises(RemoteProtocolError, match="101 bytes is over the limit of 100"):
        for at in range(0, len(stream), chunk):
            reader.receive_data(stream[at : at + chunk])


def test_a_huge_claim_is_refused_before_anything_is_kept() -> None:
    reader = FrameReader()
    with pytest.raises(RemoteProtocolError, match="over the limit"):
        reader.receive_data(HEADER.pack(0xFFFFFFFF, 1, 1, 0, 1, 0, 0))


def test_a_large_frame_with_another_behind_it_in_the_same_chunk() -> None:
    large = (Kind.REPLY, Codec.ETF, 0, 1, 0, 0, bytes(range(256)) * 4096)
    small = (Kind.REPLY, Codec.ETF, 0, 2, 0, 0, b"after")
    stream = encode_frame(*large) + encode_frame(*small) + encode_frame(*large)
    reader = FrameReader()
    received = [
        frame for at in range(0, len(stream), 65_536) for frame in reader.receive_data(stream[at : at + 65_536])
    ]
    assert received == [large, small, large]


def test_a_field_that_does_not_fit_is_our_own_mistake() -> None:
    with pytest.raises(LocalProtocolError, match="width"):
        encode_frame(256, 0, 0, 0, 0, 0)
    with pytest.raises(LocalProtocolError, match="width"):
        encode_frame(1, 1, 0, -1, 0, 0)
