"""One module as Gugugu 0.5.2.0 writes it.

Its text has rules of its own: every import is written `import a.b as _gugugu_i_a_b`, two empty lines stand between
all definitions and none inside one, and what Python thinks of long lines does not matter. A module is its blocks, and
the imports that those asked for.
"""

from __future__ import annotations

from collections.abc import Iterable

from bascule.bridge.contracts.generators.python_options import PythonOptions
from bascule.bridge.contracts.schema import (
    Builtin,
    Definition,
    Enum,
    Foreign,
    Function,
    Module,
    Record,
    Ref,
    Schema,
    Type,
)

LANGUAGE = "python"
_TYPES = {
    Builtin.UNIT: "object",
    Builtin.BOOL: "bool",
    Builtin.INT32: "int",
    Builtin.DOUBLE: "float",
    Builtin.STRING: "str",
}
_SERVER_TRANSPORT = """\
class _ServerTransport({base}):
    def __init__(self, handler_map):
        self._handler_map = handler_map
    def ask(self, name, k):
        if name.namespace != NAMESPACE:
            return None
        handler = self._handler_map.get(name.name)
        if handler is not None:
            return handler(k)
        return None"""
_ABSTRACT = ["    @{abc}.abstractmethod", "    def {signature}:", "        raise NotImplementedError"]


class Imports:
    """The modules that a file's text mentions."""

    def __init__(self) -> None:
        self._modules: set[str] = set()

    def name(self, module: str) -> str:
        """What the module is called in the text."""
        self._modules.add(module)
        return "_gugugu_i_" + module.replace(".", "_")

    def member(self, dotted: str) -> str:
        """Something of a module, by its whole name; a name without a module is a builtin."""
        module, _, name = dotted.rpartition(".")
        return f"{self.name(module)}.{name}" if module else name

    def lines(self) -> list[str]:
        """The import statements."""
        ordered = sorted(self._modules, key=lambda module: module.split("."))
        return [f"import {module} as _gugugu_i_{module.replace('.', '_')}" for module in ordered]


def file_text(imports: Imports, blocks: Iterable[str]) -> str:
    """A whole file."""
    head = "\n".join(["from __future__ import annotations", *imports.lines()])
    return "\n\n\n".join([head, *blocks]) + "\n"


class ClassicModule:
    """The text of one module.

    Args:
        schema: Where other modules' definitions are looked up.
        module: What is written.
        options: How.
    """

    def __init__(self, schema: Schema, module: Module, options: PythonOptions) -> None:
        self._schema = schema
        self._module = module
        self._options = options
        self._rules = options.rules
        self._imports = Imports()

    def text(self) -> str:
        """The whole file."""
        module, options = self._module, self._options
        blocks: list[str] = []
        if options.codec:
            typing = self._imports.name("typing")
            blocks += [f'S = {typing}.TypeVar("S")', f'R = {typing}.TypeVar("R")']
        for each in module.definitions:
            if isinstance(each, Record):
                blocks.append(self._record(each))
            elif isinstance(each, Enum):
                blocks.append(self._enum(each))
            elif isinstance(each, Foreign) and options.codec:
                blocks.append(self._foreign(each))
        if options.service and module.functions:
            blocks += self._service(module)
        return file_text(self._imports, blocks)

    # ---- Names

    def _class(self, ref: Ref) -> str:
        """A definition's class, seen from this module."""
        name = self._rules.type_code(ref.name)
        if isinstance(self._schema.definition(ref), Foreign):
            name += "Codec"
        if ref.module == self._module.name:
            return name
        return f"{self._imports.name(self._options.module(ref.module))}.{name}"

    def _codec_module(self) -> str:
        return self._imports.name(self._options.in_runtime("codec"))

    def _transport_module(self) -> str:
        return self._imports.name(self._options.in_runtime("transport"))

    def _type(self, kind: Type) -> str:
        """A type as an annotation."""
        target = kind.target
        if isinstance(target, Ref):
            definition = self._schema.definition(target)
            is_foreign = isinstance(definition, Foreign)
            name = self._imports.member(foreign_target(definition)) if is_foreign else self._class(target)
        elif target is Builtin.MAYBE:
            name = f"{self._imports.name('typing')}.Optional"
        elif target is Builtin.LIST:
            name = f"{self._imports.name('typing')}.List"
        else:
            name = _TYPES[target]
        return f"{name}[{', '.join(map(self._type, kind.arguments))}]" if kind.arguments else name

    def _codec(self, way: str, kind: Type) -> str:
        """The function that encodes or decodes values of a type."""
        target = kind.target
        if isinstance(target, Ref):
            name = f"{self._class(target)}.{self._rules.type_func(way + target.name)}"
        else:
            coders = f"{self._codec_module()}.{way.capitalize()}rs"
            name = f"{coders}.{self._rules.type_func(way + target.value)}"
        return f"{name}({', '.join(self._codec(way, each) for each in kind.arguments)})" if kind.arguments else name

    def _encoder_head(self, name: str, kind: str) -> str:
        function = self._rules.type_func(f"encode{name}")
        return f"    def {function}(cls, s: S, a: {kind}, impl: {self._codec_module()}.EncoderImpl[S, R]) -> S:"

    def _decoder_head(self, name: str, kind: str) -> str:
        function = self._rules.type_func(f"decode{name}")
        result = f"{self._imports.name('typing')}.Tuple[S, {kind}]"
        return f"    def {function}(cls, s: S, impl: {self._codec_module()}.DecoderImpl[S, R]) -> {result}:"

    # ---- Types

    def _record(self, record: Record) -> str:
        rules = self._rules
        name = rules.type_code(record.ref.name)
        codes = [rules.field_code(each.name) for each in record.fields]
        lines = [f"@{self._imports.name('dataclasses')}.dataclass()", f"class {name}:"]
        lines += [f"    {code}: {self._type(each.type)}" for code, each in zip(codes, record.fields, strict=True)]
        if self._options.codec:
            count = len(record.fields)
            lines += ["    @classmethod", self._encoder_head(record.ref.name, name), "        def k(s1):"]
            for index, (code, each) in enumerate(zip(codes, record.fields, strict=True)):
                encode = f"lambda s2: {self._codec('encode', each.type)}(s2, a.{code}, impl)"
                lines.append(f'            s1 = impl.encode_record_field(s1, {index}, "{each.wire}", {encode})')
            lines += ["            return s1", f"        return impl.encode_record(s, {count}, k)"]
            lines += ["    @classmethod", self._decoder_head(record.ref.name, name), "        def k(s1):"]
            for index, each in enumerate(record.fields):
                decode = f"lambda s2: {self._codec('decode', each.type)}(s2, impl)"
                lines.append(
                    f'            s1, v{index} = impl.decode_record_field(s1, {index}, "{each.wire}", {decode})'
                )
            values = ", ".join(f"v{index}" for index in range(count))
            lines += [f"            return s1, {name}({values})", f"        return impl.decode_record(s, {count}, k)"]
        return "\n".join(lines)

    def _enum(self, enum: Enum) -> str:
        name = self._rules.type_code(enum.ref.name)
        codes = [self._rules.enum_code(each.name) for each in enum.members]
        lines = [f"class {name}({self._imports.name('enum')}.IntEnum):"]
        lines += [f"    {code} = {index}" for index, code in enumerate(codes)]
        if self._options.codec:
            pairs = [(f"{name}.{code}", f'"{each.wire}"') for code, each in zip(codes, enum.members, strict=True)]
            lines += ["    @classmethod", self._encoder_head(enum.ref.name, name)]
            lines.append("        return impl.encode_enum(s, a, lambda a1: a1.value, lambda a1: {")
            lines += [f"            {member}: {wire}," for member, wire in pairs]
            lines += ["        }[a1])", "    @classmethod", self._decoder_head(enum.ref.name, name)]
            lines += ["        def by_index(i):", "            try:", f"                return {name}(i)"]
            lines += ["            except ValueError:", "                return None"]
            lines.append("        return impl.decode_enum(s, by_index, lambda n: {")
            lines += [f"            {wire}: {member}," for member, wire in pairs]
            lines.append("        }.get(n))")
        return "\n".join(lines)

    def _foreign(self, foreign: Foreign) -> str:
        kind = self._imports.member(foreign_target(foreign))
        name = foreign.ref.name
        lines = [f"class {self._rules.type_code(name)}Codec:", "    @classmethod", self._encoder_head(name, kind)]
        lines.append(f"        return impl.{foreign_method('encode', foreign.ref, self._options)}(s, a)")
        lines += ["    @classmethod", self._decoder_head(name, kind)]
        lines.append(f"        return impl.{foreign_method('decode', foreign.ref, self._options)}(s)")
        return "\n".join(lines)

    # ---- Functions

    def _service(self, module: Module) -> list[str]:
        options = self._options
        name = self._rules.module_type(module.name + "Module")
        abc = self._imports.name("abc")
        lines = [f"class {name}({abc}.ABC):"]
        for each in module.functions:
            signature = f"{self._rules.func_code(each.name)}(self, fa)"
            lines += [line.format(abc=abc, signature=signature) for line in _ABSTRACT]
        if options.with_server:
            lines += self._to_transport(module, name)
        if options.with_client:
            lines += ["    @classmethod"]
            lines.append(f"    def from_transport(cls, transport, encoder_impl, decoder_impl) -> {name}:")
            lines.append(f"        return _{name}(transport, encoder_impl, decoder_impl)")
        blocks = ["\n".join(lines)]
        if options.with_server:
            blocks.append(_SERVER_TRANSPORT.format(base=f"{self._transport_module()}.ServerTransport"))
        if options.with_client:
            blocks.append(self._client(module, name))
        names = [f'    "{part}",' for part in module.namespace]
        blocks.append("\n".join(["NAMESPACE = [", *names, "]"]))
        return blocks

    def _to_transport(self, module: Module, name: str) -> list[str]:
        codec = self._codec_module()
        result = f"{self._transport_module()}.ServerTransport"
        lines = ["    @classmethod"]
        lines.append(f"    def to_transport(cls, impl: {name}, decoder_impl, encoder_impl) -> {result}:")
        lines.append("        return _ServerTransport({")
        for each in module.functions:
            decode = f"lambda r: {codec}.decode(r, decoder_impl, {self._codec('decode', each.argument)})"
            encode = f"lambda x: {codec}.encode(x, encoder_impl, {self._codec('encode', each.result)})"
            method = f"impl.{self._rules.func_code(each.name)}"
            lines.append(f'            "{each.wire}": lambda k: lambda fr: k({decode}, {encode}, {method}, fr),')
        return [*lines, "        })"]

    def _client(self, module: Module, name: str) -> str:
        lines = [f"class _{name}({name}):", "    def __init__(self, transport, encoder_impl, decoder_impl):"]
        lines += ["        self._t = transport", "        self._e = encoder_impl", "        self._d = decoder_impl"]
        for each in module.functions:
            lines += self._client_method(each)
        return "\n".join(lines)

    def _client_method(self, function: Function) -> list[str]:
        codec = self._codec_module()
        qualified = f'{self._transport_module()}.QualName(NAMESPACE, "{function.wire}")'
        encode = f"lambda x: {codec}.encode(x, self._e, {self._codec('encode', function.argument)})"
        decode = f"lambda r: {codec}.decode(r, self._d, {self._codec('decode', function.result)})"
        return [
            f"    def {self._rules.func_code(function.name)}(self, fa):",
            f"        return self._t.send({qualified}, {encode}, {decode}, fa)",
        ]


def foreign_target(definition: Definition) -> str:
    """The Python name of a foreign type; that there is one has been checked."""
    assert isinstance(definition, Foreign)
    return definition.targets[LANGUAGE]


def foreign_method(way: str, ref: Ref, options: PythonOptions) -> str:
    """The method of the codec implementation that handles a foreign type: types of a module `Foreign` go without it."""
    prefix = "" if ref.module == "Foreign" else ref.module
    return options.rules.type_func(f"{way}{prefix}{ref.name}")
