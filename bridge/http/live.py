"""The figures of each second, for the dashboard: made once, however many look on.

The last minutes are kept, so that a page that is opened has its curves at once.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from typing import Any

import trio

from bascule.bridge.http.app import Request, Respond
from bascule.bridge.http.entry import NotAllowed
from bascule.bridge.operations import descriptions
from bascule.bridge.operations.figures import Figures, Gatherer
from bascule.bridge.operations.meter import ERRORS, SUM, Row, calls_in, percentile, since, total
from bascule.bridge.router.core import RouterCore
from bascule.bridge.tree import Tree

INTERVAL = 1.0
MOST_POINTS = 300
_MOST_ROWS = 12
_EVENTS = 50


class Live:
    """Looks at one service again and again."""

    def __init__(self, tree: Tree, gatherer: Gatherer) -> None:
        self._tree = tree
        self._gatherer = gatherer
        self._points: deque[dict[str, Any]] = deque(maxlen=MOST_POINTS)
        self._picture: dict[str, Any] = {}
        self._news = trio.Event()
        self._before: Figures | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Look until cancelled."""
        task_status.started()
        while True:
            await self._look()
            await trio.sleep(INTERVAL)

    async def events(self, request: Request, respond: Respond) -> None:
        """`GET /events`: first the points so far, then a picture each second."""
        _for_operators(request)
        await respond.begin_events()
        await respond.event(json.dumps(list(self._points)).encode(), "points")
        while True:
            if self._picture:
                await respond.event(json.dumps(self._picture).encode(), "picture")
            await self._news.wait()

    async def status(self, request: Request, respond: Respond) -> None:
        """`GET /status`."""
        _for_operators(request)
        await respond.whole(200, json.dumps(await self._tree.ask(descriptions.status)).encode())

    async def metrics(self, request: Request, respond: Respond) -> None:
        """`GET /metrics`."""
        _for_operators(request)
        try:
            from bascule.bridge.operations.prometheus import render
        except ModuleNotFoundError:
            raise NotAllowed(501, "the library prometheus-client is missing: pip install 'bascule[metrics]'") from None
        text = render(await self._gatherer.gather())
        await respond.whole(200, text.encode(), "text/plain; version=0.0.4; charset=utf-8")

    async def _look(self) -> None:
        now = await self._gatherer.gather()
        calls = await self._tree.ask(_calls)
        before, self._before = self._before, now
        if before is None:
            return
        rows = rates(before, now)
        whole = total([row for _, row in rows])
        seconds = now.at - before.at
        status = now.status
        point = {
            "at": now.at,
            "calls": calls_in(whole) / seconds,
            "errors": (status["calls"]["error"] - before.status["calls"]["error"]) / seconds,
            "p50": percentile(whole, 0.5),
            "p90": percentile(whole, 0.9),
            "p99": percentile(whole, 0.99),
            "queued": sum(pool["queued"] for pool in status["pools"].values()),
        }
        self._points.append(point)
        self._picture = {
            "point": point,
            "version": status["bascule"],
            "draining": status["draining"],
            "pools": status["pools"],
            "workers": [
                worker | now.processes.get(worker["name"], {}) | {"handles": now.handles.get(worker["name"], 0)}
                for worker in status["workers"]
            ],
            "sessions": status["sessions"],
            "handles": sum(now.handles.values()),
            "outstanding": status["calls"]["outstanding"],
            "calls": calls["calls"][:_MOST_ROWS],
            "slowest": slowest(now.rows),
            "ends": [{"pool": pool, "cause": cause, "count": count} for (pool, cause), count in now.ends.items()],
            "events": list(self._gatherer.events.recent)[-_EVENTS:],
        }
        news, self._news = self._news, trio.Event()
        news.set()


def rates(before: Figures, now: Figures) -> list[tuple[str, Row]]:
    """What was counted between two moments, by function."""
    return [
        (function, since(row, before.rows.get(pool, {}).get(function)))
        for pool, rows in now.rows.items()
        for function, row in rows.items()
    ]


def slowest(rows: Mapping[str, Mapping[str, Row]]) -> list[dict[str, Any]]:
    """The functions whose calls take longest, of all time."""
    found: list[dict[str, Any]] = [
        {
            "function": function,
            "pool": pool,
            "calls": calls_in(row),
            "errors": row[ERRORS],
            "mean": row[SUM] / calls_in(row) / 1e6,
            "p99": percentile(row, 0.99),
        }
        for pool, each in rows.items()
        for function, row in each.items()
        if calls_in(row)
    ]
    found.sort(key=lambda row: -row["p99"])
    return found[:_MOST_ROWS]


def _calls(core: RouterCore) -> dict[str, Any]:
    return descriptions.calls(core, _MOST_ROWS)


def _for_operators(request: Request) -> None:
    if not request.grant.operator:
        raise NotAllowed(403, "this is for operators (operator = true in [http])")
