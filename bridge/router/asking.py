"""What a door asks the router for itself: which workers there are, and to be woken after a while.

A door has no clock of its own that runs, and a pod's bridge has no operator's side. Its questions are CONTROL requests
under ids of the door's own (tuples: no client can choose one), answered by CONTROL messages. Which workers there are is
asked by other clients, too.

*The rule of identical calls*: they are for all workers that the pool is to have. Those that start, or start again, are
waited for, as any call waits for a worker: up to the deadline, or, where there is none, as long as it takes. So who
asks for the workers may say how long to wait for them (`wait_ms`), and how many will do (`copies`).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from bascule.bridge.router.messages import read_control

if TYPE_CHECKING:
    from collections.abc import Hashable

    from bascule.bridge.router.core import RouterCore
    from bascule.bridge.router.peers import Session
    from bascule.protocols.envelope import Payload

MOST_WAITING = 1_000  # questions of one session that wait for workers; one more is answered with those that are there
_SWEEP = 256  # questions that wait, after which those are forgotten whose clients have left
_FOR_EVER = 1e6  # seconds: who waits for so long needs nobody to tell the time


def answer_door(core: RouterCore, session: Session, number: Hashable, payload: Payload) -> None:
    """Answer now, or when it is time."""
    asked = read_control(payload)
    if asked["op"] == "workers":
        answer_workers(core, session, number, asked)
    else:
        core.endings.set_timer(core.now + asked["seconds"], partial(core.answer_control, session, number, asked))


def answer_workers(core: RouterCore, session: Session, number: Hashable, asked: dict[str, Any]) -> None:
    """Say which workers take calls; once all are there, if that was asked for."""
    wait_ms, copies = asked.get("wait_ms"), asked.get("copies")
    seconds = wait_ms / 1000 if isinstance(wait_ms, int) and session.asking < MOST_WAITING else 0.0
    enough = copies if isinstance(copies, int) and copies > 0 else None
    question = _Question(core, session, number, core.now + seconds, enough)
    if not question.look():
        if len(core.waiting) % _SWEEP == _SWEEP - 1:
            core.workers_changed()
        core.waiting.append(question.look)
        if seconds < _FOR_EVER:
            core.endings.set_timer(core.now + seconds, core.workers_changed)


class _Question:
    """One that waits for workers. The core has it look again whenever there may be others, or none any more."""

    __slots__ = ("_core", "_enough", "_number", "_session", "_until")

    def __init__(self, core: RouterCore, session: Session, number: Hashable, until: float, enough: int | None) -> None:
        self._core = core
        self._session = session
        self._number = number
        self._until = until
        self._enough = enough
        session.asking += 1

    def look(self) -> bool:
        """Answer if it is time; whether it was."""
        core, session = self._core, self._session
        if session.dead:
            return True
        answer = workers_of(core, session)
        size: int = answer["size"]
        missing = len(answer["slots"]) < (size if self._enough is None else min(size, self._enough))
        if missing and "why" not in answer and core.now < self._until and not core.draining:
            return False
        session.asking -= 1
        core.answer_control(session, self._number, answer)
        if session.input_over:  # it may have waited for nothing else
            core.requests.door_requests(session)
            core.requests.close_if_done(session)
        return True


def workers_of(core: RouterCore, session: Session) -> dict[str, Any]:
    """The slots of the session's pool whose workers take calls: what a PLACED call may name; and how many there are to
    be. `why` says why there will be none."""
    pool = core.pools.get(session.pool)
    if pool is None:
        why = f"there is no pool {session.pool!r}"
        return {"op": "workers", "pool": session.pool, "slots": [], "size": 0, "why": why}
    slots = [worker.slot for worker in pool.active]
    answer = {"op": "workers", "pool": session.pool, "slots": slots, "size": pool.policy.size}
    return answer if pool.failed is None else {**answer, "slots": [], "why": pool.failed}
