"""From arguments to a frame on a link: the half of a client that does no I/O, shared by the blocking and async ones.

A call is encoded completely before it gets an id, so one that can't travel leaves no trace. Its frame is then left with
the link, whose owner flushes: many small calls so become one write. The way back is `settling`.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

from bascule.bridge.client.encoding import (
    JOIN_BELOW,
    Arguments,
    Heads,
    NotSendable,
    call_frame,
    encode_arguments,
    milliseconds,
)
from bascule.bridge.client.futures import RAISED, Answer, Entry
from bascule.bridge.client.proxy import Remote, parts_of
from bascule.bridge.client.settling import LOST_WITH_THE_SERVICE, Settling
from bascule.bridge.client.tracing import Source
from bascule.bridge.errors import HandleLost, ServiceRefused
from bascule.protocols import packed
from bascule.protocols.envelope import HEADER, Codec, Flag, Kind, encode_frame
from bascule.protocols.errors import RemoteProtocolError
from bascule.protocols.limits import MAX_TRACE
from bascule.protocols.service import read_message, write_message
from bascule.protocols.tokens import Handle

_CALL, _MSGPACK = int(Kind.CALL), int(Codec.MSGPACK)
_CAST, _IDEMPOTENT = int(Flag.CAST), int(Flag.IDEMPOTENT)
_pack = HEADER.pack
LinkT = TypeVar("LinkT", bound=Settling)
AnswerT = TypeVar("AnswerT", bound=Answer)


class Calling(Generic[LinkT]):
    """Encodes calls and leaves them with a link; somebody must flush."""

    _link: LinkT

    def __init__(self) -> None:
        self.ids = itertools.count(1)
        self._heads = Heads()
        self._plain_heads = self._heads.calls
        self._trace: Source | None = None
        self._packers: list[Any] = []  # for plain values; each is used by one thread at a time

    def trace(self, source: Source | None) -> None:
        """Send the context that `source` gives ahead of each call; so no call takes the shortest way any more."""
        self._trace = source
        self._plain_heads = self._heads.calls if source is None else {}

    def start(
        self,
        op: int,
        target: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any] | None,
        *,
        takes_object: bool = False,
        want: int = 0,
        timeout: float | None = None,
        flags: int = 0,
        entry_type: Any = Answer,
    ) -> Any:
        """Encode a call and leave it with the link. The arguments are those of `Operations._perform`.

        Raises:
            NotSendable: An argument has no form on the wire.
            HandleLost: The object of a proxy is gone.
        """
        kept: list[Any] | None = None
        token = ""
        if takes_object and args and isinstance(args[0], Remote):
            kept = [args[0]]
            token = self._refer(kept, args[0]).token
            args = args[1:]
        arguments, more = self.encode(args, kwargs)
        if more is not None:
            kept = [*(kept or ()), *more]
        deadline = 0 if timeout is None else milliseconds(timeout)
        return self.launch(op, target, arguments, kept, token, want, deadline, flags, entry_type)

    def plain_call(self, target: str, args: tuple[Any, ...]) -> tuple[int, list[bytes]] | None:
        """The id and frame of a plain call of what was called before with plain values: the usual one. Else None."""
        head = self._plain_heads.get(target)
        if head is None or self._link.broken is not None:
            return None
        for value in args:
            if type(value) is bytes and len(value) >= packed.LARGE:
                return None
        try:
            packer = self._packers.pop()
        except IndexError:
            packer = packed.msgpack.Packer(strict_types=True)
        try:
            arguments = packer.pack([[*args]])
        except Exception:  # it is not plain values; or it can't be sent, and `start` will say why
            return None
        if len(arguments) < JOIN_BELOW:  # its buffer does not shrink
            self._packers.append(packer)
        size = len(head) + len(arguments)
        call_id = next(self.ids)
        header = _pack(size, _CALL, _MSGPACK, 0, call_id, 0, 0)
        return call_id, [header + head + arguments] if size < JOIN_BELOW else [header + head, arguments]

    def quick(self, target: str, args: tuple[Any, ...], entry_type: type[AnswerT]) -> AnswerT | None:
        """`start`, for a plain call; None if it is none."""
        plain = self.plain_call(target, args)
        if plain is None:
            return None
        call_id, frame = plain
        link = self._link
        entry = link.pending[call_id] = entry_type(link, call_id, target)
        link.outbox.buffered += len(frame[-1])  # the larger piece
        link.out.extend(frame)
        return entry

    def encode(self, args: Sequence[Any], kwargs: Mapping[str, Any] | None) -> tuple[Arguments, list[Any] | None]:
        """Arguments as bytes, and the proxies among them.

        Raises:
            NotSendable: One of them has no form on the wire.
        """
        kept: list[Any] = []
        return encode_arguments(args, kwargs, partial(self._refer, kept)), kept or None

    def launch(
        self,
        op: int,
        target: str,
        arguments: Arguments,
        kept: list[Any] | None = None,
        token: str = "",
        want: int = 0,
        deadline_ms: int = 0,
        flags: int = 0,
        entry_type: Any = Answer,
        slot: int | None = None,
    ) -> Any:
        """Leave a call whose arguments are encoded with the link; with `slot`, for the worker in that place alone."""
        link = self._usable()
        head = self._heads.get(op, target, token, want)
        call_id = next(self.ids)
        frame = call_frame(call_id, flags, deadline_ms, head, arguments, slot)
        entry = entry_type(link, call_id, target, kept)
        if flags & _IDEMPOTENT:
            entry.frame = frame
        if not flags & _CAST:
            link.pending[call_id] = entry
        if self._trace is not None and (context := self._trace()):
            trace = encode_frame(Kind.TRACE, Codec.MSGPACK, 0, call_id, 0, 0, context.encode()[:MAX_TRACE])
            link.out.append(trace)  # it is worth no second try: sent again, the call goes without
        link.outbox.buffered += sum(map(len, frame))
        link.out.extend(frame)
        return entry

    def start_request(self, message: dict[str, Any]) -> Entry:
        """Leave a request to the service itself with the link; its answer is read by `read_answer`."""
        link = self._usable()
        link.add_release()  # before it, so that what is listed is what is held
        entry = Entry(link, next(self.ids), f"the request {message['op']!r}")
        link.pending[entry.call_id] = entry
        link.out.append(encode_frame(Kind.CONTROL, Codec.MSGPACK, 0, entry.call_id, 0, 0, write_message(message)))
        return entry

    def _usable(self) -> LinkT:
        """The link that calls are left with."""
        return self._link

    def _refer(self, kept: list[Any], value: Any) -> Handle:
        """The handle for an argument that is a proxy; `kept` holds the proxy while the call runs."""
        if not isinstance(value, Remote):
            raise NotSendable(
                f"an argument of type {type(value).__module__}.{type(value).__qualname__} can't travel: make it of "
                "plain values, or make the object in a worker (client.object) and pass its proxy"
            )
        link, handle = parts_of(value)
        if link is not self._link or link.broken is not None:
            if link.connection is not self:
                raise NotSendable("a proxy of another client: its object lives in that client's session")
            raise HandleLost(LOST_WITH_THE_SERVICE)
        kept.append(value)
        return handle


def read_answer(entry: Entry) -> dict[str, Any]:
    """What the service answered to a request.

    Raises:
        ServiceRefused: It won't do that.
        Disconnected: The connection broke first.
    """
    if entry.state == RAISED:
        raise entry.outcome
    try:
        answer = read_message(entry.outcome)
    except RemoteProtocolError as error:
        raise ServiceRefused(f"the service's answer {error}") from None
    if answer["op"] == "refused":
        raise ServiceRefused(str(answer.get("message", "the service did not say why")))
    return answer
