"""The modern target: the same layout of files, and a run time with the same interface, typed and documented.

Nothing of Bascule is needed by what is generated: the run time is written beside it. Its parts are the texts in
`runtime/modern`, and `wire` is a copy of our own package.
"""

from __future__ import annotations

import keyword
from dataclasses import replace
from pathlib import Path

from bascule.bridge.contracts.generators import File, in_order
from bascule.bridge.contracts.generators.classic import transport_text
from bascule.bridge.contracts.generators.classic_module import foreign_method, foreign_target
from bascule.bridge.contracts.generators.modern_module import ModernModule
from bascule.bridge.contracts.generators.modern_text import docstring
from bascule.bridge.contracts.generators.modern_types import ModernTypes
from bascule.bridge.contracts.generators.python_options import PythonOptions, init_of, path_of
from bascule.bridge.contracts.names import Transformer
from bascule.bridge.contracts.schema import Foreign, Module, Schema
from bascule.bridge.contracts.sources import ContractError, Diagnostic, Severity
from bascule.workers.contracts import wire

_TEXTS = Path(__file__).with_name("runtime") / "modern"


def generate(schema: Schema, options: PythonOptions) -> list[File]:
    """All files, in the order in which they are written: the run time comes first.

    Raises:
        ContractError: A module would stand where the run time stands.
    """
    options = replace(options, rules=replace(options.rules, module_code=_importable(options.rules.module_code)))
    runtime: list[File] = []
    if options.codec:
        runtime.append(File(init_of(options.runtime), '"""What the generated code runs on."""\n'))
        texts = {"codec": _TEXTS / "codec.py.txt"}
        texts.update((f"wire.{path.stem}", path) for path in sorted(Path(wire.__file__).parent.glob("*.py")))
        if schema.extended:
            texts["extended"] = _TEXTS / "extended.py.txt"
        runtime += [File(path_of(options.in_runtime(name)), path.read_text("utf-8")) for name, path in texts.items()]
        runtime.append(File(path_of(options.in_runtime("foreign")), _foreign_text(schema, options)))
    if options.service:
        runtime.append(File(path_of(options.in_runtime("transport")), _transport_text(options)))
    files = {}
    if not options.codec or options.package != options.runtime:
        files[init_of(options.package)] = '"""Made by `bascule contract generate`: do not edit."""\n'
    taken = {file.path for file in runtime} | {path_of(options.runtime)}
    for module in schema.modules.values():
        path = path_of(options.module(module.name))
        if options.codec and path in taken:
            raise ContractError([_in_the_way(module, path)])
        files[path] = ModernModule(schema, module, options).text()
    return runtime + in_order(files)


def _importable(transformer: Transformer) -> Transformer:
    """The same, with an underscore behind what no import statement could name."""

    def transform(name: str) -> str:
        code = transformer(name)
        return f"{code}_" if keyword.iskeyword(code) else code

    return transform


def _in_the_way(module: Module, path: str) -> Diagnostic:
    message = f"{path} would be where the run time is: give that another package with --runtime-package"
    if module.source is None:
        return Diagnostic(Severity.ERROR, message, module.name)
    return module.source.error(module.source.text.find(module.name), message, len(module.name))


def _transport_text(options: PythonOptions) -> str:
    text = transport_text(_TEXTS, options)
    if not options.with_server:
        text = text.replace("import Callable, Mapping\n", "import Callable\n")
    return text


def _foreign_text(schema: Schema, options: PythonOptions) -> str:
    """The operations of implementations that this schema's foreign types ask for."""
    encoders: list[str] = []
    decoders: list[str] = []
    targets: list[str] = []
    lines: list[str] = []
    owned = set()
    for module in schema.modules.values():
        types = ModernTypes(schema, module, options)
        for each in module.definitions:
            if isinstance(each, Foreign):
                kind = types.annotation_of(each)
                encode, decode = (foreign_method(way, each.ref, options) for way in ("encode", "decode"))
                encoders += _operation(f"{encode}(self, s: _S, v: {kind}) -> _S", f"Write {each.ref.name}.")
                decoders += _operation(f"{decode}(self, s: _S) -> tuple[_S, {kind}]", f"Read {each.ref.name}.")
                targets += [f'    "{method}": "{foreign_target(each)}",' for method in (encode, decode)]
        owned.update(types.imports.lines(set()))
    owned.update(["import typing as _typing", *(["import abc as _abc"] if encoders else [])])
    # With no operation to use it in, a protocol's type variable would have to be covariant.
    bases = ("_typing.Protocol[_S]",) * 2 if encoders else ("_typing.Protocol[_S_co]",) * 2
    if schema.extended:
        bases = (
            "_extended.ExtendedEncodersImpl[_S], _typing.Protocol[_S]",
            "_extended.ExtendedDecodersImpl[_S], _typing.Protocol[_S]",
        )
        lines = ["", "from . import extended as _extended"]
    variable = '_S = _typing.TypeVar("_S")'
    if "_S_co" in bases[0]:
        variable = '_S_co = _typing.TypeVar("_S_co", covariant=True)'
    head = ['"""The foreign types of the definitions, as operations that an implementation must have."""', ""]
    head += ["from __future__ import annotations", "", *sorted(owned), *lines, "", variable, ""]
    first = ["", f"class ForeignEncodersImpl({bases[0]}):", *docstring("How foreign values are written.", 4), *encoders]
    second = ["", f"class ForeignDecodersImpl({bases[1]}):", *docstring("How foreign values are read.", 4), *decoders]
    table = ["", "TARGETS: _typing.Final[dict[str, str]] = {", *targets, "}"]
    table.append('"""The Python type behind each operation."""')
    return "\n".join([*head, *first, "", *second, "", *table]) + "\n"


def _operation(signature: str, doc: str) -> list[str]:
    return ["", "    @_abc.abstractmethod", f"    def {signature}:", f'        """{doc}"""', "        ..."]
