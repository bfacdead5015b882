"""What only an imported module can tell: looked at in a worker, never in ours.

`look` asks a worker, which imports the module and describes what it finds (`bascule.workers.landscape`); `completed`
puts that beside what the source said. Where both know a function the source's words are kept (its defaults and
annotations are as somebody wrote them) unless its parameters turned out to be others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bascule.bridge.errors import CallError
from bascule.bridge.sketch.model import (
    Alias,
    Class,
    ClassMember,
    Constant,
    Doc,
    Field,
    Function,
    FunctionKind,
    Member,
    Module,
    Origin,
    Parameter,
    ParameterKind,
    Property,
)
from bascule.bridge.sketch.reading import read_docstring

if TYPE_CHECKING:
    from bascule.bridge.client.operations import Operations

_ALL = {"imports": True, "private": True, "classes": True}
_BINDINGS = {kind.value: kind for kind in FunctionKind}
IMPORT_WITHIN = 60.0  # seconds that an import may take


def look(client: Operations, module: Module, *, timeout: float = IMPORT_WITHIN) -> Module:
    """The module completed by what a worker sees of it.

    Args:
        client: Of a bridge whose workers find the module.
        module: As its source has it; or, for what has none, only named.
        timeout: Seconds that the import may take.
    """
    try:
        told = client.landscape(module.name, _ALL, timeout=timeout)
        offered = client.landscape(module.name, timeout=timeout)
    except CallError as error:  # the import killed its worker, or did not end
        return replace(module, error=f"{module.name} could not be imported: {error}")
    if told["error"] is not None:
        reason = f"{told['error'].get('class')}: {told['error'].get('message')}"
        return replace(module, error=f"{module.name} could not be imported: {reason}")
    return completed(module, from_landscape(told, [one["name"] for one in offered["members"]]))


def from_landscape(told: dict[str, Any], offered: Iterable[str]) -> Module:
    """A worker's landscape as a `Module`.

    Args:
        told: See `bascule.workers.landscape`.
        offered: The names that are public.
    """
    members = tuple([_member(one) for one in told["members"]])
    return Module(
        told["module"],
        told["file"],
        Origin.LIVE,
        doc=_doc(told["doc"]),
        members=members,
        exports=tuple(offered),
        lazy=any(one["kind"] == "lazy" for one in told["members"]),
    )


def completed(source: Module, live: Module) -> Module:
    """What the source says, with what the imported module knows better.

    Names that the module has not got once it is imported are left out, but for those that only type checkers see.
    """
    if not source.members:
        return replace(live, package=source.package, submodules=source.submodules)
    members: list[Member] = []
    for one in source.members:
        seen = live.member(one.name)
        if seen is not None:
            members.append(_better(one, seen))
        elif not one.runtime or (isinstance(one, Alias) and one.of_module):
            members.append(one)
    known = {one.name for one in members}
    members += [one for one in live.members if one.name not in known]
    return replace(source, origin=Origin.BOTH, members=tuple(members), exports=live.exports, error=None)


def _better(source: Member, live: Member) -> Member:
    if isinstance(source, Alias):
        return replace(source, meant=live) if source.meant is None and not isinstance(live, Alias) else source
    if isinstance(source, Function) and isinstance(live, Function):
        return source if _same(source.parameters, live.parameters) else replace(source, parameters=live.parameters)
    if isinstance(source, Class) and isinstance(live, Class):
        known = {one.name for one in source.members}
        more = tuple([one for one in live.members if one.name not in known])
        parameters = source.parameters if _same(source.parameters, live.parameters) else live.parameters
        return replace(source, parameters=parameters, members=source.members + more)
    return source if type(source) is type(live) or isinstance(live, (Alias, Constant)) else live


def _same(source: tuple[Parameter, ...] | None, live: tuple[Parameter, ...] | None) -> bool:
    """Whether both are called alike; what nobody saw live contradicts nothing."""
    if live is None:
        return True
    return source is not None and [_shape(one) for one in source] == [_shape(one) for one in live]


def _shape(one: Parameter) -> tuple[str, ParameterKind, bool]:
    return one.name, one.kind, one.required


def _member(told: dict[str, Any]) -> Member:
    kind, name = told["kind"], told["name"]
    if kind == "function":
        return _function(told, FunctionKind.FUNCTION)
    if kind == "class":
        return _class(told)
    if kind == "constant":
        return Constant(name, annotation=told["type"])
    return Alias(name, name, explicit=True)


def _class(told: dict[str, Any]) -> Class:
    members = tuple([_class_member(one) for one in told.get("members", ())])
    bases = tuple([one for one in told.get("bases", ()) if one != "object"])
    return Class(told["name"], bases, _parameters(told["parameters"]), members, doc=_doc(told["doc"]))


def _class_member(told: dict[str, Any]) -> ClassMember:
    kind, name = told["kind"], told["name"]
    if kind in _BINDINGS:
        return _function(told, _BINDINGS[kind])
    if kind == "property":
        return Property(name, writable=told["writable"], doc=_doc(told["doc"]))
    if kind == "class":
        return _class(told)
    return Field(name, annotation=told["type"])


def _function(told: dict[str, Any], kind: FunctionKind) -> Function:
    return Function(
        told["name"],
        _parameters(told["parameters"]),
        told["returns"],
        kind,
        told["coroutine"],
        told["generator"],
        doc=_doc(told["doc"]),
    )


def _parameters(told: list[dict[str, str]] | None) -> tuple[Parameter, ...] | None:
    if told is None:
        return None
    return tuple(
        [Parameter(one["name"], ParameterKind(one["kind"]), one.get("default"), one.get("annotation")) for one in told]
    )


def _doc(text: str | None) -> Doc | None:
    return read_docstring(text) if text else None
