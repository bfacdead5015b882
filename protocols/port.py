"""The conversation between an Erlang node and its port program, as a state machine without I/O.

    {packet, N} length, big-endian | REST of the envelope's header: 20 bytes, little-endian, session 0 | payload

    node                                   port program
    CALL id 1 ->
    CALL id 2 ->                        <- REPLY id 2, ERROR id 1, ITEM, END, OUTPUT ...
    CANCEL, CREDIT, RELEASE, CONTROL -> <- CONTROL with the same id
                                        <- CALLBACK number n of call 2; CANCEL n
    NESTED id 3 in the course of n ->   <- REPLY id 3
    REPLY n, ERROR n ->
    CONTROL #{<<"op">> => <<"bye">>} ->    and the end

A port is one session, so the session field is 0. Payloads are external terms, and those of calls pass through unread.
CONTROL payloads are terms on the port and msgpack inside the bridge: they are translated here.

The length limits what can be said: 235 bytes with {packet, 1}, 65,515 with {packet, 2}. An answer that does not fit
becomes an error that does, and that names the remedy; so does a callback, for the code that makes it; an error that
does not fit loses its traceback, then more; output is cut into parts; a stream whose item does not fit ends with an
error, and is cancelled (see `take_requests`).
"""

from __future__ import annotations

from bascule.protocols.envelope import MOST_CALL_FLAGS, REST, REST_SIZE, Codec, Flag, Kind
from bascule.protocols.errors import ErrorKind, RemoteProtocolError
from bascule.protocols.framing import PacketReader, encode_packet, largest, length_struct
from bascule.protocols.limits import MAX_FRAME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable
    from typing import Any, Final

    Request = tuple[int, int, int, Hashable, int, bytes]
    """kind, codec, flags, call id, deadline in ms, payload."""
    from bascule.protocols.envelope import Payload

_pack, _unpack = REST.pack, REST.unpack_from
_CALL, _CANCEL, _CONTROL, _OUTPUT = int(Kind.CALL), int(Kind.CANCEL), int(Kind.CONTROL), int(Kind.OUTPUT)
_REPLY, _ERROR, _ITEM, _END = int(Kind.REPLY), int(Kind.ERROR), int(Kind.ITEM), int(Kind.END)
_CALLBACK: Final = int(Kind.CALLBACK)
_NUMBER: Final = 8  # bytes of a callback's number
_PREFIXED: Final = {int(Kind.NESTED): _NUMBER, int(Kind.PLACED): 2}
"""Calls before whose payload a number stands, and how many bytes it has."""
_OTHERS: Final = frozenset(map(int, (Kind.CANCEL, Kind.CREDIT, Kind.RELEASE, Kind.REPLY, Kind.ERROR, Kind.TRACE)))
_FRESH = int(Flag.FRESH)
_ETF, _MSGPACK = int(Codec.ETF), int(Codec.MSGPACK)
_JOINED: Final = 16 << 10  # bytes of a payload that is cheaper to join with its header than to write beside it
_CONTROL_STYLE: Final = 3  # text as binaries, dicts as maps
_SHORT_NAME: Final = 60
_DISPENSABLE: Final = ("traceback", "frames", "cause", "notes", "details", "module")
"""What an error that is too long loses, in this order."""


class PortConversation:
    """The program's end of one port.

    Args:
        packet: N of the port's {packet, N}: 1, 2 or 4.
        max_frame: The limit of a payload, whatever the packet length allows.

    Attributes:
        closing: The node said goodbye.
    """

    __slots__ = (
        "_cut",
        "_largest",
        "_length",
        "_length_of",
        "_most",
        "_output",
        "_packet",
        "_reader",
        "_requests",
        "_small",
        "closing",
    )

    def __init__(self, packet: int = 4, max_frame: int = MAX_FRAME) -> None:
        self.closing = False
        self._packet = packet
        self._reader = PacketReader(packet, max_frame + REST_SIZE)
        self._most = largest(packet, max_frame + REST_SIZE)  # bytes of a frame, and of its payload
        self._largest = self._most - REST_SIZE
        self._small = min(self._largest, _JOINED)
        length = length_struct(packet)
        self._length, self._length_of = length.pack, length.unpack_from
        self._output: list[Payload] = []
        self._requests: list[Request] = []
        self._cut: set[Hashable] = set()  # streams that ended here, and of which the bridge does not know it yet

    def receive_data(self, data: bytes) -> list[Request]:
        """Take bytes in, give requests out. A call that can't be taken is answered by an ERROR (see `take_output`).

        Raises:
            RemoteProtocolError: The node said what no node says. Nothing after this can be understood.
        """
        requests: list[Request] = []
        position, end = 0, len(data)
        if not self._reader.pending:  # what is whole is read where it lies; the reader is for what is not
            packet, length_of, most = self._packet, self._length_of, self._most
            if end >= packet + REST_SIZE and length_of(data)[0] == end - packet <= most:  # a frame and nothing else
                kind, codec, flags, call_id, session, deadline = head = _unpack(data, packet)
                payload = data[packet + REST_SIZE :]
                if kind == _CALL and codec == _ETF and flags <= MOST_CALL_FLAGS and call_id and not session:
                    return [(_CALL, _ETF, flags, call_id, deadline, payload)]
                self._take(head, payload, requests)
                return requests
            while end - position >= packet:
                start = position + packet
                stop = start + length_of(data, position)[0]
                if stop > end or not REST_SIZE <= stop - start <= most:
                    break
                kind, codec, flags, call_id, session, deadline = head = _unpack(data, start)
                payload = data[start + REST_SIZE : stop]
                if kind == _CALL and codec == _ETF and flags <= MOST_CALL_FLAGS and call_id and not session:
                    requests.append((_CALL, _ETF, flags, call_id, deadline, payload))
                else:
                    self._take(head, payload, requests)
                position = stop
        if position < end:
            for frame in self._reader.receive_data(data[position:] if position else data):
                if len(frame) < REST_SIZE:
                    raise RemoteProtocolError(
                        f"a frame of {len(frame)} bytes is shorter than its header of {REST_SIZE}"
                    )
                self._take(_unpack(frame), frame[REST_SIZE:], requests)
        return requests

    def take_output(self) -> bytes:
        """What this end itself has to say: refusals."""
        if not self._output:
            return b""
        output = b"".join(self._output)
        self._output.clear()
        return output

    def take_requests(self) -> list[Request]:
        """Requests of this end's own: cancels of streams that `encode` had to end, answers to what it could not ask."""
        requests = self._requests
        if requests:
            self._requests = []
        return requests

    def encode(self, kind: int, codec: int, flags: int, call_id: Hashable, payload: Payload) -> list[Payload]:
        """An answer as pieces to write; none when it belongs to a stream that has already ended here."""
        size = len(payload)
        if kind == _REPLY and size <= self._small:  # most answers are
            return [self._length(REST_SIZE + size) + _pack(_REPLY, _ETF, flags, call_id, 0, 0) + payload]
        if self._cut and call_id in self._cut and kind in (_ITEM, _END, _ERROR):
            if kind != _ITEM:
                self._cut.discard(call_id)
            return []
        if kind == _CONTROL:
            payload = _control_term(payload)
        if len(payload) > self._largest:
            if kind == _OUTPUT:
                parts = _parts_of_text(bytes(payload), self._largest)
                return [piece for part in parts for piece in self._frame(_OUTPUT, flags, call_id, part)]
            if kind == _CALLBACK:
                problem = self._too_long(kind, len(payload))
                number = int.from_bytes(payload[:_NUMBER], "little")
                self._requests.append((_ERROR, _ETF, 0, number, 0, problem))
                return []
            if kind == _ITEM:
                self._cut.add(call_id)
                self._requests.append((_CANCEL, _ETF, 0, call_id, 0, b""))
            payload = self._shortened(payload) if kind == _ERROR else self._too_long(kind, len(payload))
            kind, flags = _ERROR, 0
        return self._frame(kind, flags, call_id, payload)

    def _frame(self, kind: int, flags: int, call_id: Any, payload: Payload) -> list[Payload]:
        pieces = encode_packet(self._packet, _pack(kind, _ETF, flags, call_id, 0, 0), payload)
        return pieces if len(payload) > _JOINED else [b"".join(pieces)]

    def _take(self, head: tuple[int, int, int, int, int, int], payload: bytes, requests: list[Request]) -> None:
        """One frame."""
        kind, codec, flags, call_id, session, deadline = head
        if session:
            raise RemoteProtocolError(f"a port is one session: the frame's session must be 0, it is {session}")
        if kind == _CALL:
            if codec == _ETF and (flags <= MOST_CALL_FLAGS or flags & ~_FRESH <= MOST_CALL_FLAGS) and call_id:
                requests.append((_CALL, _ETF, flags, call_id, deadline, payload))
            else:
                self._refuse(call_id, codec, flags)
        elif kind == _CONTROL:
            self._take_control(call_id, payload, requests)
        elif kind in _PREFIXED:
            if codec == _ETF and flags & ~_FRESH <= MOST_CALL_FLAGS and call_id and len(payload) >= _PREFIXED[kind]:
                requests.append((kind, _ETF, flags, call_id, deadline, payload))
            else:
                self._refuse(call_id, codec, flags)
        elif kind in _OTHERS:
            requests.append((kind, codec, 0, call_id, 0, payload))
        else:
            raise RemoteProtocolError(f"a frame of kind {kind} is nothing that a node sends to its port")

    def _refuse(self, call_id: int, codec: int, flags: int) -> None:
        if not call_id:
            message = "a call's id is not 0"
        elif flags & ~_FRESH <= MOST_CALL_FLAGS and codec == _ETF:
            message = "a call that is nested, or placed, begins with the number of its callback, or slot"
        elif codec != _ETF:
            message = f"a port's calls are external terms (codec {_ETF}), not codec {codec}"
        else:
            message = f"the flags {flags:#x} are none of a call: 1 idempotent, with 2 cast or 4 stream, and 16 fresh"
        self._output += self.encode(_ERROR, _ETF, 0, call_id, _error(ErrorKind.REFUSED, message))

    def _take_control(self, call_id: int, payload: bytes, requests: list[Request]) -> None:
        """A question to the bridge itself: a map with "op"."""
        from bascule.protocols import etf, packed

        message = etf.keywords(etf.loads(payload))
        op = message.get("op")
        if not isinstance(op, str):
            raise RemoteProtocolError('a control request is a map with the key "op" and a text for it')
        if op == "bye":
            self.closing = True
            return
        message["op"] = str(op)
        try:
            requests.append((_CONTROL, _MSGPACK, 0, call_id, 0, packed.dumps(message, default=_plain)))
        except Exception as error:
            raise RemoteProtocolError(f"a control request holds plain values: {error}") from None

    def _too_long(self, kind: int, length: int) -> bytes:
        """The error instead of an answer that does not fit."""
        what = {_REPLY: "result", _ITEM: "item of the stream", _CALLBACK: "callback"}.get(kind, "answer")
        if self._packet == 4:
            message = f"the {what} has {length} bytes, over the limit of {self._largest}: ask for a handle"
        else:
            message = (
                f"the {what} has {length} bytes, {{packet, {self._packet}}} carries {self._largest}: "
                f"start the port with {{packet, 4}}"
            )
        return _error(ErrorKind.NOT_ENCODABLE, message)

    def _shortened(self, payload: Payload) -> bytes:
        """An error without what makes it too long."""
        from bascule.protocols import etf

        try:
            error = etf.keywords(etf.loads(bytes(payload)))
        except RemoteProtocolError:
            return self._too_long(_ERROR, len(payload))
        for key in _DISPENSABLE:
            if key in error:
                error[key] = [] if isinstance(error[key], list) else None
                shorter = etf.dumps_error(error)
                if len(shorter) <= self._largest:
                    return shorter
        bare: dict[str, object] = {"kind": str(error.get("kind", ErrorKind.PYTHON)), "message": ""}
        if len(str(error.get("class"))) <= _SHORT_NAME:
            bare["class"] = error.get("class")
        room = self._largest - len(etf.dumps_error(bare)) - len("...")
        text = str(error.get("message", "")).encode("utf-8", "replace")
        bare["message"] = text[: max(0, room)].decode("utf-8", "ignore") + "..."
        return etf.dumps_error(bare)


def _error(kind: ErrorKind, message: str) -> bytes:
    from bascule.protocols import etf

    return etf.dumps_error({"kind": kind.value, "message": message})


def _plain(value: object) -> object:
    """What ETF has and msgpack does not, as far as a control request needs it: atoms are text."""
    if isinstance(value, str):
        return str(value)
    raise TypeError(f"no {type(value).__name__}")


def _control_term(payload: Payload) -> bytes:
    """An answer of the bridge as a term: a map with binaries for text."""
    from bascule.protocols import etf, packed

    return etf.dumps(packed.loads(bytes(payload)), style=_CONTROL_STYLE)


def _parts_of_text(text: bytes, size: int) -> list[bytes]:
    """UTF-8 in parts of at most `size` bytes that do not end within a character."""
    parts: list[bytes] = []
    start = 0
    while len(text) - start > size:
        stop = start + size
        while stop > start + 1 and stop > start + size - 4 and text[stop] & 0xC0 == 0x80:
            stop -= 1
        parts.append(text[start:stop])
        start = stop
    parts.append(text[start:])
    return parts
