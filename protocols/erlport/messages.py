"""The conversation with an Erlang node that believes it has started ErlPort's own Python.

    Erlang -> Python   {'C', Id, Module, Function, Args}   {'M', Message}   {'r', Id, Value}   {'e', Id, Error}
    Python -> Erlang   {'C', Id, Module, Function, Args, Context}   {'M', Pid, Message}   {'P', Text}
                       {'r', Id, Value}   {'e', Id, Error}   {'e', Error}

Frames come in and go out here; what they carry is not decoded yet: arguments and values may hold pickles, and whatever
goes wrong with those is for the thread that wants them. An id is handed back as the bytes that it came in.

What a node should never send is an event too, and no exception: `Refused` where somebody waits for an answer,
`Unreadable` where nobody can be told. Frames have lengths, so the next one is understood again.
"""

from __future__ import annotations

import struct

from bascule.protocols.erlport import atoms
from bascule.protocols.erlport.decode import decode_term
from bascule.protocols.erlport.encode import encode_pieces, encode_scalar, encode_term
from bascule.protocols.erlport.frames import LENGTHS, FrameCutter, Oversized
from bascule.protocols.erlport.terms import Atom, List
from bascule.protocols.errors import RemoteProtocolError
from bascule.protocols.etf_compressed import uncompress
from bascule.protocols.etf_skip import term_end
from bascule.protocols.limits import MAX_FRAME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Final, Union

    Event = Union["Call", "Message", "Answer", "Refused", "Unreadable"]

_u16 = struct.Struct(">H").unpack_from
_u32 = struct.Struct(">I").pack
_u32_at = struct.Struct(">I").unpack_from
_CALL_OLD: Final = b"\x83h\x05d\x00\x01C"  # as nodes before OTP 26 write an atom, and as later ones do
_CALL_NEW: Final = b"\x83h\x05w\x01C"
_REPLY: Final = b"\x83h\x03d\x00\x01r"
_ERROR: Final = b"\x83h\x03d\x00\x01e"
_HANDLER_ERROR: Final = b"\x83h\x02d\x00\x01e"
_OUTPUT: Final = b"\x83h\x02d\x00\x01P"
_CAST: Final = b"\x83h\x03d\x00\x01M"
_OUTGOING: Final = b"\x83h\x06d\x00\x01C"
_MOST_TARGETS: Final = 4096
_LARGE: Final = 1 << 17  # bytes of a piece that is written from where it is; others are joined
_LONGEST_CLASS: Final = 255
_WIDEST: Final = 5  # bytes of a character in a list


class Call:
    """Erlang calls a function.

    Attributes:
        id: The id, as it is encoded.
        module: The module's name.
        names: What to look up in it, in turn.
    """

    __slots__ = ("_frame", "_position", "id", "module", "names")

    def __init__(self, id: bytes, module: str, names: tuple[str, ...], frame: bytes, position: int) -> None:
        self.id = id
        self.module = module
        self.names = names
        self._frame = frame
        self._position = position

    def arguments(self) -> Sequence[Any]:
        """The arguments.

        Raises:
            RemoteProtocolError: They are no list, or no term.
            Exception: Whatever unpickling raises.
        """
        frame, position = self._frame, self._position
        if frame[position : position + 1] == b"k" and len(frame) == position + 3 + _u16(frame, position + 1)[0]:
            return frame[position + 3 :]  # small integers alone: bytes are as good as a list of them
        arguments, end = decode_term(frame, position)
        if type(arguments) is not List:
            raise RemoteProtocolError(f"the arguments of a call are a list, not {arguments!r:.80}")
        if end != len(self._frame):
            raise RemoteProtocolError(f"the message ends at byte {end}, but {len(self._frame) - end} more follow")
        return arguments


class _Carrier:
    """What has one term to carry."""

    __slots__ = ("_frame", "_position")

    def __init__(self, frame: bytes, position: int) -> None:
        self._frame = frame
        self._position = position

    def value(self) -> Any:
        """The term; raises as `Call.arguments` does."""
        value, end = decode_term(self._frame, self._position)
        if end != len(self._frame):
            raise RemoteProtocolError(f"the message ends at byte {end}, but {len(self._frame) - end} more follow")
        return value


class Message(_Carrier):
    """Erlang sends a message, for the message handler."""

    __slots__ = ()


class Answer(_Carrier):
    """Erlang's answer to a call of ours.

    Attributes:
        id: The number of that call.
        failed: Whether it carries an error.
    """

    __slots__ = ("failed", "id")

    def __init__(self, id: int, failed: bool, frame: bytes, position: int) -> None:
        super().__init__(frame, position)
        self.id = id
        self.failed = failed


class Refused:
    """A call that can't be made; `id` wants to know the reason."""

    __slots__ = ("id", "reason")

    def __init__(self, id: bytes, reason: str) -> None:
        self.id = id
        self.reason = reason


class Unreadable:
    """A frame that is nothing of ErlPort's, and who sent it can't be told."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason


class ErlportConversation:
    """Python's end of one port.

    Args:
        packet: N of the port's {packet, N}: 1, 2 or 4.
        compressed: zlib's level for what goes out, 0 for none.
        max_frame: The limit of a frame that comes in.

    Attributes:
        missing: Bytes that an unfinished frame still needs: a reader may want to take larger steps.
    """

    __slots__ = (
        *("_between", "_compressed", "_cutter", "_largest", "_last", "_length", "_max_frame", "_packet", "_targets"),
        "missing",
    )

    def __init__(self, packet: int = 4, compressed: int = 0, max_frame: int = MAX_FRAME) -> None:
        self._packet = packet
        self._compressed = compressed
        self._max_frame = max_frame
        self._cutter = FrameCutter(packet, max_frame)
        self._length = LENGTHS[packet].pack
        self._largest = (1 << 8 * packet) - 1
        self._targets: dict[bytes, tuple[str, tuple[str, ...]]] = {}
        # All that stood before the last call's arguments, and what it means: a caller that waits for each answer sends
        # the same again.
        self._last: tuple[bytes, bytes, str, tuple[str, ...]] = (b"\0", b"", "", ())
        self._between = packet == 4  # the next byte begins a frame, in a packet that the short way is for
        self.missing = 0

    def receive_data(self, data: bytes) -> Sequence[Event]:
        """Take bytes in, give events out."""
        if self._between and len(data) > 4 and _u32_at(data)[0] == len(data) - 4:
            head, call_id, module, names = self._last
            if data.startswith(head, 4):
                return (Call(call_id, module, names, data, 4 + len(head)),)
        events = [self._event(frame) for frame in self._cutter.receive_data(data)]
        self._between = self._packet == 4 and self._cutter.empty
        self.missing = self._cutter.missing
        return events

    # What comes in

    def _event(self, frame: bytes | Oversized) -> Event:
        if type(frame) is Oversized:
            return self._oversized(frame)
        try:
            if frame.startswith(_CALL_OLD):  # type: ignore[union-attr]
                return self._call(frame, 7)  # type: ignore[arg-type]
            if frame.startswith(_CALL_NEW):  # type: ignore[union-attr]
                return self._call(frame, 6)  # type: ignore[arg-type]
            return self._other(frame)  # type: ignore[arg-type]
        except RemoteProtocolError as error:
            return Unreadable(str(error))

    def _call(self, frame: bytes, position: int) -> Event:
        """A call whose id begins at the position."""
        tag = frame[position] if position < len(frame) else 0
        after_id = position + 2 if tag == 97 else term_end(frame, position)
        call_id = frame[position:after_id]
        try:
            after_module = _atom_end(frame, after_id)
            after_function = _atom_end(frame, after_module)
        except (IndexError, struct.error):
            return Refused(call_id, "the message is cut off within the names of module and function")
        raw = frame[after_id:after_function]
        target = self._targets.get(raw)
        if target is None:
            try:
                target = self._new_target(frame, raw, after_id, after_module)
            except RemoteProtocolError as error:
                return Refused(call_id, str(error))
        self._last = (frame[:after_function], call_id, target[0], target[1])
        return Call(call_id, target[0], target[1], frame, after_function)

    def _new_target(self, frame: bytes, raw: bytes, after_id: int, after_module: int) -> tuple[str, tuple[str, ...]]:
        names = []
        for position in (after_id, after_module):
            atom, _ = decode_term(frame, position)
            name = _text(atom)
            if name is None:
                raise RemoteProtocolError(f"module and function of a call are atoms, not {atom!r:.80}")
            names.append(name)
        target = names[0], tuple(names[1].split("."))
        if len(self._targets) < _MOST_TARGETS:
            self._targets[raw] = target
        return target

    def _other(self, frame: bytes) -> Event:
        if frame[:1] != b"\x83":
            raise RemoteProtocolError(f"a frame of {len(frame)} bytes is no external term: it does not begin with 131")
        position = 1
        if frame[1:2] == b"P":
            plain, end = uncompress(frame)
            if end != len(frame):
                raise RemoteProtocolError(f"a frame has {len(frame) - end} bytes behind its compressed term")
            frame, position = b"\x83" + plain, 1
        if frame[position : position + 1] != b"h" or len(frame) < position + 2:
            raise RemoteProtocolError(
                f"a message is a tuple, not a term with the tag {frame[position : position + 1]!r}"
            )
        arity = frame[position + 1]
        if not arity:
            raise RemoteProtocolError("a message is a tuple that says what it is, not an empty one")
        kind, position = decode_term(frame, position + 2)
        if kind == b"C" and arity == 5:
            return self._call(frame, position)
        if kind == b"M" and arity == 2:
            return Message(frame, position)
        if kind in (b"r", b"e") and arity == 3:
            number, position = decode_term(frame, position)
            if type(number) is not int:
                raise RemoteProtocolError(f"an answer has the number of a call, not {number!r:.80}")
            return Answer(number, kind == b"e", frame, position)
        raise RemoteProtocolError(f"a message of {arity} elements that begins with {kind!r:.80} is none of ErlPort's")

    def _oversized(self, frame: Oversized) -> Event:
        reason = f"a message of {frame.length} bytes is over the limit of {self._max_frame}"
        event = self._event(frame.beginning)
        return Refused(event.id, reason) if isinstance(event, (Call, Refused)) else Unreadable(reason)

    # What goes out: each as pieces to write

    def reply(self, call_id: bytes, value: object) -> list[bytes]:
        """The result of a call.

        Raises:
            ValueError: It does not travel, or is too long for a frame.
        """
        scalar = encode_scalar(value)
        if scalar is not None:
            term = _REPLY + call_id + scalar
            if len(term) <= self._largest:
                return [self._length(len(term)) + term]
        return self._frame([_REPLY, call_id, *encode_pieces(value)], "the result")

    def error(self, call_id: bytes | None, classes: Sequence[str], text: str, frames: Sequence[str]) -> list[bytes]:
        """The error that a call ended with; without an id that of the message handler. It never fails.

        Args:
            call_id: As it came.
            classes: The name of the error's class, and those of its bases, for a node that has no room for the first.
            text: What it says.
            frames: Where it happened, innermost first.
        """
        head = [_HANDLER_ERROR] if call_id is None else [_ERROR, call_id]
        name = _class_atom(classes)
        while True:
            term = encode_term((Atom(b"python"), name, text, list(frames)))
            try:
                return self._frame([*head, term], "the error")
            except ValueError:
                if not frames and not text:
                    return self._frame([*head, encode_term(Atom(b"python"))], "the error")
                if frames:
                    frames = ()
                else:
                    text = text[: len(text) // 2]

    def call(self, number: int, module: Atom, function: Atom, arguments: list[object], context: Atom) -> list[bytes]:
        """A call to Erlang; ValueError as for `reply`."""
        pieces = encode_pieces((number, module, function, arguments, context))
        return self._frame([_OUTGOING, *pieces[1:]], "the call")

    def cast(self, pid: object, message: object) -> list[bytes]:
        """A message to a process; ValueError as for `reply`."""
        return self._frame([_CAST, *encode_pieces((pid, message))[1:]], "the message")

    def output(self, text: str) -> list[bytes]:
        """Printed text, in as many frames as it needs."""
        room = (self._largest - 32) // _WIDEST
        pieces: list[bytes] = []
        for start in range(0, len(text), room):
            pieces += self._frame([_OUTPUT, encode_term(text[start : start + room])], "the text")
        return pieces

    def _frame(self, pieces: list[bytes], what: str) -> list[bytes]:
        if self._compressed:
            pieces = self._compress(pieces)
        length = sum(map(len, pieces))
        if length > self._largest:
            remedy = "start with {packet, 4}" if self._packet < 4 else "send it in parts"
            raise ValueError(f"{what} has {length} bytes, {{packet, {self._packet}}} carries {self._largest}: {remedy}")
        pieces.insert(0, self._length(length))
        return [b"".join(pieces)] if length < _LARGE or max(map(len, pieces)) < _LARGE else _gathered(pieces)

    def _compress(self, pieces: list[bytes]) -> list[bytes]:
        import zlib

        term = b"".join(pieces)[1:]
        smaller = zlib.compress(term, self._compressed)
        if len(smaller) + 5 > len(term):
            return pieces
        return [b"\x83P", _u32(len(term)), smaller]


def _gathered(pieces: list[bytes]) -> list[bytes]:
    """The large pieces as they are, and what is between them joined."""
    gathered: list[bytes] = []
    between: list[bytes] = []
    for piece in pieces:
        if len(piece) < _LARGE:
            between.append(piece)
        else:
            gathered += (b"".join(between), piece)
            between.clear()
    gathered.append(b"".join(between))
    return gathered


def _atom_end(frame: bytes, position: int) -> int:
    """Where an atom ends, or any other term, which is seen for what it is later."""
    tag = frame[position]
    if tag == 100 or tag == 118:
        return position + 3 + int(_u16(frame, position + 1)[0])
    if tag == 119 or tag == 115:
        return position + 2 + frame[position + 1]
    return term_end(frame, position)


def _text(atom: object) -> str | None:
    """The name of an atom, also of those that are constants here."""
    if isinstance(atom, Atom):
        return atom.decode()
    if atom is None:
        return "undefined"
    return str(atom).lower() if isinstance(atom, bool) else None


def _class_atom(classes: Sequence[str]) -> Atom:
    """The first of these names that may go out as an atom."""
    for name in classes:
        atom = Atom(name[:_LONGEST_CLASS].encode("utf-8", "replace"))
        try:
            if atom not in atoms.written:
                atoms.write_new(atom, atoms.MOST_NEW + atoms.MOST_CLASSES)
        except ValueError:
            continue
        return atom
    return Atom(b"python")
