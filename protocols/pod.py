"""The conversation with a babashka pod's client: bencode dicts both ways, matched by ids.

**What a client says.** `describe` (with or without an id), `invoke` {id, var, args}, `load-ns` {id, ns}, `shutdown`
{id}. A client that remembers an earlier description begins with invoke or load-ns.

**What it hears.** Any number of messages with a request's id: `out` and `err` texts, `value`s of a stream, and one last
message whose `status` says `done`. Which message may answer which request, and which ends it, is the table `_REPLIES`.
Replies may overtake each other.

**What must never be said.** Clients die or hang for good on a reply without id, on a status that is no list, on
ex-data that is no map in the payload's format, and on any stray byte. A reader that has asked for the description takes
the next message for it, whatever it is. So this machine

- writes only whole messages that it made itself, and only with the id of a request that is open;
- keeps what is ready too early until the first description is out, if the client began by asking for it;
- gives no second end to an id: a request whose id is in use is not answered at all, only reported.

`receive_data` takes bytes, `next_event` gives what they say; the `send_...` methods make messages, `take` hands over
what is to be written, in pieces so that a large payload is not copied. Payloads (args, values, ex-data) are bytes that
are passed on as they are.

A pod should answer soon after its start, so nothing here needs dataclasses or typing at run time.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress

from bascule.protocols import bencode
from bascule.protocols.errors import LocalProtocolError, RemoteProtocolError
from bascule.protocols.limits import MAX_FRAME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, Union

    Id = Union[str, bytes, int]
    """What a client may call a request. bcoding gives bytes for what is not UTF-8; it goes back as it came."""

    Event = Union["Describe", "Invoke", "LoadNamespace", "Shutdown", "Refused"]

_SMALL: Final = 1 << 12  # a payload up to this size is joined to its message rather than written beside it

# request -> reply -> whether it is the last one
_REPLIES: Final = {
    "invoke": {"out": False, "item": False, "value": True, "done": True, "error": True},
    "load-ns": {"namespace": True},  # clients take any reply for the namespace: an error would end their reading
    "shutdown": {"done": True},
    "refused": {"error": True},
}


class _Event:
    """A value with named fields: compared and shown by them."""

    __slots__: tuple[str, ...] = ()

    def _fields(self) -> tuple[object, ...]:
        return tuple([getattr(self, name) for name in self.__slots__])

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and isinstance(other, _Event) and other._fields() == self._fields()

    def __hash__(self) -> int:
        return hash(self._fields())

    def __repr__(self) -> str:
        return f"{type(self).__name__}{self._fields()!r}"


class Describe(_Event):
    """The client wants to know what there is. Answered by `send_description`."""

    __slots__ = ("id",)

    def __init__(self, id: Id | None) -> None:
        self.id = id


class Invoke(_Event):
    """A call. `args` is text in the payload format, or empty; it was not looked at."""

    __slots__ = ("id", "var", "args")  # noqa: RUF023 (the order in which they are shown)

    def __init__(self, id: Id, var: str, args: bytes) -> None:
        self.id = id
        self.var = var
        self.args = args


class LoadNamespace(_Event):
    """The client needs a namespace that was described as deferred. Answered by `send_namespace`."""

    __slots__ = ("id", "name")

    def __init__(self, id: Id, name: str) -> None:
        self.id = id
        self.name = name


class Shutdown(_Event):
    """The client waits for this process to end. What it said after this is not read."""

    __slots__ = ("id",)

    def __init__(self, id: Id | None) -> None:
        self.id = id


class Refused(_Event):
    """A message that is no request: answer its id with an error; without an id nobody can be told."""

    __slots__ = ("id", "reason")

    def __init__(self, id: Id | None, reason: str) -> None:
        self.id = id
        self.reason = reason


class PodConnection:
    """The pod's side of one conversation."""

    def __init__(self, *, payload_format: str = "json", max_frame: int = MAX_FRAME) -> None:
        self.payload_format = payload_format
        self._framer = bencode.Framer(max_frame=max_frame)
        self._frames: deque[bytes] = deque()  # whole, not decoded yet
        self._problem = ""
        self._open: dict[Id, tuple[str, bytes]] = {}  # id -> which request, and the id as bencode
        self._describes: list[Id | None] = []  # not answered yet
        self._begun = False
        self._ended = False
        self._out: list[bytes] = []
        self._held: list[bytes] | None = None  # what must wait for the first description

    # -- what the client says ------------------------------------------------------------------------------------

    def receive_data(self, data: bytes) -> None:
        """Take bytes in. What they say comes from `next_event`."""
        if not (self._ended or self._framer.problem):
            with suppress(RemoteProtocolError):  # raised by next_event, after the requests that came before it
                self._frames.extend(self._framer.receive_data(data))

    def next_event(self) -> Event | None:
        """The next request that is whole; None: more bytes are needed.

        Raises:
            RemoteProtocolError: What comes next is no bencode, or no dict. Nothing after this can be understood.
        """
        if self._problem:
            raise RemoteProtocolError(self._problem)
        if not self._frames:
            if self._framer.problem and not self._ended:
                raise RemoteProtocolError(self._framer.problem)
            return None
        message = bencode.decode(self._frames.popleft())
        if not isinstance(message, dict):
            self._problem = f"a pod's client sends dicts, not a {type(message).__name__}"
            raise RemoteProtocolError(self._problem)
        event = self._request(message)
        if not self._begun:
            self._begun = True
            if type(event) is Describe:
                self._held = []
        if type(event) is Shutdown:
            self._ended = True
            self._frames.clear()
        return event

    def _request(self, message: dict[str, bencode.Value]) -> Event:
        op = message.get("op")
        given = message.get("id")
        id = given if isinstance(given, (str, bytes, int)) else None
        if op == "describe":
            self._describes.append(id)
            return Describe(id)
        if id is None:
            if op == "shutdown":
                return Shutdown(None)
            return Refused(None, f"a message without a usable id (op {op!r}): nobody could be answered")
        if id in self._open:
            return Refused(None, f"the id {id!r} is still in use: its second message (op {op!r}) is ignored")
        event, kind = self._request_with_id(message, op, id)
        written = bencode.encode(id) if isinstance(id, int) else bencode.encode_text(_bytes(id))
        self._open[id] = (kind, written)
        return event

    def _request_with_id(self, message: dict[str, bencode.Value], op: object, id: Id) -> tuple[Event, str]:
        if op == "invoke":
            var, args = message.get("var"), message.get("args", b"")
            if not isinstance(var, str):
                return Refused(id, "invoke needs a var, as text: namespace/name"), "refused"
            if not isinstance(args, (str, bytes)):
                return Refused(id, f"the args of {var} must be text, not a {type(args).__name__}"), "refused"
            return Invoke(id, var, _bytes(args)), "invoke"
        if op == "load-ns":
            name = message.get("ns")
            if not isinstance(name, str):
                return Refused(id, "load-ns needs an ns, as text"), "refused"
            return LoadNamespace(id, name), "load-ns"
        if op == "shutdown":
            return Shutdown(id), "shutdown"
        known = "describe, invoke, load-ns and shutdown"
        return Refused(id, f"no such op: {op!r}; there are {known}"), "refused"

    @property
    def open_calls(self) -> list[Id]:
        """The calls that wait for their last reply."""
        return [id for id, (request, _) in self._open.items() if request == "invoke"]

    def is_open(self, id: object) -> bool:
        """Whether something may still be said to this id."""
        return id in self._open

    @property
    def pending(self) -> int:
        """Bytes of an unfinished message: not 0 at the end of the input means that it was cut off."""
        return self._framer.pending

    # -- what it hears -------------------------------------------------------------------------------------------

    def take(self) -> list[bytes]:
        """What is to be written now, in pieces."""
        out = self._out
        if out:
            self._out = []
        return out

    def send_description(self, namespaces: list[bencode.Value], ops: list[str]) -> None:
        """Answer every describe that waits.

        Args:
            namespaces: Dicts {name, vars [{name, meta, ...}], defer}. The first one's name is the pod's id.
            ops: What is understood beyond describe and invoke.
        """
        if not namespaces:
            raise LocalProtocolError("a pod describes at least one namespace: the first names the pod")
        asked, self._describes = self._describes, []
        known: dict[str, bencode.Value] = {op: {} for op in ops}
        message: dict[str, bencode.Value] = {"format": self.payload_format, "namespaces": namespaces, "ops": known}
        for id in asked:
            self._out.append(bencode.encode(message if id is None else {**message, "id": id}))
        if asked and self._held is not None:
            self._out += self._held
            self._held = None

    def send_namespace(self, id: Id, namespace: dict[str, bencode.Value]) -> None:
        """The vars of a deferred namespace."""
        self._close(id, "namespace")
        self._write([bencode.encode({**namespace, "id": id, "status": ["done"]})])

    def send_value(self, id: Id, payload: bytes) -> None:
        """The result of a call, its last message."""
        written = self._close(id, "value")
        self._write_payload(b"d2:id%s6:statusl4:donee5:value%d:" % (written, len(payload)), payload)

    def send_item(self, id: Id, payload: bytes) -> None:
        """One value of a stream; more messages follow."""
        written = self._close(id, "item")
        self._write_payload(b"d2:id%s5:value%d:" % (written, len(payload)), payload)

    def send_done(self, id: Id) -> None:
        """The end, without a value."""
        written = self._close(id, "done")
        self._write([b"d2:id%s6:statusl4:doneee" % written])

    def send_error(self, id: Id, message: str, data: bytes) -> None:
        """The end by an error.

        Args:
            id: Whose.
            message: For people.
            data: A map in the payload format.

        Raises:
            LocalProtocolError: `data` is no map; it would kill the client.
        """
        if data[:1] != b"{" or data[-1:] != b"}":
            raise LocalProtocolError(f"ex-data must be a map, not {data[:40]!r}")
        self._close(id, "error")
        reply: dict[str, bencode.Value] = {
            "ex-data": data,
            "ex-message": message.encode("utf-8", "replace"),
            "id": id,
            "status": ["done", "error"],
        }
        self._write([bencode.encode(reply)])

    def send_output(self, id: Id, text: bytes, *, err: bool = False) -> None:
        """What a call printed. The client ends each text with a newline of its own, so one at the end is taken off."""
        written = self._close(id, "out")
        if text:
            if text[-1:] == b"\n":
                text = text[:-1]
            said = b"%s%s" % (b"3:err" if err else b"3:out", bencode.encode_text(text))
            self._write([b"d%s2:id%se" % (said, written) if err else b"d2:id%s%se" % (written, said)])

    def _close(self, id: Id, reply: str) -> bytes:
        """The id as bencode, if this reply may be given to it; after the last one it is forgotten."""
        try:
            request, written = self._open[id]
            last = _REPLIES[request][reply]
        except KeyError:
            raise LocalProtocolError(f"no request {id!r} is open that {reply} may answer") from None
        if last:
            del self._open[id]
        return written

    def _write(self, pieces: list[bytes]) -> None:
        out = self._out if self._held is None else self._held
        out += pieces

    def _write_payload(self, before: bytes, payload: bytes) -> None:
        self._write([before + payload + b"e"] if len(payload) <= _SMALL else [before, payload, b"e"])


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text
