"""What to do when a child ended: the decision alone, as a pure function of what is known.

A `Family` is everything that a supervisor knows of its children. Each function here takes one, and what happened, and
returns the family as it is from now on and the actions that the supervisor must carry out, in order:

    Stop   these children, in this order (a stopped child that is temporary is already forgotten in the new family)
    Start  these children, in this order; tell `started` for each; at the first that fails tell `start_failed`,
           leave the rest, and ask `try_again` once other events had their turn
    End    the supervisor itself: all of its children have been stopped by the `Stop` before

The meanings are those of OTP's supervisor module, and so are the less known ones: a restart of several children counts
once; a failed start counts as a restart each time it is tried; a restart of all (or of the rest) starts also those that
had ended in peace or were terminated; temporary children are forgotten instead; the child that was one restart too many
is not started.

One thing differs. OTP's supervisor that gives up ends with the reason `shutdown`, which a parent that has it as a
*transient* child takes for a peaceful end. Here giving up is a failure for every parent.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, replace

from bascule.bridge.supervision.spec import (
    AutoShutdown,
    ChildRefused,
    ChildSpec,
    Refusal,
    Restart,
    Strategy,
    SupervisorFlags,
)


class Phase(enum.Enum):
    """Where a child is in its life."""

    RUNNING = "running"
    STOPPED = "stopped"  # not started yet, ended in peace, or terminated on request
    RESTARTING = "restarting"  # its start failed and will be tried again


class EndReason(enum.Enum):
    """Why a supervisor ends by itself."""

    TOO_MANY_RESTARTS = "too many restarts"
    SIGNIFICANT_ENDED = "a significant child ended"


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop these children, one after another; or, under a dynamic supervisor, all at once."""

    ids: tuple[str, ...]
    at_once: bool = False


@dataclass(frozen=True, slots=True)
class Start:
    """Start these children, one after another, as far as it goes."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class End:
    """End the supervisor."""

    reason: EndReason


Action = Stop | Start | End


@dataclass(frozen=True, slots=True)
class Child:
    """A child's spec and its phase."""

    spec: ChildSpec
    phase: Phase = Phase.STOPPED


@dataclass(frozen=True, slots=True)
class Family:
    """A supervisor's children in start order, and when it restarted some."""

    flags: SupervisorFlags
    children: tuple[Child, ...] = ()
    restarts: tuple[float, ...] = ()

    def find(self, child_id: str) -> Child | None:
        """The child of that id."""
        return next((child for child in self.children if child.spec.id == child_id), None)

    def running(self) -> tuple[str, ...]:
        """The ids of the running children, in start order."""
        return tuple(child.spec.id for child in self.children if child.phase is Phase.RUNNING)


Decision = tuple[Family, tuple[Action, ...]]


def found(flags: SupervisorFlags, specs: Iterable[ChildSpec]) -> Family:
    """A family that is not started yet.

    Raises:
        SpecError: See `SupervisorFlags.check`.
    """
    specs = tuple(specs)
    flags.check(specs)
    return Family(flags, tuple(Child(spec) for spec in specs))


def start_all(family: Family) -> Start:
    """Left to right."""
    return Start(tuple(child.spec.id for child in family.children))


def stop_all(family: Family) -> tuple[Family, Stop]:
    """Right to left; instances of a dynamic supervisor, which know no order, at once."""
    stop = Stop(family.running()[::-1], at_once=family.flags.strategy is Strategy.DYNAMIC)
    for child in family.children:
        family = _ended(family, child.spec.id)
    return family, stop


def started(family: Family, child_id: str) -> Family:
    """It runs."""
    return _with_phase(family, child_id, Phase.RUNNING)


def start_failed(family: Family, child_id: str) -> Family:
    """Its restart failed: it waits to be tried again."""
    return _with_phase(family, child_id, Phase.RESTARTING)


def exited(family: Family, child_id: str, *, normal: bool, now: float) -> Decision:
    """A running child ended by itself: it returned (`normal`) or raised."""
    child = _known(family, child_id)
    restart = child.spec.restart
    if restart is Restart.PERMANENT or (restart is Restart.TRANSIENT and not normal):
        return _restart(family, child, now)
    family = _ended(family, child_id)
    if _ends_all(family, child.spec):
        family, stop = stop_all(family)
        return family, (stop, End(EndReason.SIGNIFICANT_ENDED))
    return family, ()


def try_again(family: Family, child_id: str, *, now: float) -> Decision:
    """The turn of a child whose restart failed has come; unless it was terminated or restarted meanwhile."""
    child = family.find(child_id)
    if child is None or child.phase is not Phase.RESTARTING:
        return family, ()
    return _restart(family, child, now)


def not_started(family: Family, child_id: str) -> Family:
    """A child that was just `added` did not start: it is forgotten."""
    return _without(family, child_id)


def added(family: Family, spec: ChildSpec) -> Family:
    """With one more child at the right end, about to be started.

    Raises:
        ChildRefused: There is one of that id.
        SpecError: It does not go with the flags.
    """
    present = family.find(spec.id)
    if present is not None:
        runs = present.phase is Phase.RUNNING
        raise ChildRefused(Refusal.ALREADY_STARTED if runs else Refusal.ALREADY_PRESENT, spec.id)
    family.flags.check([spec])
    return replace(family, children=(*family.children, Child(spec)))


def terminated(family: Family, child_id: str) -> Decision:
    """Somebody asked to stop it: its spec stays, unless it is temporary or an instance.

    Raises:
        ChildRefused: There is no such child.
    """
    child = _known(family, child_id)
    actions = (Stop((child_id,)),) if child.phase is Phase.RUNNING else ()
    return _ended(family, child_id), actions


def check_stopped(family: Family, child_id: str) -> None:
    """See that this child may be started, or forgotten, on request. A start on request does not count as a restart.

    Raises:
        ChildRefused: It is not stopped, there is none, or it is an instance.
    """
    if family.flags.strategy is Strategy.DYNAMIC:
        raise ChildRefused(Refusal.DYNAMIC, child_id)
    phase = _known(family, child_id).phase
    if phase is not Phase.STOPPED:
        raise ChildRefused(Refusal.RUNNING if phase is Phase.RUNNING else Refusal.RESTARTING, child_id)


def deleted(family: Family, child_id: str) -> Family:
    """Without a stopped child and its spec.

    Raises:
        ChildRefused: It is not stopped, there is none, or it is an instance.
    """
    check_stopped(family, child_id)
    return _without(family, child_id)


def _restart(family: Family, child: Child, now: float) -> Decision:
    """Count the restart, then stop and start whom the strategy names; or give up."""
    limit = family.flags.limit
    restarts = (*(at for at in family.restarts if at >= now - limit.period), now)
    family = replace(family, restarts=restarts)
    if len(restarts) > limit.intensity:
        family, stop = stop_all(_ended(family, child.spec.id))
        return family, (stop, End(EndReason.TOO_MANY_RESTARTS))
    affected = _affected(family, child)
    stop_ids = [each.spec.id for each in affected if each.phase is Phase.RUNNING and each is not child]
    start_ids = [each.spec.id for each in affected if each.spec.restart is not Restart.TEMPORARY]
    for each in affected:
        family = _stopped(family, each)
    actions: list[Action] = [Stop(tuple(stop_ids[::-1]))] if stop_ids else []
    return family, (*actions, Start(tuple(start_ids)))


def _affected(family: Family, child: Child) -> tuple[Child, ...]:
    """The child, and whom the strategy restarts with it, in start order."""
    if family.flags.strategy is Strategy.ONE_FOR_ALL:
        return family.children
    if family.flags.strategy is Strategy.REST_FOR_ONE:
        return family.children[family.children.index(child) :]
    return (child,)


def _ends_all(family: Family, spec: ChildSpec) -> bool:
    """Whether the end of this child, which is already counted in, ends the supervisor."""
    rule = family.flags.auto_shutdown
    if not spec.significant or rule is AutoShutdown.NEVER:
        return False
    if rule is AutoShutdown.ANY_SIGNIFICANT:
        return True
    return not any(each.spec.significant and each.phase is not Phase.STOPPED for each in family.children)


def _ended(family: Family, child_id: str) -> Family:
    """The child runs no more and is not about to: stopped, or forgotten."""
    child = _known(family, child_id)
    if family.flags.strategy is Strategy.DYNAMIC:
        return _without(family, child_id)
    return _stopped(family, child)


def _stopped(family: Family, child: Child) -> Family:
    """The child does not run; a temporary one is forgotten."""
    if child.spec.restart is Restart.TEMPORARY:
        return _without(family, child.spec.id)
    return _with_phase(family, child.spec.id, Phase.STOPPED)


def _known(family: Family, child_id: str) -> Child:
    child = family.find(child_id)
    if child is None:
        raise ChildRefused(Refusal.NOT_FOUND, child_id)
    return child


def _with_phase(family: Family, child_id: str, phase: Phase) -> Family:
    children = (replace(child, phase=phase) if child.spec.id == child_id else child for child in family.children)
    return replace(family, children=tuple(children))


def _without(family: Family, child_id: str) -> Family:
    return replace(family, children=tuple(child for child in family.children if child.spec.id != child_id))
