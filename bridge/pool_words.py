"""What a pool says of its workers: to operators, in its log, and to those whose calls it can't take."""

from __future__ import annotations

import logging
from typing import Any

from bascule.bridge.notices import KILLED_SINCE, WorkerExited
from bascule.bridge.pool_places import PoolWorker
from bascule.bridge.pool_restarts import Restarts

_log = logging.getLogger("bascule.bridge.pool")


def status_of(worker: PoolWorker, now: float) -> dict[str, Any]:
    """One worker, for an operator."""
    return {
        "slot": worker.slot,
        "incarnation": worker.incarnation,
        "pid": worker.process.pid,
        "phase": worker.phase.value,
        "age": now - worker.spawned_at,
    }


def why_it_ended(notice: WorkerExited, *, overdue: bool, ready_timeout: float) -> str:
    """A worker's end, in words that fit behind 'it ended: '.

    Args:
        notice: What the router saw of it.
        overdue: It was killed, since it was not ready in time.
        ready_timeout: That time, in seconds.
    """
    if overdue:
        return notice.cause._replace(not_ready=True, ready_timeout=ready_timeout).describe()
    if notice.init_error is not None:
        return f"it could not start: {notice.init_error.get('class')}: {notice.init_error.get('message')}"
    if notice.reason is not None:
        return f"ended by the bridge, {KILLED_SINCE[notice.reason]}"
    when = "in a call" if notice.had_started_call else "idle" if notice.was_ready else "before it was ready"
    return f"{notice.cause.describe()}, {when}"


def log_exit(pool: str, worker: PoolWorker, notice: WorkerExited, why: str, *, planned: bool) -> None:
    """Tell of a worker's end, and of the error for which it could not start."""
    if notice.init_error is not None and not worker.overdue and (trace := notice.init_error.get("traceback")):
        _log.error("pool %s: a worker could not start:\n%s", pool, trace.rstrip())
    level = logging.INFO if planned else logging.WARNING
    life = f"{worker.slot}.{worker.incarnation}"
    _log.log(level, "pool %s: worker %s (pid %d) ended: %s", pool, life, worker.process.pid, why)


def stays_as_it_was(name: str, why: str) -> str:
    """Why a pool did not take on a changed spec."""
    return f"pool {name!r} stays as it was, since a worker of the new kind ended: {why}"


def failed(name: str, restarts: Restarts, why: str, *, tried_again: bool) -> str:
    """Why a pool takes no calls any more.

    Args:
        name: Its.
        restarts: The exits that were one too many.
        why: Of the last of them.
        tried_again: It was failed already, and has tried with one worker.
    """
    if tried_again:
        what = "the worker with which it tried again ended too"
    else:
        limit, period = restarts.intensity, restarts.period
        what = f"more than {limit} of its workers ended within {period:g} s, and no call is to blame"
    return f"pool {name!r} is failed: {what}; the last one: {why}"
