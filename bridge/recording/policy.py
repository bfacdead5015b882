"""`bascule policy suggest`: a trace of a service's calls -> the allow-list of a listener.

What a client named is allowed by that very name. Whoever used an object (a method, an attribute, an operator on a
handle) needs the listener's `objects`, which is no list: through an object nearly everything can be reached, so the
suggestion says which uses made it necessary.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bascule.bridge.recording.reading import Damage, read_lines


@dataclass(frozen=True)
class Suggestion:
    """What to allow.

    Attributes:
        allow: Patterns of `module:function`.
        objects: What was done to objects.
    """

    allow: tuple[str, ...]
    objects: tuple[str, ...]

    def as_toml(self) -> str:
        """The lines for a table `[listeners.NAME]`."""
        listed = "".join(f"    {json.dumps(pattern)},\n" for pattern in self.allow)
        text = f"allow = [\n{listed}]\n" if self.allow else "allow = []\n"
        if self.objects:
            text += "# Clients used objects:\n" + "".join(f"#   {use}\n" for use in self.objects)
        return text + f"objects = {'true' if self.objects else 'false'}\n"


def suggest(traces: list[Path], damage: Damage, *, modules: bool = False) -> Suggestion:
    """What allows the calls of some traces, and no others.

    Args:
        modules: Allow all public functions of each module that was used.

    Raises:
        InputError: A trace can't be read.
    """
    allow: set[str] = set()
    objects: set[str] = set()
    for path, number, row in read_lines(traces, damage):
        function = row.get("function")
        if not isinstance(function, dict):
            damage.report(path, number, "it has no `function`: is this a trace of `bascule serve --record`?")
            continue
        target = row.get("target")
        if isinstance(target, str):
            module, _, name = target.partition(":")
            allow.add(f"{module}:*" if modules and "." not in name and not name.startswith("_") else target)
        else:
            objects.add(_said(function, row))
    return Suggestion(tuple(sorted(allow)), tuple(sorted(objects)))


def _said(function: dict[str, Any], row: dict[str, Any]) -> str:
    what = function.get("v")
    if isinstance(what, dict) and "self" in what:
        return f"{_class(what['self'])}.{what['name']}()"
    name = what.get("name") if isinstance(what, dict) else what
    if name in ("getattr", "setattr", "delattr"):
        given = _given(row)
        return f"{_class(given[0])}.{given[1]}" if len(given) > 1 else str(name)
    given = _given(row)
    return f"{name} of {_class(given[0])}" if given else str(name)


def _given(row: dict[str, Any]) -> list[Any]:
    if "params" in row:
        return list(row["params"].get("args", []))
    return [value for _, value in row.get("bound_params", {}).get("pos_only", [])]


def _class(told: Any) -> str:
    kind = told.get("t") if isinstance(told, dict) else type(told).__name__
    return f"{kind.get('module')}.{kind.get('name')}" if isinstance(kind, dict) else str(kind)
