"""The conversation between a service and its clients, as a state machine without I/O.

    client                                    service
    CONTROL {op: "hello", version: 1, ...} ->
                                           <- CONTROL {op: "hello", version: 1, session: n, ...}
                                              or {op: "refused", message}, and the end
    CALL id 1 ->
    CALL id 2 ->                           <- REPLY id 2, ERROR id 1, ITEM, END, OUTPUT ...
    CANCEL, CREDIT, RELEASE, CONTROL ->    <- CONTROL with the same id
                                           <- CALLBACK number n of call 2; CANCEL n
    NESTED id 3 in the course of n ->      <- REPLY id 3
    REPLY n, ERROR n ->

Every frame is that of `envelope`, its session field 0: a connection *is* a session. The hello comes first, and until
it is whole only `limits.MAX_BEFORE_HELLO` bytes are taken in; calls may follow it at once, without waiting for the
answer. What can't be understood ends the connection, after a frame that says why; a call that can be understood but
not be taken is answered by an ERROR of its own. docs/reference/wire.md is this page for clients in other languages.

`ServiceSide` is the service's end and stands in the way of every frame: it makes tuples, and looks closer only at what
is no CALL. `hello` and `read_welcome` are the client's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgpack

from bascule.protocols.envelope import (
    HEADER,
    HEADER_SIZE,
    MOST_CALL_FLAGS,
    Codec,
    Flag,
    FrameReader,
    Kind,
    encode_frame,
)
from bascule.protocols.errors import ErrorKind, ProtocolError, RemoteProtocolError
from bascule.protocols.limits import MAX_BEFORE_HELLO, MAX_CONTROL, MAX_FRAME, MAX_RELEASE, MAX_TRACE
from bascule.protocols.tokens import TOKEN_LENGTH

VERSION = 1
MAX_NAME = 200  # characters of a client's or a pool's name
MAX_TOKEN = 1000  # characters of the token in a hello

if TYPE_CHECKING:
    from bascule.protocols.envelope import Frame, Payload

    Request = tuple[int, int, int, int, int, Payload]
    """kind, codec, flags, call id, deadline in ms, payload."""

_FRESH = int(Flag.FRESH)
_CALL, _CANCEL, _CREDIT = int(Kind.CALL), int(Kind.CANCEL), int(Kind.CREDIT)
_RELEASE, _CONTROL = int(Kind.RELEASE), int(Kind.CONTROL)
_NESTED, _ANSWERS = int(Kind.NESTED), (int(Kind.REPLY), int(Kind.ERROR))
_PLACED, _TRACE = int(Kind.PLACED), int(Kind.TRACE)
_NUMBER, _SLOT = 8, 2  # bytes of a callback's number, and of a slot's
_MSGPACK, _FIRST_CODEC, _LAST_CODEC = int(Codec.MSGPACK), min(Codec), max(Codec)


class RefusedByService(ProtocolError):
    """The service said no to our hello; the message says why."""


@dataclass(frozen=True)
class Hello:
    """Who connects."""

    client: str = ""
    pool: str | None = None  # none: the service's default
    version: int = VERSION
    callbacks: bool = False  # it answers CALLBACKs
    token: str | None = None  # for listeners that want one


@dataclass(frozen=True)
class Welcome:
    """What the service answers to a hello."""

    session: int
    bascule: str
    pools: list[str] = field(default_factory=list)
    limits: dict[str, Any] = field(default_factory=dict)


class ServiceSide:
    """The service's end of one connection."""

    __slots__ = ("_before_hello", "_early", "_output", "_reader", "hello")

    def __init__(self, max_frame: int = MAX_FRAME, before_hello: int = MAX_BEFORE_HELLO) -> None:
        self.hello: Hello | None = None
        self._early = b""  # what came before the hello was whole
        self._before_hello = before_hello
        self._output: list[bytes] = []
        self._reader = FrameReader(max_frame)

    def receive_data(self, data: bytes) -> list[Request]:
        """Take bytes in, give requests out. The first is always the hello, a CONTROL.

        Raises:
            RemoteProtocolError: This connection can't go on; `take_output` has the frame that says why.
        """
        if self.hello is None:
            data = self._early + data
            if not self._hello_is_whole(data):
                self._early = data
                return []
            self._early = b""
        try:
            frames = self._reader.receive_data(data)
        except RemoteProtocolError as error:
            raise self._refusal(0, str(error)) from None
        return self._requests(frames)

    def buffer(self) -> memoryview | None:
        """Where the next bytes belong, while a large frame is under way (see `envelope.FrameReader`)."""
        return self._reader.buffer()

    def received(self, count: int) -> list[Request]:
        """So many bytes were read into `buffer()`. Like `receive_data`."""
        return self._requests(self._reader.received(count))

    def _requests(self, frames: list[Frame]) -> list[Request]:
        requests: list[Request] = []
        append = requests.append
        for kind, codec, flags, call_id, _session, deadline, payload in frames:
            if (
                kind == _CALL
                and _FIRST_CODEC <= codec <= _LAST_CODEC
                and call_id
                and (flags <= MOST_CALL_FLAGS or flags & ~_FRESH <= MOST_CALL_FLAGS)
            ):
                append((_CALL, codec, flags, call_id, deadline, payload))
            elif kind == _CALL:
                self._refuse_call(codec, flags, call_id)
            elif self.hello is None:
                self._take_hello(codec, call_id, payload)
                append((_CONTROL, _MSGPACK, 0, call_id, 0, payload))
            elif kind == _PLACED or (kind == _NESTED and self.hello.callbacks):
                self._check_prefixed(codec, flags, call_id, payload, _SLOT if kind == _PLACED else _NUMBER)
                append((kind, codec, flags, call_id, deadline, payload))
            else:
                self._check(kind, codec, call_id, payload)
                append((kind, codec, 0, call_id, 0, payload))
        return requests

    def take_output(self) -> bytes:
        """What this end itself has to say: refusals."""
        if not self._output:
            return b""
        output = b"".join(self._output)
        self._output.clear()
        return output

    def _hello_is_whole(self, data: bytes) -> bool:
        """Whether the first frame is there, and before that, whether it can be a hello at all."""
        if len(data) < HEADER_SIZE:
            return False
        length, kind, codec, _flags, call_id, _session, _deadline = HEADER.unpack_from(data)
        if kind != _CONTROL or codec != _MSGPACK:
            problem = f"the first frame is of kind {kind} and codec {codec}, where a hello (11 and 1) must stand"
            raise self._refusal(call_id, problem)
        if length > self._before_hello - HEADER_SIZE:
            raise self._refusal(call_id, f"a hello of {length} bytes is over the limit of {self._before_hello}")
        return len(data) - HEADER_SIZE >= int(length)

    def _take_hello(self, codec: int, call_id: int, payload: Payload) -> None:
        message = self._control(codec, call_id, payload)
        if message["op"] != "hello":
            raise self._refusal(call_id, f"the first request is {message['op']!r:.100}, where 'hello' must stand")
        version = message.get("version")
        if version != VERSION or isinstance(version, bool):
            raise self._refusal(call_id, f"version {version!r:.100} is not spoken here, only {VERSION}")
        client, pool = message.get("client", ""), message.get("pool")
        for name, value in (("client", client), ("pool", "" if "pool" not in message else pool)):
            if not isinstance(value, str) or len(value) > MAX_NAME:
                raise self._refusal(call_id, f"the hello's {name} must be text of at most {MAX_NAME} characters")
        callbacks = message.get("callbacks", False)
        if not isinstance(callbacks, bool):
            raise self._refusal(call_id, "the hello's callbacks must be true or false")
        token = message.get("token")
        if token is not None and (not isinstance(token, str) or len(token) > MAX_TOKEN):
            raise self._refusal(call_id, f"the hello's token must be text of at most {MAX_TOKEN} characters")
        self.hello = Hello(client, pool, VERSION, callbacks, token)

    def _check(self, kind: int, codec: int, call_id: int, payload: Payload) -> None:
        """The rarer requests: each has one form."""
        if kind == _CREDIT:
            if len(payload) != 4:
                raise self._refusal(call_id, f"a CREDIT's payload is 4 bytes, this has {len(payload)}")
        elif kind == _RELEASE:
            if len(payload) > MAX_RELEASE:
                raise self._refusal(call_id, f"a RELEASE of {len(payload)} bytes is over the limit of {MAX_RELEASE}")
            if len(payload) % TOKEN_LENGTH:
                raise self._refusal(
                    call_id, f"a RELEASE's payload is tokens of {TOKEN_LENGTH} bytes, this has {len(payload)}"
                )
        elif kind == _CANCEL:
            if payload:
                raise self._refusal(call_id, f"a CANCEL has no payload, this has {len(payload)} bytes")
        elif kind == _CONTROL:
            self._control(codec, call_id, payload)
        elif kind == _TRACE:
            if len(payload) > MAX_TRACE:
                raise self._refusal(call_id, f"a TRACE of {len(payload)} bytes is over the limit of {MAX_TRACE}")
        elif kind in _ANSWERS and self.hello is not None and self.hello.callbacks:
            if not _FIRST_CODEC <= codec <= _LAST_CODEC:
                raise self._refusal(call_id, _unknown(codec))
        else:
            name = Kind(kind).name if kind in Kind._value2member_map_ else "unknown"
            raise self._refusal(call_id, f"a frame of kind {kind} ({name}) is none that a client may send")

    def _check_prefixed(self, codec: int, flags: int, call_id: int, payload: Payload, number: int) -> None:
        """A NESTED or PLACED call; what is wrong with one of these ends the connection."""
        known = _FIRST_CODEC <= codec <= _LAST_CODEC and flags & ~_FRESH <= MOST_CALL_FLAGS
        if not (known and call_id and len(payload) >= number):
            codecs = f"a codec from {_FIRST_CODEC} to {_LAST_CODEC}"
            problem = f"such a call has {codecs}, an id above 0, and first a number of {number} bytes"
            raise self._refusal(call_id, problem)

    def _control(self, codec: int, call_id: int, payload: Payload) -> dict[str, Any]:
        if codec != _MSGPACK:
            raise self._refusal(call_id, f"a CONTROL is msgpack (codec 1), this says codec {codec}")
        if len(payload) > MAX_CONTROL:
            raise self._refusal(call_id, f"a CONTROL of {len(payload)} bytes is over the limit of {MAX_CONTROL}")
        try:
            return read_message(payload)
        except RemoteProtocolError as error:
            raise self._refusal(call_id, f"a CONTROL's payload {error}") from None

    def _refuse_call(self, codec: int, flags: int, call_id: int) -> None:
        """One call can't be taken; the next ones can."""
        if not call_id:
            problem = "a call's id must not be 0"
        elif not _FIRST_CODEC <= codec <= _LAST_CODEC:
            problem = _unknown(codec)
        else:
            problem = f"the flags {flags:#x} are none of a call: 1 idempotent, with 2 cast or 4 stream, and 16 fresh"
        payload = write_message(_refused_call(problem))
        self._output.append(encode_frame(Kind.ERROR, Codec.MSGPACK, 0, call_id, 0, 0, payload))

    def _refusal(self, call_id: int, problem: str) -> RemoteProtocolError:
        payload = write_message({"op": "refused", "kind": ErrorKind.REFUSED.value, "message": problem})
        self._output.append(encode_frame(Kind.CONTROL, Codec.MSGPACK, 0, call_id, 0, 0, payload))
        return RemoteProtocolError(problem)


def _unknown(codec: int) -> str:
    return f"codec {codec} is unknown; there are {', '.join(f'{one.value} ({one.name})' for one in Codec)}"


def read_message(payload: Payload) -> dict[str, Any]:
    """The map in a CONTROL's payload.

    Raises:
        RemoteProtocolError: It is no msgpack map with a text under "op".
    """
    try:
        message = msgpack.unpackb(payload)
    except (ValueError, TypeError, OverflowError, msgpack.UnpackException) as error:
        raise RemoteProtocolError(f"does not decode: {error or type(error).__name__}") from None
    if not isinstance(message, dict) or not isinstance(message.get("op"), str):
        raise RemoteProtocolError("is no map with a text under 'op'")
    return message


def write_message(message: dict[str, Any]) -> bytes:
    """The payload of a CONTROL: what `read_message` reads."""
    payload: bytes = msgpack.packb(message)
    return payload


def _refused_call(problem: str) -> dict[str, Any]:
    """An error map: what every ERROR carries."""
    empty = dict.fromkeys(("class", "module", "traceback", "cause", "worker", "call", "elapsed_ms"))
    return {**empty, "kind": ErrorKind.REFUSED.value, "message": problem, "frames": [], "notes": [], "details": {}}


def hello(
    call_id: int, *, client: str = "", pool: str | None = None, callbacks: bool = False, token: str | None = None
) -> bytes:
    """The first frame of a client."""
    message: dict[str, Any] = {"op": "hello", "version": VERSION, "client": client[:MAX_NAME]}
    if pool is not None:
        message["pool"] = pool
    if callbacks:
        message["callbacks"] = True
    if token is not None:
        message["token"] = token
    return encode_frame(Kind.CONTROL, Codec.MSGPACK, 0, call_id, 0, 0, write_message(message))


def welcome(answer: Welcome) -> bytes:
    """The payload that answers a hello."""
    return write_message(
        {
            "op": "hello",
            "version": VERSION,
            "bascule": answer.bascule,
            "session": answer.session,
            "pools": answer.pools,
            "limits": answer.limits,
        }
    )


def read_welcome(kind: int, payload: Payload) -> Welcome:
    """The service's answer to our hello.

    Raises:
        RefusedByService: It would not have us.
        RemoteProtocolError: It speaks something else.
    """
    if kind != _CONTROL:
        raise RemoteProtocolError(f"the service's first frame is of kind {kind}, where a welcome (11) must stand")
    try:
        message = read_message(payload)
    except RemoteProtocolError as error:
        raise RemoteProtocolError(f"the service's welcome {error}") from None
    if message["op"] == "refused":
        raise RefusedByService(str(message.get("message", "it did not say why")))
    session, pools, limits = message.get("session"), message.get("pools"), message.get("limits")
    if message["op"] != "hello" or message.get("version") != VERSION or not isinstance(session, int):
        raise RemoteProtocolError(f"the service's welcome is none of version {VERSION}: {message!r:.200}")
    return Welcome(
        session,
        str(message.get("bascule", "")),
        [str(pool) for pool in pools] if isinstance(pools, list) else [],
        limits if isinstance(limits, dict) else {},
    )
