"""`record write`: an API -> a package of stubs that can be put on a type checker's path.

`numpy.random.mtrand` becomes `numpy/random/mtrand.pyi`, beside an `__init__.pyi` in each folder above it. The counts
stand as docstrings, one line for each label. What is said of a function is told in `function_stubs`.
"""

from __future__ import annotations

from abc import ABCMeta
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bascule.bridge.recording.annotations import Scope, is_name
from bascule.bridge.recording.apis import API, Attribute, Class, Module
from bascule.bridge.recording.function_stubs import FunctionStubs, counts, joined_in_place
from bascule.bridge.recording.runtime import Runtime
from bascule.bridge.recording.types import BOTTOM, OBJECT, Named, Type, Which, parts_of


def write_stubs(api: API, folder: Path, runtime: Runtime | None = None) -> list[Path]:
    """Write the stubs of an API; the files, in order.

    Args:
        runtime: Where signatures are looked up; None to write what was recorded alone.

    Raises:
        OSError: A file can't be written.
    """
    modules = {name: module for name, module in api.modules.items() if all(is_name(part) for part in name.split("."))}
    packages = {name.rpartition(".")[0] for name in modules}
    for name in list(packages):
        while name:
            packages.add(name)
            name = name.rpartition(".")[0]
    packages.discard("")
    known = {name: _class_names(name, module) for name, module in modules.items()}
    for module, name in _mentioned(api):
        if module in known and all(is_name(part) for part in name.split(".")):
            parts = name.split(".")
            known[module] |= {".".join(parts[: index + 1]) for index in range(len(parts))}
    files = []
    for name in sorted(modules.keys() | packages):
        path = folder.joinpath(*name.split("."))
        path = path / "__init__.pyi" if name in packages else path.with_suffix(".pyi")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(ModuleStub(name, modules.get(name, Module()), known, runtime).text())
        files.append(path)
    return files


def _mentioned(api: API) -> set[tuple[str, str]]:
    """All classes, by module and name, that are said anywhere in an API."""
    found: set[tuple[str, str]] = set()
    waiting = list(_types(api))
    while waiting:
        of = waiting.pop()
        if isinstance(of, Named) or (isinstance(of, Which) and of.kind == "type"):
            found.add((of.module, of.name))
        waiting += parts_of(of)
    return found


def _types(api: API) -> Iterator[Type]:
    """Those of all attributes, parameters and results."""
    for module in api.modules.values():
        attributes, functions = [*module.properties.values()], [*module.functions.values()]
        for each in module.classes.values():
            attributes += [*each.properties.values(), *each.classproperties.values()]
            functions += [*each.methods.values(), *each.classmethods.values()]
            functions += [each.constructor] if each.constructor is not None else []
        yield from (attribute.type for attribute in attributes)
        for function in functions:
            for signature in (function.whole, *function.overloads.values()):
                yield from (parameter.type for parameter in signature.parameters.values())
                yield from (named[1] for named in (signature.var_pos, signature.var_kw) if named is not None)
                yield signature.returns


def _class_names(module_name: str, module: Module) -> set[str]:
    """The classes that a stub has: those that were used, and those around them."""
    names: set[str] = set()
    called = {name for name, each in module.properties.items() if _is_class_itself(module_name, name, each)}
    for name in [*module.classes, *called]:
        parts = name.split(".")
        if all(is_name(part) for part in parts):
            names |= {".".join(parts[: index + 1]) for index in range(len(parts))}
    return names


def _is_class_itself(module: str, name: str, attribute: Attribute) -> bool:
    """Whether an attribute of a module is a class that was defined there under this name."""
    of = attribute.type
    return isinstance(of, Which) and of.kind == "type" and (of.module, of.name) == (module, name)


@dataclass
class ModuleStub:
    """Writes the stub of one module."""

    name: str
    module: Module
    known: dict[str, set[str]]
    runtime: Runtime | None
    scope: Scope = field(init=False)
    functions: FunctionStubs = field(init=False)

    def __post_init__(self) -> None:
        module = self.module
        members: set[str] = set()
        for each in module.classes.values():
            members |= {*each.methods, *each.classmethods, *each.properties, *each.classproperties}
        own = {*module.functions, *module.properties, *self.known.get(self.name, set())}
        self.scope = Scope(self.name, self.known, own | members)
        self.scope.taken_in_classes = members
        self.functions = FunctionStubs(self.scope, self.runtime)

    def text(self) -> str:
        """The whole file."""
        body = "\n".join(self._body())
        scope = self.scope
        head = [f"from typing import {', '.join(sorted(scope.typing))}"] if scope.typing else []
        head = sorted(scope.imports) + head
        aliases = []
        for alias, of in sorted(scope.aliases.items()):
            aliases.append(f"{alias} = {of}")
        parts = ["\n".join(head), "\n".join(aliases), body.strip("\n")]
        return "\n\n".join(part for part in parts if part) + "\n" if any(parts) else ""

    def _body(self) -> Iterator[str]:
        for name, attribute in sorted(self.module.properties.items()):
            if is_name(name) and name not in self.known.get(self.name, ()):
                yield from self._attribute(name, attribute, (self.name, name))
        for name, function in sorted(self.module.functions.items()):
            if not is_name(name):
                continue
            if self.runtime is not None and self.runtime.is_class(self.name, name):
                made = Class(constructor=function)
                yield from self._class(name, {name: made}, "")
            else:
                yield from self.functions.lines(name, function, "", (self.name, name))
        tops = sorted({name.partition(".")[0] for name in self.known.get(self.name, ())})
        for name in tops:
            yield from self._class(name, self.module.classes, "")

    def _attribute(self, name: str, attribute: Attribute, where: tuple[str, ...], indent: str = "") -> Iterator[str]:
        scope = self.scope
        of = attribute.type if attribute.type is not BOTTOM else OBJECT
        said = scope.of_typing("Any") if of is OBJECT else scope.annotate(of)
        yield from (f"{indent}# {line}" for line in counts(attribute.usage))
        if self._is_property(where):
            yield f"{indent}@{scope.builtin('property')}"
            yield f"{indent}def {name}(self) -> {said}: ..."
            if self.runtime is not None and getattr(self.runtime.find(*where), "fset", None) is not None:
                yield f"{indent}@{name}.setter"
                yield f"{indent}def {name}(self, value: {scope.of_typing('Any')}, /) -> None: ..."
        else:
            yield f"{indent}{name}: {said}"

    def _is_property(self, where: tuple[str, ...]) -> bool:
        return len(where) > 2 and self.runtime is not None and self.runtime.kind(*where) == "property"

    def _class(self, name: str, classes: dict[str, Class], indent: str, outer: str = "") -> Iterator[str]:
        full = f"{outer}.{name}" if outer else name
        of = classes.get(full, Class())
        inner = indent + "    "
        yield ""
        itself = self.module.properties.get(full)
        if itself is not None:
            yield from (f"{indent}# {line}" for line in counts(itself.usage))
        yield f"{indent}class {name}{self._bases(full)}:"
        empty = True
        for line in self._members(full, of, inner):
            empty = False
            yield line
        for nested in sorted(self.known.get(self.name, ())):
            if nested.startswith(f"{full}.") and "." not in nested[len(full) + 1 :]:
                empty = False
                yield from self._class(nested[len(full) + 1 :], classes, inner, full)
        if empty:
            yield f"{inner}..."

    def _bases(self, name: str) -> str:
        found = None if self.runtime is None else self.runtime.find(self.name, name)
        if isinstance(found, type) and issubclass(found, BaseException):
            base = next(each for each in found.__mro__[1:] if each.__module__ == "builtins")
            return f"({self.scope.builtin(base.__name__)})"
        if type(found) is ABCMeta:
            return f"(metaclass={self.scope.annotate(Named('named', 'abc', 'ABCMeta'))})"
        return ""

    def _members(self, name: str, of: Class, indent: str) -> Iterator[str]:
        where = (self.name, name)
        for each, attribute in sorted(of.classproperties.items()):
            if is_name(each):
                said = self.scope.annotate(attribute.type)
                yield from (f"{indent}# {line}" for line in counts(attribute.usage))
                yield f"{indent}{each}: {self.scope.of_typing('ClassVar')}[{said}]"
        for each, attribute in sorted(of.properties.items()):
            if is_name(each):
                yield from self._attribute(each, attribute, (*where, each), indent)
        if of.constructor is not None:
            yield from self.functions.lines("__init__", of.constructor, indent, where)
        for each, function in sorted(of.classmethods.items()):
            if is_name(each):
                yield from self.functions.lines(each, function, indent, (*where, each), kind="classmethod")
        for each, function in sorted(of.methods.items()):
            if is_name(each) and not (self.runtime is not None and self.runtime.lacks(*where, each)):
                joined = joined_in_place(of, each, function)
                yield from self.functions.lines(each, joined, indent, (*where, each), kind="method")
