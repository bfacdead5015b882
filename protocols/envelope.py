"""The one frame of Bascule: a fixed header of 24 bytes, then a payload that only the two ends read.

Worker pipes, service sockets and (after their own length) Erlang ports carry the same frame, so the router reads a
header, writes another, and passes the payload on untouched. Little-endian:

    u32 length of payload | u8 kind | u8 codec | u16 flags | u64 call id | u32 session | u32 deadline in ms (0: none)

In a worker's REPLY and ERROR the last field is the time that the call took, in microseconds: a worker answers many
calls with one write, so the bridge could not tell.

`Frame` is a plain tuple, and `FrameReader` hands out lists of them: at 200,000 frames a second an attribute access is
a cost. The reader copies each payload byte once, however the bytes were cut on the way.

Workers import this module, hence neither dataclasses nor typing at run time.
"""

from __future__ import annotations

import enum
import struct

from bascule.protocols.errors import LocalProtocolError, RemoteProtocolError
from bascule.protocols.limits import MAX_FRAME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    Frame = tuple[int, int, int, int, int, int, bytes]
    """kind, codec, flags, call id, session, deadline in ms, payload."""


class Kind(enum.IntEnum):
    """What a frame is. Each is used in the direction(s) its comment names; c client, b bridge, w worker."""

    CALL = 1  # c>b>w  payload: call head, then arguments (see protocols.calls)
    REPLY = 2  # w>b>c  payload: the value
    ERROR = 3  # w>b>c  payload: the error as a map
    MISROUTED = 4  # w>b    payload: tokens that live elsewhere, back to back; no user code has run
    CANCEL = 5  # c>b    no payload (a worker is told by a signal)
    ITEM = 6  # w>b>c  payload: one value of a stream
    END = 7  # w>b>c  no payload: the stream is over
    CREDIT = 8  # c>b>w  payload: u32, how many more items may be sent
    OUTPUT = 9  # w>b>c  payload: text as UTF-8; flag ERR: it was written to stderr
    RELEASE = 10  # c>b>w  payload: tokens, back to back; none: all of the session's
    CONTROL = 11  # both ways on each wire; payload: a msgpack map with "op"


class Codec(enum.IntEnum):
    """How a payload is written."""

    MSGPACK = 1
    JSON = 2
    ETF = 3


class Flag(enum.IntFlag):
    """Bits of the header's `flags`."""

    IDEMPOTENT = 1  # CALL: may be run again when its worker died
    CAST = 2  # CALL: no answer is wanted
    STREAM = 4  # CALL: send what the result yields as ITEMs, as far as CREDIT allows
    ERR = 8  # OUTPUT: stderr


HEADER: Final = struct.Struct("<IBBHQII")
HEADER_SIZE: Final = HEADER.size
REST: Final = struct.Struct("<BBHQII")
"""The header without its length, for transports that bring a length of their own ({packet, N})."""
REST_SIZE: Final = REST.size
_pack = HEADER.pack


def encode_frame(
    kind: int, codec: int, flags: int, call_id: int, session: int, deadline_ms: int, payload: bytes = b""
) -> bytes:
    """One frame as bytes. For a large payload write `HEADER.pack(...)` and the payload as a gather list instead.

    Raises:
        LocalProtocolError: A field does not fit its width.
    """
    try:
        return _pack(len(payload), kind, codec, flags, call_id, session, deadline_ms) + payload
    except struct.error as error:
        raise LocalProtocolError(f"a frame field does not fit its width: {error}") from None


class FrameReader:
    """Cuts a byte stream into frames.

    `receive_data` returns the frames that became whole; what is left of the last one waits inside. A frame whose
    bytes arrive in many pieces is joined once at its end, never grown (growing is quadratic).
    """

    __slots__ = ("_have", "_max_frame", "_need", "_parts")

    def __init__(self, max_frame: int = MAX_FRAME) -> None:
        self._max_frame = max_frame
        self._parts: list[bytes] = []  # pieces of the unfinished frame, header included
        self._have = 0  # bytes in those pieces
        self._need = 0  # bytes until something can be decided: a header, or the whole frame

    def receive_data(self, data: bytes) -> list[Frame]:
        """Take bytes in, give whole frames out.

        Raises:
            RemoteProtocolError: A frame claims more than the limit. Nothing after this can be trusted.
        """
        if self._parts:
            self._parts.append(data)
            self._have += len(data)
            if self._have < self._need:
                return []
            if self._need > HEADER_SIZE:
                return self._finish_large()
            data = b"".join(self._parts)
            self._parts.clear()
        frames: list[Frame] = []
        append = frames.append
        unpack = HEADER.unpack_from
        position, end = 0, len(data)
        while end - position >= HEADER_SIZE:
            length, kind, codec, flags, call_id, session, deadline = unpack(data, position)
            start = position + HEADER_SIZE
            stop = start + length
            if stop > end or length > self._max_frame:
                self._check(length)
                self._wait(data[position:], HEADER_SIZE + length)
                return frames
            append((kind, codec, flags, call_id, session, deadline, data[start:stop]))
            position = stop
        if position < end:
            self._wait(data[position:], HEADER_SIZE)
        return frames

    @property
    def pending(self) -> int:
        """Bytes of an unfinished frame: not 0 at the end of a stream means that it was cut off."""
        return self._have if self._parts else 0

    def _check(self, length: int) -> None:
        if length > self._max_frame:
            raise RemoteProtocolError(f"a frame of {length} bytes is over the limit of {self._max_frame}")

    def _wait(self, rest: bytes, need: int) -> None:
        self._parts.append(rest)
        self._have = len(rest)
        self._need = need

    def _finish_large(self) -> list[Frame]:
        """The pieces hold at least the frame that was waited for: join its payload in one go, then read on."""
        first, last = self._parts[0], self._parts[-1]
        _, kind, codec, flags, call_id, session, deadline = HEADER.unpack_from(first)
        surplus = self._have - self._need
        self._parts[0] = first[HEADER_SIZE:]
        if surplus:
            self._parts[-1] = last[: len(last) - surplus]
        payload = b"".join(self._parts)
        self._parts.clear()
        frame = (kind, codec, flags, call_id, session, deadline, payload)
        return [frame, *self.receive_data(last[len(last) - surplus :])] if surplus else [frame]
