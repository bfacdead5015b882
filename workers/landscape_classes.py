"""What is in a class, as plain data: looked at only where somebody asks for more than a module's functions.

    member: {name, kind, doc, ...}
      kind "method", "static_method", "class_method"  parameters (a method's with `self`), returns, coroutine, generator
      kind "property"                                 writable
      kind "field"                                    type
      kind "class"                                    parameters, bases, members

As everywhere in a landscape nothing of the class's is called: no descriptor but C's own, no `__getattr__`.
"""

from __future__ import annotations

from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    WrapperDescriptorType,
)

from bascule.workers.signatures import (
    code_flags,
    is_class,
    own_dict,
    parameters_of,
    qualified_name,
    returns_of,
    static_attribute,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

    Member = dict[str, Any]
    Doc = Callable[[object], "str | None"]

_bases_of: Final = type.__dict__["__bases__"].__get__
_C_FUNCTIONS: Final = (BuiltinFunctionType, MethodDescriptorType, WrapperDescriptorType)
_C_DATA: Final = (GetSetDescriptorType, MemberDescriptorType)
_NOT_TOLD: Final = frozenset(
    ["__dict__", "__weakref__", "__module__", "__doc__", "__qualname__", "__annotations__", "__firstlineno__"]
)
_DEEPEST: Final = 4  # classes in classes


def class_details(cls: Any, doc: Doc, depth: int = 0) -> dict[str, Any]:
    """Its bases, and its own members in the order in which they were defined.

    Args:
        cls: The class.
        doc: How a docstring is told.
        depth: How many classes are around it.
    """
    members: list[Member] = []
    for name, value in list(own_dict(cls).items()):
        if type(name) is not str or name in _NOT_TOLD or not name.isidentifier():
            continue
        try:
            members.append(_member(name, value, doc, depth))
        except Exception:  # it defies being looked at: it is named, no more
            members.append({"name": name, "kind": "field", "doc": None, "type": None})
    return {"bases": [qualified_name(base) for base in _bases_of(cls)], "members": members}


def _member(name: str, value: Any, doc: Doc, depth: int) -> Member:
    kind = type(value)
    if kind is staticmethod:
        return _function(name, value.__func__, "static_method", doc)
    if kind is classmethod:
        return _function(name, value.__func__, "class_method", doc)
    if kind is ClassMethodDescriptorType:
        return _function(name, value, "class_method", doc)
    if kind is property:
        writable = value.fset is not None
        return {"name": name, "kind": "property", "doc": doc(static_attribute(value, "__doc__")), "writable": writable}
    if kind in _C_DATA:
        return {"name": name, "kind": "property", "doc": doc(static_attribute(value, "__doc__")), "writable": True}
    if is_class(value):
        told: Member = {"name": name, "kind": "class", "doc": doc(own_dict(value).get("__doc__"))}
        told["parameters"] = parameters_of(value)
        told.update(class_details(value, doc, depth + 1) if depth < _DEEPEST else {"bases": [], "members": []})
        return told
    if kind is FunctionType or kind in _C_FUNCTIONS:
        return _function(name, value, "static_method" if name == "__new__" else "method", doc)
    if type(own_dict(value).get("__wrapped__")) is FunctionType:  # functools.lru_cache and its kind
        return _function(name, value, "method", doc)
    return {"name": name, "kind": "field", "doc": None, "type": qualified_name(kind)}


def _function(name: str, value: Any, kind: str, doc: Doc) -> Member:
    coroutine, generator = code_flags(value)
    return {
        "name": name,
        "kind": kind,
        "doc": doc(static_attribute(value, "__doc__")),
        "parameters": parameters_of(value),
        "returns": returns_of(value),
        "coroutine": coroutine,
        "generator": generator,
    }
