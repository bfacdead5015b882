"""The restart decision, against a model of OTP's supervisor that was written from its manual, not from our code."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bascule.bridge.supervision import restart
from bascule.bridge.supervision.restart import Action, End, EndReason, Family, Phase, Start, Stop
from bascule.bridge.supervision.spec import (
    AutoShutdown,
    ChildRefused,
    ChildSpec,
    Refusal,
    Restart,
    RestartIntensity,
    Shutdown,
    SpecError,
    Strategy,
    SupervisorFlags,
)


async def idle(*args: object, task_status: object) -> None:
    """The start of a child that no test here ever runs."""


def child(name: str, restart: Restart = Restart.PERMANENT, *, significant: bool = False) -> ChildSpec:
    return ChildSpec(name, idle, restart, significant=significant)


def family(flags: SupervisorFlags, *specs: ChildSpec) -> Family:
    """All of them running."""
    result = restart.found(flags, specs)
    for spec in specs:
        result = restart.started(result, spec.id)
    return result


def often(strategy: Strategy = Strategy.ONE_FOR_ONE, auto: AutoShutdown = AutoShutdown.NEVER) -> SupervisorFlags:
    return SupervisorFlags(strategy, RestartIntensity(1000, 1.0), auto)


class Otp:
    """A supervisor as the manual of OTP tells it: a list of records that are changed in place, and a log of effects."""

    def __init__(self, strategy: Strategy, intensity: int, period: float, auto: AutoShutdown) -> None:
        self.strategy, self.intensity, self.period, self.auto = strategy, intensity, period, auto
        self.rows: list[dict[str, object]] = []
        self.times: list[float] = []
        self.effects: list[str] = []
        self.over: str | None = None

    def row(self, name: str) -> dict[str, object]:
        return next(row for row in self.rows if row["id"] == name)

    def names(self, state: str) -> list[str]:
        return [str(row["id"]) for row in self.rows if row["state"] == state]

    def drop_or_keep(self, row: dict[str, object]) -> None:
        if row["restart"] == "temporary" or self.strategy is Strategy.DYNAMIC:
            self.rows.remove(row)
        else:
            row["state"] = "stopped"

    def exit(self, name: str, normal: bool, now: float, broken: set[str]) -> None:
        row = self.row(name)
        if row["restart"] == "permanent" or (row["restart"] == "transient" and not normal):
            row["state"] = "dead"
            self.restart(row, now, broken)
            return
        self.drop_or_keep(row)
        if not row["significant"]:
            return
        left = [r for r in self.rows if r["significant"] and r["state"] in ("running", "restarting")]
        if self.auto is AutoShutdown.ANY_SIGNIFICANT or (self.auto is AutoShutdown.ALL_SIGNIFICANT and not left):
            self.terminate("significant")

    def terminate(self, why: str) -> None:
        for row in reversed(list(self.rows)):
            if row["state"] == "running":
                self.effects.append(f"stop {row['id']}")
        self.over = why

    def restart(self, row: dict[str, object], now: float, broken: set[str]) -> None:
        self.times.append(now)
        if sum(1 for at in self.times if now - at <= self.period) > self.intensity:
            self.drop_or_keep(row)
            self.terminate("intensity")
            return
        at = self.rows.index(row)
        if self.strategy is Strategy.ONE_FOR_ALL:
            batch = list(self.rows)
        elif self.strategy is Strategy.REST_FOR_ONE:
            batch = self.rows[at:]
        else:
            batch = [row]
        for other in reversed(batch):
            if other is not row and other["state"] == "running":
                self.effects.append(f"stop {other['id']}")
            if other["restart"] == "temporary":
                self.rows.remove(other)
            else:
                other["state"] = "stopped"
        for other in batch:
            if other not in self.rows:
                continue
            name = str(other["id"])
            if name in broken:
                self.effects.append(f"fail {name}")
                other["state"] = "restarting"
                return
            self.effects.append(f"start {name}")
            other["state"] = "running"


class RestartMachine(RuleBasedStateMachine):
    """Does the same to a family and to the model, and wants the same effects and the same children."""

    @initialize(
        strategy=st.sampled_from(Strategy),
        intensity=st.integers(0, 4),
        auto=st.sampled_from(AutoShutdown),
        kinds=st.lists(st.tuples(st.sampled_from(Restart), st.booleans()), min_size=1, max_size=5),
    )
    def begin(
        self, strategy: Strategy, intensity: int, auto: AutoShutdown, kinds: Sequence[tuple[Restart, bool]]
    ) -> None:
        self.now = 1000.0
        self.count = 0
        self.model = Otp(strategy, intensity, 5.0, auto)
        self.family = restart.found(SupervisorFlags(strategy, RestartIntensity(intensity, 5.0), auto), ())
        self.effects: list[str] = []
        self.over: str | None = None
        for kind, significant in kinds:
            self.add(kind, significant)

    def add(self, kind: Restart, significant: bool) -> None:
        if kind is Restart.PERMANENT or self.model.auto is AutoShutdown.NEVER:
            significant = False
        self.count += 1
        name = f"c{self.count}"
        self.family = restart.added(self.family, child(name, kind, significant=significant))
        self.family = restart.started(self.family, name)
        row = {"id": name, "restart": kind.value, "significant": significant, "state": "running"}
        self.model.rows.append(row)

    def perform(self, actions: Sequence[Action], broken: set[str]) -> None:
        """What a supervisor does, without doing it."""
        for action in actions:
            if isinstance(action, Stop):
                self.effects += [f"stop {name}" for name in action.ids]
            elif isinstance(action, End):
                self.over = {EndReason.TOO_MANY_RESTARTS: "intensity"}.get(action.reason, "significant")
            else:
                self.start(action, broken)

    def start(self, action: Start, broken: set[str]) -> None:
        for name in action.ids:
            if name in broken:
                self.effects.append(f"fail {name}")
                self.family = restart.start_failed(self.family, name)
                return
            self.effects.append(f"start {name}")
            self.family = restart.started(self.family, name)

    def living(self) -> bool:
        return self.model.over is None

    def someone(self, state: str) -> bool:
        return self.living() and bool(self.model.names(state))

    @precondition(living)
    @rule(kind=st.sampled_from(Restart), significant=st.booleans())
    def a_child_is_added(self, kind: Restart, significant: bool) -> None:
        self.add(kind, significant)

    @rule(seconds=st.one_of(st.sampled_from([0.0, 2.5, 5.0]), st.floats(0.0, 12.0)))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.someone("running"))
    @rule(data=st.data(), normal=st.booleans())
    def a_child_ends(self, data: st.DataObject, normal: bool) -> None:
        name = data.draw(st.sampled_from(self.model.names("running")))
        broken = data.draw(st.sets(st.sampled_from([str(row["id"]) for row in self.model.rows]), max_size=2))
        self.model.exit(name, normal, self.now, broken)
        self.family, actions = restart.exited(self.family, name, normal=normal, now=self.now)
        self.perform(actions, broken)

    @precondition(lambda self: self.someone("restarting"))
    @rule(data=st.data(), works=st.booleans())
    def a_restart_is_tried_again(self, data: st.DataObject, works: bool) -> None:
        name = data.draw(st.sampled_from(self.model.names("restarting")))
        broken = set() if works else {name}
        self.model.restart(self.model.row(name), self.now, broken)
        self.family, actions = restart.try_again(self.family, name, now=self.now)
        self.perform(actions, broken)

    @precondition(lambda self: self.living() and bool(self.model.rows))
    @rule(data=st.data())
    def a_child_is_terminated(self, data: st.DataObject) -> None:
        row = data.draw(st.sampled_from(self.model.rows))
        if row["state"] == "running":
            self.model.effects.append(f"stop {row['id']}")
        self.model.drop_or_keep(row)
        self.family, actions = restart.terminated(self.family, str(row["id"]))
        self.perform(actions, set())

    @precondition(lambda self: self.living() and bool(self.model.rows) and self.model.strategy is not Strategy.DYNAMIC)
    @rule(data=st.data(), again=st.booleans())
    def a_stopped_child_is_started_or_deleted(self, data: st.DataObject, again: bool) -> None:
        row = data.draw(st.sampled_from(self.model.rows))
        name = str(row["id"])
        if row["state"] != "stopped":
            with pytest.raises(ChildRefused) as refused:
                restart.check_stopped(self.family, name)
            assert refused.value.refusal.value == row["state"]
        elif again:
            restart.check_stopped(self.family, name)
            self.family = restart.started(self.family, name)
            row["state"] = "running"
        else:
            self.family = restart.deleted(self.family, name)
            self.model.rows.remove(row)

    @invariant()
    def both_did_the_same(self) -> None:
        assert self.effects == self.model.effects
        assert self.over == self.model.over

    @invariant()
    def both_have_the_same_children(self) -> None:
        if self.living():
            ours = [(each.spec.id, each.phase.value) for each in self.family.children]
            assert ours == [(row["id"], row["state"]) for row in self.model.rows]
        else:
            assert not self.family.running()


TestRestartAgainstTheModel = RestartMachine.TestCase
TestRestartAgainstTheModel.settings = settings(stateful_step_count=30)


def test_exactly_the_allowed_restarts_within_the_period_are_made():
    """OTP's words: if *more than* MaxR restarts occur *within* MaxT seconds."""
    now = family(SupervisorFlags(limit=RestartIntensity(3, 10.0)), child("a"))
    for second in (0.0, 4.0, 10.0):
        now, actions = restart.exited(now, "a", normal=False, now=second)
        assert actions == (Start(("a",)),)
        now = restart.started(now, "a")
    late, actions = restart.exited(now, "a", normal=False, now=math.nextafter(10.0, 11.0))
    assert actions == (Start(("a",)),), "the first is more than ten seconds old"
    _, actions = restart.exited(now, "a", normal=False, now=10.0)
    assert actions == (Stop(()), End(EndReason.TOO_MANY_RESTARTS)), "the first is ten seconds old, and counts"
    assert late.running() == ()


def test_with_intensity_zero_the_first_restart_is_too_many():
    flags = SupervisorFlags(limit=RestartIntensity(0, 1.0))
    _, actions = restart.exited(family(flags, child("a"), child("b"), child("c")), "b", normal=False, now=0.0)
    assert actions == (Stop(("c", "a")), End(EndReason.TOO_MANY_RESTARTS))


def test_one_for_one_leaves_the_others_alone():
    _, actions = restart.exited(family(often(), child("a"), child("b")), "a", normal=True, now=0.0)
    assert actions == (Start(("a",)),)


def test_one_for_all_stops_right_to_left_and_starts_left_to_right():
    now = family(often(Strategy.ONE_FOR_ALL), child("a"), child("b"), child("c"))
    now, actions = restart.exited(now, "b", normal=False, now=0.0)
    assert actions == (Stop(("c", "a")), Start(("a", "b", "c")))
    assert len(now.restarts) == 1, "three starts are one restart"


def test_rest_for_one_leaves_those_before():
    now = family(often(Strategy.REST_FOR_ONE), child("a"), child("b"), child("c"), child("d"))
    now, actions = restart.exited(now, "b", normal=False, now=0.0)
    assert actions == (Stop(("d", "c")), Start(("b", "c", "d")))
    assert now.running() == ("a",)


def test_temporary_siblings_are_forgotten_when_all_restart():
    now = family(often(Strategy.ONE_FOR_ALL), child("a"), child("t", Restart.TEMPORARY), child("c"))
    now, actions = restart.exited(now, "a", normal=False, now=0.0)
    assert actions == (Stop(("c", "t")), Start(("a", "c")))
    assert now.find("t") is None


def test_a_transient_child_that_ended_in_peace_is_started_with_all_others():
    now = family(often(Strategy.ONE_FOR_ALL), child("a"), child("t", Restart.TRANSIENT))
    now, actions = restart.exited(now, "t", normal=True, now=0.0)
    assert actions == ()
    _, actions = restart.exited(now, "a", normal=False, now=0.0)
    assert actions == (Start(("a", "t")),)


def test_each_try_of_a_failing_start_counts():
    now = family(SupervisorFlags(limit=RestartIntensity(2, 60.0)), child("a"), child("b"))
    now, actions = restart.exited(now, "b", normal=False, now=0.0)
    now = restart.start_failed(now, "b")
    now, actions = restart.try_again(now, "b", now=0.0)
    assert actions == (Start(("b",)),)
    now = restart.start_failed(now, "b")
    now, actions = restart.try_again(now, "b", now=0.0)
    assert actions == (Stop(("a",)), End(EndReason.TOO_MANY_RESTARTS))


def test_a_terminated_child_is_not_tried_again():
    now = family(often(), child("a"))
    now, _ = restart.exited(now, "a", normal=False, now=0.0)
    now, _ = restart.terminated(restart.start_failed(now, "a"), "a")
    assert restart.try_again(now, "a", now=0.0) == (now, ())


@pytest.mark.parametrize(
    ("kind", "normal", "ends"),
    [(Restart.TRANSIENT, True, True), (Restart.TRANSIENT, False, False), (Restart.TEMPORARY, False, True)],
)
def test_any_significant_child_that_ends_for_good_ends_the_supervisor(kind: Restart, normal: bool, ends: bool):
    flags = often(auto=AutoShutdown.ANY_SIGNIFICANT)
    now = family(flags, child("a"), child("s", kind, significant=True), child("c"))
    _, actions = restart.exited(now, "s", normal=normal, now=0.0)
    assert actions == ((Stop(("c", "a")), End(EndReason.SIGNIFICANT_ENDED)) if ends else (Start(("s",)),))


def test_all_significant_waits_for_the_last_of_them():
    flags = often(auto=AutoShutdown.ALL_SIGNIFICANT)
    specs = [child(name, Restart.TRANSIENT, significant=True) for name in "st"]
    now, actions = restart.exited(family(flags, child("a"), *specs), "s", normal=True, now=0.0)
    assert actions == ()
    _, actions = restart.exited(now, "t", normal=True, now=0.0)
    assert actions == (Stop(("a",)), End(EndReason.SIGNIFICANT_ENDED))


def test_a_significant_child_that_was_terminated_on_request_ends_nothing():
    now = family(often(auto=AutoShutdown.ANY_SIGNIFICANT), child("s", Restart.TEMPORARY, significant=True))
    now, actions = restart.terminated(now, "s")
    assert actions == (Stop(("s",)),)
    assert now.children == ()


def test_instances_are_stopped_at_once():
    now = family(often(Strategy.DYNAMIC), child("a-1"), child("a-2"))
    assert restart.stop_all(now)[1] == Stop(("a-2", "a-1"), at_once=True)


@pytest.mark.parametrize("phase", [Phase.RUNNING, Phase.STOPPED])
def test_an_id_names_one_child(phase: Phase):
    now = restart.found(often(), [child("a")])
    if phase is Phase.RUNNING:
        now = restart.started(now, "a")
    with pytest.raises(ChildRefused) as refused:
        restart.added(now, child("a"))
    expected = Refusal.ALREADY_STARTED if phase is Phase.RUNNING else Refusal.ALREADY_PRESENT
    assert refused.value.refusal is expected


def test_what_is_not_there_is_refused_by_name():
    with pytest.raises(ChildRefused, match="child nobody: not found"):
        restart.terminated(restart.found(often(), []), "nobody")


def test_instances_can_be_neither_deleted_nor_restarted():
    with pytest.raises(ChildRefused, match="dynamic"):
        restart.deleted(family(often(Strategy.DYNAMIC), child("a-1")), "a-1")


@given(st.integers(-5, -1) | st.just(True))
def test_a_senseless_intensity_is_refused(intensity: int):
    with pytest.raises(SpecError, match="whole number"):
        RestartIntensity(intensity)


@pytest.mark.parametrize("period", [0, -1.0, math.nan])
def test_a_senseless_period_is_refused(period: float):
    with pytest.raises(SpecError, match="above 0"):
        RestartIntensity(1, period)


def test_specs_that_mean_nothing_are_refused_where_they_are_written():
    with pytest.raises(SpecError, match="permanent child never ends"):
        child("a", significant=True)
    with pytest.raises(SpecError, match="seconds from 0 up"):
        ChildSpec("a", idle, shutdown=-1.0)
    with pytest.raises(SpecError, match="two children are called 'a'"):
        restart.found(often(), [child("a"), child("a")])
    with pytest.raises(SpecError, match="auto_shutdown is never"):
        restart.found(often(), [child("a", Restart.TEMPORARY, significant=True)])
    assert ChildSpec("a", idle, shutdown=Shutdown.INFINITY).shutdown is Shutdown.INFINITY
