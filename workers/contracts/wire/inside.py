"""What generated code needs for the types that have others inside, and for Unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .errors import Mismatch, mismatch

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True)
class Just(Generic[T]):
    """What is there, where what is there may itself be nothing: `Maybe (Maybe a)`."""

    value: T


def read_unit(wire: Any) -> object:
    """Unit is an empty object; nothing at all will do too."""
    return None if wire is None or wire == {} else mismatch()


def just(wire: Any) -> Just[Any]:
    """A wrapped Maybe that holds something, of its plain form."""
    if type(wire) is not dict or len(wire) != 1:
        raise Mismatch
    return Just(wire["just"])


def held(holder: Just[T], convert: Callable[[T], U]) -> U:
    """What a wrapped Maybe holds, converted."""
    return convert(holder.value)


def unique_keys(made: dict[T, U], wire: Any) -> dict[T, U]:
    """A map, of which two keys may have been read as the same one."""
    return made if len(made) == len(wire) else mismatch()


def unique(items: list[T]) -> set[T]:
    """The elements of a set, each of which may be there once."""
    found = set(items)
    if len(found) != len(items):
        raise Mismatch
    return found
