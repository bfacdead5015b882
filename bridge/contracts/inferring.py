"""From recorded calls to a contract that somebody can start from: `bascule contract infer TRACE`.

A trace of `bascule record` says with what each function was called, and what it gave. Its calls are joined, by the
recorder's own rules, to one type for each parameter and for the result: of a coroutine that is what awaiting it gave,
and a generator is a stream. A result that no call of the recording tells is of the foreign type `Unknown`, for a
person to fill in, as is what a generator yields. `proposing` writes it all down; `annotated` does the same from
annotations.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bascule.bridge.contracts.proposing import Entry, InferError, Proposal, maybe, shown, wrapped
from bascule.bridge.recording.reading import Damage, InputError, read_lines, with_children
from bascule.bridge.recording.reading_types import of_value
from bascule.bridge.recording.types import (
    BOTTOM,
    NONE,
    Dict,
    Listed,
    Named,
    Row,
    Text,
    Type,
    Union,
    join,
    join_all,
    named,
)

BUILTIN = {
    "int": "Integer",
    "float": "Double",
    "bool": "Bool",
    "str": "String",
    "bytes": "Bytes",
}
KNOWN = {
    ("datetime", "datetime"): "Timestamp",
    ("datetime", "timedelta"): "Duration",
    ("uuid", "UUID"): "Uuid",
    ("decimal", "Decimal"): "Decimal",
}


_COROUTINE = named("", "coroutine")
_GENERATORS = (named("", "generator"), named("", "async_generator"))


@dataclass
class _Seen:
    """What was seen of one function.

    A call has a line when it begins, and another one, with what came of it, when it ends: the first are counted. A
    trace of ends alone has those counted.
    """

    begun: Counter[str] = field(default_factory=Counter)  # how often with each parameter; "" is all of them
    ended: Counter[str] = field(default_factory=Counter)
    parameters: dict[str, Type] = field(default_factory=dict)
    result: Type = BOTTOM

    def add(self, given: dict[str, Type], result: Type, times: int, *, ends: bool) -> None:
        self.result = join(self.result, result)
        (self.ended if ends else self.begun).update(dict.fromkeys(("", *given), times))
        for name, kind in given.items():
            self.parameters[name] = join(self.parameters.get(name, BOTTOM), kind)

    @property
    def calls(self) -> Counter[str]:
        return self.begun or self.ended


def infer_file(path: Path, module: str) -> str:
    """A definition file for the calls of a trace.

    Raises:
        InferError: The trace can't be read, or has no call in it.
    """
    try:
        rows = [row for _, _, row in read_lines(with_children([path]), Damage(strict=False))]
    except InputError as error:
        raise InferError(str(error)) from None
    return infer(rows, module, path.name)


def infer(rows: Iterable[dict[str, Any]], module: str, origin: str) -> str:
    """A definition file for some lines of a trace.

    Args:
        rows: The lines; they may be counted, by `bascule record counts`.
        module: The module's name.
        origin: Where they come from, for a comment.

    Raises:
        InferError: There is no call of a function among them.
    """
    seen: dict[str, _Seen] = {}
    for row in rows:
        name = _function_name(row.get("function"))
        try:
            given, result = _given(row), _result(row)
        except (ValueError, TypeError, LookupError):
            continue
        if name and given is not None:
            count = row.get("n")
            times = count if isinstance(count, int) and not isinstance(count, bool) and count > 0 else 1
            ends = "n" not in row and ("returns" in row or "raises" in row)
            if "awaited" in row and "n" not in row:
                times = 0  # the line before told of the same call, that it gave a coroutine
            seen.setdefault(name, _Seen()).add(given, result, times, ends=ends)
    if not seen:
        raise InferError(f"{origin} tells of no call to a function")
    proposal = Proposal(module, origin)
    types = _Types(proposal)
    for name in sorted(seen):
        types.propose(name, seen[name])
    return proposal.text()


def _function_name(told: Any) -> str:
    """`package.module.function` of what a trace says was called; empty for methods, operators and the like."""
    what = told.get("v") if isinstance(told, dict) and told.get("t") == "function" else told
    if isinstance(what, dict) and isinstance(what.get("module"), str) and isinstance(what.get("name"), str):
        return f"{what['module']}.{what['name']}" if what["name"].isidentifier() else ""
    return what if isinstance(what, str) else ""


def _given(row: dict[str, Any]) -> dict[str, Type] | None:
    """The arguments of a call, by name; None for a line that has none."""
    bound, plain = row.get("bound_params"), row.get("params")
    if isinstance(bound, dict):
        pairs = [*bound.get("pos_only", ()), *bound.get("pos_or_kw", ()), *dict(bound.get("kw_only", {})).items()]
        found = {str(name): of_value(value) for name, value in pairs}
        if bound.get("var_pos"):
            name, rest = bound["var_pos"]
            found[str(name)] = of_value(rest)
        if bound.get("var_kw"):
            name, more = bound["var_kw"]
            found[str(name)] = of_value({"t": "dict", "v": [[key, value] for key, value in dict(more).items()]})
        return found
    if isinstance(plain, dict):
        found = {f"argument{index}": of_value(value) for index, value in enumerate(plain.get("args", ()), 1)}
        found.update((str(name), of_value(value)) for name, value in dict(plain.get("kwargs", {})).items())
        return found
    return None


def _result(row: dict[str, Any]) -> Type:
    """What a call gave, or awaiting it; of a counted line, what its calls gave."""
    told = [row[key] for key in ("returns", "awaited") if key in row]
    kinds = [of_value(each) for given in told for each in (given if "n" in row else [given])]
    return join_all([kind for kind in kinds if kind != _COROUTINE])


class _Types:
    """The recorder's types as those of definitions."""

    def __init__(self, proposal: Proposal) -> None:
        self._proposal = proposal

    def propose(self, name: str, seen: _Seen) -> None:
        """A function of the trace."""
        entries = []
        calls = seen.calls
        for parameter, kind in seen.parameters.items():
            absent = calls[""] - calls[parameter]
            written = self.written(kind)
            note = f"absent {absent} times; " if absent else ""
            note += f"seen: {shown(kind.key())}"
            entries.append(Entry(parameter, maybe(written) if absent else written, "Nothing" if absent else "", note))
        evidence = f"{name}: {calls['']} call{'s' if calls[''] != 1 else ''} seen"
        if seen.result is BOTTOM:
            result = self._proposal.foreign("object", "Unknown")
            evidence += "; no result is told."
        else:
            result = self._given(seen.result)
            evidence += f", which gave: {shown(seen.result.key())}"
        self._proposal.function(name, entries, result, evidence)

    def _given(self, kind: Type) -> str:
        """What stands behind IO: of what yields, that it does, since the recorder looks at no item."""
        kinds = kind.options if isinstance(kind, Union) else [kind]
        if all(each in _GENERATORS for each in kinds):
            return f"Stream {self._proposal.foreign('object', 'Unknown')}"
        return self.written(kind)

    def written(self, kind: Type) -> str:
        """The type that says it; of what no definition can say, a foreign one."""
        if isinstance(kind, Union):
            rest = [each for each in kind.options if each != NONE]
            names = {self.written(each) for each in rest}
            if names <= {"Integer", "Double"} and len(names) == 2:
                names = {"Double"}
            if len(names) == 1:
                inner = names.pop()
                return maybe(inner) if len(rest) < len(kind.options) else inner
            return self._proposal.foreign("object", "Unknown")
        if kind == NONE:
            return "Unit"
        if kind is BOTTOM:  # of a list that was always empty
            return self._proposal.foreign("object", "Unknown")
        if isinstance(kind, Text):
            return "String"
        if isinstance(kind, Listed):
            return f"List {wrapped(self.written(kind.item))}"
        if isinstance(kind, Row):
            items = kind.items if isinstance(kind.items, Type) else join_all(list(kind.items))
            return f"List {wrapped(self.written(items))}"
        if isinstance(kind, Dict) and isinstance(kind.of, Text):
            return f"Map String {wrapped(self.written(kind.to))}"
        if isinstance(kind, Named):
            if not kind.module and kind.name in BUILTIN:
                return BUILTIN[kind.name]
            if (kind.module, kind.name) in KNOWN:
                return KNOWN[kind.module, kind.name]
            return self._proposal.foreign(f"{kind.module}.{kind.name}" if kind.module else kind.name)
        return self._proposal.foreign("object", "Unknown")
