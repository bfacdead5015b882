"""A value -> what the trace says of it, and a cheaper key that tells whether it would say something new.

| value | in the trace |
|---|---|
| None | `null` |
| a str of up to 20 characters | itself; a longer one `{"t": "str"}` |
| a list | a list of its first ten |
| a tuple, a dict | `{"t": "tuple", "v": [...]}`, `{"t": "dict", "v": [[key, value], ...]}`, the first ten |
| int, float, bool, bytes, any other object | its type alone: `{"t": "int"}`, `{"t": {"module": M, "name": N}}` |
| modules, slices, functions, classes, methods, numpy's dtypes and ufuncs | `{"t": ..., "v": which}` |

An instance of a class that a user derived from a target class is said to be of the target class: that is what was
used. Containers nested deeper than `DEEPEST` are told by their type, so one that contains itself ends too.
"""

from __future__ import annotations

import types
from itertools import islice

from .matching import CACHED, Matcher, find, function_module, function_qualname, module_title

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

LONGEST_TEXT = 20
MOST_ITEMS = 10
DEEPEST = 4

_PLAIN = (int, float, bool)


def named(module: object, name: str) -> object:
    """How a class or function is named: what is builtin by its name alone."""
    if module == "builtins" or not module or type(module) is not str:
        return name
    return {"module": module, "name": name}


class Encoder:
    """Tells values, for one matcher."""

    def __init__(self, matcher: Matcher) -> None:
        self.matcher = matcher
        self._special: dict[type, Callable[[Any, int], object]] = {
            types.ModuleType: self._module,
            slice: self._slice,
            types.FunctionType: self._function,
            types.BuiltinFunctionType: self._builtin,
            types.MethodType: self._method,
            types.MethodWrapperType: self._builtin,
            types.MethodDescriptorType: self._descriptor,
            types.WrapperDescriptorType: self._descriptor,
            types.ClassMethodDescriptorType: self._descriptor,
            CACHED: self._wrapped,
        }

    def encode(self, value: Any, depth: int = 0) -> object:
        """What the trace says of a value."""
        cls = type(value)
        if value is None:
            return None
        if cls is str:
            return value if len(value) <= LONGEST_TEXT else {"t": "str"}
        if cls is int or cls is float or cls is bool:
            return {"t": cls.__name__}
        if cls is list or cls is tuple or cls is dict:
            return self._container(value, cls, depth)
        special = self._special.get(cls)
        if special is not None:
            return special(value, depth)
        kind = self.matcher.kind(cls)
        if kind.is_class:
            if kind.module == "builtins" and kind.cls_name == "type":
                return {"t": "type", "v": self.class_name(value)}
            return {"t": named(kind.module, kind.cls_name), "v": self.class_name(value)}
        if kind.target:
            told = _array_detail(kind.module, kind.cls_name, cls, value)
            if told is not None:
                return told
        if "cython_function" in kind.cls_name:
            return self._wrapped(value, depth)
        return {"t": self.type_name(cls)}

    def class_name(self, cls: type) -> object:
        """The name of a class; of one derived outside the target, that of the target class."""
        return self.type_name(cls)

    def type_name(self, cls: type) -> object:
        """How instances of a class are told."""
        kind = self.matcher.kind(cls)
        if kind.foreign:
            module, name = kind.target_base  # type: ignore[misc]
            return named(module, name)
        return named(kind.module, kind.cls_name)

    def key(self, value: Any, depth: int = 0) -> object:
        """Equal for two values only where `encode` tells the same of both; made of ints, texts and tuples alone."""
        cls = type(value)
        if cls is str:
            return value if len(value) <= LONGEST_TEXT else 0
        if cls is list or cls is tuple:
            if depth >= DEEPEST:
                return cls is list
            items = value[:MOST_ITEMS]
            return (cls is list, *[self.key(item, depth + 1) for item in items])
        kind = self.matcher._kinds.get(id(cls)) or self.matcher.kind(cls)
        if cls is dict:
            if depth >= DEEPEST:
                return kind.serial
            pairs = _first_pairs(value)
            return (kind.serial, *[(self.key(k, depth + 1), self.key(v, depth + 1)) for k, v in pairs])
        if cls is slice:
            parts = (value.start, value.stop, value.step)
            return (kind.serial, *[self.key(part, depth + 1) for part in parts])
        if cls in self._special or kind.is_class:
            return (kind.serial, id(value))
        if kind.target and kind.module.startswith("numpy"):
            return (kind.serial, _array_key(kind.cls_name, cls, value))
        return kind.serial

    def _container(self, value: Any, cls: type, depth: int) -> object:
        if depth >= DEEPEST:
            return {"t": cls.__name__}
        if cls is dict:
            pairs = _first_pairs(value)
            told = [[self.encode(key, depth + 1), self.encode(item, depth + 1)] for key, item in pairs]
            return {"t": "dict", "v": told}
        items = [self.encode(item, depth + 1) for item in value[:MOST_ITEMS]]
        return items if cls is list else {"t": "tuple", "v": items}

    def _module(self, value: types.ModuleType, depth: int) -> object:
        return {"t": "module", "v": module_title(value)}

    def _slice(self, value: slice, depth: int) -> object:
        parts = {"start": value.start, "stop": value.stop, "step": value.step}
        return {"t": "slice", "v": {name: self.encode(part, depth + 1) for name, part in parts.items()}}

    def _function(self, value: types.FunctionType, depth: int) -> object:
        return {"t": "function", "v": named(value.__module__, value.__qualname__)}

    def _wrapped(self, value: Any, depth: int) -> object:
        return {"t": "function", "v": named(function_module(value), function_qualname(value))}

    def _builtin(self, value: types.BuiltinFunctionType, depth: int) -> object:
        owner = value.__self__
        if owner is None or type(owner) is types.ModuleType:
            return {"t": "builtin_function_or_method", "v": named(value.__module__, value.__qualname__)}
        told = self.encode(owner, depth + 1) if depth < DEEPEST else {"t": self.type_name(type(owner))}
        return {"t": "builtin_function_or_method", "v": {"name": value.__name__, "self": told}}

    def _method(self, value: types.MethodType, depth: int) -> object:
        name = _carried_name(value.__func__)
        told = self.encode(value.__self__, depth + 1) if depth < DEEPEST else {"t": "object"}
        return {"t": "method", "v": {"self": told, "name": name}}

    def _descriptor(self, value: types.MethodDescriptorType, depth: int) -> object:
        owner = {"t": "type", "v": self.class_name(value.__objclass__)}
        return {"t": type(value).__name__, "v": {"name": value.__name__, "class": owner}}


def _carried_name(function: Any) -> str:
    if type(function) is types.FunctionType:
        return function.__name__
    return function_qualname(function).rpartition(".")[2] or type(function).__name__


def _first_pairs(value: dict[object, object]) -> list[tuple[object, object]]:
    try:
        return list(islice(value.items(), MOST_ITEMS))
    except RuntimeError:  # another thread changes it meanwhile
        return []


# ---- What is known of numpy, without importing it ------------------------------------------------------------------


def _array_detail(module: str, name: str, cls: type, value: Any) -> object:
    if not module.startswith("numpy"):
        return None
    if name == "ufunc":
        return {"t": named(module, name), "v": value.__name__}
    if name == "_ArrayFunctionDispatcher":
        return {"t": "function", "v": named(function_module(value), function_qualname(value))}
    if name == "_convert2ma":
        return {"t": named(module, name), "v": function_qualname(value) or "masked"}
    dtype = _dtype_of(name, cls, value)
    if dtype is not None:
        title = _dtype_name(dtype)
        return {"t": named(module, name), "v": {"dtype": title} if dtype is not value else title}
    return None


def _array_key(name: str, cls: type, value: Any) -> object:
    if name in ("ufunc", "_ArrayFunctionDispatcher", "_convert2ma"):
        return id(value)
    dtype = _dtype_of(name, cls, value)
    return 0 if dtype is None else id(dtype)


def _dtype_of(name: str, cls: type, value: Any) -> object:
    if "DType" in name or name == "dtype":
        return value
    found = find(cls, "dtype")
    if found is None or type(found[1]) is not types.GetSetDescriptorType or found[0].__name__ != "ndarray":
        return None
    return found[1].__get__(value)


def _dtype_name(dtype: Any) -> str:
    found = find(type(dtype), "name")
    if found is None or not hasattr(type(found[1]), "__get__"):
        return "object"
    try:
        name = found[1].__get__(dtype)  # type: ignore[attr-defined]
    except Exception:
        return "object"
    return name if type(name) is str else "object"
