"""From the trees of all files to a schema: every definition gets its wire names, and what its types mean.

What a type means is told in `meanings`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from math import isfinite
from typing import Final

from bascule.bridge.contracts import syntax
from bascule.bridge.contracts.meanings import STREAM, Meanings, Mode, Scope, hint
from bascule.bridge.contracts.names import NameRules
from bascule.bridge.contracts.schema import (
    Builtin,
    Case,
    Default,
    Definition,
    Enum,
    Field,
    Foreign,
    Function,
    Member,
    MemberDefault,
    Module,
    Record,
    Ref,
    Schema,
    Sum,
    Type,
)
from bascule.bridge.contracts.sources import Diagnostic, errors_in

_new: Final = tuple.__new__  # a named tuple's own constructor takes twice as long


def resolve(
    files: Iterable[syntax.File], rules: NameRules | None = None, mode: Mode | None = None
) -> tuple[Schema | None, list[Diagnostic]]:
    """The schema of some files, and what is wrong with them. With an error there is no schema."""
    resolver = _Resolver({file.name: file for file in files}, rules or NameRules(), mode or Mode())
    schema = resolver.run()
    return (None if errors_in(resolver.problems) else schema), resolver.problems


class _Resolver(Meanings):
    def __init__(self, files: dict[str, syntax.File], rules: NameRules, mode: Mode) -> None:
        super().__init__(files, mode)
        self._rules = rules

    def run(self) -> Schema:
        for scope in self._scopes.values():
            for each in scope.file.declarations:
                if not isinstance(each, syntax.Function):
                    scope.local.setdefault(each.name, each)  # of two, Gugugu knows the first
        for scope in self._scopes.values():
            self._import(scope)
        bodies = {name: self._module(scope) for name, scope in self._scopes.items()}
        more = self._instantiate()
        modules = {}
        for name, (scope, definitions, functions) in bodies.items():
            modules[name] = Module(
                name,
                (self._rules.module_value(name),),
                tuple(definitions + more.get(name, [])),
                tuple(functions),
                scope.file.extended,
                scope.file.doc,
                scope.file.source,
            )
            self._unused_imports(scope)
        return Schema(modules)

    # ---- Imports

    def _import(self, scope: Scope) -> None:
        self._scope = scope
        for each in scope.file.imports:
            target = self._scopes.get(each.module)
            if target is None:
                meant = hint(each.module, self._scopes)
                self._error(each.offset, f"cannot resolve module: {each.module}{meant}", len("import"))
            elif each.qualifier is not None:
                scope.qualified[each.qualifier] = each.module
            else:
                scope.imported.update((name, Ref(each.module, name)) for name in target.local)

    def _unused_imports(self, scope: Scope) -> None:
        self._scope = scope
        seen = set()
        for each in scope.file.imports:
            if each.module not in self._scopes:
                continue
            source = scope.file.source
            if (each.module, each.qualifier) in seen:
                self.problems.append(source.warning(each.offset, f"{each.module} is imported twice", 6))
            elif each.module == scope.file.name:
                self.problems.append(source.warning(each.offset, "a module need not import itself", 6))
            elif each.module not in scope.used and self._mode.functions:
                self.problems.append(source.warning(each.offset, f"nothing of {each.module} is used", 6))
            seen.add((each.module, each.qualifier))

    # ---- Definitions

    def _module(self, scope: Scope) -> tuple[Scope, list[Definition], list[Function]]:
        self._scope = scope
        definitions: list[Definition] = []
        functions: list[Function] = []
        for each in scope.file.declarations:
            if isinstance(each, syntax.Data):
                if not each.parameters:
                    definitions.append(self._data(each, Ref(scope.file.name, each.name)))
            elif isinstance(each, syntax.Alias):
                if not each.parameters:
                    self._type(syntax.Type(each.name, (), each.offset))
            else:
                found = self._function(each)
                if found is not None:
                    functions.append(found)
        return scope, definitions, functions

    def _data(self, data: syntax.Data, ref: Ref) -> Definition:
        constructors = data.constructors
        if not constructors:
            targets = {pragma.language: pragma.target for pragma in data.pragmas}  # the last one wins
            return Foreign(ref, targets, data.offset, data.doc)
        first = constructors[0]
        if len(constructors) == 1 and first.fields is not None:
            if first.name != data.name:
                message = f"unmatched type name and data constructor name: {data.name} and {first.name}"
                self._error(first.offset, message, len(first.name))
            return Record(ref, self._fields(first.fields), data.offset, data.doc)
        if all(each.fields is None for each in constructors):
            value = self._rules.enum_value
            members = tuple(Member(each.name, value(each.name), each.offset, each.doc) for each in constructors)
            return Enum(ref, members, data.offset, data.doc)
        cases = tuple(
            Case(
                each.name,
                self._rules.enum_value(each.name),
                self._fields(each.fields or ()),
                each.offset,
                each.doc,
            )
            for each in constructors
        )
        return Sum(ref, cases, data.offset, data.doc)

    def _fields(self, fields: Iterable[syntax.Field]) -> tuple[Field, ...]:
        value = self._rules.field_value
        found = []
        for each in fields:
            name, written, offset, default, doc = each
            kind = self._type(written)
            if kind is not None:
                given = self._default(each, kind) if default is not None else None
                found.append(_new(Field, (name, value(name), kind, offset, given, doc)))
        return tuple(found)

    def _default(self, each: syntax.Field, kind: Type) -> Default | None:
        assert each.default is not None
        value, offset = each.default.value, each.default.offset
        target = kind.target
        inner = kind.arguments[0].target if target is Builtin.MAYBE and value is not None else target
        fits = False
        if isinstance(value, syntax.Member):
            found = self._scopes[inner.module].local.get(inner.name) if isinstance(inner, Ref) else None
            fits = isinstance(found, syntax.Data) and any(
                member.name == value.name and member.fields is None for member in found.constructors
            )
            value = MemberDefault(value.name)
        elif value is None:
            fits = target in (Builtin.MAYBE, Builtin.WRAPPED)
        elif isinstance(value, bool):
            fits = inner is Builtin.BOOL
        elif isinstance(value, int):
            fits = inner in (Builtin.INT32, Builtin.INT64, Builtin.INTEGER, Builtin.DOUBLE)
            bits = {Builtin.INT32: 31, Builtin.INT64: 63}.get(inner) if isinstance(inner, Builtin) else None
            fits = fits and (bits is None or -(1 << bits) <= value < 1 << bits)
            fits = fits and (inner is not Builtin.DOUBLE or abs(value) <= sys.float_info.max)
            if fits and inner is Builtin.DOUBLE:
                value = float(value)
        elif isinstance(value, float):
            fits = inner is Builtin.DOUBLE and isfinite(value)
        elif isinstance(value, str):
            fits = inner is Builtin.STRING
        if not fits:
            self._error(offset, f"this default is no {kind}")
            return None
        return Default(value)

    # ---- Functions

    def _function(self, each: syntax.Function) -> Function | None:
        codomain = each.codomain
        gives_io = codomain.name == "IO" and len(codomain.arguments) == 1
        if not gives_io:
            message = "Function codomain must be a type like IO a: IO with one type"
            self._error(codomain.offset, message, len(codomain.name))
        if not self._mode.functions:
            return None
        argument = self._type(each.argument)
        if not gives_io:
            return None
        inner = codomain.arguments[0]
        stream = self._scope.file.extended and inner.name == STREAM and len(inner.arguments) == 1
        result = self._type(inner.arguments[0] if stream else inner)
        raises = []
        for raised in each.raises:
            kind = self._type(raised)
            if kind is not None and isinstance(kind.target, Ref) and self._is_record(kind.target):
                raises.append(kind.target)
            elif kind is not None:
                self._error(raised.offset, f"a function raises records, and {kind} is none")
        if argument is None or result is None:
            return None
        wire = self._rules.func_value(each.name)
        return Function(each.name, wire, argument, result, stream, tuple(raises), each.offset, each.doc)

    def _instantiate(self) -> dict[str, list[Definition]]:
        """The records that parametric types became, by the module of their definition."""
        made: dict[str, list[Definition]] = {}
        while self._waiting:
            instance, ref, arguments = self._waiting.pop()
            self._scope = self._scopes[ref.module]
            data = self._scope.local[ref.name]
            assert isinstance(data, syntax.Data)
            self._bindings = dict(zip(data.parameters, arguments, strict=True))
            made.setdefault(ref.module, []).append(self._data(data, instance))
            self._bindings = {}
        return {module: sorted(each, key=lambda found: found.ref.name) for module, each in made.items()}
