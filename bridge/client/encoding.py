"""A client's side of the payloads: what it asks for as bytes, and what it is answered as values.

Shared by the blocking and the trio client. Nothing here does I/O.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from bascule.bridge.errors import BasculeError, CallError, from_map
from bascule.protocols import packed
from bascule.protocols.calls import Op, Want, encode_call
from bascule.protocols.envelope import HEADER, Codec, Kind
from bascule.protocols.errors import LocalProtocolError, RemoteProtocolError

if TYPE_CHECKING:
    from bascule.protocols.envelope import Payload

_pack = HEADER.pack
_CALL, _PLACED, _MSGPACK = int(Kind.CALL), int(Kind.PLACED), int(Codec.MSGPACK)
_MOST_HEADS: Final = 4096
_MOST_MS: Final = 2**32 - 1
JOIN_BELOW: Final = 64 << 10  # arguments from here on are not copied into one piece with their header
WANTS: Final = {"auto": Want.AUTO, "value": Want.VALUE, "handle": Want.HANDLE}

Refer = Callable[[Any], Any]
"""What to write for an object that has no form on the wire: a handle, or raises `NotSendable`."""


class NotSendable(BasculeError, TypeError):
    """An argument has no form on the wire: it can travel neither as a value nor as a handle."""


class Heads:
    """The heads of calls as bytes, written once for each target.

    Attributes:
        calls: Those of plain calls with a result of the usual sort: the ones that must be found fast.
    """

    __slots__ = ("_others", "calls")

    def __init__(self) -> None:
        self.calls: dict[str, bytes] = {}
        self._others: dict[tuple[int, str, int], bytes] = {}

    def get(self, op: int, target: str, token: str, want: int) -> bytes:
        """The head of one call.

        Raises:
            NotSendable: The target is too long, or no text.
        """
        if token:
            return _head(op, target, token.encode(), want)
        known: Any = self.calls if op == Op.CALL and want == Want.AUTO else self._others
        key = target if known is self.calls else (op, target, want)
        head: bytes | None = known.get(key)
        if head is None:
            head = _head(op, target, b"", want)
            if len(known) >= _MOST_HEADS:
                known.clear()  # somebody makes up names
            known[key] = head
        return head


def _head(op: int, target: str, token: bytes, want: int) -> bytes:
    if not isinstance(target, str):
        raise NotSendable(f"what to call is named by text such as 'math:pow', not by {type(target).__name__}")
    try:
        return encode_call(op, target, b"", object_token=token, want=want)
    except LocalProtocolError as error:
        raise NotSendable(str(error)) from None


Arguments = bytes | tuple[bytes, bytes]
"""Encoded arguments; in two pieces where the second is large, and the caller's own bytes rather than a copy."""


def encode_arguments(args: Sequence[Any], kwargs: Mapping[str, Any] | None, refer: Refer) -> Arguments:
    """The arguments of a call.

    Raises:
        NotSendable: One of them has no form on the wire.
    """
    if not args and not kwargs:
        return b""
    try:
        if not kwargs:
            for value in args:
                if type(value) is bytes and len(value) >= packed.LARGE:
                    return packed.dumps_arguments(args, refer)
        arguments = [[*args], kwargs] if kwargs else [[*args]]
        return packed.dumps(arguments, default=refer)
    except LocalProtocolError as error:
        raise NotSendable(str(error)) from None


def size_of(arguments: Arguments) -> int:
    """How many bytes they are."""
    return sum(map(len, arguments)) if isinstance(arguments, tuple) else len(arguments)


def call_frame(
    call_id: int, flags: int, deadline_ms: int, head: bytes, arguments: Arguments, slot: int | None = None
) -> list[bytes]:
    """A CALL (PLACED, when it names a slot) as one piece to write, or as two when the arguments are large."""
    kind = _CALL
    if slot is not None:
        kind, head = _PLACED, slot.to_bytes(2, "little") + head
    if isinstance(arguments, tuple):
        start, rest = arguments
        size = len(head) + len(start) + len(rest)
        return [_pack(size, kind, _MSGPACK, flags, call_id, 0, deadline_ms) + head + start, rest]
    size = len(head) + len(arguments)
    header = _pack(size, kind, _MSGPACK, flags, call_id, 0, deadline_ms)
    return [header + head + arguments] if size < JOIN_BELOW else [header + head, arguments]


def milliseconds(timeout: float | None) -> int:
    """A timeout as a frame's deadline.

    Raises:
        ValueError: It is not above 0.
        TypeError: It is no number.
    """
    if timeout is None:
        return 0
    try:
        enough = timeout > 0
    except TypeError:
        raise TypeError(f"a timeout is a number of seconds, not {timeout!r}") from None
    if not enough:
        raise ValueError(f"a timeout must be above 0 seconds, not {timeout!r}")
    return min(math.ceil(timeout * 1000), _MOST_MS)


def want_of(want: str | Want | None) -> int:
    """How the result shall travel, from what the user said.

    Raises:
        ValueError: There is no such way.
    """
    if want is None:
        return 0
    if isinstance(want, Want):
        return want.value
    try:
        return WANTS[want].value
    except KeyError:
        raise ValueError(f"want is one of {', '.join(map(repr, WANTS))}, not {want!r}") from None


def decode_error(payload: Payload) -> CallError:
    """The exception in an ERROR's payload."""
    try:
        return from_map(packed.loads(payload))
    except RemoteProtocolError as error:
        return CallError(f"the error that came as an answer can't be read: {error}")


def client_name() -> str:
    """How a client introduces itself when nothing else is said."""
    return f"{os.path.basename(sys.argv[0] or 'python')} {os.getpid()}"[:100]  # noqa: PTH119  # it may be any text
