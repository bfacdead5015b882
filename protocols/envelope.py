"""The one frame of Bascule: a fixed header of 24 bytes, then a payload that only the two ends read.

Worker pipes, service sockets and (after their own length) Erlang ports carry the same frame, so the router reads a
header, writes another, and passes the payload on untouched. Little-endian:

    u32 length of payload | u8 kind | u8 codec | u16 flags | u64 call id | u32 session | u32 deadline in ms (0: none)

In a worker's REPLY and ERROR the last field is the time that the call took, in microseconds: a worker answers many
calls with one write, so the bridge could not tell.

`Frame` is a plain tuple, and `FrameReader` hands out lists of them: at 200,000 frames a second an attribute access is
a cost. The reader copies each payload byte once at the most, however the bytes were cut on the way.

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

    Payload = bytes | bytearray
    """A large one is read into a bytearray, which is nobody else's: a copy would cost more than all else."""

    Frame = tuple[int, int, int, int, int, int, Payload]
    """kind, codec, flags, call id, session, deadline in ms, payload."""


class Kind(enum.IntEnum):
    """What a frame is. Each is used in the direction(s) its comment names; c client, b bridge, w worker."""

    CALL = 1  # c>b>w  payload: call head, then arguments (see protocols.calls)
    REPLY = 2  # w>b>c  payload: the value; c>b>w: the answer to a CALLBACK
    ERROR = 3  # w>b>c  payload: the error as a map; c>b>w: a CALLBACK's failure
    MISROUTED = 4  # w>b    payload: tokens that live elsewhere, back to back; no user code has run
    CANCEL = 5  # c>b    no payload (a worker is told by a signal); w>b>c: a CALLBACK's answer is not wanted any more
    ITEM = 6  # w>b>c  payload: one value of a stream
    END = 7  # w>b>c  no payload: the stream is over
    CREDIT = 8  # c>b>w  payload: u32, how many more items may be sent
    OUTPUT = 9  # w>b>c  payload: text as UTF-8; flag ERR: it was written to stderr
    RELEASE = 10  # c>b>w  payload: tokens, back to back; none: all of the session's
    CONTROL = 11  # both ways on each wire; payload: a msgpack map with "op"
    CALLBACK = 12  # w>b>c  call id: whose (0: no call's); payload: u64, its number, then `[what, arguments]`
    NESTED = 13  # c>b>w  payload: u64, number of the CALLBACK in whose course it is made, then as a CALL's
    PLACED = 14  # c>b    payload: u16, the slot of the worker that shall run it, then as a CALL's
    TRACE = 15  # c>b    payload: the W3C traceparent of the call with this id, which comes next


class Codec(enum.IntEnum):
    """How a payload is written."""

    MSGPACK = 1
    JSON = 2
    ETF = 3
    EDN = 4
    TRANSIT = 5


class Flag(enum.IntFlag):
    """Bits of the header's `flags`."""

    IDEMPOTENT = 1  # CALL: may be run again when its worker died
    CAST = 2  # CALL, CALLBACK: no answer is wanted
    STREAM = 4  # CALL: send what the result yields as ITEMs, as far as CREDIT allows
    ERR = 8  # OUTPUT: stderr
    FRESH = 16  # CALL: not from a cache; its answer may be kept there


MOST_CALL_FLAGS: Final = int(Flag.IDEMPOTENT | Flag.STREAM)
"""The largest `flags` of a call. Beyond are other frames' flags, and CAST with STREAM: answers that nobody wants.
FRESH may stand beside any of a call's."""

HEADER: Final = struct.Struct("<IBBHQII")
HEADER_SIZE: Final = HEADER.size
REST: Final = struct.Struct("<BBHQII")
"""The header without its length, for transports that bring a length of their own ({packet, N})."""
REST_SIZE: Final = REST.size
_OWN_BUFFER: Final = 1 << 10  # bytes of an unfinished payload that is worth a buffer of its own
LARGE_FRAME: Final = 1 << 18  # bytes of a payload that is not copied out of that buffer any more
_pack, _unpack = HEADER.pack, HEADER.unpack_from


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

    `receive_data` returns the frames that became whole; what is left of the last one waits inside. A large frame is
    given its room as soon as its header is there, and whoever reads from a descriptor can have the rest read straight
    into it:

        view = reader.buffer()
        frames = reader.receive_data(os.read(fd, 65536)) if view is None else reader.received(os.readv(fd, [view]))

    So none of its bytes is copied in between. The payload of a frame of `LARGE_FRAME` bytes that came in pieces is that
    bytearray, which is nobody else's.
    """

    __slots__ = ("_filled", "_head", "_large", "_max_frame", "_rest")

    def __init__(self, max_frame: int = MAX_FRAME) -> None:
        self._max_frame = max_frame
        self._rest = b""  # of an unfinished frame that is small, or whose header is not whole
        self._head: tuple[int, int, int, int, int, int] = (0, 0, 0, 0, 0, 0)  # of the large frame that is under way
        self._large = bytearray()  # the payload of an unfinished frame that is not small
        self._filled = 0  # bytes of it that are there

    def receive_data(self, data: bytes) -> list[Frame]:
        """Take bytes in, give whole frames out.

        Raises:
            RemoteProtocolError: A frame claims more than the limit. Nothing after this can be trusted.
        """
        end = len(data)
        if end >= HEADER_SIZE and not self._rest and not self._large:
            length, kind, codec, flags, call_id, session, deadline = _unpack(data)
            if length == end - HEADER_SIZE and length <= self._max_frame:  # a frame and nothing else, as often
                return [(kind, codec, flags, call_id, session, deadline, data[HEADER_SIZE:])]
        frames: list[Frame] = []
        if self._large:
            room = self.buffer()
            assert room is not None
            count = min(len(room), len(data))
            room[:count] = data[:count]
            frames = self.received(count)
            if count == len(data):
                return frames
            data = data[count:]
        if self._rest:
            data = self._rest + data
            self._rest = b""
        append = frames.append
        position, end = 0, len(data)
        while end - position >= HEADER_SIZE:
            length, kind, codec, flags, call_id, session, deadline = _unpack(data, position)
            start = position + HEADER_SIZE
            stop = start + length
            if length > self._max_frame:
                raise RemoteProtocolError(f"a frame of {length} bytes is over the limit of {self._max_frame}")
            if stop > end:
                if length >= _OWN_BUFFER:
                    self._large = bytearray(length)
                    self._large[: end - start] = data[start:]
                    self._filled = end - start
                    self._head = (kind, codec, flags, call_id, session, deadline)
                    return frames
                break
            append((kind, codec, flags, call_id, session, deadline, data[start:stop]))
            position = stop
        if position < end:
            self._rest = data[position:]
        return frames

    def buffer(self) -> memoryview | None:
        """Where the next bytes belong, while a large frame is under way."""
        return memoryview(self._large)[self._filled :] if self._large else None

    def received(self, count: int) -> list[Frame]:
        """So many bytes were read into `buffer()`: the frame, when they were its last."""
        self._filled += count
        if self._filled < len(self._large):
            return []
        payload, self._large = self._large, bytearray()
        # A bytearray can do all that is asked of a payload, and a copy would cost more than all else.
        return [(*self._head, bytes(payload) if len(payload) < LARGE_FRAME else payload)]

    @property
    def pending(self) -> int:
        """Bytes of an unfinished frame: not 0 at the end of a stream means that it was cut off."""
        return HEADER_SIZE + self._filled if self._large else len(self._rest)
