"""What a service is told: its socket and its pools, as a TOML file or as the options of `bascule serve`.

    socket = "/run/user/1000/bascule/bascule.sock"

    [pools.default]
    size = 4
    preload = ["numpy"]

    [pools.legacy]
    python = "/opt/legacy/.venv/bin/python"
    paths = ["/opt/legacy/src"]

Everything has a default: with no file there is one pool, `default`, with a worker for each processor. pydantic checks
what was written here, at the edge; inside, a pool is the frozen `PoolSpec`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import tomllib
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bascule.bridge.pool_spec import PoolSpec

LONGEST = 4_000_000  # seconds, some 46 days: milliseconds of it fit the 32 bits that a frame has for a deadline
Seconds = Annotated[float, Field(gt=0, le=LONGEST, allow_inf_nan=False)]
SecondsOrZero = Annotated[float, Field(ge=0, le=LONGEST, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]


class ConfigError(Exception):
    """The configuration can't be used; the message names file, key, what was found and what is allowed."""


class PoolConfig(BaseModel):
    """One pool."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: Annotated[int, Field(ge=1, le=4096)] = Field(default_factory=lambda: os.cpu_count() or 2)
    """Workers that take calls."""
    spares: Annotated[int, Field(ge=0, le=64)] = 1
    """Ready workers that stand by to replace a lost one at once."""
    python: str = sys.executable
    """The interpreter, CPython 3.9 or newer; nothing need be installed there."""
    paths: tuple[str, ...] = ()
    """Folders put first on the workers' sys.path."""
    cwd: str | None = None
    """The workers' working folder; the bridge's own when not said."""
    env: dict[str, str] = {}
    """Environment variables added to the bridge's own."""
    preload: tuple[str, ...] = ()
    """Modules imported before a worker is ready."""
    init: str | None = None
    """A function `module:name` called before a worker is ready."""
    converters: str | None = None
    """A module that says how the pool's own types travel."""
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    """Calls that one worker runs at a time."""
    max_calls: Count = 0
    """Calls after which a worker is replaced; 0: never."""
    max_memory: Count = 0
    """Resident bytes above which a worker is replaced; 0: never."""
    memory_limit: Annotated[int, Field(ge=1 << 20)] | None = None
    """Bytes of data that a worker may allocate at all (RLIMIT_DATA); no limit when not said."""
    ready_timeout: Seconds = 30.0
    """Seconds from spawning a worker to its being ready."""
    drain: SecondsOrZero = 10.0
    """Seconds that running calls have to end when the pool stops or shrinks."""
    grace: SecondsOrZero = 2.0
    """Seconds from asking a worker to leave to killing it."""
    handle_cap: Annotated[int, Field(ge=1)] = 100_000
    """Handles that one session may hold in one worker."""
    handle_lease: Seconds | None = None
    """Seconds after which an unused handle is released; never when not said."""
    scheduler: str = "least_busy"
    """Which worker takes the next call; a name, or an operator's own `module:function`."""
    max_queue: Annotated[int, Field(ge=1)] = 100_000
    """Calls that may wait for a worker; one more is answered `overloaded`."""
    deadline: Seconds | None = None
    """Seconds a call may take when its caller does not say; no limit when not said."""
    cancel_grace: Seconds = 0.5
    """Seconds from interrupting a call to killing its worker."""
    intensity: Count | None = None
    """Worker exits, not caused by a call, that are borne within `period`; when not said, all may die twice."""
    period: Seconds = 30.0
    """Seconds."""
    retry: Seconds = 60.0
    """Seconds after which a failed pool tries again."""
    significant: bool = False
    """Whether the service ends when this pool fails."""

    def spec(self, name: str) -> PoolSpec:
        """The pool as the supervision knows it."""
        values = self.model_dump()
        values["executable"] = values.pop("python")
        values["default_deadline"] = values.pop("deadline")
        return PoolSpec(name=name, **values)


class ServiceConfig(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    socket: Path | None = None
    """The Unix socket; in the user's runtime folder when not said."""
    pools: dict[str, PoolConfig] = Field(default_factory=lambda: {"default": PoolConfig()})
    """The pools by name. Clients that name none use `default`, or the first one."""
    pod: dict[str, Any] = {}
    """What a pod offers that attaches to the service and names no modules: the settings of `bascule pod`."""


def load(path: Path) -> ServiceConfig:
    """Read a configuration file.

    Raises:
        ConfigError: It can't be read, is no TOML, or says something that is not allowed.
    """
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: it is not UTF-8 (byte {error.start})") from None
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: it is no TOML: {error}") from None
    return check(data, str(path))


def check(data: dict[str, object], source: str) -> ServiceConfig:
    """Validate what was read or given; `source` stands in messages.

    Raises:
        ConfigError: Something is not allowed; one line for each problem.
    """
    try:
        config = ServiceConfig.model_validate(data)
    except ValidationError as error:
        lines = [
            f"{source}: {'.'.join(map(str, problem['loc']))}: {problem['msg']}, found {problem['input']!r}"
            for problem in error.errors()
        ]
        raise ConfigError("\n".join(lines)) from None
    if not config.pools:
        raise ConfigError(f"{source}: pools: there must be at least one")
    return config
