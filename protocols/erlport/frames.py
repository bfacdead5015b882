"""Bytes into frames, for a peer that must not be given up because one of its frames is too long.

A frame over the limit is read to its end, so that what follows is understood, but only its first bytes are kept:
enough to see who asked, and to say no.
"""

from __future__ import annotations

import struct

from bascule.protocols.limits import MAX_FRAME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

LENGTHS: Final = {1: struct.Struct(">B"), 2: struct.Struct(">H"), 4: struct.Struct(">I")}
KEPT: Final = 2048
"""Bytes of a frame that is too long: a call's id and names have room in them."""


class Oversized:
    """The beginning of a frame that is over the limit.

    Attributes:
        beginning: Its first bytes.
        length: How long it was.
    """

    __slots__ = ("beginning", "length")

    def __init__(self, beginning: bytes, length: int) -> None:
        self.beginning = beginning
        self.length = length


class FrameCutter:
    """Cuts a stream of {packet, N} frames.

    Args:
        packet: N: 1, 2 or 4 bytes of length, big-endian.
        max_frame: The longest frame that is kept whole.
    """

    __slots__ = ("_claimed", "_largest", "_missing", "_packet", "_parts", "_rest", "_room", "_unpack")

    def __init__(self, packet: int, max_frame: int = MAX_FRAME) -> None:
        self._packet = packet
        self._unpack = LENGTHS[packet].unpack_from
        self._largest = max_frame
        self._rest = b""  # of a length that is not whole
        self._missing = 0  # bytes of the unfinished frame that are still to come ...
        self._room = 0  # ... and how many of them will be kept
        self._claimed = 0  # its length
        self._parts: list[memoryview] = []

    @property
    def missing(self) -> int:
        """Bytes that an unfinished frame still needs."""
        return self._missing

    @property
    def empty(self) -> bool:
        """Whether all that came in is out again."""
        return not (self._missing or self._rest)

    def receive_data(self, data: bytes) -> list[bytes | Oversized]:
        """Take bytes in, give frames out, without their lengths."""
        frames: list[bytes | Oversized] = []
        packet, unpack, largest = self._packet, self._unpack, self._largest
        position = 0
        if self._missing:
            position = self._go_on(data, 0, frames)
        elif self._rest:
            data = self._rest + data
        end = len(data)
        while end - position >= packet:
            length = unpack(data, position)[0]
            position += packet
            if length > largest or length > end - position:
                self._claimed = self._missing = length
                self._room = length if length <= largest else KEPT
                position = self._go_on(data, position, frames)
            else:
                frames.append(data[position : position + length])
                position += length
        self._rest = data[position:]
        return frames

    def _go_on(self, data: bytes, position: int, frames: list[bytes | Oversized]) -> int:
        """Go on with the unfinished frame. Returns how far it reaches."""
        count = min(self._missing, len(data) - position)
        keep = min(count, self._room)
        if keep:
            self._parts.append(memoryview(data)[position : position + keep])
        self._missing -= count
        self._room -= keep
        if not self._missing:
            whole = b"".join(self._parts)
            self._parts.clear()
            frames.append(whole if self._claimed <= self._largest else Oversized(whole, self._claimed))
        return position + count
