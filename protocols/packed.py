"""Values as msgpack: the codec of Python clients and of Bascule's own control messages, on the hottest path.

Plain values (None, bool, int of 64 bits, float, str, bytes, list, dict) are plain msgpack, written and read by
msgpack's C code and nothing else. What else the standard library knows as a value travels as an extension type
(`extensions` lists them), so that it comes back as what it was. A reader in another language that does not know an
extension sees its code and bytes, and loses nothing but that one value.

How it stays fast: a Packer costs more to make than a small value costs to write, so packers are kept and used again
(`_Encoder`); types are checked exactly by the C code (`strict_types`: that tells a tuple from a list, at no cost); the
reader's hook is only called when there is an extension.

What a peer can do: elements are counted before they are made, by msgpack itself; extensions inside extensions nest at
most MAX_NESTED deep, since each costs the C stack 40 KiB; whatever is wrong is a RemoteProtocolError.

Text with lone surrogates (a file's name that is not UTF-8) is written the way Python's "surrogatepass" does.
A bytearray keeps its type where it is the whole value; inside a container msgpack's C code makes bytes of it, and of
each memoryview, without asking.
"""

from __future__ import annotations

import sys

from bascule.protocols import extensions
from bascule.protocols.errors import LocalProtocolError, RemoteProtocolError
from bascule.protocols.extensions import WRITERS, Ext, find_writer
from bascule.protocols.limits import MAX_ELEMENTS
from bascule.protocols.tokens import TOKEN_LENGTH, Handle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Final

    from bascule.protocols.envelope import Payload

    Default = Callable[[Any], Any]
    Resolve = Callable[[str, str], object]

# A worker's boot may have loaded Bascule's own msgpack under a private name: the pool's Python has none, or another.
_own = sys.modules.get("bascule._msgpack")
if _own is None:
    import msgpack as _own  # type: ignore[no-redef]
msgpack: Any = _own

_unpackb, _ExtType, _Timestamp = msgpack.unpackb, msgpack.ExtType, msgpack.Timestamp

MAX_NESTED: Final = 64  # extensions inside extensions; 150 are too many for the usual C stack
MAX_DEPTH: Final = 1000  # lists and maps inside one another, both ways: msgpack's own limit is a little above
_WALK_FROM: Final = 8  # extensions inside one another that are written before anybody looks how deep it goes
_MAX_REPLACED: Final = 8  # times that `default` may replace a replacement
LARGE: Final = 1 << 16  # bytes of a bytes object that a packer would copy twice
_KEEP: Final = 1 << 16  # bytes; a packer's buffer never shrinks, so one that wrote more is not kept
_SMALL_BUFFER: Final = 1 << 10

_PLAIN: Final = frozenset((type(None), bool, float, str, bytes, list, dict, bytearray, memoryview))
_HANDLE: Final = int(Ext.HANDLE)
_TUPLE: Final = int(Ext.TUPLE)
_new_tuple = tuple.__new__  # an ExtType made without its own checks, which cost more than the rest


def dumps(value: object, *, default: Default | None = None, style: int = 0) -> bytes:
    """`value` as msgpack.

    Args:
        value: What to write.
        default: Called for each object, at any depth, that is not carried natively: gives what to write in its place.
            What it raises comes out as it is.
        style: Nothing here; other codecs have choices.

    Raises:
        TypeError: Something is not carried, and there is no `default`.
        LocalProtocolError: Too deep (or in a circle), or too large.
    """
    kind = type(value)
    if kind in _NUMBERS:
        try:
            return _pack_number(value)
        except OverflowError:  # beyond 64 bits
            pass
    elif kind in _WHOLE:
        whole = _WHOLE[kind](value)
        if whole is not None:
            return whole
    try:
        encoder = _idle.pop()
    except IndexError:
        encoder = _Encoder()
    encoder.default = default
    try:
        data: bytes = encoder.pack(value)
    except Exception as error:  # the encoder is left to the garbage collector: no half-written buffer is used again
        return _after_failure(error, value, default)
    encoder.default = None  # it may hold on to much
    if len(data) < _KEEP:
        _idle.append(encoder)
    else:
        del encoder.pack  # a circle: its buffer would stay until the garbage collector comes by
    return data


def dumps_arguments(args: Sequence[Any], default: Default | None = None) -> bytes | tuple[bytes, bytes]:
    """Positional arguments with large bytes among them, as `dumps([args])` writes them.

    Those bytes are copied once, and not at all where they come last: then they are the second of two pieces.
    """
    pieces = [b"\x91", _array_header(len(args))]
    for value in args:
        if type(value) is bytes and LARGE <= len(value) < 1 << 32:
            pieces += (_bytes_header(len(value)), value)
        else:
            pieces.append(dumps(value, default=default))
    if len(pieces[-1]) >= LARGE and pieces[-1] is args[-1]:
        return b"".join(pieces[:-1]), pieces[-1]
    return b"".join(pieces)


def loads(data: Payload, *, handle: Resolve | None = None, style: int = 0) -> Any:
    """The value that `data` holds.

    Args:
        data: One msgpack value, whole.
        handle: Called with (token, type name) for each handle: gives what to put in its place. Default: a `Handle`.
            What it raises comes out as it is.
        style: Nothing here.

    Raises:
        RemoteProtocolError: `data` is malformed, or over a limit.
    """
    try:
        if len(data) < MAX_ELEMENTS:
            hook = _read_plainly if handle is None else _Reader(handle).extension
            return _unpackb(data, ext_hook=hook, strict_map_key=False, timestamp=3)
        return _Reader(handle).read(data)
    except HandleFailed as failed:
        raise failed.error from None
    except UnicodeDecodeError:
        return _loads_surrogates(data, handle)
    except Exception as error:  # what rubbish makes msgpack, dict and set raise is a long list
        raise _malformed(error) from None


def loader(handle: Resolve, style: int = 0) -> Callable[[Payload], Any]:
    """`loads` for one `handle`, for who reads many small values: nothing is made per value but the value."""

    def read_extension(code: int, data: bytes) -> Any:
        return _Reader(handle).extension(code, data)

    def load(data: Payload) -> Any:
        if len(data) < MAX_ELEMENTS:
            try:
                return _unpackb(data, ext_hook=read_extension, strict_map_key=False, timestamp=3)
            except HandleFailed as failed:
                raise failed.error from None
            except Exception:  # the long way says what is wrong
                pass
        return loads(data, handle=handle)

    return load


def keywords(value: object) -> dict[str, Any]:
    """The keyword arguments that the second element of a call's arguments spells.

    Raises:
        RemoteProtocolError: It is not a map with text keys.
    """
    if value is None:
        return {}
    if type(value) is not dict:
        raise RemoteProtocolError(f"keyword arguments are a map, this is a {type(value).__name__}")
    for key in value:
        if type(key) is not str:
            raise RemoteProtocolError(f"a keyword is text, this is a {type(key).__name__}")
    return value


def dumps_error(error_map: dict[str, Any]) -> bytes:
    """An error map as msgpack; it is plain data."""
    return dumps(error_map, default=str)


class _Encoder:
    """A packer, with what it asks when it meets an object that plain msgpack does not carry.

    One encoder is in use by one call of `dumps` at a time. What is inside an extension is written by the encoder of the
    next level, which is made when it is first needed and then kept.
    """

    __slots__ = ("_deeper", "_errors", "_level", "_root", "default", "pack")

    def __init__(self, root: _Encoder | None = None, level: int = 0, errors: str | None = None) -> None:
        self.default: Default | None = None
        self.pack: Callable[[object], bytes] = _new_packer(self._replace, errors)
        self._root = root or self
        self._level = level
        self._errors = errors
        self._deeper: _Encoder | None = None

    def _replace(self, obj: Any) -> Any:
        """msgpack's `default`: the extension for `obj`, or what the caller's own `default` gives for it."""
        kind = type(obj)
        if kind is tuple:
            return _new_tuple(_ExtType, (_TUPLE, self._inside(list(obj))))
        extension = self._extension(kind, obj)
        if extension is not None:
            return extension
        default = self._root.default
        if default is None:
            raise TypeError(f"msgpack does not carry a {kind.__module__}.{kind.__qualname__}")
        for _ in range(_MAX_REPLACED):
            obj = default(obj)
            kind = type(obj)
            if kind in _PLAIN:
                if self._level > _WALK_FROM:
                    _refuse_too_deep(obj)
                return obj
            if kind is int and -0x8000000000000000 <= obj <= 0xFFFFFFFFFFFFFFFF:
                return obj
            extension = self._extension(kind, obj)
            if extension is not None:
                return extension
        raise TypeError(f"what stands in for an object is not carried either: a {kind.__module__}.{kind.__qualname__}")

    def _extension(self, kind: type, obj: Any) -> Any:
        """The extension for an object of that type, None when it has none."""
        nested = _NESTED_WRITERS.get(kind)
        if nested is not None:
            code, parts = nested
            return _new_tuple(_ExtType, (code, self._inside(parts(obj))))
        writer = WRITERS.get(kind) or find_writer(kind)
        if writer is None:
            return None
        extension = writer(obj)
        if extension is None:
            return None
        code, data = extension
        if code < 0:
            return _Timestamp.from_bytes(data)
        if code == Ext.ARRAY:
            _WHOLE[kind] = _whole_array
        return _new_tuple(_ExtType, extension)

    def _inside(self, parts: list[Any]) -> bytes:
        """The bytes of a list inside an extension.

        Each level begins a C recursion of its own, so msgpack's limit counts from there: levels times MAX_DEPTH
        would be more than a stack holds. A few levels of full depth fit; beyond, the whole depth is measured once.
        """
        deeper = self._deeper
        if deeper is None:
            if self._level >= MAX_NESTED:
                raise LocalProtocolError(f"tuples and sets inside one another beyond {MAX_NESTED}, or in a circle")
            deeper = self._deeper = _Encoder(self._root, self._level + 1, self._errors)
        if self._level == _WALK_FROM:
            _refuse_too_deep(parts)
        return deeper.pack(parts)


class _Reader:
    """Reads a value with extensions in it, and knows how deep it is in them."""

    __slots__ = ("_errors", "_level", "_resolve")

    def __init__(self, resolve: Resolve | None, errors: str = "strict") -> None:
        self._resolve = resolve
        self._errors = errors
        self._level = 0

    def read(self, data: Payload) -> Any:
        if len(data) > MAX_ELEMENTS or self._errors != "strict":
            most = min(len(data), MAX_ELEMENTS)
            limits = {"max_array_len": most, "max_map_len": most}
            hook, errors = self.extension, self._errors
            return _unpackb(data, ext_hook=hook, strict_map_key=False, timestamp=3, unicode_errors=errors, **limits)
        return _unpackb(data, ext_hook=self.extension, strict_map_key=False, timestamp=3)

    def extension(self, code: int, data: bytes) -> Any:
        if code == _HANDLE:
            return self._handle(data)
        reader = _NESTED_READERS.get(code)
        if reader is None:
            return extensions.read(code, data)
        if self._level >= MAX_NESTED:
            raise ValueError(f"extensions inside one another beyond {MAX_NESTED}")
        self._level += 1
        parts = self.read(data)
        self._level -= 1
        if type(parts) is not list:
            raise ValueError(f"extension type {code} holds a list, not a {type(parts).__name__}")
        return reader(parts)

    def _handle(self, data: bytes) -> object:
        if len(data) < TOKEN_LENGTH:
            raise ValueError(f"a handle of {len(data)} bytes is shorter than its token")
        if not data[:TOKEN_LENGTH].isalnum():
            raise ValueError("a token is of letters and digits")
        token, name = data[:TOKEN_LENGTH].decode("ascii"), data[TOKEN_LENGTH:].decode("utf-8", "replace")
        if self._resolve is None:
            return Handle(token, name)
        try:
            return self._resolve(token, name)
        except Exception as error:
            raise HandleFailed(error) from None


class HandleFailed(Exception):
    """Carries what the caller's `handle` raised past the nets for malformed input."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def _read_plainly(code: int, data: bytes) -> Any:
    """The extension hook of a value whose reader has no wishes: no object is made unless an extension is there."""
    return _Reader(None).extension(code, data)


def _loads_surrogates(data: Payload, resolve: Resolve | None) -> Any:
    """Read again, with lone surrogates allowed; at every level, so that no level is read more than twice."""
    try:
        return _Reader(resolve, "surrogatepass").read(data)
    except HandleFailed as failed:
        raise failed.error from None
    except Exception as error:
        raise _malformed(error) from None


def _malformed(error: Exception) -> RemoteProtocolError:
    what = str(error) or {"StackError": "nested too deep"}.get(type(error).__name__, type(error).__name__)
    return RemoteProtocolError(f"msgpack is malformed: {what}")


def _after_failure(error: Exception, value: object, default: Default | None) -> bytes:
    """What a packer's exception means; for text that is not UTF-8, the value written in the other way."""
    if isinstance(error, UnicodeEncodeError):
        encoder = _Encoder(errors="surrogatepass")
        encoder.default = default
        try:
            return encoder.pack(value)
        except Exception as again:
            error = again
    too_deep = isinstance(error, ValueError) and str(error).startswith("recursion limit exceeded")
    if too_deep or isinstance(error, RecursionError):
        raise LocalProtocolError(f"nested deeper than {MAX_DEPTH}, or in a circle") from None
    try:
        raise error
    finally:
        del error, value  # the traceback would keep them, and itself, until the next garbage collection


def is_deeper(value: object, limit: int) -> bool:
    """Whether containers nest deeper than `limit` in `value`; in a circle, they do. Looks level by level."""
    level: dict[int, object] = {id(value): value}
    for _ in range(limit):
        below: dict[int, object] = {}  # by identity: what is reached twice is looked at once
        for container in level.values():
            if isinstance(container, dict):
                inside: Any = [*container.keys(), *container.values()]
            elif isinstance(container, _CONTAINERS):
                inside = container
            else:
                continue
            below.update((id(one), one) for one in inside if isinstance(one, _CONTAINERS))
        if not below:
            return False
        level = below
    return True


def _refuse_too_deep(value: object) -> None:
    if is_deeper(value, MAX_DEPTH):
        raise LocalProtocolError(f"nested deeper than {MAX_DEPTH}, or in a circle")


def _new_packer(default: Default | None, errors: str | None) -> Callable[[object], bytes]:
    try:
        packer = msgpack.Packer(strict_types=True, default=default, unicode_errors=errors, buf_size=_SMALL_BUFFER)
    except TypeError:  # before msgpack 1.1
        packer = msgpack.Packer(strict_types=True, default=default, unicode_errors=errors)
    return packer.pack  # type: ignore[no-any-return]


def _whole_extension(code: int, pieces: list[Any]) -> bytes:
    """A value that is one extension, joined in one go: a packer would copy its bytes twice more."""
    length = sum(map(len, pieces))
    if length in _FIXED:
        head = bytes((_FIXED[length], code))
    elif length < 0x100:
        head = bytes((0xC7, length, code))
    elif length < 0x10000:
        head = b"\xc8" + length.to_bytes(2, "big") + bytes((code,))
    elif length < 0x100000000:
        head = b"\xc9" + length.to_bytes(4, "big") + bytes((code,))
    else:
        raise LocalProtocolError(f"{length} bytes are over msgpack's limit of 4 GiB")
    return b"".join([head, *pieces])


def _whole_array(array: Any) -> bytes | None:
    from bascule.protocols.arrays import write_array

    pieces = write_array(array)
    return None if pieces is None else _whole_extension(Ext.ARRAY, pieces)


def _whole_bytes(value: bytes) -> bytes | None:
    """A large bytes object on its own, in one copy."""
    return _bytes_header(len(value)) + value if LARGE <= len(value) < 1 << 32 else None


def _bytes_header(length: int) -> bytes:
    return b"\xc6" + length.to_bytes(4, "big")  # bin 32


def _array_header(length: int) -> bytes:
    return bytes([0x90 | length]) if length < 16 else b"\xdd" + length.to_bytes(4, "big")  # fixarray, array 32


def _whole_bytearray(value: bytearray) -> bytes | None:
    return _whole_extension(Ext.BYTEARRAY, [value])


_is_compiled: Final = not msgpack.Packer.__module__.endswith("fallback")
_NUMBERS: Final = frozenset((type(None), bool, int, float) if _is_compiled else ())
_pack_number = _new_packer(None, None)  # one for all threads: the C code does not let go between first byte and last
_idle: list[_Encoder] = []  # taking from it and giving back are atomic, so threads share it without a lock
_FIXED: Final = {1: 0xD4, 2: 0xD5, 4: 0xD6, 8: 0xD7, 16: 0xD8}
_CONTAINERS: Final = (dict, list, tuple, set, frozenset)
_WHOLE: Final[dict[type, Callable[[Any], bytes | None]]] = {bytes: _whole_bytes, bytearray: _whole_bytearray}
_NESTED_WRITERS: Final[dict[type, tuple[int, Callable[[Any], list[Any]]]]] = {
    tuple: (Ext.TUPLE, list),
    set: (Ext.SET, list),
    frozenset: (Ext.FROZENSET, list),
    range: (Ext.RANGE, lambda value: [value.start, value.stop, value.step]),
    slice: (Ext.SLICE, lambda value: [value.start, value.stop, value.step]),
}
_NESTED_READERS: Final[dict[int, Callable[[list[Any]], Any]]] = {
    Ext.TUPLE: tuple,
    Ext.SET: set,
    Ext.FROZENSET: frozenset,
    Ext.RANGE: lambda parts: range(*parts),
    Ext.SLICE: lambda parts: slice(*parts),
}
