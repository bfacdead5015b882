"""What a row of the table is, and when it is reached."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class AtMost:
    """Reached when the ratio (ours / peer) is no larger."""

    bound: float

    def reached(self, ratio: float) -> bool:
        return ratio <= self.bound

    def __str__(self) -> str:
        return f"<= {self.bound:g}"


@dataclass(frozen=True)
class AtLeast:
    """Reached when the ratio (ours / peer) is no smaller."""

    bound: float

    def reached(self, ratio: float) -> bool:
        return ratio >= self.bound

    def __str__(self) -> str:
        return f">= {self.bound:g}"


Target = AtMost | AtLeast | None
"""None: measured for comparison only."""


@dataclass(frozen=True)
class Row:
    """One line: ours and the peer's number, in the unit that `what` ends with, and their ratio."""

    what: str
    ours: float
    peer: str
    against: float
    ratio: float
    target: Target = None

    @property
    def reached(self) -> bool | None:
        return None if self.target is None else self.target.reached(self.ratio)

    def as_json(self) -> dict[str, object]:
        return {
            "what": self.what,
            "ours": round(self.ours, 3),
            "against": round(self.against, 3),
            "peer": self.peer,
            "ratio": round(self.ratio, 3),
            "target": None if self.target is None else str(self.target),
            "reached": self.reached,
        }


@dataclass(frozen=True)
class Case:
    """Rows that are measured together, under a name that ONLY=pattern looks for."""

    name: str
    measure: Callable[[], Iterable[Row]]
