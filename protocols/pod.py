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
are passed on as they are. An id is kept as it stands in bencode (`b"2:id"`, `b"i5e"`): it is only compared, and goes
back as it came.

Nearly all that a client ever says is `invoke`, in one and the same spelling, since bencode sorts its keys. `invoke_at`
reads that spelling where it stands, `lone_invoke` where it stands alone; both leave all others, and whatever is odd, to
the conversation. A door that uses them keeps its own account in `open`.

A pod should answer soon after its start, so nothing here needs dataclasses or typing at run time.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress

from bascule.protocols import bencode
from bascule.protocols.errors import LocalProtocolError, RemoteProtocolError
from bascule.protocols.limits import MAX_FRAME
from bascule.protocols.pod_events import Describe, Invoke, LoadNamespace, Refused, Shutdown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from bascule.protocols.envelope import Payload
    from bascule.protocols.pod_events import Event, Id

SMALL: Final = 1 << 12  # a payload up to this size is joined to its message rather than written beside it

INVOKE: Final = "invoke"
"""The request that an id in `open` belongs to, when it is a call."""

CALLING: Final = "calling"
"""The same for a call that may call its client's functions: it hears of them, and of its value, as of items."""

INVOKE_KEY: Final = b"2:op6:invoke3:var"
"""What stands between the id and the var of a call, in the spelling of all clients."""

# request -> reply -> whether it is the last one
_REPLIES: Final = {
    INVOKE: {"out": False, "item": False, "value": True, "done": True, "error": True},
    CALLING: {"out": False, "item": False, "value": True, "done": True, "error": True},
    "load-ns": {"namespace": True},  # clients take any reply for the namespace: an error would end their reading
    "shutdown": {"done": True},
    "refused": {"error": True},
}


class PodConnection:
    """The pod's side of one conversation."""

    def __init__(self, *, payload_format: str = "json", max_frame: int = MAX_FRAME) -> None:
        self.payload_format = payload_format
        self._framer = bencode.Framer(max_frame=max_frame)
        self._frames: deque[bytes] = deque()  # whole, not decoded yet
        self._problem = ""
        self.open: dict[Id, str] = {}
        """The ids that may still be answered, and which request each belongs to."""
        self._describes: list[Id | None] = []  # not answered yet
        self._is_map = _MAPS.get(payload_format, _MAPS["json"])
        self._begun = False
        self._ended = False
        self.out: list[Payload] = []
        """What is to be written now: always this very list."""
        self.held: list[Payload] | None = None
        """What must wait for the first description; None: nothing must."""

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
        frame = self._frames.popleft()
        usual = invoke_at(frame, 0)  # whose arguments, which may be large, need not become text and bytes again
        if usual is not None and usual[0] not in self.open:
            id, name, args, _ = usual
            with suppress(UnicodeDecodeError):
                call = Invoke(id, name.decode(), args)
                self.open[id] = INVOKE
                self._begun = True
                return call
        message = bencode.decode(frame)
        if not isinstance(message, dict):
            self._problem = f"a pod's client sends dicts, not a {type(message).__name__}"
            raise RemoteProtocolError(self._problem)
        event = self._request(message)
        if not self._begun:
            self._begun = True
            if type(event) is Describe:
                self.held = []
        if type(event) is Shutdown:
            self._ended = True
            self._frames.clear()
        return event

    def _request(self, message: dict[str, bencode.Value]) -> Event:
        op = message.get("op")
        given = message.get("id")
        id = None
        if isinstance(given, int):
            id = b"i%de" % given
        elif isinstance(given, (str, bytes)):
            id = bencode.encode_text(_bytes(given))
        if op == "describe":
            self._describes.append(id)
            return Describe(id)
        if id is None:
            if op == "shutdown":
                return Shutdown(None)
            return Refused(None, f"a message without a usable id (op {op!r}): nobody could be answered")
        if id in self.open:
            return Refused(None, f"the id {given!r} is still in use: its second message (op {op!r}) is ignored")
        event, kind = self._request_with_id(message, op, id)
        self.open[id] = kind
        return event

    def _request_with_id(self, message: dict[str, bencode.Value], op: object, id: Id) -> tuple[Event, str]:
        if op == "invoke":
            var, args = message.get("var"), message.get("args", b"")
            if not isinstance(var, str):
                return Refused(id, "invoke needs a var, as text: namespace/name"), "refused"
            if not isinstance(args, (str, bytes)):
                return Refused(id, f"the args of {var} must be text, not a {type(args).__name__}"), "refused"
            return Invoke(id, var, _bytes(args)), INVOKE
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
        return [id for id, request in self.open.items() if request is INVOKE or request is CALLING]

    @property
    def plain(self) -> bool:
        """Whether what comes next may be read by `invoke_at`: nothing waits, nothing is half read or forbidden."""
        return self._begun and not (self._frames or self._framer.pending or self._framer.problem or self._ended)

    @property
    def pending(self) -> int:
        """Bytes of an unfinished message: not 0 at the end of the input means that it was cut off."""
        return self._framer.pending

    # -- what it hears -------------------------------------------------------------------------------------------

    def take(self) -> list[Payload]:
        """What is to be written now, in pieces."""
        out = self.out[:]
        self.out.clear()
        return out

    def send_description(
        self, namespaces: list[bencode.Value], ops: list[str], readers: dict[str, bencode.Value] | None = None
    ) -> None:
        """Answer every describe that waits.

        Args:
            namespaces: Dicts {name, vars [{name, meta, ...}], defer}. The first one's name is the pod's id.
            ops: What is understood beyond describe and invoke.
            readers: For EDN: tag -> the client's function that reads it. One that is not told kills the client.
        """
        if not namespaces:
            raise LocalProtocolError("a pod describes at least one namespace: the first names the pod")
        asked, self._describes = self._describes, []
        begin = b"d6:format" + bencode.encode(self.payload_format)
        rest = b"10:namespaces%b3:ops%b" % (bencode.encode(namespaces), bencode.encode({op: {} for op in ops}))
        if readers:
            rest += b"7:readers" + bencode.encode(dict(readers))
        for id in asked:
            self.out.append(begin + (b"" if id is None else b"2:id" + id) + rest + b"e")
        if asked and self.held is not None:
            self.out += self.held
            self.held = None

    def send_namespace(self, id: Id, name: str, variables: list[bencode.Value]) -> None:
        """The vars of a deferred namespace."""
        self._close(id, "namespace")
        named, described = bencode.encode(name), bencode.encode(variables)
        self._write([b"d2:id%b4:name%b6:statusl4:donee4:vars%be" % (id, named, described)])

    def send_value(self, id: Id, payload: Payload) -> None:
        """The result of a call, its last message."""
        self._close(id, "value")
        self._write(_with_payload(b"d2:id%b6:statusl4:donee5:value%d:" % (id, len(payload)), payload))

    def send_item(self, id: Id, payload: Payload) -> None:
        """One value of a stream; more messages follow."""
        self._close(id, "item")
        self._write(_with_payload(b"d2:id%b5:value%d:" % (id, len(payload)), payload))

    def send_done(self, id: Id) -> None:
        """The end, without a value."""
        self._close(id, "done")
        self._write([b"d2:id%b6:statusl4:doneee" % id])

    def send_error(self, id: Id, message: str, data: bytes) -> None:
        """The end by an error.

        Args:
            id: Whose.
            message: For people.
            data: A map in the payload format.

        Raises:
            LocalProtocolError: `data` is no map; it would kill the client.
        """
        if not (data.startswith(self._is_map[0]) and data.endswith(self._is_map[1])):
            raise LocalProtocolError(f"ex-data must be a map, not {data[:40]!r}")
        self._close(id, "error")
        said = message.encode("utf-8", "replace")
        text = bencode.encode_text
        self._write(
            [b"d7:ex-data%b10:ex-message%b2:id%b6:statusl4:done5:erroree" % (text(data), text(said), id)],
        )

    def send_output(self, id: Id, text: bytes, *, err: bool = False) -> None:
        """What a call printed. The client ends each text with a newline of its own, so one at the end is taken off."""
        self._close(id, "out")
        if text:
            if text[-1:] == b"\n":
                text = text[:-1]
            said = b"%s%s" % (b"3:err" if err else b"3:out", bencode.encode_text(text))
            self._write([b"d%s2:id%se" % (said, id) if err else b"d2:id%s%se" % (id, said)])

    def _close(self, id: Id, reply: str) -> None:
        """See that this reply may be given to the id; after the last one it is forgotten."""
        try:
            last = _REPLIES[self.open[id]][reply]
        except KeyError:
            raise LocalProtocolError(f"no request {id!r} is open that {reply} may answer") from None
        if last:
            del self.open[id]

    def _write(self, pieces: list[Payload]) -> None:
        out = self.out if self.held is None else self.held
        out += pieces


def lone_invoke(data: bytes, behind_id: int) -> tuple[Id, bytes] | None:
    """The id and the arguments of `data`, if that is one `invoke` in its usual spelling, whose id ends there.

    Args:
        data: It ends with a var that the caller knows, and `e`.
        behind_id: Where `INVOKE_KEY` stands in it for the last time.
    """
    colon = data.find(b":", 7, 18)
    if colon < 0:
        return None
    digits = data[7:colon]
    if not digits.isdigit() or digits[:1] == b"0" != digits:
        return None
    args_end = colon + 1 + int(digits)
    if args_end + 4 > behind_id or not data.startswith(b"2:id", args_end) or not data.startswith(b"d4:args"):
        return None
    id = data[args_end + 4 : behind_id]
    if id[:3] != b"36:" or len(id) != 39:  # as a UUID is written
        length, mark, text = id.partition(b":")
        if not mark or not length.isdigit() or length[:1] == b"0" != length or int(length) != len(text):
            return None
    return id, data[colon + 1 : args_end]


def invoke_at(data: bytes, at: int) -> tuple[Id, bytes, bytes, int] | None:
    """The id, the var, the arguments and the end of the `invoke` that stands at `at` in its usual spelling.

    None: something else stands there, or it is not whole.
    """
    if not data.startswith(b"d4:args", at):
        return None
    colon = data.find(b":", at + 7, at + 18)
    if colon < 0:
        return None
    digits = data[at + 7 : colon]
    if not digits.isdigit() or digits[:1] == b"0" != digits:
        return None
    end = colon + 1 + int(digits)
    if not data.startswith(b"2:id", end):
        return None
    args = data[colon + 1 : end]
    first = end + 4
    colon = data.find(b":", first, first + 11)
    if colon < 0:
        return None
    digits = data[first:colon]
    if not digits.isdigit() or digits[:1] == b"0" != digits:
        return None
    end = colon + 1 + int(digits)
    if not data.startswith(INVOKE_KEY, end):
        return None
    id = data[first:end]
    first = end + 17
    colon = data.find(b":", first, first + 11)
    if colon < 0:
        return None
    digits = data[first:colon]
    if not digits.isdigit() or digits[:1] == b"0" != digits:
        return None
    end = colon + 1 + int(digits)
    return (id, data[colon + 1 : end], args, end + 1) if data[end : end + 1] == b"e" else None


def _with_payload(before: bytes, payload: Payload) -> list[Payload]:
    return [before + payload + b"e"] if len(payload) <= SMALL else [before, payload, b"e"]


_MAPS: Final = {"json": (b"{", b"}"), "edn": (b"{", b"}"), "transit+json": (b'["^ "', b"]")}
"""How a map begins and ends in each payload format."""


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text
