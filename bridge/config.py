"""What a service is told: pools, listeners, limits, logging, as a TOML file or as the options of `bascule serve`.

    [pools.default]
    size = 4
    preload = ["numpy"]

    [pools.legacy]
    python = "/opt/legacy/.venv/bin/python"
    paths = ["/opt/legacy/src"]

    [listeners.team]
    unix = "/run/bascule/team.sock"
    groups = ["science"]
    allow = ["numpy.linalg:*", "stats:report"]

Everything has a default: with no file there is one pool, `default`, with a worker for each processor, on a socket of
the user's own. pydantic checks what was written here, at the edge; inside, a pool is the frozen `PoolSpec`.

This module is the models and nothing else. `config_values` are the types of single keys, `config_file` reads a file
and says on which line it is wrong, `config_words` says in words what a key allows (in errors and in the reference page
alike).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ByteSize, ConfigDict, Field, model_validator

from bascule.bridge.caching.policy import SHORT_NAMES, Rule
from bascule.bridge.config_values import (
    Address,
    Bytes,
    Cached,
    Count,
    FunctionPath,
    HttpUrl,
    LifetimeText,
    Mode,
    MountEntry,
    MountTarget,
    Name,
    Patterns,
    Scheduler,
    Seconds,
    SecondsOrZero,
    StoreUrl,
    words,
)
from bascule.bridge.pool_spec import PoolSpec
from bascule.protocols import limits
from bascule.workers.persist.lifetimes import Lifetime, seconds

LEAST_TOKEN = 43  # characters of a token: 256 bits, even when they are written in base 64


class ConfigError(Exception):
    """The configuration can't be used; the message names file, line, key, what was found and what is allowed."""


class Section(BaseModel):
    """What all tables have in common: unknown keys are errors, values do not change, texts below keys describe them.

    A service that starts builds one model, that of the whole file. The texts are read by `config_words`, when they are
    wanted.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class PoolConfig(Section):
    """One pool of worker processes, `[pools.NAME]`."""

    size: Annotated[int, Field(ge=1, le=4096)] = Field(
        default_factory=lambda: os.cpu_count() or 2, json_schema_extra={"shown": "one for each processor"}
    )
    """Workers that take calls."""
    spares: Annotated[int, Field(ge=0, le=64)] = 1
    """Ready workers that stand by to replace a lost one at once."""
    python: str = Field(default=sys.executable, json_schema_extra={"shown": "the bridge's own"})
    """The interpreter, CPython 3.9 or newer; nothing need be installed there."""
    paths: tuple[str, ...] = ()
    """Folders put first on the workers' `sys.path`."""
    cwd: str | None = None
    """The workers' working folder; the bridge's own when not said."""
    env: dict[str, str] = {}
    """Environment variables added to the bridge's own."""
    preload: tuple[str, ...] = ()
    """Modules imported before a worker is ready."""
    init: FunctionPath | None = None
    """A function called before a worker is ready."""
    converters: str | None = None
    """A module that says how the pool's own types travel."""
    mounts: tuple[MountEntry, ...] = ()
    """Implementations of contracts that its workers offer; `[mount]` says it more shortly for the first pool."""
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    """Calls that one worker runs at a time."""
    max_calls: Count = 0
    """Calls after which a worker is replaced; 0: never."""
    max_memory: Bytes = ByteSize(0)
    """Resident bytes above which a worker is replaced; 0: never."""
    memory_limit: (
        Annotated[ByteSize, Field(ge=1 << 20), words('at least 1 MiB, in bytes or as text such as "2GiB"')] | None
    ) = None
    """What a worker may use at all. Where the unit delegates its control group (`Delegate=memory`, cgroup v2), past it
    the kernel ends the worker (`worker_lost`, out of memory); elsewhere RLIMIT_DATA holds, and user code meets
    `MemoryError`. None when not said."""
    ready_timeout: Seconds = 30.0
    """Seconds from spawning a worker to its being ready."""
    drain: SecondsOrZero = 10.0
    """Seconds that accepted calls have to end when the pool stops, shrinks or is removed."""
    grace: SecondsOrZero = 2.0
    """Seconds from asking a worker to leave to killing it."""
    handle_cap: Annotated[int, Field(ge=1)] = 100_000
    """Handles that one session may hold in one worker."""
    handle_lease: Seconds | None = None
    """Seconds after which an unused handle is released; never when not said."""
    handle_wait: SecondsOrZero = 60.0
    """Seconds that a worker which is to be replaced is kept for the sake of its handles; then they are lost."""
    scheduler: Scheduler = "least_busy"
    """Which worker takes the next call."""
    max_queue: Annotated[int, Field(ge=1)] = 100_000
    """Calls that may wait for a worker; one more is answered `overloaded`."""
    deadline: Seconds | None = None
    """Seconds a call may take when its caller does not say; no limit when not said."""
    cancel_grace: Seconds = 0.5
    """Seconds from interrupting a call to killing its worker."""
    intensity: Count | None = None
    """Worker exits, not caused by a call, that are borne within `period`; when not said, all may die twice."""
    period: Seconds = 30.0
    """Seconds that exits are counted for."""
    retry: Seconds = 60.0
    """Seconds after which a failed pool tries again."""
    significant: bool = False
    """Whether the service ends when this pool fails."""

    def spec(self, name: str) -> PoolSpec:
        """The pool as the supervision knows it."""
        values = self.model_dump()
        values["executable"] = values.pop("python")
        values["default_deadline"] = values.pop("deadline")
        for key in ("max_memory", "memory_limit"):
            values[key] = None if values[key] is None else int(values[key])
        return PoolSpec(name=name, **values)


class Guarded(Section):
    """Keys that listeners and the HTTP door share: who may come in, and what for."""

    certificate: Path | None = None
    """The server's certificate chain (PEM), for TLS."""
    key: Path | None = None
    """Its private key (PEM); in the certificate's file when not said."""
    client_ca: Path | None = None
    """Certificate authorities (PEM); when said, clients need a certificate of theirs, too."""
    token_file: Path | None = None
    """A file that only its owner can read, with one token to a line. Clients must present one of them."""
    allow: Patterns | None = None
    """What may be called; `*` stands for one name, `**` for any. When not said: everything by the service's own user,
    nothing by anyone else."""
    objects: bool = False
    """Whether clients that `allow` restricts may also use handles: methods, attributes, operators. Through an object
    nearly everything can be reached."""
    operator: bool = False
    """Whether its clients may give an operator's orders (`status`, `pool scale` ...). The service's own user always
    may, on a Unix socket."""
    pool: str | None = None
    """The pool of clients that name none; `default` or the first one when not said."""


class ListenerConfig(Guarded):
    """One more place to listen, `[listeners.NAME]`: a Unix socket, a TCP port, or a socket inherited from systemd."""

    unix: Path | None = None
    """The path of a Unix socket. One of `unix`, `tcp` and `systemd` must be said."""
    tcp: Address | None = None
    """Where to listen for TCP; needs `certificate` and `token_file`."""
    systemd: Name | None = None
    """The `FileDescriptorName=` of a socket unit whose socket is inherited."""
    mode: Mode = "0600"
    """The Unix socket's permissions."""
    directory_mode: Mode = "0700"
    """Those of its folder, when it must be made."""
    users: tuple[str | int, ...] = ()
    """Users, by name or number, that may connect to the Unix socket beside the service's own and root."""
    groups: tuple[str | int, ...] = ()
    """Groups whose members may, too."""
    hello_timeout: Seconds = 10.0
    """Seconds in which a client must have said who it is."""
    max_clients: Annotated[int, Field(ge=1)] = 20_000
    """Clients at a time; one more is turned away."""

    @model_validator(mode="after")
    def _is_one_place(self) -> Self:
        said = [name for name in ("unix", "tcp", "systemd") if getattr(self, name) is not None]
        if len(said) != 1:
            raise ValueError("exactly one of unix, tcp and systemd")
        if self.tcp is not None:
            need_protection(self.tcp, self.certificate, self.token_file)
        return self


class LimitsConfig(Section):
    """How much clients may ask for, `[limits]`."""

    frame: Annotated[ByteSize, Field(ge=1 << 16, le=limits.MAX_FRAME), words('64 KiB to 256 MiB, as "64MiB"')] = (
        ByteSize(limits.MAX_FRAME)
    )
    """Bytes of one frame of a client's: a call with its arguments. The answer to its hello says so."""
    before_hello: Annotated[int, Field(ge=256, le=limits.MAX_BEFORE_HELLO)] = limits.MAX_BEFORE_HELLO
    """Bytes that are taken from a client before it has said who it is."""
    unread: Annotated[ByteSize, Field(ge=1 << 20), words('at least 1 MiB, as "512MiB"')] = ByteSize(1 << 29)
    """Bytes of answers that a client may leave unread; with more, it is dropped and its calls are cancelled."""
    clients: Annotated[int, Field(ge=1)] = 50_000
    """Clients at a time, of all listeners."""


class LoggingConfig(Section):
    """What the service says of itself, `[logging]`."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severity that is logged."""
    format: Literal["auto", "text", "json", "journal"] = "auto"
    """`text` for people; `json`, one object to a line; `journal`, structured fields for systemd's journal. `auto` is
    `journal` where standard error is the journal, else `text`."""
    file: Path | None = None
    """A file that is logged to as well (reopened at a reload)."""
    output: bool = True
    """Whether what workers print, while no call runs that it could belong to, is logged."""


class AuditConfig(Section):
    """Who called what, when, with what outcome; never with what data, `[audit]`."""

    file: Path | None = None
    """A file with one JSON object for each call (reopened at a reload); no audit when not said."""


class MetricsConfig(Section):
    """Figures for Prometheus, `[metrics]`: told by `bascule metrics` and by the HTTP door at `/metrics`."""

    enabled: bool = True
    """Whether latencies are counted."""
    functions: Annotated[int, Field(ge=0, le=4000)] = 200
    """Functions with a histogram of their own; the rest are told together as `other`."""


class TracingConfig(Section):
    """OpenTelemetry spans, one for each call, `[tracing]`; needs the extra `bascule[otel]`. Off unless `endpoint` is
    said."""

    endpoint: HttpUrl | None = None
    """Where an OTLP collector listens for HTTP."""
    headers: dict[str, str] = {}
    """Headers for the collector, such as its key."""
    sample: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 1.0
    """The share that is recorded of the calls that come without a trace context; with one, its sender has decided."""
    service: str = "bascule"
    """The service's name in the spans."""


class HttpConfig(Guarded):
    """The HTTP door and the dashboard, `[http]`; needs the extra `bascule[http]`. Off unless `listen` is said."""

    listen: str | None = Field(
        default=None, json_schema_extra={"allowed": 'host:port, or the path of a Unix socket, "unix:/path"'}
    )
    """Where to listen. TCP needs `token_file`; on addresses other than this machine's own, `certificate` as well."""
    mode: Mode = "0600"
    """The Unix socket's permissions."""
    dashboard: bool = True
    """Whether `/` shows the dashboard."""
    max_body: Annotated[ByteSize, Field(ge=1 << 10, le=limits.MAX_FRAME), words('1 KiB to 256 MiB, as "16MiB"')] = (
        ByteSize(16 << 20)
    )
    """Bytes of one request."""

    @model_validator(mode="after")
    def _is_protected(self) -> Self:
        if self.listen is None:
            return self
        if self.listen.startswith("unix:"):
            if self.mode.lstrip("0") != "600" and self.token_file is None:
                raise ValueError("token_file beside a mode that lets others in")
            return self
        host, colon, port = self.listen.rpartition(":")
        if not colon or not port.isdigit():
            raise ValueError('listen as host:port, or "unix:/path"')
        if self.token_file is None:
            raise ValueError("token_file beside a TCP listen: else any user of this machine could connect")
        if not is_loopback(host) and self.certificate is None:
            raise ValueError(f"certificate beside listen = {self.listen!r}: else others could read along")
        return self


class CacheConfig(Section):
    """The kept answers of one function, or of a module's."""

    ttl: LifetimeText = Field(
        default=None,
        json_schema_extra={"shown": "for ever", "allowed": "seconds, or a time span such as '90s', '12h', '1d'"},
    )
    """How long an answer is good."""
    store: StoreUrl = "sqlite"
    """Where they are kept: `sqlite` (the user's cache folder), `memory`, or the URL of a store."""
    errors: bool = False
    """Whether what the function raises is kept, too."""
    version: str = ""
    """Another one, and everything is computed anew."""
    share: bool = True
    """Whether a client of another format is given what was computed for this one: the worker keeps the result, too."""

    def rule(self) -> Rule:
        """As the bridge knows it."""
        lifetime = Lifetime(seconds(self.ttl, "ttl"))
        return Rule(lifetime, SHORT_NAMES.get(self.store, self.store), self.errors, self.version, self.share)


_DEFAULTS: Any = Field(default={}, validate_default=True)
"""A table that nothing was said in: made by the whole file's validation, so that it needs none of its own."""


class ServiceConfig(Section):
    """The whole file."""

    socket: Path | None = Field(default=None, json_schema_extra={"shown": "in the user's runtime folder"})
    """The Unix socket of the service's own user."""
    pools: dict[Name, PoolConfig] = Field(default={"default": {}}, validate_default=True, min_length=1)
    """The pools by name. Clients that name none use `default`, or the first one."""
    listeners: dict[Name, ListenerConfig] = {}
    """More places to listen, by name."""
    pod: dict[str, Any] = Field(default={}, json_schema_extra={"allowed": "a table with the settings of `bascule pod`"})
    """What a pod offers that attaches to the service and names no modules."""
    mount: dict[str, MountTarget] = {}
    """Implementations of contracts, by the name that clients call them by, in the pool of clients that name none."""
    cache: dict[Cached, CacheConfig] = {}
    """Functions whose answers are kept, by target."""
    limits: LimitsConfig = _DEFAULTS
    """How much clients may ask for."""
    logging: LoggingConfig = _DEFAULTS
    """What the service says of itself."""
    audit: AuditConfig = _DEFAULTS
    """Who called what."""
    metrics: MetricsConfig = _DEFAULTS
    """Figures."""
    tracing: TracingConfig = _DEFAULTS
    """Spans."""
    http: HttpConfig = _DEFAULTS
    """The HTTP door and the dashboard."""

    @model_validator(mode="after")
    def _place_mounts(self) -> ServiceConfig:
        """What is mounted belongs to the pool of clients that name none."""
        if self.mount and self.pools:
            name = "default" if "default" in self.pools else next(iter(self.pools))
            pool = self.pools[name]
            entries = tuple(f"{offered}={target}" for offered, target in self.mount.items())
            update = {"mounts": (*(each for each in pool.mounts if each not in entries), *entries)}
            object.__setattr__(self, "pools", {**self.pools, name: pool.model_copy(update=update)})
        return self

    def specs(self) -> list[PoolSpec]:
        """The pools as the supervision knows them; first the one that clients get who name none."""
        specs = [pool.spec(name) for name, pool in self.pools.items()]
        return sorted(specs, key=lambda spec: spec.name != "default")


def need_protection(address: str, certificate: Path | None, token_file: Path | None) -> None:
    """See that a TCP listener has what it needs.

    Raises:
        ValueError: It has not.
    """
    missing = [name for name, value in (("certificate", certificate), ("token_file", token_file)) if value is None]
    if missing:
        host = address.rpartition(":")[0]
        where = "all addresses" if host in ("0.0.0.0", "[::]", "*") else address
        raise ValueError(f"{' and '.join(missing)} beside tcp: nobody listens on {where} without both")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach it."""
    return host in ("localhost", "[::1]") or host.startswith("127.")
