"""An exported module under its namespace, and what is known of it: not yet asked, asked, known, known to be broken."""

from __future__ import annotations

from bascule.bridge.doors.pod_vars import member_var, var
from bascule.bridge.errormaps import error_map
from bascule.protocols.calls import Op, encode_call
from bascule.protocols.errors import ErrorKind, ProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final, Union

    from bascule.bridge.doors.pod_options import PodOptions
    from bascule.protocols.bencode import Value
    from bascule.protocols.pod_events import Invoke, LoadNamespace

IMPORT_ERROR: Final = "import-error"
"""The var of a module that can't be imported: calling it raises why."""

_OPERATIONS: Final = {"class": Op.INIT, "constant": Op.CONST, "lazy": Op.USE}  # all else is called


class Export:
    """One module."""

    __slots__ = (
        "_can_wait",
        "_options",
        "announced",
        "asked",
        "calls",
        "deferred",
        "failure",
        "known",
        "module",
        "namespace",
        "vars",
        "waiting",
    )

    def __init__(self, module: str, namespace: str, options: PodOptions) -> None:
        self.module = module
        self.namespace = namespace
        self._options = options
        self.asked = False
        self.known = False
        # Clojure's loader on the JVM takes `_` in a file's name for `-`: it would ask for another namespace than this.
        self._can_wait = "_" not in namespace
        self.announced = bool(options.defer) and not self._can_wait  # it is described from its sources, not imported
        self.deferred = (
            bool(options.defer) and self._can_wait
        )  # its vars are told when the client requires the namespace
        self.calls: dict[str, bytes] = {}  # var -> the head of the call's payload
        self.vars: list[Value] = []
        self.failure: dict[str, Any] | None = None  # why it can't be imported, as an error map
        self.waiting: list[Union[Invoke, LoadNamespace]] = []  # what can't be answered before it is known

    def question(self) -> bytes:
        """The payload of the call that asks what the module offers, for MessagePack."""
        options = self._options
        wanted: dict[str, Any] = {}
        if options.imports:
            wanted["imports"] = True
        if options.private:
            wanted["private"] = True
        if options.defer is None and not (self.announced or options.strict or self.module in options.files):
            wanted["unless_installed"] = True
        if self.announced:
            wanted["from_source"] = True
        if self.module in options.files:
            wanted["file"] = options.files[self.module]
        arguments = b""
        if wanted:
            from bascule.protocols import packed

            arguments = packed.dumps([[wanted]])
        return encode_call(Op.LANDSCAPE, self.module, arguments)

    def learn(self, answer: bytes, *, is_error: bool) -> dict[str, Any] | None:
        """Take the answer; why the module can't be used, if so.

        Args:
            answer: A landscape (see `bascule.workers.landscape`) or an error map.
            is_error: The latter.
        """
        from bascule.protocols import packed

        self.known = True
        try:
            content = packed.loads(answer)
            if is_error:
                self.failure = dict(content)
            elif content.get("installed"):
                self.announced, self.deferred = True, self._can_wait
                self.known = self.asked = False
                return None
            else:
                self._take_members(content["members"])
                self.failure = content["error"]
        except (ProtocolError, LookupError, TypeError, ValueError, AttributeError) as error:
            self.failure = error_map(
                ErrorKind.REFUSED, f"what a worker said of module {self.module} can't be read: {error!r}"
            )
        if self.failure is not None:
            doc = f"Raises why {self.module} can't be imported: {message_of(self.failure)}"
            self.vars.append(var(IMPORT_ERROR, doc, ["[]"]))
        return self.failure

    def _take_members(self, members: list[dict[str, Any]]) -> None:
        options = self._options
        natural = options.payload_format != "json"
        for member in members:
            if not options.offers(self.module, member["name"]):
                continue
            described = member_var(member, python_names=options.python_names, natural_keywords=natural)
            if options.payload_format == "transit+json":
                described["arg-meta"] = "true"
            target = f"{self.module}:{member['name']}"
            self.calls[str(described["name"])] = encode_call(_OPERATIONS.get(member["kind"], Op.CALL), target, b"")
            self.vars.append(described)


def message_of(error: dict[str, Any]) -> str:
    """An error map in one text: `ValueError: no such thing`."""
    name, message = error.get("class"), error.get("message")
    return f"{name}: {message}" if name and message else str(name or message or "the call failed")
