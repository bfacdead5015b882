"""What griffe saw of a module, as our values.

griffe tells functions, classes and attributes apart by their syntax. What they are for is often in the value: an
assignment may be an alias, a type, `staticmethod(f)`, a property or a function under another name; that is decided
here, member by member. Texts (defaults, annotations, values) are cut out of the source by `cutting`.
"""

from __future__ import annotations

import ast
import builtins
from dataclasses import replace
from typing import TYPE_CHECKING

import griffe

from bascule.bridge.sketch.branches import dotted
from bascule.bridge.sketch.constructors import is_class_variable
from bascule.bridge.sketch.exported import Exports, ExportsOf
from bascule.bridge.sketch.model import (
    Alias,
    Class,
    Constant,
    Doc,
    Field,
    Function,
    FunctionKind,
    Module,
    Origin,
    Overload,
    Parameter,
    ParameterKind,
    Property,
    TypeName,
    without_first,
)
from bascule.bridge.sketch.reading.cutting import SourceText
from bascule.bridge.sketch.reading.docstrings import read_docstring

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bascule.bridge.sketch.model import ClassMember, Member
    from bascule.bridge.sketch.reading.visiting import Reader

_KINDS = {
    griffe.ParameterKind.positional_only: ParameterKind.POSITIONAL_ONLY,
    griffe.ParameterKind.positional_or_keyword: ParameterKind.POSITIONAL_OR_KEYWORD,
    griffe.ParameterKind.var_positional: ParameterKind.VAR_POSITIONAL,
    griffe.ParameterKind.keyword_only: ParameterKind.KEYWORD_ONLY,
    griffe.ParameterKind.var_keyword: ParameterKind.VAR_KEYWORD,
}
_ALIAS_ANNOTATIONS = {"TypeAlias", "typing.TypeAlias", "typing_extensions.TypeAlias", "t.TypeAlias"}
_BINDERS = ("staticmethod", "classmethod")


class Converter:
    """What griffe saw of one module, as our values."""

    def __init__(self, reader: Reader, source: str) -> None:
        self._nodes = reader.nodes
        self._reader = reader
        self._source = SourceText(source)

    def module(self, seen: griffe.Module, origin: Origin, package: bool) -> Module:
        """All of it."""
        reader = self._reader
        members: list[Member] = []
        wildcards: list[str] = []
        for name, made in [*seen.members.items(), *_only_overloaded(seen)]:
            if name.endswith("/*"):
                wildcards.append(name.removesuffix("/*").replace("/", "."))
            elif (member := self._member(name, made)) is not None:
                members.append(member)
        return Module(
            reader.full_name,
            str(reader.filepath),
            origin,
            package,
            doc=self._doc(seen),
            members=tuple(members),
            exports=None if reader.exports is None else tuple(_as_text(reader.exports)),
            wildcards=tuple(wildcards),
            lazy="__getattr__" in seen.members,
        )

    def _member(self, name: str, made: griffe.Object | griffe.Alias) -> Member | None:
        if made.is_alias:
            return self._alias(name, made)  # type: ignore[arg-type]
        if isinstance(made, griffe.Class):
            return self._class(made)
        if isinstance(made, griffe.Function):
            return self._function(made, in_class=False)
        if isinstance(made, griffe.Attribute):
            return self._value(made)
        if isinstance(made, griffe.TypeAlias):
            return self._type_name(made)
        return None

    def _type_name(self, made: griffe.TypeAlias) -> TypeName:
        node = self._nodes.get(id(made))
        value = self._source.text(node.value) if node is not None else None  # type: ignore[attr-defined]
        return TypeName(made.name, value, self._doc(made), made.lineno, made.runtime)

    def _alias(self, name: str, made: griffe.Alias) -> Alias:
        explicit = name in self._reader.explicit
        return Alias(name, made.target_path, explicit=explicit, line=made.alias_lineno, runtime=made.runtime)

    def _class(self, made: griffe.Class) -> Class:
        members: list[ClassMember] = []
        for name, one in [*made.members.items(), *_only_overloaded(made)]:
            member = self._class_member(name, one)
            if member is not None:
                members.append(member)
        node = self._nodes.get(id(made))
        bases: tuple[str, ...] = ()
        keywords: tuple[tuple[str, str], ...] = ()
        if isinstance(node, ast.ClassDef):
            bases = tuple([self._source.text(base) for base in node.bases])
            keywords = tuple([(one.arg or "**", self._source.text(one.value)) for one in node.keywords])
        return Class(
            made.name,
            bases,
            _constructor(members),
            tuple(members),
            self._source.decorators(node),
            keywords,
            self._doc(made),
            getattr(node, "lineno", made.lineno),
            made.runtime,
        )

    def _class_member(self, name: str, made: griffe.Object | griffe.Alias) -> ClassMember | None:
        if made.is_alias:
            return None if name.endswith("/*") else self._alias(name, made)  # type: ignore[arg-type]
        if isinstance(made, griffe.Class):
            return self._class(made)
        if isinstance(made, griffe.Function):
            return self._function(made, in_class=True)
        if isinstance(made, griffe.Attribute):
            if "property" in made.labels:
                return self._property(made)
            return self._field(made)
        if isinstance(made, griffe.TypeAlias):
            return self._type_name(made)
        return None

    def _function(self, made: griffe.Function, *, in_class: bool) -> Function:
        node = self._nodes.get(id(made))
        parameters, returns = self._signature(made, node)
        kind = FunctionKind.METHOD if in_class else FunctionKind.FUNCTION
        if in_class and ("staticmethod" in made.labels or made.name == "__new__"):
            kind = FunctionKind.STATIC_METHOD
        elif in_class and ("classmethod" in made.labels or made.name in ("__init_subclass__", "__class_getitem__")):
            kind = FunctionKind.CLASS_METHOD
        overloads = []
        for one in made.overloads or ():
            its_parameters, its_returns = self._signature(one, self._nodes.get(id(one)))
            overloads.append(Overload(its_parameters, its_returns))
        return Function(
            made.name,
            parameters,
            returns,
            kind,
            coroutine="async" in made.labels,
            generator=node is not None and self._source.is_generator(node),
            decorators=self._source.decorators(node),
            overloads=tuple(overloads),
            doc=self._doc(made),
            line=getattr(node, "lineno", made.lineno),
            runtime=made.runtime,
        )

    def _signature(self, made: griffe.Function, node: ast.AST | None) -> tuple[tuple[Parameter, ...], str | None]:
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return tuple([Parameter(one.name, _KINDS[one.kind]) for one in made.parameters if one.kind]), None
        returns = None if node.returns is None else self._source.text(node.returns)
        return tuple(self._source.parameters(node.args)), returns

    def _property(self, made: griffe.Attribute) -> Property:
        node = self._nodes.get(id(made))
        returns = getattr(node, "returns", None)
        return Property(
            made.name,
            None if returns is None else self._source.text(returns),
            writable=made.setter is not None or "cached" in made.labels,
            deletable=made.deleter is not None,
            cached="cached" in made.labels,
            decorators=self._source.decorators(node),
            doc=self._doc(made),
            line=getattr(node, "lineno", made.lineno),
            runtime=made.runtime,
        )

    def _field(self, made: griffe.Attribute) -> ClassMember:
        annotation, value = self._assigned(made)
        of_instances = "class-attribute" not in made.labels
        of_class = annotation is None or is_class_variable(annotation)  # else it is a field, whatever its value
        if value is not None and not of_instances and of_class:
            special = self._special(made, value, in_class=True)
            if special is not None:
                return special  # type: ignore[return-value]
        text = None if value is None else self._source.text(value)
        return Field(made.name, annotation, text, of_instances, self._doc(made), made.lineno, made.runtime)

    def _value(self, made: griffe.Attribute) -> Member:
        annotation, value = self._assigned(made)
        text = None if value is None else self._source.text(value)
        if annotation in _ALIAS_ANNOTATIONS:
            return TypeName(made.name, text, self._doc(made), made.lineno, made.runtime)
        constant = Constant(made.name, annotation, text, self._doc(made), made.lineno, made.runtime)
        special = None if value is None else self._special(made, value, in_class=False)
        if isinstance(special, Alias) and annotation is not None:
            return replace(special, declared=constant)
        return constant if special is None else special  # type: ignore[return-value]

    def _assigned(self, made: griffe.Attribute) -> tuple[str | None, ast.expr | None]:
        """The annotation, and what is assigned; of a tuple that is unpacked, nothing."""
        node = self._nodes.get(id(made))
        annotation = self._source.text(node.annotation) if isinstance(node, ast.AnnAssign) else None
        if isinstance(node, ast.Assign):
            whole = any(isinstance(one, (ast.Name, ast.Attribute)) for one in node.targets)
            return annotation, node.value if whole else None
        return annotation, node.value if isinstance(node, ast.AnnAssign) else None

    def _special(self, made: griffe.Attribute, value: ast.expr, *, in_class: bool) -> Member | ClassMember | None:
        """A function or a property that is made by an assignment, or another name for something."""
        if isinstance(value, ast.Lambda):
            return Function(
                made.name,
                tuple(self._source.parameters(value.args)),
                kind=FunctionKind.METHOD if in_class else FunctionKind.FUNCTION,
                doc=self._doc(made),
                line=made.lineno,
                runtime=made.runtime,
            )
        if in_class and isinstance(value, ast.Call) and dotted(value.func) == "property":
            return Property(
                made.name,
                writable=len(value.args) > 1 or any(one.arg == "fset" for one in value.keywords),
                deletable=len(value.args) > 2 or any(one.arg == "fdel" for one in value.keywords),
                doc=self._doc(made),
                line=made.lineno,
                runtime=made.runtime,
            )
        if (replaced := self._replaced(made)) is not None:
            return replaced
        if in_class and isinstance(value, ast.Call) and dotted(value.func) in _BINDERS and len(value.args) == 1:
            value = value.args[0]
        target = self._target(made, value)
        return None if target is None else Alias(made.name, target, line=made.lineno, runtime=made.runtime)

    def _replaced(self, made: griffe.Attribute) -> Function | Class | None:
        """`_PyTask = Task`, where `Task` is another one by the end of the module: the one that it was."""
        captured = self._reader.captured.get(id(made))
        if captured is None or made.parent is None or made.parent.members.get(captured.name) is captured:
            return None
        if isinstance(captured, griffe.Class):
            return replace(self._class(captured), name=made.name)
        return replace(self._function(captured, in_class=made.parent.is_class), name=made.name)

    @staticmethod
    def _target(made: griffe.Attribute, value: ast.expr) -> str | None:
        """The dotted path of another name that is assigned; None when it is none that the module has."""
        name = dotted(value)
        if name is None:
            return None
        first = name.partition(".")[0]
        scope = made.parent
        while scope is not None:
            if first in scope.members and (scope is not made.parent or first != made.name):
                return f"{scope.path}.{name}"
            scope = scope.parent
        return f"builtins.{name}" if hasattr(builtins, first) and not name.startswith("__") else None

    def _doc(self, made: griffe.Object) -> Doc | None:
        docstring = made.docstring
        return None if docstring is None or not docstring.value else read_docstring(docstring.value)


def _as_text(exports: Exports) -> Iterator[str]:
    """Names as they are, others' exports as `module.*`."""
    for one in exports:
        yield f"{one.module}.*" if isinstance(one, ExportsOf) else one


def _only_overloaded(made: griffe.Module | griffe.Class) -> Iterator[tuple[str, griffe.Function]]:
    """Functions of which a stub has nothing but overloads."""
    for name, overloads in made.overloads.items():
        if overloads and name not in made.members:
            last: griffe.Function = overloads[-1]
            last.overloads = list(overloads)
            yield name, last


def _constructor(members: list[ClassMember]) -> tuple[Parameter, ...] | None:
    """The parameters of a class that says itself how its objects are made."""
    for name in ("__new__", "__init__"):
        for one in members:
            if one.name == name and isinstance(one, Function):
                return without_first(one.parameters)
    return None
