"""What a door asks the router for itself: which workers there are, and to be woken after a while.

A door has no clock of its own that runs, and a pod's bridge has no operator's side. Its questions are CONTROL requests
under ids of the door's own (tuples: no client can choose one), answered by CONTROL messages.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from bascule.bridge.router.messages import read_control

if TYPE_CHECKING:
    from collections.abc import Hashable

    from bascule.bridge.router.core import RouterCore
    from bascule.bridge.router.peers import Session


def answer_door(core: RouterCore, session: Session, number: Hashable, payload: bytes) -> None:
    """Answer now, or when it is time."""
    asked = read_control(payload)
    if asked["op"] == "workers":
        core.answer_control(session, number, workers_of(core, session))
    else:
        core.endings.set_timer(core.now + asked["seconds"], partial(core.answer_control, session, number, asked))


def workers_of(core: RouterCore, session: Session) -> dict[str, Any]:
    """The slots of the session's pool whose workers take calls: what a PLACED call may name; and how many there are to
    be."""
    pool = core.pools.get(session.pool)
    slots = [] if pool is None else [worker.slot for worker in pool.active]
    size = 0 if pool is None else pool.policy.size
    return {"op": "workers", "pool": session.pool, "slots": slots, "size": size}
