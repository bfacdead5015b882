"""Questions to workers that are answered later: list your handles, pickle these objects, are you alive?

Each gets a number; the answer, or the worker's death, calls back once, unless who asked has taken the question back.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from itertools import count
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bascule.bridge.router.peers import Worker

MOST_WAITING = 100_000
"""Questions that may be under way when a client has one more: workers answer between calls, so it may take long."""

OnAnswer = Callable[[dict[str, Any] | None], None]
"""Called with the worker's message, or None when it died first."""


class Queries:
    """The questions that are under way."""

    def __init__(self, send: Callable[[Worker, dict[str, Any]], None]) -> None:
        self._send = send
        self._ids = count(1)
        self._waiting: dict[int, tuple[Worker, OnAnswer]] = {}
        self._watches: dict[Hashable, tuple[int, dict[str, Any]]] = {}  # what may be taken back, by who asked

    @property
    def are_many(self) -> bool:
        """Whether so many are under way that nobody's wish is reason to put another."""
        return len(self._waiting) >= MOST_WAITING

    def ask(self, worker: Worker, message: dict[str, Any], on_answer: OnAnswer) -> int:
        """Put a question; it is answered in the worker's own time, between calls. Its number."""
        number = next(self._ids)
        self._waiting[number] = (worker, on_answer)
        self._send(worker, {**message, "id": number})
        return number

    def watch(self, worker: Worker, message: dict[str, Any], on_answer: OnAnswer, asker: Hashable) -> None:
        """Put a question that may stay without an answer for good, and that `asker` may take back."""

        def answered(answer: dict[str, Any] | None) -> None:
            if self._watches.get(asker) is watch:
                del self._watches[asker]
            on_answer(answer)

        watch = self._watches[asker] = (self.ask(worker, message, answered), message)

    def withdraw(self, asker: Hashable) -> None:
        """Take back what `asker` would watch: nobody is called back. The worker answers it now, or has just done so."""
        watch = self._watches.pop(asker, None)
        if watch is not None:
            number, message = watch
            worker, _ = self._waiting[number]
            self._waiting[number] = (worker, _ignore)
            self._send(worker, {**message, "op": "unwatch", "id": number})

    def answer(self, worker: Worker, message: dict[str, Any]) -> bool:
        """A worker's CONTROL message: whether it answers one of our questions to it."""
        number = message.get("id")
        if not isinstance(number, int) or number not in self._waiting:
            return False
        asked, on_answer = self._waiting[number]
        if asked is not worker:
            return False
        del self._waiting[number]
        on_answer(message)
        return True

    def worker_gone(self, worker: Worker) -> None:
        """It will answer nothing more."""
        for number in [number for number, (asked, _) in self._waiting.items() if asked is worker]:
            _, on_answer = self._waiting.pop(number)
            on_answer(None)


def _ignore(_answer: dict[str, Any] | None) -> None:
    """Nobody wants it any more."""
