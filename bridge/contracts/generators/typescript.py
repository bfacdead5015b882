"""TypeScript clients over HTTP: types for what goes over the wire, and a class that posts it.

JSON is TypeScript's own, so values need no conversion: records are interfaces with the wire's names, enums unions of
texts, nothing is null. Only whole numbers that a `number` would round, which JSON.parse does, are `bigint`s, and may be
given as such. One file per module, and `transport.ts` with what they share; nothing needs a library, `fetch` is the
platform's. A function that streams gives an `AsyncGenerator`, over server-sent events.

Definitions keep their names: what is imported gets out of their way, and what is TypeScript's own is named in full
where a definition has its name (`globalThis.Promise`).

An error that a function's definition names is an `Error` of a class of its own, with the record as its `value`:
`MissingRaised` for the record Missing.

Before its first call a client has the server compare contracts; what both can live with passes.
"""

from __future__ import annotations

import json

from bascule.bridge.contracts.generators import File, in_order
from bascule.bridge.contracts.generators.description import ref_name, whole_contract
from bascule.bridge.contracts.generators.jsonschema import FOREIGN
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
    Builtin.BOOL: "boolean",
    Builtin.INT32: "number",
    Builtin.INT64: "transport.Whole",
    Builtin.INTEGER: "transport.Whole",
    Builtin.DURATION: "transport.Whole",
    Builtin.DOUBLE: "number",
}
_TRANSPORT = """\
// What the generated clients share. Made by `bascule contract generate`: do not edit.

/** Headers that go with a call, and come back with its answer. */
export type Metadata = Record<string, string>;

/** A whole number: a `bigint` where a `number` would be another one. */
export type Whole = number | bigint;

// Before what stands for a bigint as a text, while it is read or written: nothing that anybody would send.
const mark = `bigint ${Math.random()} ${Math.random()} `;
const written = new RegExp(`"${mark}(-?[0-9]+)"`, "g");

/** A value of its JSON, with no digit lost. */
export function read(text: string): unknown {
  if (!/[0-9]{16}/.test(text)) {
    return JSON.parse(text);
  }
  const marked = text.replace(/"[^"\\\\]*(?:\\\\.[^"\\\\]*)*"|-?[0-9][0-9.eE+-]*/g, (token) =>
    /^-?[0-9]{16,}$/.test(token) && !Number.isSafeInteger(Number(token)) ? `"${mark}${token}"` : token,
  );
  return JSON.parse(marked, (_, value: unknown) =>
    typeof value === "string" && value.startsWith(mark) ? BigInt(value.slice(mark.length)) : value,
  );
}

/** The JSON of a value, which may have bigints. */
export function write(value: unknown): string {
  const text = JSON.stringify(value, function (this: Readonly<Record<string, unknown>>, key, each: unknown) {
    const given = this[key]; // as it was before anybody's toJSON
    return typeof given === "bigint" ? `${mark}${given}` : each;
  });
  return text.replace(written, "$1");
}

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

/** Errors that a function's definition names, by what they are called on the wire. */
export type Declared = Readonly<Record<string, (value: never) => Error>>;

/** What to throw for an answer that is no result. */
function failure(status: number, body: string, declared: Declared): Error {
  try {
    const told = read(body) as { readonly raised?: string; readonly value?: unknown };
    const made = Object.hasOwn(declared, told.raised ?? "") ? declared[told.raised ?? ""] : undefined;
    if (made !== undefined) {
      return made(told.value as never);
    }
  } catch {
    // It is no JSON, so it is no error that a definition names.
  }
  return new CallFailed(status, body);
}

/** What a line of an event says; only a line feed ends one. */
function line(event: string, name: string): string | undefined {
  return event
    .split("\\n")
    .find((each) => each.startsWith(name))
    ?.slice(name.length);
}

/** What is mounted is of another contract, and that would hurt. */
export class ContractMismatch extends Error {
  constructor(
    readonly namespace: string,
    readonly breaking: ReadonlyArray<string>,
  ) {
    super(`the contract of ${namespace} is not the one that this client was made for:\\n  ${breaking.join("\\n  ")}`);
    this.name = "ContractMismatch";
  }
}

/** Where calls go, and what goes with each of them. */
export interface Options {
  readonly headers?: Metadata;
  readonly fetch?: typeof fetch;
  /** Called with the headers of each answer. */
  readonly onMetadata?: (metadata: Metadata) => void;
}

/** One server, and the contract that it must have. */
export class Connection {
  private checked: Promise<void> | null = null;

  constructor(
    private readonly base: string,
    private readonly namespace: string,
    private readonly contract: string,
    private readonly options: Options,
  ) {}

  /** Have the server compare its contract with this one: once, unless that failed. */
  connect(): Promise<void> {
    this.checked ??= this.compare().catch((error: unknown) => {
      this.checked = null;
      throw error;
    });
    return this.checked;
  }

  /** POST /NAMESPACE/FUNCTION with the argument as JSON. */
  async post<A, B>(name: string, argument: A, declared: Declared = {}): Promise<B> {
    await this.connect();
    return read(await (await this.send(name, argument, "application/json", declared)).text()) as B;
  }

  /** The same for what comes as server-sent events, one for each value. */
  async *stream<A, B>(name: string, argument: A, declared: Declared = {}): AsyncGenerator<B, void, void> {
    await this.connect();
    const answer = await this.send(name, argument, "text/event-stream", declared);
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    try {
      for (;;) {
        const chunk = await reader?.read();
        if (chunk === undefined || chunk.done) {
          throw new CallFailed(answer.status, "the stream broke off");
        }
        const events = (rest + chunk.value).split("\\n\\n");
        rest = events.pop() ?? "";
        for (const event of events) {
          const name = line(event, "event: ");
          const data = line(event, "data: ");
          if (name === "end") {
            return;
          }
          if (name === "error") {
            throw failure(answer.status, data ?? "", declared);
          }
          if (data !== undefined) {
            yield read(data) as B;
          }
        }
      }
    } finally {
      await reader?.cancel();
    }
  }

  private async compare(): Promise<void> {
    const answer = await this.send("contract__", this.contract, "application/json", {});
    const told = (await answer.json()) as { readonly breaking?: ReadonlyArray<string> };
    if (told.breaking !== undefined && told.breaking.length > 0) {
      throw new ContractMismatch(this.namespace, told.breaking);
    }
  }

  private async send<A>(name: string, argument: A, accept: string, declared: Declared): Promise<Response> {
    const send = this.options.fetch ?? fetch;
    const answer = await send(`${this.base.replace(/\\/$/, "")}/${this.namespace}/${name}`, {
      method: "POST",
      headers: { "content-type": "application/json", accept, ...this.options.headers },
      body: write(argument),
    });
    if (!answer.ok) {
      throw failure(answer.status, await answer.text(), declared);
    }
    this.options.onMetadata?.(Object.fromEntries(answer.headers.entries()));
    return answer;
  }
}
"""


def generate(schema: Schema, package: str) -> list[File]:
    """The files; `package` is the folder they are in."""
    folder = f"{package.replace('.', '/')}/" if package else ""
    files = {f"{folder}{_transport(schema)}.ts": _TRANSPORT}
    for module in schema.modules.values():
        files[f"{folder}{_file(module.name)}.ts"] = _TypeScriptModule(schema, module).text()
    return in_order(files)


def _file(module: str) -> str:
    return snake(module).replace("_", "-")


def _transport(schema: Schema) -> str:
    """What the file is called that all of them share, where no module has its name."""
    name = "transport"
    while name in {_file(each.name) for each in schema.modules.values()}:
        name += "_"
    return name


class _TypeScriptModule:
    def __init__(self, schema: Schema, module: Module) -> None:
        self._schema = schema
        self._module = module
        everything = schema.modules.values()
        self._taken = {each.ref.name for each in module.definitions}
        self._client_class = self._free(f"{module.name}Client")
        self._taken.add(self._client_class)
        self._raised = sorted({ref for each in everything for function in each.functions for ref in function.raises})

    def text(self) -> str:
        """The whole file."""
        module = self._module
        functions = list(module.functions)
        blocks = [f"// Made from {module.name}.pg by `bascule contract generate`: do not edit."]
        imports = self._imports(functions)
        if imports:
            blocks.append("\n".join(imports))
        blocks += [self._definition(each) for each in module.definitions]
        blocks += [self._error(ref) for ref in self._raised if ref.module == module.name]
        if functions:
            blocks.append(self._client(functions))
        return "\n\n".join(blocks) + "\n"

    def _imports(self, functions: list[Function]) -> list[str]:
        kinds = [kind for each in functions for kind in (each.argument, each.result)]
        kinds += [Type(ref) for each in functions for ref in each.raises]
        kinds += [kind for each in self._module.definitions for kind in types_of(each)]
        others = sorted({ref.module for kind in kinds for ref in refs_in(kind)} - {self._module.name})
        lines = [f'import type * as {self._free(name)} from "./{_file(name)}.js";' for name in others]
        raised = {ref for each in functions for ref in each.raises if ref.module != self._module.name}
        for ref in sorted(raised):
            name = self._error_name(ref)
            lines.append(f'import {{ {name} as {self._error_here(ref)} }} from "./{_file(ref.module)}.js";')
        whole = any("transport." in self._type(kind) for kind in kinds)
        if functions or whole or any(ref.module == self._module.name for ref in self._raised):
            lines.append(f'import * as transport from "./{_transport(self._schema)}.js";')
        return lines

    def _free(self, name: str) -> str:
        """A name that no definition of this module has."""
        while name in self._taken:
            name += "_"
        return name

    def _own(self, name: str) -> str:
        """A name of TypeScript's own, in full where a definition of this module has it."""
        return f"globalThis.{name}" if name in self._taken else name

    def _error_name(self, ref: Ref) -> str:
        """The class of an error; the definitions of its module have their names first."""
        taken = {each.ref.name for each in self._schema.modules[ref.module].definitions}
        name = f"{ref.name}Raised"
        while name in taken:
            name += "_"
        return name

    def _error_here(self, ref: Ref) -> str:
        """What this module calls it."""
        name = self._error_name(ref)
        return name if ref.module == self._module.name else self._free(f"{ref.module}_{name}")

    def _error(self, ref: Ref) -> str:
        name = self._error_name(ref)
        return f"""\
/** {ref.name}, as the error that a call ends with. */
export class {name} extends globalThis.Error {{
  constructor(readonly value: {ref.name}) {{
    super(`{ref.name}: ${{transport.write(value)}}`);
    this.name = "{name}";
  }}
}}"""

    def _declared(self, function: Function) -> str:
        """The errors that a call may end with, as one more argument of the connection's methods."""
        rows = []
        for ref in function.raises:
            kind = self._type(Type(ref))
            rows.append(f'"{ref_name(ref)}": (value: {kind}) => new {self._error_here(ref)}(value)')
        return f", {{ {', '.join(rows)} }}" if rows else ""

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
        # What a converter makes of a type of Python's is known of some alone, which become texts.
        default = "string" if definition.targets.get("python") in FOREIGN else "unknown"
        target = definition.targets.get("typescript", default)
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
            return target.name if target.module == self._module.name else f"{self._free(target.module)}.{target.name}"
        inner = [self._type(each) for each in kind.arguments]
        if target is Builtin.MAYBE:
            return f"{inner[0]} | null"
        if target is Builtin.WRAPPED:
            return f"{{ readonly just: {inner[0]} }} | null"
        if target in (Builtin.LIST, Builtin.SET):
            return f"{self._own('ReadonlyArray')}<{inner[0]}>"
        if target is Builtin.MAP:
            return f"{self._own('Readonly')}<{self._own('Record')}<string, {inner[1]}>>"
        if target is Builtin.UNIT:
            return f"{self._own('Record')}<string, never>"
        return _TYPES.get(target, "string")

    def _client(self, functions: list[Function]) -> str:
        doc = _comment(self._module.doc or f"Calls the functions of {self._module.name}.", "")
        contract = json.dumps(whole_contract(self._schema, self._module), ensure_ascii=False)
        namespace = "/".join(self._module.namespace)
        lines = [f"const contract =\n  {contract};", ""]
        lines += [f"{doc}export class {self._client_class} {{"]
        lines += ["  readonly connection: transport.Connection;", ""]
        lines += ["  constructor(base: string, options: transport.Options = {}) {"]
        lines += [f'    this.connection = new transport.Connection(base, "{namespace}", contract, options);', "  }"]
        for each in functions:
            argument, result = self._type(each.argument), self._type(each.result)
            kind, method = (
                (f"{self._own('AsyncGenerator')}<{result}, void, void>", "stream")
                if each.stream
                else (f"{self._own('Promise')}<{result}>", "post")
            )
            name = f"{each.name}_" if each.name in ("connection", "constructor") else each.name
            lines += ["", f"{_comment(each.doc, '  ')}  {name}(argument: {argument}): {kind} {{"]
            lines += [f'    return this.connection.{method}("{each.wire}", argument{self._declared(each)});', "  }"]
        return "\n".join([*lines, "}"])


def _comment(doc: str, indent: str) -> str:
    lines = doc.replace("*/", "* /").splitlines()
    if not lines:
        return ""
    if len(lines) == 1:
        return f"{indent}/** {lines[0]} */\n"
    return "\n".join([f"{indent}/**", *(f"{indent} * {line}".rstrip() for line in lines), f"{indent} */"]) + "\n"
