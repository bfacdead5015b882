"""Clojure clients over a pod: a namespace for each module with functions, with docstrings and arglists.

Records are maps with keywords in kebab-case, enums keywords, nothing is nil; a sum's case is a keyword, or a vector of
the case and its fields. A Map's keys are of their type, a Set is a set, Bytes are an array of bytes; a Timestamp, a
Uuid and a Decimal are texts, a Duration is a number of microseconds. A Unit is nil, and {} where a Maybe holds one.

The functions call the vars of the pod's namespace, which a client has once it has loaded the pod (`bascule pod
--attach` shows what a service mounts). A function that streams takes a callback too, as `py/stream` does: deref of what
it gives waits for the end.

An error that a function's definition names is thrown as an `ex-info` whose data has a `:type`, such as `:plus/missing`
for the record Missing of the module Plus, and the record as its `:value`.

Before its first call a namespace has the server compare contracts, `(connect)`; what both can live with passes.
"""

from __future__ import annotations

import json

from bascule.bridge.contracts.generators import File, in_order
from bascule.bridge.contracts.generators.description import ref_name, whole_contract
from bascule.bridge.contracts.names import snake
from bascule.bridge.contracts.schema import (
    Builtin,
    Definition,
    Enum,
    Field,
    Foreign,
    Function,
    Module,
    Record,
    Ref,
    Schema,
    Type,
    refs_in,
    types_of,
)

_PRELUDE = """\
(defn- pod-var
  "A function of the pod: it is looked up when it is called, since the pod is loaded at run time."
  [name]
  (or (resolve name) (throw (ex-info (str "there is no " name ": load the pod first") {:var name}))))

(defn- member
  "The other side of an enum's pair."
  [table value]
  (or (get table value) (throw (ex-info (str "expected one of " (keys table) ", found " (pr-str value)) {}))))

(defn- text
  "A key as the text that it is on the wire: those of maps may come as keywords."
  [key]
  (if (keyword? key) (subs (str key) 1) (str key)))

(defn- field
  "A field of a record; its name is a keyword or a text, as the pod's format has it."
  [record name]
  (get record (keyword name) (get record name)))"""


_DECLARED = """\
(defn- declared
  "Throws what a call failed with: as what the definitions say that it is, if they say it."
  [problem readers]
  (let [details (:details (ex-data problem))
        [type read] (get readers (field details "raised"))]
    (throw (if type
             (ex-info (ex-message problem) {:type type :value (read (field details "value"))} problem)
             problem))))"""


_CONNECT = """\
(def ^:private contract
  CONTRACT)

(def ^:private connected (atom false))

(defn connect
  "Has the server compare its contract with this one. The first call does it, too."
  []
  (let [told ((pod-var 'NAMESPACE/contract--) contract)
        breaking (field told "breaking")]
    (when (seq breaking)
      (throw (ex-info (str "the contract of NAMESPACE is not the one that this client was made for: " (vec breaking))
                      {:breaking (vec breaking)})))
    (reset! connected true)))"""


_WORDS = """
and assoc atom cond contains? declare def defn do double ex-info first fn get if into keys let loop map mapv name new or
quote recur resolve second seq str throw try var vec when connect connected contract declared member pod-var
catch ex-data ex-message text field bigint keyword? subs key pr-str when-some when-not
"""
_OWN = frozenset(_WORDS.split())
"""What is used here, of Clojure and of our own."""


def generate(schema: Schema, package: str) -> list[File]:
    """The namespaces, `shop-client` for the module Shop; `package` is what their names begin with."""
    files = {}
    for module in schema.modules.values():
        if module.functions:
            name = f"{package}.{_kebab(module.name)}-client" if package else f"{_kebab(module.name)}-client"
            path = name.replace(".", "/").replace("-", "_") + ".clj"
            files[path] = _Namespace(schema, module, name).text()
    return in_order(files)


def _kebab(name: str) -> str:
    return snake(name).replace("_", "-")


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


class _Namespace:
    def __init__(self, schema: Schema, module: Module, name: str) -> None:
        self._schema = schema
        self._module = module
        self._name = name
        self._functions = module.functions

    def text(self) -> str:
        """The whole file."""
        module = self._module
        refs = self._reached()
        origin = f"Made from {module.name}.pg by `bascule contract generate`."
        doc = f"{module.doc or f'The module {module.name}.'}\n\n{origin}"
        namespace = ".".join(module.namespace).replace("_", "-")
        contract = _string(whole_contract(self._schema, module))
        connect = _CONNECT.replace("NAMESPACE", namespace).replace("CONTRACT", contract)
        names = " ".join(dict.fromkeys(map(_called, self._functions)))
        head = f"(ns {self._name}\n  {_string(doc)}\n  (:refer-clojure :exclude [{names}]))"
        raises = any(each.raises for each in self._functions)
        blocks = [head, _PRELUDE, *([_DECLARED] if raises else []), connect]
        coders = [_coder(way, self._symbol(ref)) for ref in refs for way in ("write", "read")]
        if coders:
            blocks.append(f"(declare {' '.join(coders)})")
        for ref in refs:
            definition = self._schema.definition(ref)
            blocks += [self._coder("write", definition), self._coder("read", definition)]
        blocks += [self._function(each) for each in self._functions]
        return "\n\n".join(blocks) + "\n"

    def _reached(self) -> list[Ref]:
        found: set[Ref] = set()
        waiting = [ref for each in self._functions for kind in (each.argument, each.result) for ref in refs_in(kind)]
        waiting += [ref for each in self._functions for ref in each.raises]
        while waiting:
            ref = waiting.pop()
            if ref not in found:
                found.add(ref)
                waiting += [inner for kind in types_of(self._schema.definition(ref)) for inner in refs_in(kind)]
        return sorted(found)

    def _symbol(self, ref: Ref) -> str:
        own = _kebab(ref.name)
        return own if ref.module == self._module.name else f"{_kebab(ref.module)}-{own}"

    def _declared(self, each: Function, call: str) -> str:
        """A call, of which the errors that its definition names are told apart."""
        if not each.raises:
            return call
        readers = " ".join(
            f"{_string(ref_name(ref))} [:{_kebab(ref.module)}/{_kebab(ref.name)} {_coder('read', self._symbol(ref))}]"
            for ref in each.raises
        )
        return f"(try {call}\n    (catch Exception problem (declared problem {{{readers}}})))"

    def _function(self, each: Function) -> str:
        name, var = _called(each), each.wire.replace("_", "-")
        namespace = ".".join(self._module.namespace)
        argument = "argument" if each.argument.target is not Builtin.UNIT else "_"
        shown = _kebab(each.argument.target.name) if isinstance(each.argument.target, Ref) else "argument"
        given = self._code("write", each.argument, argument)
        doc = each.doc or f"The function {each.name}."
        head = "(when-not @connected (connect))"
        if each.stream:
            doc += f"\n\nTakes {each.argument}, calls back with each {each.result}."
            read = self._code("read", each.result, "item")
            start = f"((pod-var 'py/stream) [{_string(f'{namespace}:{each.wire}')} {given}]"
            call = self._declared(each, f"{start}\n    (fn [item] (callback {read})))")
            return (
                f"(defn {name}\n  {_string(doc)}\n  {{:arglists '([{shown} callback])}}\n"
                f"  [{argument} callback]\n  {head}\n  {call})"
            )
        doc += f"\n\nTakes {each.argument}, gives {each.result}."
        call = self._declared(each, f"((pod-var '{namespace.replace('_', '-')}/{var}) {given})")
        return (
            f"(defn {name}\n  {_string(doc)}\n  {{:arglists '([{shown}])}}\n"
            f"  [{argument}]\n  {head}\n  (let [result {call}]\n    {self._code('read', each.result, 'result')}))"
        )

    def _coder(self, way: str, definition: Definition) -> str:
        head = f"(defn- {_coder(way, self._symbol(definition.ref))} [value]"
        if isinstance(definition, Foreign):
            return f"{head} value)"
        if isinstance(definition, Enum):
            pairs = [(f":{each.wire.lower().replace('_', '-')}", _string(each.wire)) for each in definition.members]
            table = " ".join(f"{a} {b}" if way == "write" else f"{b} {a}" for a, b in pairs)
            return f"{head} (member {{{table}}} value))"
        if isinstance(definition, Record):
            return f"{head}\n  {self._map(way, definition.fields, 'value')})"
        cases = []
        for case in definition.cases:
            keyword, wire = f":{case.wire.lower().replace('_', '-')}", _string(case.wire)
            if not case.fields:
                test = f"(= value {keyword if way == 'write' else wire})"
                cases.append(f"{test} {wire if way == 'write' else keyword}")
            elif way == "write":
                fields = self._map(way, case.fields, "(second value)")
                cases.append(f"(and (vector? value) (= (first value) {keyword})) {{{wire} {fields}}}")
            else:
                fields = self._map(way, case.fields, f"(field value {wire})")
                cases.append(f"(and (map? value) (field value {wire})) [{keyword} {fields}]")
        return f"{head}\n  (cond\n    " + "\n    ".join(cases) + "))"

    def _map(self, way: str, fields: tuple[Field, ...], value: str) -> str:
        if way == "write":
            parts = [
                f"{_string(each.wire)} {self._code(way, each.type, f'(:{_key(each)} record)')}"
                for each in fields
                if each.default is None
            ]
            made = f"{{{' '.join(parts)}}}"
            for each in fields:
                if each.default is not None:
                    code = self._code(way, each.type, f"(:{_key(each)} record)")
                    made = f"(cond-> {made} (contains? record :{_key(each)}) (assoc {_string(each.wire)} {code}))"
        else:
            parts = [
                f":{_key(each)} {self._code(way, each.type, f'(field record {_string(each.wire)})')}" for each in fields
            ]
            made = f"{{{' '.join(parts)}}}"
        return f"(let [record {value}] {made})"

    def _code(self, way: str, kind: Type, value: str) -> str:
        target = kind.target
        if isinstance(target, Ref):
            return f"({_coder(way, self._symbol(target))} {value})"
        if target is Builtin.UNIT:
            return "{}" if way == "write" else "nil"
        if target is Builtin.DOUBLE:
            return f"(double {value})"
        if target is Builtin.BYTES:
            if way == "write":
                return f"(.encodeToString (java.util.Base64/getEncoder) ^bytes {value})"
            return f"(.decode (java.util.Base64/getDecoder) ^String {value})"
        if not kind.arguments:
            return value
        code = self._code(way, kind.arguments[-1], "each")
        if target is Builtin.MAYBE:
            if kind.arguments[0].target is Builtin.UNIT:
                code = "{}"  # what is there must not be nil
            return f"(when-some [each {value}] {code})"
        if target is Builtin.WRAPPED:
            if way == "write":
                return f'(when-some [just {value}] {{"just" (let [each (:just just)] {code})}})'
            return f'(when-some [just {value}] {{:just (let [each (field just "just")] {code})}})'
        if target is Builtin.MAP:
            return f"(into {{}} (map (fn [[key each]] [{self._map_key(way, kind.arguments[0])} {code}])) {value})"
        if target is Builtin.SET and way == "read":
            return f"(into #{{}} (map (fn [each] {code})) {value})"
        return f"(mapv (fn [each] {code}) {value})"

    def _map_key(self, way: str, kind: Type) -> str:
        """A Map's key, which is text on the wire."""
        if isinstance(kind.target, Ref):
            return self._code(way, kind, "key" if way == "write" else "(text key)")
        if way == "read" and kind.target in (Builtin.INT32, Builtin.INT64, Builtin.INTEGER):
            return "(bigint (text key))" if kind.target is Builtin.INTEGER else "(Long/parseLong (text key))"
        return "(text key)"


def _called(function: Function) -> str:
    """A function's name here: what the namespace itself needs keeps its own."""
    name = function.wire.replace("_", "-")
    return f"{name}*" if name in _OWN else name


def _coder(way: str, name: str) -> str:
    return f"{name}->wire" if way == "write" else f"wire->{name}"


def _key(field: Field) -> str:
    return field.wire.replace("_", "-")
