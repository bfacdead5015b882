"""Bytes that are equal when two values are: what hashes of keys are made of.

Pickles will not do: the pickle of a dictionary depends on the order in which it was filled, that of a set on the hash
seed of the process, that of two equal strings on whether they are one object. Here each value is written by its type
and content: dictionaries and sets sorted, dataclasses by their fields, arrays and frames by their elements, functions
and classes by their names (and code), other objects by what `pickle` would need to make them again.

A container is written as the digest of its parts, and each object once: neither an object that is shared many times nor
a large one is a problem. A value that contains itself, or that has no content to speak of (a lock, a socket, a running
generator), is refused with `Uncacheable`, which says what to do.
"""

from __future__ import annotations

import copyreg
import dataclasses
import enum
import functools
import hashlib
import struct
import types
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any

DIGEST = 20  # bytes that a container counts for inside another
_pack_float = struct.Struct(">d").pack


class Uncacheable(TypeError):
    """No key can be made of a value; the message names its type and the remedy."""


def encode(value: Any) -> bytes:
    """The canonical bytes of a value.

    Raises:
        Uncacheable: It has no content that could be compared.
    """
    return _Encoder().encode(value)


class _Encoder:
    """One encoding: knows what it has met, to write shared parts once and to notice circles."""

    def __init__(self) -> None:
        self._done: dict[int, tuple[object, bytes]] = {}  # by id; the object is kept, so that the id stays its own
        self._open: set[int] = set()

    def encode(self, value: Any) -> bytes:
        scalar = _SCALARS.get(type(value))
        if scalar is not None:
            return scalar(value)
        known = self._done.get(id(value))
        if known is not None:
            return known[1]
        if id(value) in self._open:
            raise Uncacheable(_refusal(value, "contains itself"))
        self._open.add(id(value))
        try:
            tag, parts = _parts(value)
            content = self._content(tag, parts)
        except RecursionError:
            raise Uncacheable(_refusal(value, "is nested too deep")) from None
        finally:
            self._open.discard(id(value))
        self._done[id(value)] = (value, content)
        return content

    def _content(self, tag: bytes, parts: _Parts) -> bytes:
        digest = hashlib.blake2b(tag + b"\0", digest_size=DIGEST)
        if isinstance(parts, _Raw):
            digest.update(parts.data)
        elif isinstance(parts, _Unordered):
            for encoded in sorted([self._pair(each) for each in parts.items]):
                digest.update(encoded)
        else:
            for each in parts:
                digest.update(_framed(self.encode(each)))
        return b"@" + digest.digest()

    def _pair(self, item: Any) -> bytes:
        if type(item) is _Pair:
            return _framed(self.encode(item.key)) + _framed(self.encode(item.value))
        return _framed(self.encode(item))


class _Raw:
    """Content that is bytes already."""

    __slots__ = ("data",)

    def __init__(self, data: Any) -> None:
        self.data = data


class _Pair:
    __slots__ = ("key", "value")

    def __init__(self, key: Any, value: Any) -> None:
        self.key = key
        self.value = value


class _Unordered:
    """Parts whose order means nothing."""

    __slots__ = ("items",)

    def __init__(self, items: list[Any]) -> None:
        self.items = items


_Parts = Any  # a sequence of values, _Raw or _Unordered


def _framed(data: bytes) -> bytes:
    return len(data).to_bytes(8, "little") + data


def _text(value: str) -> bytes:
    return b"s" + value.encode("utf-8", "surrogatepass")


_SCALARS: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda value: b"N",
    bool: lambda value: b"T" if value else b"F",
    int: lambda value: b"i%x" % value if value >= 0 else b"i-%x" % -value,
    float: lambda value: b"f" + _pack_float(value),
    complex: lambda value: b"c" + _pack_float(value.real) + _pack_float(value.imag),
    str: _text,
    bytes: lambda value: b"b" + value,
    type(Ellipsis): lambda value: b"E",
    type(NotImplemented): lambda value: b"I",
}


def _parts(value: Any) -> tuple[bytes, _Parts]:
    """What a value consists of: a tag for its type, and its parts."""
    known = _CONTAINERS.get(type(value))
    if known is not None:
        return known(value)
    if isinstance(value, type):
        return b"class", [value.__module__, value.__qualname__]
    if isinstance(value, enum.Enum):
        return b"enum", [_type_name(value), value.name or repr(value.value)]
    own = getattr(value, "__persist_key__", None)
    if own is not None:
        return b"own", [_type_name(value), own() if callable(own) else own]
    if dataclasses.is_dataclass(value) and _compares_by_fields(value):
        fields = [each.name for each in dataclasses.fields(value) if each.compare]
        return b"dataclass", [_type_name(value), *[part for name in fields for part in (name, getattr(value, name))]]
    library = _library_parts(value)
    if library is not None:
        return library
    return _object_parts(value)


def _compares_by_fields(value: Any) -> bool:
    parameters = getattr(type(value), "__dataclass_params__", None)
    return bool(parameters and parameters.eq)


def _library_parts(value: Any) -> tuple[bytes, _Parts] | None:
    """Arrays and frames: by their elements, which their libraries' own pickles mix with how they are kept."""
    modules = {each.__module__.partition(".")[0] for each in type(value).__mro__}
    if "numpy" in modules or "pandas" in modules:
        from bascule.workers.persist.canonical_arrays import parts

        return parts(value)
    return None


def _object_parts(value: Any) -> tuple[bytes, _Parts]:
    """Any other object: its state, the way pickle and copy take it."""
    reduce = copyreg.dispatch_table.get(type(value))
    try:
        reduced = reduce(value) if reduce is not None else value.__reduce_ex__(4)
    except Exception as error:
        raise Uncacheable(_refusal(value, str(error) or type(error).__name__)) from None
    if isinstance(reduced, str):  # a global: as good as its name
        return b"global", [getattr(value, "__module__", None), reduced]
    function, arguments, state, items, pairs = [*reduced, None, None, None, None][:5]
    listed = None if items is None else list(items)
    mapped = None if pairs is None else _Mapping(list(pairs))
    return b"object", [_type_name(value), function, tuple(arguments or ()), _state(state), listed, mapped]


class _Mapping:
    """Pairs in any order; a private type, so that no dictionary is taken for it."""

    def __init__(self, pairs: list[tuple[Any, Any]]) -> None:
        self.pairs = pairs


def _state(state: Any) -> Any:
    return _Mapping(list(state.items())) if type(state) is dict else state


def _function_parts(value: types.FunctionType) -> tuple[bytes, _Parts]:
    """A function is its name, its code and what it has captured."""
    from bascule.workers.persist.fingerprints import captured, code_text

    return b"function", [value.__module__, value.__qualname__, code_text(value), captured(value)]


def _type_name(value: Any) -> str:
    kind = type(value)
    return f"{kind.__module__}.{kind.__qualname__}"


_CONTAINERS: dict[type, Callable[[Any], tuple[bytes, _Parts]]] = {
    tuple: lambda value: (b"tuple", value),
    list: lambda value: (b"list", value),
    deque: lambda value: (b"deque", [value.maxlen, *value]),
    dict: lambda value: (b"dict", _Unordered([_Pair(*pair) for pair in value.items()])),
    _Mapping: lambda value: (b"dict", _Unordered([_Pair(*pair) for pair in value.pairs])),
    OrderedDict: lambda value: (b"ordered", [part for pair in value.items() for part in pair]),
    set: lambda value: (b"set", _Unordered(list(value))),
    frozenset: lambda value: (b"frozenset", _Unordered(list(value))),
    bytearray: lambda value: (b"bytearray", _Raw(value)),
    memoryview: lambda value: (b"memoryview", [value.format, list(value.shape or ()), value.tobytes()]),
    types.ModuleType: lambda value: (b"module", [value.__name__]),
    types.FunctionType: _function_parts,
    types.BuiltinFunctionType: lambda value: (b"builtin", [_owner(value), value.__qualname__]),
    types.MethodType: lambda value: (b"method", [value.__self__, value.__func__]),
    functools.partial: lambda value: (b"partial", [value.func, value.args, value.keywords]),
}


def _owner(value: Any) -> Any:
    """The module of a builtin function, or the object that a builtin method is bound to."""
    owner = getattr(value, "__self__", None)
    return value.__module__ if owner is None or isinstance(owner, types.ModuleType) else owner


def _refusal(value: Any, why: str) -> str:
    return (
        f"no key can be made of a {_type_name(value)}: {why}. Name what matters with key=, or give the class a "
        "__persist_key__ (an attribute or a method) that says what makes two of its objects equal"
    )
