"""The service: one bridge with its listeners, its logs, its operator's side, and a configuration that may change.

    config --> Service --> children of the supervision tree: office, listeners, audit, http ...
               reload  --> what differs is applied, one thing after the other, without losing a call

A reload first does all that can fail without touching anything (read and check the file, open new sockets and log
files, load certificates, tokens and rules); only then something is changed. A pool whose new kind of worker does not
start stays as it was, and the answer says so.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec
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
from bascule.bridge.config_file import check, load
from bascule.bridge.listener import ListenRefused
from bascule.bridge.listeners import Listener, Rule, Terms, make_rule
from bascule.bridge.operations.attendant import Attendant
from bascule.bridge.operations.audit import AuditLog
from bascule.bridge.operations.changes import difference, in_words
from bascule.bridge.operations.figures import Gatherer
from bascule.bridge.operations.logs import Recent, set_up
from bascule.bridge.operations.notify import Notifier
from bascule.bridge.operations.office import Office
from bascule.bridge.pool import PoolFailed
from bascule.bridge.pool_changes import changed_fields
from bascule.bridge.supervision.spec import ChildSpec
from bascule.bridge.tree import Tree

if TYPE_CHECKING:
    from bascule.bridge.http.server import HttpDoor, Prepared
    from bascule.bridge.operations.tracing import Tracing
    from bascule.bridge.router.calls import Call
    from bascule.bridge.router.peers import Session

_log = logging.getLogger("bascule.serve")

DEFAULT = "default"  # the listener of our own user


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
        self._file = file
        self._override = override or {}
        self._recent = recent
        self._notifier = notifier
        self._inherited = {name: tuple(socks) for name, socks in (inherited or {}).items()}
        self._listeners: dict[str, Listener] = {}
        self._audit: AuditLog | None = None
        self._tracing: Tracing | None = None
        self._http: HttpDoor | None = None
        self._prepared: Prepared | None = None  # the HTTP door, before there is a tree that it could look at
        self._reloading = trio.Lock()
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
            for name in (DEFAULT, *self.config.listeners):
                listener = self._make_listener(name, self.config)
                listener.open()
                self._listeners[name] = listener
            self._set_audit(self._open_audit(self.config))
            _need_http(self.config)
            self._set_tracing(self.config)
            if self.config.http.listen is not None:
                self._prepared = self._prepare_http(self.config)
        except AdmissionError as error:
            raise ConfigError(str(error)) from None

    def close(self) -> None:
        """Close what `open` made."""
        for listener in self._listeners.values():
            listener.close()
        if self._audit is not None:
            self._audit.close()
        if self._tracing is not None:
            self._tracing.close()
        if self.bridge.core.cache is not None:
            self.bridge.core.cache.close()
        if self._http is not None:
            self._http.close()
        elif self._prepared is not None:
            self._prepared.place.close()

    def children(self, tree: Tree) -> list[ChildSpec]:
        """What runs beside the pools."""
        self._tree = tree
        self._attendant = Attendant(tree, self._notifier)
        tree.beside.append(self._attendant.run)
        tree.on_hangup = self._hung_up
        self.gatherer = Gatherer(tree, self._counted(self.config))
        office = Office(
            tree,
            self._recent,
            reload=self.reload,
            add_pool=self._add_pool,
            remove_pool=self._end_pool,
            metrics=self._metrics,
        )
        children = [ChildSpec("office", office.run), ChildSpec("gatherer", self.gatherer.run)]
        if self._audit is not None:
            children.append(ChildSpec("audit", self._audit.run))
        if self.config.http.listen is not None:
            assert self._prepared is not None
            self._http = self._make_http(self.config, self._prepared)
            children.append(ChildSpec("http", self._http.run))
        children += [ChildSpec(_child(name), listener.run) for name, listener in self._listeners.items()]
        return [*children, ChildSpec("ready", self._ready)]

    async def _ready(self, *, task_status: trio.TaskStatus[None]) -> None:
        """The last child: all others are up."""
        pools = ", ".join(f"pool {pool.spec.name} of {pool.size}" for pool in self._tree.pools.values())
        _log.info("listening on %s with %s", "; ".join(map(str, self._listeners.values())), pools)
        self._attendant.ready()
        task_status.started()
        await trio.sleep_forever()

    # Reloading.

    def _hung_up(self) -> None:
        trio.lowlevel.spawn_system_task(self._reload_for_signal)

    async def _reload_for_signal(self) -> None:
        try:
            await self.reload()
        except Exception as error:  # a system task's exception would end the bridge
            _log.error("SIGHUP: the configuration is as it was: %s", error)

    async def reload(self) -> list[str]:
        """Read the configuration again and apply what differs; what that was, in words.

        Raises:
            ConfigError: It can't be used: nothing has changed. Or some of it could not be applied: the message says
                what, and the rest was.
        """
        async with self._reloading:
            self._notifier.reloading()
            try:
                changes = await self._reload()
            finally:
                self._attendant.ready()
                self._notifier.ready("serving")
        for line in changes:
            _log.info("reloaded: %s", line)
        return changes

    async def _reload(self) -> list[str]:
        before = self.config
        if self._file is None:
            await self._reopen(before)
            return []
        after = (await trio.to_thread.run_sync(load, self._file)).model_copy(update=self._override)
        steps = self._prepare(before, after)
        failures = [failure for step in steps if (failure := await step()) is not None]
        if failures:
            raise ConfigError("; ".join(failures))
        return in_words(before, after)

    def _prepare(self, before: ServiceConfig, after: ServiceConfig) -> list[Callable[[], Awaitable[str | None]]]:
        """Everything that may fail; and the steps that are left to do."""
        opened: list[Listener] = []
        steps: list[Callable[[], Awaitable[str | None]]] = []
        http: Prepared | None = None
        audit: AuditLog | None = None
        try:
            listeners = difference(before.listeners, after.listeners)
            moved = [name for name, keys in listeners.changed.items() if set(keys) & _OF_A_PLACE]
            if before.socket != after.socket:
                moved.append(DEFAULT)
            for name in [*listeners.added, *moved]:
                listener = self._make_listener(name, after)
                listener.open()
                opened.append(listener)
            rules = {name: make_rule(name, after.listeners[name]) for name in listeners.changed if name not in moved}
            _need_http(after)
            _need_otel(after)
            if before.http != after.http and after.http.listen is not None:
                http = self._prepare_http(after)
            audit = self._open_audit(after)
            set_up(after.logging, self._recent)
        except (ConfigError, ListenRefused, AdmissionError, OSError, ValueError) as error:
            for listener in opened:
                listener.close()
            if http is not None:
                self._discard_http(http)
            if audit is not None:
                audit.close()
            raise ConfigError(f"{error}; nothing was changed") from None
        steps.append(partial(self._apply_settings, after, audit))
        steps += [partial(self._change_rule, name, rule) for name, rule in rules.items()]
        steps += [partial(self._remove_listener, name) for name in [*listeners.removed, *moved]]
        steps += [partial(self._start_listener, listener) for listener in opened]
        if before.http != after.http:
            steps.append(partial(self._change_http, after, http))
        steps += self._pool_steps(before, after)
        return steps

    def _pool_steps(self, before: ServiceConfig, after: ServiceConfig) -> list[Callable[[], Awaitable[str | None]]]:
        pools = difference(before.pools, after.pools)
        steps: list[Callable[[], Awaitable[str | None]]] = []
        steps += [partial(self._start_pool, name, after) for name in pools.added]
        steps += [partial(self._change_pool, name, after) for name in pools.changed]
        steps += [partial(self._end_pool, name) for name in pools.removed]
        return steps

    async def _reopen(self, config: ServiceConfig) -> None:
        """Logs may have been moved away."""
        set_up(config.logging, self._recent)

    async def _apply_settings(self, after: ServiceConfig, audit: AuditLog | None) -> None:
        """What holds at once: limits, logs, the audit. Pools and listeners follow, each when it is done."""
        update = {name: getattr(after, name) for name in _AT_ONCE}
        retrace = self.config.tracing != after.tracing
        self.config = self.config.model_copy(update=update)
        self.bridge.core.hard_unwritten = int(after.limits.unread)
        self._set_cache(after)
        self.gatherer.count_functions(self._counted(after))
        for listener in self._listeners.values():
            listener.terms = self._terms(after)
        if self._audit is not None:
            await self._tree.remove_child("audit")
        if retrace:
            await trio.to_thread.run_sync(self._set_tracing, after)
        self._set_audit(audit)
        if audit is not None:
            await self._tree.start_child(ChildSpec("audit", audit.run))

    async def _change_rule(self, name: str, rule: Rule) -> None:
        self._listeners[name].change(rule)
        self._note("listeners", name, rule.config)

    async def _remove_listener(self, name: str) -> None:
        await self._tree.remove_child(_child(name))
        self._listeners.pop(name).close()
        self._note("listeners", name, None)

    async def _start_listener(self, listener: Listener) -> None:
        self._listeners[listener.name] = listener
        await self._tree.start_child(ChildSpec(_child(listener.name), listener.run))
        self._note("listeners", listener.name, listener.rule.config)

    async def _start_pool(self, name: str, after: ServiceConfig) -> str | None:
        try:
            await self._tree.add_pool(after.pools[name].spec(name))
        except PoolFailed as error:
            return f"pools.{name} was not added: {error}"
        self._note("pools", name, after.pools[name])
        return None

    async def _change_pool(self, name: str, after: ServiceConfig) -> str | None:
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

    async def _end_pool(self, name: str) -> None:
        """By a reload, or an operator: a pool that its file still has comes back with the next reload."""
        await self._tree.remove_pool(name)
        self._note("pools", name, None)

    def _note(self, kind: str, name: str, value: Any) -> None:
        """This is how that thing is now."""
        if kind == "listeners" and name == DEFAULT:
            return
        named = {key: each for key, each in getattr(self.config, kind).items() if key != name}
        if value is not None:
            named[name] = value
        self.config = self.config.model_copy(update={kind: named})

    async def _add_pool(self, name: str, table: dict[str, Any]) -> None:
        """An operator's pool: it lasts until the service ends, or a reload of a file that does not have it."""
        config = check({"pools": {name: table}}, "the new pool")
        await self._tree.add_pool(config.pools[name].spec(name))
        self._note("pools", name, config.pools[name])

    # Parts.

    def _set_cache(self, config: ServiceConfig) -> None:
        """Other rules for a cache that is there: calls may be waiting in it."""
        core, rules = self.bridge.core, Rules({name: table.rule() for name, table in config.cache.items()})
        if core.cache is not None:
            core.cache.rules = rules
        elif config.cache:
            core.cache = AnswerCache(core, rules, Shelves(), self.bridge.pump.post)

    def _make_listener(self, name: str, config: ServiceConfig) -> Listener:
        terms = self._terms(config)
        if name == DEFAULT:
            known = {each.systemd for each in config.listeners.values()}
            spare = [sock for wanted, socks in self._inherited.items() if wanted not in known for sock in socks]
            path = config.socket or default_socket()
            return Listener(name, terms, make_rule(name, None), path=path, inherited=tuple(spare))
        what = config.listeners[name]
        inherited = self._inherited.get(what.systemd or "", ())
        return Listener(name, terms, make_rule(name, what), inherited=inherited)

    def _terms(self, config: ServiceConfig) -> Terms:
        return Terms(self.bridge, config.limits, PodOpener(config.pod, config.specs()[0].size))

    def _prepare_http(self, config: ServiceConfig) -> Prepared:
        """All of the HTTP door that can fail.

        Raises:
            ListenRefused: It can't listen, or what it is told to use can't be used.
        """
        from bascule.bridge.http.server import prepare

        return prepare(self.bridge, config.http, None if self._http is None else self._http.place)

    def _discard_http(self, prepared: Prepared) -> None:
        """Something else can't be changed: the door that runs goes on, at its place."""
        if self._http is None or prepared.place is not self._http.place:
            prepared.place.close()

    def _make_http(self, config: ServiceConfig, prepared: Prepared) -> HttpDoor:
        from bascule.bridge.http.live import Live
        from bascule.bridge.http.server import HttpDoor

        return HttpDoor(config.http, prepared, Live(self._tree, self.gatherer))

    async def _change_http(self, after: ServiceConfig, prepared: Prepared | None) -> None:
        """The HTTP door is closed and another opened, at the same socket where its place is the same."""
        before, self._http = self._http, None
        if before is not None:
            await self._tree.remove_child("http")
            if prepared is None or before.place is not prepared.place:
                before.close()
        self.config = self.config.model_copy(update={"http": after.http})
        if prepared is not None:
            self._http = self._make_http(after, prepared)
            await self._tree.start_child(ChildSpec("http", self._http.run))

    def _open_audit(self, config: ServiceConfig) -> AuditLog | None:
        if config.audit.file is None:
            return None
        try:
            return AuditLog(self.bridge.core, config.audit.file)
        except OSError as error:
            raise ConfigError(f"audit.file: {config.audit.file}: {error.strerror}") from None

    def _set_audit(self, audit: AuditLog | None) -> None:
        before, self._audit = self._audit, audit
        self._tell_of_calls()
        if before is not None:
            before.close()

    def _set_tracing(self, config: ServiceConfig) -> None:
        """Other spans from now on. It blocks while the last ones of before are sent."""
        _need_otel(config)
        before, self._tracing = self._tracing, None
        if config.tracing.endpoint is not None:
            from bascule.bridge.operations.tracing import Tracing

            told = config.tracing
            self._tracing = Tracing(
                self.bridge.core, config.tracing.endpoint, told.headers, sample=told.sample, service=told.service
            )
        self._tell_of_calls()
        if before is not None:
            before.close()

    def _tell_of_calls(self) -> None:
        """Who hears of each call's end: the audit, the spans, both or nobody."""
        audit, tracing = self._audit, self._tracing
        note = None if audit is None else audit.note

        def note_and_end(session: Session, target: bytes, outcome: str, call: Call | None) -> None:
            if note is not None:
                note(session, target, outcome, call)
            if tracing is not None:
                tracing.ended(session, target, outcome, call)

        def change() -> None:
            self.bridge.core.audit = note if tracing is None else note_and_end
            self.bridge.core.tracing = tracing

        self.bridge.pump.post(change)

    def _counted(self, config: ServiceConfig) -> int | None:
        return config.metrics.functions if config.metrics.enabled else None

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


def _need_http(config: ServiceConfig) -> None:
    """See that what HTTP needs is installed.

    Raises:
        ConfigError: It is not.
    """
    if config.http.listen is not None and find_spec("hypercorn") is None:
        raise ConfigError("http.listen: the library hypercorn is missing: pip install 'bascule[http]'")


def _need_otel(config: ServiceConfig) -> None:
    """See that what spans need is installed.

    Raises:
        ConfigError: It is not.
    """
    if config.tracing.endpoint is not None and find_spec("opentelemetry") is None:
        raise ConfigError("tracing.endpoint: the library opentelemetry is missing: pip install 'bascule[otel]'")


def _child(listener: str) -> str:
    return f"listener {listener}"


_AT_ONCE = ("socket", "pod", "cache", "limits", "logging", "audit", "metrics", "tracing")
"""Parts of the configuration that nothing must be started or ended for."""
_OF_A_PLACE = {"unix", "tcp", "systemd"}
"""Keys of a listener that need another socket when they change; the others are rules."""
