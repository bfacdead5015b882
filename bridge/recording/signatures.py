"""The parameters of one function, joined from all of its calls.

A parameter that some calls lack is optional. Where it stands among the others is kept as pairs (this one before that
one), since no single call need have all of them; the order itself is found when it is written. Parameters without a
name (`_0`, `_1`: those of functions that tell no signature) become `*_args` once more than two of them are optional.

Counts stand under `usage.LABEL`. Several calls inferred together add up; joining two APIs takes the larger count of
each label, so that an API joined with itself stays what it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bascule.bridge.recording.reading_types import TypeFormatError, from_json
from bascule.bridge.recording.types import BOTTOM, Type, join, join_all, to_json

Usage = dict[str, int]
Pairs = set[tuple[str, str]]
AddCounts = Callable[[int, int], int]

MOST_UNNAMED_OPTIONAL = 2
_RANK = {"pos_only": 0, "kw_only": 1, "pos_or_kw": 2}
"""A name that was seen in several roles has the one that serves all of the calls."""


@dataclass(slots=True)
class Parameter:
    """One parameter: how it can be given, and what was."""

    role: str
    type: Type


@dataclass(slots=True)
class Signature:
    """What a function was called with, and what came of it."""

    parameters: dict[str, Parameter] = field(default_factory=dict)
    required: set[str] = field(default_factory=set)
    before: Pairs = field(default_factory=set)
    var_pos: tuple[str, Type] | None = None
    var_kw: tuple[str, Type] | None = None
    usage: Usage = field(default_factory=dict)
    returns: Type = BOTTOM
    raises: set[tuple[str, str]] = field(default_factory=set)
    static: bool = False

    @classmethod
    def of_call(
        cls,
        pos_only: list[tuple[str, Type]],
        pos_or_kw: list[tuple[str, Type]] | None = None,
        kw_only: dict[str, Type] | None = None,
        var_pos: tuple[str, Type] | None = None,
        var_kw: tuple[str, Type] | None = None,
    ) -> Signature:
        """The signature of a single call."""
        made = cls(var_pos=var_pos, var_kw=var_kw)
        for role, given in (
            ("pos_only", pos_only),
            ("pos_or_kw", pos_or_kw or []),
            ("kw_only", (kw_only or {}).items()),
        ):
            previous = None
            for name, of in given:
                if name in made.parameters:
                    raise TypeFormatError(f"the parameter {name!r} was given twice")
                made.parameters[name] = Parameter(role, of)
                made.required.add(name)
                if previous is not None and role != "kw_only":
                    made.before.add((previous, name))
                previous = name
        made._settle()
        return made

    def copy(self) -> Signature:
        """One that can be changed alone."""
        return Signature(
            {name: Parameter(each.role, each.type) for name, each in self.parameters.items()},
            set(self.required),
            set(self.before),
            self.var_pos,
            self.var_kw,
            dict(self.usage),
            self.returns,
            set(self.raises),
            self.static,
        )

    def join(self, other: Signature, counts: AddCounts) -> None:
        """Take in another one."""
        for name, theirs in other.parameters.items():
            mine = self.parameters.get(name)
            if mine is None:
                self.parameters[name] = Parameter(theirs.role, theirs.type)
                continue
            if mine.type is not theirs.type:
                mine.type = join(mine.type, theirs.type)
            if _RANK[theirs.role] > _RANK[mine.role]:
                mine.role = theirs.role
        self.required &= other.required
        self.before |= other.before
        self.var_pos = _join_named(self.var_pos, other.var_pos)
        self.var_kw = _join_named(self.var_kw, other.var_kw)
        self.join_results(other, counts)
        self._settle()

    def join_results(self, other: Signature, counts: AddCounts) -> None:
        """Take in one whose parameters are known: what it gave and how often."""
        if self.returns is not other.returns:
            self.returns = join(self.returns, other.returns)
        if other.raises:
            self.raises |= other.raises
        self.static = self.static and other.static
        add_usage(self.usage, other.usage, counts)

    def _settle(self) -> None:
        """Make what has no name, and is optional, part of `*args` once there is much of it."""
        if len(self.required) == len(self.parameters):
            return
        unnamed = [
            name
            for name, each in self.parameters.items()
            if _unnamed(name) and each.role == "pos_only" and name not in self.required
        ]
        if unnamed and (self.var_pos is not None or len(unnamed) > MOST_UNNAMED_OPTIONAL):
            label = self.var_pos[0] if self.var_pos else "_args"
            gathered = [self.parameters.pop(name).type for name in unnamed]
            self.var_pos = (label, join_all([*gathered, self.var_pos[1] if self.var_pos else BOTTOM]))
            gone = set(unnamed)
            self.before = {pair for pair in self.before if not gone.intersection(pair)}

    def ordered(self, role: str, *, required: bool | None = None) -> list[str]:
        """The parameters of a role in order."""
        wanted = [name for name, each in self.parameters.items() if each.role == role]
        order = sort_by_pairs(wanted, self.before) if role != "kw_only" else sorted(wanted)
        return [name for name in order if required is None or (name in self.required) == required]

    def content(self) -> str:
        """Equal for two that differ in counts and results alone."""
        return repr(
            (
                sorted(
                    (name, each.role, each.type.key(), name in self.required) for name, each in self.parameters.items()
                ),
                None if self.var_pos is None else (self.var_pos[0], self.var_pos[1].key()),
                None if self.var_kw is None else (self.var_kw[0], self.var_kw[1].key()),
            )
        )

    def to_json(self) -> dict[str, Any]:
        """As api.json has it: nothing that is empty."""
        told: dict[str, Any] = {}
        for role in ("pos_only", "pos_or_kw", "kw_only"):
            for required in (True, False):
                names = self.ordered(role, required=required)
                if names:
                    given = {name: to_json(self.parameters[name].type) for name in names}
                    told[f"{role}_{'required' if required else 'optional'}"] = given
            pairs = sorted(pair for pair in self.before if self._is_of(role, pair))
            if pairs and role != "kw_only" and set(pairs) != _chain(self.ordered(role, required=True)):
                told[f"{role}_optional_ordering"] = [list(pair) for pair in pairs]
            if role == "pos_or_kw" and self.var_pos is not None:
                told["var_pos"] = [self.var_pos[0], to_json(self.var_pos[1])]
        if self.var_kw is not None:
            told["var_kw"] = [self.var_kw[0], to_json(self.var_kw[1])]
        if self.usage:
            told["metadata"] = dict(sorted(self.usage.items()))
        if self.returns is not BOTTOM:
            told["returns"] = to_json(self.returns)
        if self.raises:
            told["raises"] = [{"module": module, "name": name} for module, name in sorted(self.raises)]
        if self.static:
            told["static"] = True
        return told

    def _is_of(self, role: str, pair: tuple[str, str]) -> bool:
        return all(name in self.parameters and self.parameters[name].role == role for name in pair)

    @classmethod
    def from_json(cls, told: Any) -> Signature:
        """A signature of an api.json.

        Raises:
            TypeFormatError: It is none.
        """
        if not isinstance(told, dict):
            raise TypeFormatError(f"no signature of an API: {told!r:.80}")
        unknown = told.keys() - _FIELDS
        if unknown:
            raise TypeFormatError(f"a signature of a version not known here: it says {', '.join(sorted(unknown))}")
        made = cls(static=bool(told.get("static", False)))
        for role in _RANK:
            for need in ("required", "optional"):
                for name, of in told.get(f"{role}_{need}", {}).items():
                    made.parameters[name] = Parameter(role, from_json(of))
                    if need == "required":
                        made.required.add(name)
            if role != "kw_only":
                made.before |= _chain(list(told.get(f"{role}_required", {})))
                made.before |= {(str(first), str(then)) for first, then in told.get(f"{role}_optional_ordering", [])}
        made.var_pos = _named_from_json(told.get("var_pos"))
        made.var_kw = _named_from_json(told.get("var_kw"))
        made.usage = usage_from_json(told.get("metadata", {}))
        if "returns" in told:
            made.returns = from_json(told["returns"])
        made.raises = {(each.get("module", ""), each["name"]) for each in told.get("raises", [])}
        made._settle()
        return made


_FIELDS = {
    *(f"{role}_{need}" for role in _RANK for need in ("required", "optional", "optional_ordering")),
    *("var_pos", "var_kw", "metadata", "returns", "raises", "static"),
}


def _unnamed(name: str) -> bool:
    return name.startswith("_") and name[1:].isdigit()


def _chain(names: list[str]) -> Pairs:
    return set(zip(names, names[1:], strict=False))


def _named_from_json(told: Any) -> tuple[str, Type] | None:
    return None if told is None else (str(told[0]), from_json(told[1]))


def _join_named(left: tuple[str, Type] | None, right: tuple[str, Type] | None) -> tuple[str, Type] | None:
    if left is None or right is None:
        return left or right
    name = min((left[0], right[0]), key=lambda each: (each.startswith("_"), each))
    return name, join(left[1], right[1])


def add_usage(into: Usage, more: Usage, counts: AddCounts) -> None:
    """Add the counts of other calls."""
    for label, count in more.items():
        into[label] = counts(into[label], count) if label in into else count


def usage_from_json(told: Any) -> Usage:
    """Counts of an api.json.

    Raises:
        TypeFormatError: They are none.
    """
    if not isinstance(told, dict) or not all(isinstance(count, int) for count in told.values()):
        raise TypeFormatError(f"no counts: {told!r:.80}")
    return {str(label): count for label, count in told.items()}


def sort_by_pairs(names: list[str], pairs: Pairs) -> list[str]:
    """Names in an order that the pairs allow; by number, then by name, where they leave a choice or contradict."""
    waiting = dict.fromkeys(sorted(names, key=_by_number))
    behind: dict[str, set[str]] = {name: set() for name in waiting}
    for first, then in pairs:
        if first in behind and then in behind:
            behind[then].add(first)
    order: list[str] = []
    while waiting:
        ready = next((name for name in waiting if not behind[name] & waiting.keys() - {name}), next(iter(waiting)))
        del waiting[ready]
        order.append(ready)
    return order


def _by_number(name: str) -> tuple[int, str]:
    return (int(name[1:]), "") if _unnamed(name) else (-1, name)
