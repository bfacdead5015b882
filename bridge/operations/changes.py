"""What differs between two configurations. Pure: `serving` carries it out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bascule.bridge.config import Section, ServiceConfig


@dataclass(frozen=True)
class Difference:
    """Named things that came, went, or are other than they were."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: Mapping[str, tuple[str, ...]]  # which keys of each


def difference(before: Mapping[str, Section], after: Mapping[str, Section]) -> Difference:
    """How one table of tables became another."""
    changed = {name: keys for name in after if name in before and (keys := changed_keys(before[name], after[name]))}
    return Difference(
        tuple(name for name in after if name not in before),
        tuple(name for name in before if name not in after),
        changed,
    )


def changed_keys(before: Section, after: Section) -> tuple[str, ...]:
    """The keys of a table that have another value."""
    return tuple(name for name in type(after).model_fields if getattr(before, name) != getattr(after, name))


def in_words(before: ServiceConfig, after: ServiceConfig) -> list[str]:
    """All that differs, a line for each thing; nothing when they are the same."""
    lines: list[str] = []
    for kind in ("pools", "listeners", "cache"):
        named: Any = difference(getattr(before, kind), getattr(after, kind))
        lines += [f"{kind}.{name}: added" for name in named.added]
        lines += [f"{kind}.{name}: removed" for name in named.removed]
        lines += [f"{kind}.{name}: {', '.join(keys)} changed" for name, keys in named.changed.items()]
    for name in ServiceConfig.model_fields:
        old, new = getattr(before, name), getattr(after, name)
        if isinstance(new, Section) and old != new:
            lines.append(f"{name}: {', '.join(changed_keys(old, new))} changed")
        elif name == "socket" and old != new:
            lines.append("socket: changed")
    return lines
