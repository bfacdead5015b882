"""{packet, N} frames: whole, in pieces, empty, too long."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.protocols.errors import LocalProtocolError, RemoteProtocolError
from bascule.protocols.framing import PacketReader, encode_packet, largest

packets = st.sampled_from([1, 2, 4])
frames = st.lists(st.binary(max_size=255), max_size=8)


def joined(packet: int, sent: list[bytes]) -> bytes:
    return b"".join(piece for frame in sent for piece in encode_packet(packet, frame))


@given(packets, frames, st.lists(st.integers(0, 3000), max_size=20))
def test_frames_come_out_however_the_stream_is_cut(packet: int, sent: list[bytes], cuts: list[int]) -> None:
    stream = joined(packet, sent)
    edges = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    reader = PacketReader(packet)
    received = [frame for start, stop in zip(edges, edges[1:]) for frame in reader.receive_data(stream[start:stop])]
    assert received == sent
    assert all(type(frame) is bytes for frame in received)
    assert reader.pending == 0


@given(packets, frames)
def test_frames_come_out_byte_by_byte(packet: int, sent: list[bytes]) -> None:
    stream = joined(packet, sent)
    reader = PacketReader(packet)
    assert [frame for at in range(len(stream)) for frame in reader.receive_data(stream[at : at + 1])] == sent


@given(packets, st.lists(st.binary(max_size=60), max_size=10))
def test_any_bytes_are_frames_or_refused_or_waited_for(packet: int, pieces: list[bytes]) -> None:
    reader = PacketReader(packet, max_frame=200)
    fed = 0
    try:
        for piece in pieces:
            fed += len(piece)
            for frame in reader.receive_data(piece):
                fed -= packet + len(frame)
            assert reader.pending == fed
    except RemoteProtocolError:
        assert packet > 1 or pieces


def test_the_length_is_big_endian_and_counts_what_follows() -> None:
    assert b"".join(encode_packet(4, b"ab", b"", b"c")) == b"\0\0\0\3abc"
    assert b"".join(encode_packet(2, b"abc")) == b"\0\3abc"
    assert b"".join(encode_packet(1)) == b"\0"


@pytest.mark.parametrize("packet", [1, 2])
def test_a_frame_that_its_length_can_not_say_is_our_own_mistake(packet: int) -> None:
    fits = b"x" * largest(packet)
    assert PacketReader(packet).receive_data(b"".join(encode_packet(packet, fits))) == [fits]
    with pytest.raises(LocalProtocolError, match=f"{{packet, {packet}}}"):
        encode_packet(packet, fits, b"x")


@pytest.mark.parametrize("packet", [0, 3, 8])
def test_a_length_has_1_2_or_4_bytes(packet: int) -> None:
    with pytest.raises(LocalProtocolError, match="1, 2 or 4"):
        PacketReader(packet)
    with pytest.raises(LocalProtocolError, match="1, 2 or 4"):
        encode_packet(packet, b"")


@pytest.mark.parametrize("chunk", [1, 3, 4, 5, 1000])
def test_a_frame_over_the_limit_is_refused_however_it_arrives(chunk: int) -> None:
    stream = b"\0\0\0\1x\0\0\0\x65" + b"x" * 101
    reader = PacketReader(4, max_frame=100)
    with pytest.raises(RemoteProtocolError, match="101 bytes is over the limit of 100"):
        for at in range(0, len(stream), chunk):
            reader.receive_data(stream[at : at + chunk])


def test_a_huge_claim_is_refused_before_anything_is_kept() -> None:
    with pytest.raises(RemoteProtocolError, match="over the limit"):
        PacketReader(4).receive_data(b"\xff\xff\xff\xff")


def test_a_large_frame_in_chunks_is_kept_once_and_joined_once() -> None:
    frame = bytes(range(256)) * (1 << 14)  # 4 MiB
    stream = b"".join(encode_packet(4, frame, b"")) + b"\0\0\0\5after"
    reader = PacketReader(4)
    chunks = [stream[at : at + 65_536] for at in range(0, len(stream), 65_536)]
    tracemalloc.start()
    received = [found for chunk in chunks for found in reader.receive_data(chunk)]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert received == [frame, b"after"]
    assert peak < 1.5 * len(frame)  # the chunks themselves were there before
