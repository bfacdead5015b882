"""Which exits count, how long a place waits for its next worker, and when a pool gives up: against a plain model."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bascule.bridge.notices import KillReason
from bascule.bridge.pool_restarts import BackOff, Restarts, Verdict, judge


@pytest.mark.parametrize("reason", [KillReason.RECYCLED, KillReason.STOPPED])
@pytest.mark.parametrize("was_ready", [True, False])
def test_what_we_planned_counts_for_nothing(reason: KillReason, was_ready: bool):
    assert judge(was_ready=was_ready, had_started_call=was_ready, reason=reason) is Verdict.PLANNED


@pytest.mark.parametrize(
    "reason",
    [KillReason.DEADLINE, KillReason.CANCEL, KillReason.CLIENT_GONE, KillReason.MEMORY, KillReason.OPERATOR],
)
def test_what_a_call_or_an_operator_brought_about_is_excused(reason: KillReason):
    assert judge(was_ready=True, had_started_call=False, reason=reason) is Verdict.EXCUSED
    assert judge(was_ready=True, had_started_call=True, reason=reason) is Verdict.EXCUSED


@pytest.mark.parametrize("reason", [None, KillReason.RUBBISH])
def test_a_death_in_the_middle_of_a_call_is_excused(reason: KillReason | None):
    assert judge(was_ready=True, had_started_call=True, reason=reason) is Verdict.EXCUSED


@pytest.mark.parametrize("reason", [None, KillReason.RUBBISH, KillReason.NOT_READY])
def test_a_death_before_it_is_ready_counts(reason: KillReason | None):
    assert judge(was_ready=False, had_started_call=False, reason=reason) is Verdict.COUNTED


@pytest.mark.parametrize("reason", [None, KillReason.RUBBISH])
def test_a_death_with_no_call_started_counts(reason: KillReason | None):
    assert judge(was_ready=True, had_started_call=False, reason=reason) is Verdict.COUNTED


def test_a_place_waits_longer_each_time_and_never_more_than_five_seconds():
    place, delays = BackOff(), []
    for _ in range(12):
        place, delay = place.lose(alive=0.1)
        delays.append(delay)
    assert delays == pytest.approx([0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5, 5, 5])


def test_a_long_life_is_a_new_beginning():
    place = BackOff()
    for _ in range(5):
        place, _ = place.lose(alive=9.9)
    place, delay = place.lose(alive=10.0)
    assert delay == 0.0
    _, delay = place.lose(alive=1.0)
    assert delay == pytest.approx(0.05)


class PoolMachine(RuleBasedStateMachine):
    """Exits of all kinds at all times; the model keeps the whole history and counts anew each time."""

    @initialize(intensity=st.integers(0, 5), period=st.sampled_from([1.0, 30.0]))
    def begin(self, intensity: int, period: float) -> None:
        self.now = 0.0
        self.restarts = Restarts(intensity, period)
        self.places = [BackOff(), BackOff()]
        self.history: list[tuple[float, Verdict]] = []
        self.lives: list[list[float]] = [[], []]
        self.failed = False

    @rule(seconds=st.sampled_from([0.0, 0.5, 1.0, 7.0, 30.0]) | st.floats(0, 40))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(
        place=st.integers(0, 1),
        alive=st.sampled_from([0.0, 9.99, 10.0, 100.0]),
        ready=st.booleans(),
        started=st.booleans(),
        reason=st.none() | st.sampled_from(KillReason),
    )
    def a_worker_ends(self, place: int, alive: float, ready: bool, started: bool, reason: KillReason | None) -> None:
        verdict = judge(was_ready=ready, had_started_call=started, reason=reason)
        self.history.append((self.now, verdict))
        if verdict is Verdict.COUNTED:
            self.restarts, self.failed = self.restarts.count(self.now)
            within = [
                at for at, what in self.history if what is Verdict.COUNTED and not at < self.now - self.restarts.period
            ]
            assert self.failed == (len(within) > self.restarts.intensity)
        elif verdict is Verdict.EXCUSED:
            self.places[place], delay = self.places[place].lose(alive)
            self.lives[place].append(alive)
            short = 0  # lives before this one, since (and with) the last long one
            for life in reversed(self.lives[place]):
                if life >= 10.0:
                    break
                short += 1
            else:
                short -= 1
            assert delay == pytest.approx([0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0][min(short, 8)])

    @invariant()
    def only_counted_exits_are_remembered(self) -> None:
        if self.history:
            assert len(self.restarts.exits) <= sum(what is Verdict.COUNTED for _, what in self.history)


TestPoolRestartsAgainstTheModel = PoolMachine.TestCase
TestPoolRestartsAgainstTheModel.settings = settings(stateful_step_count=30)
