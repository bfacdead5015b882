"""How many calls are cut, and when a part is begun once more: what all doors and clients share. No I/O, no clock.

What is idempotent is tried again when it was lost with what ran it, and run a second time beside the first when it
takes far longer than the others did. Nothing heavy is imported here: a pod reads this before its first answer.
"""

from __future__ import annotations

from bascule.protocols.errors import ErrorKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

TRIES: Final = 3  # how often an item of an idempotent function is tried in all: the first time with its chunk
_LOST: Final = frozenset(
    {ErrorKind.WORKER_LOST, ErrorKind.DISCONNECTED, ErrorKind.POOL_UNAVAILABLE, ErrorKind.OVERLOADED}
)
_LOST_WORDS: Final = frozenset(kind.value for kind in _LOST)
_STRAGGLES: Final = 4.0  # times the usual, and
_STRAGGLES_FROM: Final = 1.0  # seconds, after which a chunk at the end is run a second time
_WEIGHT: Final = 0.2  # of the last chunk in what is usual
MOST_ITEMS: Final = 1024  # of a chunk whose size nobody said
_QUICK, _SLOW = 0.01, 0.1  # seconds: chunks that come back sooner grow, those that let us wait longer shrink


def suitable_size(size: int, items: int, seconds: float, *, waited: bool = True) -> int:
    """How many items a chunk should have, after one of so many came back in so many seconds.

    Args:
        size: How many they have at present; `items` is less where they ran out.
        items: What that one had.
        seconds: How long it took.
        waited: Somebody had to wait for it.
    """
    if seconds < _QUICK and items >= size:
        return min(size * 2, MOST_ITEMS)
    return max(1, size // 2) if seconds > _SLOW and waited else size


def may_try_again(kind: str | ErrorKind, tries: int) -> bool:
    """Whether what is idempotent, and was tried again so many times already, is tried again after such an error."""
    lost = kind in _LOST if isinstance(kind, ErrorKind) else kind in _LOST_WORDS
    return lost and tries + 1 < TRIES


class Pace:
    """How long a chunk usually takes.

    Attributes:
        usual: Seconds, lately; 0 as long as none has ended.
    """

    __slots__ = ("usual",)

    def __init__(self) -> None:
        self.usual = 0.0

    def ended(self, seconds: float) -> None:
        """A chunk took so long."""
        self.usual = seconds if not self.usual else self.usual + (seconds - self.usual) * _WEIGHT

    def straggles_after(self) -> float | None:
        """Seconds after which a chunk is run a second time, if nothing else is to be begun; None: not known yet."""
        return max(_STRAGGLES_FROM, self.usual * _STRAGGLES) if self.usual else None
