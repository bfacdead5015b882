"""Types of a schema as pieces of modern Python: annotations, and the expressions that carry values in and out.

Two ways lead to the wire, and each has its own expressions. The codecs call an implementation's operations in turn
(`encode`, `decode`). The plain ones (`write`, `read`, `build`) are straight-line code for the plain form: they work on
local names only, so that one value is looked at several times without being fetched again.
"""

from __future__ import annotations

from bascule.bridge.contracts.generators.classic_module import foreign_target
from bascule.bridge.contracts.generators.python_names import PythonNames
from bascule.bridge.contracts.generators.python_options import PythonOptions
from bascule.bridge.contracts.schema import Builtin, Enum, Foreign, Module, Record, Ref, Schema, Sum, Type

_ANNOTATIONS = {
    Builtin.UNIT: "object",
    Builtin.BOOL: "bool",
    Builtin.INT32: "int",
    Builtin.INT64: "int",
    Builtin.INTEGER: "int",
    Builtin.DOUBLE: "float",
    Builtin.STRING: "str",
    Builtin.BYTES: "bytes",
}
_OF_LIBRARY = {
    Builtin.TIMESTAMP: ("datetime", "datetime"),
    Builtin.DURATION: ("datetime", "timedelta"),
    Builtin.UUID: ("uuid", "UUID"),
    Builtin.DECIMAL: ("decimal", "Decimal"),
}
_BITS = {Builtin.INT32: 31, Builtin.INT64: 63}
_FUNCTIONS = {
    Builtin.BYTES: "bytes",
    Builtin.TIMESTAMP: "timestamp",
    Builtin.DURATION: "duration",
    Builtin.UUID: "uuid",
    Builtin.DECIMAL: "decimal",
}
_CHECKED = {Builtin.BOOL: "bool", Builtin.STRING: "str", Builtin.INTEGER: "int"}
_BIGGEST = "1.7976931348623157e308"
NO = "_wire.mismatch()"


class Imports:
    """The modules that a file needs, and what it calls them: names that no definition can have."""

    def __init__(self) -> None:
        self._modules: dict[str, str] = {}

    def module(self, name: str, alias: str = "") -> str:
        """What a module is called in the text."""
        return self._modules.setdefault(name, alias or "_" + name.replace(".", "_"))

    def lines(self, own: set[str]) -> list[str]:
        """The import statements: the standard library's and others', then our own."""
        rows = [f"import {name} as {alias}" for name, alias in sorted(self._modules.items()) if name not in own]
        ours = [f"import {name} as {alias}" for name, alias in sorted(self._modules.items()) if name in own]
        return [*rows, *([""] if rows and ours else []), *ours]


class ModernTypes:
    """The expressions of one module.

    Args:
        shadowed: Builtin names that mean something else where annotations are about to stand.
    """

    def __init__(self, schema: Schema, module: Module, options: PythonOptions) -> None:
        self._schema = schema
        self._module = module
        self._options = options
        self.names = PythonNames(schema, options)
        self.imports = Imports()
        self.own_modules: set[str] = set()
        self.shadowed: frozenset[str] = frozenset()

    # ---- Names

    def class_of(self, ref: Ref) -> str:
        """The class with a definition's methods, seen from this module."""
        return self._prefix(ref) + self.names.codec_class(ref)

    def _prefix(self, ref: Ref) -> str:
        if ref.module == self._module.name:
            return ""
        module = self._options.module(ref.module)
        self.own_modules.add(module)
        return self.imports.module(module) + "."

    def builtin(self, name: str) -> str:
        """A builtin type, where a field or a method may have its name."""
        return f"{self.imports.module('builtins')}.{name}" if name in self.shadowed else name

    # ---- Annotations

    def annotation(self, kind: Type) -> str:
        """A type as an annotation."""
        target = kind.target
        if isinstance(target, Ref):
            definition = self._schema.definition(target)
            if isinstance(definition, Foreign):
                return self.annotation_of(definition)
            return self._prefix(target) + self.names.type(target.name)
        if target is Builtin.MAYBE:
            inner = self.annotation(kind.arguments[0])
            return inner if inner.endswith("| None") else f"{inner} | None"
        if target is Builtin.WRAPPED:
            return f"_wire.Just[{self.annotation(kind.arguments[0])}] | None"
        if target in _OF_LIBRARY:
            module, name = _OF_LIBRARY[target]
            return f"{self.imports.module(module)}.{name}"
        if kind.arguments:
            name = {Builtin.LIST: "list", Builtin.SET: "set", Builtin.MAP: "dict"}[target]
            return f"{self.builtin(name)}[{', '.join(map(self.annotation, kind.arguments))}]"
        return self.builtin(_ANNOTATIONS[target])

    def annotation_of(self, definition: Foreign) -> str:
        """A foreign type as an annotation."""
        module, _, name = foreign_target(definition).rpartition(".")
        if not module:
            return self.builtin(name)
        parameters = {"collections.abc.Mapping": 2, "collections.abc.Sequence": 1}.get(f"{module}.{name}", 0)
        any_ = f"{self.imports.module('typing')}.Any"
        suffix = f"[{', '.join([any_] * parameters)}]" if parameters else ""
        return f"{self.imports.module(module)}.{name}{suffix}"

    # ---- Codecs

    def encode(self, kind: Type, state: str, value: str) -> str:
        """The expression that encodes `value` into `state`."""
        if isinstance(kind.target, Ref):
            if self._is_own_enum(kind.target):  # straight to the operation
                return f"impl.encode_enum({state}, {value}, int, _{self.class_of(kind.target)}_name)"
            return f"{self._coder('encode', kind.target)}({state}, {value}, impl)"
        arguments = [state, value, *(self.encoder(each) for each in kind.arguments)]
        if kind.target is Builtin.MAYBE and self._has_cases(kind.arguments[0]):
            # Of a union that may be None mypy knows no more than what its members have in common.
            inner = kind.arguments[0]
            cast = f'{self.imports.module("typing")}.cast("{self.annotation(inner)}", v)'
            arguments[2] = f"lambda t, v: {self.encode(inner, 't', cast)}"
        return f"impl.encode_{_operation(kind)}({', '.join(arguments)})"

    def encoder(self, kind: Type) -> str:
        """A function of a state and a value."""
        if not isinstance(kind.target, Ref) and not kind.arguments:
            return f"impl.encode_{_operation(kind)}"
        return f"lambda t, v: {self.encode(kind, 't', 'v')}"

    def decode(self, kind: Type, state: str) -> str:
        """The expression that decodes a value from `state`."""
        if isinstance(kind.target, Ref):
            if self._is_own_enum(kind.target):
                cls = self.class_of(kind.target)
                return f"impl.decode_enum({state}, _{cls}_at, _{cls}_MEMBERS.get)"
            return f"{self._coder('decode', kind.target)}({state}, impl)"
        arguments = [state, *(self.decoder(each) for each in kind.arguments)]
        if kind.target is Builtin.WRAPPED:
            arguments.append("_wire.Just")
        return f"impl.decode_{_operation(kind)}({', '.join(arguments)})"

    def decoder(self, kind: Type) -> str:
        """A function of a state."""
        if not isinstance(kind.target, Ref) and not kind.arguments:
            return f"impl.decode_{_operation(kind)}"
        return f"lambda t: {self.decode(kind, 't')}"

    def _coder(self, way: str, ref: Ref) -> str:
        """What encodes or decodes a definition; of a record of this module the name that is found fastest."""
        if ref.module == self._module.name and isinstance(self._schema.definition(ref), Record):
            return f"_{self.class_of(ref)}_{way}"
        return f"{self.class_of(ref)}.{self.names.coder(way, ref.name)}"

    def _has_cases(self, kind: Type) -> bool:
        definition = self._schema.definition(kind.target) if isinstance(kind.target, Ref) else None
        return isinstance(definition, Sum) and len(definition.cases) > 1

    def _is_own_enum(self, ref: Ref) -> bool:
        return ref.module == self._module.name and isinstance(self._schema.definition(ref), Enum)

    # ---- The plain form

    def write(self, kind: Type, name: str, depth: int = 0) -> str:
        """The plain form of the value that a local name has."""
        target, inner = kind.target, f"x{depth}"
        if isinstance(target, Ref):
            definition = self._schema.definition(target)
            if isinstance(definition, Foreign):
                return f'_wire.foreign_to_wire("{foreign_target(definition)}", {name})'
            if isinstance(definition, Enum) and target.module == self._module.name:
                cls = self.class_of(target)
                return f"_{cls}_NAMES[{name}] if type({name}) is {cls} else {NO}"
            fits = f"isinstance({name}, {self.class_of(target)})"
            if isinstance(definition, Sum):
                fits = f"isinstance({name}, {self.class_of(target)}.CASES)"
            return f"{name}._write() if {fits} else {NO}"
        if target is Builtin.UNIT:
            return "{}"
        if target is Builtin.MAYBE:
            return f"None if {name} is None else {self._nested(kind) or self.write(kind.arguments[0], name, depth)}"
        if target is Builtin.WRAPPED:
            value = self.write(kind.arguments[0], inner, depth + 1)
            return f'None if {name} is None else {{"just": _wire.held({name}, lambda {inner}: {value})}}'
        if target is Builtin.LIST:
            value = self.write(kind.arguments[0], inner, depth + 1)
            return f"[{value} for {inner} in {name}] if type({name}) is list else {NO}"
        if target is Builtin.SET:
            value = self.write(kind.arguments[0], inner, depth + 1)
            return f"sorted([{value} for {inner} in {name}]) if isinstance({name}, (set, frozenset)) else {NO}"
        if target is Builtin.MAP:
            key = self._write_key(kind.arguments[0], f"k{depth}")
            value = self.write(kind.arguments[1], inner, depth + 1)
            return f"{{{key}: {value} for k{depth}, {inner} in {name}.items()}} if type({name}) is dict else {NO}"
        if target in _FUNCTIONS:
            return f"_wire.write_{_FUNCTIONS[target]}({name})"
        return self._checked(target, name)

    def read(self, kind: Type, name: str, depth: int = 0) -> str:
        """The value of the plain form that a local name has."""
        target, inner = kind.target, f"x{depth}"
        if isinstance(target, Ref):
            definition = self._schema.definition(target)
            if isinstance(definition, Foreign):
                return f'_wire.foreign_from_wire("{foreign_target(definition)}", {name})'
            if isinstance(definition, Enum) and target.module == self._module.name:
                return f"_{self.class_of(target)}_MEMBERS[{name}]"
            return f"{self.class_of(target)}._read({name})"
        if target is Builtin.UNIT:
            return f"_wire.read_unit({name})"
        if target is Builtin.MAYBE:
            there = self._nested(kind) or self.read(kind.arguments[0], name, depth)
            if kind.arguments[0].target is Builtin.UNIT:
                there += " or ()"  # what is there must not be None
            return f"None if {name} is None else {there}"
        if target is Builtin.WRAPPED:
            value = self.read(kind.arguments[0], inner, depth + 1)
            return f"None if {name} is None else _wire.Just(_wire.held(_wire.just({name}), lambda {inner}: {value}))"
        if target is Builtin.LIST:
            value = self.read(kind.arguments[0], inner, depth + 1)
            return f"[{value} for {inner} in {name}] if type({name}) is list else {NO}"
        if target is Builtin.SET:
            value = self.read(kind.arguments[0], inner, depth + 1)
            return f"_wire.unique([{value} for {inner} in {name}]) if type({name}) is list else {NO}"
        if target is Builtin.MAP:
            key = self._read_key(kind.arguments[0], f"k{depth}")
            value = self.read(kind.arguments[1], inner, depth + 1)
            made = f"{{{key}: {value} for k{depth}, {inner} in {name}.items()}}"
            if kind.arguments[0].target is Builtin.UUID:  # which two texts may write
                made = f"_wire.unique_keys({made}, {name})"
            return f"{made} if type({name}) is dict else {NO}"
        if target in _FUNCTIONS:
            return f"_wire.read_{_FUNCTIONS[target]}({name})"
        return self._checked(target, name)

    def build(self, kind: Type, name: str, depth: int = 0) -> str:
        """The value of what msgspec has read and checked already."""
        target, inner = kind.target, f"x{depth}"
        if isinstance(target, Ref):
            definition = self._schema.definition(target)
            if not isinstance(definition, Record):
                return self.read(kind, name)
            own = target.module == self._module.name  # a name of the module is found faster than one of a class
            return f"_{self.class_of(target)}_build({name})" if own else f"{self.class_of(target)}._build({name})"
        if target in (Builtin.BOOL, Builtin.INT32, Builtin.INT64, Builtin.INTEGER, Builtin.DOUBLE, Builtin.STRING):
            return name
        if target is Builtin.MAYBE and not self._nested(kind):
            value = self.build(kind.arguments[0], name, depth)
            return name if value == name else f"None if {name} is None else {value}"
        if target is Builtin.LIST:
            value = self.build(kind.arguments[0], inner, depth + 1)
            return name if value == inner else f"[{value} for {inner} in {name}]"
        return self.read(kind, name, depth)

    @staticmethod
    def _nested(kind: Type) -> str:
        return NO if kind.arguments[0].target in (Builtin.MAYBE, Builtin.WRAPPED) else ""

    @staticmethod
    def _checked(target: Builtin, name: str) -> str:
        if target in _BITS:
            bound = 1 << _BITS[target]
            return f"{name} if type({name}) is int and {-bound} <= {name} <= {bound - 1} else {NO}"
        if target is Builtin.DOUBLE:
            fits = f"type({name}) is float and -{_BIGGEST} <= {name} <= {_BIGGEST}"
            return f"{name} if {fits} else _wire.as_double({name})"
        return f"{name} if type({name}) is {_CHECKED[target]} else {NO}"

    def _write_key(self, kind: Type, name: str) -> str:
        if isinstance(kind.target, Ref):
            return f"{name}._write() if type({name}) is {self.class_of(kind.target)} else {NO}"
        if kind.target is Builtin.STRING:
            return self._checked(Builtin.STRING, name)
        return f"str({self.write(kind, name)})"

    def _read_key(self, kind: Type, name: str) -> str:
        if kind.target in (Builtin.INT32, Builtin.INT64, Builtin.INTEGER):
            bits = _BITS.get(kind.target, 0) if isinstance(kind.target, Builtin) else 0
            return f"_wire.int_key({name}, {bits})"
        return self.read(kind, name)


def _operation(kind: Type) -> str:
    assert isinstance(kind.target, Builtin)
    return "wrapped" if kind.target is Builtin.WRAPPED else kind.target.value.lower()
