"""TypeScript clients over HTTP: types for what goes over the wire, and a class that posts it.

JSON is TypeScript's own, so values need no conversion: records are interfaces with the wire's names, enums unions of
texts, nothing is null. One file per module, and `transport.ts` with what they share; nothing needs a library, `fetch`
is the platform's. Functions that stream have no client here.
"""

from __future__ import annotations

import json

from bascule.bridge.contracts.generators import File, in_order
from bascule.bridge.contracts.names import snake
from bascule.bridge.contracts.schema import (
    Builtin,
    Definition,
    Enum,
    Field,
    Function,
    Module,
    Record,
    Ref,
    Schema,
    Sum,
    Type,
    refs_in,
    types_of,
)

_TYPES = {
    Builtin.UNIT: "Record<string, never>",
    Builtin.BOOL: "boolean",
    Builtin.INT32: "number",
    Builtin.INT64: "number",
    Builtin.INTEGER: "number",
    Builtin.DURATION: "number",
    Builtin.DOUBLE: "number",
}
_TRANSPORT = """\
// What the generated clients share. Made by `bascule contract generate`: do not edit.

/** Headers that go with a call, and come back with its answer. */
export type Metadata = Record<string, string>;

/** The server did not answer with a result. */
export class CallFailed extends Error {
  constructor(
    readonly status: number,
    readonly body: string,
  ) {
    super(`HTTP ${status}: ${body}`);
    this.name = "CallFailed";
  }
}

/** Where calls go, and what goes with each of them. */
export interface Options {
  readonly headers?: Metadata;
  readonly fetch?: typeof fetch;
}

/** POST /NAMESPACE/FUNCTION with the argument as JSON. */
export async function post<A, B>(base: string, path: string, argument: A, options: Options): Promise<B> {
  const send = options.fetch ?? fetch;
  const answer = await send(`${base.replace(/\\/$/, "")}/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...options.headers },
    body: JSON.stringify(argument),
  });
  const text = await answer.text();
  if (!answer.ok) {
    throw new CallFailed(answer.status, text);
  }
  return JSON.parse(text) as B;
}
"""


def generate(schema: Schema, package: str) -> list[File]:
    """The files; `package` is the folder they are in."""
    folder = f"{package.replace('.', '/')}/" if package else ""
    files = {f"{folder}transport.ts": _TRANSPORT}
    for module in schema.modules.values():
        files[f"{folder}{_file(module.name)}.ts"] = _TypeScriptModule(schema, module).text()
    return in_order(files)


def _file(module: str) -> str:
    return snake(module).replace("_", "-")


class _TypeScriptModule:
    def __init__(self, schema: Schema, module: Module) -> None:
        self._schema = schema
        self._module = module

    def text(self) -> str:
        """The whole file."""
        module = self._module
        functions = [each for each in module.functions if not each.stream]
        blocks = [f"// Made from {module.name}.pg by `bascule contract generate`: do not edit."]
        imports = self._imports(functions)
        if imports:
            blocks.append("\n".join(imports))
        blocks += [self._definition(each) for each in module.definitions]
        if functions:
            blocks.append(self._client(functions))
        return "\n\n".join(blocks) + "\n"

    def _imports(self, functions: list[Function]) -> list[str]:
        kinds = [kind for each in functions for kind in (each.argument, each.result)]
        kinds += [kind for each in self._module.definitions for kind in types_of(each)]
        others = sorted({ref.module for kind in kinds for ref in refs_in(kind)} - {self._module.name})
        lines = [f'import type * as {name} from "./{_file(name)}.js";' for name in others]
        if functions:
            lines.append('import { post, type Options } from "./transport.js";')
        return lines

    def _definition(self, definition: Definition) -> str:
        doc = _comment(definition.doc, "")
        name = definition.ref.name
        if isinstance(definition, Enum):
            return f"{doc}export type {name} = {' | '.join(json.dumps(each.wire) for each in definition.members)};"
        if isinstance(definition, Record):
            return f"{doc}export interface {name} {self._fields(definition.fields)}"
        if isinstance(definition, Sum):
            cases = [
                f"{{ readonly {each.wire}: {self._fields(each.fields)} }}" if each.fields else json.dumps(each.wire)
                for each in definition.cases
            ]
            return f"{doc}export type {name} =\n  | " + "\n  | ".join(cases) + ";"
        target = definition.targets.get("typescript", "string" if "python" in definition.targets else "unknown")
        return f"{doc}export type {name} = {target};"

    def _fields(self, fields: tuple[Field, ...]) -> str:
        lines = ["{"]
        for each in fields:
            optional = "" if each.default is None else "?"
            lines.append(f"{_comment(each.doc, '  ')}  readonly {each.wire}{optional}: {self._type(each.type)};")
        return "\n".join([*lines, "}"])

    def _type(self, kind: Type) -> str:
        target = kind.target
        if isinstance(target, Ref):
            return target.name if target.module == self._module.name else f"{target.module}.{target.name}"
        inner = [self._type(each) for each in kind.arguments]
        if target is Builtin.MAYBE:
            return f"{inner[0]} | null"
        if target is Builtin.WRAPPED:
            return f"{{ readonly just: {inner[0]} }} | null"
        if target in (Builtin.LIST, Builtin.SET):
            return f"ReadonlyArray<{inner[0]}>"
        if target is Builtin.MAP:
            return f"Readonly<Record<string, {inner[1]}>>"
        return _TYPES.get(target, "string")

    def _client(self, functions: list[Function]) -> str:
        doc = _comment(self._module.doc or f"Calls the functions of {self._module.name}.", "")
        lines = [f"{doc}export class {self._module.name}Client {{"]
        lines += ["  constructor(", "    private readonly base: string,", "    private readonly options: Options = {},"]
        lines.append("  ) {}")
        for each in functions:
            path = "/".join([*self._module.namespace, each.wire])
            argument, result = self._type(each.argument), self._type(each.result)
            lines += ["", f"{_comment(each.doc, '  ')}  {each.name}(argument: {argument}): Promise<{result}> {{"]
            lines += [f'    return post(this.base, "{path}", argument, this.options);', "  }"]
        return "\n".join([*lines, "}"])


def _comment(doc: str, indent: str) -> str:
    lines = doc.replace("*/", "* /").splitlines()
    if not lines:
        return ""
    if len(lines) == 1:
        return f"{indent}/** {lines[0]} */\n"
    return "\n".join([f"{indent}/**", *(f"{indent} * {line}".rstrip() for line in lines), f"{indent} */"]) + "\n"
