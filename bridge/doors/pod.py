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
from bascule.bridge.doors.pod_catalogue import LANDSCAPE, MOST_WAITING, Catalogue
from bascule.bridge.doors.pod_exports import message_of
from bascule.bridge.doors.pod_formats import FORMATS
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
    from bascule.bridge.doors.pod_runs import Run
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

    def __init__(self, options: PodOptions, warn: Callable[[str], None] = warn_on_stderr) -> None:
        """`warn` takes what is for people, in whole lines or as user code printed it."""
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
        self._runs: dict[Hashable, Run] = {}
        self._trace = b""  # what the call belongs to that is being read
        self._asked: dict[int, Id] = {}  # functions of the client that Python waits for: number -> the call that asks
        self._catalogue = Catalogue(options, self._pod, self._put, warn)
        self._exports = self._catalogue.exports
        self._heads, self._tails = self._catalogue.heads, self._catalogue.tails
        self._catalogue.ask_all()

    def _put(self, request: Request) -> None:
        self._requests.append(request)

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
        self._plain = pod.plain and not self._asked

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
            self._answer(event, failed=name == pod_core.FAILED)
        elif name in pod_core.RUNS:
            self._begin_run(event, name)
        elif name in pod_core.RESULTS:
            self._exchange(event, name)
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
        run = self._runs.pop(id, None)
        if run is not None:
            self._requests += run.cancel()
            self._fail(id, ErrorKind.CANCELLED, "the client cancelled it")
        else:
            self._requests.append((_CANCEL, self._codec, 0, id, 0, b""))
        return True

    def _begin_run(self, event: Invoke, name: str) -> None:
        from bascule.bridge.doors.pod_scatter import begin

        args = self._format.read_arguments(event.args)
        columns = name == pod_core.PMAP
        run = begin(event.id, self._format, name, args, workers=self._options.workers, columns=columns)
        run.trace = self._trace
        self._runs[event.id] = run
        self._go_on(run)

    def _exchange(self, event: Invoke, name: str) -> None:
        from bascule.bridge.doors.pod_results import converse

        args = self._format.read_arguments(event.args)
        workers = self._options.workers
        run, said = converse(name, event.id, args, self._runs, self._format, workers=workers, trace=self._trace)
        if run is not None:
            self._go_on(run)
        if said is not None:
            self._pod.send_value(event.id, self._format.write(said))

    def _ask_client(self, id: Hashable, number: int, body: bytes) -> None:
        """Python calls a function of the client."""
        if isinstance(id, bytes) and self._open.get(id) is CALLING:
            self._pod.send_item(id, self._format.listed(b'"py/callback"', b"%d" % number, body))
            self._asked[number] = id
            self._plain = False
            return
        message = "this call was not begun with py/calling: its client can't be called back"
        problem = self._format.write(error_map(ErrorKind.REFUSED, message))
        self._requests.append((_ERROR, self._codec, 0, number, 0, problem))

    def _not_asked(self, number: int) -> None:
        self._asked.pop(number, None)
        self._plain = self._pod.plain and not self._asked

    def _answer(self, event: Invoke, *, failed: bool) -> None:
        """A function of the client has ended. An answer that nobody waits for is dropped by the router."""
        number, *outcome = self._format.read_arguments(event.args) or [None]
        if type(number) is not int or number < 0 or len(outcome) != 1 + failed:
            raise BadArguments("it takes the number of what was asked, then the outcome")
        self._not_asked(number)
        if failed:
            error = {"kind": "clojure", "class": str(outcome[0]), "message": str(outcome[1])}
            self._requests.append((_ERROR, self._codec, 0, number, 0, self._format.write(error)))
        else:
            self._requests.append((_REPLY, self._codec, 0, number, 0, self._format.write(outcome[0])))
        self._pod.send_value(event.id, self._format.nothing)

    def _take_part(self, kind: int, id: Id, number: int, content: bytes) -> None:
        """A worker answered, or failed, one call of a run; or the router answered the run itself."""
        run = self._runs.get(id)
        if run is None:
            return
        if kind == _CONTROL:
            from bascule.bridge.router.messages import read_control

            run.heard(read_control(content))
            self._go_on(run)
            return
        try:
            found = self._format.read(content)
        except RemoteProtocolError as error:
            kind, found = _ERROR, error_map(ErrorKind.NOT_ENCODABLE, f"its results can't be read: {error}")
        told = run.take(number, None, found) if kind == _ERROR else run.take(number, found, None)
        if told:
            self._pod.send_output(id, told.encode(), err=True)
        self._go_on(run)

    def _go_on(self, run: Run) -> None:
        """Ask what a run wants to ask now; answer the client when it is over."""
        self._requests += run.take_requests()
        answer = run.take_answer()
        if run.over:
            del self._runs[run.id]
            self._requests += run.cancel()
        if answer is not None:
            id, value, failure = answer
            if failure is None:
                self._pod.send_value(id, value)
            else:
                self._fail_with(id, failure)

    def _no_var(self, event: Invoke, namespace: str, name: str, names: list[str]) -> None:
        from difflib import get_close_matches

        close = get_close_matches(name, names, 3) or sorted(names)[:20]
        there = f"; there is: {', '.join(close)}" if close else "; it is empty"
        self._fail(event.id, ErrorKind.NOT_FOUND, f"the namespace {namespace!r} has no var {name!r}{there}")

    def _end_calls(self, kind: ErrorKind, message: str) -> None:
        self._runs.clear()
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
            self._not_asked(call_id)  # type: ignore[arg-type]
        elif kind == _CALLBACK:
            self._ask_client(call_id, int.from_bytes(said[:8], "little"), said[8:])
        elif not isinstance(call_id, bytes) or call_id not in open_:  # output of no call, or an answer to the door
            if kind == _OUTPUT:
                self._warn(said.decode("utf-8", "replace"))
            elif isinstance(call_id, tuple) and call_id[0] == LANDSCAPE:
                if not self._catalogue.learn(call_id[1], said, self._handle, is_error=kind == _ERROR):
                    self.closing = True
                    self.exit_status = 1
            elif isinstance(call_id, tuple):
                self._take_part(kind, call_id[1], call_id[2], said)
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
            for number in [number for number, id in self._asked.items() if id == call_id]:
                self._not_asked(number)
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
