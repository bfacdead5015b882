"""The pod's door: Clojure vars on one side, calls on workers on the other.

**What there is** is asked of a worker, since only workers import the user's modules: for each exported module one
LANDSCAPE call goes out when the door is attached, before the client has said anything. `describe` is answered when all
have come back. A client that remembers an earlier description may call at once; a call into a module whose landscape is
still on its way waits for it. A module that can't be imported is described by what its source defines, with a warning
on stderr; calling one of its vars, or the var `import-error`, raises the reason. Nothing waits for an import without
end: it has a deadline.

**Calls** become CALL requests whose arguments are the client's own JSON text (see `pod_arguments`); the namespace `py`
is in `pod_core`. Errors travel as the whole error map in ex-data. Streams are credited here, as their items are
written: the pod protocol has no credit of its own.

**Output** that a call printed goes to the client with the call's id. Any other goes to this process's stderr, which the
client shows: a message without an id would kill it.

This module is imported while somebody waits for the first answer: nothing heavy may be imported here.
"""

from __future__ import annotations

import sys

from bascule.bridge.doors import pod_core
from bascule.bridge.doors.pod_arguments import BadArguments, payload, split
from bascule.bridge.doors.pod_exports import IMPORT_ERROR, Export, message_of
from bascule.bridge.doors.pod_vars import var
from bascule.bridge.errormaps import error_map
from bascule.protocols.envelope import Codec, Flag, Kind
from bascule.protocols.errors import ErrorKind, RemoteProtocolError
from bascule.protocols.pod import Describe, Invoke, LoadNamespace, PodConnection, Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from typing import Any, Final

    from bascule.bridge.doors.base import Request
    from bascule.bridge.doors.pod_options import PodOptions
    from bascule.protocols.bencode import Value
    from bascule.protocols.pod import Event, Id

WINDOW: Final = 64  # items of a stream that may be under way to a client
MOST_WAITING: Final = 10_000  # requests that wait for a module's landscape

_REPLY, _ERROR, _ITEM, _END, _OUTPUT = int(Kind.REPLY), int(Kind.ERROR), int(Kind.ITEM), int(Kind.END), int(Kind.OUTPUT)
_CALL, _CREDIT, _RELEASE = int(Kind.CALL), int(Kind.CREDIT), int(Kind.RELEASE)
_JSON, _MSGPACK = int(Codec.JSON), int(Codec.MSGPACK)
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

    takes_callbacks = False

    def __init__(self, options: PodOptions, warn: Callable[[str], None] = warn_on_stderr) -> None:
        """`warn` takes what is for people, in whole lines or as user code printed it."""
        self.closing = False
        self.exit_status = 0
        """What the process should end with: 1 when the client spoke nonsense, or (strict) a module is broken."""
        self._options = options
        self._warn = warn
        self._pod = PodConnection()
        self._exports = {namespace: Export(module, namespace) for module, namespace in options.exports}
        self._describing = False  # somebody waits for the description
        self._requests: list[Request] = []  # not handed to the router yet
        self._streams: dict[Hashable, int] = {}  # open streams: items since the last credit
        if not options.defer:
            for export in self._exports.values():
                self._ask(export)

    # -- what the client says ------------------------------------------------------------------------------------

    def receive_data(self, data: bytes) -> list[Request]:
        """Take bytes from the client; give the requests that became whole.

        Raises:
            RemoteProtocolError: It is no bencode. The calls that are open were answered with an error.
        """
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
        return self.take_requests()

    def receive_eof(self) -> list[Request]:
        """The client's input ended; what it asked for is still answered, if anybody reads."""
        if self._pod.pending:
            self._warn("bascule pod: the input ended in the middle of a message\n")
        return []

    def take_output(self) -> bytes:
        """What was answered without a worker."""
        return b"".join(self._pod.take())

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
            self._describing = True
            self._describe()
        elif isinstance(event, LoadNamespace):
            self._load(event)
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
                self._wait(export, event)
            elif name in export.calls:
                positional, keywords = split(event.args)
                call = export.calls[name] + payload(positional, keywords)
                self._requests.append((_CALL, _JSON, 0, event.id, 0, call))
            elif name == IMPORT_ERROR and export.failure is not None:
                self._fail_with(event.id, export.failure)
            else:
                self._no_var(event, namespace, name, list(export.calls))
        except BadArguments as error:
            self._fail(event.id, ErrorKind.BAD_ARGUMENTS, f"{event.var}: {error}")

    def _invoke_core(self, event: Invoke, name: str) -> None:
        if name == pod_core.RELEASE:
            tokens = pod_core.handles(event.args)
            if tokens:
                self._requests.append((_RELEASE, _JSON, 0, event.id, 0, tokens))
            self._pod.send_value(event.id, b"null")
            return
        function = pod_core.FUNCTIONS.get(name)
        if function is None:
            self._no_var(event, self._options.core_namespace, name, [*pod_core.FUNCTIONS, pod_core.RELEASE])
            return
        flags, call = pod_core.request(function, event.args)
        self._requests.append((_CALL, _JSON, flags, event.id, 0, call))
        if flags & _STREAM:
            self._streams[event.id] = 0
            self._credit(event.id, WINDOW)

    def _credit(self, id: Hashable, items: int) -> None:
        self._requests.append((_CREDIT, _JSON, 0, id, 0, items.to_bytes(4, "little")))

    def _no_var(self, event: Invoke, namespace: str, name: str, names: list[str]) -> None:
        from difflib import get_close_matches

        close = get_close_matches(name, names, 3) or sorted(names)[:20]
        there = f"; there is: {', '.join(close)}" if close else "; it is empty"
        self._fail(event.id, ErrorKind.NOT_FOUND, f"the namespace {namespace!r} has no var {name!r}{there}")

    def _end_calls(self, kind: ErrorKind, message: str) -> None:
        for id in self._pod.open_calls:
            self._fail(id, kind, message)

    def _fail(self, id: Id, kind: ErrorKind, message: str) -> None:
        self._fail_with(id, error_map(kind, message))

    def _fail_with(self, id: Id, error: dict[str, Any], data: bytes = b"") -> None:
        from json import dumps

        self._pod.send_error(id, message_of(error), data or dumps(error, default=repr).encode())

    # -- what there is -------------------------------------------------------------------------------------------

    def _ask(self, export: Export) -> None:
        export.asked = True
        # One worker may have to import them one after the other: each has its own time after those before it.
        under_way = sum(other.asked and not other.known for other in self._exports.values())
        deadline = max(1, int(self._options.import_timeout * under_way * 1000))
        # A tuple: an id that no client can choose.
        id = ("landscape", export.namespace)
        self._requests.append((_CALL, _MSGPACK, 0, id, deadline, export.question(imports=self._options.imports)))

    def _wait(self, export: Export, event: Invoke | LoadNamespace) -> None:
        """Keep a request until the module is known."""
        if len(export.waiting) >= MOST_WAITING and isinstance(event, Invoke):
            message = f"{MOST_WAITING} calls wait for the import of {export.module} already"
            self._fail(event.id, ErrorKind.OVERLOADED, message)
            return
        export.waiting.append(event)
        if not export.asked:
            self._ask(export)

    def _load(self, event: LoadNamespace) -> None:
        """A client takes whatever comes for the namespace, so there is always one; its vars say what is wrong."""
        export = self._exports.get(event.name)
        if event.name == self._options.core_namespace:
            self._pod.send_namespace(event.id, {"name": event.name, "vars": pod_core.variables()})
        elif export is None:
            doc = f"This pod has no namespace {event.name}."
            self._pod.send_namespace(event.id, {"name": event.name, "vars": [var(IMPORT_ERROR, doc, ["[]"])]})
        elif export.known:
            self._pod.send_namespace(event.id, {"name": export.namespace, "vars": export.vars})
        else:
            self._wait(export, event)

    def _describe(self) -> None:
        """Answer `describe`, once everything that it tells is known."""
        defer = self._options.defer
        if not self._describing or not (defer or all(export.known for export in self._exports.values())):
            return
        self._describing = False
        namespaces: list[Value] = []
        for export in self._exports.values():
            described: dict[str, Value] = {"name": export.namespace, "vars": export.vars}
            namespaces.append(described if export.known else {**described, "defer": "true"})
        namespaces.append({"name": self._options.core_namespace, "vars": pod_core.variables()})
        self._pod.send_description(namespaces, ["shutdown", "load-ns"] if defer else ["shutdown"])

    def _learn(self, export: Export, kind: int, content: bytes) -> None:
        """A worker answered what the module offers, or why it can't."""
        failure = export.learn(content, is_error=kind == _ERROR)
        if failure is not None:
            reason, traceback = message_of(failure), failure.get("traceback") or ""
            self._warn(f"bascule pod: module {export.module} can't be imported: {reason}\n{traceback}\n")
            if self._options.strict:
                self.closing = True
                self.exit_status = 1
                return
        waiting, export.waiting = export.waiting, []
        for event in waiting:
            if self._pod.is_open(event.id):
                self._handle(event)
        self._describe()

    # -- what the workers say ------------------------------------------------------------------------------------

    def encode(self, kind: int, codec: int, flags: int, call_id: Hashable, payload: bytes) -> list[bytes]:
        """An answer as pieces to write; none when it was for the door itself."""
        pod = self._pod
        if kind not in (_REPLY, _ITEM) or isinstance(call_id, tuple):
            payload = bytes(payload)  # a large one comes as a bytearray: good to pass on, not to look into
        # Output of no call has the id 0, which a client could use too.
        if not isinstance(call_id, (str, bytes, int)) or not pod.is_open(call_id) or (kind == _OUTPUT and call_id == 0):
            if kind == _OUTPUT:
                self._warn(payload.decode("utf-8", "replace"))
            elif isinstance(call_id, tuple):
                self._learn(self._exports[call_id[1]], kind, payload)
        elif kind == _REPLY:
            pod.send_value(call_id, payload)
        elif kind == _OUTPUT:
            pod.send_output(call_id, payload, err=bool(flags & _ERR))
        elif kind == _ITEM:
            pod.send_item(call_id, payload)
            self._item_was_written(call_id)
        elif kind == _END:
            pod.send_done(call_id)
        elif kind == _ERROR:
            self._send_failure(call_id, payload)
        if kind in (_REPLY, _END, _ERROR):
            self._streams.pop(call_id, None)
        return pod.take()

    def _item_was_written(self, id: Hashable) -> None:
        items = self._streams.get(id, 0) + 1
        if items >= WINDOW // 2:
            self._credit(id, items)
            items = 0
        self._streams[id] = items

    def _send_failure(self, id: Id, content: bytes) -> None:
        """An error map of a worker or the router. A client can't survive ex-data that it can't read: look first."""
        from json import dumps, loads

        try:
            error = loads(content, parse_constant=_no_constant)
            if not isinstance(error, dict):
                raise TypeError
        except (ValueError, TypeError, RecursionError):
            error = error_map(ErrorKind.PYTHON, f"the call failed, and its error is no JSON map: {content[:200]!r}")
            content = dumps(error).encode()
        as_it_is = content.isascii() and content[:1] == b"{" and content[-1:] == b"}"
        self._fail_with(id, error, content if as_it_is else b"")


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
