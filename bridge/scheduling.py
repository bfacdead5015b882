"""Which worker takes the next call, by name.

A chooser is given the workers that have room, in the order of their slots and never none, and returns one of them. It
runs in the router's thread for every call (or once for a batch), so it looks and decides and does nothing else.

| name | chooses |
|---|---|
| least_busy | the fewest unsettled calls (the default); among equals the first, whose caches are warm |
| round_robin | the next slot after the one chosen last |
| random | any |
| first | the first with room: the others stay idle until they are needed |
| least_reductions | the least processor time used so far (Erlang's word for it) |
| least_messages_in | the fewest calls sent so far |
| youngest, oldest | the one started last, first |
| `module:function` | what the operator's own function returns, given the sequence |
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol


class Load(Protocol):
    """What a chooser may know of a worker."""

    @property
    def slot(self) -> int:
        """Its place: unique in the bridge, kept when the worker is replaced."""

    @property
    def incarnation(self) -> int:
        """Which life of that slot."""

    @property
    def outstanding(self) -> int:
        """Calls that were sent to it and are not settled."""

    @property
    def messages_in(self) -> int:
        """Calls sent to it in all."""

    @property
    def started_at(self) -> float:
        """When it was attached, on the monotonic clock."""

    def cpu_time(self) -> float:
        """Processor seconds that it used; costs a system call (see `cpu_time_of`)."""


Chooser = Callable[[Sequence[Load]], Load]


class UnknownScheduler(ValueError):
    """The configuration names a scheduler that does not exist or cannot be imported."""


def least_busy(loads: Sequence[Load]) -> Load:
    """The worker with the fewest unsettled calls."""
    return min(loads, key=lambda load: load.outstanding)


def first(loads: Sequence[Load]) -> Load:
    """The worker in the lowest slot."""
    return loads[0]


def least_reductions(loads: Sequence[Load]) -> Load:
    """The worker that has used the least processor time."""
    return min(loads, key=lambda load: load.cpu_time())


def least_messages_in(loads: Sequence[Load]) -> Load:
    """The worker that was sent the fewest calls."""
    return min(loads, key=lambda load: load.messages_in)


def youngest(loads: Sequence[Load]) -> Load:
    """The worker that was started last."""
    return max(loads, key=lambda load: load.started_at)


def oldest(loads: Sequence[Load]) -> Load:
    """The worker that was started first."""
    return min(loads, key=lambda load: load.started_at)


def _plain(function: Chooser) -> Callable[[], Chooser]:
    return lambda: function


def _round_robin() -> Chooser:
    last = -1

    def round_robin(loads: Sequence[Load]) -> Load:
        """By slot, not by index: workers come, go and fill up between two choices."""
        nonlocal last
        chosen = next((load for load in loads if load.slot > last), loads[0])
        last = chosen.slot
        return chosen

    return round_robin


def _random() -> Chooser:
    import random  # here, since the pod and port commands count each millisecond of their start

    return random.choice


SCHEDULERS: Final[dict[str, Callable[[], Chooser]]] = {
    "least_busy": _plain(least_busy),
    "round_robin": _round_robin,
    "random": _random,
    "first": _plain(first),
    "least_reductions": _plain(least_reductions),
    "least_messages_in": _plain(least_messages_in),
    "youngest": _plain(youngest),
    "oldest": _plain(oldest),
}
"""name -> a maker of choosers: each pool has one of its own, since some remember."""


def chooser(name: str) -> Chooser:
    """A fresh chooser of that name, or the function that `module:function` names, imported now.

    An operator's function that raises, or returns what it was not given, is logged once and answered for by
    `least_busy`: an error in it must not stop the router.

    Raises:
        UnknownScheduler: No scheduler has this name, or the function can't be imported.
    """
    if name in SCHEDULERS:
        return SCHEDULERS[name]()
    if ":" not in name:
        known = ", ".join(SCHEDULERS)
        raise UnknownScheduler(f"no scheduler is called {name!r}; known are {known}, or your own as 'module:function'")
    return _guarded(name, _imported(name))


def cpu_time_of(pid: int) -> float:
    """Processor seconds that the process has used, all of its threads; infinite for one that is gone.

    One system call: the processor clock of any process has an id made of its pid (man 3 clock_getcpuclockid).
    """
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return float("inf")


def _imported(name: str) -> Callable[[Sequence[Load]], object]:
    import importlib

    module, _, path = name.partition(":")
    try:
        found: object = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except Exception as error:  # whatever the operator's module raises while it is imported
        raise UnknownScheduler(f"the scheduler {name!r} can't be imported: {type(error).__name__}: {error}") from error
    if not callable(found):
        raise UnknownScheduler(f"the scheduler {name!r} is a {type(found).__name__}, not a function of the workers")
    return found


def _guarded(name: str, function: Callable[[Sequence[Load]], object]) -> Chooser:
    complained = False

    def complain(what: str) -> None:
        nonlocal complained
        if not complained:
            import logging  # here, as random above

            message = "the scheduler %s %s; least_busy chooses in its place, this is said once"
            logging.getLogger(__name__).error(message, name, what)
        complained = True

    def guarded(loads: Sequence[Load]) -> Load:
        try:
            chosen = function(loads)
        except Exception as error:
            complain(f"raised {type(error).__name__}: {error}")
            return least_busy(loads)
        for load in loads:
            if load is chosen:
                return load
        complain(f"returned {chosen!r}, which is none of the workers that it was given")
        return least_busy(loads)

    return guarded
