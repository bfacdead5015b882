"""What changed between two versions of a module, and what of it breaks the programs that use it.

Compared is what is public. A change is incompatible when a call, an attribute or a base that was right before can be
wrong now: a name that is gone, a parameter that is gone, new and required, required now, moved, or no longer to be
given as it was; a function that became a coroutine or a generator; a function that is no function any more; an
attribute that can't be set any more. What only reads otherwise (an annotation, a default, a value, a new optional
parameter) is told, and compatible.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from bascule.bridge.sketch.model import (
    Alias,
    Class,
    ClassMember,
    Constant,
    Field,
    Function,
    Member,
    Parameter,
    ParameterKind,
    Property,
    TypeName,
)

_POSITIONAL = (ParameterKind.POSITIONAL_ONLY, ParameterKind.POSITIONAL_OR_KEYWORD)
_BY_NAME = (ParameterKind.KEYWORD_ONLY, ParameterKind.POSITIONAL_OR_KEYWORD)


class What(enum.Enum):
    """What happened to a name."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one name."""

    name: str
    what: What
    breaking: bool
    detail: str

    def as_data(self) -> dict[str, Any]:
        """As plain data."""
        return {"name": self.name, "change": self.what.value, "breaking": self.breaking, "detail": self.detail}

    def __str__(self) -> str:
        mark = "!" if self.breaking else " "
        return f"{mark} {self.what.value:7} {self.name}: {self.detail}"


def changes(old: Iterable[Member], new: Iterable[Member], module: str) -> list[Change]:
    """All changes, in the order of the old version's names, then of the new one's.

    Args:
        old: The public members of the old version.
        new: Those of the new one.
        module: What both are called.
    """
    return list(_between(old, new, module))


def _between(old: Iterable[Member | ClassMember], new: Iterable[Member | ClassMember], path: str) -> Iterator[Change]:
    before = {one.name: _meant(one) for one in old}
    after = {one.name: _meant(one) for one in new}
    for name, was in before.items():
        where = f"{path}.{name}"
        if name not in after:
            yield Change(where, What.REMOVED, True, f"{_noun(was)} is gone")
        else:
            yield from _changed(where, was, after[name])
    for name, one in after.items():
        if name not in before:
            yield Change(f"{path}.{name}", What.ADDED, False, f"new {_noun(one)}")


def _meant(member: Member | ClassMember) -> Member | ClassMember:
    """A name that was moved elsewhere and is still here has not changed."""
    return member.meant if isinstance(member, Alias) and member.meant is not None else member


def _noun(member: Member | ClassMember) -> str:
    nouns: dict[type, str] = {Function: "function", Class: "class", Property: "property", Field: "field"}
    nouns[Constant] = "constant"
    return nouns.get(type(member), "name")


def _changed(where: str, was: Member | ClassMember, now: Member | ClassMember) -> Iterator[Change]:
    if isinstance(was, Alias) or isinstance(now, Alias):
        return  # nobody knows what it stands for
    if isinstance(was, Function) and isinstance(now, Function):
        yield from _of_functions(where, was, now)
    elif isinstance(was, Class) and isinstance(now, Class):
        for base in was.bases:
            if base not in now.bases:
                yield Change(where, What.CHANGED, True, f"is no {base} any more")
        yield from _of_parameters(where, was.parameters, now.parameters)
        yield from _between(was.members, now.members, where)
    elif isinstance(was, (Property, Field)) and isinstance(now, (Property, Field)):
        yield from _of_attributes(where, was, now)
    elif type(was) is not type(now):
        yield Change(where, What.CHANGED, True, f"was a {_noun(was)}, is a {_noun(now)}")
    elif isinstance(was, (Constant, TypeName)) and isinstance(now, (Constant, TypeName)):
        yield from _of_values(where, was.value, now.value)


def _of_attributes(where: str, was: Property | Field, now: Property | Field) -> Iterator[Change]:
    if isinstance(now, Property) and not now.writable and (isinstance(was, Field) or was.writable):
        yield Change(where, What.CHANGED, True, "can no longer be set")
    before, after = [one.type if isinstance(one, Property) else one.annotation for one in (was, now)]
    if before != after:
        yield Change(where, What.CHANGED, False, _annotated(before, after))
    if isinstance(was, Field) and isinstance(now, Field):
        yield from _of_values(where, was.value, now.value)


def _of_values(where: str, was: str | None, now: str | None) -> Iterator[Change]:
    if was != now and not (was is None or now is None):  # what is set by a loop or a tuple has no text
        yield Change(where, What.CHANGED, False, f"was {was}, is {now}")


def _of_functions(where: str, was: Function, now: Function) -> Iterator[Change]:
    if was.coroutine != now.coroutine:
        detail = "has to be awaited" if now.coroutine else "is no coroutine function any more"
        yield Change(where, What.CHANGED, True, detail)
    if was.generator != now.generator:
        detail = "is a generator now" if now.generator else "is no generator any more"
        yield Change(where, What.CHANGED, True, detail)
    if was.kind is not now.kind:
        detail = f"was a {was.kind.value.replace('_', ' ')}, is a {now.kind.value.replace('_', ' ')}"
        yield Change(where, What.CHANGED, True, detail)
    yield from _of_parameters(where, was.called_with, now.called_with)
    if was.returns != now.returns:
        yield Change(where, What.CHANGED, False, f"its result {_annotated(was.returns, now.returns)}")


def _of_parameters(
    where: str, was: tuple[Parameter, ...] | None, now: tuple[Parameter, ...] | None
) -> Iterator[Change]:
    if was is None or now is None:
        return
    before = {one.name: one for one in was}
    after = {one.name: one for one in now}
    takes_more = any(one.kind is ParameterKind.VAR_POSITIONAL for one in now)
    takes_names = any(one.kind is ParameterKind.VAR_KEYWORD for one in now)
    for name, old in before.items():
        new = after.get(name)
        if new is None:
            variadic = old.kind in (ParameterKind.VAR_POSITIONAL, ParameterKind.VAR_KEYWORD)
            renamed = variadic and any(one.kind is old.kind for one in now)
            taken = (takes_more or old.kind not in _POSITIONAL) and (takes_names or old.kind not in _BY_NAME)
            if not renamed:
                yield Change(where, What.CHANGED, variadic or not taken, f"parameter {name} is gone")
        else:
            yield from _of_parameter(where, old, new)
    for name, new in after.items():
        if name not in before and new.kind not in (ParameterKind.VAR_POSITIONAL, ParameterKind.VAR_KEYWORD):
            kind = "required" if new.required else "optional"
            yield Change(where, What.CHANGED, new.required, f"new {kind} parameter {name}")
    yield from _of_order(where, was, now)


def _of_parameter(where: str, old: Parameter, new: Parameter) -> Iterator[Change]:
    if old.kind is not new.kind:
        lost = (old.kind in _POSITIONAL and new.kind not in _POSITIONAL) or (
            old.kind in _BY_NAME and new.kind not in _BY_NAME
        )
        was, now = old.kind.value.replace("_", " "), new.kind.value.replace("_", " ")
        yield Change(where, What.CHANGED, lost, f"parameter {old.name} was {was}, is {now}")
    if new.required and not old.required:
        yield Change(where, What.CHANGED, True, f"parameter {old.name} is required now")
    elif old.required and not new.required:
        yield Change(where, What.CHANGED, False, f"parameter {old.name} is optional now, with default {new.default}")
    elif old.default != new.default:
        detail = f"parameter {old.name} has default {new.default}, had {old.default}"
        yield Change(where, What.CHANGED, False, detail)
    if old.annotation != new.annotation:
        detail = f"parameter {old.name} {_annotated(old.annotation, new.annotation)}"
        yield Change(where, What.CHANGED, False, detail)


def _annotated(was: str | None, now: str | None) -> str:
    if was is None:
        return f"is annotated {now} now"
    return f"is annotated {was} no more" if now is None else f"is annotated {now}, was {was}"


def _of_order(where: str, was: tuple[Parameter, ...], now: tuple[Parameter, ...]) -> Iterator[Change]:
    """Whether what is given by position reaches the same parameters."""
    positions = [one.name for one in now if one.kind in _POSITIONAL]
    for index, one in enumerate([one for one in was if one.kind in _POSITIONAL]):
        if one.name in positions and positions.index(one.name) != index:
            detail = f"parameter {one.name} was number {index + 1}, is number {positions.index(one.name) + 1}"
            yield Change(where, What.CHANGED, True, detail)
            return
