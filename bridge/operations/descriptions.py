"""The state of a core as plain data: what `status`, `calls`, `sessions` and the dashboard show.

Pure functions over the router's state; they run in its thread.
"""

from __future__ import annotations

from typing import Any

import bascule
from bascule.bridge.router.calls import NOT_SENT, Call, CallState
from bascule.bridge.router.core import RouterCore
from bascule.bridge.router.peers import Session, Worker

_ROW = ("token", "session", "type", "age", "idle")  # what a worker tells of a handle
_SHOWN = 100  # characters of a client's text that are given back to it

Data = dict[str, Any]


def status(core: RouterCore) -> Data:
    """Pools, workers, sessions, and how many calls ended how."""
    pools = {
        name: {
            "size": pool.policy.size,
            "active": len(pool.active),
            "spares": len(pool.spares),
            "queued": pool.queue.waiting,
            "queued_bytes": pool.queue.bytes,
            "scheduler": pool.policy.scheduler,
            "failed": pool.failed,
        }
        for name, pool in core.pools.items()
    }
    return {
        "bascule": bascule.__version__,
        "pools": pools,
        "workers": [describe_worker(worker, core.now) for worker in core.workers.values()],
        "sessions": len(core.sessions),
        "calls": {**core.settled, "outstanding": sum(len(session.calls) for session in core.sessions.values())},
        "cache": None if core.cache is None else dict(core.cache.counts),
        "draining": core.draining,
    }


def describe_worker(worker: Worker, now: float) -> Data:
    """One worker."""
    python = worker.info.get("python")
    return {
        "name": worker.name,
        "pool": worker.pool.policy.name,
        "slot": worker.slot,
        "incarnation": worker.incarnation,
        "pid": worker.pid,
        "state": worker.state.value,
        "python": python if isinstance(python, str) else None,
        "outstanding": worker.outstanding,
        "streams": len(worker.streams),
        "calls_done": worker.calls_done,
        "sessions": len(worker.sessions),
        "age": now - worker.started_at,
    }


def session(each: Session, now: float) -> Data:
    """One connected client."""
    grant = each.grant
    return {
        "session": each.id,
        "client": each.identity,
        "listener": grant.listener if grant is not None else "",
        "who": grant.who if grant is not None else "",
        "pool": each.pool,
        "calls": len(each.calls),
        "unread": each.unwritten,
        "age": now - each.opened_at,
    }


def calls(core: RouterCore, most: int) -> Data:
    """Every call that was accepted and is not settled, the oldest first."""
    every = [call for each in core.sessions.values() for call in each.calls.values()]
    every.sort(key=lambda call: call.accepted_at)
    rows = [
        {
            "call": call_number(call),
            "target": call.target.decode(errors="replace"),
            "pool": call.pool.policy.name,
            "state": "waiting" if call.state in NOT_SENT else call.state.value,
            "worker": call.worker.name if call.worker is not None and call.state not in NOT_SENT else None,
            "session": call.session.id,
            "client": call.session.identity,
            "age": core.now - call.accepted_at,
            "deadline": call.deadline - core.now if call.deadline else None,
        }
        for call in every[:most]
    ]
    return {"calls": rows, "of": len(every)}


def call_number(call: Call) -> str:
    """How an operator names a call: by its session, and by what its client calls it."""
    return f"{call.session.id}.{call.client_id}"


def find_call(core: RouterCore, number: str) -> Call | None:
    """The unsettled call of that number."""
    head, _, _ = number.partition(".")
    session = core.sessions.get(int(head)) if head.isascii() and head.isdecimal() and len(head) < 19 else None
    if session is None:
        return None
    found = next((call for call in session.calls.values() if call_number(call) == number), None)
    return found if found is not None and found.state is not CallState.SETTLED else None


def handles_in(answer: Data | None) -> list[Data]:
    """The rows of a worker's answer, those fields of them that a row has."""
    rows = answer.get("handles") if answer is not None else None
    return [
        {name: row[name] for name in _ROW if isinstance(row.get(name), (str, int, float))}
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, dict)
    ]


def show(value: object) -> str:
    """A value of a request for people. A nested one is named by its type: to write it out may be deep, or long."""
    if isinstance(value, str):
        return repr(value if len(value) <= _SHOWN else value[:_SHOWN] + "...")
    return repr(value) if value is None or isinstance(value, (int, float)) else f"a {type(value).__name__}"
