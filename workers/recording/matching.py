"""Does this value belong to the target, and does this code belong to those whose use is recorded?

A type belongs when it, or a class that it inherits from, was defined in a target module. What was found about a type is
kept under the type's address, and forgotten when the type dies: nothing is kept alive, and no hash or comparison of a
user's metaclass is called. Everything is read through the descriptors of `type` itself, so a class whose `__class__`,
`__module__` or `__getattribute__` lies changes nothing.
"""

from __future__ import annotations

import types
import weakref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, TypeGuard

_mro_of = type.__dict__["__mro__"].__get__
_dict_of = type.__dict__["__dict__"].__get__
_module_of = type.__dict__["__module__"].__get__
_qualname_of = type.__dict__["__qualname__"].__get__
_namespace_of: Any = vars(types.ModuleType)["__dict__"].__get__

MAIN_NAMES = ("__main__", "__mp_main__")
"""What a program's own module is called, in its first process and in those that multiprocessing spawns."""


def module_name(cls: type) -> str:
    """Where a class was defined; empty when it does not say."""
    try:
        name = _module_of(cls)
    except AttributeError:
        return ""
    return name if type(name) is str else ""


def is_class(value: object) -> TypeGuard[type]:
    """Whether it is a class, whatever its metaclass."""
    return type in _mro_of(type(value))


def is_instance(value: object, cls: type) -> bool:
    """Whether a value is of a class, without asking either of them."""
    return any(base is cls for base in _mro_of(type(value)))


def find(cls: type, name: str) -> tuple[type, object] | None:
    """The class in which an attribute is found, and what stands there, without calling any descriptor."""
    for base in _mro_of(cls):
        namespace = _dict_of(base)
        if name in namespace:
            return base, namespace[name]
    return None


class Kind:
    """What is known of a type. `serial` is never used twice, so it can stand for the type in a key."""

    __slots__ = ("cls_name", "foreign", "is_class", "module", "never", "serial", "target", "target_base", "watch")

    def __init__(self, cls: type, serial: int, target: type | None) -> None:
        self.serial = serial
        self.module = module_name(cls)
        self.cls_name: str = _qualname_of(cls)
        self.target = target is not None
        self.foreign = target is not None and target is not cls
        self.target_base = None if target is None else (module_name(target), _qualname_of(target))
        self.is_class = type in _mro_of(cls)
        # Whether no instance can be a use of the target: of others it depends on which one it is.
        self.never = not (self.target or self.is_class or cls in _DEPENDS or "cython" in self.cls_name)
        self.watch: object = None


class Matcher:
    """The modules on both sides.

    Args:
        to_modules: The target: a module of this name, or below it.
        from_modules: Whose use is recorded: these modules, those below them, and the program's own.
    """

    def __init__(self, to_modules: Iterable[str], from_modules: Iterable[str]) -> None:
        self.to_modules = tuple(to_modules)
        self.from_modules = tuple(from_modules)
        self._is_target: dict[str, bool] = {}
        self._is_user: dict[str, bool] = dict.fromkeys(MAIN_NAMES, True)
        self._kinds: dict[int, Kind] = {}
        self.never: set[int] = set()  # addresses of types of which no instance can be a use of the target
        self._count = 0

    def is_target(self, module: object) -> bool:
        """Whether a module of this name is in the target."""
        if type(module) is not str:
            return False
        known = self._is_target.get(module)
        if known is None:
            known = self._is_target[module] = _within(module, self.to_modules)
        return known

    def is_user(self, module: object) -> bool:
        """Whether what code in a module of this name does is recorded."""
        if type(module) is not str:
            return False
        known = self._is_user.get(module)
        if known is None:
            known = self._is_user[module] = _within(module, self.from_modules)
        return known

    def kind(self, cls: type) -> Kind:
        """What is known of a type."""
        known = self._kinds.get(id(cls))
        if known is None:
            known = self._learn(cls)
        return known

    def _learn(self, cls: type) -> Kind:
        target = None
        for base in _mro_of(cls):
            if self.is_target(module_name(base)):
                target = base
                break
        self._count += 1
        known = Kind(cls, self._count, target)
        address = id(cls)
        kinds, never = self._kinds, self.never

        def forget(_: object) -> None:
            kinds.pop(address, None)
            never.discard(address)

        known.watch = weakref.ref(cls, forget)
        kinds[address] = known
        if known.never:
            never.add(address)
        return known

    def touches(self, value: Any) -> bool:
        """Whether a value belongs to the target: an instance, a class, a function or a module of it."""
        cls = type(value)
        kind = self._kinds.get(id(cls)) or self.kind(cls)
        if kind.target:
            return True
        if kind.is_class:
            return self.kind(value).target
        if kind.module != "builtins" and kind.module != "functools":
            return "cython" in kind.cls_name and self.is_target(function_module(value))
        if cls is types.ModuleType:
            return self.is_target(module_title(value))
        if cls in FUNCTIONS:
            return self.touches_callable(value)
        return False

    def touches_callable(self, function: Any) -> bool:
        """Whether calling this is a use of the target."""
        cls = type(function)
        if cls is types.FunctionType:
            return self.is_target(function.__module__)
        if cls is types.BuiltinFunctionType:
            owner = function.__self__
            if owner is None or type(owner) is types.ModuleType:
                return self.is_target(function.__module__)
            return self.touches(owner)
        if cls is types.MethodType:
            inner = function.__func__
            if type(inner) is types.FunctionType:
                return self.is_target(inner.__module__)
            return self.touches(function.__self__)
        if cls in DESCRIPTORS:
            return self.kind(function.__objclass__).target
        if cls is types.MethodWrapperType:
            return self.touches(function.__self__)
        if cls is CACHED:
            return self.is_target(function_module(function))
        return self.touches(function)


DESCRIPTORS = (
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
)


def _cached_type() -> type:
    from functools import lru_cache

    return type(lru_cache(maxsize=None)(len))


CACHED = _cached_type()
"""What `functools.lru_cache` makes of a function."""

FUNCTIONS = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    types.MethodWrapperType,
    CACHED,
    *DESCRIPTORS,
)


_DEPENDS = frozenset((*FUNCTIONS, types.ModuleType))


def module_title(module: types.ModuleType) -> str:
    """A module's name as its own namespace says, without asking a module-level `__getattr__`."""
    name = _namespace_of(module).get("__name__")
    return name if type(name) is str else ""


def function_module(function: object) -> str:
    """The module of what is no plain function but carries a function's names, as wrappers written in C do."""
    return _carried(function, "__module__")


def function_qualname(function: object) -> str:
    """The qualified name of such a thing."""
    return _carried(function, "__qualname__") or _carried(function, "__name__")


def _carried(function: object, name: str) -> str:
    try:
        value = object.__getattribute__(function, name)
    except Exception:
        return ""
    return value if type(value) is str else ""


def _within(module: str, wanted: tuple[str, ...]) -> bool:
    return any(module == name or module.startswith(name + ".") for name in wanted)
