"""CONTROL requests of service clients: hello, status, handles, and an operator's orders.

All of it runs in the router thread, where the state is; what concerns processes (`scale`) is handed to the supervision.
A request is a map with "op"; the answer carries the same op, or "refused" with a message that says what is allowed.

Nothing in a request is trusted, and nothing in a worker's answer either: an exception here would end the router thread.
So values are looked at by their type before they are compared, hashed or shown, and are shown shortened.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from typing import Any

import bascule
from bascule.bridge.notices import KillReason
from bascule.bridge.pool_spec import MOST_WORKERS
from bascule.bridge.router.core import RouterCore
from bascule.bridge.router.messages import read_control
from bascule.bridge.router.peers import Session, Worker, WorkerState
from bascule.protocols import limits

PROTOCOL_VERSION = 1
_ROW = ("token", "session", "type", "age", "idle")  # what a worker tells of a handle
_SHOWN = 100  # characters of a client's text that are given back to it

_Answer = dict[str, Any]


class Control:
    """Answers control requests over one core."""

    def __init__(self, core: RouterCore) -> None:
        self._core = core
        self.scale: Callable[[str, int], None] | None = None  # hands (pool, size) to the supervision, once it is there
        self._ops: dict[str, Callable[[Session, Hashable, _Answer], _Answer | None]] = {
            "hello": self._hello,
            "ping": self._ping,
            "status": self._status,
            "handles": self._handles,
            "kill_worker": self._kill_worker,
            "scale": self._scale_pool,
        }

    def __call__(self, session: Session, client_id: Hashable, payload: bytes) -> None:
        """One request; its answer goes out now or when the workers have answered."""
        request = read_control(payload)
        op = request.get("op")
        handler = self._ops.get(op) if isinstance(op, str) else None
        if handler is None:
            answer: _Answer | None = _refused(f"unknown control request {_show(op)}; known are {', '.join(self._ops)}")
        else:
            answer = handler(session, client_id, request)
        if answer is not None:
            self._core.answer_control(session, client_id, answer)

    def _hello(self, session: Session, _client_id: Hashable, request: _Answer) -> _Answer:
        version = request.get("version")
        if version != PROTOCOL_VERSION:
            return _refused(f"protocol version {_show(version)} is not spoken here; this is version {PROTOCOL_VERSION}")
        pool = self._pool_named(request.get("pool", session.pool))
        if pool is None:
            return self._no_such_pool(request.get("pool"))
        client = request.get("client", "")
        session.pool = pool
        session.identity = client[:200] if isinstance(client, str) else ""
        return {
            "op": "hello",
            "version": PROTOCOL_VERSION,
            "bascule": bascule.__version__,
            "session": session.id,
            "pools": list(self._core.pools),
            "prefix": self._core.prefix,
            "limits": {"frame": limits.MAX_FRAME, "target": limits.MAX_TARGET},
        }

    def _ping(self, _session: Session, _client_id: Hashable, _request: _Answer) -> _Answer:
        return {"op": "ping"}

    def _status(self, _session: Session, _client_id: Hashable, _request: _Answer) -> _Answer:
        core = self._core
        pools = {
            name: {
                "size": pool.policy.size,
                "active": len(pool.active),
                "spares": len(pool.spares),
                "queued": pool.queue.waiting,
                "scheduler": pool.policy.scheduler,
                "failed": pool.failed,
            }
            for name, pool in core.pools.items()
        }
        workers = [_describe_worker(worker) for worker in core.workers.values()]
        return {
            "op": "status",
            "bascule": bascule.__version__,
            "pools": pools,
            "workers": workers,
            "sessions": len(core.sessions),
            "calls": {**core.settled, "outstanding": sum(len(session.calls) for session in core.sessions.values())},
            "draining": core.draining,
        }

    def _handles(self, session: Session, client_id: Hashable, request: _Answer) -> _Answer | None:
        """The live handles of this session, or of all when `all` is true."""
        which = None if request.get("all") else session.id
        asked = [
            worker
            for worker in self._core.workers.values()
            if worker.state in (WorkerState.ACTIVE, WorkerState.RETIRING)
            and (bool(worker.sessions) if which is None else which in worker.sessions)
        ]
        if not asked:
            return {"op": "handles", "handles": []}
        found: list[_Answer] = []
        left = len(asked)

        def gather(worker: Worker, answer: _Answer | None) -> None:
            nonlocal left
            left -= 1
            found.extend({**handle, "worker": worker.name} for handle in _handles_in(answer))
            if not left and not session.dead:
                self._core.answer_control(session, client_id, {"op": "handles", "handles": found})

        for worker in asked:
            question = {"op": "handles", "session": which}
            self._core.queries.ask(worker, question, partial(gather, worker))
        return None

    def _kill_worker(self, _session: Session, _client_id: Hashable, request: _Answer) -> _Answer:
        slot = request.get("slot")
        worker = self._core.workers.get(slot) if isinstance(slot, int) else None
        if worker is None:
            return _refused(f"there is no worker in slot {_show(slot)}; see status")
        self._core.kill(worker, KillReason.OPERATOR)
        return {"op": "kill_worker", "worker": worker.name, "pid": worker.pid}

    def _scale_pool(self, _session: Session, _client_id: Hashable, request: _Answer) -> _Answer:
        wanted, size = request.get("pool", "default"), request.get("size")
        pool = self._pool_named(wanted)
        if pool is None:
            return self._no_such_pool(wanted)
        if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= MOST_WORKERS:
            return _refused(f"a pool has 1 to {MOST_WORKERS} workers, not {_show(size)}")
        if self.scale is None:
            return _refused("the bridge is still starting; try again")
        self.scale(pool, size)
        return {"op": "scale", "pool": pool, "size": size}

    def _pool_named(self, name: object) -> str | None:
        return name if isinstance(name, str) and name in self._core.pools else None

    def _no_such_pool(self, name: object) -> _Answer:
        return _refused(f"there is no pool {_show(name)}; there are {', '.join(self._core.pools)}")


def _describe_worker(worker: Worker) -> _Answer:
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
    }


def _handles_in(answer: _Answer | None) -> list[_Answer]:
    """The rows of a worker's answer, those fields of them that a row has."""
    rows = answer.get("handles") if answer is not None else None
    return [
        {name: row[name] for name in _ROW if isinstance(row.get(name), (str, int, float))}
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, dict)
    ]


def _show(value: object) -> str:
    """A value of a request for people. A nested one is named by its type: to write it out may be deep, or long."""
    if isinstance(value, str):
        return repr(value if len(value) <= _SHOWN else value[:_SHOWN] + "...")
    return repr(value) if value is None or isinstance(value, (int, float)) else f"a {type(value).__name__}"


def _refused(message: str) -> _Answer:
    return {"op": "refused", "message": message}
