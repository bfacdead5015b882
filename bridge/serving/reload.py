"""A reload: the configuration is read again, and what differs is applied.

First comes all that can fail without touching anything (read and check the file, open new sockets and log files, load
certificates, tokens and rules); only then something is changed, step by step. A pool whose new kind of worker does not
start stays as it was, and the answer says so.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

from bascule.bridge.admission import AdmissionError, files_of
from bascule.bridge.config import ConfigError, PoolConfig, ServiceConfig
from bascule.bridge.config_file import load
from bascule.bridge.listener import ListenRefused
from bascule.bridge.listeners import Listener, make_rule
from bascule.bridge.operations.audit import AuditLog
from bascule.bridge.operations.changes import difference, in_words
from bascule.bridge.operations.logs import set_up
from bascule.bridge.scheduling import UnknownScheduler, chooser
from bascule.bridge.serving.accounts import need_otel
from bascule.bridge.serving.web import need_http

if TYPE_CHECKING:
    from bascule.bridge.http.server import Prepared
    from bascule.bridge.serving.service import Service

_log = logging.getLogger("bascule.serve")

Step = Callable[[], Awaitable[str | None]]
"""One thing to change; what it gives says why it could not be."""


class Reload:
    """Reloads one service, one reload after the other.

    Args:
        service: What is to be as its configuration says.
        file: Where the configuration comes from, None when it was the command line.
        override: What the command line says besides, which holds whatever the file says.
    """

    def __init__(self, service: Service, file: Path | None, override: dict[str, Any]) -> None:
        self._service = service
        self._file = file
        self._override = override
        self._alone = trio.Lock()

    def hung_up(self) -> None:
        """SIGHUP has come."""
        trio.lowlevel.spawn_system_task(self._run_for_signal)

    async def _run_for_signal(self) -> None:
        try:
            await self.run()
        except Exception as error:  # a system task's exception would end the bridge
            _log.error("SIGHUP: the configuration is as it was: %s", error)

    async def run(self) -> list[str]:
        """Read the configuration again and apply what differs; what that was, in words.

        Raises:
            ConfigError: It can't be used: nothing has changed. Or some of it could not be applied: the message says
                what, and the rest was.
        """
        async with self._alone:
            with self._service.reloading():
                changes = await self._run()
        for line in changes:
            _log.info("reloaded: %s", line)
        return changes

    async def _run(self) -> list[str]:
        before = self._service.config
        if self._file is None:
            set_up(before.logging, self._service.recent)  # logs may have been moved away
            return []
        after = (await trio.to_thread.run_sync(load, self._file)).model_copy(update=self._override)
        pools = difference(before.pools, after.pools)
        for name in [*pools.added, *pools.changed]:
            await trio.to_thread.run_sync(need_scheduler, name, after.pools[name])
        renewed = self._renewed(before, after)
        steps = self._prepare(before, after, renewed)
        failures = [failure for step in steps if (failure := await step()) is not None]
        if failures:
            raise ConfigError("; ".join(failures))
        return [*in_words(before, after), *(f"{name}: its certificate or its tokens changed" for name in renewed)]

    def _renewed(self, before: ServiceConfig, after: ServiceConfig) -> list[str]:
        """What the file says the same of as before, though the files that it names have other contents."""
        same = [name for name, each in after.listeners.items() if before.listeners.get(name) == each]
        now = {name: self._service.listener(name).rule.files for name in same}
        found = [f"listeners.{name}" for name in same if now[name] != files_of(after.listeners[name])]
        return [*found, "http"] if before.http == after.http and self._service.web.is_renewed(after) else found

    def _prepare(self, before: ServiceConfig, after: ServiceConfig, renewed: Sequence[str]) -> list[Step]:
        """Everything that may fail; and the steps that are left to do."""
        service = self._service
        opened: list[Listener] = []
        http: Prepared | None = None
        audit: AuditLog | None = None
        listeners = difference(before.listeners, after.listeners)
        moved = [name for name, keys in listeners.changed.items() if set(keys) & _OF_A_PLACE]
        if before.socket != after.socket:
            moved.append(service.DEFAULT)
        leaving = {each.place: each for each in map(service.listener, [*listeners.removed, *moved])}
        leaving.pop(None, None)
        try:
            for name in [*listeners.added, *moved]:
                listener = service.make_listener(name, after)
                listener.open(leaving.get(listener.place))
                opened.append(listener)
            changed = [name for name in listeners.changed if name not in moved]
            changed += [name for name in after.listeners if f"listeners.{name}" in renewed]
            rules = {name: make_rule(name, after.listeners[name]) for name in changed}
            need_http(after)
            need_otel(after)
            other_http = before.http != after.http or "http" in renewed
            if other_http and after.http.listen is not None:
                http = service.web.prepare(after)
            audit = service.accounts.open_audit(after)
            set_up(after.logging, service.recent)
        except (ConfigError, ListenRefused, AdmissionError, OSError, ValueError) as error:
            for listener in opened:
                listener.close()
            if http is not None:
                service.web.discard(http)
            if audit is not None:
                audit.close()
            raise ConfigError(f"{error}; nothing was changed") from None
        steps: list[Step] = [partial(service.apply_settings, after, audit)]
        steps += [partial(service.change_rule, name, rule) for name, rule in rules.items()]
        successors = {each.place: each for each in opened}
        for name in [*listeners.removed, *moved]:
            steps.append(partial(service.remove_listener, name, successors.get(service.listener(name).place)))
        steps += [partial(service.start_listener, listener) for listener in opened]
        if other_http:
            steps.append(partial(service.change_http, after, http))
        pools = difference(before.pools, after.pools)
        steps += [partial(service.start_pool, name, after) for name in pools.added]
        steps += [partial(service.change_pool, name, after) for name in pools.changed]
        steps += [partial(service.end_pool, name) for name in pools.removed]
        return steps


def need_scheduler(name: str, pool: PoolConfig) -> None:
    """See that the router can have a pool's scheduler: there, nobody could answer for one that can't be imported.

    Raises:
        ConfigError: It can't.
    """
    try:
        chooser(pool.scheduler)
    except UnknownScheduler as error:
        raise ConfigError(f"pools.{name}.scheduler: {error}; nothing was changed") from None


_OF_A_PLACE = {"unix", "tcp", "systemd"}
"""Keys of a listener that need another socket when they change; the others are rules."""
