"""What a map, a scatter or a reduction goes over: anything that can be iterated, or a file of JSON lines."""

from __future__ import annotations

import os
from collections.abc import AsyncIterable, Iterable, Iterator
from pathlib import Path
from typing import Any

from bascule.protocols import jsonic
from bascule.protocols.errors import ProtocolError

Items = Iterable[Any] | os.PathLike[str]
"""A path stands for the values in that file, one to a line; lines are read as there is room for them."""

AsyncItems = Items | AsyncIterable[Any]
"""What the clients for event loops go over."""


def each_of(items: Items) -> Iterable[Any]:
    """The items.

    Raises:
        OSError: The file can't be read.
        TypeError: They come asynchronously.
    """
    if isinstance(items, os.PathLike):
        path = Path(items)
        with path.open("rb"):  # to complain now
            return _lines(path)
    if isinstance(items, AsyncIterable) and not isinstance(items, Iterable):
        raise TypeError(f"{items!r:.80} is iterated by `async for`: the clients for trio and asyncio take it")
    return items


def _lines(path: Path) -> Iterator[Any]:
    """The values of a file of JSON lines.

    Raises:
        ValueError: A line is no JSON; the message says which.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                yield jsonic.loads(line)
            except (ProtocolError, ValueError, RecursionError) as error:
                raise ValueError(f"{path}:{number} is no JSON: {error}") from None
