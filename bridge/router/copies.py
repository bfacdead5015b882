"""Calls whose handles live elsewhere: sent on to the owner, or brought together from two workers.

A worker that finds another worker's tokens among a call's arguments answers MISROUTED before any user code runs. When
all of them (and the call's object, which is never copied: a method may change it) live in one worker, the call is sent
there. When they don't, the owners pickle their objects, the largest stays where it is, the others are unpickled beside
it for this one call. The bridge only carries the pickles.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from bascule.bridge.router.calls import Call, CallState, NestedCall, PlacedCall
from bascule.protocols import tokens
from bascule.protocols.errors import ErrorKind

if TYPE_CHECKING:
    from bascule.bridge.router.core import RouterCore
    from bascule.bridge.router.peers import Worker
    from bascule.protocols.envelope import Payload

MOST_MOVES = 2  # how often one call is sent on
MOST_COPIED = 64 << 20  # bytes of pickles of one call


class Copies:
    """Sends misrouted calls on."""

    def __init__(self, core: RouterCore) -> None:
        self._core = core

    def send_on(self, call: Call, refused_by: Worker, payload: Payload) -> None:
        """`refused_by` holds not all of this call's handles; `payload` has the tokens that it misses."""
        core = self._core
        core.take_back(call)
        if not payload:
            core.fail(call, ErrorKind.HANDLES_APART, "its worker says that handles are missing, and not which")
            return
        call.hops += 1
        if call.hops > MOST_MOVES:
            core.fail(
                call,
                ErrorKind.HANDLES_APART,
                f"the handles of this call could not be brought together: it was sent on {MOST_MOVES} times",
            )
            return
        length = tokens.TOKEN_LENGTH
        missing = [bytes(payload[at : at + length]) for at in range(0, len(payload), length)]
        owners = self._owners(call, missing)
        if owners is None:
            return
        home = core.owner_of(call.object_token) if call.object_token else None
        if isinstance(call, PlacedCall):
            home = refused_by  # it names that one
        if home is None and len(owners) == 1 and not self._some_live_in(call, refused_by):
            home = next(iter(owners))
        if home is not None and set(owners) <= {home}:
            place_at = core.callbacks.place_at if isinstance(call, NestedCall) else core.place_at
            place_at(call, home)  # type: ignore[arg-type]
            return
        if home is None and self._some_live_in(call, refused_by):
            owners.setdefault(refused_by, []).extend(self._tokens_of(call, refused_by))
        _Gathering(core, call, home, owners).start()

    def _owners(self, call: Call, missing: list[bytes]) -> dict[Worker, list[bytes]] | None:
        """Who holds what; None when one of them is gone, which settles the call."""
        owners: dict[Worker, list[bytes]] = {}
        for token in missing:
            worker = self._core.owner_of(token)
            if worker is None:
                why = self._core.why_gone(token)
                self._core.fail(call, ErrorKind.HANDLE_LOST, why, token=token.decode(errors="replace"))
                return None
            owners.setdefault(worker, []).append(token)
        return owners

    def _tokens_of(self, call: Call, worker: Worker) -> list[bytes]:
        found = tokens.find_tokens(self._core.prefix.encode(), call.payload)
        return [token for token in found if self._core.owner_of(token) is worker]

    def _some_live_in(self, call: Call, worker: Worker) -> bool:
        return bool(self._tokens_of(call, worker))


class _Gathering:
    """Brings the objects of one call to one worker."""

    def __init__(self, core: RouterCore, call: Call, home: Worker | None, owners: dict[Worker, list[bytes]]) -> None:
        self._core = core
        self._call = call
        self._home = home
        self._owners = owners
        self._pickles: dict[Worker, list[bytes]] = {}
        self._asked = 0

    def start(self) -> None:
        owners = [worker for worker in self._owners if worker is not self._home]
        self._asked = len(owners)
        for worker in owners:
            names = [token.decode() for token in self._owners[worker]]
            question = {"op": "export", "session": self._call.session.id, "tokens": names, "max": MOST_COPIED}
            self._core.queries.ask(worker, question, partial(self._exported, worker))

    def _exported(self, worker: Worker, answer: dict[str, Any] | None) -> None:
        self._asked -= 1
        call, core = self._call, self._core
        if call.state is CallState.SETTLED:
            return
        pickles = answer.get("pickles") if answer is not None else None
        if answer is None:
            core.fail(
                call, ErrorKind.HANDLE_LOST, f"worker {worker.name} died while its handle was copied for this call"
            )
        elif not (isinstance(pickles, list) and all(isinstance(pickle, bytes) for pickle in pickles)):
            error = answer.get("error")
            said = error.get("message") if isinstance(error, dict) else None
            why = said if isinstance(said, str) else "it gave no reason"
            core.fail(
                call,
                ErrorKind.HANDLES_APART,
                f"this call has handles of several workers ({self._names()}), and that of {worker.name} can't be "
                f"copied: {why}",
            )
        else:
            self._pickles[worker] = pickles
            if not self._asked:
                self._import()

    def _names(self) -> str:
        return ", ".join(sorted(worker.name for worker in {*self._owners, *([self._home] if self._home else [])}))

    def _import(self) -> None:
        home = self._home or max(self._pickles, key=lambda worker: sum(map(len, self._pickles[worker])))
        objects = {
            token.decode(): pickle
            for worker, pickles in self._pickles.items()
            if worker is not home
            for token, pickle in zip(self._owners[worker], pickles, strict=False)
        }
        if isinstance(self._call, NestedCall):
            self._core.callbacks.put_on_top(self._call, home)
        self._core.send_with_objects(self._call, home, objects)
