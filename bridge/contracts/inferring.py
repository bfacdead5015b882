"""From recorded calls to a contract that somebody can start from: `bascule contract infer TRACE`.

A trace of `bascule record` says with what each function was called. Its calls are joined, by the recorder's own rules,
to one type for each parameter; a function's parameters become a record, and what a definition can't say exactly becomes
a foreign type of its own name. What was seen stands above each definition as a comment. A trace does not tell results:
they are all of the foreign type `Unknown`, for a person to fill in.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bascule.bridge.contracts.names import humps
from bascule.bridge.recording.reading import Damage, InputError, read_lines, with_children
from bascule.bridge.recording.types import BOTTOM, NONE, Dict, Listed, Named, Row, Text, Type, Union, join, of_value

_BUILTIN = {
    "int": "Integer",
    "float": "Double",
    "bool": "Bool",
    "str": "String",
    "bytes": "Bytes",
}
_KNOWN = {
    ("datetime", "datetime"): "Timestamp",
    ("datetime", "timedelta"): "Duration",
    ("uuid", "UUID"): "Uuid",
    ("decimal", "Decimal"): "Decimal",
}
_MOST_SHOWN = 60  # characters of a type in a comment


class InferError(Exception):
    """Nothing can be proposed; the message says why."""


@dataclass
class _Seen:
    """What was seen of one function."""

    calls: int = 0
    parameters: dict[str, Type] = field(default_factory=dict)
    present: dict[str, int] = field(default_factory=dict)

    def add(self, given: dict[str, Type]) -> None:
        self.calls += 1
        for name, kind in given.items():
            self.parameters[name] = join(self.parameters.get(name, BOTTOM), kind)
            self.present[name] = self.present.get(name, 0) + 1


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
        rows: The lines.
        module: The module's name.
        origin: Where they come from, for a comment.

    Raises:
        InferError: There is no call of a function among them.
    """
    seen: dict[str, _Seen] = {}
    for row in rows:
        name = _function_name(row.get("function"))
        given = _given(row)
        if name and given is not None:
            seen.setdefault(name, _Seen()).add(given)
    if not seen:
        raise InferError(f"{origin} tells of no call to a function")
    return _Proposal(module, origin).text(seen)


def _function_name(told: Any) -> str:
    """`package.module.function` of what a trace says was called; empty for methods, operators and the like."""
    what = told.get("v") if isinstance(told, dict) and told.get("t") == "function" else told
    if isinstance(what, dict) and isinstance(what.get("module"), str) and isinstance(what.get("name"), str):
        return f"{what['module']}.{what['name']}"
    return what if isinstance(what, str) else ""


def _given(row: dict[str, Any]) -> dict[str, Type] | None:
    """The arguments of a call, by name; None for a line that has none."""
    bound, plain = row.get("bound_params"), row.get("params")
    try:
        if isinstance(bound, dict):
            pairs = [*bound.get("pos_only", ()), *bound.get("pos_or_kw", ())]
            found = {str(name): of_value(value) for name, value in pairs}
            more = bound.get("kw_only", {})
            found.update((str(name), of_value(value)) for name, value in dict(more).items())
            return found
        if isinstance(plain, dict):
            found = {f"argument{index}": of_value(value) for index, value in enumerate(plain.get("args", ()), 1)}
            found.update((str(name), of_value(value)) for name, value in dict(plain.get("kwargs", {})).items())
            return found
    except (ValueError, TypeError, LookupError):
        return None
    return None


class _Proposal:
    def __init__(self, module: str, origin: str) -> None:
        self._module = module
        self._origin = origin
        self._foreign: dict[str, str] = {}

    def text(self, seen: dict[str, _Seen]) -> str:
        functions = [self._function(name, seen[name]) for name in sorted(seen)]
        foreign = [
            f"data {name}\n  {{-# FOREIGN python {target} #-}}" for name, target in sorted(self._foreign.items())
        ]
        unknown = (
            "-- What a function gives: the recording does not tell.\ndata Unknown\n  {-# FOREIGN python object #-}"
        )
        origin = f"-- Proposed from {self._origin}: to be read, named and completed."
        head = f"{{-# EXTENDED #-}}\n{origin}\nmodule {self._module} where"
        return "\n\n".join([head, unknown, *foreign, *functions]) + "\n"

    def _function(self, name: str, seen: _Seen) -> str:
        short = _camel(name.rpartition(".")[2])
        evidence = [f"-- {name}: {seen.calls} call{'s' if seen.calls != 1 else ''} seen."]
        if not seen.parameters:
            return "\n".join([*evidence, f"{short} :: Unit -> IO Unknown"])
        record = f"{short[:1].upper()}{short[1:]}Arguments"
        lines = [f"-- The arguments of {name}.", f"data {record}", f"  = {record}"]
        for index, (parameter, kind) in enumerate(seen.parameters.items()):
            absent = seen.calls - seen.present[parameter]
            written, default = self._written(kind), ""
            if absent:
                written = written if written.startswith("Maybe ") else f"Maybe {_wrapped(written)}"
                default = " = Nothing"
            told = f"absent {absent} times; " if absent else ""
            shown = kind.key()
            shown = shown if len(shown) <= _MOST_SHOWN else shown[:_MOST_SHOWN] + "..."
            field_name = _camel(parameter) or f"argument{index}"
            lines.append(f"    {'{' if index == 0 else ','} {field_name} :: {written}{default} -- {told}seen: {shown}")
        lines += ["    }", "", *evidence, f"{short} :: {record} -> IO Unknown"]
        return "\n".join(lines)

    def _written(self, kind: Type) -> str:
        """The type that says it; of what no definition can say, a foreign one."""
        if isinstance(kind, Union):
            rest = [each for each in kind.options if each != NONE]
            names = {self._written(each) for each in rest}
            if names <= {"Integer", "Double"} and len(names) == 2:
                names = {"Double"}
            if len(names) == 1:
                inner = names.pop()
                return f"Maybe {_wrapped(inner)}" if len(rest) < len(kind.options) else inner
            return self._as_foreign("Anything", "object")
        if kind == NONE:
            return "Unit"
        if isinstance(kind, Text):
            return "String"
        if isinstance(kind, Listed):
            return f"List {_wrapped(self._written(kind.item))}"
        if isinstance(kind, Row) and isinstance(kind.items, Type):
            return f"List {_wrapped(self._written(kind.items))}"
        if isinstance(kind, Dict) and isinstance(kind.of, Text):
            return f"Map String {_wrapped(self._written(kind.to))}"
        if isinstance(kind, Named):
            if not kind.module and kind.name in _BUILTIN:
                return _BUILTIN[kind.name]
            if (kind.module, kind.name) in _KNOWN:
                return _KNOWN[kind.module, kind.name]
            target = f"{kind.module}.{kind.name}" if kind.module else kind.name
            return self._as_foreign("".join(part[:1].upper() + part[1:] for part in humps(kind.name)), target)
        return self._as_foreign("Anything", "object")

    def _as_foreign(self, name: str, target: str) -> str:
        name = "".join(letter for letter in name if letter.isalnum() and letter.isascii()).lstrip("0123456789")
        name = name[:1].upper() + name[1:] or "Anything"
        while self._foreign.get(name, target) != target:
            name += "2"
        self._foreign[name] = target
        return name


def _wrapped(written: str) -> str:
    return f"({written})" if " " in written else written


def _camel(name: str) -> str:
    """`some_name` -> `someName`, of what a definition file's names may be made of."""
    parts = [part for part in name.split("_") if part]
    joined = "".join(part if index == 0 else part[:1].upper() + part[1:] for index, part in enumerate(parts))
    kept = "".join(letter for letter in joined if letter.isascii() and (letter.isalnum() or letter == "_"))
    return kept[:1].lower() + kept[1:] if kept[:1].isalpha() else f"a{kept}" if kept else ""
