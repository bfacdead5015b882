"""A function over many items: in chunks, in order, no further ahead than the results' reader allows.

A chunk is one call (Op.MAP), so ten thousand small items cost a few frames. How large a chunk is: when the number of
items is known, so that each worker gets a few; else it begins at one item and grows as long as chunks come back
quickly. What is large in bytes is cut smaller.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sized
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bascule.bridge.client.encoding import NotSendable, milliseconds, size_of
from bascule.bridge.client.feed import Feed
from bascule.bridge.client.futures import RAISED, Future
from bascule.bridge.client.items import Items, each_of
from bascule.bridge.client.proxy import Remote
from bascule.bridge.errors import BadArguments, CallError, HandleLost, Timeout, from_map
from bascule.bridge.pacing import MOST_ITEMS, suitable_size
from bascule.protocols.calls import Op

if TYPE_CHECKING:
    from bascule.bridge.client.calling import Calling

_MAP, _METHOD = int(Op.MAP), int(Op.METHOD)
_SEQUENCES: Final = frozenset((list, tuple))
_MOST_BYTES: Final = 4 << 20  # of a chunk of more than one item
_CHUNKS_EACH: Final = 4  # chunks for each worker, so that none is left with much when others are done


class Chunker:
    """Cuts items into chunks of a suitable size; objects of workers go alone. No I/O, no clock."""

    def __init__(self, items: Iterable[Any], *, chunk: int | None, star: bool, workers: int) -> None:
        if chunk is not None and chunk < 1:
            raise ValueError(f"a chunk must have at least 1 item, not {chunk!r}")
        self._items = iter(items)
        self._ahead: deque[Any] = deque()  # what was taken and put back
        self._feed = items if isinstance(items, Feed) else None
        self._star = star
        self._adapts = self._goes_by_size = chunk is None
        if chunk is not None:
            self.size = chunk
        elif isinstance(items, Sized) and self._feed is None:
            self.size = max(1, min(MOST_ITEMS, -(-len(items) // (workers * _CHUNKS_EACH))))
            self._adapts = False
        else:
            self.size = 1

    def next_chunk(self) -> list[Any]:
        """The next items; empty at the end. With `star`, each is a list or tuple of arguments."""
        if self._feed is not None:
            self._feed.wanted = self.size
        ahead = self._ahead
        taken = [ahead.popleft() for _ in range(min(self.size, len(ahead)))]
        taken += islice(self._items, self.size - len(taken))
        if self._goes_by_size and taken and _has_object(taken[0], star=self._star):
            # To the worker that has it: several would have to be copied to one.
            ahead.extendleft(reversed(taken[1:]))
            taken = taken[:1]
        if self._star and not _SEQUENCES.issuperset(map(type, taken)):
            return [item if type(item) in _SEQUENCES else _arguments_of(item) for item in taken]
        return taken

    def arguments(self, chunk: list[Any]) -> tuple[Any, ...]:
        """A chunk as a MAP takes it: the items' first arguments, their second ones ..., where all have as many.

        A few long lists are written, read and gone through in half the time that many short ones take.
        """
        if not self._star:
            return None, chunk
        widths = set(map(len, chunk))
        if len(widths) == 1 and (width := widths.pop()):
            return None, *(list(map(itemgetter(at), chunk)) for at in range(width))
        return ([*map(list, chunk)],)

    def cut(self, chunk: list[Any], size_in_bytes: int) -> list[list[Any]]:
        """The chunk in pieces that are not too large; the next ones will not be either."""
        if size_in_bytes <= _MOST_BYTES or len(chunk) == 1:
            return [chunk]
        self.size = max(1, len(chunk) * _MOST_BYTES // size_in_bytes)
        return [chunk[at : at + self.size] for at in range(0, len(chunk), self.size)]

    def learn(self, items: int, seconds: float, *, waited: bool) -> None:
        """So long took a chunk of so many items; whether its reader had to wait for it."""
        if self._adapts:
            self.size = suitable_size(self.size, items, seconds, waited=waited)


def _has_object(item: Any, *, star: bool) -> bool:
    """Whether an item is an object that lives in a worker, or, with `star`, has one among its arguments."""
    if star:
        return type(item) in _SEQUENCES and any(isinstance(each, Remote) for each in item)
    return isinstance(item, Remote)


def _arguments_of(item: Any) -> list[Any]:
    """An item's arguments, with `star`."""
    try:
        return list(item)
    except TypeError:
        raise TypeError(f"with star=True each item is a sequence of arguments; {item!r:.80} is none") from None


class Refused(Future):
    """A call that could not be made, since an item can't travel: to errors that are returned it is one of them."""

    __slots__ = ()

    def __init__(self, target: str, why: NotSendable | HandleLost) -> None:
        super().__init__(None, 0, target)  # type: ignore[arg-type]
        error = why if isinstance(why, CallError) else BadArguments(str(why))
        error.__cause__ = None if error is why else why
        self.settle(RAISED, error)

    def abandon(self) -> None:
        """The service has not heard of it."""


class Chunk(NamedTuple):
    """A chunk under way."""

    future: Future
    items: int
    started: float  # monotonic


def call_method(calling: Calling[Any], target: str, item: Any, *, star: bool, timeout: float | None) -> Future:
    """Call the method of a target like `.name` of an item that is an object; with `star` its arguments follow it.

    Raises:
        TypeError: The item is no object of a worker's.
        NotSendable, HandleLost: It can't be called.
    """
    args = item if star else (item,)
    if not args or not isinstance(args[0], Remote):
        raise TypeError(f"{target} is called of objects that live in a worker; {item!r:.80} is none")
    call: Future = calling.start(_METHOD, target[1:], args, None, takes_object=True, timeout=timeout, entry_type=Future)
    call.link.flush()
    return call


def read_results(results: Any) -> tuple[list[Any], CallError | None, list[Any]]:
    """What a MAP answered: the values up to the first error, that error, and every item's value or error."""
    values, errors = results
    if not errors:
        return values, None, values
    every = list(values)
    for at, error in errors:
        every[at] = from_map(error)
    first = errors[0][0]
    return every[:first], every[first], every


class MapRun:
    """One map under way: what both clients do of it. They differ in how they wait for a chunk."""

    def __init__(
        self,
        calling: Calling[Any],
        target: str,
        items: Items,
        *,
        chunk: int | None,
        timeout: float | None,
        errors: str,
        star: bool,
        window: int | None,
    ) -> None:
        if errors not in ("raise", "return"):
            raise ValueError(f"errors is 'raise' or 'return', not {errors!r}")
        if window is not None and window < 1:
            raise ValueError(f"a window must be at least 1 chunk, not {window!r}")
        milliseconds(timeout)  # to complain now
        workers = os.cpu_count() or 1
        self._calling = calling
        self._target = target
        self._of_objects = target.startswith(".")
        self._star = star
        items = each_of(items)
        self._feed = items if isinstance(items, Feed) else None
        self._chunker = Chunker(items, chunk=1 if self._of_objects else chunk, star=star, workers=workers)
        self._window = window or max(8, workers * _CHUNKS_EACH * 2)
        self._until = None if timeout is None else time.monotonic() + timeout
        self._timeout = timeout
        self._raises = errors == "raise"
        self._exhausted = False
        self.started: deque[Chunk] = deque()

    def fill(self) -> None:
        """Start chunks until enough are under way."""
        while len(self.started) < self._window and not self._exhausted:
            chunk = self._chunker.next_chunk()
            if not chunk:
                self._exhausted = self._feed is None or self._feed.over
                if not self._exhausted:
                    self._time_left()
                return
            self._start(chunk)

    def awaited_items(self) -> list[Feed]:
        """The feed, if more items are to come, and none is there at the moment."""
        return [] if self._feed is None or self._feed.state else [self._feed]

    def take(self, chunk: Chunk, *, waited: bool) -> tuple[list[Any], CallError | None]:
        """The results of a chunk that has ended, and the error that is to be raised after them."""
        self._chunker.learn(chunk.items, time.monotonic() - chunk.started, waited=waited)
        try:
            answer = chunk.future.result()
            values, error, every = ([answer], None, [answer]) if self._of_objects else read_results(answer)
        except CallError as lost:
            return ([], lost) if self._raises else ([lost] * chunk.items, None)
        return (values, error) if self._raises else (every, None)

    def stop(self) -> None:
        """Nobody reads on. Waits for no lock: the garbage collector may call it."""
        self._exhausted = True
        if self._feed is not None:
            self._feed.stop()
        while self.started:
            self.started.popleft().future.abandon()

    def results(self) -> Iterator[list[Any]]:
        """For the blocking client: the results, a list for each chunk."""
        try:
            while self.started:
                chunk = self.started.popleft()
                waited = not chunk.future.done()
                chunk.future.exception()  # waits for it
                values, error = self.take(chunk, waited=waited)
                if error is not None:
                    self.stop()
                    yield values
                    raise error
                self.fill()
                yield values
        finally:
            self.stop()

    def patience(self) -> float | None:
        """Seconds for which more items may be awaited."""
        return None if self._until is None or not self.awaited_items() else max(0.0, self._until - time.monotonic())

    def _time_left(self) -> float | None:
        if self._until is None:
            return None
        left = self._until - time.monotonic()
        if left <= 0:
            raise Timeout(f"the map of {self._target} has not ended within {self._timeout} s")
        return left

    def _start(self, chunk: list[Any]) -> None:
        left = self._time_left()
        try:
            if self._of_objects:
                future = call_method(self._calling, self._target, chunk[0], star=self._star, timeout=left)
                self.started.append(Chunk(future, 1, time.monotonic()))
                return
            arguments, kept = self._calling.encode(self._chunker.arguments(chunk), None)
        except (NotSendable, HandleLost) as why:
            if self._raises:
                raise
            if len(chunk) == 1:
                self.started.append(Chunk(Refused(self._target, why), 1, time.monotonic()))
            else:
                for item in chunk:
                    self._start([item])
            return
        pieces = self._chunker.cut(chunk, size_of(arguments))
        if len(pieces) > 1:
            for piece in pieces:
                self._start(piece)
            return
        future = self._calling.launch(
            _MAP, self._target, arguments, kept, deadline_ms=milliseconds(left), entry_type=Future
        )
        future.link.flush()  # each as soon as it is ready: the workers begin while we encode the next
        self.started.append(Chunk(future, len(chunk), time.monotonic()))
