"""What the types that are written in some files mean: each name is looked up in its file, and applied to its types.

A name is looked for among the file's own types, then those of the modules that it imports (the last import that has it
wins), then among the builtin ones: the first two may hide the last. Imports are not transitive. Parametric types and
aliases, which only extended files have, are gone afterwards: an alias is what it stands for, and each use of
`data Page a` with other types is a record of its own, `PageOfBook`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final

from bascule.bridge.contracts import syntax
from bascule.bridge.contracts.schema import ARITY, PLAIN, Builtin, Ref, Type
from bascule.bridge.contracts.sources import Diagnostic

_PLAIN: Final = {each.value: each for each in PLAIN}
_EXTENDED: Final = {each.value: each for each in Builtin if each is not Builtin.WRAPPED}
STREAM: Final = "Stream"
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
class Scope:
    """What a file's names mean."""

    file: syntax.File
    local: dict[str, syntax.Data | syntax.Alias] = field(default_factory=dict)
    imported: dict[str, Ref] = field(default_factory=dict)
    qualified: dict[str, str] = field(default_factory=dict)  # qualifier -> module
    used: set[str] = field(default_factory=set)  # modules that a name came from
    simple: dict[str, Type] = field(default_factory=dict)  # what bare names mean
    heads: dict[str, Builtin] = field(default_factory=dict)  # what takes one type, whichever it is


class Meanings:
    """The types of some files, as far as they were looked at.

    Args:
        files: By the names of their modules.
        mode: How strictly they are read.
    """

    def __init__(self, files: dict[str, syntax.File], mode: Mode) -> None:
        self.problems: list[Diagnostic] = []
        self._mode = mode
        self._scopes = {name: Scope(file) for name, file in sorted(files.items())}
        self._scope: Scope  # of the file at hand
        self._bindings: dict[str, Type] = {}  # of the parametric type at hand
        self._instances: dict[Ref, tuple[str, tuple[Type, ...]]] = {}  # of parametric types: where and of what
        self._waiting: list[tuple[Ref, Ref, tuple[Type, ...]]] = []
        self._aliases: list[Ref] = []  # that are being looked through

    # ---- Problems

    def _error(self, offset: int, message: str, length: int = 1) -> None:
        self.problems.append(self._scope.file.source.error(offset, message, length))

    def _fault(self, offset: int, message: str, length: int = 1) -> None:
        """What Gugugu itself would not see."""
        source = self._scope.file.source
        make = source.warning if self._mode.lenient else source.error
        self.problems.append(make(offset, message, length))

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
        if name == STREAM:
            return " (a Stream can only be a function's result, in an extended file: IO (Stream a))"
        if name in _EXTENDED:
            return "; it needs the pragma {-# EXTENDED #-} before 'module'"
        if len(self.problems) >= _MOST_HINTS:
            return ""  # to look for what is meant takes long
        elsewhere = next((module for module, scope in self._scopes.items() if name in scope.local), None)
        if elsewhere is not None:
            return f"; it is defined in {elsewhere}, which is not imported"
        scope = self._scope
        return hint(name, [*scope.local, *scope.imported, *_PLAIN])

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

    def _is_record(self, ref: Ref) -> bool:
        name = self._instances[ref][0] if ref in self._instances else ref.name
        declaration = self._scopes[ref.module].local.get(name)
        constructors = declaration.constructors if isinstance(declaration, syntax.Data) else ()
        return len(constructors) == 1 and constructors[0].fields is not None

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


_KEYS: Final = (Builtin.STRING, Builtin.INT32, Builtin.INT64, Builtin.INTEGER, Builtin.UUID)


def _joined(kind: Type) -> str:
    """A type as part of a name: `Maybe Int32` -> `MaybeOfInt32`."""
    name = kind.target.name if isinstance(kind.target, Ref) else kind.target.value.partition(" ")[0]
    return name + ("Of" + "And".join(map(_joined, kind.arguments)) if kind.arguments else "")


def hint(name: str, candidates: Iterable[str]) -> str:
    """What may have been meant, as the end of a message."""
    # Names of another length are not meant, and of very many nobody waits for the closest.
    near = [each for each in candidates if abs(len(each) - len(name)) <= 3][:_MOST_COMPARED]
    close = get_close_matches(name, near, 1)
    return f"; did you mean {close[0]}?" if close else ""
