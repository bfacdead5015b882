"""What travels as a value and what becomes a handle: the payloads of calls and results, in every codec.

The rule, for each object in a result (`calls.Want`):

- AUTO: what the format carries with all that it says goes as a value (some of it by way of `converters`), anything else
  as a handle: element by element, so a list of three open files is a list of three handles. Modules, functions,
  classes, generators, instances of the user's classes are handles. A result that is too deep, in a circle or too large
  for a frame is one handle as a whole. nan and the infinities in JSON and ETF are an error, not a handle: a float that
  now and then is none would be found out too late.
- VALUE: converters may lose something (a data frame becomes its records, a path its text); what is left is the error
  `NotEncodable`, which names the type and where it stands.
- HANDLE: a handle, even on a number.

`codec_for` gives the one object per codec that reads arguments and writes results. Only msgpack's is there from the
start; the others are imported when a call comes in them.
"""

from __future__ import annotations

import sys
from functools import partial

from bascule.protocols import packed
from bascule.protocols.calls import Want
from bascule.protocols.envelope import Codec
from bascule.protocols.errors import LocalProtocolError, RemoteProtocolError
from bascule.protocols.limits import MAX_DEPTH, MAX_FRAME
from bascule.protocols.tokens import Handle
from bascule.workers import converters
from bascule.workers.errors import because

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

    Resolve = Callable[[str, str], object]
    MakeHandle = Callable[[object], Handle]
    DropHandles = Callable[[list[Handle]], object]
    from bascule.protocols.envelope import Payload

_NAMES: Final = {
    int(Codec.MSGPACK): "msgpack",
    int(Codec.JSON): "json",
    int(Codec.ETF): "etf",
    int(Codec.EDN): "edn",
    int(Codec.TRANSIT): "transit",
}
_SHOWN_NAMES: Final = {
    "msgpack": "msgpack",
    "json": "JSON",
    "etf": "an Erlang term",
    "edn": "EDN",
    "transit": "transit",
}
_TEXTS: Final = frozenset((int(Codec.JSON), int(Codec.EDN), int(Codec.TRANSIT)))
_CLOJURES: Final = frozenset(("edn", "transit"))  # they give keyword arguments as pairs at the end
_VALUE, _HANDLE = int(Want.VALUE), int(Want.HANDLE)
_EVERYWHERE: Final = frozenset((type(None), bool, int, float, str, bytes, list, dict, tuple, Handle))
_MAX_REPLACED: Final = 8  # converters in a row, each for what the one before it gave
_REMEDY: Final = "ask for a handle to keep it in the worker"
_NUMBERS: Final = frozenset((type(None), bool, int, float))
most_bytes = MAX_FRAME  # of one payload; a Final would be fixed when it is compiled, and tests make it small


class ArgumentsError(ValueError):
    """A call's arguments can't be read, or are not `[args]` or `[args, kwargs]`. No user code has run."""


class NotEncodable(ValueError):
    """A result does not fit the caller's format.

    Attributes:
        type_name: The type of what does not fit, "" when it is the value as a whole.
    """

    def __init__(self, message: str, *, type_name: str = "") -> None:
        super().__init__(message)
        self.type_name = type_name


def _decided_by_codec(replacement: Any) -> bool:
    """msgpack and JSON ask again for a replacement that they do not carry."""
    return True


def _carried_by_etf(replacement: Any) -> bool:
    etf: Any = sys.modules["bascule.protocols.etf"]
    return (
        isinstance(replacement, (etf.Opaque, etf.BitString))
        or type(replacement) in (etf.Atom, etf.ImproperList, etf.Map)
        or etf.dict_name(replacement) is not None
        or etf.date_tuple(replacement) is not None
    )


class ValueCodec:
    """One codec, as the worker's loop uses it."""

    __slots__ = ("_dumps", "_dumps_error", "_keywords", "_loader", "_loads", "error_value", "name", "native")

    def __init__(self, name: str, module: Any) -> None:
        self.name = name
        self.native: Callable[[Any], bool] = _carried_by_etf if name == "etf" else _decided_by_codec
        self._dumps: Callable[..., bytes] = module.dumps
        self._dumps_error: Callable[[dict[str, Any]], bytes] = module.dumps_error
        self.error_value: Callable[[dict[str, Any]], object] = getattr(module, "error_term", dict)
        """An error map as a part of a value."""
        self._keywords: Callable[[Any], dict[str, Any]] = module.keywords
        self._loads: Callable[..., Any] = module.loads
        self._loader: Callable[[Resolve, int], Callable[[Payload], Any]] | None = getattr(module, "loader", None)

    def decode_value(self, payload: Payload, resolve_handle: Resolve | None, style: int = 0) -> Any:
        """One value: a client's answer.

        Raises:
            ArgumentsError: It can't be read.
        """
        try:
            return self._loads(self._readable(payload), handle=resolve_handle, style=style)
        except RemoteProtocolError as error:
            raise because(ArgumentsError(f"the answer can't be read: {error}"), None)  # noqa: B904

    def decode_error(self, payload: Payload) -> dict[str, Any]:
        """An error map, from a client."""
        try:
            error = self._keywords(self._loads(self._readable(payload)))
        except (RemoteProtocolError, ValueError, TypeError) as problem:
            return {"kind": "refused", "message": f"the client's error can't be read: {problem}"}
        return error

    def _readable(self, payload: Payload) -> Payload:
        """A large one is a bytearray, which only msgpack's reader takes."""
        return payload if self.name == "msgpack" else bytes(payload)

    def decoder(self, resolve_handle: Resolve, style: int = 0) -> Callable[[Payload], Any]:
        """A function from bytes to what they hold, for a loop that takes `[args, kwargs]` apart itself.

        It raises RemoteProtocolError, what `resolve_handle` raises, and ArgumentsError for a converter that failed.
        """
        plainly: Callable[[Payload], Any] = (
            self._loader(resolve_handle, style)
            if self._loader is not None
            else partial(self._loads, handle=resolve_handle, style=style)
        )
        if self.name in _CLOJURES:
            plainly = partial(_decode_clojures, plainly)
        if not converters.receives():
            return plainly

        def decode(tail: Payload) -> Any:
            value = plainly(tail)
            if type(value) is not list or not value or type(value[0]) is not list:
                return value
            kwargs = self._keywords(value[1]) if len(value) == 2 else {}
            try:
                args, kwargs = converters.received(value[0], kwargs, self.name)
            except converters.ConverterFailed as error:
                raise because(ArgumentsError(str(error)), error.__cause__)  # noqa: B904
            return [args, kwargs] if kwargs else [args]

        return decode

    def encoder(
        self, want: int, style: int, make_handle: MakeHandle, drop_handles: DropHandles | None = None
    ) -> Callable[[object], bytes]:
        """A function from a value to the payload of a reply, or of one item of a stream.

        Args:
            want: One of `calls.Want`.
            style: The head's style.
            make_handle: Keeps an object here and gives a handle on it; what it raises comes out as it is.
            drop_handles: Called with the handles that were made for a result that then could not be sent.

        The function raises NotEncodable where a value can't travel as was asked.
        """
        dumps = self._dumps

        def as_handle(value: object) -> bytes:
            return dumps(make_handle(value), style=style)

        def carefully(value: object) -> bytes:
            if type(value) in _NUMBERS:  # nothing in it needs replacing
                try:
                    return dumps(value, style=style)
                except Exception:
                    pass
            return self._encode(value, want, style, make_handle, drop_handles)

        def encode(value: object) -> bytes:
            try:  # most results hold nothing that needs replacing: then this is all
                data = dumps(value)
            except Exception:
                pass
            else:
                if len(data) <= most_bytes:
                    return data
            return carefully(value)

        if want == _HANDLE:
            return as_handle
        # ETF by itself takes a subclass for its base, which may be more than that: it is always asked with us there.
        return carefully if self.name == "etf" else encode

    def encode_error(self, error_map: dict[str, Any]) -> bytes:
        """The payload of an ERROR frame. It never fails: what does not fit is written as text."""
        try:
            data = self._dumps_error(error_map)
            if len(data) <= most_bytes:
                return data
        except Exception:  # user code's own texts and numbers are in there
            pass
        from bascule.workers.unencodable import softened

        return self._dumps_error(softened(error_map))

    def _encode(
        self, value: object, want: int, style: int, make_handle: MakeHandle, drop_handles: DropHandles | None
    ) -> bytes:
        """Write a value in which converters and handles may be needed, as AUTO or VALUE."""
        replace = _Replace(self, make_handle, insists=want == _VALUE)
        failure: Exception | None = None
        try:
            data = self._dumps(value, default=replace, style=style)
            if len(data) <= most_bytes:
                return data
            problem, too_much = f"{len(data)} bytes are over the limit of {most_bytes} for one frame", True
        except Exception as error:
            failure = error
            problem, too_much = self._what_failed(error), _is_too_much(error, value)
        if drop_handles is not None and replace.made:
            drop_handles(replace.made)
        if failure is not None and failure is replace.raised:
            raise failure
        if isinstance(failure, NotEncodable):
            from bascule.workers.unencodable import path_to

            where = path_to(value, replace.offender, replace.inside)
            raise because(NotEncodable(f"{failure}{where}; {_REMEDY}", type_name=failure.type_name), failure.__cause__)
        if too_much and want != _VALUE:
            return self._dumps(make_handle(value), style=style)
        raise NotEncodable(f"{problem}; {_REMEDY}")

    def _what_failed(self, error: Exception) -> str:
        return "nested too deep, or in a circle" if isinstance(error, RecursionError) else str(error) or repr(error)


_codecs: dict[int, ValueCodec] = {int(Codec.MSGPACK): ValueCodec("msgpack", packed)}


def codec_for(codec: int) -> ValueCodec:
    """The codec of that number (`envelope.Codec`), imported if this is its first use.

    Raises:
        ArgumentsError: There is no such codec.
    """
    try:
        return _codecs[codec]
    except KeyError:
        pass
    module: Any
    if codec == Codec.JSON:
        from bascule.protocols import jsonic

        module = jsonic
    elif codec == Codec.ETF:
        from bascule.protocols import etf

        module = etf
        module.Fun.apply = _apply_fun
    elif codec == Codec.EDN:
        from bascule.protocols import edn

        module = edn
    elif codec == Codec.TRANSIT:
        from bascule.protocols import transit

        module = transit
    else:
        known = ", ".join([f"{number} {name}" for number, name in _NAMES.items()])
        raise ArgumentsError(f"codec {codec} is not known; there are: {known}")
    if codec in _TEXTS:
        from bascule.protocols import tagged
        from bascule.workers import client_functions

        tagged.READERS[client_functions.TAG] = client_functions.ClientFunction
    found = _codecs[codec] = ValueCodec(_NAMES[codec], module)
    return found


def _decode_clojures(decode: Callable[[Payload], Any], tail: Payload) -> Any:
    value = decode(tail)
    if type(value) is list and len(value) == 1 and type(value[0]) is list:
        args, kwargs = _pairs_apart(value[0])
        return [args, kwargs] if kwargs else [args]
    return value


def _pairs_apart(args: list[Any]) -> tuple[list[Any], dict[str, Any]]:
    from bascule.protocols.clojure import split_keywords

    try:
        return split_keywords(args)
    except ValueError as error:
        raise because(ArgumentsError(f"the arguments can't be read: {error}"), None)  # noqa: B904


def _apply_fun(fun: Any, arguments: tuple[Any, ...]) -> Any:
    from bascule.workers.erlang import apply_fun

    return apply_fun(fun, arguments)


class _Replace:
    """The `default` of one encoding: asks the converters, then makes a handle or refuses."""

    __slots__ = ("_codec", "_make_handle", "insists", "made", "offender", "raised")

    def __init__(self, codec: ValueCodec, make_handle: MakeHandle, *, insists: bool) -> None:
        self._codec = codec
        self._make_handle = make_handle
        self.insists = insists
        self.made: list[Handle] = []
        self.offender: object = None
        self.raised: BaseException | None = None

    def __call__(self, obj: Any) -> Any:
        for _ in range(_MAX_REPLACED):
            replacement = self.converted(obj)
            if replacement is NotImplemented:
                break
            if type(replacement) in _EVERYWHERE or self._codec.native(replacement):
                return replacement
            obj = replacement
        if self.insists:
            self.offender = obj
            name = _name(type(obj))
            shown = _SHOWN_NAMES[self._codec.name]
            raise NotEncodable(f"an object of type {name} does not travel as a value in {shown}", type_name=name)
        try:
            handle = self._make_handle(obj)
        except BaseException as error:
            self.raised = error
            raise
        self.made.append(handle)
        return handle

    def converted(self, obj: Any) -> Any:
        try:
            return converters.convert(obj, self._codec.name, lossy=self.insists)
        except Exception as error:
            self.offender = obj
            name = _name(type(obj))
            reason = str(error) or type(error).__name__
            failed = NotEncodable(f"converting an object of type {name} failed: {reason}", type_name=name)
            raise because(failed, error)  # noqa: B904

    def inside(self, obj: object) -> object:
        """What a converter makes of an object; NotImplemented where none makes anything of it."""
        try:
            return self.converted(obj)
        except NotEncodable:
            return NotImplemented


def _is_too_much(error: Exception, value: object) -> bool:
    """Whether it failed for the value's size or depth: then there is nothing wrong with any part of it."""
    if isinstance(error, (LocalProtocolError, RecursionError, MemoryError)):
        return True
    return isinstance(error, ValueError) and packed.is_deeper(value, MAX_DEPTH)


def _name(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
