"""What a pod has: the exported modules, what is known of each, and the answers to `describe` and `load-ns`.

Only workers import the user's modules, so they are asked what these offer; whoever needs to know it before is kept here
until the answer has come.
"""

from __future__ import annotations

from bascule.bridge.doors import pod_code, pod_core
from bascule.bridge.doors.pod_exports import IMPORT_ERROR, Export, message_of
from bascule.bridge.doors.pod_vars import var
from bascule.protocols.envelope import Codec, Kind
from bascule.protocols.pod import INVOKE_KEY
from bascule.protocols.pod_events import Invoke

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from bascule.bridge.doors.base import Request
    from bascule.bridge.doors.pod_options import PodOptions
    from bascule.protocols.bencode import Value
    from bascule.protocols.pod import PodConnection
    from bascule.protocols.pod_events import LoadNamespace

MOST_WAITING: Final = 10_000  # requests that wait for a module's landscape
LANDSCAPE: Final = "landscape"
"""What the id of a question about a module begins with."""

_CALL, _MSGPACK = int(Kind.CALL), int(Codec.MSGPACK)


class Catalogue:
    """The exported modules.

    Args:
        options: Which, and how they are offered.
        pod: The conversation in which it is told.
        ask: Takes a question for a worker.
        warn: Takes what is for people.
    """

    def __init__(
        self,
        options: PodOptions,
        pod: PodConnection,
        ask: Callable[[Request], None],
        warn: Callable[[str], None],
    ) -> None:
        self._options = options
        self._pod = pod
        self._put = ask
        self._warn = warn
        self.exports = {namespace: Export(module, namespace, options) for module, namespace in options.exports}
        self.heads: dict[bytes, bytes] = {}
        """var -> the head of its call's payload, for the modules that are known."""
        self.tails: dict[bytes, bytes] = {}
        """The same by how a call of the var ends."""
        self._describing = False  # somebody waits for the description

    def ask_all(self) -> None:
        """Ask about everything that is not to wait until it is required."""
        for export in self.exports.values():
            if not export.deferred:
                self._ask(export)

    def _ask(self, export: Export) -> None:
        export.asked = True
        # One worker may have to import them one after the other: each has its own time after those before it.
        under_way = sum(other.asked and not other.known for other in self.exports.values())
        deadline = max(1, int(self._options.import_timeout * under_way * 1000))
        # A tuple: an id that no client can choose.
        self._put((_CALL, _MSGPACK, 0, (LANDSCAPE, export.namespace), deadline, export.question()))

    def wait(self, export: Export, event: Invoke | LoadNamespace) -> bool:
        """Keep a request until the module is known; False: too many wait already."""
        if len(export.waiting) >= MOST_WAITING and isinstance(event, Invoke):
            return False
        export.waiting.append(event)
        if not export.asked:
            self._ask(export)
        return True

    def load(self, event: LoadNamespace) -> None:
        """A client takes whatever comes for the namespace, so there is always one; its vars say what is wrong."""
        export = self.exports.get(event.name)
        if event.name == self._options.core_namespace:
            self._pod.send_namespace(event.id, event.name, self._core_variables())
        elif export is None:
            doc = f"This pod has no namespace {event.name}."
            self._pod.send_namespace(event.id, event.name, [var(IMPORT_ERROR, doc, ["[]"])])
        elif export.known:
            self._pod.send_namespace(event.id, export.namespace, export.vars)
        else:
            self.wait(export, event)

    def describe(self) -> None:
        """Somebody wants the description."""
        self._describing = True
        self._tell()

    def _tell(self) -> None:
        """Answer `describe`, once everything that it tells is known."""
        exports = list(self.exports.values())
        if not self._describing or not all(export.known or export.deferred for export in exports):
            return
        self._describing = False
        namespaces: list[Value] = []
        for export in exports:
            described: dict[str, Value] = {"name": export.namespace, "vars": export.vars}
            namespaces.append(described if export.known else {**described, "defer": "true"})
        core = self._options.core_namespace
        namespaces.append({"name": core, "vars": self._core_variables()})
        ops = ["shutdown", "load-ns"] if any(export.deferred for export in exports) else ["shutdown"]
        self._pod.send_description(namespaces, ops, pod_code.readers(self._options.payload_format, core))

    def _core_variables(self) -> list[Value]:
        core, payload_format = self._options.core_namespace, self._options.payload_format
        variables = pod_core.variables(arg_meta=payload_format == "transit+json")
        return [*variables, *pod_code.code(payload_format, core, next(iter(self.exports), core))]

    def learn(
        self, namespace: str, content: bytes, handle: Callable[[Invoke | LoadNamespace], None], *, is_error: bool
    ) -> bool:
        """A worker answered what the module offers, or why it can't. False: with `--strict` that is the end.

        Args:
            namespace: The module's.
            content: The answer.
            handle: Takes what had waited for it.
            is_error: Whether the question failed.
        """
        export = self.exports[namespace]
        failure = export.learn(content, is_error=is_error)
        if failure is not None:
            reason, traceback = message_of(failure), failure.get("traceback") or ""
            self._warn(f"bascule pod: module {export.module} can't be imported: {reason}\n{traceback}\n")
            if self._options.strict:
                return False
        if not export.known and (export.waiting or not export.deferred):
            self._ask(export)  # an installed package that is needed already, or can't be deferred
        elif export.known:
            for name, head in export.calls.items():
                known = f"{export.namespace}/{name}".encode()
                self.heads[known] = head
                self.tails[b"%b%d:%be" % (INVOKE_KEY, len(known), known)] = head
            waiting, export.waiting = export.waiting, []
            for event in waiting:
                if event.id in self._pod.open:
                    handle(event)
        self._tell()
        return True
