"""Bencode: where one value ends, found without trusting the peer; and values as bytes, both ways.

    integer  i-12e        text  4:spam        list  l...e        dict  d<text><value>...e

A pod's messages carry no length of their own: the end of a dict is known once all that stands in it was seen.
`Framer` takes bytes as they come, cut anywhere, and gives complete values as bytes. It looks at each token once, skips
text by its length, and keeps only a stack of open containers, so its time is linear and its memory is the frame. What
it lets through, `decode` can take without a surprise, recursively.

Strictness: leading zeros, `-0`, a key that is no text, a key without a value, `i-e` and the like are refused; keys that
are unsorted or come twice are accepted (the last counts), since clients write their messages in any order.

A text is `str` where its bytes are UTF-8 and `bytes` where they are not; both are encoded alike.

This is done by hand since a pod's client waits: the libraries that there are import the regular expressions, which
cost a pod as much as all of its own modules.
"""

from __future__ import annotations

from bascule.protocols.errors import LocalProtocolError, RemoteProtocolError
from bascule.protocols.limits import (
    MAX_BENCODE_DEPTH,
    MAX_BENCODE_DIGITS,
    MAX_BENCODE_ELEMENTS,
    MAX_FRAME,
    MAX_LENGTH_DIGITS,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Union

    Value = Union[int, str, bytes, list["Value"], dict[str, "Value"]]
    """What can be encoded."""

_LIST, _KEY, _VALUE = 0, 1, 2  # what an open container waits for: an element, a key, a key's value


class Framer:
    """Cuts a byte stream into complete bencode values."""

    __slots__ = ("_at", "_buffer", "_elements", "_max_depth", "_max_elements", "_max_frame", "_stack", "problem")

    def __init__(
        self,
        *,
        max_frame: int = MAX_FRAME,
        max_depth: int = MAX_BENCODE_DEPTH,
        max_elements: int = MAX_BENCODE_ELEMENTS,
    ) -> None:
        self._max_frame = max_frame
        self._max_depth = max_depth
        self._max_elements = max_elements
        self._buffer = bytearray()  # the unfinished frame
        self._at = 0  # where in the frame the first token begins that is not yet whole
        self._stack: list[int] = []  # the containers that are open there
        self._elements = 0  # values and keys seen in the frame
        self.problem = ""
        """Why nothing more can be understood, once that is so."""

    def receive_data(self, data: bytes) -> list[bytes]:
        """Take bytes in, give whole values out, undecoded.

        Raises:
            RemoteProtocolError: It is no bencode, or over a limit: nothing after this can be understood. Whole values
                before the fault are given first; then this is for the next call to raise.
        """
        if self.problem:
            raise RemoteProtocolError(self.problem)
        frames: list[bytes] = []
        buffer = self._buffer
        start, stop = 0, len(data)
        source: bytes | bytearray = data
        if buffer:
            buffer += data
            source, stop = buffer, len(buffer)
        try:
            while start < stop:
                end = self._scan(source, start, stop)
                if end < 0:
                    break
                frames.append(data[start:end] if source is data else bytes(memoryview(buffer)[start:end]))
                start = end
        except RemoteProtocolError as error:
            self.problem = str(error)
            buffer.clear()
            if not frames:
                raise
            return frames
        if source is buffer:
            del buffer[:start]
        elif start < stop:
            buffer += data[start:]
        return frames

    @property
    def pending(self) -> int:
        """Bytes of an unfinished value: not 0 at the end of a stream means that it was cut off."""
        return len(self._buffer)

    def _scan(self, data: bytes | bytearray, start: int, stop: int) -> int:
        """Where the value that begins at `start` ends, or -1: more bytes are needed."""
        stack = self._stack
        elements = self._elements
        at = start + self._at
        while at < stop:
            byte = data[at]
            if 0x30 <= byte <= 0x39:
                end = self._text_end(data, start, at, stop)
                if end < 0:
                    break
            elif byte == 0x65:  # e
                if not stack or stack[-1] == _VALUE:
                    what = "a dict ends after a key that has no value" if stack else "an end without a beginning"
                    raise _malformed(at - start, what)
                stack.pop()
                end = at + 1
            elif stack and stack[-1] == _KEY:
                raise _malformed(at - start, f"a dict's key is a text, this begins with {bytes([byte])!r}")
            elif byte == 0x69:  # i
                end = _integer_end(data, start, at, stop)
                if end < 0:
                    break
            elif byte == 0x64 or byte == 0x6C:  # d, l
                if len(stack) >= self._max_depth:
                    raise _malformed(at - start, f"nested deeper than {self._max_depth}")
                stack.append(_KEY if byte == 0x64 else _LIST)
                at += 1
                continue
            else:
                raise _malformed(at - start, f"a value begins with a digit, i, l or d, not with {bytes([byte])!r}")
            # A value (or a key) is whole.
            at = end
            if not stack:
                self._at = self._elements = 0
                return at
            elements += 1
            if elements > self._max_elements:
                raise _malformed(at - start, f"more than {self._max_elements} elements")
            if stack[-1]:
                stack[-1] = _KEY + _VALUE - stack[-1]
        self._at = at - start
        self._elements = elements
        if stop - start > self._max_frame:
            raise _malformed(stop - start, f"not whole within the limit of {self._max_frame} bytes")
        return -1

    def _text_end(self, data: bytes | bytearray, start: int, at: int, stop: int) -> int:
        """Where the text at `at` ends; -1 while its length or its bytes are not all there."""
        colon = data.find(b":", at, at + MAX_LENGTH_DIGITS + 1)
        digits = data[at : colon if colon >= 0 else min(stop, at + MAX_LENGTH_DIGITS + 1)]
        if not digits.isdigit() or (len(digits) > 1 and digits[0] == 0x30):
            raise _malformed(at - start, f"{bytes(digits)!r} is no length of a text")
        if colon < 0:
            if len(digits) > MAX_LENGTH_DIGITS:
                raise _malformed(at - start, f"a length of more than {MAX_LENGTH_DIGITS} digits")
            return -1
        end = colon + 1 + int(digits)
        if end - start > self._max_frame:
            raise _malformed(at - start, f"a text of {int(digits)} bytes goes over the limit of {self._max_frame}")
        return end if end <= stop else -1


def decode(frame: bytes) -> Value:
    """The value of one complete frame, as the framer gave it.

    Raises:
        RemoteProtocolError: It is none.
    """
    try:
        value, end = _read(frame, 0)
    except (ValueError, IndexError, TypeError) as error:
        raise RemoteProtocolError(f"a frame of {len(frame)} bytes is no bencode: {error}") from None
    if end != len(frame):
        raise RemoteProtocolError(f"a frame of {len(frame)} bytes is no bencode: it goes on after its end at {end}")
    return value


def encode(value: object) -> bytes:
    """A value as bytes.

    Raises:
        LocalProtocolError: Something in it is neither integer, text, bytes, list nor dict with text keys, or it is too
            deep.
    """
    pieces: list[bytes] = []
    try:
        _write(value, pieces.append)
    except UnicodeEncodeError as error:
        raise LocalProtocolError(f"this can't be written as bencode: {error}") from None
    return b"".join(pieces)


def encode_text(text: bytes) -> bytes:
    """A text as bytes, for those who write a small fixed dict themselves (see `protocols.pod`)."""
    return b"%d:%s" % (len(text), text)


def _integer_end(data: bytes | bytearray, start: int, at: int, stop: int) -> int:
    """Where the integer at `at` ends; -1 while its end is not there."""
    first = at + 1
    limit = first + 1 + MAX_BENCODE_DIGITS + 1  # a sign, the digits, the end
    last = data.find(b"e", first, limit)
    text = data[first : last if last >= 0 else min(stop, limit)]
    digits = text[1:] if text[:1] == b"-" else text
    if len(digits) > MAX_BENCODE_DIGITS:
        raise _malformed(at - start, f"an integer of more than {MAX_BENCODE_DIGITS} digits")
    if digits and (not digits.isdigit() or (digits[0] == 0x30 and len(text) > 1)):
        raise _malformed(at - start, f"{bytes(text[:40])!r} is no integer")
    if last < 0:
        return -1
    if not digits:
        raise _malformed(at - start, "an integer without digits")
    return last + 1


def _read(data: bytes, at: int, depth: int = 0) -> tuple[Value, int]:
    """The value that begins at `at`, and where it ends."""
    if depth > MAX_BENCODE_DEPTH:
        raise ValueError(f"nested deeper than {MAX_BENCODE_DEPTH}")
    byte = data[at]
    if 0x30 <= byte <= 0x39:
        colon = data.index(b":", at)
        end = colon + 1 + int(data[at:colon])
        text = data[colon + 1 : end]
        if end > len(data):
            raise ValueError(f"the text at {at} reaches beyond the end")
        try:
            return text.decode(), end
        except UnicodeDecodeError:
            return text, end
    if byte == 0x64:  # d
        found: dict[str, Value] = {}
        at += 1
        while data[at] != 0x65:
            key, at = _read(data, at, depth + 1)
            found[key if isinstance(key, str) else _odd_key(key)], at = _read(data, at, depth + 1)
        return found, at + 1
    if byte == 0x6C:  # l
        elements: list[Value] = []
        at += 1
        while data[at] != 0x65:
            element, at = _read(data, at, depth + 1)
            elements.append(element)
        return elements, at + 1
    if byte == 0x69:  # i
        end = data.index(b"e", at)
        return int(data[at + 1 : end]), end + 1
    raise ValueError(f"{data[at : at + 1]!r} at {at} begins no value")


def _odd_key(key: Value) -> str:
    """A key that is not UTF-8: nobody looks for it, but it is one."""
    if not isinstance(key, bytes):
        raise ValueError(f"a key is a text, not {type(key).__name__}")
    return key.decode("latin-1")


def _write(value: object, write: Callable[[bytes], None], depth: int = 0) -> None:
    if depth > MAX_BENCODE_DEPTH:
        raise LocalProtocolError(
            f"this can't be written as bencode: nested deeper than {MAX_BENCODE_DEPTH}, or in a circle"
        )
    kind = type(value)
    if isinstance(value, str):
        write(encode_text(value.encode()))
    elif isinstance(value, bytes):
        write(encode_text(value))
    elif kind is int:
        write(b"i%de" % value)  # type: ignore[str-format]
    elif isinstance(value, dict):
        write(b"d")
        try:
            pairs = sorted([(key.encode(), inner) for key, inner in value.items()], key=_first)
        except AttributeError:
            names = {type(key).__name__ for key in value} - {"str"}
            raise LocalProtocolError(f"a bencode key is a text, not {', '.join(sorted(names))}") from None
        for key, inner in pairs:
            write(encode_text(key))
            _write(inner, write, depth + 1)
        write(b"e")
    elif isinstance(value, list):
        write(b"l")
        for inner in value:
            _write(inner, write, depth + 1)
        write(b"e")
    else:
        raise LocalProtocolError(f"bencode has no {kind.__name__}")


def _first(pair: tuple[bytes, Value]) -> bytes:
    return pair[0]


def _malformed(offset: int, what: str) -> RemoteProtocolError:
    return RemoteProtocolError(f"no bencode, {offset} bytes into a message: {what}")
