"""Keys of a map that are distinct in Python, and one and the same in Erlang: `"a"` and `b"a"`, both a binary.

Only their bytes tell. So while a map is written whose keys are not all of one plain type, the encoder meets the map's
`KeyMark` before and behind each key: what it has written between the two is the key, to be compared with those before.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Final

MOST_OPEN_KEYS: Final = 8
"""Maps that are keys of maps that are keys ...: further in, keys are not compared, since each level costs a copy."""


class Raw:
    """Bytes that are ETF already, among the values of an iterator."""

    __slots__ = ("encoded",)

    def __init__(self, encoded: bytes) -> None:
        self.encoded = encoded


class KeyMark:
    """Stands before and behind each key of a map whose keys might be one and the same to Erlang.

    Attributes:
        keys: The map's.
        begin: The first piece of the key that is being written; -1: none is.
    """

    __slots__ = ("_seen", "begin", "keys")

    def __init__(self, keys: Iterable[object]) -> None:
        self.keys = list(keys)
        self.begin = -1
        self._seen: dict[bytes, int] = {}

    def close(self, parts: list[bytes], show: Callable[[object], str]) -> None:
        """A key is written whole.

        Args:
            parts: All that was written.
            show: How a key is shown in an error.

        Raises:
            ValueError: To Erlang the map has this key already.
        """
        key = b"".join(parts[self.begin :])
        parts[self.begin :] = (key,)  # one piece: the next mark around this one finds less to join
        self.begin = -1
        seen = self._seen
        if key in seen:
            one, other = show(self.keys[seen[key]]), show(self.keys[len(seen)])
            raise ValueError(f"the keys {one} and {other} are one and the same in an Erlang map")
        seen[key] = len(seen)
