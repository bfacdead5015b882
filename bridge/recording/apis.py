"""The content of an api.json: modules with functions, classes and attributes, each with its counts.

What was seen in two roles keeps the one that says more: an attribute that is called as well is a function, a function
that is a class is its constructor, an attribute that is a module of its own is left to that.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bascule.bridge.recording.reading import InputError, read_api
from bascule.bridge.recording.reading_types import TypeFormatError, from_json
from bascule.bridge.recording.signatures import AddCounts, Signature, Usage, add_usage, usage_from_json
from bascule.bridge.recording.types import Type, join, to_json

MOST_OVERLOADS = 20
"""More different calls of one function than these are told together only."""


@dataclass(slots=True)
class Function:
    """All calls of a function joined, and, while they are few, each kind of call by itself."""

    whole: Signature
    overloads: dict[str, Signature] = field(default_factory=dict)

    @classmethod
    def of(cls, signature: Signature) -> Function:
        """A function with one kind of call."""
        return cls(signature.copy(), {signature.content(): signature})

    def join(self, other: Function, counts: AddCounts) -> None:
        """Take in the same function as seen elsewhere."""
        self.whole.join(other.whole, counts)
        if self.overloads and other.overloads:
            for content, theirs in other.overloads.items():
                mine = self.overloads.get(content)
                if mine is None:
                    self.overloads[content] = theirs.copy()
                else:
                    mine.join(theirs, counts)
            if len(self.overloads) <= MOST_OVERLOADS:
                return
        self.overloads.clear()

    def sorted_overloads(self) -> list[Signature]:
        """The kinds of calls in a stable order."""
        return [signature for _, signature in sorted(self.overloads.items())]


@dataclass(slots=True)
class Attribute:
    """An attribute that was read, set or deleted."""

    type: Type
    usage: Usage = field(default_factory=dict)

    def join(self, other: Attribute, counts: AddCounts) -> None:
        """Take in the same attribute as seen elsewhere."""
        self.type = join(self.type, other.type)
        add_usage(self.usage, other.usage, counts)


Functions = dict[str, Function]
Attributes = dict[str, Attribute]


@dataclass(slots=True)
class Class:
    """A class."""

    constructor: Function | None = None
    methods: Functions = field(default_factory=dict)
    classmethods: Functions = field(default_factory=dict)
    properties: Attributes = field(default_factory=dict)
    classproperties: Attributes = field(default_factory=dict)

    def join(self, other: Class, counts: AddCounts) -> None:
        """Take in the same class as seen elsewhere."""
        if other.constructor is not None:
            self.construct(other.constructor, counts)
        _join_each(self.methods, other.methods, counts)
        _join_each(self.classmethods, other.classmethods, counts)
        _join_each(self.properties, other.properties, counts)
        _join_each(self.classproperties, other.classproperties, counts)

    def construct(self, constructor: Function, counts: AddCounts) -> None:
        """Take in calls of the constructor."""
        if self.constructor is None:
            self.constructor = Function(
                constructor.whole.copy(), {k: v.copy() for k, v in constructor.overloads.items()}
            )
        else:
            self.constructor.join(constructor, counts)

    def settle(self, counts: AddCounts) -> None:
        """Leave each name one role."""
        _move(self.methods, self.classmethods, counts)
        _move(self.properties, self.classproperties, counts)
        for functions in (self.methods, self.classmethods):
            for attributes in (self.properties, self.classproperties):
                for name in functions.keys() & attributes.keys():
                    del attributes[name]


@dataclass(slots=True)
class Module:
    """A module."""

    functions: Functions = field(default_factory=dict)
    classes: dict[str, Class] = field(default_factory=dict)
    properties: Attributes = field(default_factory=dict)

    def join(self, other: Module, counts: AddCounts) -> None:
        """Take in the same module as seen elsewhere."""
        _join_each(self.functions, other.functions, counts)
        _join_each(self.classes, other.classes, counts)
        _join_each(self.properties, other.properties, counts)

    def settle(self, counts: AddCounts) -> None:
        """Leave each name one role."""
        for name in self.functions.keys() & self.classes.keys():
            self.classes[name].construct(self.functions.pop(name), counts)
        for name in self.properties.keys() & (self.functions.keys() | self.classes.keys()):
            del self.properties[name]
        for each in self.classes.values():
            each.settle(counts)


@dataclass(slots=True)
class API:
    """All modules by their names."""

    modules: dict[str, Module] = field(default_factory=dict)

    def module(self, name: str) -> Module:
        """A module, made when it is new."""
        found = self.modules.get(name)
        if found is None:
            found = self.modules[name] = Module()
        return found

    def join(self, other: API) -> None:
        """Take in another API. Joining one with itself changes nothing."""
        _join_each(self.modules, other.modules, max)
        self.settle(max)

    def settle(self, counts: AddCounts) -> None:
        """Leave each name one role."""
        for name, module in self.modules.items():
            module.settle(counts)
            for attribute in [each for each in module.properties if f"{name}.{each}" in self.modules]:
                del module.properties[attribute]

    def to_json(self) -> dict[str, Any]:
        """As api.json has it."""
        modules = {name: _module_json(module) for name, module in sorted(self.modules.items())}
        return {"modules": modules} if modules else {}

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> API:
        """What `to_json` or the old tool gave.

        Raises:
            TypeFormatError: Something in it is not understood.
        """
        made = cls({str(name): _module_from_json(name, module) for name, module in told.get("modules", {}).items()})
        made.settle(max)
        return made

    @classmethod
    def read(cls, path: Path) -> API:
        """Read an api.json.

        Raises:
            InputError: It can't be read or is none.
        """
        try:
            return cls.from_json(read_api(path))
        except (TypeFormatError, AttributeError, TypeError, KeyError, ValueError) as error:
            raise InputError(f"{path}: {error}") from None


def combine(apis: Iterable[API]) -> API:
    """One API of several."""
    whole = API()
    for each in apis:
        whole.join(each)
    return whole


def _join_each(into: dict[str, Any], more: dict[str, Any], counts: AddCounts) -> None:
    for name, theirs in more.items():
        mine = into.get(name)
        if mine is None:
            mine = into[name] = _empty_like(theirs)
            if mine is None:
                into[name] = _copied(theirs)
                continue
        mine.join(theirs, counts)


def _empty_like(of: object) -> Any:
    return type(of)() if isinstance(of, Module | Class) else None


def _copied(of: Any) -> Any:
    if isinstance(of, Attribute):
        return Attribute(of.type, dict(of.usage))
    return Function(of.whole.copy(), {content: each.copy() for content, each in of.overloads.items()})


def _move(source: Functions | Attributes, target: Any, counts: AddCounts) -> None:
    """What is in both is moved into the second."""
    for name in source.keys() & target.keys():
        target[name].join(source.pop(name), counts)


# ---- api.json ------------------------------------------------------------------------------------------------------


def _functions_json(told: dict[str, Any], name: str, functions: Functions) -> None:
    if functions:
        ordered = sorted(functions.items())
        told[f"{name}_overloads"] = {each: [one.to_json() for one in of.sorted_overloads()] for each, of in ordered}
        plural = {"function": "functions", "method": "methods", "classmethod": "classmethods"}[name]
        told[plural] = {each: of.whole.to_json() for each, of in ordered}


def _attributes_json(told: dict[str, Any], name: str, attributes: Attributes) -> None:
    if attributes:
        told[name] = {
            each: [dict(sorted(of.usage.items())), to_json(of.type)] for each, of in sorted(attributes.items())
        }


def _module_json(module: Module) -> dict[str, Any]:
    told: dict[str, Any] = {}
    _functions_json(told, "function", module.functions)
    if module.classes:
        told["classes"] = {name: _class_json(each) for name, each in sorted(module.classes.items())}
    _attributes_json(told, "properties", module.properties)
    return told


def _class_json(of: Class) -> dict[str, Any]:
    told: dict[str, Any] = {}
    if of.constructor is not None:
        told["constructor_overloads"] = [each.to_json() for each in of.constructor.sorted_overloads()]
        told["constructor"] = of.constructor.whole.to_json()
    _functions_json(told, "method", of.methods)
    _functions_json(told, "classmethod", of.classmethods)
    _attributes_json(told, "properties", of.properties)
    _attributes_json(told, "classproperties", of.classproperties)
    return told


def _functions_from_json(where: str, told: dict[str, Any], overloads: dict[str, Any]) -> Functions:
    made: Functions = {}
    for name, whole in told.items():
        try:
            kinds = [Signature.from_json(each) for each in overloads.get(name, [])]
            made[str(name)] = Function(Signature.from_json(whole), {each.content(): each for each in kinds})
        except (TypeFormatError, AttributeError, TypeError, KeyError, ValueError) as error:
            raise TypeFormatError(f"{where}.{name}: {error}") from None
    return made


def _attributes_from_json(where: str, told: dict[str, Any]) -> Attributes:
    made: Attributes = {}
    for name, pair in told.items():
        if not isinstance(pair, list) or len(pair) != 2:
            raise TypeFormatError(f"{where}.{name}: counts and a type are wanted")
        made[str(name)] = Attribute(from_json(pair[1]), usage_from_json(pair[0]))
    return made


def _module_from_json(name: str, told: dict[str, Any]) -> Module:
    unknown = told.keys() - {"function_overloads", "functions", "classes", "properties"}
    if unknown:
        raise TypeFormatError(f"module {name}: of a version not known here: it says {', '.join(sorted(unknown))}")
    return Module(
        _functions_from_json(name, told.get("functions", {}), told.get("function_overloads", {})),
        {str(each): _class_from_json(f"{name}.{each}", of) for each, of in told.get("classes", {}).items()},
        _attributes_from_json(name, told.get("properties", {})),
    )


def _class_from_json(where: str, told: dict[str, Any]) -> Class:
    constructor = None
    if "constructor" in told:
        made = _functions_from_json(
            where, {"__init__": told["constructor"]}, {"__init__": told.get("constructor_overloads", [])}
        )
        constructor = made["__init__"]
    return Class(
        constructor,
        _functions_from_json(where, told.get("methods", {}), told.get("method_overloads", {})),
        _functions_from_json(where, told.get("classmethods", {}), told.get("classmethod_overloads", {})),
        _attributes_from_json(where, told.get("properties", {})),
        _attributes_from_json(where, told.get("classproperties", {})),
    )
