"""CONTROL requests of service clients: hello, status, handles, and an operator's orders.

All of it runs in the router thread, where the state is. What concerns processes and files (`scale`, `reload` ...) is an
*order*: it is handed to the `Office`, in trio's thread, and answered when it has been carried out. A request is a map
with "op"; the answer carries the same op, or "refused" with a message that says what is allowed.

Who may ask for what: everybody says hello, pings, and lists the handles of his own session; the rest is for operators,
which is who has no grant (our own user, over a Unix socket) or one that says so.

Nothing in a request is trusted, and nothing in a worker's answer either: an exception here would end the router thread.
So values are looked at by their type before they are compared, hashed or shown, and are shown shortened.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from typing import Any

import bascule
from bascule.bridge.notices import KillReason
from bascule.bridge.operations import descriptions
from bascule.bridge.operations.descriptions import show
from bascule.bridge.pool_spec import MOST_WORKERS
from bascule.bridge.router.asking import answer_workers
from bascule.bridge.router.core import RouterCore
from bascule.bridge.router.messages import read_control
from bascule.bridge.router.peers import Session, Worker, WorkerState
from bascule.bridge.router.requests import QUEUE_BYTES
from bascule.protocols import limits

PROTOCOL_VERSION = 1
MOST_LISTED = 10_000  # calls or sessions in one answer
TOO_MANY = "too many questions to workers have no answer yet; try later"

Answer = dict[str, Any]
Reply = Callable[[Answer], None]
"""Answers a request, from the router's thread."""

FOR_ALL = ("hello", "ping", "handles", "watch", "workers")
"""What a client that is no operator may ask."""
_POOL_ORDERS = ("pool_remove", "pool_restart", "pool_drain", "pool_resume")


class Control:
    """Answers control requests over one core.

    Attributes:
        take_order: Hands an order (the request, and what answers it) to whoever carries it out; None while nobody does.
        orders: Those orders.
    """

    def __init__(self, core: RouterCore) -> None:
        self._core = core
        self.take_order: Callable[[Answer, Reply], None] | None = None
        self.orders: frozenset[str] = frozenset()
        self.restart: Callable[[str], None] | None = None  # hands a pool on, whose workers are to be replaced
        self._ops: dict[str, Callable[[Session, Hashable, Answer], Answer | None]] = {
            "hello": self._hello,
            "ping": self._ping,
            "status": self._status,
            "handles": self._handles,
            "calls": self._calls,
            "cancel": self._cancel,
            "sessions": self._sessions,
            "kill_worker": self._kill_worker,
            "watch": self._watch,
            "workers": self._workers,
            "restart": self._restart_workers,
            "scale": self._scale_pool,
        }

    def __call__(self, session: Session, client_id: Hashable, payload: bytes) -> None:
        """One request; its answer goes out now, or when the workers or the office have answered."""
        request = read_control(payload)
        op = request.get("op")
        handler = self._ops.get(op) if isinstance(op, str) else None
        answer: Answer | None
        if session.grant is not None and not session.grant.operator and op not in FOR_ALL:
            answer = refused(f"{show(op)} is for operators; this listener's clients may ask {', '.join(FOR_ALL)}")
        elif handler is not None:
            answer = handler(session, client_id, request)
        elif isinstance(op, str) and op in self.orders:
            answer = self._order(session, client_id, request)
        else:
            known = ", ".join([*self._ops, *sorted(self.orders)])
            answer = refused(f"unknown control request {show(op)}; known are {known}")
        if answer is not None:
            self._core.answer_control(session, client_id, answer)

    def _order(self, session: Session, client_id: Hashable, request: Answer) -> Answer | None:
        """Hand an order on; those that name a pool name one that is there."""
        if request["op"] in _POOL_ORDERS and self._pool_named(request.get("pool")) is None:
            return self._no_such_pool(request.get("pool"))
        if self.take_order is None:
            return refused("the bridge is still starting; try again")

        def reply(answer: Answer) -> None:
            if not session.dead:
                self._core.answer_control(session, client_id, answer)

        self.take_order(request, reply)
        return None

    def _hello(self, session: Session, _client_id: Hashable, request: Answer) -> Answer:
        version = request.get("version")
        problem = None
        if version != PROTOCOL_VERSION:
            problem = f"protocol version {show(version)} is not spoken here; this is version {PROTOCOL_VERSION}"
        pool = self._pool_named(request.get("pool", session.pool))
        if problem is None and pool is None:
            problem = self._no_such_pool(request.get("pool", session.pool))["message"]
        if problem is not None or pool is None:
            session.requests.clear()  # what came with it was said to a bridge that would have it
            return refused(problem or "")
        client = request.get("client", "")
        session.pool = pool
        session.identity = f"{client[:200] if isinstance(client, str) else ''}"
        return {
            "op": "hello",
            "version": PROTOCOL_VERSION,
            "bascule": bascule.__version__,
            "session": session.id,
            "pools": list(self._core.pools),
            "prefix": self._core.prefix,
            "limits": {"frame": getattr(session.door, "max_frame", limits.MAX_FRAME), "target": limits.MAX_TARGET},
        }

    def _ping(self, _session: Session, _client_id: Hashable, _request: Answer) -> Answer:
        return {"op": "ping"}

    def _workers(self, session: Session, client_id: Hashable, request: Answer) -> None:
        """The slots of the session's pool whose workers take calls: what a PLACED call may name."""
        answer_workers(self._core, session, client_id, request)

    def _status(self, _session: Session, _client_id: Hashable, _request: Answer) -> Answer:
        return {"op": "status", **descriptions.status(self._core)}

    def _calls(self, _session: Session, _client_id: Hashable, _request: Answer) -> Answer:
        return {"op": "calls", **descriptions.calls(self._core, MOST_LISTED)}

    def _sessions(self, _session: Session, _client_id: Hashable, _request: Answer) -> Answer:
        rows = [descriptions.session(each, self._core.now) for each in list(self._core.sessions.values())[:MOST_LISTED]]
        return {"op": "sessions", "sessions": rows, "of": len(self._core.sessions)}

    def _cancel(self, _session: Session, _client_id: Hashable, request: Answer) -> Answer:
        """Cancel a call by the number that `calls` lists: of its session, and in it."""
        number = request.get("call")
        call = descriptions.find_call(self._core, number) if isinstance(number, str) else None
        if call is None:
            return refused(f"no call is listed as {show(number)}; see `bascule calls`")
        target = call.target.decode(errors="replace")
        self._core.endings.abandon(call, KillReason.CANCEL, "the call was cancelled by an operator")
        return {"op": "cancel", "call": number, "target": target}

    def _handles(self, session: Session, client_id: Hashable, request: Answer) -> Answer | None:
        """The live handles of this session, or of all when `all` is true (and asked by an operator)."""
        is_operator = session.grant is None or session.grant.operator
        which = None if request.get("all") and is_operator else session.id
        asked = [
            worker
            for worker in self._core.workers.values()
            if worker.state not in (WorkerState.STARTING, WorkerState.DEAD)
            and (bool(worker.sessions) if which is None else which in worker.sessions)
        ]
        if not asked:
            return {"op": "handles", "handles": []}
        if self._core.queries.are_many:
            return refused(TOO_MANY)
        found: list[Answer] = []
        left = len(asked)

        def gather(worker: Worker, answer: Answer | None) -> None:
            nonlocal left
            left -= 1
            found.extend({**handle, "worker": worker.name} for handle in descriptions.handles_in(answer))
            if not left and not session.dead:
                self._core.answer_control(session, client_id, {"op": "handles", "handles": found})

        for worker in asked:
            question = {"op": "handles", "session": which}
            self._core.queries.ask(worker, question, partial(gather, worker))
        return None

    def _watch(self, session: Session, client_id: Hashable, request: Answer) -> Answer | None:
        """Answered when the object behind one of this session's handles is gone, with the reason. A CANCEL of the
        request takes it back."""
        token = request.get("token")
        worker = self._core.owner_of(token.encode(errors="replace")) if isinstance(token, str) else None
        if worker is None:
            return {"op": "watch", "reason": "lost"}
        if self._core.queries.are_many or worker.unwritten > QUEUE_BYTES:
            return refused(TOO_MANY)

        def gone(answer: Answer | None) -> None:
            known = answer.get("reason") if answer is not None else "worker_lost"
            if not session.dead:
                reason = known if known in ("released", "worker_lost") else "lost"
                self._core.answer_control(session, client_id, {"op": "watch", "reason": reason})

        question = {"op": "watch", "session": session.id, "token": token}
        self._core.queries.watch(worker, question, gone, (session.id, client_id))
        return None

    def _kill_worker(self, _session: Session, _client_id: Hashable, request: Answer) -> Answer:
        slot = request.get("slot")
        worker = self._core.workers.get(slot) if isinstance(slot, int) else None
        if worker is None:
            return refused(f"there is no worker in slot {show(slot)}; see status")
        self._core.kill(worker, KillReason.OPERATOR)
        return {"op": "kill_worker", "worker": worker.name, "pid": worker.pid}

    def _restart_workers(self, session: Session, _client_id: Hashable, request: Answer) -> Answer:
        """Replace each worker by a new one, without losing a call."""
        pool = self._pool_named(request.get("pool", session.pool))
        if pool is None:
            return self._no_such_pool(request.get("pool"))
        if self.restart is None:
            return refused("the bridge is still starting")
        self.restart(pool)
        return {"op": "restart", "pool": pool}

    def _scale_pool(self, session: Session, client_id: Hashable, request: Answer) -> Answer | None:
        wanted, size = request.get("pool", "default"), request.get("size")
        pool = self._pool_named(wanted)
        if pool is None:
            return self._no_such_pool(wanted)
        if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= MOST_WORKERS:
            return refused(f"a pool has 1 to {MOST_WORKERS} workers, not {show(size)}")
        return self._order(session, client_id, {"op": "scale", "pool": pool, "size": size})

    def _pool_named(self, name: object) -> str | None:
        return name if isinstance(name, str) and name in self._core.pools else None

    def _no_such_pool(self, name: object) -> Answer:
        return refused(f"there is no pool {show(name)}; there are {', '.join(self._core.pools)}")


def refused(message: str) -> Answer:
    """The answer that is none."""
    return {"op": "refused", "message": message}
