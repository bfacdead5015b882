"""Generators recorded while they are consumed: one computation for all who ask at once.

All consumers of one call in this process share a `Recording`. None waits for another to consume: who is in need of an
item that is not there makes it, for all. Only while somebody is making the next item the others wait for that. The
record is stored when the generator has come to its end; one that nobody consumed to its end is not remembered.

Consumers elsewhere can't share it: in other processes, or, of an asynchronous generator, in other event loops. They
wait for its end, and find the record. But a consumer may take hours between two items, or never come back; so when
nothing has been made for `PATIENCE` seconds, the others are told to go ahead (`_watch`), and who was first goes on for
himself.

When the one who makes an item is cancelled, the generator under him is lost. The next one begins a new one, and passes
over what is there already. An error of the generator's own is everybody's.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import threading
import time
from collections.abc import AsyncIterator, Callable, Hashable, Iterator
from typing import Any, NamedTuple

from bascule.workers.persist.flights import LEADING, Flight, Step, Steps, locking, waiting_for
from bascule.workers.persist.locks import Lock

PATIENCE = 2.0  # seconds

_IMMUTABLE = frozenset((int, float, complex, str, bytes, bool, type(None)))
END = object()
"""In the place of an item: nothing more comes."""

Recorded = tuple[list[Any], Any]
"""The items, and what the generator returned."""


class Ways(NamedTuple):
    """How a recording deals with the store.

    Attributes:
        identity: What is recorded: the same for all who ask for the same.
        look: Looks into the store; a tuple that begins with the record, or None.
        lock: Makes the lock against other processes; None where there can be none.
        keep: Stores a record, which took so many seconds.
        joined: Told that somebody is given what another one has computed.
    """

    identity: Hashable
    look: Callable[[], tuple[Any, ...] | None]
    lock: Callable[[], Lock | None]
    keep: Callable[[Recorded, float], None]
    joined: Callable[[], None]


class Recording:
    """A generator that is under way in this process, for all who consume it.

    Attributes:
        home: The event loop whose tasks share it; None: any thread.
        items: What it has given so far, as nobody can change it any more.
        over: Nothing more comes: it has ended, failed, or was found in the store by somebody else meanwhile.
        found: The latter.
        opened: The store was looked into.
        making: Held by who makes the next item.
        flight: What is waited for, in the graph that shows circles; it lands when others may go ahead.
    """

    __slots__ = (
        "_arrived",
        "_consumers",
        "_error",
        "_lock",
        "_passed_over",
        "_rests_since",
        "_result",
        "_seconds",
        "_source",
        "_ways",
        "flight",
        "found",
        "home",
        "items",
        "making",
        "opened",
        "over",
    )

    def __init__(self, ways: Ways, home: object) -> None:
        self.home = home
        self.items: list[Any] = []
        self.over = False
        self.found = False
        self.opened = False
        self.making = threading.Lock()
        self.flight = Flight()
        self._ways = ways
        self._arrived: Flight | None = None  # lands when the one who makes an item has done so
        self._consumers = 0
        self._source: Any = None
        self._passed_over = 0  # items of the source that are known already
        self._result: Any = None
        self._error: Exception | None = None
        self._lock: Lock | None = None
        self._seconds = 0.0
        self._rests_since = time.perf_counter()

    # ---- Coming and going -------------------------------------------------------------------------------------------

    def join(self) -> bool:
        """One more consumer, if it is still of use to him."""
        self._consumers += 1
        if self.over:
            self._consumers -= 1
        return not self.over

    def leave(self) -> Any:
        """One consumer less; the generator, if nobody needs it any more and it must be closed."""
        with _guard:
            self._consumers -= 1
            if self._consumers or self.over:
                return None
            self.over = True
        self._hand_over()
        return self._source

    def rest(self) -> None:
        """The one who was making an item has done so, or has given up."""
        self.making.release()
        if self._arrived is not None:
            with _guard:
                arrived, self._arrived = self._arrived, None
            if arrived is not None:
                arrived.land()

    def waiting(self) -> Steps:
        """Wait until somebody has made an item; False when that might be for ever."""
        with waiting_for(self.flight) as allowed:
            if not allowed:
                return False
            with _guard:
                arrived = self._arrived = self._arrived or Flight()
            if self.making.locked():  # if not, who held it has not seen that we wait
                yield Step.LANDING, arrived
        return True

    def hand_over_if_resting(self, now: float) -> None:
        """Let others go ahead if nobody has wanted anything for a while."""
        if now - self._rests_since > PATIENCE and self.making.acquire(blocking=False):
            try:
                self._hand_over()
            finally:
                self.rest()

    def _hand_over(self) -> None:
        with _guard:
            if _recordings.get(self._ways.identity) is self:
                del _recordings[self._ways.identity]
            lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()
        self.flight.land()

    def forked(self) -> None:
        """In a child process: the lock is its parent's."""
        self._lock = None

    # ---- Making items: by who holds `making` ------------------------------------------------------------------------

    def opening(self) -> Steps:
        """Take the lock and look; what is found."""
        self._lock, found = yield from locking(self._ways.lock, self._ways.look, self.flight, bool(LEADING.get()))
        self.opened = True
        self._rests_since = time.perf_counter()
        if found is not None:
            self.over = self.found = True
            self._hand_over()
        return found

    def make(self, begin: Callable[[], Iterator[Any]]) -> Any:
        """The next item, or `END`."""
        token = LEADING.set((*LEADING.get(), self.flight))
        start = time.perf_counter()
        try:
            if self._source is None:
                self._source = begin()
            while self._passed_over:
                next(self._source)
                self._passed_over -= 1
            item = next(self._source)
        except StopIteration as end:
            self._seconds += time.perf_counter() - start
            return self._ended(end.value)
        except Exception as error:
            return self._failed(error)
        except BaseException:
            self._lost()
            raise
        finally:
            LEADING.reset(token)
        self._rests_since = now = time.perf_counter()
        self._seconds += now - start
        self.items.append(item if type(item) in _IMMUTABLE else _frozen(item))
        return item

    async def make_async(self, begin: Callable[[], AsyncIterator[Any]]) -> Any:
        """The same of an asynchronous generator."""
        token = LEADING.set((*LEADING.get(), self.flight))
        start = time.perf_counter()
        try:
            if self._source is None:
                self._source = begin()
            while self._passed_over:
                await self._source.__anext__()
                self._passed_over -= 1
            item = await self._source.__anext__()
        except StopAsyncIteration:
            self._seconds += time.perf_counter() - start
            return self._ended(None)
        except Exception as error:
            return self._failed(error)
        except BaseException:
            self._lost()
            raise
        finally:
            LEADING.reset(token)
        self._rests_since = now = time.perf_counter()
        self._seconds += now - start
        self.items.append(item if type(item) in _IMMUTABLE else _frozen(item))
        return item

    def _ended(self, result: Any) -> object:
        self._result = result
        self._ways.keep(([thawed(item) for item in self.items], result), self._seconds)
        self.over = True
        self._hand_over()
        return END

    def _failed(self, error: Exception) -> object:
        self._error = error
        self.over = True
        self._hand_over()
        return END

    def _lost(self) -> None:
        self._source = None
        self._passed_over = len(self.items)

    def result(self) -> Any:
        """What the generator returned, or raised."""
        if self._error is not None:
            raise self._error
        return self._result


def joining(ways: Ways, home: object) -> Steps:
    """The recording of a call, old or new; None when its generator, which consumes itself, must be consumed alone."""
    while True:
        with _guard:
            recording = _recordings.get(ways.identity)
            if recording is None:
                recording = _recordings[ways.identity] = Recording(ways, home)
                recording.join()
                _watch_over()
                return recording
            if recording.flight in LEADING.get():
                return None
            if recording.home is home and recording.join():
                ways.joined()
                return recording
        with waiting_for(recording.flight) as allowed:
            if not allowed:
                return None
            yield Step.LANDING, recording.flight


class _Pickled(NamedTuple):
    data: bytes


def _frozen(item: Any) -> Any:
    """An item as it is now, whatever its first consumer does to it."""
    with contextlib.suppress(Exception):  # then it can't be stored either, and is shared as it is
        return _Pickled(pickle.dumps(item, 5))
    return item


def thawed(item: Any) -> Any:
    """An item of a recording, for one consumer more."""
    return pickle.loads(item.data) if type(item) is _Pickled else item


# ---- Those who have been left lying ---------------------------------------------------------------------------------

_guard = threading.RLock()  # whatever the garbage collector closes leaves its recording in the midst of it
_recordings: dict[Hashable, Recording] = {}
_watcher: threading.Thread | None = None


def _watch_over() -> None:
    """See that there is somebody who looks after recordings that nobody consumes any more."""
    global _watcher
    if _watcher is None:
        _watcher = threading.Thread(target=_watch, name="bascule-persist-recordings", daemon=True)
        _watcher.start()


def _watch() -> None:
    global _watcher
    while True:
        time.sleep(PATIENCE / 4)
        with _guard:
            if not _recordings:
                _watcher = None
                return
            under_way = list(_recordings.values())
        for recording in under_way:
            recording.hand_over_if_resting(time.perf_counter())


def _forked() -> None:
    global _guard, _watcher
    _guard = threading.RLock()
    _watcher = None
    for recording in _recordings.values():
        recording.forked()
    _recordings.clear()


os.register_at_fork(after_in_child=_forked)
