"""How long a result is good: a pure decision over its stamp, the rules and the clock.

A clock may jump. A result that seems to come from the future has an age that nobody knows: where there is a time to
live, it is over.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Union

_SLACK = 60.0  # seconds that two clocks may differ
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}

Span = Union[float, int, str, timedelta, None]


class Freshness(enum.Enum):
    """What may be done with a result."""

    FRESH = "give it"
    STALE = "give it, and compute it anew beside"
    EXPIRED = "compute it anew"


@dataclass(frozen=True)
class Lifetime:
    """The rules of one function, in seconds."""

    ttl: float | None = None
    stale: float = 0.0  # beyond its time to live, while it is being computed anew

    def judge(self, created: float, now: float) -> Freshness:
        """How good a result of that time is."""
        if self.ttl is None:
            return Freshness.FRESH
        age = now - created
        if -_SLACK <= age < self.ttl:
            return Freshness.FRESH
        if 0 <= age < self.ttl + self.stale:
            return Freshness.STALE
        return Freshness.EXPIRED

    def expires(self, created: float) -> float:
        """When a result made now is of no use any more, for those who tidy up; 0: never."""
        return 0.0 if self.ttl is None else created + self.ttl + self.stale


FOREVER = Lifetime()


def seconds(span: Span, what: str) -> float | None:
    """A time span in seconds: a number, a timedelta, or text such as "90s", "15m", "12h", "1d", "1h30m".

    Raises:
        ValueError: It is none of these, or negative.
    """
    if span is None:
        return None
    if isinstance(span, timedelta):
        number = span.total_seconds()
    elif isinstance(span, str):
        parts = re.findall(r"(\d+(?:\.\d+)?)\s*([smhdw])\s*", span)
        if not parts or re.sub(r"(\d+(?:\.\d+)?)\s*([smhdw])\s*", "", span).strip():
            raise ValueError(f"{what}={span!r} is no time span; write for example '90s', '15m', '12h', '1d' or '1h30m'")
        number = sum(float(amount) * _UNITS[unit] for amount, unit in parts)
    else:
        number = float(span)
    if not number >= 0:
        raise ValueError(f"{what}={span!r}: a time span can't be negative")
    return number
