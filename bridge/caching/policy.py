"""Which functions' answers are kept, where, and how long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bascule.workers.persist.lifetimes import FOREVER, Lifetime

SHORT_NAMES = {"sqlite": "sqlite://", "memory": "memory://bridge"}
"""What may be said instead of a URL."""


@dataclass(frozen=True)
class Rule:
    """For one function, or all of a module."""

    lifetime: Lifetime = FOREVER
    store: str = "sqlite://"
    errors: bool = False  # whether what it raises is kept, too
    version: str = ""  # another one, and everything is computed anew


class Rules:
    """Finds the rule of a target.

    Args:
        rules: By `module:function`, or `module:*`.
    """

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        self._exact = {name.encode(): rule for name, rule in rules.items() if not name.endswith(":*")}
        self._modules = {name[:-2].encode(): rule for name, rule in rules.items() if name.endswith(":*")}

    def of(self, target: bytes) -> Rule | None:
        """The rule for a target; None where nothing is kept."""
        rule = self._exact.get(target)
        if rule is None and self._modules:
            rule = self._modules.get(target.partition(b":")[0])
        return rule
