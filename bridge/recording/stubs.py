"""`record write`: an API -> a package of stubs that can be put on a type checker's path.

`numpy.random.mtrand` becomes `numpy/random/mtrand.pyi`, beside an `__init__.pyi` in each folder above it. The counts
stand as docstrings, one line for each label. A parameter that some calls lacked has a default; a function that was
called in several ways has an overload for each, the narrower one first, unless it would take what another takes.
"""

from __future__ import annotations

import inspect
from abc import ABCMeta
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bascule.bridge.recording.annotations import Scope, is_name
from bascule.bridge.recording.apis import API, Attribute, Class, Function, Module
from bascule.bridge.recording.breadth import narrow_first
from bascule.bridge.recording.runtime import Runtime
from bascule.bridge.recording.signatures import Parameter, Signature, Usage
from bascule.bridge.recording.types import BOTTOM, NONE, OBJECT, Named, Type, Which, join, of_value, parts_of
from bascule.workers.recording.values import LONGEST_TEXT

_LONGEST = 120
_IN_PLACE_OF = {
    f"__i{name}__": f"__{name}__"
    for name in (
        "add",
        "sub",
        "mul",
        "matmul",
        "truediv",
        "floordiv",
        "mod",
        "pow",
        "lshift",
        "rshift",
        "and",
        "or",
        "xor",
    )
}
_REVERSED = {f"__r{name[3:-2]}__" for name in _IN_PLACE_OF} | {"__rdivmod__"}
_FIXED_RESULT = {
    "__init__": NONE,
    "__bool__": Named("named", "", "bool"),
    "__len__": Named("named", "", "int"),
    "__hash__": Named("named", "", "int"),
    "__contains__": Named("named", "", "bool"),
    "__str__": Named("named", "", "str"),
    "__repr__": Named("named", "", "str"),
    "__format__": Named("named", "", "str"),
    "__int__": Named("named", "", "int"),
    "__index__": Named("named", "", "int"),
    "__float__": Named("named", "", "float"),
    "__complex__": Named("named", "", "complex"),
    "__bytes__": Named("named", "", "bytes"),
    "__setitem__": NONE,
    "__delitem__": NONE,
}
_TAKES_ANYTHING = ("__eq__", "__ne__")


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
    for module, name in mentioned(api):
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


def mentioned(api: API) -> set[tuple[str, str]]:
    """All classes, by module and name, that are said anywhere in an API."""
    found: set[tuple[str, str]] = set()

    def note(of: Type) -> None:
        if isinstance(of, Named) or (isinstance(of, Which) and of.kind == "type"):
            found.add((of.module, of.name))
        for part in parts_of(of):
            note(part)

    def note_function(function: Function) -> None:
        for signature in (function.whole, *function.overloads.values()):
            for parameter in signature.parameters.values():
                note(parameter.type)
            for named in (signature.var_pos, signature.var_kw):
                if named is not None:
                    note(named[1])
            note(signature.returns)

    for module in api.modules.values():
        for function in module.functions.values():
            note_function(function)
        for attribute in module.properties.values():
            note(attribute.type)
        for each in module.classes.values():
            for attribute in (*each.properties.values(), *each.classproperties.values()):
                note(attribute.type)
            for function in (*each.methods.values(), *each.classmethods.values()):
                note_function(function)
            if each.constructor is not None:
                note_function(each.constructor)
    return found


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

    def __post_init__(self) -> None:
        module = self.module
        members: set[str] = set()
        for each in module.classes.values():
            members |= {*each.methods, *each.classmethods, *each.properties, *each.classproperties}
        own = {*module.functions, *module.properties, *self.known.get(self.name, set())}
        self.scope = Scope(self.name, self.known, own | members)
        self.scope.taken_in_classes = members

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
                yield from self._function(name, function, "", (self.name, name))
        tops = sorted({name.partition(".")[0] for name in self.known.get(self.name, ())})
        for name in tops:
            yield from self._class(name, self.module.classes, "")

    def _attribute(self, name: str, attribute: Attribute, where: tuple[str, ...], indent: str = "") -> Iterator[str]:
        scope = self.scope
        of = attribute.type if attribute.type is not BOTTOM else OBJECT
        said = scope.of_typing("Any") if of is OBJECT else scope.annotate(of)
        yield from (f"{indent}# {line}" for line in _counts(attribute.usage))
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
            yield from (f"{indent}# {line}" for line in _counts(itself.usage))
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
                yield from (f"{indent}# {line}" for line in _counts(attribute.usage))
                yield f"{indent}{each}: {self.scope.of_typing('ClassVar')}[{said}]"
        for each, attribute in sorted(of.properties.items()):
            if is_name(each):
                yield from self._attribute(each, attribute, (*where, each), indent)
        if of.constructor is not None:
            yield from self._function("__init__", of.constructor, indent, where)
        for each, function in sorted(of.classmethods.items()):
            if is_name(each):
                yield from self._function(each, function, indent, (*where, each), kind="classmethod")
        for each, function in sorted(of.methods.items()):
            if is_name(each) and not (self.runtime is not None and self.runtime.lacks(*where, each)):
                joined = self._joined_in_place(of, each, function)
                yield from self._function(each, joined, indent, (*where, each), kind="method")

    def _joined_in_place(self, of: Class, name: str, function: Function) -> Function:
        """`__iadd__` has to take what `__add__` takes, or it is no valid one; neither is told call by call then."""
        if name.startswith("__") and f"__i{name[2:]}" in of.methods:
            return Function(function.whole)
        plain = of.methods.get(_IN_PLACE_OF.get(name, ""))
        if plain is None:
            return function
        whole = function.whole.copy()
        for each, parameter in plain.whole.parameters.items():
            if each in whole.parameters:
                whole.parameters[each].type = join(whole.parameters[each].type, parameter.type)
        return Function(whole)

    # ---- Functions -------------------------------------------------------------------------------------------------

    def _function(
        self, name: str, function: Function, indent: str, where: tuple[str, ...], kind: str = "function"
    ) -> Iterator[str]:
        actual = None if self.runtime is None else self.runtime.signature(*where)
        if actual is not None and not _agrees(function.whole, actual):
            actual = None
        if name == "__init__":
            kind = "method"
        elif kind != "function" and ((kind == "classmethod" and function.whole.static) or self._is_static(where)):
            kind = "staticmethod"
        waited = self.runtime is not None and self.runtime.is_coroutine(*where)
        said = self._result(name, function.whole.returns)
        overloads = [] if name in _TAKES_ANYTHING or len(function.overloads) < 2 else function.sorted_overloads()
        filled = [_filled(each, function.whole, actual) for each in overloads]
        said_of = [(self._parameters(name, each, kind, actual), each.copy()) for each in filled]
        lines = narrow_first(said_of, self.scope.as_written)
        if len(lines) > 1:
            for parameters, each in lines:
                yield from self._definition(
                    name, parameters, said, each.usage, each, kind, indent, overloaded=True, asynchronous=waited
                )
            return
        parameters = self._parameters(name, function.whole, kind, actual)
        whole = function.whole
        yield from self._definition(
            name, parameters, said, whole.usage, whole, kind, indent, overloaded=False, asynchronous=waited
        )

    def _is_static(self, where: tuple[str, ...]) -> bool:
        return self.runtime is not None and self.runtime.kind(*where) == "staticmethod"

    def _result(self, name: str, of: Type) -> str:
        fixed = _FIXED_RESULT.get(name)
        if fixed is not None:
            return self.scope.annotate(fixed)
        if name in _TAKES_ANYTHING and of != _FIXED_RESULT["__bool__"]:
            return self.scope.of_typing("Any")
        if name == "__iter__":
            return f"{self.scope.of_typing('Iterator')}[{self.scope.of_typing('Any')}]"
        if of is BOTTOM or of is OBJECT or name in _REVERSED or name in _IN_PLACE_OF:
            return self.scope.of_typing("Any")
        return self.scope.annotate(of)

    def _definition(
        self,
        name: str,
        parameters: list[str],
        said: str,
        usage: Usage,
        of: Signature,
        kind: str,
        indent: str,
        *,
        overloaded: bool,
        asynchronous: bool,
    ) -> Iterator[str]:
        yield ""
        if overloaded:
            yield f"{indent}@{self.scope.of_typing('overload')}"
        if kind in ("classmethod", "staticmethod"):
            yield f"{indent}@{self.scope.builtin(kind)}"
        define = "def"
        if asynchronous:
            define, said = "async def", self.scope.of_typing("Any")
        line = f"{indent}{define} {name}({', '.join(parameters)}) -> {said}:"
        if len(line) <= _LONGEST:
            yield line
        else:
            yield f"{indent}{define} {name}("
            yield from (f"{indent}    {each}," for each in parameters)
            yield f"{indent}) -> {said}:"
        yield f'{indent}    """'
        yield from (f"{indent}    {each}" for each in _counts(usage))
        for module, error in sorted(of.raises):
            yield f"{indent}    raises: {module + '.' if module else ''}{error}"
        yield f'{indent}    """'
        yield f"{indent}    ..."

    def _parameters(self, name: str, of: Signature, kind: str, actual: inspect.Signature | None) -> list[str]:
        first = {"method": ["self"], "classmethod": ["cls"]}.get(kind, [])
        if name in _TAKES_ANYTHING:
            return ["self", f"other: {self.scope.builtin('object')}", "/"]
        if actual is not None:
            return [*first, *self._actual(of, actual)]
        return [*first, *self._recorded(of, taken=first)]

    def _recorded(self, of: Signature, taken: list[str]) -> list[str]:
        annotate = self.scope.annotate
        told: list[str] = []
        defaulted = False
        for role in ("pos_only", "pos_or_kw"):
            names = [name for name in of.ordered(role) if is_name(name) and name not in taken]
            for name in names:
                defaulted = defaulted or name not in of.required
                told.append(f"{name}: {annotate(of.parameters[name].type)}{' = ...' if defaulted else ''}")
            if role == "pos_only" and names:
                told.append("/")
        only = [name for name in of.ordered("kw_only") if is_name(name)]
        if of.var_pos is not None:
            told.append(f"*{of.var_pos[0]}: {annotate(of.var_pos[1])}")
        elif only:
            told.append("*")
        only.sort(key=lambda name: name not in of.required)
        told += [
            f"{name}: {annotate(of.parameters[name].type)}{'' if name in of.required else ' = ...'}" for name in only
        ]
        if of.var_kw is not None:
            told.append(f"**{of.var_kw[0]}: {annotate(of.var_kw[1])}")
        return told

    def _actual(self, of: Signature, actual: inspect.Signature) -> list[str]:
        """The function's own parameters, with the types that were seen."""
        kinds = inspect.Parameter
        told: list[str] = []
        given = list(actual.parameters.values())
        unnamed = [of.parameters[name].type for name in of.ordered("pos_only") if name not in actual.parameters]
        for index, each in enumerate(given):
            seen = of.parameters.get(each.name)
            if seen is None and unnamed and each.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD):
                type_ = unnamed.pop(0)
            elif each.kind is kinds.VAR_POSITIONAL:
                type_ = of.var_pos[1] if of.var_pos else BOTTOM
            elif each.kind is kinds.VAR_KEYWORD:
                type_ = of.var_kw[1] if of.var_kw else BOTTOM
            else:
                type_ = join(seen.type, _type_of_default(each.default)) if seen is not None else BOTTOM
            star = "*" if each.kind is kinds.VAR_POSITIONAL else "**" if each.kind is kinds.VAR_KEYWORD else ""
            default = "" if each.default is each.empty else " = ..."
            if each.kind is kinds.KEYWORD_ONLY and not any(one.startswith("*") for one in told):
                told.append("*")
            told.append(f"{star}{each.name}: {self.scope.annotate(type_)}{default}")
            behind = given[index + 1] if index + 1 < len(given) else None
            if each.kind is kinds.POSITIONAL_ONLY and (behind is None or behind.kind is not kinds.POSITIONAL_ONLY):
                told.append("/")
        return told


def _type_of_default(default: object) -> Type:
    """What a parameter's default adds to its type; nothing when only the library knows what it means."""
    if default is None:
        return NONE
    if isinstance(default, str):
        return of_value(default if len(default) <= LONGEST_TEXT else {"t": "str"})
    return Named("named", "", type(default).__name__) if type(default) in (bool, int, float, bytes) else BOTTOM


def _filled(of: Signature, whole: Signature, actual: inspect.Signature | None) -> Signature:
    """One kind of call, with the parameters that the function has besides and that others gave."""
    if actual is None:
        return of
    filled = of.copy()
    for name, each in actual.parameters.items():
        optional = each.default is not each.empty
        if name in filled.parameters:
            if optional:
                mine = filled.parameters[name]
                mine.type = join(mine.type, _type_of_default(each.default))
                filled.required.discard(name)
        elif optional:
            known = whole.parameters.get(name)
            role = "kw_only" if each.kind is each.KEYWORD_ONLY else "pos_or_kw"
            of_others = OBJECT if known is None else join(known.type, _type_of_default(each.default))
            filled.parameters[name] = Parameter(role, of_others)
    filled.var_pos = whole.var_pos or filled.var_pos
    filled.var_kw = whole.var_kw or filled.var_kw
    return filled


def _agrees(of: Signature, actual: inspect.Signature) -> bool:
    """Whether what was recorded are calls of a function with this signature."""
    kinds = inspect.Parameter
    names = actual.parameters
    takes_all = any(each.kind is kinds.VAR_KEYWORD for each in names.values())
    takes_any = any(each.kind is kinds.VAR_POSITIONAL for each in names.values())
    places = sum(each.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD) for each in names.values())
    if of.var_pos is not None and not takes_any and of.var_pos[0] != "_args":
        return False
    if len(of.ordered("pos_only")) > places and not takes_any:
        return False
    if not all(is_name(name) for name in names):
        return False
    unknown = [name for name, each in of.parameters.items() if name not in names and each.role != "pos_only"]
    return not unknown or takes_all


def _counts(usage: Usage) -> Iterator[str]:
    for label, count in sorted(usage.items()):
        yield f"{label}: {count}"
