"""A sketch as plain data: what JSON, YAML and EDN are written from, and the landscape that pods and nodes know."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any

from bascule.bridge.sketch.model import (
    Alias,
    Class,
    ClassMember,
    Constant,
    Doc,
    Documented,
    Field,
    Function,
    Member,
    Module,
    Overload,
    Parameter,
    Property,
    TypeName,
)

Data = dict[str, Any]


def module_data(module: Module, members: Iterable[Member]) -> Data:
    """A module, with those of its members that are to be shown."""
    return {
        "module": module.name,
        "file": module.file,
        "origin": module.origin.value,
        "package": module.package,
        **_documented(module.doc),
        "exports": None if module.exports is None else list(module.exports),
        "submodules": list(module.submodules),
        "members": [member_data(one) for one in members],
        "error": module.error,
    }


def member_data(member: Member | ClassMember) -> Data:
    """One member; of a name that stands for another, what it stands for, with `from`."""
    if isinstance(member, Alias):
        if member.meant is None:
            return {"name": member.name, "kind": "alias", "from": member.target, "line": member.line}
        return {**member_data(member.meant), "name": member.name, "from": member.target}
    if isinstance(member, Function):
        return _function(member)
    if isinstance(member, Class):
        return _class(member)
    data: Data = {"name": member.name, "kind": _KINDS[type(member)], "line": member.line, **_documented(member.doc)}
    if isinstance(member, Property):
        data |= {"type": member.type, "writable": member.writable, "deletable": member.deletable}
        data["cached"] = member.cached
        _add(data, decorators=member.decorators)
    elif isinstance(member, TypeName):
        data["value"] = member.value
    elif isinstance(member, (Field, Constant)):
        data |= {"annotation": member.annotation, "value": member.value}
        if isinstance(member, Field):
            data["of_instances"] = member.of_instances
    return data


_KINDS: dict[type, str] = {Property: "property", TypeName: "type_alias", Field: "field", Constant: "constant"}


def _function(function: Function) -> Data:
    doc = function.doc
    data: Data = {
        "name": function.name,
        "kind": function.kind.value,
        "line": function.line,
        **_documented(doc),
        "parameters": _parameters(function.parameters, () if doc is None else doc.parameters),
        "returns": function.returns,
        "coroutine": function.coroutine,
        "generator": function.generator,
    }
    if doc is not None:
        _add(data, returns_doc=doc.returns, raises=[{"type": one.name, "doc": one.text} for one in doc.raises])
    _add(data, decorators=function.decorators, overloads=[_overload(one) for one in function.overloads])
    return data


def _class(cls: Class) -> Data:
    data: Data = {
        "name": cls.name,
        "kind": "class",
        "line": cls.line,
        **_documented(cls.doc),
        "bases": list(cls.bases),
        "parameters": _parameters(cls.parameters, () if cls.doc is None else cls.doc.parameters),
        "members": [member_data(one) for one in cls.members],
    }
    _add(data, decorators=cls.decorators, keywords=dict(cls.keywords))
    return data


def _documented(doc: Doc | None) -> Data:
    return {"doc": None, "summary": None} if doc is None else {"doc": doc.text, "summary": doc.summary}


def _overload(overload: Overload) -> Data:
    return {"parameters": _parameters(overload.parameters), "returns": overload.returns}


def _parameters(parameters: Iterable[Parameter] | None, documented: Iterable[Documented] = ()) -> list[Data] | None:
    if parameters is None:
        return None
    docs = {one.name.lstrip("*\\"): one.text for one in documented}
    found = []
    for one in parameters:
        data: Data = {"name": one.name, "kind": one.kind.value}
        if one.default is not None:
            data["default"] = one.default
        if one.annotation is not None:
            data["annotation"] = one.annotation
        if one.name in docs:
            data["doc"] = docs[one.name]
        found.append(data)
    return found


def _add(data: Data, **more: Any) -> None:
    """Add what is not empty."""
    for name, value in more.items():
        if value:
            data[name] = list(value) if isinstance(value, tuple) else value


def as_landscape(module: Module, members: Iterable[Member]) -> Data:
    """The landscape as a worker would have described it (see `bascule.workers.landscape`), without importing anything.

    A name that no source explains is "lazy": whoever uses it finds out.
    """
    error = None if module.error is None else {"kind": "exception", "class": "SyntaxError", "message": module.error}
    return {
        "module": module.name,
        "doc": None if module.doc is None else module.doc.text,
        "file": module.file,
        "members": [_landscape_member(one) for one in members],
        "error": error,
    }


def _landscape_member(member: Member) -> Data:
    meant = member.meant if isinstance(member, Alias) else member
    doc = None if meant is None or meant.doc is None else meant.doc.text
    data: Data = {"name": member.name, "doc": doc}
    if isinstance(meant, Function):
        data |= {"kind": "function", "parameters": _parameters(meant.called_with), "returns": meant.returns}
        return data | {"coroutine": meant.coroutine, "generator": meant.generator}
    if isinstance(meant, Class):
        return data | {"kind": "class", "parameters": _parameters(meant.parameters)}
    if isinstance(meant, (Constant, TypeName)):
        return data | {"kind": "constant", "type": _type_told(meant) if isinstance(meant, Constant) else "?"}
    return data | {"kind": "lazy"}


def _type_told(constant: Constant) -> str:
    """What is annotated, else the type of a literal; "?" where it takes more to tell."""
    if constant.annotation is not None:
        return constant.annotation
    try:
        return type(ast.literal_eval(constant.value or "")).__name__
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        return "?"
