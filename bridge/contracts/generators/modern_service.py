"""The functions of a module in modern Python: the class that servers and clients share, and what types say of them.

`XModule` is Gugugu's: its methods take and give whatever shape the transport has (a value, a value with metadata, a
future ...), so they are typed `Any`. `XServer` and `XClient` are protocols for the usual shape, a value for a value,
and `AsyncXClient` for the same awaited.
"""

from __future__ import annotations

from bascule.bridge.contracts.generators.modern_text import docstring
from bascule.bridge.contracts.generators.modern_types import ModernTypes
from bascule.bridge.contracts.generators.python_options import PythonOptions
from bascule.bridge.contracts.schema import Function, Module, Type

_BUILTINS = frozenset(("bool", "bytes", "dict", "float", "int", "list", "object", "set", "str", "tuple"))


class ModernService:
    """The blocks of a module's functions."""

    def __init__(self, types: ModernTypes, module: Module, options: PythonOptions) -> None:
        self._types = types
        self._module = module
        self._options = options
        self._names = types.names
        self._helpers: dict[tuple[str, Type], str] = {}

    def blocks(self) -> list[str]:
        """All of it, in order."""
        functions = self._module.functions
        cls = self._names.service(self._module.name)
        self._types.shadowed = _BUILTINS & {self._names.function(each.name) for each in functions}
        stem = cls.removesuffix("Module")
        taken = {cls, *self._names.classes(self._module)}
        server, client, waiting = (
            _unlike(name, taken) for name in (f"{stem}Server", f"{stem}Client", f"Async{stem}Client")
        )
        found = []
        if self._options.with_server:
            found.append(self._protocol(server, "What serves", "server"))
        if self._options.with_client:
            found.append(self._protocol(client, "What calls", "client"))
            found.append(self._protocol(waiting, "What calls, and is awaited,", "async"))
        found.append(self._service(cls, server))
        if self._options.with_client:
            found.append(self._client(cls))
        helpers = [self._helper(way, kind, name) for (way, kind), name in self._helpers.items()]
        names = ", ".join(f'"{part}"' for part in self._module.namespace)
        self._types.shadowed = frozenset()
        typing = self._types.imports.module("typing")
        return [*found, *helpers, f"NAMESPACE: {typing}.Final[list[str]] = [{names}]"]

    def _protocol(self, name: str, what: str, side: str) -> str:
        typing = self._types.imports.module("typing")
        lines = [f"class {name}({typing}.Protocol):"]
        lines += docstring(f"{what} the functions of {self._module.name}, a value for a value.", 4)
        for each in self._module.functions:
            argument, result = self._types.annotation(each.argument), self._result(each, side)
            keyword = "async def" if side == "async" and not each.stream else "def"
            lines += ["", f"    {keyword} {self._names.function(each.name)}(self, fa: {argument}, /) -> {result}:"]
            lines += docstring(_doc(each), 8)
            lines.append("        ...")
        return "\n".join(lines)

    def _result(self, function: Function, side: str) -> str:
        abc = "collections.abc"
        result = self._types.annotation(function.result)
        if function.stream:
            module = self._types.imports.module(abc)
            kinds = {
                "client": f"{module}.Iterator[{result}]",
                "async": f"{module}.AsyncIterator[{result}]",
                "server": f"{module}.Iterable[{result}] | {module}.AsyncIterable[{result}]",
            }
            return kinds[side]
        if side != "server":
            return result
        return f"{result} | {self._types.imports.module(abc)}.Awaitable[{result}]"

    def _service(self, cls: str, server: str) -> str:
        abc, any_ = self._types.imports.module("abc"), self._any()
        lines = [f"class {cls}({abc}.ABC):"]
        lines += docstring(f"The functions of {self._module.name}, in the shape that the transport has.", 4)
        for each in self._module.functions:
            lines += ["", f"    @{abc}.abstractmethod"]
            lines.append(f"    def {self._names.function(each.name)}(self, fa: {any_}) -> {any_}:")
            lines += docstring(_doc(each), 8)
        if self._options.with_server:
            lines += ["", *self._to_transport(cls, server)]
        if self._options.with_client:
            lines += [
                "",
                "    @classmethod",
                "    def from_transport(",
                "        cls,",
                "        transport: _transport.ClientTransport,",
                f"        encoder_impl: _codec.EncoderImpl[{any_}, {any_}],",
                f"        decoder_impl: _codec.DecoderImpl[{any_}, {any_}],",
                f"    ) -> {cls}:",
                '        """What calls over `transport`: arguments and results travel as the two say."""',
                f"        return _{cls}(transport, encoder_impl, decoder_impl)",
            ]
        return "\n".join(lines)

    def _to_transport(self, cls: str, server: str) -> list[str]:
        any_ = self._any()
        lines = [
            "    @classmethod",
            "    def to_transport(",
            "        cls,",
            f"        impl: {cls} | {server},",
            f"        decoder_impl: _codec.DecoderImpl[{any_}, {any_}],",
            f"        encoder_impl: _codec.EncoderImpl[{any_}, {any_}],",
            "    ) -> _transport.ServerTransport:",
            '        """What `impl` offers: requests and responses travel as the two say."""',
            "        return _transport.HandlerTable(",
            "            NAMESPACE,",
            "            {",
        ]
        for each in self._module.functions:
            decode, encode = self._coder("decode", each.argument), self._coder("encode", each.result)
            lines += [
                f'                "{each.wire}": lambda k: lambda fr: k(',
                f"                    lambda r: {decode}(r, decoder_impl),",
                f"                    lambda x: {encode}(x, encoder_impl),",
                f"                    impl.{self._names.function(each.name)},",
                "                    fr,",
                "                ),",
            ]
        return [*lines, "            },", "        )"]

    def _client(self, cls: str) -> str:
        any_ = self._any()
        lines = [
            f"class _{cls}({cls}):",
            "    def __init__(",
            "        self,",
            "        transport: _transport.ClientTransport,",
            f"        encoder_impl: _codec.EncoderImpl[{any_}, {any_}],",
            f"        decoder_impl: _codec.DecoderImpl[{any_}, {any_}],",
            "    ) -> None:",
            "        self.__transport = transport",
            "        self.__encoder = encoder_impl",
            "        self.__decoder = decoder_impl",
        ]
        for each in self._module.functions:
            encode, decode = self._coder("encode", each.argument), self._coder("decode", each.result)
            lines += [
                "",
                f"    def {self._names.function(each.name)}(self, fa: {any_}) -> {any_}:",
                "        return self.__transport.send(",
                f'            _transport.QualName(NAMESPACE, "{each.wire}"),',
                f"            lambda x: {encode}(x, self.__encoder),",
                f"            lambda r: {decode}(r, self.__decoder),",
                "            fa,",
                "        )",
            ]
        return "\n".join(lines)

    def _any(self) -> str:
        return f"{self._types.imports.module('typing')}.Any"

    def _coder(self, way: str, kind: Type) -> str:
        """The function of this module that encodes or decodes values of a type from first to last."""
        return self._helpers.setdefault((way, kind), f"_{way}_{len(self._helpers)}")

    def _helper(self, way: str, kind: Type, name: str) -> str:
        annotation = self._types.annotation(kind)
        if way == "encode":
            head = f"def {name}(x: {annotation}, impl: _codec.EncoderImpl[_S, _R]) -> _R:"
            body = f"    return impl.encode_with_state(lambda s: {self._types.encode(kind, 's', 'x')})"
        else:
            head = f"def {name}(r: _R, impl: _codec.DecoderImpl[_S, _R]) -> {annotation}:"
            body = f"    return impl.decode_with_state(r, lambda s: {self._types.decode(kind, 's')})"
        return f"{head}\n{body}"


def _doc(function: Function) -> str:
    text = function.doc or f"The function {function.name}."
    if function.raises:
        text += "\n\nRaises: " + ", ".join(each.name for each in function.raises) + "."
    return text


def _unlike(name: str, taken: set[str]) -> str:
    return f"{name}_" if name in taken else name
