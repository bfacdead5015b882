"""What stands in for an object that a payload format does not carry: converters, Bascule's own and the pool's.

A converter is asked with (object, codec, lossy), where codec is "msgpack", "json", "etf", "edn" or "transit", and
gives a replacement, or NotImplemented. Two degrees:

- lossy false (a result may be a value or a handle): only what keeps all that the object *says*. A numpy integer is an
  integer, an enum's member its value, a named tuple a tuple, a Decimal in a format without decimals its text. A thing
  that one works on (a path, a data frame, an instance of a dataclass) is left alone: it becomes a handle.
- lossy true (the caller insists on a value): what is most useful. A path is its text, an instance a map of its fields,
  a data frame its records.

A pool may name a module of its own that is asked first:

    def to_wire(obj, codec):
        "A replacement for `obj`, or NotImplemented."
    def from_wire(value, codec):
        "What a function gets for an argument `value`: the value itself, or something made of it."

`to_wire` sees each object that the format does not carry, at any depth, and decides for both degrees. `from_wire` sees
each argument, positional or keyword, but not what is inside it. Either may be left out.

Nothing is imported for an object's sake: who has an array has imported numpy. The converters themselves stand in one
module per family, imported when the first object of that family comes.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

    Converter = Callable[[Any, str, bool], Any]
    ToWire = Callable[[Any, str], Any]

_FAMILIES: Final = {
    **dict.fromkeys(("builtins", "collections", "types", "array"), "builtin_values"),
    **dict.fromkeys(("datetime", "decimal", "enum", "fractions", "pathlib", "uuid", "zoneinfo"), "library_values"),
    "numpy": "numpy_values",
    "pandas": "pandas_values",
    "pydantic": "models",
}
"""The package that a type comes from -> the module here whose CONVERTERS name it."""

_MOST_REMEMBERED: Final = 1024

_found: dict[type, Converter | None] = {}
_to_wire: ToWire | None = None
_from_wire: ToWire | None = None
_installed = ""


class ConverterFailed(Exception):
    """A converter of the pool's raised; the cause says what."""


def install(name: str | None) -> None:
    """Let the pool's module `name` convert from now on; None: no module.

    Raises:
        ImportError: There is no such module, or importing it failed.
        TypeError: It has neither `to_wire` nor `from_wire`, or one of them can't be called.
    """
    global _to_wire, _from_wire, _installed
    _to_wire = _from_wire = None
    if not name:
        return
    module = importlib.import_module(name)
    to_wire, from_wire = getattr(module, "to_wire", None), getattr(module, "from_wire", None)
    if to_wire is None and from_wire is None:
        raise TypeError(f"the converters module {name!r} has neither to_wire(obj, codec) nor from_wire(value, codec)")
    for function in (to_wire, from_wire):
        if function is not None and not callable(function):
            raise TypeError(f"the converters module {name!r} has a to_wire or from_wire that can't be called")
    _to_wire, _from_wire, _installed = to_wire, from_wire, name


def convert(obj: Any, codec: str, *, lossy: bool) -> Any:
    """A replacement for `obj`, or NotImplemented. It may need replacing itself.

    Raises:
        ConverterFailed: The pool's own converter raised.
    """
    if _to_wire is not None:
        try:
            replacement = _to_wire(obj, codec)
        except Exception as error:
            raise ConverterFailed(f"{_installed}.to_wire raised {type(error).__name__}: {error}") from error
        if replacement is not NotImplemented:
            return replacement
    kind = type(obj)
    try:
        converter = _found[kind]
    except KeyError:
        converter = _remember(kind)
    return NotImplemented if converter is None else converter(obj, codec, lossy)


def receives() -> bool:
    """Whether the pool has a `from_wire`."""
    return _from_wire is not None


def received(args: list[Any], kwargs: dict[str, Any], codec: str) -> tuple[list[Any], dict[str, Any]]:
    """A call's arguments, each as the pool's `from_wire` makes it.

    Raises:
        ConverterFailed: It raised.
    """
    if _from_wire is None:
        return args, kwargs
    try:
        return [_from_wire(value, codec) for value in args], {
            key: _from_wire(value, codec) for key, value in kwargs.items()
        }
    except Exception as error:
        raise ConverterFailed(f"{_installed}.from_wire raised {type(error).__name__}: {error}") from error


def _remember(kind: type) -> Converter | None:
    if len(_found) >= _MOST_REMEMBERED:  # user code that makes classes as it goes: they must not live for our sake
        _found.clear()
    converter = _found[kind] = _find(kind)
    return converter


def _find(kind: type) -> Converter | None:
    """The converter of the nearest base that has one."""
    for base in type.mro(kind):
        family = _FAMILIES.get(base.__module__.partition(".")[0])
        if family is not None:
            converter: Converter | None = _family(family).get(base.__name__)
            if converter is not None:
                return converter
    if hasattr(kind, "__dataclass_fields__"):
        return _family("models")["dataclass"]
    if hasattr(kind, "__attrs_attrs__"):
        return _family("models")["attrs"]
    return None


def _family(name: str) -> dict[str, Converter]:
    converters: dict[str, Converter] = importlib.import_module(f"{__name__}.{name}").CONVERTERS
    return converters
