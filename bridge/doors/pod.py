"""The pod's door: Clojure vars on one side, calls on workers on the other.

**What there is** (see `pod_catalogue`) is asked of a worker, since only workers import the user's modules: for each
exported module one LANDSCAPE call goes out when the door is attached, before the client has said anything. `describe`
is answered when all have come back. A module of an installed package, which may be large and slow to import, is only
announced: its client asks for the vars when it requires the namespace, and is told what the sources say, with nothing
imported. A client that remembers an earlier description may call at once; a call into a module whose landscape is still
on its way waits for it. A module that can't be imported is described by its sources too, with a warning on stderr;
calling one of its vars, or the var `import-error`, raises the reason. Nothing waits for an import without end: it has a
deadline.

**Calls** become CALL requests whose arguments are the client's own text (see `pod_arguments`); the namespace `py` is in
`pod_core`, the part of it that runs in the client in `pod_code`. Errors travel as the whole error map in ex-data.
Streams are credited here, as their items are written: the pod protocol has no credit of its own. It has no cancel
either: a call that was begun under a key can be ended by it.

**Output** that a call printed goes to the client with the call's id. Any other goes to this process's stderr, which the
client shows: a message without an id would kill it.

The usual call of an exported function, and its answer, take the short way: `receive_data` and `encode` do them alone.
This module is imported while somebody waits for the first answer: nothing heavy may be imported here.
"""

from __future__ import annotations

import sys

from bascule.bridge.doors import pod_core
from bascule.bridge.doors.pod_arguments import BadArguments
from bascule.bridge.doors.pod_asking import Asking
from bascule.bridge.doors.pod_catalogue import LANDSCAPE, MOST_WAITING, Catalogue
from bascule.bridge.doors.pod_exports import message_of
from bascule.bridge.doors.pod_formats import FORMATS
from bascule.bridge.doors.pod_gathering import Gathering
from bascule.bridge.errormaps import error_map
from bascule.protocols.envelope import Codec, Flag, Kind
from bascule.protocols.errors import ErrorKind, RemoteProtocolError
from bascule.protocols.pod import CALLING, INVOKE, INVOKE_KEY, SMALL, PodConnection, invoke_at, lone_invoke
from bascule.protocols.pod_events import Describe, Invoke, LoadNamespace, Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from typing import Any, Final

    from bascule.bridge.doors.base import Request
    from bascule.bridge.doors.pod_options import PodOptions
    from bascule.protocols.envelope import Payload
    from bascule.protocols.pod_events import Event, Id

WINDOW: Final = 64  # items of a stream that may be under way to a client
MOST_KEYS: Final = 1_000  # keys of calls that are remembered before those that ended are looked for

_REPLY, _ERROR, _ITEM, _END, _OUTPUT = int(Kind.REPLY), int(Kind.ERROR), int(Kind.ITEM), int(Kind.END), int(Kind.OUTPUT)
_CALL, _CREDIT, _RELEASE, _CANCEL = int(Kind.CALL), int(Kind.CREDIT), int(Kind.RELEASE), int(Kind.CANCEL)
_CALLBACK, _NESTED, _CONTROL = int(Kind.CALLBACK), int(Kind.NESTED), int(Kind.CONTROL)
_TRACE = int(Kind.TRACE)
_MSGPACK = int(Codec.MSGPACK)
_STREAM, _ERR = int(Flag.STREAM), int(Flag.ERR)


def warn_on_stderr(text: str) -> None:
    """Say something to the people at the client's terminal."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (OSError, ValueError):
        pass  # nobody listens: no reason to stop serving


class PodDoor:
    """One pod's conversation. See `bascule.bridge.doors.base.Door`."""

    takes_callbacks = True

    def __init__(
        self, options: PodOptions, warn: Callable[[str], None] = warn_on_stderr, *, remote: bool = False
    ) -> None:
        """`warn` takes what is for people, in whole lines or as user code printed it.

        `remote`: the client's people don't see that. What is wrong with a module is told with the next call, too.
        """
        self.closing = False
        self.exit_status = 0
        """What the process should end with: 1 when the client spoke nonsense, or (strict) a module is broken."""
        self._options = options
        self._warn = warn
        self._format = FORMATS[options.payload_format]()
        self._codec = self._format.codec
        self._pod = PodConnection(payload_format=options.payload_format)
        self._open, self._out = self._pod.open, self._pod.out
        self._pass_on = self._format.pass_on
        self._plain = False  # what comes next may be read where it stands
        self._requests: list[Request] = []  # not handed to the router yet
        self._streams: dict[Hashable, int] = {}  # open streams: items since the last credit
        self._keys: dict[str, Id] = {}  # calls that were begun under a key
        self._trace = b""  # what the call belongs to that is being read
        self._gathering = Gathering(options.workers, self._format, self._pod, self._put, self._fail_with)
        self._asking = Asking(self._format, self._pod, self._put)
        self._asked = self._asking.asked
        self._remote = remote
        self._untold = ""  # to the people at a remote client
        self._catalogue = Catalogue(options, self._pod, self._put, self._warn_of_module)
        self._exports = self._catalogue.exports
        self._heads, self._tails = self._catalogue.heads, self._catalogue.tails
        self._catalogue.ask_all()

    def _put(self, request: Request) -> None:
        self._requests.append(request)

    def _warn_of_module(self, text: str) -> None:
        self._warn(text)
        if self._remote:
            self._untold += text
            self._plain = False

    # -- what the client says ------------------------------------------------------------------------------------

    def receive_data(self, data: bytes) -> list[Request]:
        """Take bytes from the client; give the requests that became whole.

        Raises:
            RemoteProtocolError: It is no bencode. The calls that are open were answered with an error.
        """
        if not self._plain:
            self._converse(data)
            return self.take_requests()
        made, open_, heads, codec = self._requests, self._open, self._heads, self._codec
        if made:
            self._requests = []
        else:
            made = []
        # A lone call ends as all calls of its function end: then only its arguments and its id are left to be found.
        behind_id = data.rfind(INVOKE_KEY)
        head = self._tails.get(data[behind_id:])
        if head is not None and (lone := lone_invoke(data, behind_id)) is not None and lone[0] not in open_:
            id, args = lone
            open_[id] = INVOKE
            try:
                made.append((_CALL, codec, 0, id, 0, head + self._pass_on(args)))
            except BadArguments as error:
                self._fail(id, ErrorKind.BAD_ARGUMENTS, str(error))
            return made
        at = 0
        while (found := invoke_at(data, at)) is not None:
            id, name, args, end = found
            head = heads.get(name)
            if head is None or id in open_:
                break
            at = end
            open_[id] = INVOKE
            try:
                made.append((_CALL, codec, 0, id, 0, head + self._pass_on(args)))
            except BadArguments as error:
                self._fail(id, ErrorKind.BAD_ARGUMENTS, f"{name.decode()}: {error}")
        if at < len(data):
            self._converse(data[at:] if at else data)
            made += self.take_requests()
        return made

    def _converse(self, data: bytes) -> None:
        pod = self._pod
        pod.receive_data(data)
        try:
            while (event := pod.next_event()) is not None:
                self._handle(event)
        except RemoteProtocolError as error:
            self._warn(f"bascule pod: the input can't be understood, this pod ends: {error}\n")
            self._end_calls(ErrorKind.REFUSED, f"the pod ended, since its input could not be understood: {error}")
            self.exit_status = 1
            raise
        self._plain = pod.plain and not (self._asked or self._untold)

    def receive_eof(self) -> list[Request]:
        """The client's input ended; what it asked for is still answered, if anybody reads."""
        if self._pod.pending:
            self._warn("bascule pod: the input ended in the middle of a message\n")
        return []

    def take_output(self) -> bytes:
        """What was answered without a worker."""
        return b"".join(self._pod.take()) if self._out else b""

    def take_requests(self) -> list[Request]:
        """Questions about modules, calls that waited for the answers, credit."""
        requests = self._requests
        if requests:
            self._requests = []
        return requests

    def _handle(self, event: Event) -> None:
        if isinstance(event, Invoke):
            if self._untold:
                self._pod.send_output(event.id, self._untold.encode("utf-8", "replace"), err=True)
                self._untold = ""
            self._invoke(event)
        elif isinstance(event, Describe):
            self._catalogue.describe()
        elif isinstance(event, LoadNamespace):
            self._catalogue.load(event)
        elif isinstance(event, Refused):
            if event.id is None:
                self._warn(f"bascule pod: {event.reason}\n")
            else:
                self._fail(event.id, ErrorKind.REFUSED, event.reason)
        else:
            self._end_calls(ErrorKind.SHUTTING_DOWN, "the client shut this pod down while the call ran")
            if event.id is not None:
                self._pod.send_done(event.id)
            self.closing = True

    # -- calls ---------------------------------------------------------------------------------------------------

    def _invoke(self, event: Invoke) -> None:
        namespace, _, name = event.var.partition("/")
        try:
            if namespace == self._options.core_namespace:
                self._invoke_core(event, name)
                return
            export = self._exports.get(namespace)
            if export is None:
                there = ", ".join([*self._exports, self._options.core_namespace])
                self._fail(event.id, ErrorKind.NOT_FOUND, f"this pod has no namespace {namespace!r}; it has: {there}")
            elif not export.known:
                if not self._catalogue.wait(export, event):
                    message = f"{MOST_WAITING} calls wait for the import of {export.module} already"
                    self._fail(event.id, ErrorKind.OVERLOADED, message)
            elif name in export.calls:
                self._call(event.id, export.calls[name] + self._pass_on(event.args))
            elif export.failure is not None:  # its import error is asked for, or what it would have had is not known
                self._fail_with(event.id, export.failure)
            else:
                self._no_var(event, namespace, name, list(export.calls))
        except BadArguments as error:
            self._fail(event.id, ErrorKind.BAD_ARGUMENTS, f"{event.var}: {error}")

    def _call(self, id: Id, call: bytes, flags: int = 0, deadline: int = 0) -> None:
        kind = _CALL
        if self._asked:  # it may be made in the course of a callback, whose worker waits: it must not wait for that
            kind, call = _NESTED, next(reversed(self._asked)).to_bytes(8, "little") + call
        self._requests.append((kind, self._codec, flags, id, deadline, call))

    def _invoke_core(self, event: Invoke, name: str) -> None:
        function = pod_core.FUNCTIONS.get(name)
        if function is not None:
            flags, deadline, call = pod_core.request(function, self._format.arguments(event.args))
            self._call(event.id, call, flags, deadline)
            if flags & _STREAM:
                self._streams[event.id] = 0
                self._credit(event.id, WINDOW)
        elif name == pod_core.RELEASE:
            tokens = self._format.tokens(event.args)
            if tokens:
                self._requests.append((_RELEASE, self._codec, 0, event.id, 0, tokens))
            self._pod.send_value(event.id, self._format.nothing)
        elif name == pod_core.KEYED:
            self._begin_under_key(event)
        elif name == pod_core.TRACED:
            self._call_in_trace(event)
        elif name == pod_core.CANCEL:
            found = self._cancel(self._format.arguments(event.args).text("the key"))
            self._pod.send_value(event.id, self._format.write(found))
        elif name == pod_core.CALLING:
            _, _, call = pod_core.request(pod_core.FUNCTIONS["call"], self._format.arguments(event.args))
            self._call(event.id, call)
            self._open[event.id] = CALLING
        elif name in (pod_core.ANSWER, pod_core.FAILED):
            self._asking.answer(event, failed=name == pod_core.FAILED)
        elif name in pod_core.RUNS:
            self._gathering.begin(event, name, self._trace)
        elif name in pod_core.RESULTS:
            self._gathering.exchange(event, name, self._trace)
        else:
            known = [known for known in (*pod_core.FUNCTIONS, *pod_core.OF_THE_DOOR) if known[0] != "-"]
            self._no_var(event, self._options.core_namespace, name, known)

    def _credit(self, id: Hashable, items: int) -> None:
        self._requests.append((_CREDIT, self._codec, 0, id, 0, items.to_bytes(4, "little")))

    def _begin_under_key(self, event: Invoke) -> None:
        """Unpack the call that is meant, and remember what can be cancelled by this key."""
        arguments = self._format.arguments(event.args)
        key, name = arguments.text("the key"), arguments.text("the var (namespace/name)")
        if len(self._keys) >= MOST_KEYS:
            self._keys = {known: id for known, id in self._keys.items() if id in self._open}
        if self._keys.get(key) in self._open:
            raise BadArguments(f"the key {key!r:.60} belongs to a call that is still under way")
        self._keys[key] = event.id
        self._invoke(Invoke(event.id, name, arguments.tail()))

    def _call_in_trace(self, event: Invoke) -> None:
        """The context goes ahead of the call that is meant; or stays with what makes many of them."""
        arguments = self._format.arguments(event.args)
        context, name = arguments.text("the traceparent").encode(), arguments.text("the var (namespace/name)")
        self._requests.append((_TRACE, self._codec, 0, event.id, 0, context))
        self._trace = context
        try:
            self._invoke(Invoke(event.id, name, arguments.tail()))
        finally:
            self._trace = b""

    def _cancel(self, key: str) -> bool:
        id = self._keys.pop(key, None)
        if id is None or id not in self._open:
            return False
        if self._gathering.cancel(id):
            self._fail(id, ErrorKind.CANCELLED, "the client cancelled it")
        else:
            self._requests.append((_CANCEL, self._codec, 0, id, 0, b""))
        return True

    def _no_var(self, event: Invoke, namespace: str, name: str, names: list[str]) -> None:
        from difflib import get_close_matches

        close = get_close_matches(name, names, 3) or sorted(names)[:20]
        there = f"; there is: {', '.join(close)}" if close else "; it is empty"
        self._fail(event.id, ErrorKind.NOT_FOUND, f"the namespace {namespace!r} has no var {name!r}{there}")

    def _end_calls(self, kind: ErrorKind, message: str) -> None:
        self._gathering.forget()
        for id in self._pod.open_calls:
            self._fail(id, kind, message)

    def _fail(self, id: Id, kind: ErrorKind, message: str) -> None:
        self._fail_with(id, error_map(kind, message))

    def _fail_with(self, id: Id, error: dict[str, Any], data: bytes = b"") -> None:
        self._pod.send_error(id, message_of(error), data or self._format.write_error(error))

    # -- what the workers say ------------------------------------------------------------------------------------

    def encode(self, kind: int, codec: int, flags: int, call_id: Hashable, payload: Payload) -> list[Payload]:
        """An answer as pieces to write; none when it was for the door itself."""
        pod, open_ = self._pod, self._open
        if kind == _REPLY and open_.get(call_id) is INVOKE and pod.held is None:  # type: ignore[call-overload]
            del open_[call_id]  # type: ignore[arg-type]
            if self._streams:
                self._streams.pop(call_id, None)
            length = len(payload)
            if length > SMALL:
                before = b"d2:id%b6:statusl4:donee5:value%d:" % (call_id, length)  # type: ignore[str-format]
                return [before, payload, b"e"]
            return [b"d2:id%b6:statusl4:donee5:value%d:%be" % (call_id, length, payload)]  # type: ignore[str-format]
        # A large one comes as a bytearray: good to pass on, not to look into.
        said = b"" if kind in (_REPLY, _ITEM) and not isinstance(call_id, tuple) else bytes(payload)
        if kind == _CANCEL:
            self._asked.pop(call_id, None)  # type: ignore[call-overload]
        elif kind == _CALLBACK:
            self._asking.ask(call_id, int.from_bytes(said[:8], "little"), said[8:])
            self._plain = False
        elif not isinstance(call_id, bytes) or call_id not in open_:  # output of no call, or an answer to the door
            if kind == _OUTPUT:
                self._warn(said.decode("utf-8", "replace"))
            elif isinstance(call_id, tuple) and call_id[0] == LANDSCAPE:
                if not self._catalogue.learn(call_id[1], said, self._handle, is_error=kind == _ERROR):
                    self.closing = True
                    self.exit_status = 1
            elif isinstance(call_id, tuple):
                self._gathering.take(kind, call_id[1], call_id[2], said)
        elif kind == _REPLY and open_[call_id] is CALLING:
            pod.send_item(call_id, self._format.listed(b'"py/result"', bytes(payload)))
            pod.send_done(call_id)
        elif kind == _REPLY:
            pod.send_value(call_id, payload)
        elif kind == _OUTPUT:
            pod.send_output(call_id, said, err=bool(flags & _ERR))
        elif kind == _ITEM:
            pod.send_item(call_id, payload)
            self._item_was_written(call_id)
        elif kind == _END:
            pod.send_done(call_id)
        elif kind == _ERROR:
            self._send_failure(call_id, said)
        if kind in (_REPLY, _END, _ERROR):
            self._streams.pop(call_id, None)
            if self._asked:
                self._asking.ended(call_id)  # type: ignore[arg-type]
        return pod.take()

    def _item_was_written(self, id: Hashable) -> None:
        items = self._streams.get(id, 0) + 1
        if items >= WINDOW // 2:
            self._credit(id, items)
            items = 0
        self._streams[id] = items

    def _send_failure(self, id: Id, content: bytes) -> None:
        """An error map of a worker or the router. A client can't survive ex-data that it can't read: look first."""
        try:
            error = self._format.read(content)
            if not isinstance(error, dict):
                raise RemoteProtocolError(f"it is a {type(error).__name__}")
        except RemoteProtocolError:
            said = f"{content[:200]!r}"
            error = error_map(ErrorKind.PYTHON, f"the call failed, and its error is no map: {said}")
            content = b""
        self._fail_with(id, error, content if content.isascii() else b"")
