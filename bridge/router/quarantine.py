"""Which calls kill workers, so that one poison call does not bring down worker after worker.

The same target of the same session that killed `KILLS` workers within `WINDOW` seconds is refused for `PENALTY`
seconds. Other sessions and other targets go on as before.
"""

from __future__ import annotations

KILLS = 3
WINDOW = 60.0
PENALTY = 60.0

_Key = tuple[int, bytes]


class Quarantine:
    """Deaths by (session, target). Holds only what still counts, so that it stays small."""

    def __init__(self) -> None:
        self._deaths: dict[_Key, list[float]] = {}
        self.until: dict[_Key, float] = {}  # empty as a rule: the hot path asks only this

    def worker_died(self, session: int, target: bytes, now: float) -> None:
        """A worker died while it ran this."""
        key = (session, target)
        deaths = [when for when in self._deaths.get(key, ()) if now - when < WINDOW]
        deaths.append(now)
        self._deaths[key] = deaths
        if len(deaths) >= KILLS:
            self.until[key] = now + PENALTY

    def remaining(self, session: int, target: bytes, now: float) -> float:
        """Seconds until this may be called again, 0 when it may be now."""
        until = self.until.get((session, target), 0.0)
        if until <= now:
            if until:
                del self.until[(session, target)]
                self._deaths.pop((session, target), None)
            return 0.0
        return until - now

    def forget_session(self, session: int) -> None:
        """The session is over: nothing of it can be called again."""
        for book in (self._deaths, self.until):
            for key in [key for key in book if key[0] == session]:
                del book[key]
