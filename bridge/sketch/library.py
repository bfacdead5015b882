"""The modules that a sketch leads to: read when a name leads there, each once.

A module says `from .api import get`; what `get` is stands in another file, and may be imported there in turn. A
`Library` follows such names from file to file, expands `from x import *`, adds up `__all__`, and gives classes that
inherit their constructor its parameters. Names that lead into compiled modules stay unresolved: nothing is imported.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from bascule.bridge.sketch import constructors, finding
from bascule.bridge.sketch.model import (
    Alias,
    Class,
    ClassMember,
    Constant,
    Field,
    Function,
    Member,
    Module,
    Property,
    TypeName,
)
from bascule.bridge.sketch.reading import read_file

Found = tuple[str, Member | ClassMember | Module]
"""The path where something is defined, and the thing."""

_DEEPEST = 40  # parts of a dotted name
_COMPILED = "{} is compiled, or built in: there is no source to read; --live imports it in a worker and looks"
_NAMESPACE = "{} is a folder without __init__: there is nothing in it but its submodules"


class Library:
    """Modules by name. For one use: a file that changes is not read again."""

    def __init__(self, path: Sequence[str] | None = None, *, closed: bool = False) -> None:
        """Nothing is read yet.

        Args:
            path: Where modules are looked for. None: where this interpreter looks.
            closed: Look for none; know only those that are added.
        """
        self._path = path
        self._closed = closed
        self._modules: dict[str, Module | None] = {}
        self._found: dict[str, Found | None] = {}
        self._stars: dict[str, tuple[str, ...]] = {}
        self._exports: dict[str, tuple[str, ...] | None] = {}
        self._classes: dict[str, Class] = {}

    def add(self, module: Module) -> None:
        """Know this module, from wherever it comes."""
        self._modules[module.name] = module

    def module(self, name: str) -> Module | None:
        """The module as it is read, with nothing followed; None when there is none of that name."""
        if name not in self._modules:
            place = None if self._closed else finding.place_of(name, self._path)
            self._modules[name] = None if place is None else read_place(place)
        return self._modules[name]

    def resolved(self, module: Module, *, imports: bool = False) -> Module:
        """The module with its names followed as far as sources lead.

        Args:
            module: As it was read.
            imports: Follow names that are not the module's to offer, too.
        """
        self._modules.setdefault(module.name, module)
        exports = self._all_exports(module.name)
        listed = set(exports or ())
        members = [
            self._followed(one, module, listed, imports=imports)
            for one in [*module.members, *self._from_wildcards(module, module.members)]
        ]
        return replace(module, members=tuple(members), exports=exports)

    def find(self, path: str) -> Found | None:
        """What a dotted path leads to, and its path where it is defined; None when sources do not tell."""
        if path not in self._found:
            self._found[path] = None  # for names that lead to themselves
            self._found[path] = self._find(path)
        return self._found[path]

    def _find(self, path: str) -> Found | None:
        parts = path.split(".")
        if len(parts) > _DEEPEST:  # names that lead below themselves
            return None
        module = self.module(parts[0])
        for index, name in enumerate(parts[1:], 1):
            if module is None:
                return None
            found = self._in_module(module, name, parts[index + 1 :], {module.name})
            if found is not None:
                return found
            module = self.module(f"{module.name}.{name}")
        return None if module is None else (module.name, module)

    def _in_module(self, module: Module, name: str, rest: list[str], seen: set[str]) -> Found | None:
        """A member, or what a wildcard made one; not the modules below."""
        member = module.member(name)
        if isinstance(member, Alias):
            if rest and member.target.startswith(f"{module.name}.{name}."):
                return None  # it hides the module of the same name that it comes from: that one is meant
            return self.find(".".join([member.target, *rest]))
        if member is not None:
            return self._below(f"{module.name}.{name}", member, rest, module)
        # One that says that it offers the name, else one that has it: `__all__` may grow where nobody sees it.
        offering = [other for other in module.wildcards if name in self._offered(other)]
        for other in [*reversed(offering), *module.wildcards]:
            there = None if other in seen else self.module(other)
            if there is not None:
                seen.add(other)
                found = self._in_module(there, name, rest, seen)
                if found is not None:
                    return found
        return None

    def _below(self, path: str, member: Member, rest: list[str], module: Module) -> Found | None:
        """Follow the rest of a path into a class."""
        here: object = member
        for name in rest:
            inner = here.member(name) if isinstance(here, Class) else None
            if isinstance(inner, Alias):
                found = self.find(inner.target)
                return None if found is None or isinstance(found[1], Module) else (found[0], found[1])
            if inner is None:
                return None
            here, path = inner, f"{path}.{name}"
        if isinstance(here, Class):
            return path, self._completed(path, here, module)
        return (path, here) if isinstance(here, (Function, Constant, TypeName, Property, Field)) else None

    def _from_wildcards(self, module: Module, known: Iterable[Member]) -> Iterator[Alias]:
        names = {one.name for one in known}
        for other in module.wildcards:
            for name in self._offered(other):
                if name not in names:
                    names.add(name)
                    yield Alias(name, f"{other}.{name}")

    def _offered(self, name: str) -> tuple[str, ...]:
        """What `from name import *` imports."""
        if name not in self._stars:
            self._stars[name] = ()  # for modules that import everything from each other
            self._stars[name] = self._all_offered(name)
        return self._stars[name]

    def _all_offered(self, name: str) -> tuple[str, ...]:
        module = self.module(name)
        exports = self._all_exports(name)
        if module is None or exports is not None:
            return exports or ()
        found = [one.name for one in module.members if not one.name.startswith("_")]
        for other in module.wildcards:
            found += self._offered(other)
        return tuple(dict.fromkeys(found))

    def _all_exports(self, name: str) -> tuple[str, ...] | None:
        """`__all__` with what it takes over from other modules; None where a part of it cannot be told."""
        if name in self._exports:
            return self._exports[name]
        self._exports[name] = ()  # for modules that take over each other's
        module = self.module(name)
        exports = None if module is None or module.exports is None else self._added_up(name, module.exports)
        self._exports[name] = exports
        return exports

    def _added_up(self, name: str, exports: tuple[str, ...]) -> tuple[str, ...] | None:
        whole: list[str] = []
        for one in exports:
            if not one.endswith(".*"):
                whole.append(one)
                continue
            found = self.find(f"{name}.{one.removesuffix('.*')}")
            theirs = self._all_exports(found[0]) if found is not None and isinstance(found[1], Module) else None
            if theirs is None:
                return None
            whole += theirs
        return tuple(dict.fromkeys(whole))

    def _followed(self, member: Member, module: Module, listed: set[str], *, imports: bool) -> Member:
        if isinstance(member, Class):
            return self._completed(f"{module.name}.{member.name}", member, module)
        if not isinstance(member, Alias):
            return member
        inside = member.target.startswith(module.name + ".")
        if not (imports or inside or member.explicit or member.name in listed):
            return member.declared or member
        followed = self._with_meaning(member)
        if followed.of_module or isinstance(followed.meant, (Function, Class)):
            return followed
        return member.declared or followed

    def _completed(self, path: str, cls: Class, module: Module) -> Class:
        """The class with the parameters of its constructor, and so the classes in it."""
        if path not in self._classes:
            self._classes[path] = cls  # for classes that are their own bases
            cls = constructors.completed(cls, lambda base: self._base(base, path, module))
            self._classes[path] = replace(cls, members=tuple([self._inner(one) for one in cls.members]))
        return self._classes[path]

    def _inner(self, member: ClassMember) -> ClassMember:
        """A member of a class; of a name that stands for another, with what that is."""
        if isinstance(member, Class):
            return replace(member, members=tuple([self._inner(one) for one in member.members]))
        return self._with_meaning(member) if isinstance(member, Alias) else member

    def _with_meaning(self, alias: Alias) -> Alias:
        found = None if alias.meant is not None else self.find(alias.target)
        if found is None:
            return alias
        path, meant = found
        if isinstance(meant, Module):
            return replace(alias, target=path, of_module=True)
        return replace(alias, target=path, meant=None if isinstance(meant, Alias) else meant)

    def _base(self, name: str, path: str, module: Module) -> Class | Function | None:
        """A base of a class, as its name is understood where the class stands."""
        scope = path.rpartition(".")[0]
        while True:
            found = self.find(f"{scope}.{name}")
            if found is not None and isinstance(found[1], (Class, Function)):
                return found[1]
            if scope == module.name or "." not in scope:
                return None
            scope = scope.rpartition(".")[0]


def read_place(place: finding.Place) -> Module:
    """The module at a place."""
    below = finding.submodules(place.folders) if place.package else ()
    if place.file is None:
        error = (_COMPILED if place.compiled else _NAMESPACE).format(place.name)
        return Module(place.name, package=place.package, submodules=below, error=error)
    return replace(read_file(place.file, place.name, package=place.package), submodules=below)
