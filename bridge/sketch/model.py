"""What a module offers, as values: the one form in which everybody who needs to know gets to know it.

A `Module` has members: functions, classes, constants, type aliases, and names that stand for something defined
elsewhere (`Alias`). All are frozen and hold nothing but text, numbers and one another, so that a sketch can be
compared, kept and sent. Defaults, annotations and values are text *as the source has it*: nothing was evaluated. Where
the source was not seen (`Origin.LIVE`) they are what `bascule.workers.signatures` made of the objects.

`parameters` is None where nobody can know them, which is not the same as there being none. Names that a class or a
module does not want to be used are members all the same; `bascule.bridge.sketch.choosing` tells which are public.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias


class Origin(enum.Enum):
    """Where a sketch comes from."""

    SOURCE = "source"
    STUB = "stub"
    """A .pyi file beside a compiled module."""
    LIVE = "live"
    """The imported module, looked at in a worker."""
    BOTH = "both"
    """The source, completed by the imported module."""


class ParameterKind(enum.Enum):
    """As inspect has them; the values are those of `bascule.workers.signatures.KINDS`."""

    POSITIONAL_ONLY = "positional_only"
    POSITIONAL_OR_KEYWORD = "positional_or_keyword"
    VAR_POSITIONAL = "var_positional"
    KEYWORD_ONLY = "keyword_only"
    VAR_KEYWORD = "var_keyword"


class FunctionKind(enum.Enum):
    """How a function is bound."""

    FUNCTION = "function"
    METHOD = "method"
    STATIC_METHOD = "static_method"
    CLASS_METHOD = "class_method"


@dataclass(frozen=True, slots=True)
class Documented:
    """What a docstring says of a parameter, an attribute or an exception."""

    name: str
    text: str
    type: str | None = None


@dataclass(frozen=True, slots=True)
class Doc:
    """A docstring, without the indentation of its source, and its parts where it is written in a known style."""

    text: str
    summary: str
    parameters: tuple[Documented, ...] = ()
    returns: str | None = None
    raises: tuple[Documented, ...] = ()


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a function."""

    name: str
    kind: ParameterKind = ParameterKind.POSITIONAL_OR_KEYWORD
    default: str | None = None
    annotation: str | None = None

    @property
    def required(self) -> bool:
        """Whether a call without it is an error."""
        return self.default is None and self.kind not in (ParameterKind.VAR_POSITIONAL, ParameterKind.VAR_KEYWORD)


@dataclass(frozen=True, slots=True)
class Overload:
    """One of several signatures that a function has for a type checker."""

    parameters: tuple[Parameter, ...]
    returns: str | None = None


@dataclass(frozen=True, slots=True)
class Function:
    """A function or a method; a method's parameters begin with the object or the class that it is called on."""

    name: str
    parameters: tuple[Parameter, ...] | None
    returns: str | None = None
    kind: FunctionKind = FunctionKind.FUNCTION
    coroutine: bool = False
    generator: bool = False
    decorators: tuple[str, ...] = ()
    overloads: tuple[Overload, ...] = ()
    doc: Doc | None = None
    line: int | None = None
    runtime: bool = True
    """False under `if TYPE_CHECKING:`."""

    @property
    def called_with(self) -> tuple[Parameter, ...] | None:
        """The parameters that a caller gives: without `self` or `cls`."""
        return without_first(self.parameters, bound=self.kind in (FunctionKind.METHOD, FunctionKind.CLASS_METHOD))


@dataclass(frozen=True, slots=True)
class Property:
    """A property of a class."""

    name: str
    type: str | None = None
    writable: bool = False
    deletable: bool = False
    cached: bool = False
    decorators: tuple[str, ...] = ()
    doc: Doc | None = None
    line: int | None = None
    runtime: bool = True


@dataclass(frozen=True, slots=True)
class Field:
    """An attribute of a class, or of its instances when only `__init__` sets it."""

    name: str
    annotation: str | None = None
    value: str | None = None
    of_instances: bool = False
    doc: Doc | None = None
    line: int | None = None
    runtime: bool = True


@dataclass(frozen=True, slots=True)
class Constant:
    """A name in a module that stands for a value."""

    name: str
    annotation: str | None = None
    value: str | None = None
    doc: Doc | None = None
    line: int | None = None
    runtime: bool = True


@dataclass(frozen=True, slots=True)
class TypeName:
    """A name for a type: `type X = ...` or `X: TypeAlias = ...`."""

    name: str
    value: str | None
    doc: Doc | None = None
    line: int | None = None
    runtime: bool = True


@dataclass(frozen=True, slots=True)
class Alias:
    """A name that stands for something defined elsewhere: imported, or assigned from another name.

    `meant` is what it stands for, once a `Library` has looked: with the name and the line that it has there. None: not
    looked, or not found.
    """

    name: str
    target: str
    """The dotted path of what it stands for: `requests.api.get`."""
    meant: Function | Class | Constant | TypeName | Property | Field | None = None
    explicit: bool = False
    """Written so that it is meant for others: `from x import y as y`."""
    of_module: bool = False
    """It stands for a module."""
    declared: Constant | None = None
    """What it is where it was given a type of its own, `D: str = C`, and stands for no function, class or module."""
    line: int | None = None
    runtime: bool = True


@dataclass(frozen=True, slots=True)
class Class:
    """A class; `parameters` are its constructor's, without `self`."""

    name: str
    bases: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] | None = None
    members: tuple[ClassMember, ...] = ()
    decorators: tuple[str, ...] = ()
    keywords: tuple[tuple[str, str], ...] = ()
    """What stands beside the bases: `metaclass=ABCMeta`."""
    doc: Doc | None = None
    line: int | None = None
    runtime: bool = True

    def member(self, name: str) -> ClassMember | None:
        """What the class itself has under this name."""
        return next((one for one in self.members if one.name == name), None)

    @property
    def methods(self) -> tuple[Function, ...]:
        """Its functions, static and class methods among them."""
        return tuple(one for one in self.members if isinstance(one, Function))

    @property
    def properties(self) -> tuple[Property, ...]:
        """Its properties."""
        return tuple(one for one in self.members if isinstance(one, Property))

    @property
    def fields(self) -> tuple[Field, ...]:
        """Its attributes."""
        return tuple(one for one in self.members if isinstance(one, Field))


ClassMember: TypeAlias = Function | Property | Field | Class | TypeName | Alias
Member: TypeAlias = Function | Class | Constant | TypeName | Alias


@dataclass(frozen=True, slots=True)
class Module:
    """A module: everything that stands in it, public or not, in the order of its source."""

    name: str
    file: str | None = None
    origin: Origin = Origin.SOURCE
    package: bool = False
    doc: Doc | None = None
    members: tuple[Member, ...] = ()
    exports: tuple[str, ...] | None = None
    """What `__all__` names; None where there is none, or none that can be read without running it.

    `other.*` stands for what another module exports, until a `Library` has resolved it.
    """
    wildcards: tuple[str, ...] = ()
    """The modules that it imports everything from."""
    submodules: tuple[str, ...] = ()
    lazy: bool = False
    """Has a `__getattr__`: there may be names that only a running module knows."""
    error: str | None = None
    """Why it could not be read; what could be is there all the same."""
    _by_name: dict[str, Member] = field(default_factory=dict, init=False, repr=False, compare=False, hash=False)

    def member(self, name: str) -> Member | None:
        """What stands under this name."""
        if not self._by_name:
            self._by_name.update((one.name, one) for one in self.members)
        return self._by_name.get(name)

    def walk(self) -> Iterator[tuple[str, Member | ClassMember]]:
        """Every member and what is in its classes, with its dotted name below the module."""
        for one in self.members:
            yield from _walk(one.name, one)


def _walk(path: str, member: Member | ClassMember) -> Iterator[tuple[str, Member | ClassMember]]:
    yield path, member
    if isinstance(member, Class):
        for one in member.members:
            yield from _walk(f"{path}.{one.name}", one)


def without_first(parameters: tuple[Parameter, ...] | None, *, bound: bool = True) -> tuple[Parameter, ...] | None:
    """Without `self` or `cls`; a function that takes them by `*args` has nothing to leave out."""
    if not parameters or not bound:
        return parameters
    first = parameters[0].kind in (ParameterKind.POSITIONAL_ONLY, ParameterKind.POSITIONAL_OR_KEYWORD)
    return parameters[1:] if first else parameters
