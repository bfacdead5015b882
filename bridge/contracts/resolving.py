"""From the trees of all files to a schema: every name is looked up, every definition gets its wire names.

A name is looked for among the file's own types, then those of the modules that it imports (the last import that has it
wins), then among the builtin ones: the first two may hide the last. Imports are not transitive. Parametric types and
aliases, which only extended files have, are gone afterwards: an alias is what it stands for, and each use of
`data Page a` with other types is a record of its own, `PageOfBook`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from math import isfinite
from typing import Final

from bascule.bridge.contracts import syntax
from bascule.bridge.contracts.names import NameRules
from bascule.bridge.contracts.schema import (
    ARITY,
    PLAIN,
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

_PLAIN: Final = {each.value: each for each in PLAIN}
_EXTENDED: Final = {each.value: each for each in Builtin if each is not Builtin.WRAPPED}
_STREAM: Final = "Stream"
_new: Final = tuple.__new__  # a named tuple's own constructor takes twice as long
_MOST_INSTANCES: Final = 10_000
_MOST_ALIASES: Final = 100  # that stand for one another
_MOST_HINTS: Final = 50
_MOST_COMPARED: Final = 1_000


@dataclass(frozen=True)
class Mode:
    """How strictly definitions are read.

    Attributes:
        lenient: What only we find fault with is a warning: Gugugu's own command must not refuse what it took before.
        functions: Whether the names in functions' types are looked up; Gugugu does so only where it writes a server or
            client. That the result is an IO is always looked at.
    """

    lenient: bool = False
    functions: bool = True


@dataclass
class _Scope:
    """What a file's names mean."""

    file: syntax.File
    local: dict[str, syntax.Data | syntax.Alias] = field(default_factory=dict)
    imported: dict[str, Ref] = field(default_factory=dict)
    qualified: dict[str, str] = field(default_factory=dict)  # qualifier -> module
    used: set[str] = field(default_factory=set)  # modules that a name came from
    simple: dict[str, Type] = field(default_factory=dict)  # what bare names mean
    heads: dict[str, Builtin] = field(default_factory=dict)  # what takes one type, whichever it is


def resolve(
    files: Iterable[syntax.File], rules: NameRules | None = None, mode: Mode | None = None
) -> tuple[Schema | None, list[Diagnostic]]:
    """The schema of some files, and what is wrong with them. With an error there is no schema."""
    resolver = _Resolver({file.name: file for file in files}, rules or NameRules(), mode or Mode())
    schema = resolver.run()
    return (None if errors_in(resolver.problems) else schema), resolver.problems


class _Resolver:
    def __init__(self, files: dict[str, syntax.File], rules: NameRules, mode: Mode) -> None:
        self.problems: list[Diagnostic] = []
        self._rules = rules
        self._mode = mode
        self._scopes = {name: _Scope(file) for name, file in sorted(files.items())}
        self._scope: _Scope  # of the file at hand
        self._bindings: dict[str, Type] = {}  # of the parametric type at hand
        self._instances: dict[Ref, tuple[str, tuple[Type, ...]]] = {}  # of parametric types: where and of what
        self._waiting: list[tuple[Ref, Ref, tuple[Type, ...]]] = []
        self._aliases: list[Ref] = []  # that are being looked through

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

    # ---- Problems

    def _error(self, offset: int, message: str, length: int = 1) -> None:
        self.problems.append(self._scope.file.source.error(offset, message, length))

    def _fault(self, offset: int, message: str, length: int = 1) -> None:
        """What Gugugu itself would not see."""
        source = self._scope.file.source
        make = source.warning if self._mode.lenient else source.error
        self.problems.append(make(offset, message, length))

    # ---- Imports

    def _import(self, scope: _Scope) -> None:
        self._scope = scope
        for each in scope.file.imports:
            target = self._scopes.get(each.module)
            if target is None:
                hint = _hint(each.module, self._scopes)
                self._error(each.offset, f"cannot resolve module: {each.module}{hint}", len("import"))
            elif each.qualifier is not None:
                scope.qualified[each.qualifier] = each.module
            else:
                scope.imported.update((name, Ref(each.module, name)) for name in target.local)

    def _unused_imports(self, scope: _Scope) -> None:
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

    def _module(self, scope: _Scope) -> tuple[_Scope, list[Definition], list[Function]]:
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
        stream = self._scope.file.extended and inner.name == _STREAM and len(inner.arguments) == 1
        result = self._type(inner.arguments[0] if stream else inner)
        raises = []
        for raised in each.raises:
            kind = self._type(raised)
            if kind is not None and isinstance(kind.target, Ref):
                raises.append(kind.target)
            elif kind is not None:
                self._error(raised.offset, f"a function raises records, and {kind} is none")
        if argument is None or result is None:
            return None
        wire = self._rules.func_value(each.name)
        return Function(each.name, wire, argument, result, stream, tuple(raises), each.offset, each.doc)

    # ---- Types

    def _type(self, written: syntax.Type) -> Type | None:
        """What a type of the file at hand means; None when the problem with it is noted."""
        name, arguments, _ = written
        if arguments:
            head = self._scope.heads.get(name)
            if head is None or len(arguments) != 1:
                return self._look_through(written)
            argument = self._type(arguments[0])
            return _new(Type, (head, (argument,))) if argument is not None else None
        if self._bindings:
            return self._look_through(written)
        known = self._scope.simple.get(name)
        if known is None:
            known = self._look_through(written)
            if known is not None:
                self._scope.simple[name] = known
        return known

    def _look_through(self, written: syntax.Type) -> Type | None:
        name, parameters, _ = written
        arguments = []
        for each in parameters:
            argument = self._type(each)
            if argument is None:
                return None
            arguments.append(argument)
        found = self._look_up(written)
        if found is None:
            return None
        if isinstance(found, Type):
            if arguments:
                self._error(written.offset, f"{name} stands for a type and can't be applied to another", len(name))
                return None
            return found
        if isinstance(found, Builtin):
            return self._builtin(found, written, tuple(arguments))
        declaration = self._scopes[found.module].local[found.name]
        return self._defined(found, declaration, written, tuple(arguments))

    def _look_up(self, written: syntax.Type) -> Builtin | Ref | Type | None:
        name, scope = written.name, self._scope
        if name in self._bindings:
            return self._bindings[name]
        if name in scope.local:
            return Ref(scope.file.name, name)
        if name in scope.imported:
            ref = scope.imported[name]
            scope.used.add(ref.module)
            return ref
        qualifier, dot, last = name.rpartition(".")
        if dot:
            module = scope.qualified.get(qualifier)
            if module is not None and last in self._scopes[module].local:
                scope.used.add(module)
                return Ref(module, last)
        builtin = (_EXTENDED if scope.file.extended else _PLAIN).get(name)
        if builtin is not None:
            return builtin
        self._error(written.offset, f"cannot resolve type: {name}{self._where_it_is(name)}", len(name))
        return None

    def _where_it_is(self, name: str) -> str:
        if name[:1].islower():
            return " (a type variable must be a parameter of the definition)"
        if name == _STREAM:
            return " (a Stream can only be a function's result, in an extended file: IO (Stream a))"
        if name in _EXTENDED:
            return "; it needs the pragma {-# EXTENDED #-} before 'module'"
        if len(self.problems) >= _MOST_HINTS:
            return ""  # to look for what is meant takes long
        elsewhere = next((module for module, scope in self._scopes.items() if name in scope.local), None)
        if elsewhere is not None:
            return f"; it is defined in {elsewhere}, which is not imported"
        scope = self._scope
        return _hint(name, [*scope.local, *scope.imported, *_PLAIN])

    def _builtin(self, builtin: Builtin, written: syntax.Type, arguments: tuple[Type, ...]) -> Type | None:
        if len(arguments) != ARITY[builtin]:
            self._arity(written, ARITY[builtin], len(arguments))
            return Type(builtin, arguments) if self._mode.lenient else None
        if builtin is Builtin.MAYBE and self._scope.file.extended:
            wrapped = arguments[0].target in (Builtin.MAYBE, Builtin.WRAPPED)
            return Type(Builtin.WRAPPED if wrapped else Builtin.MAYBE, arguments)
        if builtin is Builtin.MAP or builtin is Builtin.SET:
            key = arguments[0].target
            enum_key = isinstance(key, Ref) and self._is_enum(key)
            if key not in _KEYS and not enum_key:
                what = "a Map's key" if builtin is Builtin.MAP else "a Set's element"
                self._error(written.offset, f"{what} is a String, a number of the Int kinds, a Uuid, or an enum")
                return None
        elif arguments:
            self._scope.heads[written.name] = builtin
        return Type(builtin, arguments)

    def _is_enum(self, ref: Ref) -> bool:
        declaration = self._scopes[ref.module].local.get(ref.name)
        return (
            isinstance(declaration, syntax.Data)
            and bool(declaration.constructors)
            and all(each.fields is None for each in declaration.constructors)
        )

    def _defined(
        self, ref: Ref, declaration: syntax.Data | syntax.Alias, written: syntax.Type, arguments: tuple[Type, ...]
    ) -> Type | None:
        if len(arguments) != len(declaration.parameters):
            self._arity(written, len(declaration.parameters), len(arguments))
            return Type(ref, arguments) if self._mode.lenient and not declaration.parameters else None
        if isinstance(declaration, syntax.Alias):
            return self._alias(ref, declaration, written, arguments)
        if not arguments:
            return Type(ref)
        instance = Ref(ref.module, ref.name + "Of" + "And".join(map(_joined, arguments)))
        known = self._instances.get(instance)
        if known is None:
            if len(self._instances) >= _MOST_INSTANCES or len(instance.name) > 500:
                self._error(written.offset, f"{ref.name} grows without end: it is applied to itself ever anew")
                return None
            if instance.name in self._scopes[ref.module].local:
                self._error(
                    written.offset, f"{written.name} of these types is to be called {instance.name}, which is taken"
                )
                return None
            self._instances[instance] = (ref.name, arguments)
            self._waiting.append((instance, ref, arguments))
        return Type(instance)

    def _alias(self, ref: Ref, alias: syntax.Alias, written: syntax.Type, arguments: tuple[Type, ...]) -> Type | None:
        if ref in self._aliases:
            self._error(written.offset, f"the alias {alias.name} stands for itself", len(alias.name))
            return None
        if len(self._aliases) >= _MOST_ALIASES:
            message = f"the alias {alias.name} is reached through more than {_MOST_ALIASES} others"
            self._error(written.offset, message, len(alias.name))
            return None
        scope, bindings = self._scope, self._bindings
        self._scope, self._bindings = self._scopes[ref.module], dict(zip(alias.parameters, arguments, strict=True))
        self._aliases.append(ref)
        try:
            return self._type(alias.type)
        finally:
            self._aliases.pop()
            self._scope, self._bindings = scope, bindings

    def _arity(self, written: syntax.Type, wanted: int, given: int) -> None:
        types = {0: "no type", 1: "one type"}.get(wanted, f"{wanted} types")
        self._fault(written.offset, f"{written.name} is applied to {types}, not to {given}", len(written.name))

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


_KEYS: Final = (Builtin.STRING, Builtin.INT32, Builtin.INT64, Builtin.INTEGER, Builtin.UUID)


def _joined(kind: Type) -> str:
    """A type as part of a name: `Maybe Int32` -> `MaybeOfInt32`."""
    name = kind.target.name if isinstance(kind.target, Ref) else kind.target.value.partition(" ")[0]
    return name + ("Of" + "And".join(map(_joined, kind.arguments)) if kind.arguments else "")


def _hint(name: str, candidates: Iterable[str]) -> str:
    # Names of another length are not meant, and of very many nobody waits for the closest.
    near = [each for each in candidates if abs(len(each) - len(name)) <= 3][:_MOST_COMPARED]
    close = get_close_matches(name, near, 1)
    return f"; did you mean {close[0]}?" if close else ""
