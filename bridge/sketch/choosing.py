"""Which members of a module are meant for others: the rules that a landscape seen live follows too.

Public is what `__all__` names. Without one it is what has no leading underscore and is defined in the module, or, for a
package, in a module below it (`requests.get` is defined in `requests.api`), and what an import statement marks as meant
(`from .api import get as get`). Modules are no members.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from re import Pattern

from bascule.bridge.sketch.model import Alias, Class, ClassMember, Member, Module


def public(module: Module, *, private: bool = False, imports: bool = False) -> tuple[Member, ...]:
    """The members that a module offers.

    Args:
        module: With its aliases resolved: of a name whose meaning is not known nobody knows whether it is a module.
        private: Names with a leading underscore too, and in classes those without two of them.
        imports: What was imported from elsewhere too.
    """
    chosen: list[Member] = []
    if module.exports is not None and not private:
        for name in dict.fromkeys(module.exports):
            member = module.member(name)
            if member is not None and not _is_module(member):
                chosen.append(member)
        return tuple([_shown(one, private=private) for one in chosen])
    exports = set(module.exports or ())
    for member in module.members:
        listed = member.name in exports
        if not listed and (member.name.startswith("__") or (member.name.startswith("_") and not private)):
            continue
        if not listed and not imports and not is_own(member, module):
            continue
        if not _is_module(member) and member.runtime:
            chosen.append(member)
    return tuple([_shown(one, private=private) for one in chosen])


def is_own(member: Member, module: Module) -> bool:
    """Whether the module, or in a package one below it, defines this."""
    if not isinstance(member, Alias):
        return True
    if member.explicit:
        return True
    home = member.target.rpartition(".")[0]
    return home == module.name or (module.package and home.startswith(module.name + "."))


def _is_module(member: Member) -> bool:
    return isinstance(member, Alias) and member.of_module


def _shown(member: Member, *, private: bool) -> Member:
    """A class without what it keeps for itself."""
    if isinstance(member, Alias) and isinstance(member.meant, Class):
        return replace(member, meant=_shown(member.meant, private=private))  # type: ignore[arg-type]
    if not isinstance(member, Class) or private:
        return member
    return replace(member, members=tuple([_inner(one) for one in member.members if not one.name.startswith("_")]))


def _inner(member: ClassMember) -> ClassMember:
    return _shown(member, private=False) if isinstance(member, Class) else member  # type: ignore[return-value]


def matching(members: Iterable[Member], pattern: Pattern[str] | str) -> tuple[Member, ...]:
    """The members whose name has the pattern in it; of a class that has it not, what has it as `Class.method`."""
    found: list[Member] = []
    wanted = re.compile(pattern)
    for member in members:
        if wanted.search(member.name):
            found.append(member)
        elif isinstance(member, Class):
            inner = tuple([one for one in member.members if wanted.search(f"{member.name}.{one.name}")])
            if inner:
                found.append(replace(member, members=inner))
    return tuple(found)
