"""Scatter and gather: a function over many items, with all that may be wanted of it. No waiting is done here.

    for result in client.scatter("stats:fit", items, ordered=False, errors="return", idempotent=True):
        print(result.index, result.value if result.error is None else result.error)

A `ScatterRun` cuts the items into chunks (one call each, Op.MAP), keeps a bounded number of them under way, takes their
outcomes apart again, and decides what is tried once more. The clients differ only in how they wait for the next one.

- No more is taken from the items than the reader of the results allows, so an endless generator needs constant memory.
- A chunk that was lost with its worker or its connection is made again when the function is idempotent: item by
  item, so that one that kills its worker is told apart from its neighbours.
- When nothing is left to start and a chunk takes far longer than others did, an idempotent function is run a second
  time on it; the first outcome counts.
"""

from __future__ import annotations

import enum
import os
import time
from collections import deque
from collections.abc import Iterator, Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bascule.bridge.client.encoding import NotSendable, milliseconds, size_of
from bascule.bridge.client.feed import Feed
from bascule.bridge.client.futures import Future
from bascule.bridge.client.items import Items, each_of
from bascule.bridge.client.mapping import Chunker, Refused, call_method, read_results
from bascule.bridge.client.progress import Shown, Told
from bascule.bridge.errors import CallError, HandleLost, Timeout
from bascule.bridge.pacing import Pace, may_try_again
from bascule.protocols.calls import Op

if TYPE_CHECKING:
    from bascule.bridge.client.calling import Calling

_MAP = int(Op.MAP)


class Errors(enum.Enum):
    """What becomes of an item's error."""

    RAISE = "raise"  # the first one is raised, and all else is cancelled
    RETURN = "return"  # it is that item's result


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one item."""

    index: int  # its place among the items, from 0 on
    value: Any
    error: CallError | None

    def get(self) -> Any:
        """The value.

        Raises:
            CallError: There is none.
        """
        if self.error is not None:
            raise self.error
        return self.value


@dataclass(frozen=True)
class Progress:
    """How far a scatter is."""

    done: int
    failed: int
    total: int | None  # None where the items can't be counted
    seconds: float
    over: bool = False


@dataclass(frozen=True)
class Options:
    """How a scatter is to be done; see `Client.scatter`."""

    ordered: bool = True
    errors: Errors = Errors.RAISE
    chunk: int | None = None
    window: int | None = None
    timeout: float | None = None
    star: bool = False
    idempotent: bool = False
    progress: Told | None = None


class Piece:
    """A chunk: its items, and the one or two calls that are to give its results."""

    __slots__ = ("calls", "first", "items", "since", "tries")

    def __init__(self, first: int, items: list[Any], tries: int = 0) -> None:
        self.first = first
        self.items = items
        self.tries = tries
        self.calls: list[Future] = []
        self.since = 0.0

    def alone(self, tries: int) -> list[Piece]:
        """Its items, each by itself."""
        return [Piece(self.first + at, [item], tries) for at, item in enumerate(self.items)]


class ScatterRun:
    """One scatter under way.

    Attributes:
        progress: How far it is.
    """

    def __init__(self, calling: Calling[Any], target: str, items: Items, options: Options) -> None:
        if options.window is not None and options.window < 1:
            raise ValueError(f"a window must be at least 1 chunk, not {options.window!r}")
        milliseconds(options.timeout)  # to complain now
        items = each_of(items)
        workers = os.cpu_count() or 1
        self._calling = calling
        self._target = target
        self._options = options
        self._of_objects = target.startswith(".")
        chunk = 1 if self._of_objects else options.chunk
        self._chunker = Chunker(items, chunk=chunk, star=options.star, workers=workers)
        self._window = options.window or max(8, workers * 8)
        self._started = time.monotonic()
        self._until = None if options.timeout is None else self._started + options.timeout
        self._feed = items if isinstance(items, Feed) else None
        self._total = len(items) if isinstance(items, Sized) and self._feed is None else None
        self._next = 0
        self._exhausted = False
        self._again: deque[Piece] = deque()
        self._under_way: dict[Future, Piece] = {}
        self._waiting: dict[int, list[Result]] = {}  # by first index: what came before its turn
        self._turn = 0
        self._pace = Pace()
        self._done = self._failed = 0
        self._told_over = False

    @property
    def progress(self) -> Progress:
        """How far it is."""
        over = self._exhausted and not self._under_way and not self._again
        return Progress(self._done, self._failed, self._total, time.monotonic() - self._started, over)

    def fill(self) -> None:
        """Start chunks until enough are under way.

        Raises:
            Timeout: The time for all of it is over.
        """
        while self._again and len(self._under_way) < self._window:
            self._start(self._again.popleft())
        while len(self._under_way) + len(self._waiting) < self._window and not self._exhausted:
            items = self._chunker.next_chunk()
            if not items:
                self._exhausted = self._feed is None or self._feed.over
                if not self._exhausted:
                    self._time_left()
                return
            piece = Piece(self._next, items)
            self._next += len(items)
            self._start(piece)

    def awaited(self) -> list[Future]:
        """The calls of which one must end for anything to go on; nothing when all is over."""
        if not self._under_way and not self._told_over and self._exhausted:
            self._tell()
        return list(self._under_way)

    def awaited_items(self) -> list[Feed]:
        """The feed, if more items are to come, and none is there at the moment."""
        return [] if self._feed is None or self._feed.state else [self._feed]

    def patience(self) -> float | None:
        """Seconds after which there is something to do, if nothing that is awaited comes sooner."""
        if self._until is not None and self.awaited_items():
            return max(0.0, self._until - time.monotonic())
        return self._straggling_in()

    def _straggling_in(self) -> float | None:
        straggles = self._pace.straggles_after()
        if not self._options.idempotent or not self._exhausted or self._again or straggles is None:
            return None
        due = [piece.since + straggles for piece in self._under_way.values() if len(piece.calls) == 1]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def look_for_stragglers(self) -> None:
        """Run a second time what takes far too long, now that nothing else is to be started."""
        straggles = self._pace.straggles_after()
        if self._straggling_in() is None or straggles is None:
            return
        now = time.monotonic()
        for piece in list(self._under_way.values()):
            if len(piece.calls) == 1 and now - piece.since >= straggles:
                self._launch(piece)

    def take(self) -> list[Result]:
        """The results of the calls that have ended, in order where that is wanted.

        Raises:
            CallError: The first error, where errors are to be raised; nothing goes on then.
        """
        ready: list[Result] = []
        for future in [future for future in self._under_way if future.state]:
            piece = self._under_way.pop(future, None)
            if piece is None:
                continue  # the other of two calls was quicker
            results = self._outcome(piece, future)
            if results is not None:
                self._count(results)
                if self._options.ordered:
                    self._waiting[piece.first] = results
                else:
                    ready += results
        while self._options.ordered and self._turn in self._waiting:
            results = self._waiting.pop(self._turn)
            self._turn += len(results)
            ready += results
        return ready

    def stop(self) -> None:
        """Nobody reads on: cancel what is under way. Waits for no lock, so a finalizer may call it."""
        self._exhausted = True
        self._again.clear()
        self._waiting.clear()
        if self._feed is not None:
            self._feed.stop()
        while self._under_way:
            future, _ = self._under_way.popitem()
            future.abandon()
        if isinstance(self._options.progress, Shown):
            self._options.progress.close()

    def _count(self, results: list[Result]) -> None:
        failed = sum(result.error is not None for result in results)
        self._done += len(results) - failed
        self._failed += failed
        self._tell()

    def _tell(self) -> None:
        if self._options.progress is not None:
            progress = self.progress
            self._told_over = progress.over
            self._options.progress(progress)

    def _outcome(self, piece: Piece, future: Future) -> list[Result] | None:
        """What a call says of its piece; None when it is to be tried again, or its twin still runs."""
        for twin in piece.calls:
            if twin is not future and self._under_way.pop(twin, None) is not None:
                twin.abandon()
        seconds = time.monotonic() - piece.since
        self._pace.ended(seconds)
        self._chunker.learn(len(piece.items), seconds, waited=True)
        try:
            answer = future.result()
            every = [answer] if self._of_objects else read_results(answer)[2]
        except CallError as lost:
            if self._try_again(piece, lost):
                return None
            every = [lost] * len(piece.items)
        return [
            Result(piece.first + at, None, each)
            if isinstance(each, CallError)
            else Result(piece.first + at, each, None)
            for at, each in enumerate(every)
        ]

    def _try_again(self, piece: Piece, lost: CallError) -> bool:
        if not self._options.idempotent or not may_try_again(lost.kind, piece.tries):
            return False
        self._again.extend(piece.alone(piece.tries + 1))
        return True

    def _start(self, piece: Piece) -> None:
        try:
            if self._of_objects:
                self._launch(piece)
                return
            arguments, kept = self._calling.encode(self._chunker.arguments(piece.items), None)
        except (NotSendable, HandleLost) as why:
            if self._options.errors is Errors.RAISE:
                raise
            if len(piece.items) == 1:
                piece.since = time.monotonic()
                self._under_way[Refused(self._target, why)] = piece
            else:
                for single in piece.alone(piece.tries):
                    self._start(single)
            return
        parts = self._chunker.cut(piece.items, size_of(arguments))
        if len(parts) == 1:
            self._launch(piece, (arguments, kept))
            return
        first = piece.first
        for part in parts:
            self._start(Piece(first, part, piece.tries))
            first += len(part)

    def _time_left(self) -> float | None:
        if self._until is None:
            return None
        left = self._until - time.monotonic()
        if left <= 0:
            self.stop()
            raise Timeout(f"the scatter of {self._target} has not ended within {self._options.timeout} s")
        return left

    def _launch(self, piece: Piece, encoded: Any = None) -> None:
        left = self._time_left()
        if self._of_objects:
            future = call_method(self._calling, self._target, piece.items[0], star=self._options.star, timeout=left)
        else:
            arguments, kept = encoded or self._calling.encode(self._chunker.arguments(piece.items), None)
            # Not marked as idempotent for the bridge, which would run the whole chunk again: here it is tried item by
            # item.
            future = self._calling.launch(
                _MAP, self._target, arguments, kept, deadline_ms=milliseconds(left), entry_type=Future
            )
        piece.calls.append(future)
        piece.since = piece.since or time.monotonic()
        self._under_way[future] = piece
        future.link.flush()


def fail_fast(results: list[Result], errors: Errors) -> Iterator[Result]:
    """The results one by one.

    Raises:
        CallError: The first error among them, where errors are to be raised.
    """
    for result in results:
        if result.error is not None and errors is Errors.RAISE:
            raise result.error
        yield result
