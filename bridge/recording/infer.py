"""`record infer`: grouped lines -> an API of the modules asked for.

What was called is told as a function and its arguments; here it becomes what the API has to offer for that. Operators
become the methods behind them, on both sides: `1 + v` needs `int.__add__` or `V.__radd__`, so the class of `v`, when it
is asked for, gets the latter. Builtins that were applied to an object become the method that they call.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import add
from pathlib import Path
from typing import Any

from bascule.bridge.recording.apis import API, MOST_OVERLOADS, Attribute, Class, Function
from bascule.bridge.recording.one_call import arguments, read_call, take_self
from bascule.bridge.recording.reading import Damage, read_lines
from bascule.bridge.recording.reading_types import TypeFormatError, of_value
from bascule.bridge.recording.signatures import Signature
from bascule.bridge.recording.types import (
    ANY_TEXT,
    BOTTOM,
    Named,
    Text,
    Type,
    Which,
    which,
    without_texts,
)

_UNARY = {"pos": "__pos__", "neg": "__neg__", "invert": "__invert__", "not_": "__bool__", "truth": "__bool__"}
BINARY = {
    f"{name}_" if name in ("and", "or") else name: name
    for name in (
        *("pow", "mul", "matmul", "floordiv", "truediv", "mod", "add", "sub", "lshift", "rshift"),
        *("and", "xor", "or"),
    )
}
IN_PLACE = {f"i{name}": name for name in BINARY.values()}
COMPARE = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le", "eq": "eq", "ne": "ne"}
_SUBSCRIPT = {
    "getitem": "__getitem__",
    "setitem": "__setitem__",
    "delitem": "__delitem__",
    "contains": "__contains__",
    "concat": "__add__",
}

_ITERATED = frozenset(
    (
        *("list", "tuple", "set", "frozenset", "dict", "sorted", "sum", "min", "max", "any", "all", "enumerate"),
        *("zip", "map", "filter", "iter"),
    )
)
_APPLIED = {
    **{name: f"__{name}__" for name in ("len", "abs", "round", "hash", "repr", "reversed", "next", "aiter", "anext")},
    **{name: f"__{name}__" for name in ("int", "float", "complex", "bytes", "bool", "str", "format", "dir")},
    **dict.fromkeys(("bin", "oct", "hex"), "__index__"),
    "ascii": "__repr__",
}
_SAME_RESULT = frozenset(
    ("len", "abs", "round", "hash", "repr", "next", "int", "float", "complex", "bytes", "bool", "str")
)
_TWO_SIDED = ("divmod", "pow")


@dataclass(slots=True)
class Inferring:
    """Collects an API from rows.

    Attributes:
        label: Under whose name calls are counted.
        modules: The modules that the API is to have, and those below them; all when there are none.
    """

    label: str
    modules: tuple[str, ...]
    api: API = field(default_factory=API)
    ignored: dict[str, int] = field(default_factory=dict)
    _wanted: dict[str, bool] = field(default_factory=dict)

    def take(self, row: dict[str, Any]) -> None:
        """Take in one grouped line.

        Raises:
            TypeFormatError: It is none.
        """
        self._called(row.get("function"), read_call(row, self.label))

    def _called(self, function: Any, signature: Signature) -> None:
        kind = function.get("t") if isinstance(function, dict) else None
        what: Any = function.get("v") if kind is not None else None
        if kind == "type" or (
            isinstance(kind, dict) and isinstance(what, dict) and "module" in what and "name" in what
        ):
            self._constructed(what, signature)
        elif kind in ("function", "builtin_function_or_method", "method", "method-wrapper"):
            if isinstance(what, dict) and "self" in what:
                self._bound_method(what, signature)
            else:
                self._function(what, signature)
        elif kind in ("method_descriptor", "wrapper_descriptor", "classmethod_descriptor"):
            owner = what["class"]["v"]
            self._method(of_named(owner), str(what["name"]), signature, of_first=True)
        elif kind == {"module": "numpy", "name": "ufunc"}:
            self._ufunc(str(what), signature)
        elif isinstance(kind, dict) and kind.get("name") == "_convert2ma":
            self._function({"module": "numpy.ma", "name": str(what)}, signature)
        elif isinstance(kind, dict):
            self._method(of_named(kind), "__call__", signature)
        else:
            self._ignore(f"a call of {json.dumps(function)[:80]}")

    def _constructed(self, what: Any, signature: Signature) -> None:
        if isinstance(what, str):
            self._builtin(what, signature)
            return
        made = self._class(of_named(what))
        if made is not None:
            signature.returns = BOTTOM
            _add_constructor(made, signature)

    def _function(self, what: Any, signature: Signature) -> None:
        if isinstance(what, str):
            self._builtin(what, signature)
            return
        module, name = what["module"], what["name"]
        if module == "_operator":
            self._operator(name, signature)
        elif "<" in name:
            self._ignore(f"a call of {module}.{name}")
        elif "." in name:
            owner, _, method = name.rpartition(".")
            self._method(Named("named", module, owner), method, signature, of_first=True)
        elif self._wants(module):
            _add(self.api.module(module).functions, name, signature)

    def _bound_method(self, what: Any, signature: Signature) -> None:
        owner = of_value(what["self"])
        if isinstance(owner, Which) and owner.kind == "type" and owner.said is not None:
            made = self._class(Named("named", owner.module, owner.name))
            if made is not None:
                _add(made.classmethods, str(what["name"]), signature)
        elif isinstance(owner, Which) and owner.kind == "module":
            self._function({"module": owner.module, "name": str(what["name"])}, signature)
        else:
            self._method(owner, str(what["name"]), signature)

    def _method(self, owner: Type, name: str, signature: Signature, *, of_first: bool = False) -> None:
        made = self._class(owner)
        if made is None:
            return
        if of_first and not take_self(signature, owner):  # type: ignore[arg-type]
            signature.static = True
            _add(made.classmethods, name, signature)
        elif of_first and name == "__init__":
            signature.returns = BOTTOM
            _add_constructor(made, signature)
        else:
            _add(made.methods, name, signature)

    def _ufunc(self, name: str, signature: Signature) -> None:
        if not self._wants("numpy"):
            return
        module = self.api.module("numpy")
        told = Attribute(which("numpy.ufunc", {"name": name}, "numpy", "ufunc"), dict(signature.usage))
        _add_attribute(module.properties, name, told)
        _add(module.classes.setdefault("ufunc", Class()).methods, "__call__", signature)

    # ---- Operators and builtins --------------------------------------------------------------------------------

    def _operator(self, name: str, signature: Signature) -> None:
        given = arguments(signature)
        if name in _UNARY and given:
            self._special(given[0], _UNARY[name], [], signature)
        elif name in BINARY and len(given) == 2:
            self._both(given, f"__{BINARY[name]}__", f"__r{BINARY[name]}__", signature)
        elif name in IN_PLACE and len(given) == 2:
            if self._class(given[0], make=False):
                self._special(given[0], f"__i{IN_PLACE[name]}__", [given[1]], signature)
            else:
                self._special(given[1], f"__r{IN_PLACE[name]}__", [given[0]], signature)
        elif name in COMPARE and len(given) == 2:
            self._both(given, f"__{name}__", f"__{COMPARE[name]}__", signature)
        elif name in _SUBSCRIPT and given:
            self._special(given[0], _SUBSCRIPT[name], given[1:], signature)
        else:
            self._ignore(f"operator {name}")

    def _both(self, given: list[Type], left: str, right: str, signature: Signature) -> None:
        self._special(given[0], left, [given[1]], signature)
        if right != left or given[0] != given[1]:
            self._special(given[1], right, [given[0]], signature)

    def _builtin(self, name: str, signature: Signature) -> None:
        given = arguments(signature)
        if not given:
            self._ignore(f"builtin {name}")
        elif name in ("getattr", "setattr", "delattr", "hasattr"):
            self._attribute(name, given, signature)
        elif name in _ITERATED:
            for each in given[1:] if name in ("map", "filter") else given:
                self._special(each, "__iter__", [], signature, result=False)
        elif name in _TWO_SIDED and len(given) == 2:
            self._both(given, f"__{name}__", f"__r{name}__", signature)
        elif name in _APPLIED:
            more = given[1:] if name == "round" else []
            if name == "format":
                more = [ANY_TEXT]  # what every object takes, and Python gives an empty one
            self._special(given[0], _APPLIED[name], more, signature, result=name in _SAME_RESULT)
        else:
            self._ignore(f"builtin {name}")

    def _attribute(self, name: str, given: list[Type], signature: Signature) -> None:
        owner, attribute = given[0], given[1] if len(given) > 1 else BOTTOM
        if not isinstance(attribute, Text) or attribute.options is None or len(attribute.options) != 1:
            self._ignore(f"{name} of a name that is not known")
            return
        (text,) = attribute.options
        of = BOTTOM
        if name == "setattr" and len(given) > 2:
            of = without_texts(given[2])
        elif name == "getattr":
            of = signature.returns
        told = Attribute(of, dict(signature.usage))
        if isinstance(owner, Which) and owner.kind == "module" and owner.said is not None:
            submodule = isinstance(of, Which) and of.kind == "module"
            if self._wants(owner.module) and not submodule and text != "__warningregistry__":
                _add_attribute(self.api.module(owner.module).properties, text, told)
        elif isinstance(owner, Which) and owner.kind == "type" and owner.said is not None:
            made = self._class(Named("named", owner.module, owner.name))
            if made is not None:
                _add_attribute(made.classproperties, text, told)
        else:
            made = self._class(owner)
            if made is not None:
                _add_attribute(made.properties, text, told)

    def _special(self, owner: Type, name: str, given: list[Type], signature: Signature, *, result: bool = True) -> None:
        """A method that an operator or a builtin calls."""
        on_class = isinstance(owner, Which) and owner.kind == "type" and owner.said is not None
        if isinstance(owner, Which) and on_class:
            if name in ("__eq__", "__ne__", "__hash__", "__bool__"):
                return  # what every class has
            made = self._class(Named("named", owner.module, owner.name))
            name = "__class_getitem__" if name == "__getitem__" else name
        else:
            made = self._class(owner)
        if made is None:
            return
        special = Signature.of_call([(f"_{index}", of) for index, of in enumerate(given)])
        special.usage = dict(signature.usage)
        special.raises = set(signature.raises)
        if result:
            special.returns = signature.returns
        _add(made.classmethods if on_class else made.methods, name, special)

    # ---- What is asked for -------------------------------------------------------------------------------------

    def _wants(self, module: str) -> bool:
        known = self._wanted.get(module)
        if known is None:
            known = bool(module) and (
                not self.modules or any(module == name or module.startswith(name + ".") for name in self.modules)
            )
            self._wanted[module] = known
        return known

    def _class(self, owner: Type, *, make: bool = True) -> Class | None:
        """The class whose instance this is, when its module is asked for."""
        if isinstance(owner, Which) and owner.kind == "numpy.ufunc":
            owner = Named("named", "numpy", "ufunc")
        if not isinstance(owner, Named) or not self._wants(owner.module):
            return None
        if not make:
            return Class()
        return self.api.module(owner.module).classes.setdefault(owner.name, Class())

    def _ignore(self, what: str) -> None:
        self.ignored[what] = self.ignored.get(what, 0) + 1


def infer(
    inputs: list[Path],
    label: str,
    modules: tuple[str, ...],
    damage: Damage,
    progress: Callable[[int], None] | None = None,
) -> API:
    """The API that grouped lines tell of.

    Raises:
        InputError: An input can't be read.
    """
    inferring = Inferring(label, modules)
    take_rows(inputs, damage, progress, inferring.take)
    inferring.api.settle(add)
    return inferring.api


def take_rows(
    inputs: list[Path], damage: Damage, progress: Callable[[int], None] | None, take: Callable[[Any], None]
) -> None:
    """Give each grouped line to `take`; what it can make nothing of is damage.

    Raises:
        InputError: An input can't be read.
    """
    for path, number, row in read_lines(inputs, damage):
        if progress is not None and number % 10_000 == 0:
            progress(number)
        try:
            take(row)
        except (TypeFormatError, KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
            damage.report(path, number, f"it is no grouped call: {type(error).__name__}: {error}")


def of_named(told: Any) -> Type:
    """The class that a trace names."""
    if isinstance(told, str):
        return Named("named", "", told)
    return Named("named", str(told["module"]), str(told["name"]))


def _add(functions: dict[str, Function], name: str, signature: Signature) -> None:
    known = functions.get(name)
    if known is None:
        functions[name] = Function.of(signature)
        return
    if not known.overloads:
        known.whole.join(signature, add)
        return
    content = signature.content()
    mine = known.overloads.get(content)
    if mine is not None and signature.before <= mine.before:
        mine.join_results(signature, add)  # what it takes is known, of the whole too
        known.whole.join_results(signature, add)
        return
    known.whole.join(signature, add)
    if mine is not None:
        mine.join(signature, add)
        return
    known.overloads[content] = signature
    if len(known.overloads) > MOST_OVERLOADS:
        known.overloads.clear()


def _add_constructor(made: Class, signature: Signature) -> None:
    if made.constructor is None:
        made.constructor = Function.of(signature)
        return
    _add(functions := {"__init__": made.constructor}, "__init__", signature)
    made.constructor = functions["__init__"]


def _add_attribute(attributes: dict[str, Attribute], name: str, told: Attribute) -> None:
    known = attributes.get(name)
    if known is None:
        attributes[name] = told
    else:
        known.join(told, add)
