"""Carries out an operator's orders: what concerns processes, files and the service as a whole.

An order comes from the router's thread (see `control`), is carried out here, in trio's, in a task of its own, and its
answer goes back the same way. What goes wrong is the order's answer, and nobody else's trouble.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import trio

from bascule.bridge.config import ConfigError
from bascule.bridge.listener import ListenRefused
from bascule.bridge.operations.control import Answer, Reply, refused
from bascule.bridge.operations.descriptions import show
from bascule.bridge.pool import PoolFailed
from bascule.bridge.pool_spec import PoolSpecError
from bascule.bridge.scheduling import UnknownScheduler
from bascule.bridge.supervision.spec import ChildRefused
from bascule.bridge.tree import Tree

if TYPE_CHECKING:
    from bascule.bridge.operations.logs import Recent

_log = logging.getLogger(__name__)

LONGEST_WAIT = 20.0  # seconds that `logs` waits for something new before it answers that there is nothing
_REFUSALS = (ConfigError, ListenRefused, PoolSpecError, PoolFailed, UnknownScheduler, ChildRefused)


class OrderRefused(Exception):
    """The order can't be carried out; the message says why."""


class Office:
    """Orders over one tree.

    Args:
        tree: What they are about.
        recent: What was logged lately.
        reload: Reads the configuration again; gives what has changed, in words.
        add_pool: Adds the pool that a table of the configuration describes.
        remove_pool: Drains a pool and ends it.
        metrics: The figures, as Prometheus wants them.
    """

    def __init__(
        self,
        tree: Tree,
        recent: Recent,
        *,
        reload: Callable[[], Awaitable[list[str]]],
        add_pool: Callable[[str, dict[str, Any]], Awaitable[None]],
        remove_pool: Callable[[str], Awaitable[None]],
        metrics: Callable[[], Awaitable[str]],
    ) -> None:
        self._tree = tree
        self._recent = recent
        self._reload = reload
        self._add_pool = add_pool
        self._remove_pool = remove_pool
        self._metrics = metrics
        self._send, self._orders = trio.open_memory_channel[tuple[Answer, Reply]](math.inf)
        self._handlers: dict[str, Callable[[Answer], Awaitable[Answer]]] = {
            "scale": self._scale,
            "pool_add": self._pool_add,
            "pool_remove": self._pool_remove,
            "pool_restart": self._pool_restart,
            "pool_drain": self._pool_drain,
            "pool_resume": self._pool_resume,
            "mount": self._mount,
            "reload": self._reload_all,
            "stop": self._stop,
            "logs": self._logs,
            "metrics": self._tell_metrics,
        }
        self.orders = frozenset(self._handlers)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Take orders until cancelled."""
        token = trio.lowlevel.current_trio_token()
        control = self._tree.bridge.control

        def take_order(request: Answer, reply: Reply) -> None:
            token.run_sync_soon(self._send.send_nowait, (request, reply))

        control.orders = self.orders
        control.take_order = take_order
        try:
            async with trio.open_nursery() as nursery:
                task_status.started()
                async for request, reply in self._orders:
                    nursery.start_soon(self._carry_out, request, reply)
        finally:
            control.take_order = None

    async def _carry_out(self, request: Answer, reply: Reply) -> None:
        try:
            answer = await self._handlers[request["op"]](request)
        except (OrderRefused, *_REFUSALS) as error:
            answer = refused(str(error))
        except Exception as error:  # an order that meets a bug of ours is answered, and the service lives
            _log.exception("the order %s failed", request["op"])
            answer = refused(f"the order failed: {type(error).__name__}: {error}")
        self._tree.bridge.pump.post(partial(reply, answer))

    async def _scale(self, request: Answer) -> Answer:
        pool = self._pool(request)
        pool.scale(request["size"])
        _log.info("an operator scales pool %s to %d workers", pool.spec.name, pool.size, extra={"pool": pool.spec.name})
        return {"op": "scale", "pool": request["pool"], "size": request["size"]}

    async def _pool_add(self, request: Answer) -> Answer:
        name, table = request.get("pool"), request.get("config", {})
        if not isinstance(name, str) or not isinstance(table, dict):
            raise OrderRefused("a pool is added with a name, and a table as the configuration has for one")
        if name in self._tree.pools:
            raise OrderRefused(f"there is a pool {show(name)} already")
        await self._add_pool(name, table)
        _log.info("an operator has added pool %s", name, extra={"pool": name})
        return {"op": "pool_add", "pool": name}

    async def _pool_remove(self, request: Answer) -> Answer:
        pool = self._pool(request)
        if len(self._tree.pools) == 1:
            raise OrderRefused("a service has at least one pool, and this is its last")
        _log.info("an operator removes pool %s: it drains", pool.spec.name, extra={"pool": pool.spec.name})
        await self._remove_pool(pool.spec.name)
        return {"op": "pool_remove", "pool": request["pool"]}

    async def _pool_restart(self, request: Answer) -> Answer:
        """Replace all workers, and wait until that is done."""
        pool = self._pool(request)
        before = pool.lives()
        pool.recycle_all("an operator asked for it")
        with trio.move_on_after(pool.spec.ready_timeout * 2):
            await pool.wait_replaced(before)
        return {"op": "pool_restart", "pool": request["pool"], "workers": len(before)}

    async def _pool_drain(self, request: Answer) -> Answer:
        name = self._pool(request).spec.name
        _log.info("an operator drains pool %s: it takes nothing new", name, extra={"pool": name})
        await self._tree.drain_pool(name)
        left = await self._tree.ask(lambda core: core.pools[request["pool"]].queue.waiting)
        return {"op": "pool_drain", "pool": request["pool"], "left": left}

    async def _pool_resume(self, request: Answer) -> Answer:
        name = self._pool(request).spec.name
        self._tree.resume_pool(name)
        _log.info("an operator has pool %s take calls again", name, extra={"pool": name})
        return {"op": "pool_resume", "pool": request["pool"]}

    async def _mount(self, request: Answer) -> Answer:
        """Have a pool's workers offer one more implementation of a contract; when one can't, all is as it was."""
        entry = request.get("entry")
        if not isinstance(entry, str) or ":" not in entry:
            raise OrderRefused("what is mounted is a class, written PACKAGE:Class or NAME=PACKAGE:Class")
        pool = self._pool({"pool": request.get("pool") or next(iter(self._tree.pools))})
        before = pool.spec
        name, equals, _ = entry.partition("=")
        others = tuple(each for each in before.mounts if not (equals and each.startswith(f"{name}=")))
        folder = request.get("path")
        paths = before.paths if not isinstance(folder, str) or folder in before.paths else (*before.paths, folder)
        after = before._replace(mounts=(*(each for each in others if each != entry), entry), paths=paths)
        lives = pool.lives()
        pool.reconfigure(after)
        failure = await pool.settled()
        if failure:
            raise OrderRefused(f"{entry} can't be mounted: {failure}")
        with trio.move_on_after(after.ready_timeout):
            await pool.wait_replaced(lives)
        return {"op": "mount", "entry": entry, "pool": after.name}

    async def _reload_all(self, _request: Answer) -> Answer:
        return {"op": "reload", "changed": await self._reload()}

    async def _stop(self, _request: Answer) -> Answer:
        _log.info("an operator stops the service: it drains and ends")
        self._tree.stop()
        return {"op": "stop", "pid": os.getpid()}

    async def _logs(self, request: Answer) -> Answer:
        """What was logged after a number; where nothing was, wait for it when that is asked."""
        after, wait = request.get("after"), request.get("wait") is True
        number = after if isinstance(after, int) else 0
        token = trio.lowlevel.current_trio_token()
        news = trio.Event()
        if wait:
            self._recent.watch(lambda: token.run_sync_soon(news.set))
        last, rows = self._recent.after(number)
        if wait and not rows:
            with trio.move_on_after(LONGEST_WAIT):
                await news.wait()
            last, rows = self._recent.after(number)
        return {"op": "logs", "last": last, "records": rows}

    async def _tell_metrics(self, _request: Answer) -> Answer:
        return {"op": "metrics", "text": await self._metrics()}

    def _pool(self, request: Answer) -> Any:
        try:
            return self._tree.pools[request["pool"]]
        except KeyError:
            raise OrderRefused(f"there is no pool {show(request['pool'])}") from None
