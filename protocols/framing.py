"""Frames with a big-endian length of 1, 2 or 4 bytes before them: Erlang's {packet, N}, and plain u32 frames.

`PacketReader` cuts a stream of bytes into frames, however the bytes were cut on the way: a frame inside one chunk is
sliced out of it, a frame over several is joined once, from views of them. So each byte is copied once, a frame of
100 MiB costs no more per byte than a small one, and what waits is never more than one frame and one chunk.
`encode_packet` puts the length before a frame without copying it.
"""

from __future__ import annotations

import struct

from bascule.protocols.errors import LocalProtocolError, RemoteProtocolError
from bascule.protocols.limits import MAX_FRAME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from bascule.protocols.envelope import Payload

_LENGTHS: Final = {1: struct.Struct(">B"), 2: struct.Struct(">H"), 4: struct.Struct(">I")}


def largest(packet: int, max_frame: int = MAX_FRAME) -> int:
    """How many bytes one frame may have behind a length of `packet` bytes."""
    return min((1 << 8 * packet) - 1, max_frame)


def encode_packet(packet: int, *pieces: Payload) -> list[Payload]:
    """One frame as pieces to write: its length, then what it consists of.

    Raises:
        LocalProtocolError: It is too long for that length.
    """
    length = sum(map(len, pieces))
    try:
        return [length_struct(packet).pack(length), *pieces]
    except struct.error:
        raise LocalProtocolError(f"a frame of {length} bytes does not fit {{packet, {packet}}}") from None


def length_struct(packet: int) -> struct.Struct:
    """How the length before a frame is written.

    Raises:
        LocalProtocolError: It has 1, 2 or 4 bytes.
    """
    try:
        return _LENGTHS[packet]
    except KeyError:
        raise LocalProtocolError(f"a frame's length has 1, 2 or 4 bytes, not {packet}") from None


class PacketReader:
    """Cuts a byte stream into frames.

    Args:
        packet: Bytes of the length before each frame: 1, 2 or 4.
        max_frame: A frame that claims more is refused before any of it is kept.
    """

    __slots__ = ("_have", "_largest", "_need", "_packet", "_parts", "_unpack")

    def __init__(self, packet: int, max_frame: int = MAX_FRAME) -> None:
        self._packet = packet
        self._unpack = length_struct(packet).unpack_from
        self._largest = largest(packet, max_frame)
        self._parts: list[bytes | memoryview] = []  # pieces of the unfinished frame, its length included
        self._have = 0  # bytes in those pieces
        self._need = packet  # bytes until something can be decided: the length, or the whole frame

    @property
    def pending(self) -> int:
        """Bytes of an unfinished frame: not 0 at the end of a stream means that it was cut off."""
        return self._have

    def receive_data(self, data: bytes) -> list[bytes]:
        """Take bytes in, give whole frames out, without their lengths.

        Raises:
            RemoteProtocolError: A frame claims more than the limit. Nothing after this can be trusted.
        """
        frames: list[bytes] = []
        packet, unpack = self._packet, self._unpack
        position, end = 0, len(data)
        if self._have:
            position = self._continue(data, frames)
        while end - position >= packet:
            start = position + packet
            stop = start + unpack(data, position)[0]
            if stop > end or stop - start > self._largest:
                self._check(stop - start)
                self._need = stop - position
                break
            frames.append(data[start:stop])
            position = stop
        if position < end:
            self._parts.append(memoryview(data)[position:])
            self._have = end - position
        return frames

    def _continue(self, data: bytes, frames: list[bytes]) -> int:
        """Go on with the unfinished frame. Returns where in the data the next one begins."""
        position = 0
        if self._have < self._packet:  # even its length is incomplete
            position = min(self._packet - self._have, len(data))
            self._parts.append(data[:position])
            self._have += position
            if self._have < self._packet:
                return position
            length = b"".join(self._parts)
            self._check(self._unpack(length)[0])
            self._need = self._packet + self._unpack(length)[0]
            self._parts = [length]
        missing = self._need - self._have
        if missing > len(data) - position:
            if position < len(data):
                self._parts.append(memoryview(data)[position:] if position else data)
                self._have += len(data) - position
            return len(data)
        if missing:
            self._parts.append(memoryview(data)[position : position + missing])
        self._parts[0] = memoryview(self._parts[0])[self._packet :]
        frames.append(b"".join(self._parts))
        self._parts.clear()
        self._have = 0
        self._need = self._packet
        return position + missing

    def _check(self, length: int) -> None:
        if length > self._largest:
            raise RemoteProtocolError(f"a frame of {length} bytes is over the limit of {self._largest}")
