"""The payload formats of a pod: what stands for nothing, how arguments are passed on, how an error map is written.

A format is chosen once, when the pod starts; the codec's own module is imported when the door first has to write or
read a value itself, which is seldom: values are the workers' business.
"""

from __future__ import annotations

from bascule.bridge.doors.pod_arguments import Arguments, BadArguments, EdnArguments, TransitArguments, payload, split
from bascule.bridge.doors.pod_vars import KEYWORDS
from bascule.protocols.envelope import Codec
from bascule.protocols.errors import RemoteProtocolError
from bascule.protocols.tokens import Handle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any, Final


_BEHIND_KEYWORDS: Final = b"} \t\r\n"


class Format:
    """JSON, which is the default."""

    name = "json"
    codec = int(Codec.JSON)
    nothing = b"null"
    arguments: type[Arguments] = Arguments

    def pass_on(self, args: bytes) -> bytes:
        """The arguments of a call as a worker takes them.

        Raises:
            BadArguments: They are none.
        """
        # Keywords are an object at the end. To look for them all through a large text takes longer than to send it.
        if args[:1] == b"[" and args[-1:] == b"]" and (args[-2:-1] not in _BEHIND_KEYWORDS or b"kwargs" not in args):
            return b"[%b]" % args
        return payload(*split(args))

    def module(self) -> ModuleType:
        """The codec."""
        from bascule.protocols import jsonic

        return jsonic

    def write(self, value: object) -> bytes:
        """A value of the door's own: plain data, and handles as they were read."""
        written: bytes = self.module().dumps(value, default=str)
        return written

    def listed(self, *elements: bytes) -> bytes:
        """What was written already, as a list: behind plain texts and numbers any value means what it did."""
        return b"[%b]" % b",".join(elements)

    def keyed(self, data: Any) -> Any:
        """Plain data of ours whose maps have names for keys, as this format's users expect them."""
        return data

    def write_error(self, error: dict[str, Any]) -> bytes:
        """An error map as ex-data: always a map, always readable."""
        written: bytes = self.module().dumps_error(error)
        return written

    def read(self, content: bytes) -> Any:
        """What a worker, or the client, wrote.

        Raises:
            RemoteProtocolError: It can't be read.
        """
        return self.module().loads(content)

    def read_arguments(self, args: bytes) -> list[Any]:
        """All arguments, decoded; keywords as they came, in a last map or as pairs.

        Raises:
            BadArguments: They are no arguments.
        """
        try:
            found = self._read_all(args) if args else None
        except RemoteProtocolError as error:
            raise BadArguments(str(error)) from None
        if found is not None and not isinstance(found, list):
            raise BadArguments(f"the arguments of a call are a list, not a {type(found).__name__}")
        return found or []

    def _read_all(self, args: bytes) -> Any:
        positional, keywords = split(args) if b"kwargs" in args else (b"", b"")
        if not keywords:
            return self.read(args)
        return [*self.read(b"[%b]" % positional), {KEYWORDS: self.read(keywords)}]

    def tokens(self, args: bytes) -> bytes:
        """The tokens of arguments that are handles alone, back to back.

        Raises:
            BadArguments: One of them is something else.
        """
        found = self.read_arguments(args)
        for number, each in enumerate(found, 1):
            if not isinstance(each, Handle):
                raise BadArguments(f"argument {number} is no handle")
        return b"".join([each.token.encode() for each in found])


class _ClojureFormat(Format):
    """What EDN and transit have in common."""

    def pass_on(self, args: bytes) -> bytes:
        """As they are: the worker sees what is in them."""
        return b"[%b]" % args if args else b""

    def _read_all(self, args: bytes) -> Any:
        return self.read(args)

    def keyed(self, data: Any) -> Any:
        """Names are keywords."""
        from bascule.protocols.clojure import with_keyword_keys

        return with_keyword_keys(data)


class EdnFormat(_ClojureFormat):
    """EDN, which says all that Clojure can."""

    name = "edn"
    codec = int(Codec.EDN)
    nothing = b"nil"
    arguments = EdnArguments

    def module(self) -> ModuleType:
        """The codec."""
        from bascule.protocols import edn

        return edn


class TransitFormat(_ClojureFormat):
    """transit+json, which says as much, and faster."""

    name = "transit+json"
    codec = int(Codec.TRANSIT)
    nothing = b'["~#\'",null]'
    arguments = TransitArguments

    def module(self) -> ModuleType:
        """The codec."""
        from bascule.protocols import transit

        return transit


FORMATS: dict[str, type[Format]] = {each.name: each for each in (Format, EdnFormat, TransitFormat)}
"""By the name that `describe` tells the client."""
