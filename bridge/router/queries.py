"""Questions to workers that are answered later: list your handles, pickle these objects, are you alive?

Each gets a number; the answer, or the worker's death, calls back once.
"""

from __future__ import annotations

from collections.abc import Callable
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

    @property
    def are_many(self) -> bool:
        """Whether so many are under way that nobody's wish is reason to put another."""
        return len(self._waiting) >= MOST_WAITING

    def ask(self, worker: Worker, message: dict[str, Any], on_answer: OnAnswer) -> None:
        """Put a question; it is answered in the worker's own time, between calls."""
        number = next(self._ids)
        self._waiting[number] = (worker, on_answer)
        self._send(worker, {**message, "id": number})

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
