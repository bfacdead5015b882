"""Items of a scatter that come from elsewhere while it goes on, with no thread or loop of its own waiting for them.

An iterator can only block when it has nothing at the moment. A feed says so, and the scatter of a client for event
loops then waits for whatever comes first, an item or a result.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any


class Feed:
    """An iterator that may have nothing now and more later.

    Attributes:
        over: Whether nothing more will come.
        wanted: How many are taken together at the moment.
    """

    def __init__(self, on_taken: Callable[[], object]) -> None:
        """`on_taken` is called when an item was taken: there is room for another. It must neither block nor raise."""
        self.over = False
        self.wanted = 1
        self._items: deque[Any] = deque()
        self._on_taken = on_taken
        self._error: BaseException | None = None
        self._watchers: list[Callable[[], object]] = []

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Feed:
        return self

    def __next__(self) -> Any:
        if self._items:
            item = self._items.popleft()
            self._on_taken()
            return item
        if self._error is not None:
            raise self._error
        raise StopIteration

    def put(self, items: Iterable[Any]) -> None:
        """Here are some."""
        self._items.extend(items)
        self._announce()

    def end(self, error: BaseException | None = None) -> None:
        """That was all; or what comes next can't be had, which is raised instead."""
        self.over = True
        self._error = error
        self._announce()

    def stop(self) -> None:
        """Nobody takes any more. Waits for no lock, so a finalizer may call it."""
        self._items.clear()

    # As a call under way is waited for.

    @property
    def state(self) -> bool:
        """Whether there is news: an item, or the end."""
        return bool(self._items) or self.over

    def watch(self, watcher: Callable[[], object]) -> None:
        """Have `watcher` called once there is news; at once if there is already."""
        self._watchers.append(watcher)
        if self.state:
            self._announce()

    def unwatch(self, watcher: Callable[[], object]) -> None:
        """Take it back."""
        self._watchers = [other for other in self._watchers if other is not watcher]

    def _announce(self) -> None:
        watchers, self._watchers = self._watchers, []
        for watcher in watchers:
            watcher()
