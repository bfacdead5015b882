"""The objects that stayed here: one table of handles per session.

A handle is a capability. `find` looks for the whole token in the session's own table, and says one and the same thing
(HANDLE_LOST) for a token that was released, expired, guessed, or another session's. How long it takes to find nothing
says nothing about the tokens that there are: the table is keyed by a hash that is seeded at random.

An object that is handed out to a session again gets the same token, so that equal tokens mean the same object and a
method that returns `self` does not fill the table. Each handing out counts: a token that was received twice lives
until it was released twice (or its session ended, or nobody used it for the length of the lease).
"""

from __future__ import annotations

import time
from _thread import allocate_lock

from bascule.protocols.errors import ErrorKind, RemoteProtocolError
from bascule.protocols.tokens import PREFIX_LENGTH, TOKEN_LENGTH, Handle, make_token, token_owner
from bascule.workers.errors import CallFailed, clean_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Final

_LONGEST_NAME: Final = 200


class _Entry:
    __slots__ = ("count", "made", "token", "type_name", "used", "value")

    def __init__(self, value: object, token: str, type_name: str, now: float) -> None:
        self.value = value
        self.token = token
        self.type_name = type_name
        self.count = 1  # how often it was handed out and not released
        self.made = now
        self.used = now


class _Session:
    __slots__ = ("by_id", "by_token")

    def __init__(self) -> None:
        self.by_token: dict[str, _Entry] = {}
        self.by_id: dict[int, _Entry] = {}  # id -> index; the entry keeps the object, so the id stays its own


class ObjectTable:
    """All handles of one worker.

    Args:
        prefix: What the tokens of this bridge begin with.
        slot: This worker's place in its pool's numbering.
        incarnation: Which life of it this is.
        cap: The most handles one session may have.
        lease: Seconds without use after which a handle is dropped; None: never.
        clock: For tests.
    """

    def __init__(
        self,
        prefix: str,
        slot: int,
        incarnation: int,
        *,
        cap: int,
        lease: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.lease = lease
        self._prefix = prefix
        self._owner = (slot, incarnation)
        self._cap = cap
        self._clock = clock
        self._sessions: dict[int, _Session] = {}
        self._next_index = 0
        self._lock = allocate_lock()
        self._watchers: dict[str, dict[int, Callable[[], None]]] = {}
        self._swept = clock()

    def __len__(self) -> int:
        return sum([len(table.by_token) for table in list(self._sessions.values())])

    @property
    def sessions(self) -> int:
        """How many sessions have handles here."""
        return len(self._sessions)

    def hand_out(self, session: int, value: object) -> Handle:
        """A handle on `value` for a session.

        Raises:
            CallFailed: TOO_MANY_HANDLES.
        """
        now = self._clock()
        with self._lock:
            table = self._sessions.get(session)
            if table is None:
                table = self._sessions[session] = _Session()
            known = table.by_id.get(id(value))
            if known is not None:
                known.count += 1
                known.used = now
                return Handle(known.token, known.type_name)
            if len(table.by_token) >= self._cap:
                raise CallFailed(
                    ErrorKind.TOO_MANY_HANDLES,
                    f"the session holds {self._cap} handles on this worker, which is the limit (handle_cap): "
                    "release some, or ask for values",
                    details={"limit": self._cap},
                )
            token = make_token(self._prefix, *self._owner, self._next_index)
            self._next_index += 1
            entry = _Entry(value, token, type_name(value), now)
            table.by_token[token] = table.by_id[id(value)] = entry
            return Handle(token, entry.type_name)

    def is_elsewhere(self, token: str) -> bool:
        """Whether it is a token of this bridge that names another worker, or another life of this one."""
        if len(token) != TOKEN_LENGTH or token[:PREFIX_LENGTH] != self._prefix:
            return False
        try:
            return token_owner(token) != self._owner
        except RemoteProtocolError:
            return False

    def find(self, session: int, token: str) -> object:
        """The object behind a token.

        Raises:
            CallFailed: HANDLE_LOST.
        """
        table = self._sessions.get(session)
        entry = table.by_token.get(token) if table is not None else None
        if entry is None:
            raise lost(token)
        if self.lease is not None:
            now = self._clock()
            if now - entry.used > self.lease:
                raise lost(token)
            entry.used = now
        return entry.value

    def release(self, session: int, tokens: Iterable[str]) -> None:
        """Take back one handing out of each token; unknown ones are nobody's."""
        dropped: list[_Entry] = []  # finalizers run when this goes, not under the lock
        with self._lock:
            table = self._sessions.get(session)
            if table is None:
                return
            for token in tokens:
                entry = table.by_token.get(token)
                if entry is not None:
                    entry.count -= 1
                    if entry.count <= 0:
                        dropped.append(self._drop(table, entry))
            if not table.by_token:
                del self._sessions[session]
        self._tell_watchers(dropped)

    def end_session(self, session: int) -> None:
        """Drop all that a session holds."""
        with self._lock:
            table = self._sessions.pop(session, None)
        if table is not None:
            self._tell_watchers(list(table.by_token.values()))
        del table  # here its objects' finalizers run

    def sweep_is_due(self) -> bool:
        """Whether the last one was a while ago: a worker that is never idle must let go of things too."""
        return self.lease is not None and self._clock() - self._swept >= self.lease / 2

    def sweep(self) -> None:
        """Drop what was not used for the length of the lease."""
        if self.lease is None:
            return
        self._swept = self._clock()
        oldest = self._swept - self.lease
        dropped: list[_Entry] = []
        with self._lock:
            for session, table in list(self._sessions.items()):
                expired = [entry for entry in table.by_token.values() if entry.used < oldest]
                dropped.extend([self._drop(table, entry) for entry in expired])
                if not table.by_token:
                    del self._sessions[session]
        self._tell_watchers(dropped)

    def watch(self, session: int, token: str, number: int, tell: Callable[[], None]) -> bool:
        """Call `tell` once the session has let go of an object for good; False: it has no such object. `number` is for
        `unwatch`."""
        table = self._sessions.get(session)
        entry = table.by_token.get(token) if table is not None else None
        if entry is None:
            return False
        self._watchers.setdefault(token, {})[number] = tell
        return True

    def unwatch(self, token: str, number: int) -> bool:
        """Do not call that `tell`; False: it was called, or there is none."""
        watchers = self._watchers.get(token)
        if watchers is None or watchers.pop(number, None) is None:
            return False
        if not watchers:
            del self._watchers[token]
        return True

    def _tell_watchers(self, dropped: list[_Entry]) -> None:
        if self._watchers:
            for entry in dropped:
                for tell in self._watchers.pop(entry.token, {}).values():
                    tell()

    def listing(self, session: int | None = None) -> list[dict[str, Any]]:
        """What is held, oldest first: token, session, type, age and idle time in seconds."""
        now = self._clock()
        rows: list[dict[str, Any]] = []
        for number, table in list(self._sessions.items()):
            if session is not None and number != session:
                continue
            rows.extend(
                [
                    {
                        "token": entry.token,
                        "session": number,
                        "type": entry.type_name,
                        "age": round(now - entry.made, 3),
                        "idle": round(now - entry.used, 3),
                    }
                    for entry in list(table.by_token.values())
                ]
            )
        return sorted(rows, key=lambda row: -row["age"])

    def _drop(self, table: _Session, entry: _Entry) -> _Entry:
        del table.by_token[entry.token]
        del table.by_id[id(entry.value)]
        return entry


def lost(token: str) -> CallFailed:
    """The one answer for every token that leads nowhere: it does not say which of the reasons it was."""
    shown = clean_text(token[PREFIX_LENGTH : PREFIX_LENGTH + 10]) if len(token) == TOKEN_LENGTH else "malformed"
    return CallFailed(
        ErrorKind.HANDLE_LOST,
        f"handle {shown} leads to no object: it was released, it expired, it is another session's, "
        "or its worker has been replaced",
    )


def type_name(value: object) -> str:
    """The name of a value's type to show beside its handle: `module.Class`, without `builtins`."""
    cls = type(value)
    try:
        name = cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
    except Exception:  # a metaclass can make anything of these
        name = "?"
    return clean_text(name, _LONGEST_NAME)
