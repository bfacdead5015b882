"""What a changed spec asks of a pool that runs: most of it holds at once, some of it only for new processes.

Pure: `Pool.reconfigure` carries it out.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from bascule.bridge.pool_spec import PoolSpec

OF_A_PROCESS: Final = (
    "executable",
    "paths",
    "cwd",
    "env",
    "preload",
    "init",
    "converters",
    "mounts",
    "threads",
    "handle_cap",
    "handle_lease",
    "memory_limit",
)
"""Fields that a worker is started with: when one changes, all workers are replaced."""


class Trial(NamedTuple):
    """A changed spec that has yet to show that it works.

    Attributes:
        before: The spec to go back to, while it is tried.
        outcome: Why the last one that was tried did not work; "": it did.
    """

    before: PoolSpec | None = None
    outcome: str = ""


def changed_fields(before: PoolSpec, after: PoolSpec) -> list[str]:
    """The fields that differ, by name."""
    return [name for name in before._fields if getattr(before, name) != getattr(after, name)]


def needs_new_workers(before: PoolSpec, after: PoolSpec) -> bool:
    """Whether running workers are of the wrong kind now."""
    return any(name in OF_A_PROCESS for name in changed_fields(before, after))
