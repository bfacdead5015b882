"""A type -> what a stub says of it, and what the stub must import for that.

A class of another module is imported from there when it can be: from a stub of the same package, or from the standard
library. Any other class of somebody else's becomes an alias of `Any` with the class's name in it: whether that module
is installed where the stub is used can't be known, and a stub that doesn't resolve helps nobody.
"""

from __future__ import annotations

import builtins
import keyword
import sys
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module

from bascule.bridge.recording.types import (
    BOTTOM,
    NONE,
    OBJECT,
    Dict,
    Listed,
    Named,
    Row,
    Slice,
    Text,
    Type,
    Union,
    Which,
)

_OF_TYPES = {
    "function": "FunctionType",
    "generator": "GeneratorType",
    "coroutine": "CoroutineType",
    "async_generator": "AsyncGeneratorType",
    "module": "ModuleType",
    "traceback": "TracebackType",
    "frame": "FrameType",
    "code": "CodeType",
    "ellipsis": "EllipsisType",
    "NotImplementedType": "NotImplementedType",
    "mappingproxy": "MappingProxyType",
    "cell": "CellType",
}
_GENERIC = {"GeneratorType": 3, "CoroutineType": 3, "AsyncGeneratorType": 2, "MappingProxyType": 2}
_VIEWS = {"dict_keys": "KeysView", "dict_values": "ValuesView", "dict_items": "ItemsView"}
_FREE = {"type": 1, "list": 1, "set": 1, "frozenset": 1, "dict": 2, "tuple": 1, "map": 1, "zip": 1, "filter": 1}
_FREE |= {"enumerate": 1, "reversed": 1, "memoryview": 1}


@dataclass
class Scope:
    """One stub while it is written.

    Attributes:
        module: Whose stub it is.
        known: The classes that the stubs of this package have, by module.
        taken: Names that mean something of the module's own.
    """

    module: str
    known: dict[str, set[str]]
    taken: set[str]
    imports: set[str] = field(default_factory=set)
    typing: set[str] = field(default_factory=set)
    aliases: dict[str, str] = field(default_factory=dict)

    def annotate(self, of: Type) -> str:
        """What the stub says of a type."""
        if of is OBJECT:
            return self.builtin("object")
        if of is NONE:
            return "None"
        if of is BOTTOM:
            return self.of_typing("Any")
        if isinstance(of, Text):
            if of.options is None:
                return self.builtin("str")
            return f"{self.of_typing('Literal')}[{', '.join(_literal(each) for each in sorted(of.options))}]"
        if isinstance(of, Listed):
            return f"{self.builtin('list')}[{self._part(of.item)}]"
        if isinstance(of, Dict):
            return f"{self.builtin('dict')}[{self._part(of.of)}, {self._part(of.to)}]"
        if isinstance(of, Row):
            return f"{self.builtin('tuple')}[{self._items(of)}]"
        if isinstance(of, Slice):
            return self.builtin("slice")
        if isinstance(of, Union):
            return " | ".join(sorted({self.annotate(each) for each in of.options}, key=_none_last))
        if isinstance(of, Which):
            return self._which(of)
        if isinstance(of, Named):
            return self._named(of.module, of.name)
        return self.of_typing("Any")

    def as_written(self, of: Type) -> Type:
        """What remains of a type in the stub: any object, of one that it can't name."""
        if isinstance(of, Union):
            return OBJECT if any(self.as_written(each) is OBJECT for each in of.options) else of
        if not isinstance(of, Named):
            return of
        said = self.annotate(of)
        return OBJECT if said.endswith("Any") or (said in self.aliases and self.aliases[said].endswith("Any")) else of

    def builtin(self, name: str) -> str:
        """A builtin class, whatever the module itself calls so."""
        if name in self.taken:
            self.imports.add("import builtins as _builtins")
            return f"_builtins.{name}"
        return name

    def of_typing(self, name: str) -> str:
        """A name of typing."""
        if name in self.taken:
            self.imports.add("import typing as _typing")
            return f"_typing.{name}"
        self.typing.add(name)
        return name

    def _part(self, of: Type) -> str:
        return self.of_typing("Any") if of is OBJECT else self.annotate(of)

    def _items(self, of: Row) -> str:
        if not isinstance(of.items, tuple):
            return f"{self._part(of.items)}, ..."
        return ", ".join(self._part(each) for each in of.items) or "()"

    def _which(self, of: Which) -> str:
        if of.kind == "module":
            self.imports.add("import types as _types")
            return "_types.ModuleType"
        if of.kind == "type":
            inner = self._named(of.module, of.name) if of.said is not None else self.of_typing("Any")
            return f"{self.builtin('type')}[{inner}]"
        if of.kind == "numpy.ufunc":
            return self._named("numpy", "ufunc")
        return f"{self.of_typing('Callable')}[..., {self.of_typing('Any')}]"

    def _named(self, module: str, name: str) -> str:
        if not module:
            return self._builtin_class(name)
        if name in self.known.get(module, ()):
            return self._of_package(module, name)
        if module.partition(".")[0] in sys.stdlib_module_names:
            return self._of_library(module, name)
        return self._foreign(module, name)

    def _builtin_class(self, name: str) -> str:
        if name in _OF_TYPES:
            self.imports.add("import types as _types")
            plain = f"_types.{_OF_TYPES[name]}"
            return self._filled(plain, _GENERIC.get(_OF_TYPES[name], 0))
        if isinstance(getattr(builtins, name, None), type):
            return self._filled(self.builtin(name), _FREE.get(name, 0))
        if name.endswith("iterator"):
            return f"{self.of_typing('Iterator')}[{self.of_typing('Any')}]"
        if name in _VIEWS:
            view = self.of_typing(_VIEWS[name])
            return self._filled(view, 2 if name == "dict_items" else 1)
        return self.of_typing("Any")

    def _filled(self, text: str, count: int) -> str:
        any_type = self.of_typing("Any") if count else ""
        return f"{text}[{', '.join([any_type] * count)}]" if count else text

    def _of_package(self, module: str, name: str) -> str:
        if module != self.module:
            self.imports.add(f"import {module}")
            return f"{module}.{name}"
        first = name.partition(".")[0]
        if first not in self.taken_in_classes:
            return name
        alias = f"_{name.replace('.', '_')}"
        self.aliases[alias] = name
        return alias

    taken_in_classes: set[str] = field(default_factory=set)

    def _of_library(self, module: str, name: str) -> str:
        public = _public_place(module, name)
        if public is None:
            return self.of_typing("Any")
        place, generic = public
        head = place.partition(".")[0]
        if head in self.taken:
            self.imports.add(f"import {place} as _{place.replace('.', '_')}")
            text = f"_{place.replace('.', '_')}.{name}"
        else:
            self.imports.add(f"import {place}")
            text = f"{place}.{name}"
        return self._filled(text, generic)

    def _foreign(self, module: str, name: str) -> str:
        if module in ("__main__", "__mp_main__"):
            return self.of_typing("Any")  # a program's own class means nothing to others
        alias = f"_{module}_{name}".replace(".", "_")
        self.aliases[alias] = self.of_typing("Any")
        return alias


@lru_cache(maxsize=1024)
def _public_place(module: str, name: str) -> tuple[str, int] | None:
    """Under which public name of the standard library a class is found, and how many type arguments it wants."""
    if "." in name or name.startswith("_"):
        return None
    for place in (module, module.lstrip("_"), "types", "collections.abc"):
        if place.startswith("_") or not place:
            continue
        try:
            found = getattr(import_module(place), name, None)
        except ImportError:
            continue
        if isinstance(found, type) and (place == module or found.__module__ == module):
            arguments = _ARGUMENTS.get((place, name), 0)
            # A generic class whose number of arguments is not known here can't be written.
            return None if hasattr(found, "__class_getitem__") and not arguments else (place, arguments)
    return None


_ARGUMENTS = {
    ("collections", "OrderedDict"): 2,
    ("collections", "defaultdict"): 2,
    ("collections", "Counter"): 1,
    ("collections", "deque"): 1,
    ("collections", "ChainMap"): 2,
    ("functools", "partial"): 1,
    ("re", "Pattern"): 1,
    ("re", "Match"): 1,
    ("array", "array"): 1,
    ("contextlib", "AbstractContextManager"): 1,
    ("concurrent.futures", "Future"): 1,
    ("asyncio", "Future"): 1,
    ("asyncio", "Task"): 1,
    ("queue", "Queue"): 1,
    ("weakref", "WeakSet"): 1,
    ("weakref", "WeakKeyDictionary"): 2,
    ("weakref", "WeakValueDictionary"): 2,
    ("itertools", "count"): 1,
    ("itertools", "cycle"): 1,
    ("itertools", "chain"): 1,
    ("itertools", "islice"): 1,
    ("itertools", "repeat"): 1,
    ("operator", "attrgetter"): 1,
    ("operator", "itemgetter"): 1,
    ("subprocess", "Popen"): 1,
    ("subprocess", "CompletedProcess"): 1,
    ("tempfile", "TemporaryDirectory"): 1,
    ("os", "PathLike"): 1,
    ("os", "DirEntry"): 1,
    ("contextvars", "ContextVar"): 1,
}


def _literal(text: str) -> str:
    return ascii(text)


def _none_last(text: str) -> tuple[bool, str]:
    return text == "None", text


def is_name(text: str) -> bool:
    """Whether it can stand as a name in Python."""
    return text.isidentifier() and not keyword.iskeyword(text)
