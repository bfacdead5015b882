"""What a stub says of a function that was recorded.

A parameter that some calls lacked has a default; a function that was called in several ways has an overload for each,
the narrower one first, unless it would take what another takes. Where the library is at hand, its own signature gives
the parameters their names, order and defaults, as long as the recorded calls fit it.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass

from bascule.bridge.recording.annotations import Scope, is_name
from bascule.bridge.recording.apis import Class, Function
from bascule.bridge.recording.breadth import narrow_first
from bascule.bridge.recording.reading_types import of_value
from bascule.bridge.recording.runtime import Runtime
from bascule.bridge.recording.signatures import Parameter, Signature, Usage
from bascule.bridge.recording.types import BOTTOM, NONE, OBJECT, Named, Type, join
from bascule.workers.recording.values import LONGEST_TEXT

_LONGEST = 120
_IN_PLACE_OF = {
    f"__i{name}__": f"__{name}__"
    for name in (
        "add",
        "sub",
        "mul",
        "matmul",
        "truediv",
        "floordiv",
        "mod",
        "pow",
        "lshift",
        "rshift",
        "and",
        "or",
        "xor",
    )
}
_REVERSED = {f"__r{name[3:-2]}__" for name in _IN_PLACE_OF} | {"__rdivmod__"}
_FIXED_RESULT = {
    "__init__": NONE,
    "__bool__": Named("named", "", "bool"),
    "__len__": Named("named", "", "int"),
    "__hash__": Named("named", "", "int"),
    "__contains__": Named("named", "", "bool"),
    "__str__": Named("named", "", "str"),
    "__repr__": Named("named", "", "str"),
    "__format__": Named("named", "", "str"),
    "__int__": Named("named", "", "int"),
    "__index__": Named("named", "", "int"),
    "__float__": Named("named", "", "float"),
    "__complex__": Named("named", "", "complex"),
    "__bytes__": Named("named", "", "bytes"),
    "__setitem__": NONE,
    "__delitem__": NONE,
}
_TAKES_ANYTHING = ("__eq__", "__ne__")


@dataclass(frozen=True)
class FunctionStubs:
    """Writes the functions and methods of one module's stub.

    Attributes:
        scope: The names of the stub's file.
        runtime: Where signatures are looked up; None to write what was recorded alone.
    """

    scope: Scope
    runtime: Runtime | None

    def lines(
        self, name: str, function: Function, indent: str, where: tuple[str, ...], kind: str = "function"
    ) -> Iterator[str]:
        """A function's lines.

        Args:
            name: What it is called.
            function: What was recorded of it.
            indent: Of each line.
            where: How `Runtime` finds it.
            kind: "function", "method" or "classmethod", as it was called; the runtime may know better.
        """
        actual = None if self.runtime is None else self.runtime.signature(*where)
        if actual is not None and not _agrees(function.whole, actual):
            actual = None
        if name == "__init__":
            kind = "method"
        elif kind != "function" and ((kind == "classmethod" and function.whole.static) or self._is_static(where)):
            kind = "staticmethod"
        waited = self.runtime is not None and self.runtime.is_coroutine(*where)
        said = self._result(name, function.whole.returns)
        overloads = [] if name in _TAKES_ANYTHING or len(function.overloads) < 2 else function.sorted_overloads()
        filled = [_filled(each, function.whole, actual) for each in overloads]
        said_of = [(self._parameters(name, each, kind, actual), each.copy()) for each in filled]
        lines = narrow_first(said_of, self.scope.as_written)
        if len(lines) > 1:
            for parameters, each in lines:
                yield from self._definition(
                    name, parameters, said, each.usage, each, kind, indent, overloaded=True, asynchronous=waited
                )
            return
        parameters = self._parameters(name, function.whole, kind, actual)
        whole = function.whole
        yield from self._definition(
            name, parameters, said, whole.usage, whole, kind, indent, overloaded=False, asynchronous=waited
        )

    def _is_static(self, where: tuple[str, ...]) -> bool:
        return self.runtime is not None and self.runtime.kind(*where) == "staticmethod"

    def _result(self, name: str, of: Type) -> str:
        fixed = _FIXED_RESULT.get(name)
        if fixed is not None:
            return self.scope.annotate(fixed)
        if name in _TAKES_ANYTHING and of != _FIXED_RESULT["__bool__"]:
            return self.scope.of_typing("Any")
        if name == "__iter__":
            return f"{self.scope.of_typing('Iterator')}[{self.scope.of_typing('Any')}]"
        if of is BOTTOM or of is OBJECT or name in _REVERSED or name in _IN_PLACE_OF:
            return self.scope.of_typing("Any")
        return self.scope.annotate(of)

    def _definition(
        self,
        name: str,
        parameters: list[str],
        said: str,
        usage: Usage,
        of: Signature,
        kind: str,
        indent: str,
        *,
        overloaded: bool,
        asynchronous: bool,
    ) -> Iterator[str]:
        yield ""
        if overloaded:
            yield f"{indent}@{self.scope.of_typing('overload')}"
        if kind in ("classmethod", "staticmethod"):
            yield f"{indent}@{self.scope.builtin(kind)}"
        define = "def"
        if asynchronous:
            define, said = "async def", self.scope.of_typing("Any")
        line = f"{indent}{define} {name}({', '.join(parameters)}) -> {said}:"
        if len(line) <= _LONGEST:
            yield line
        else:
            yield f"{indent}{define} {name}("
            yield from (f"{indent}    {each}," for each in parameters)
            yield f"{indent}) -> {said}:"
        yield f'{indent}    """'
        yield from (f"{indent}    {each}" for each in counts(usage))
        for module, error in sorted(of.raises):
            yield f"{indent}    raises: {module + '.' if module else ''}{error}"
        yield f'{indent}    """'
        yield f"{indent}    ..."

    def _parameters(self, name: str, of: Signature, kind: str, actual: inspect.Signature | None) -> list[str]:
        first = {"method": ["self"], "classmethod": ["cls"]}.get(kind, [])
        if name in _TAKES_ANYTHING:
            return ["self", f"other: {self.scope.builtin('object')}", "/"]
        if actual is not None:
            return [*first, *self._actual(of, actual)]
        return [*first, *self._recorded(of, taken=first)]

    def _recorded(self, of: Signature, taken: list[str]) -> list[str]:
        annotate = self.scope.annotate
        told: list[str] = []
        defaulted = False
        for role in ("pos_only", "pos_or_kw"):
            names = [name for name in of.ordered(role) if is_name(name) and name not in taken]
            for name in names:
                defaulted = defaulted or name not in of.required
                told.append(f"{name}: {annotate(of.parameters[name].type)}{' = ...' if defaulted else ''}")
            if role == "pos_only" and names:
                told.append("/")
        only = [name for name in of.ordered("kw_only") if is_name(name)]
        if of.var_pos is not None:
            told.append(f"*{of.var_pos[0]}: {annotate(of.var_pos[1])}")
        elif only:
            told.append("*")
        only.sort(key=lambda name: name not in of.required)
        told += [
            f"{name}: {annotate(of.parameters[name].type)}{'' if name in of.required else ' = ...'}" for name in only
        ]
        if of.var_kw is not None:
            told.append(f"**{of.var_kw[0]}: {annotate(of.var_kw[1])}")
        return told

    def _actual(self, of: Signature, actual: inspect.Signature) -> list[str]:
        """The function's own parameters, with the types that were seen."""
        kinds = inspect.Parameter
        told: list[str] = []
        given = list(actual.parameters.values())
        unnamed = [of.parameters[name].type for name in of.ordered("pos_only") if name not in actual.parameters]
        for index, each in enumerate(given):
            seen = of.parameters.get(each.name)
            if seen is None and unnamed and each.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD):
                type_ = unnamed.pop(0)
            elif each.kind is kinds.VAR_POSITIONAL:
                type_ = of.var_pos[1] if of.var_pos else BOTTOM
            elif each.kind is kinds.VAR_KEYWORD:
                type_ = of.var_kw[1] if of.var_kw else BOTTOM
            else:
                type_ = join(seen.type, _type_of_default(each.default)) if seen is not None else BOTTOM
            star = "*" if each.kind is kinds.VAR_POSITIONAL else "**" if each.kind is kinds.VAR_KEYWORD else ""
            default = "" if each.default is each.empty else " = ..."
            if each.kind is kinds.KEYWORD_ONLY and not any(one.startswith("*") for one in told):
                told.append("*")
            told.append(f"{star}{each.name}: {self.scope.annotate(type_)}{default}")
            behind = given[index + 1] if index + 1 < len(given) else None
            if each.kind is kinds.POSITIONAL_ONLY and (behind is None or behind.kind is not kinds.POSITIONAL_ONLY):
                told.append("/")
        return told


def joined_in_place(of: Class, name: str, function: Function) -> Function:
    """`__iadd__` has to take what `__add__` takes, or it is no valid one; neither is told call by call then."""
    if name.startswith("__") and f"__i{name[2:]}" in of.methods:
        return Function(function.whole)
    plain = of.methods.get(_IN_PLACE_OF.get(name, ""))
    if plain is None:
        return function
    whole = function.whole.copy()
    for each, parameter in plain.whole.parameters.items():
        if each in whole.parameters:
            whole.parameters[each].type = join(whole.parameters[each].type, parameter.type)
    return Function(whole)


def _type_of_default(default: object) -> Type:
    """What a parameter's default adds to its type; nothing when only the library knows what it means."""
    if default is None:
        return NONE
    if isinstance(default, str):
        return of_value(default if len(default) <= LONGEST_TEXT else {"t": "str"})
    return Named("named", "", type(default).__name__) if type(default) in (bool, int, float, bytes) else BOTTOM


def _filled(of: Signature, whole: Signature, actual: inspect.Signature | None) -> Signature:
    """One kind of call, with the parameters that the function has besides and that others gave."""
    if actual is None:
        return of
    filled = of.copy()
    for name, each in actual.parameters.items():
        optional = each.default is not each.empty
        if name in filled.parameters:
            if optional:
                mine = filled.parameters[name]
                mine.type = join(mine.type, _type_of_default(each.default))
                filled.required.discard(name)
        elif optional:
            known = whole.parameters.get(name)
            role = "kw_only" if each.kind is each.KEYWORD_ONLY else "pos_or_kw"
            of_others = OBJECT if known is None else join(known.type, _type_of_default(each.default))
            filled.parameters[name] = Parameter(role, of_others)
    filled.var_pos = whole.var_pos or filled.var_pos
    filled.var_kw = whole.var_kw or filled.var_kw
    return filled


def _agrees(of: Signature, actual: inspect.Signature) -> bool:
    """Whether what was recorded are calls of a function with this signature."""
    kinds = inspect.Parameter
    names = actual.parameters
    takes_all = any(each.kind is kinds.VAR_KEYWORD for each in names.values())
    takes_any = any(each.kind is kinds.VAR_POSITIONAL for each in names.values())
    places = sum(each.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD) for each in names.values())
    if of.var_pos is not None and not takes_any and of.var_pos[0] != "_args":
        return False
    if len(of.ordered("pos_only")) > places and not takes_any:
        return False
    if not all(is_name(name) for name in names):
        return False
    unknown = [name for name, each in of.parameters.items() if name not in names and each.role != "pos_only"]
    return not unknown or takes_all


def counts(usage: Usage) -> Iterator[str]:
    """How often it was used, a line for each label."""
    for label, count in sorted(usage.items()):
        yield f"{label}: {count}"
