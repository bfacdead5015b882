"""The classic target: the files that gugugu-python 0.5.2.0 writes, with its layout, names and surface.

The run time is our own text with the same public surface; it stands in `runtime/classic` and is copied.
"""

from __future__ import annotations

from pathlib import Path

from bascule.bridge.contracts.generators import File, in_order
from bascule.bridge.contracts.generators.classic_module import (
    LANGUAGE,
    ClassicModule,
    Imports,
    file_text,
    foreign_method,
    foreign_target,
)
from bascule.bridge.contracts.generators.python_options import PythonOptions, init_of, path_of
from bascule.bridge.contracts.schema import Foreign, Ref, Schema, refs_in, types_of
from bascule.bridge.contracts.sources import Diagnostic, Severity

_TEXTS = Path(__file__).with_name("runtime") / "classic"


def generate(schema: Schema, options: PythonOptions) -> list[File]:
    """All files, in the order in which they are written: the run time comes first."""
    runtime: list[File] = []
    if options.codec:
        runtime.append(File(init_of(options.runtime), ""))
        runtime.append(File(path_of(options.in_runtime("codec")), (_TEXTS / "codec.py.txt").read_text("utf-8")))
    if options.service:
        runtime.append(File(path_of(options.in_runtime("transport")), transport_text(_TEXTS, options)))
    # Where two have one place, which only odd names bring about, the later wins.
    files = {init_of(options.package): "from __future__ import annotations\n"}
    if options.codec:
        files[path_of(options.in_runtime("foreign"))] = _foreign_text(schema, options)
    for module in schema.modules.values():
        files[path_of(options.module(module.name))] = ClassicModule(schema, module, options).text()
    return runtime + in_order(files)


def transport_text(folder: Path, options: PythonOptions) -> str:
    """The run time's transport: what both sides need, then the parts that were asked for."""
    parts = [(folder / "transport_common.py.txt").read_text("utf-8")]
    if options.with_server:
        parts.append((folder / "transport_server.py.txt").read_text("utf-8"))
    if options.with_client:
        parts.append((folder / "transport_client.py.txt").read_text("utf-8"))
    return "\n\n\n".join(part.strip("\n") for part in parts) + "\n"


def missing_targets(schema: Schema, options: PythonOptions) -> list[Diagnostic]:
    """Foreign types that Python must know and does not."""
    needed = set()
    for module in schema.modules.values():
        for each in module.definitions:
            if isinstance(each, Foreign) and options.codec:
                needed.add(each.ref)
            needed.update(ref for kind in types_of(each) for ref in refs_in(kind))
        if options.service:
            for function in module.functions:
                needed.update(refs_in(function.argument), refs_in(function.result))
    return [_missing(schema, each) for each in sorted(needed) if _lacks_target(schema, each)]


def _lacks_target(schema: Schema, ref: Ref) -> bool:
    definition = schema.definition(ref)
    return isinstance(definition, Foreign) and LANGUAGE not in definition.targets


def _missing(schema: Schema, ref: Ref) -> Diagnostic:
    message = f"Type {ref.name} does not have foreign pragma: write {{-# FOREIGN {LANGUAGE} package.module.Name #-}}"
    source = schema.modules[ref.module].source
    offset = schema.definition(ref).offset
    return source.error(offset, message, 4) if source else Diagnostic(Severity.ERROR, message, ref.module)


def _foreign_text(schema: Schema, options: PythonOptions) -> str:
    imports = Imports()
    abc, typing = imports.name("abc"), imports.name("typing")
    encoders = [f"class ForeignEncodersImpl({abc}.ABC, {typing}.Generic[S]):"]
    decoders = [f"class ForeignDecodersImpl({abc}.ABC, {typing}.Generic[S]):"]
    for module in schema.modules.values():
        for each in module.definitions:
            if isinstance(each, Foreign):
                kind = imports.member(foreign_target(each))
                encode = f"{foreign_method('encode', each.ref, options)}(self, s: S, v: {kind}) -> S"
                decode = f"{foreign_method('decode', each.ref, options)}(self, s: S) -> {typing}.Tuple[S, {kind}]"
                for lines, signature in ((encoders, encode), (decoders, decode)):
                    lines += [
                        f"    @{abc}.abstractmethod",
                        f"    def {signature}:",
                        "        raise NotImplementedError",
                    ]
    blocks = [lines if len(lines) > 1 else [*lines, "    pass"] for lines in (encoders, decoders)]
    return file_text(imports, [f'S = {typing}.TypeVar("S")', *("\n".join(lines) for lines in blocks)])
