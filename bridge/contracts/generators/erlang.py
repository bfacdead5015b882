"""Erlang clients over the application `py`: a module for each module with functions.

Records are maps with atom keys, enums atoms in lower case, texts binaries, nothing is `undefined`; a sum's case is an
atom, or `{Case, Fields}`. A Map's keys are of their type, Bytes are the binary itself, a Set is a list; a Timestamp, a
Uuid and a Decimal are binaries with their text, a Duration is a number of microseconds. A Unit is `undefined`, and
`unit` where a Maybe holds one.

`py` carries the plain form, whose keys are binaries; the functions between the two are generated, one pair for each
type. A function that streams takes a fun and folds it over the values.

An error that a function's definition names is raised as `error:{Name, Record}`, `{missing, #{what := ...}}` for the
record Missing; the type `find_error()` has those of the function `find`.

Before its first call a module has the server compare contracts, `connect/0,1`; what both can live with passes.
"""

from __future__ import annotations

import re
from typing import Final

from bascule.bridge.contracts.generators import File, in_order
from bascule.bridge.contracts.generators.description import ref_name, whole_contract
from bascule.bridge.contracts.names import snake
from bascule.bridge.contracts.schema import (
    Builtin,
    Case,
    Definition,
    Enum,
    Field,
    Foreign,
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
    Builtin.UNIT: "undefined",
    Builtin.BOOL: "boolean()",
    Builtin.INT32: "integer()",
    Builtin.INT64: "integer()",
    Builtin.INTEGER: "integer()",
    Builtin.DURATION: "integer()",
    Builtin.DOUBLE: "float()",
}
_PIECE = re.compile(r"(?:\\.|[^\\]){1,90}", re.DOTALL)
_CONNECT = """\
%% @doc Have the server compare its contract with this one. The first call does it, too.
-spec connect() -> ok.
connect() ->
    connect(#{}).

%% @doc The same with options of the call, see py_options. Fails with `{contract_mismatch, [Difference]}'.
-spec connect(py:options()) -> ok.
connect(Options) ->
    Choice = Options#{strings => binary, maps => true, want => value},
    case py:func('NAMESPACE', 'contract__', [contract()], Choice) of
        #{<<"breaking">> := [_ | _] = Breaking} -> error({contract_mismatch, Breaking});
        #{} -> persistent_term:put({?MODULE, connected}, true)
    end.

connected(Options) ->
    persistent_term:get({?MODULE, connected}, false) orelse connect(Options).

contract() ->
    CONTRACT."""
_DECLARED = """\
declared(Call, Decoders) ->
    try
        Call()
    catch
        error:{py_error, #{details := #{<<"raised">> := Name, <<"value">> := Value}} = Error}:Stack ->
            case Decoders of
                #{Name := Decode} -> erlang:raise(error, Decode(Value), Stack);
                #{} -> erlang:raise(error, {py_error, Error}, Stack)
            end
    end."""
_OWN = frozenset(("connect", "declared", "connected", "contract", "optional", "wrapped", "module_info"))
_HELPERS = """\
optional(_Code, undefined) -> undefined;
optional(Code, Value) -> Code(Value).

wrapped(_Code, undefined) -> undefined;
wrapped(Code, {just, Value}) -> #{<<"just">> => Code(Value)};
wrapped(Code, #{<<"just">> := Value}) -> {just, Code(Value)}."""


def generate(schema: Schema, package: str) -> list[File]:
    """The modules, `shop_client.erl` for the module Shop; `package` is what their names begin with."""
    prefix = f"{snake(package.replace('.', '_'))}_" if package else ""
    files = {}
    for module in schema.modules.values():
        if module.functions:
            name = f"{prefix}{snake(module.name)}_client"
            files[f"{name}.erl"] = _ErlangModule(schema, module, name).text()
    return in_order(files)


_PREDEFINED_TEXT: Final = """
    any arity atom binary bitstring bool boolean byte char cons dynamic float fun function identifier integer iodata
    iolist list map maybe_improper_list mfa module neg_integer nil no_return node non_neg_integer none
    nonempty_binary nonempty_bitstring nonempty_improper_list nonempty_list nonempty_maybe_improper_list
    nonempty_string nonempty_tuple number pid port pos_integer product range record reference string term timeout
    tuple union
"""
_PREDEFINED: Final = frozenset(_PREDEFINED_TEXT.split())
"""Types that no module can define."""


class _ErlangModule:
    def __init__(self, schema: Schema, module: Module, name: str) -> None:
        self._schema = schema
        self._module = module
        self._name = name
        functions = self._functions = module.functions
        self._encoded = self._reached([each.argument for each in functions])
        raised = [Type(ref) for each in functions for ref in each.raises]
        self._decoded = self._reached([*(each.result for each in functions), *raised])
        # This module's own definitions come first; those of others get out of their way.
        used = sorted({*self._encoded, *self._decoded}, key=lambda ref: (ref.module != module.name, ref))
        self._atoms = self._named(used, set())
        self._types = self._named(used, {*_PREDEFINED, *(f"{each.wire}_error" for each in functions)})

    def _named(self, refs: list[Ref], taken: set[str]) -> dict[Ref, str]:
        """A name for each definition that nothing else has."""
        found = {}
        for ref in refs:
            name = snake(ref.name) if ref.module == self._module.name else f"{snake(ref.module)}_{snake(ref.name)}"
            while name in taken:
                name += "_"
            taken.add(name)
            found[ref] = name
        return found

    def _reached(self, kinds: list[Type]) -> list[Ref]:
        found: dict[Ref, None] = {}
        waiting = [ref for kind in kinds for ref in refs_in(kind)]
        while waiting:
            ref = waiting.pop()
            if ref not in found:
                found[ref] = None
                waiting += [inner for kind in types_of(self._schema.definition(ref)) for inner in refs_in(kind)]
        return sorted(found)

    def text(self) -> str:
        """The whole file."""
        both = sorted({*self._encoded, *self._decoded})
        exports = ", ".join(
            f"'{self._called(each)}'/{arity}"
            for each in self._functions
            for arity in ((3, 4) if each.stream else (1, 2))
        )
        errors = [f"{self._called(each)}_error" for each in self._functions if each.raises]
        types = ", ".join(f"'{name}'/0" for name in [*map(self._types.__getitem__, both), *errors])
        doc = self._module.doc or f"The module {self._module.name}."
        lines = [*(f"%% {line}".rstrip() for line in doc.splitlines()), "%%"]
        lines += [f"%% Made from {self._module.name}.pg by `bascule contract generate': do not edit."]
        lines += [f"-module({self._name}).", "", "-export([connect/0, connect/1]).", f"-export([{exports}])."]
        if types:
            lines.append(f"-export_type([{types}]).")
        # What a module does not need of the helpers is no reason to warn.
        lines += ["-compile({nowarn_unused_function, [{optional, 2}, {wrapped, 2}]}).", ""]
        lines += [self._type_of(self._schema.definition(ref)) for ref in both]
        lines += [self._error_type(each) for each in self._functions if each.raises]
        lines += [line for each in self._functions for line in self._function(each)]
        lines += [line for ref in self._encoded for line in self._coder("encode", self._schema.definition(ref))]
        lines += [line for ref in self._decoded for line in self._coder("decode", self._schema.definition(ref))]
        connect = _CONNECT.replace("NAMESPACE", ".".join(self._module.namespace)).replace("CONTRACT", self._contract())
        return "\n".join([*lines, "", connect, "", *([_DECLARED, ""] if errors else []), _HELPERS]) + "\n"

    def _contract(self) -> str:
        """The contract's JSON as an Erlang binary, in pieces of a line's length."""
        text = whole_contract(self._schema, self._module).replace("\\", "\\\\").replace('"', '\\"')
        pieces = _PIECE.findall(text)
        return "<<\n" + "\n".join(f'        "{each}"' for each in pieces) + "/utf8\n    >>"

    # ---- Types

    def _type_of(self, definition: Definition) -> str:
        doc = "".join(f"%% {line}\n" for line in definition.doc.splitlines())
        return f"{doc}-type '{self._types[definition.ref]}'() :: {self._spelled(definition)}."

    def _spelled(self, definition: Definition) -> str:
        if isinstance(definition, Enum):
            return " | ".join(f"'{each.wire.lower()}'" for each in definition.members)
        if isinstance(definition, Record):
            return self._map_type(definition.fields)
        if isinstance(definition, Sum):
            return " | ".join(
                f"{{'{each.wire.lower()}', {self._map_type(each.fields)}}}" if each.fields else f"'{each.wire.lower()}'"
                for each in definition.cases
            )
        return "term()"

    def _map_type(self, fields: tuple[Field, ...]) -> str:
        parts = [f"'{each.wire}' {'=>' if each.default else ':='} {self._type(each.type)}" for each in fields]
        return f"#{{{', '.join(parts)}}}"

    def _type(self, kind: Type) -> str:
        if isinstance(kind.target, Ref):
            return f"'{self._types[kind.target]}'()"
        inner = [self._type(each) for each in kind.arguments]
        if kind.target is Builtin.MAYBE:
            return f"{'unit' if kind.arguments[0].target is Builtin.UNIT else inner[0]} | undefined"
        if kind.target is Builtin.WRAPPED:
            return f"{{just, {inner[0]}}} | undefined"
        if kind.target in (Builtin.LIST, Builtin.SET):
            return f"[{inner[0]}]"
        if kind.target is Builtin.MAP:
            return f"#{{{inner[0]} => {inner[1]}}}"
        return _TYPES.get(kind.target, "binary()")

    # ---- Functions

    def _called(self, each: Function) -> str:
        """A function's name here: what the module itself has comes first."""
        own = {f"{way}_{self._atoms[ref]}" for way in ("encode", "decode") for ref in {*self._encoded, *self._decoded}}
        return f"{each.wire}_" if each.wire in own | _OWN else each.wire

    def _error_type(self, each: Function) -> str:
        cases = " | ".join(f"{{'{self._atoms[ref]}', '{self._types[ref]}'()}}" for ref in each.raises)
        name = self._called(each)
        return f"%% What '{name}' may raise, as `error:Reason'.\n-type '{name}_error'() :: {cases}."

    def _declared(self, each: Function, lines: list[str]) -> list[str]:
        """A body, of which the errors that its definition names are told apart."""
        if not each.raises:
            return lines
        decoders = ", ".join(
            f"<<\"{ref_name(ref)}\">> => fun(Value) -> {{'{self._atoms[ref]}', 'decode_{self._atoms[ref]}'(Value)}} end"
            for ref in each.raises
        )
        body = [f"    {line}" for line in lines]
        return [
            "    Call = fun() ->",
            *body[:-1],
            body[-1].removesuffix("."),
            "    end,",
            f"    declared(Call, #{{{decoders}}}).",
        ]

    def _function(self, each: Function) -> list[str]:
        name, argument = self._called(each), self._type(each.argument)
        doc = [f"%% @doc {line}" if number == 0 else f"%% {line}" for number, line in enumerate(each.doc.splitlines())]
        given = "_Unit" if each.argument.target is Builtin.UNIT else "Argument"
        namespace = ".".join(self._module.namespace)
        what = f"'{namespace}', '{each.wire}', [{self._encode(each.argument, 'Argument')}], Choice"
        if each.stream:
            item = self._decode(each.result, "Each")
            spec = f"-spec '{name}'({argument}, fun(({self._type(each.result)}, Acc) -> Acc), Acc"
            return [
                "",
                *(doc or ["%% @doc Folds a fun over the values of the stream."]),
                f"{spec}) -> Acc.",
                f"'{name}'(Argument, Fun, Acc) ->",
                f"    '{name}'(Argument, Fun, Acc, #{{}}).",
                "",
                "%% @doc The same with options of the call, see py_options.",
                f"{spec}, py:options()) -> Acc.",
                f"'{name}'({given}, Fun, Acc, Options) ->",
                "    _ = connected(Options),",
                "    Choice = Options#{strings => binary, maps => true, want => value},",
                *self._declared(
                    each,
                    [
                        f"    Stream = py:stream({what}),",
                        f"    Step = fun({_bound('Each', item)}, Now) -> Fun({item}, Now) end,",
                        "    py_stream:fold(Step, Acc, Stream).",
                    ],
                ),
            ]
        spec = f"-spec '{name}'({argument}"
        made = self._decode(each.result, "Result")
        result = self._type(each.result)
        return [
            "",
            *doc,
            f"{spec}) -> {result}.",
            f"'{name}'(Argument) ->",
            f"    '{name}'(Argument, #{{}}).",
            "",
            "%% @doc The same with options of the call, see py_options.",
            f"{spec}, py:options()) -> {result}.",
            f"'{name}'({given}, Options) ->",
            "    _ = connected(Options),",
            "    Choice = Options#{strings => binary, maps => true, want => value},",
            *self._declared(each, [f"    {_bound('Result', made)} = py:func({what}),", f"    {made}."]),
        ]

    def _coder(self, way: str, definition: Definition) -> list[str]:
        name = f"'{way}_{self._atoms[definition.ref]}'"
        encodes = way == "encode"
        if isinstance(definition, Foreign):
            return ["", f"{name}(Value) -> Value."]
        if isinstance(definition, Enum):
            pairs = [(f"'{each.wire.lower()}'", f'<<"{each.wire}">>') for each in definition.members]
            return ["", ";\n".join(f"{name}({a}) -> {b}" if encodes else f"{name}({b}) -> {a}" for a, b in pairs) + "."]
        if isinstance(definition, Record):
            head, body = self._map(way, definition.fields)
            return ["", f"{name}({head}) ->", f"    {body}."]
        clauses = [self._case(way, name, each) for each in definition.cases]
        return ["", ";\n".join(clauses) + "."]

    def _case(self, way: str, name: str, case: Case) -> str:
        atom, wire = f"'{case.wire.lower()}'", f'<<"{case.wire}">>'
        encodes = way == "encode"
        if not case.fields:
            return f"{name}({atom}) -> {wire}" if encodes else f"{name}({wire}) -> {atom}"
        head, body = self._map(way, case.fields)
        if encodes:
            return f"{name}({{{atom}, {head}}}) ->\n    #{{{wire} => {body}}}"
        return f"{name}(#{{{wire} := {head}}}) ->\n    {{{atom}, {body}}}"

    def _map(self, way: str, fields: tuple[Field, ...]) -> tuple[str, str]:
        """What is matched, and what is made of it. What has a default may be left out on the way in."""
        encodes = way == "encode"
        heads, bodies, optional = [], [], []
        for index, each in enumerate(fields):
            atom, wire = f"'{each.wire}'", f'<<"{each.wire}">>'
            if encodes and each.default is not None:
                code = self._encode(each.type, "Given")
                given = _bound("Given", code)
                optional.append(f"maps:from_list([{{{wire}, {code}}} || #{{{atom} := {given}}} <- [Record]])")
                continue
            code = self._encode(each.type, f"V{index}") if encodes else self._decode(each.type, f"V{index}")
            heads.append(f"{atom if encodes else wire} := {_bound(f'V{index}', code)}")
            bodies.append(f"{wire if encodes else atom} => {code}")
        head, body = f"#{{{', '.join(heads)}}}", f"#{{{', '.join(bodies)}}}"
        for more in optional:
            body = f"maps:merge({body}, {more})"
        return (f"{head} = Record" if optional else head), body

    # ---- Values

    def _encode(self, kind: Type, name: str) -> str:
        return self._code("encode", kind, name)

    def _decode(self, kind: Type, name: str) -> str:
        return self._code("decode", kind, name)

    def _code(self, way: str, kind: Type, name: str) -> str:
        target = kind.target
        if isinstance(target, Ref):
            return f"'{way}_{self._atoms[target]}'({name})"
        if target is Builtin.UNIT:
            return "#{}" if way == "encode" else "undefined"
        if target is Builtin.DOUBLE:
            return f"float({name})"
        if target is Builtin.BYTES:
            return f"base64:{way}({name})"
        if not kind.arguments:
            return name
        inner = f"{name}x"
        code = self._code(way, kind.arguments[-1], inner)
        if target is Builtin.MAP:
            key = self._key(way, kind.arguments[0], f"{name}k")
            if (key, code) == (f"{name}k", inner):
                return name
            return f"maps:from_list([{{{key}, {code}}} || {{{name}k, {_bound(inner, code)}}} <- maps:to_list({name})])"
        if code == inner and target is not Builtin.WRAPPED:
            return name
        if target is Builtin.MAYBE:
            if way == "decode" and kind.arguments[0].target is Builtin.UNIT:
                code = "unit"
            return f"optional(fun({_bound(inner, code)}) -> {code} end, {name})"
        if target is Builtin.WRAPPED:
            return f"wrapped(fun({_bound(inner, code)}) -> {code} end, {name})"
        return f"[{code} || {_bound(inner, code)} <- {name}]"

    def _key(self, way: str, kind: Type, name: str) -> str:
        """A Map's key, which is text on the wire."""
        if kind.target in (Builtin.INT32, Builtin.INT64, Builtin.INTEGER):
            return f"{'integer_to_binary' if way == 'encode' else 'binary_to_integer'}({name})"
        return self._code(way, kind, name)


def _bound(name: str, code: str) -> str:
    """A variable where it gets its value: Erlang's compiler warns of one that nothing uses."""
    return name if re.search(rf"\b{name}\b", code) else f"_{name}"
