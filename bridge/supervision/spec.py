"""What a supervisor is told: its children, when each is restarted, how it is stopped. OTP's words, OTP's meanings.

A child is an async function `start(*, task_status)`: it calls `task_status.started(value)` when it is up and runs until
its work is over, or until it is cancelled, which is how it is asked to stop. It may then clean up inside
`supervisor.grace()` for as long as its `shutdown` allows.

Everything here is a frozen value that validates itself, so a wrong combination is refused where it is written.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

Start = Callable[..., Awaitable[object]]
"""`async def start(*, task_status)`; with positional arguments too for the instances of a dynamic supervisor."""


class SpecError(ValueError):
    """A child or a supervisor is described in a way that has no meaning."""


class Restart(enum.Enum):
    """When a child that ended is started again."""

    PERMANENT = "permanent"  # always
    TRANSIENT = "transient"  # when it ended with an exception
    TEMPORARY = "temporary"  # never; its spec is forgotten with it


class Shutdown(enum.Enum):
    """How long a child may take to stop, where it is no number of seconds."""

    BRUTAL_KILL = "brutal_kill"  # no time at all: its grace is over before it begins
    INFINITY = "infinity"  # as long as it takes: the choice for a supervisor


class Strategy(enum.Enum):
    """Who is restarted together with a child."""

    ONE_FOR_ONE = "one_for_one"  # nobody
    ONE_FOR_ALL = "one_for_all"  # everybody
    REST_FOR_ONE = "rest_for_one"  # those that were started after it
    DYNAMIC = "dynamic"  # nobody; all are instances of one spec, started on demand (OTP: simple_one_for_one)


class AutoShutdown(enum.Enum):
    """Whether a supervisor ends when its significant children have ended by themselves."""

    NEVER = "never"
    ANY_SIGNIFICANT = "any_significant"  # with the first of them
    ALL_SIGNIFICANT = "all_significant"  # with the last of them


@dataclass(frozen=True, slots=True)
class RestartIntensity:
    """How often children may be restarted: *more than* `intensity` times within `period` seconds is too often.

    The period slides: at each restart those of the last `period` seconds are counted, this one included. With
    intensity 0 the first restart is too many.
    """

    intensity: int = 1
    period: float = 5.0

    def __post_init__(self) -> None:
        if isinstance(self.intensity, bool) or not isinstance(self.intensity, int) or self.intensity < 0:
            raise SpecError(f"a restart intensity is a whole number from 0 up, not {self.intensity!r}")
        if not self.period > 0:
            raise SpecError(f"a restart period is a number of seconds above 0, not {self.period!r}")


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """One child."""

    id: str
    start: Start
    restart: Restart = Restart.PERMANENT
    shutdown: float | Shutdown = 5.0
    significant: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.shutdown, Shutdown) and not self.shutdown >= 0:
            raise SpecError(f"child {self.id}: a shutdown time is a number of seconds from 0 up, not {self.shutdown!r}")
        if self.significant and self.restart is Restart.PERMANENT:
            raise SpecError(f"child {self.id}: a permanent child never ends for good, so it can't be significant")


@dataclass(frozen=True, slots=True)
class SupervisorFlags:
    """What holds for all children of a supervisor."""

    strategy: Strategy = Strategy.ONE_FOR_ONE
    limit: RestartIntensity = field(default_factory=RestartIntensity)
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER

    def check(self, specs: Iterable[ChildSpec]) -> None:
        """See that these children can live together under these flags.

        Raises:
            SpecError: Two have the same id, or one is significant where that means nothing.
        """
        seen: set[str] = set()
        for spec in specs:
            if spec.id in seen:
                raise SpecError(f"two children are called {spec.id!r}: an id names one child")
            seen.add(spec.id)
            if spec.significant and self.auto_shutdown is AutoShutdown.NEVER:
                raise SpecError(f"child {spec.id} is significant, but its supervisor's auto_shutdown is never")


class Refusal(enum.Enum):
    """Why a request about a child was turned down."""

    NOT_FOUND = "not_found"
    ALREADY_PRESENT = "already_present"  # a child of that id is there, stopped
    ALREADY_STARTED = "already_started"  # ... and runs
    RUNNING = "running"  # stop it first
    RESTARTING = "restarting"  # it is about to be started again; terminate it first
    DYNAMIC = "dynamic"  # children of a dynamic supervisor have no spec that outlives them
    NOT_DYNAMIC = "not_dynamic"  # instances exist under dynamic supervisors only
    STOPPED = "stopped"  # the supervisor itself has ended, or is about to


class ChildRefused(Exception):
    """A request about a child was turned down; nothing has changed."""

    def __init__(self, refusal: Refusal, child_id: str) -> None:
        super().__init__(f"child {child_id}: {refusal.value.replace('_', ' ')}")
        self.refusal = refusal
        self.child_id = child_id
