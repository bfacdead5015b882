"""A sketch as a stub, the `.pyi` file that type checkers and editors read instead of a module.

    from collections.abc import Sequence

    def mean(data: Sequence[float]) -> float: ...

Annotations stand as the source has them, and what they name is imported as there. What the source does not annotate is
left without: that is for a type checker to judge.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from bascule.bridge.sketch.model import (
    Alias,
    Class,
    ClassMember,
    Constant,
    Field,
    Function,
    FunctionKind,
    Member,
    Module,
    Parameter,
    ParameterKind,
    Property,
    TypeName,
)
from bascule.bridge.sketch.writing import signature

_PLAIN = ParameterKind.POSITIONAL_OR_KEYWORD
_MARKS = {FunctionKind.STATIC_METHOD: "@staticmethod", FunctionKind.CLASS_METHOD: "@classmethod"}
_WORDS = re.compile(r"[A-Za-z_]\w*")
_KEPT = ("dataclass", "final", "runtime_checkable", "total_ordering", "abstractmethod", "contextmanager", "deprecated")


def as_stub(module: Module, members: Iterable[Member]) -> str:
    """The text of the stub."""
    shown = list(members)
    lines = [line for one in shown for line in _member(one, "")]
    words = {word for line in lines for word in _WORDS.findall(line)}
    imports = [*_typing(words), *_imports(module, shown, words)]
    return "\n".join([*imports, *([""] if imports and lines else []), *lines])


def _typing(words: set[str]) -> Iterator[str]:
    if "Incomplete" in words:
        yield "from _typeshed import Incomplete"
    if "overload" in words:
        yield "from typing import overload"


def _imports(module: Module, shown: list[Member], words: set[str]) -> Iterator[str]:
    """What the source imports, as far as the stub names it: what it offers again under a name of its own."""
    offered = {one.name for one in shown}
    for one in module.members:
        home, _, name = one.target.rpartition(".") if isinstance(one, Alias) else ("", "", "")
        if not isinstance(one, Alias) or not (one.name in offered or one.name in words) or one.name == "overload":
            continue
        if one.of_module or not home:
            yield f"import {one.target}" + (f" as {one.name}" if one.name != one.target else "")
        elif home != module.name:
            yield f"from {home} import {name}" + (f" as {one.name}" if one.name in offered or name != one.name else "")


def _member(member: Member | ClassMember, indent: str) -> Iterator[str]:
    if isinstance(member, Function):
        yield from _function(member, indent)
    elif isinstance(member, Class):
        yield from _class(member, indent)
    elif isinstance(member, Property):
        yield f"{indent}@property"
        yield f"{indent}def {member.name}(self)" + _returns(member.type)
        if member.writable:
            yield f"{indent}@{member.name}.setter"
            yield f"{indent}def {member.name}(self, value{_annotated(member.type)}) -> None: ..."
    elif isinstance(member, TypeName):
        yield f"{indent}{member.name} = {member.value or 'Incomplete'}"
    elif isinstance(member, (Field, Constant)):
        yield f"{indent}{member.name}: {member.annotation or _kind_of(member.value)}"


def _function(function: Function, indent: str) -> Iterator[str]:
    decorators = [f"@{one}" for one in function.decorators if one.split("(")[0].rpartition(".")[2] in _KEPT]
    mark = _MARKS.get(function.kind)
    word = "async def" if function.coroutine else "def"
    several: list[tuple[tuple[Parameter, ...] | None, str | None]]
    several = [(one.parameters, one.returns) for one in function.overloads]
    for parameters, returns in several or [(function.parameters, function.returns)]:
        if several:
            yield f"{indent}@overload"
        for one in [*([mark] if mark else []), *decorators]:
            yield indent + one
        told = signature(function.name, parameters) if parameters is not None else f"{function.name}(*args, **kwargs)"
        yield f"{indent}{word} {told}{_returns(returns)}"


def _class(cls: Class, indent: str) -> Iterator[str]:
    for one in cls.decorators:
        if one.split("(")[0].rpartition(".")[2] in _KEPT:
            yield f"{indent}@{one}"
    bases = [*cls.bases, *[f"{name}={value}" for name, value in cls.keywords]]
    heading = f"{indent}class {cls.name}" + (f"({', '.join(bases)})" if bases else "")
    inner = [line for one in cls.members for line in _member(one, indent + "    ")]
    if cls.parameters and cls.member("__init__") is None and not _makes_its_own(cls):
        me = Parameter("self", ParameterKind.POSITIONAL_ONLY if _has_positional_only(cls) else _PLAIN)
        inner.insert(0, f"{indent}    def {signature('__init__', (me, *cls.parameters))} -> None: ...")
    if not inner:
        yield f"{heading}: ..."
        return
    yield f"{heading}:"
    yield from inner


def _makes_its_own(cls: Class) -> bool:
    return any(one.split("(")[0].rpartition(".")[2] == "dataclass" for one in cls.decorators)


def _has_positional_only(cls: Class) -> bool:
    return any(one.kind is ParameterKind.POSITIONAL_ONLY for one in cls.parameters or ())


def _returns(annotation: str | None) -> str:
    return ": ..." if annotation is None else f" -> {annotation}: ..."


def _annotated(annotation: str | None) -> str:
    return "" if annotation is None else f": {annotation}"


def _kind_of(value: str | None) -> str:
    """The type of a value as its text shows it."""
    try:
        found = ast.literal_eval(value or "")
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return "Incomplete"
    return "Incomplete" if found is None else type(found).__name__
