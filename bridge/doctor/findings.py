"""What the doctor's modules look at, and what they say."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path


class Level(enum.Enum):
    """How much it matters."""

    GOOD = "good"
    NOTE = "note"
    """Something that some people want is not there."""
    WARNING = "warning"
    """It works, but not under load, or not for long."""
    PROBLEM = "problem"
    """It does not work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    level: Level
    text: str
    remedy: str | None = None
    """What to do; none for what is good."""

    def as_data(self) -> dict[str, str | None]:
        """As plain data."""
        return {"subject": self.subject, "level": self.level.value, "text": self.text, "remedy": self.remedy}


@dataclass(frozen=True, slots=True)
class Pool:
    """What matters of a pool."""

    name: str
    python: str
    size: int = 1
    paths: tuple[str, ...] = ()
    preload: tuple[str, ...] = ()
    """Modules that its workers must be able to import."""
    scheduler: str = "least_busy"


@dataclass(frozen=True, slots=True)
class Patient:
    """A service as it is, or would be, configured."""

    pools: tuple[Pool, ...]
    sockets: tuple[Path, ...]
    addresses: tuple[str, ...] = ()
    """Where it listens on TCP: `host:port`."""


def good(subject: str, text: str) -> Finding:
    """Nothing to do."""
    return Finding(subject, Level.GOOD, text)


def note(subject: str, text: str, remedy: str) -> Finding:
    """Only some people care."""
    return Finding(subject, Level.NOTE, text, remedy)


def warning(subject: str, text: str, remedy: str) -> Finding:
    """It works, for now."""
    return Finding(subject, Level.WARNING, text, remedy)


def problem(subject: str, text: str, remedy: str) -> Finding:
    """It does not work."""
    return Finding(subject, Level.PROBLEM, text, remedy)
