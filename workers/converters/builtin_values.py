"""Subclasses of the builtin types, and builtin values that a format lacks.

A subclass of an immutable value (an IntEnum's member, a Markup, a named tuple) travels as that value: an int that knows
more is still an int. A subclass of a container is a thing with a life of its own, except for the standard library's.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

# The base class's own methods, called past whatever the subclass made of them: an enum's str() is its name.


def _int(obj: int, codec: str, lossy: bool) -> Any:
    return int.__int__(obj)


def _float(obj: float, codec: str, lossy: bool) -> Any:
    return float.__pos__(obj)


def _complex(obj: complex, codec: str, lossy: bool) -> Any:
    if codec != "etf":
        return complex.__pos__(obj)
    return (obj.real, obj.imag) if lossy else NotImplemented


def _str(obj: str, codec: str, lossy: bool) -> Any:
    return str.__str__(obj)


def _bytes(obj: Any, codec: str, lossy: bool) -> Any:
    """bytes and, where a format has neither, bytearray and memoryview: they say the same."""
    return bytes(memoryview(obj))


def _bytearray(obj: bytearray, codec: str, lossy: bool) -> Any:
    return bytes(memoryview(obj)) if lossy or type(obj) is bytearray else NotImplemented


def _tuple(obj: tuple[Any, ...], codec: str, lossy: bool) -> Any:
    return tuple(tuple.__iter__(obj))


def _list(obj: list[Any], codec: str, lossy: bool) -> Any:
    return list(list.__iter__(obj)) if lossy else NotImplemented


def _dict(obj: dict[Any, Any], codec: str, lossy: bool) -> Any:
    return dict(dict.items(obj)) if lossy else NotImplemented


def _library_dict(obj: Any, codec: str, lossy: bool) -> Any:
    """OrderedDict, defaultdict, Counter and so on: a map is what they are. A user's subclass may be more."""
    return dict(obj.items()) if lossy or type(obj).__module__ == "collections" else NotImplemented


def _set(obj: set[Any] | frozenset[Any], codec: str, lossy: bool) -> Any:
    """A subclass, or any set where the format has none."""
    if codec == "etf":
        return list(obj) if lossy else NotImplemented
    if isinstance(obj, frozenset):
        return frozenset(frozenset.__iter__(obj))
    return set(set.__iter__(obj)) if lossy else NotImplemented


def _listed(obj: Any, codec: str, lossy: bool) -> Any:
    return list(obj) if lossy else NotImplemented


def _mapped(obj: Any, codec: str, lossy: bool) -> Any:
    return dict(obj) if lossy else NotImplemented


def _namespace(obj: Any, codec: str, lossy: bool) -> Any:
    return dict(vars(obj)) if lossy else NotImplemented


def _user_str(obj: Any, codec: str, lossy: bool) -> Any:
    return str(obj.data) if lossy else NotImplemented


CONVERTERS: Final[dict[str, Callable[[Any, str, bool], Any]]] = {
    "int": _int,
    "float": _float,
    "complex": _complex,
    "str": _str,
    "bytes": _bytes,
    "memoryview": _bytes,
    "bytearray": _bytearray,
    "tuple": _tuple,
    "list": _list,
    "dict": _dict,
    "set": _set,
    "frozenset": _set,
    "range": _listed,
    "dict_keys": _listed,
    "dict_values": _listed,
    "dict_items": _listed,
    "mappingproxy": _mapped,
    # collections, array, types
    "OrderedDict": _library_dict,
    "defaultdict": _library_dict,
    "Counter": _library_dict,
    "ChainMap": _library_dict,
    "UserDict": _library_dict,
    "UserList": _listed,
    "UserString": _user_str,
    "deque": _listed,
    "array": _listed,
    "SimpleNamespace": _namespace,
}
