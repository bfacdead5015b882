"""What is raised for a value that is not what its type says, and for an error that a definition names."""

from __future__ import annotations

from typing import Any, NoReturn


class WireError(ValueError):
    """A value is not what its type says.

    Attributes:
        path: The way to it, as text: `books[3].price`; empty for the value as a whole.
        reason: What is wrong.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, self.reason)


class DecodeError(WireError):
    """What came over the wire is not what its type says."""


class EncodeError(WireError):
    """What should go over the wire is not what its type says."""


class Mismatch(Exception):
    """Something is wrong; `located` finds out what."""


class Raised(Exception):
    """An error that a function's definition names: `raise Raised(Missing("x"))`, on either side.

    Attributes:
        raised: The record that says what is wrong.
    """

    def __init__(self, raised: Any) -> None:
        super().__init__(f"{type(raised).__name__}: {raised}")
        self.raised = raised


FAILURES = (Mismatch, WireError, LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)
"""What straight-line code may raise for a value that does not fit."""


def mismatch() -> NoReturn:
    """Give up, within an expression."""
    raise Mismatch
