"""The service as it runs: its sockets and files, what stands beside its pools, and how each of these is changed.

`Service.open` makes what can fail before anything runs; `children` are what the supervision tree runs beside the
pools. What follows below are the single changes, each by an operator or as a step of a reload.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

from bascule.bridge.admission import AdmissionError
from bascule.bridge.app import Bridge
from bascule.bridge.caching.answers import AnswerCache
from bascule.bridge.caching.policy import Rules
from bascule.bridge.caching.shelves import Shelves
from bascule.bridge.cli.pod_attached import PodOpener
from bascule.bridge.client.paths import default_socket
from bascule.bridge.config import ConfigError, ServiceConfig
from bascule.bridge.config_file import check
from bascule.bridge.crowd import Crowd
from bascule.bridge.listeners import Listener, Rule, Terms, make_rule
from bascule.bridge.operations.attendant import Attendant
from bascule.bridge.operations.audit import AuditLog
from bascule.bridge.operations.figures import Gatherer
from bascule.bridge.operations.logs import Recent
from bascule.bridge.operations.notify import Notifier
from bascule.bridge.operations.office import Office
from bascule.bridge.pool import PoolFailed
from bascule.bridge.pool_changes import changed_fields
from bascule.bridge.serving.accounts import Accounts
from bascule.bridge.serving.reload import Reload, need_scheduler
from bascule.bridge.serving.web import Web
from bascule.bridge.supervision.spec import ChildSpec
from bascule.bridge.tree import Tree

if TYPE_CHECKING:
    from bascule.bridge.http.server import Prepared

_log = logging.getLogger("bascule.serve")


class Service:
    """See the module's text.

    Args:
        config: What it is to be.
        bridge: The bridge, not started yet.
        recent: What is logged.
        notifier: Speaks to systemd.
        file: Where the configuration came from, None when it was the command line.
        override: What the command line says besides, which holds whatever the file says.
        inherited: Sockets that systemd made, by name.
    """

    DEFAULT = "default"
    """The listener of our own user."""

    def __init__(
        self,
        config: ServiceConfig,
        bridge: Bridge,
        recent: Recent,
        notifier: Notifier,
        *,
        file: Path | None = None,
        override: dict[str, Any] | None = None,
        inherited: dict[str, list[socket.socket]] | None = None,
    ) -> None:
        self.config = config
        self.bridge = bridge
        self.recent = recent
        self.web = Web(bridge)
        self.accounts = Accounts(bridge)
        self._notifier = notifier
        self._inherited = {name: tuple(socks) for name, socks in (inherited or {}).items()}
        self._listeners: dict[str, Listener] = {}
        self._crowd = Crowd()
        self._reload = Reload(self, file, override or {})
        self.gatherer: Gatherer
        self._tree: Tree
        self._attendant: Attendant
        bridge.pump.scribe.write = self._log_output
        bridge.core.hard_unwritten = int(config.limits.unread)
        self._set_cache(config)

    def open(self, closing: ExitStack) -> None:
        """Make the sockets and files, before anything runs.

        Raises:
            ListenRefused: A socket can't be made.
            ConfigError: A file can't be opened, or a rule can't be used.
        """
        closing.callback(self.close)
        try:
            for name in (self.DEFAULT, *self.config.listeners):
                listener = self.make_listener(name, self.config)
                listener.open()
                self._listeners[name] = listener
            self.accounts.set_audit(self.accounts.open_audit(self.config))
            self.accounts.set_tracing(self.config)
            self.web.open(self.config)
        except AdmissionError as error:
            raise ConfigError(str(error)) from None

    def close(self) -> None:
        """Close what `open` made."""
        for listener in self._listeners.values():
            listener.close()
        self.accounts.close()
        if self.bridge.core.cache is not None:
            self.bridge.core.cache.close()
        self.web.close()

    def children(self, tree: Tree) -> list[ChildSpec]:
        """What runs beside the pools."""
        self._tree = tree
        self._attendant = Attendant(tree, self._notifier)
        tree.beside.append(self._attendant.run)
        tree.on_hangup = self._reload.hung_up
        self.gatherer = Gatherer(tree, _counted(self.config))
        office = Office(
            tree,
            self.recent,
            reload=self._reload.run,
            add_pool=self._add_pool,
            remove_pool=self.end_pool,
            metrics=self._metrics,
        )
        children = [ChildSpec("office", office.run), ChildSpec("gatherer", self.gatherer.run)]
        if self.accounts.audit is not None:
            children.append(ChildSpec("audit", self.accounts.audit.run))
        children += self.web.children(self.config, tree, self.gatherer)
        children.append(ChildSpec("crowd", self._crowd.run))
        children += [ChildSpec(_child(name), listener.run) for name, listener in self._listeners.items()]
        return [*children, ChildSpec("ready", self._ready)]

    async def _ready(self, *, task_status: trio.TaskStatus[None]) -> None:
        """The last child: all others are up."""
        pools = ", ".join(f"pool {pool.spec.name} of {pool.size}" for pool in self._tree.pools.values())
        _log.info("listening on %s with %s", "; ".join(map(str, self._listeners.values())), pools)
        self._attendant.ready()
        task_status.started()
        await trio.sleep_forever()

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """Systemd is told when a reload begins and when it is over."""
        self._notifier.reloading()
        try:
            yield
        finally:
            self._attendant.ready()
            self._notifier.ready("serving")

    # Changes.

    async def apply_settings(self, after: ServiceConfig, audit: AuditLog | None) -> None:
        """What holds at once: limits, logs, the audit. Pools and listeners follow, each when it is done."""
        update = {name: getattr(after, name) for name in _AT_ONCE}
        retrace = self.config.tracing != after.tracing
        self.config = self.config.model_copy(update=update)
        self.bridge.core.hard_unwritten = int(after.limits.unread)
        self._set_cache(after)
        self.gatherer.count_functions(_counted(after))
        for listener in self._listeners.values():
            listener.terms = self._terms(after)
        if self.accounts.audit is not None:
            await self._tree.remove_child("audit")
        if retrace:
            await trio.to_thread.run_sync(self.accounts.set_tracing, after)
        self.accounts.set_audit(audit)
        if audit is not None:
            await self._tree.start_child(ChildSpec("audit", audit.run))

    async def change_http(self, after: ServiceConfig, prepared: Prepared | None) -> None:
        """Another HTTP door, or none."""
        self.config = self.config.model_copy(update={"http": after.http})
        await self.web.change(after, prepared, self._tree, self.gatherer)

    async def change_rule(self, name: str, rule: Rule) -> None:
        """Who may call what at a listener whose place stays."""
        self._listeners[name].change(rule)
        self._note("listeners", name, rule.config)

    async def remove_listener(self, name: str, successor: Listener | None) -> None:
        """Take no more clients there; those that are connected stay."""
        await self._tree.remove_child(_child(name))
        if successor is not None:
            successor.take_over()
        self._listeners.pop(name).close()
        self._note("listeners", name, None)

    def listener(self, name: str) -> Listener:
        """The listener of that name that there is."""
        return self._listeners[name]

    async def start_listener(self, listener: Listener) -> None:
        """Take clients at a listener that is open."""
        self._listeners[listener.name] = listener
        await self._tree.start_child(ChildSpec(_child(listener.name), listener.run))
        self._note("listeners", listener.name, listener.rule.config)

    async def start_pool(self, name: str, after: ServiceConfig) -> str | None:
        """Add a pool; why it was not, where it does not start."""
        try:
            await self._tree.add_pool(after.pools[name].spec(name))
        except PoolFailed as error:
            return f"pools.{name} was not added: {error}"
        self._note("pools", name, after.pools[name])
        return None

    async def change_pool(self, name: str, after: ServiceConfig) -> str | None:
        """Roll a pool over to another kind of worker; why it stays as it was, where those do not start."""
        pool, spec = self._tree.pools[name], after.pools[name].spec(name)
        _log.info("pool %s: %s changed", name, ", ".join(changed_fields(pool.spec, spec)))
        before = pool.lives()
        pool.reconfigure(spec)
        failure = await pool.settled()
        if failure:
            return failure
        with trio.move_on_after(spec.ready_timeout):
            await pool.wait_replaced(before)
        self._note("pools", name, after.pools[name])
        return None

    async def end_pool(self, name: str) -> None:
        """By a reload, or an operator: a pool that its file still has comes back with the next reload."""
        await self._tree.remove_pool(name)
        self._note("pools", name, None)

    def _note(self, kind: str, name: str, value: Any) -> None:
        """This is how that thing is now."""
        if kind == "listeners" and name == self.DEFAULT:
            return
        named = {key: each for key, each in getattr(self.config, kind).items() if key != name}
        if value is not None:
            named[name] = value
        self.config = self.config.model_copy(update={kind: named})

    async def _add_pool(self, name: str, table: dict[str, Any]) -> None:
        """An operator's pool: it lasts until the service ends, or a reload of a file that does not have it."""
        config = check({"pools": {name: table}}, "the new pool")
        await trio.to_thread.run_sync(need_scheduler, name, config.pools[name])
        await self._tree.add_pool(config.pools[name].spec(name))
        self._note("pools", name, config.pools[name])

    # Parts.

    def make_listener(self, name: str, config: ServiceConfig) -> Listener:
        """A listener of a configuration, not open yet."""
        terms = self._terms(config)
        if name == self.DEFAULT:
            known = {each.systemd for each in config.listeners.values()}
            spare = [sock for wanted, socks in self._inherited.items() if wanted not in known for sock in socks]
            path = config.socket or default_socket()
            return Listener(name, terms, make_rule(name, None), path=path, inherited=tuple(spare))
        what = config.listeners[name]
        inherited = self._inherited.get(what.systemd or "", ())
        return Listener(name, terms, make_rule(name, what), inherited=inherited)

    def _terms(self, config: ServiceConfig) -> Terms:
        return Terms(self.bridge, config.limits, PodOpener(config.pod, config.specs()[0].size), self._crowd)

    def _set_cache(self, config: ServiceConfig) -> None:
        """Other rules for a cache that is there: calls may be waiting in it."""
        core, rules = self.bridge.core, Rules({name: table.rule() for name, table in config.cache.items()})
        if core.cache is not None:
            core.cache.rules = rules
        elif config.cache:
            core.cache = AnswerCache(core, rules, Shelves(), self.bridge.pump.post)

    async def _metrics(self) -> str:
        try:
            from bascule.bridge.operations.prometheus import render
        except ModuleNotFoundError:
            raise ConfigError("the library prometheus-client is missing: pip install 'bascule[metrics]'") from None
        return render(await self.gatherer.gather())

    def _log_output(self, worker: str, text: str, err: bool) -> None:
        """What workers print while no call runs that it could belong to."""
        if self.config.logging.output:
            for line in text.splitlines():
                level = logging.WARNING if err else logging.INFO
                logging.getLogger("bascule.output").log(level, "%s: %s", worker, line, extra={"worker": worker})


def _counted(config: ServiceConfig) -> int | None:
    return config.metrics.functions if config.metrics.enabled else None


def _child(listener: str) -> str:
    return f"listener {listener}"


_AT_ONCE = ("socket", "pod", "cache", "limits", "logging", "audit", "metrics", "tracing")
"""Parts of the configuration that nothing must be started or ended for."""
