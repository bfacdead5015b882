"""One module of modern Python.

The classes carry the same names, and the same `encode_...` and `decode_...` methods, as classic code. Beside them each
has `to_wire`, `from_wire`, `to_json` and `from_json` (from `Wired` of the run time), for which straight-line `_write`,
`_read` and `_build` are generated here.
"""

from __future__ import annotations

import itertools
import json
import pprint
import re
from collections.abc import Iterable
from typing import Final

from bascule.bridge.contracts.generators.classic_module import foreign_method, foreign_target
from bascule.bridge.contracts.generators.description import default_on_wire, describe_module, ref_name
from bascule.bridge.contracts.generators.modern_service import ModernService
from bascule.bridge.contracts.generators.modern_text import docstring, header
from bascule.bridge.contracts.generators.modern_types import ModernTypes
from bascule.bridge.contracts.generators.python_options import PythonOptions
from bascule.bridge.contracts.schema import Case, Enum, Field, Foreign, MemberDefault, Module, Record, Schema, Sum

_SHADOWING: Final = frozenset(
    ("bool", "bytes", "dict", "float", "int", "list", "object", "set", "str", "tuple", "classmethod", "type")
)


class ModernModule:
    """The text of one module."""

    def __init__(self, schema: Schema, module: Module, options: PythonOptions) -> None:
        self._schema = schema
        self._module = module
        self._options = options
        self._types = ModernTypes(schema, module, options)
        self._names = self._types.names

    def text(self) -> str:
        """The whole file."""
        module, options = self._module, self._options
        blocks: list[str] = []
        if options.codec:
            self._import_runtime()
        for each in module.definitions:
            if isinstance(each, Record):
                blocks.append(self._record(each))
            elif isinstance(each, Enum):
                blocks.append(self._enum(each))
            elif isinstance(each, Sum):
                blocks.append(self._sum(each))
            elif options.codec:
                blocks.append(self._foreign(each))
        if options.service and module.functions:
            blocks += ModernService(self._types, module, options).blocks()
        if options.codec:
            blocks.append(self._contract())
        types = self._types
        variables = ""
        if options.codec and (module.definitions or (options.service and module.functions)):
            typing = types.imports.module("typing")
            variables = f'\n\n_S = {typing}.TypeVar("_S")\n_R = {typing}.TypeVar("_R")'
            if any(isinstance(each, Record) for each in module.definitions):
                variables += "\n_new = object.__new__"
        imports = types.imports.lines(types.own_modules)
        name = options.module(module.name).rpartition(".")[2]
        noqa = "" if name == name.lower() else "# ruff: noqa: N999 (the name was asked for)\n"
        head = noqa + header(module.name, module.doc) + "\n\nfrom __future__ import annotations"
        if imports:
            head += "\n\n" + "\n".join(imports)
        return _joined([head + variables, *blocks]) + "\n"

    def _import_runtime(self) -> None:
        types, options = self._types, self._options
        wanted = ["wire"]
        if self._module.definitions or (options.service and self._module.functions):
            wanted.append("codec")
        if options.service and self._module.functions:
            wanted.append("transport")
        for each in wanted:
            name = options.in_runtime(each)
            types.own_modules.add(name)
            types.imports.module(name, f"_{each}")

    # ---- Definitions

    def _record(self, record: Record) -> str:
        cls = self._names.type(record.ref.name)
        names = [self._names.field(record.ref.name, each.name) for each in record.fields]
        self._types.shadowed = _SHADOWING & set(names)
        base = "(_wire.Wired)" if self._options.codec else ""
        lines = [f"@{self._types.imports.module('dataclasses')}.dataclass", f"class {cls}{base}:"]
        lines += docstring(record.doc or f"The record {record.ref.name}.", 4)
        lines.append("")
        if self._options.codec:
            lines += [f'    WIRE_KIND = "{ref_name(record.ref)}"']
            if all(each.default is None for each in record.fields):  # a default would stand in the slot's way
                slots = ", ".join(json.dumps(name) for name in sorted(names, key=_natural))
                lines.append(f"    __slots__ = ({slots}{',' if len(names) == 1 else ''})")
            lines.append("")
        lines += self._field_lines(record.fields, names)
        if self._options.codec:
            lines += self._record_codec(record, cls, names)
            lines += ["", *self._writer(record.fields, names), "", *self._reader(record.fields, cls)]
            lines += ["", *self._builder(record.fields, cls, names), "", ""]
            coders = {way: self._names.coder(way, record.ref.name) for way in ("encode", "decode")}
            lines += [f"_{cls}_{way} = {cls}.{method}" for way, method in {**coders, "build": "_build"}.items()]
        self._types.shadowed = frozenset()
        return "\n".join(lines)

    def _field_lines(self, fields: tuple[Field, ...], names: list[str]) -> list[str]:
        lines = []
        # The order is the wire's, and Python wants defaults last: one is given where no field without any follows.
        first = 1 + max((index for index, each in enumerate(fields) if each.default is None), default=-1)
        for index, (name, each) in enumerate(zip(names, fields, strict=True)):
            default = f" = {self._lazy_default(each)}" if each.default is not None and index >= first else ""
            lines.append(f"    {name}: {self._types.annotation(each.type)}{default}")
            if each.doc:
                lines += docstring(each.doc, 4)
        return lines

    def _default(self, field: Field) -> str:
        assert field.default is not None
        value = field.default.value
        if isinstance(value, MemberDefault):
            return self._types.read(field.type, repr(default_on_wire(self._schema, field)))
        return repr(value)

    def _lazy_default(self, field: Field) -> str:
        """A default in a class: an enum may be defined further below, or in a module that imports this one."""
        assert field.default is not None
        default = self._default(field)
        if isinstance(field.default.value, MemberDefault):
            return f"{self._types.imports.module('dataclasses')}.field(default_factory=lambda: {default})"
        return default

    def _coder_heads(self, name: str, kind: str) -> tuple[list[str], list[str]]:
        encode, decode = self._names.coder("encode", name), self._names.coder("decode", name)
        tuple_ = self._types.builtin("tuple")
        return (
            [
                "    @classmethod",
                f"    def {encode}(cls, s: _S, a: {kind}, impl: _codec.EncoderImpl[_S, _R]) -> _S:",
                f'        """Encode {a_or_an(name)} with an implementation."""',
            ],
            [
                "    @classmethod",
                f"    def {decode}(cls, s: _S, impl: _codec.DecoderImpl[_S, _R]) -> {tuple_}[_S, {kind}]:",
                f'        """Decode {a_or_an(name)} with an implementation."""',
            ],
        )

    def _record_codec(self, record: Record, cls: str, names: list[str]) -> list[str]:
        encode, decode = self._coder_heads(record.ref.name, cls)
        fields, count = record.fields, len(record.fields)
        lines = ["", *encode, "", "        def k(s1: _S) -> _S:"]
        lines += self._encode_fields(fields, names)
        lines += ["            return s1", "", f"        return impl.encode_record(s, {count}, k)"]
        tuple_ = self._types.builtin("tuple")
        lines += ["", *decode, "", f"        def k(s1: _S) -> {tuple_}[_S, {cls}]:", *self._decode_fields(fields)]
        values = ", ".join(f"v{index}" for index in range(count))
        lines += [f"            return s1, {cls}({values})", "", f"        return impl.decode_record(s, {count}, k)"]
        return lines

    def _encode_fields(self, fields: Iterable[Field], names: list[str], indent: int = 12) -> list[str]:
        lines = []
        for index, (name, each) in enumerate(zip(names, fields, strict=True)):
            value = self._types.encode(each.type, "t", f"a.{name}")
            call = f'impl.encode_record_field(s1, {index}, "{each.wire}", lambda t: {value})'
            lines.append(f"{' ' * indent}s1 = {call}")
        return lines

    def _decode_fields(self, fields: Iterable[Field], indent: int = 12) -> list[str]:
        lines = []
        for index, each in enumerate(fields):
            function = self._types.decoder(each.type)
            call = f'impl.decode_record_field(s1, {index}, "{each.wire}", {function})'
            if each.default is not None:
                call = f'impl.decode_optional_field(s1, {index}, "{each.wire}", {function}, {self._default(each)})'
            lines.append(f"{' ' * indent}s1, v{index} = {call}")
        return lines

    def _writer(self, fields: Iterable[Field], names: list[str], tag: str = "") -> list[str]:
        fields = list(fields)
        result = f"{self._types.imports.module('typing')}.Any"
        if not tag:
            result = f"{self._types.builtin('dict')}[{self._types.builtin('str')}, {result}]"
        lines = [f"    def _write(self) -> {result}:"]
        values = [self._types.write(each.type, f"v{index}") for index, each in enumerate(fields)]
        lines += [f"        v{index} = self.{name}" for index, name in enumerate(names) if f"v{index}" in values[index]]
        items = [f'            "{each.wire}": {value},' for value, each in zip(values, fields, strict=True)]
        if tag:
            return [*lines, f'        return {{"{tag}": {{', *items, "        }}"]
        return [*lines, "        return {", *items, "        }"]

    def _reader(self, fields: Iterable[Field], cls: str) -> list[str]:
        fields = list(fields)
        any_ = f"{self._types.imports.module('typing')}.Any"
        lines = ["    @classmethod", f"    def _read(cls, wire: {any_}) -> {cls}:"]
        optional = [index for index, each in enumerate(fields) if each.default is not None]
        size = f"len(wire) != {len(fields)}"
        if optional:
            present = " + ".join(f'("{fields[index].wire}" in wire)' for index in optional)
            size = f"len(wire) != {len(fields) - len(optional)} + {present}"
        lines += [f"        if type(wire) is not dict or {size}:", "            raise _wire.Mismatch"]
        for index, each in enumerate(fields):
            value = f'wire["{each.wire}"]'
            if each.default is not None:
                value = f'wire.get("{each.wire}", {json_default(default_on_wire(self._schema, each))})'
            lines.append(f"        v{index} = {value}")
        return [*lines, *self._call(cls, [self._types.read(each.type, f"v{i}") for i, each in enumerate(fields)])]

    def _builder(self, fields: Iterable[Field], cls: str, names: list[str]) -> list[str]:
        any_ = f"{self._types.imports.module('typing')}.Any"
        lines = [
            "    @staticmethod",
            f"    def _build(read: {any_}) -> {cls}:",
            f"        made = _new({cls})",
        ]
        for index, (name, each) in enumerate(zip(names, fields, strict=True)):
            value = self._types.build(each.type, f"v{index}")
            if value.count(f"v{index}") == 1:
                value = value.replace(f"v{index}", f"read.f{index}")
            else:
                lines.append(f"        v{index} = read.f{index}")
            lines.append(f"        made.{name} = {value}")
        return [*lines, "        return made"]

    @staticmethod
    def _call(cls: str, values: list[str]) -> list[str]:
        return [f"        return {cls}(", *(f"            {value}," for value in values), "        )"]

    def _enum(self, enum: Enum) -> str:
        cls = self._names.type(enum.ref.name)
        members = [self._names.member(enum.ref.name, each.name) for each in enum.members]
        codec = self._options.codec
        base = f"{self._types.imports.module('enum')}.IntEnum"
        lines = [f"class {cls}({'_wire.Wired, ' if codec else ''}{base}):"]
        lines += docstring(enum.doc or f"The enum {enum.ref.name}.", 4)
        lines.append("")
        for index, (member, each) in enumerate(zip(members, enum.members, strict=True)):
            lines.append(f"    {member} = {index}")
            if each.doc:
                lines += docstring(each.doc, 4)
        if not codec:
            return "\n".join(lines)
        self._types.shadowed = _SHADOWING & set(members)
        encode, decode = self._coder_heads(enum.ref.name, cls)
        any_ = f"{self._types.imports.module('typing')}.Any"
        count = len(members)
        lines += ["", *encode, f"        return impl.encode_enum(s, a, int, _{cls}_name)"]
        lines += ["", *decode, f"        return impl.decode_enum(s, _{cls}_at, _{cls}_MEMBERS.get)"]
        str_ = self._types.builtin("str")
        lines += ["", f"    def _write(self) -> {str_}:", f"        return _{cls}_NAMES[self]"]
        lines += ["", "    @classmethod", f"    def _read(cls, wire: {any_}) -> {cls}:"]
        lines += [f"        return _{cls}_MEMBERS[wire]", "", "    @classmethod"]
        lines += [f"    def _build(cls, read: {any_}) -> {cls}:", f"        return _{cls}_MEMBERS[read]", "", ""]
        typing = self._types.imports.module("typing")
        lines += [f'_wire.is_enum("{ref_name(enum.ref)}", {cls})']
        names = ", ".join(f'"{each.wire}"' for each in enum.members)
        lines += [f"_{cls}_ALL: {typing}.Final = tuple({cls})"]
        lines += [f"_{cls}_NAMES: {typing}.Final = ({names},)"]
        lines += [f"_{cls}_MEMBERS: {typing}.Final[dict[str, {cls}]] = dict(zip(_{cls}_NAMES, _{cls}_ALL))"]
        lines += [
            "",
            "",
            f"def _{cls}_name(member: {cls}) -> str:",
            f'    return _{cls}_NAMES[member] if type(member) is {cls} else _wire.no("{enum.ref.name}", member)',
        ]
        lines += ["", ""]
        lines += [f"def _{cls}_at(index: int) -> {cls} | None:"]
        lines += [f"    return _{cls}_ALL[index] if 0 <= index < {count} else None"]
        self._types.shadowed = frozenset()
        return "\n".join(lines)

    def _foreign(self, foreign: Foreign) -> str:
        kind = self._types.annotation_of(foreign)
        name = foreign.ref.name
        encode, decode = self._coder_heads(name, kind)
        lines = [f"class {self._names.codec_class(foreign.ref)}:"]
        lines += docstring(foreign.doc or f"How {name}, which is `{foreign_target(foreign)}`, travels.", 4)
        lines += ["", *encode]
        lines.append(f"        return impl.{foreign_method('encode', foreign.ref, self._options)}(s, a)")
        lines += ["", *decode]
        lines.append(f"        return impl.{foreign_method('decode', foreign.ref, self._options)}(s)")
        return "\n".join(lines)

    # ---- Sums

    def _sum(self, each: Sum) -> str:
        name = self._names.type(each.ref.name)
        blocks = [self._case(each, case, f"{name}{case.name}") for case in each.cases]
        classes = [f"{name}{case.name}" for case in each.cases]
        typing = self._types.imports.module("typing")
        members = ", ".join(classes)
        lines = [f"if {typing}.TYPE_CHECKING:", f"    {name} = {' | '.join(classes)}"]
        lines += docstring(each.doc or f"The sum {each.ref.name}: one of its cases.", 4)
        blocks.append("\n".join([*lines, "else:", f"    {name} = ({members},)"]))
        if self._options.codec:
            blocks.append(self._sum_codec(each, name, classes))
        return "\n\n\n".join(blocks)

    def _case(self, each: Sum, case: Case, cls: str) -> str:
        names = [self._names.field(each.ref.name, field.name) for field in case.fields]
        self._types.shadowed = _SHADOWING & set(names)
        base = "(_wire.Wired)" if self._options.codec else ""
        frozen = "" if case.fields else "(frozen=True)"
        lines = [f"@{self._types.imports.module('dataclasses')}.dataclass{frozen}", f"class {cls}{base}:"]
        lines += docstring(case.doc or f"The case {case.name} of {each.ref.name}.", 4)
        if self._options.codec:
            lines += ["", f'    WIRE_KIND = "{ref_name(each.ref)}"', f'    WIRE_TAG = "{case.wire}"']
        if case.fields:
            lines += ["", *self._field_lines(case.fields, names)]
        if self._options.codec:
            any_ = f"{self._types.imports.module('typing')}.Any"
            if case.fields:
                lines += ["", *self._writer(case.fields, names, case.wire), "", *self._reader(case.fields, cls)]
            else:
                lines += ["", f"    def _write(self) -> {any_}:", f'        return "{case.wire}"']
        self._types.shadowed = frozenset()
        return "\n".join(lines)

    def _sum_codec(self, each: Sum, name: str, classes: list[str]) -> str:
        encode, decode = self._coder_heads(each.ref.name, name)
        any_ = f"{self._types.imports.module('typing')}.Any"
        lines = [f"class {name}Codec(_wire.SumCodec):"]
        lines += docstring(f"How {each.ref.name} travels.", 4)
        lines += ["", f'    WIRE_KIND = "{ref_name(each.ref)}"']
        lines += [f"    CASES = ({', '.join(classes)},)", "", *encode]
        for index, (case, cls) in enumerate(zip(each.cases, classes, strict=True)):
            names = [self._names.field(each.ref.name, field.name) for field in case.fields]
            lines += [f"        if isinstance(a, {cls}):", "", f"            def k{index}(s1: _S, a: {cls} = a) -> _S:"]
            lines += [*self._encode_fields(case.fields, names, 16), "                return s1", ""]
            lines.append(f'            return impl.encode_sum(s, {index}, "{case.wire}", {len(case.fields)}, k{index})')
        lines += [f'        _wire.no("{each.ref.name}", a)', "", *decode]
        for index, (case, cls) in enumerate(zip(each.cases, classes, strict=True)):
            lines += ["", f"        def k{index}(s1: _S) -> tuple[_S, {name}]:", *self._decode_fields(case.fields)]
            values = ", ".join(f"v{index}" for index in range(len(case.fields)))
            lines.append(f"            return s1, {cls}({values})")
        cases = [f'("{case.wire}", {len(case.fields)}, k{index})' for index, case in enumerate(each.cases)]
        lines += ["", f"        return impl.decode_sum(s, [{', '.join(cases)}])"]
        lines += ["", "    @classmethod", f"    def _read(cls, wire: {any_}) -> {name}:"]
        for case, cls in zip(each.cases, classes, strict=True):
            if not case.fields:
                lines += [f'        if wire == "{case.wire}":', f"            return {cls}()"]
        lines.append("        ((tag, payload),) = wire.items()")
        for case, cls in zip(each.cases, classes, strict=True):
            if case.fields:
                lines += [f'        if tag == "{case.wire}":', f"            return {cls}._read(payload)"]
        lines += ["        raise _wire.Mismatch"]
        return "\n".join(lines)

    # ---- The contract

    def _contract(self) -> str:
        typing = self._types.imports.module("typing")
        described = pprint.pformat(describe_module(self._schema, self._module), width=110, sort_dicts=False)
        return (
            f"CONTRACT: {typing}.Final[dict[str, {typing}.Any]] = {described}\n"
            f'"""What two programs compare before they talk."""\n\n'
            f'_wire.describe(CONTRACT["types"])'
        )


def _joined(blocks: list[str]) -> str:
    """Two empty lines around classes and functions, one between other statements."""
    text = blocks[0]
    for before, block in itertools.pairwise(blocks):
        wide = _is_wide(block) or _is_wide(before.rpartition("\n\n\n")[2])
        text += ("\n\n\n" if wide else "\n\n") + block
    return text


def _is_wide(block: str) -> bool:
    return block.startswith(("class ", "def ", "@"))


def _natural(name: str) -> list[tuple[int, int]]:
    """The order in which ruff wants slots: numbers in names by their values."""
    return [(ord("0"), int(each)) if each.isdigit() else (ord(each), 0) for each in re.findall(r"[0-9]+|[^0-9]", name)]


def a_or_an(name: str) -> str:
    """`an Order`, `a Book`."""
    return f"{'an' if name[:1] in 'AEIOU' else 'a'} {name}"


def json_default(value: object) -> str:
    """A default as an expression of the plain form."""
    return repr(json.loads(json.dumps(value)))
