"""Which functions' answers are kept, where, and how long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bascule.workers.persist.lifetimes import FOREVER, Lifetime

SHORT_NAMES = {"sqlite": "sqlite://", "memory": "memory://bridge"}
"""What may be said instead of a URL."""
_MOST_FOUND = 4096  # targets whose rule, or lack of one, is remembered


@dataclass(frozen=True)
class Rule:
    """For one function, or all of a module."""

    lifetime: Lifetime = FOREVER
    store: str = "sqlite://"
    errors: bool = False  # whether what it raises is kept, too
    version: str = ""  # another one, and everything is computed anew
    share: bool = True  # whether clients of other formats are given them, too


class Rules:
    """Finds the rule of a target.

    Args:
        rules: By `module:function`, or `module:*`.
    """

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        self._exact = {name: rule for name, rule in rules.items() if not name.endswith(":*")}
        self._modules = {name[:-2]: rule for name, rule in rules.items() if name.endswith(":*")}
        self._found: dict[bytes, tuple[Rule, str] | None] = {}

    def of(self, target: bytes) -> tuple[Rule, str] | None:
        """The rule for a target, and the name that its answers are kept under; None where nothing is kept."""
        try:
            return self._found[target]
        except KeyError:
            if len(self._found) >= _MOST_FOUND:
                self._found.clear()
            found = self._found[target] = self._find(target.decode(errors="replace"))
            return found

    def _find(self, target: str) -> tuple[Rule, str] | None:
        names = [target]
        if ":" not in target:  # os.path.join: where its module ends only a worker knows, and the rules
            parts = target.split(".")
            names = [f"{'.'.join(parts[:at])}:{'.'.join(parts[at:])}" for at in range(len(parts) - 1, 0, -1)]
        for name in names:
            rule = self._exact.get(name) or self._modules.get(name.partition(":")[0])
            if rule is not None:
                return rule, name
        return None
