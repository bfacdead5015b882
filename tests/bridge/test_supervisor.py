"""The nursery carries out what OTP promises: order, restarts, grace, and nothing left behind. On a clock that jumps."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing

from bascule.bridge.supervision.lives import grace
from bascule.bridge.supervision.restart import Phase
from bascule.bridge.supervision.spec import (
    AutoShutdown,
    ChildRefused,
    ChildSpec,
    Refusal,
    Restart,
    RestartIntensity,
    Shutdown,
    Strategy,
    SupervisorFlags,
)
from bascule.bridge.supervision.supervisor import ChildCount, ChildInfo, Supervisor, SupervisorFailed

pytestmark = pytest.mark.trio


class Crash(Exception):
    """What a child dies of."""


class Stage:
    """Children that write down what happens to them, and do what they are told."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.orders: dict[str, trio.MemorySendChannel[Callable[[], Any]]] = {}
        self.failing: set[str] = set()
        self.start_time: dict[str, float] = {}
        self.cleanup: dict[str, float] = {}

    def child(self, name: str, **options: Any) -> ChildSpec:
        async def start(*, task_status: trio.TaskStatus[str]) -> None:
            if name in self.start_time:
                await trio.sleep(self.start_time[name])
            if name in self.failing:
                self.log.append(f"{name} fails")
                raise Crash(f"{name} does not start")
            self.orders[name], orders = trio.open_memory_channel[Callable[[], Any]](10)
            self.log.append(f"{name} up")
            task_status.started(f"{name}'s value")
            try:
                async for order in orders:
                    if order() is StopAsyncIteration:
                        break
            finally:
                if name in self.cleanup:
                    with grace():
                        await trio.sleep(self.cleanup[name])
                        self.log.append(f"{name} clean")
                self.log.append(f"{name} down")

        return ChildSpec(name, start, **options)

    def crash(self, name: str) -> None:
        def order() -> None:
            raise Crash(f"{name} crashed")

        self.orders[name].send_nowait(order)

    def finish(self, name: str) -> None:
        self.orders[name].send_nowait(lambda: StopAsyncIteration)

    def take(self) -> list[str]:
        log, self.log = self.log, []
        return log


@pytest.fixture
def stage() -> Stage:
    return Stage()


def often(strategy: Strategy = Strategy.ONE_FOR_ONE, auto: AutoShutdown = AutoShutdown.NEVER) -> SupervisorFlags:
    return SupervisorFlags(strategy, RestartIntensity(1000, 1.0), auto)


async def settle() -> None:
    """Until nothing more happens (the clock jumps only when all tasks wait)."""
    await trio.testing.wait_all_tasks_blocked()


async def test_children_start_left_to_right_and_stop_right_to_left(stage: Stage, autojump_clock: object):
    supervisor = Supervisor("top", often(), [stage.child(name) for name in "abc"])
    async with trio.open_nursery() as nursery:
        assert await nursery.start(supervisor.run) is supervisor
        assert stage.take() == ["a up", "b up", "c up"]
        nursery.cancel_scope.cancel()
    assert stage.take() == ["c down", "b down", "a down"]
    assert supervisor.count_children() == ChildCount(specs=3, active=0)


async def test_each_child_is_gone_before_the_one_to_its_left_is_asked(stage: Stage, autojump_clock: object):
    stage.cleanup = {"a": 1.0, "b": 1.0}
    supervisor = Supervisor("top", often(), [stage.child(name) for name in "ab"])
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        began = trio.current_time()
        nursery.cancel_scope.cancel()
    assert stage.take()[2:] == ["b clean", "b down", "a clean", "a down"]
    assert trio.current_time() - began == pytest.approx(2.0)


async def test_a_child_that_does_not_start_takes_back_those_before_it(stage: Stage, autojump_clock: object):
    stage.failing = {"c"}
    supervisor = Supervisor("top", often(), [stage.child(name) for name in "abcd"])
    with pytest.raises(SupervisorFailed, match="top: child c did not start: Crash: c does not start") as failed:
        await supervisor.run()
    assert isinstance(failed.value.__cause__, Crash)
    assert stage.take() == ["a up", "b up", "c fails", "b down", "a down"]


async def test_a_child_that_never_says_that_it_is_up_did_not_start(autojump_clock: object):
    async def silent(*, task_status: trio.TaskStatus[None]) -> None:
        await trio.sleep(1)

    with pytest.raises(SupervisorFailed, match="child mute did not start"):
        await Supervisor("top", often(), [ChildSpec("mute", silent)]).run()


async def test_a_crashed_child_is_started_again_and_its_siblings_stay(stage: Stage, autojump_clock: object):
    supervisor = Supervisor("top", often(), [stage.child(name) for name in "abc"])
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        stage.take()
        stage.crash("b")
        await settle()
        assert stage.take() == ["b down", "b up"]
        nursery.cancel_scope.cancel()
    assert stage.take() == ["c down", "b down", "a down"], "a restarted child keeps its place"


@pytest.mark.parametrize(
    ("strategy", "log"),
    [
        (Strategy.ONE_FOR_ALL, ["b down", "c down", "a down", "a up", "b up", "c up"]),
        (Strategy.REST_FOR_ONE, ["b down", "c down", "b up", "c up"]),
    ],
)
async def test_siblings_restart_as_the_strategy_says(
    stage: Stage, autojump_clock: object, strategy: Strategy, log: list[str]
):
    supervisor = Supervisor("top", often(strategy), [stage.child(name) for name in "abc"])
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        stage.take()
        stage.crash("b")
        await settle()
        assert stage.take() == log
        nursery.cancel_scope.cancel()


async def test_siblings_that_crash_together_are_restarted_once_by_one_for_all(stage: Stage, autojump_clock: object):
    flags = SupervisorFlags(Strategy.ONE_FOR_ALL, RestartIntensity(1, 5.0))
    async with trio.open_nursery() as nursery:
        await nursery.start(Supervisor("top", flags, [stage.child(name) for name in "ab"]).run)
        stage.crash("a")
        stage.crash("b")
        await settle()
        assert sorted(stage.take()) == ["a down", "a up", "a up", "b down", "b up", "b up"]
        nursery.cancel_scope.cancel()


async def test_too_many_restarts_stop_everything_and_fail_upward(stage: Stage, autojump_clock: object):
    flags = SupervisorFlags(limit=RestartIntensity(2, 10.0))
    supervisor = Supervisor("top", flags, [stage.child(name) for name in "abc"])
    with pytest.RaisesGroup(pytest.RaisesExc(SupervisorFailed, match=r"top: .* more than 2 times within 10")):
        async with trio.open_nursery() as nursery:
            await nursery.start(supervisor.run)
            for _ in range(3):
                await trio.sleep(3)
                stage.take()
                stage.crash("b")
                await settle()
    assert stage.take() == ["b down", "c down", "a down"]


async def test_restarts_that_are_far_apart_never_are_too_many(stage: Stage, autojump_clock: object):
    supervisor = Supervisor("top", SupervisorFlags(limit=RestartIntensity(1, 5.0)), [stage.child("a")])
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        for _ in range(20):
            await trio.sleep(5.1)
            stage.crash("a")
            await settle()
        assert stage.log.count("a up") == 21
        nursery.cancel_scope.cancel()


async def test_a_restart_that_fails_is_tried_again(stage: Stage, autojump_clock: object):
    supervisor = Supervisor("top", SupervisorFlags(limit=RestartIntensity(3, 60.0)), [stage.child("a")])
    stage.start_time = {"a": 1.0}
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        stage.failing = {"a"}
        stage.crash("a")
        await trio.sleep(1.5)
        assert supervisor.which_children() == [ChildInfo("a", Phase.RESTARTING)]
        stage.failing = set()
        await trio.sleep(2)
        assert supervisor.which_children() == [ChildInfo("a", Phase.RUNNING)]
        assert stage.take() == ["a up", "a down", "a fails", "a up"]
        nursery.cancel_scope.cancel()


async def test_a_transient_child_is_restarted_after_a_crash_and_rests_in_peace(stage: Stage, autojump_clock: object):
    supervisor = Supervisor("top", often(), [stage.child("a", restart=Restart.TRANSIENT)])
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        stage.crash("a")
        await settle()
        stage.finish("a")
        await settle()
        assert stage.take() == ["a up", "a down", "a up", "a down"]
        assert supervisor.which_children() == [ChildInfo("a", Phase.STOPPED)]
        nursery.cancel_scope.cancel()


async def test_a_significant_child_that_ends_takes_its_supervisor_with_it(stage: Stage, autojump_clock: object):
    flags = often(auto=AutoShutdown.ANY_SIGNIFICANT)
    job = stage.child("job", restart=Restart.TRANSIENT, significant=True)
    async with trio.open_nursery() as nursery:
        await nursery.start(Supervisor("top", flags, [stage.child("a"), job, stage.child("c")]).run)
        stage.finish("job")
    assert stage.take()[3:] == ["job down", "c down", "a down"], "and the supervisor returns without an error"


async def test_cleaning_up_ends_with_the_shutdown_time(stage: Stage, autojump_clock: object):
    stage.cleanup = {"quick": 1.0, "slow": 60.0}
    specs = [stage.child("quick", shutdown=5.0), stage.child("slow", shutdown=5.0)]
    async with trio.open_nursery() as nursery:
        await nursery.start(Supervisor("top", often(), specs).run)
        began = trio.current_time()
        nursery.cancel_scope.cancel()
    assert stage.take()[2:] == ["slow down", "quick clean", "quick down"]
    assert trio.current_time() - began == pytest.approx(6.0)


async def test_brutal_kill_leaves_no_time_and_infinity_all_of_it(stage: Stage, autojump_clock: object):
    stage.cleanup = {"brute": 0.001, "patient": 86_400.0}
    specs = [stage.child("patient", shutdown=Shutdown.INFINITY), stage.child("brute", shutdown=Shutdown.BRUTAL_KILL)]
    async with trio.open_nursery() as nursery:
        await nursery.start(Supervisor("top", often(), specs).run)
        began = trio.current_time()
        nursery.cancel_scope.cancel()
    assert stage.take()[2:] == ["brute down", "patient clean", "patient down"]
    assert trio.current_time() - began == pytest.approx(86_400.0)


async def test_a_tree_is_stopped_in_order_and_its_grace_ends_with_that_of_its_root(
    stage: Stage, autojump_clock: object
):
    stage.cleanup = {"leaf": math.inf, "left": 1.0}

    async def branch(*, task_status: trio.TaskStatus[Supervisor]) -> None:
        leaves = [stage.child("left"), stage.child("leaf", shutdown=Shutdown.INFINITY)]
        await Supervisor("branch", often(), leaves).run(task_status=task_status)

    root = Supervisor("root", often(), [stage.child("first"), ChildSpec("branch", branch, shutdown=7.0)])
    async with trio.open_nursery() as nursery:
        await nursery.start(root.run)
        began = trio.current_time()
        nursery.cancel_scope.cancel()
    *branch_log, last = stage.take()[3:]
    assert sorted(branch_log) == ["leaf down", "left down"], "nobody had time to clean up"
    assert last == "first down"
    assert trio.current_time() - began == pytest.approx(7.0)


async def test_a_failing_branch_is_restarted_by_the_root(stage: Stage, autojump_clock: object):
    async def branch(*, task_status: trio.TaskStatus[Supervisor]) -> None:
        flags = SupervisorFlags(limit=RestartIntensity(0, 5.0))
        await Supervisor("branch", flags, [stage.child("leaf")]).run(task_status=task_status)

    spec = ChildSpec("branch", branch, restart=Restart.TRANSIENT, shutdown=Shutdown.INFINITY)
    async with trio.open_nursery() as nursery:
        await nursery.start(Supervisor("root", often(), [spec]).run)
        stage.crash("leaf")
        await settle()
        assert stage.take() == ["leaf up", "leaf down", "leaf up"]
        nursery.cancel_scope.cancel()


async def test_stopping_does_not_wait_for_a_start_that_takes_forever(stage: Stage, autojump_clock: object):
    stage.start_time = {"b": math.inf}
    with trio.move_on_after(3) as scope:
        await Supervisor("top", often(), [stage.child("a"), stage.child("b")]).run()
    assert scope.cancelled_caught
    assert stage.take() == ["a up", "a down"]
    assert trio.current_time() - scope.deadline == pytest.approx(0.0)


async def test_children_are_added_terminated_restarted_and_deleted(stage: Stage, autojump_clock: object):
    supervisor = Supervisor("top", often(), [stage.child("a")])
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        assert await supervisor.start_child(stage.child("b")) == "b's value"
        assert supervisor.count_children() == ChildCount(2, 2)
        await supervisor.terminate_child("b")
        assert stage.take() == ["a up", "b up", "b down"]
        assert supervisor.which_children() == [ChildInfo("a", Phase.RUNNING), ChildInfo("b", Phase.STOPPED)]
        with pytest.raises(ChildRefused, match="b: already present"):
            await supervisor.start_child(stage.child("b"))
        assert await supervisor.restart_child("b") == "b's value"
        with pytest.raises(ChildRefused, match="b: running"):
            await supervisor.delete_child("b")
        await supervisor.terminate_child("b")
        await supervisor.delete_child("b")
        with pytest.raises(ChildRefused, match="b: not found"):
            await supervisor.restart_child("b")
        nursery.cancel_scope.cancel()


async def test_a_child_that_could_not_be_added_is_forgotten(stage: Stage, autojump_clock: object):
    supervisor = Supervisor("top", often())
    stage.failing = {"x"}
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        with pytest.raises(Crash, match="x does not start"):
            await supervisor.start_child(stage.child("x"))
        assert supervisor.count_children() == ChildCount(0, 0)
        stage.failing = set()
        await supervisor.start_child(stage.child("x"))
        nursery.cancel_scope.cancel()


async def test_a_child_may_have_itself_terminated(stage: Stage, autojump_clock: object):
    supervisor = Supervisor("top", often())

    async def weary(*, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        await supervisor.terminate_child("weary")

    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        await supervisor.start_child(ChildSpec("weary", weary))
        await settle()
        assert supervisor.which_children() == [ChildInfo("weary", Phase.STOPPED)]
        nursery.cancel_scope.cancel()


async def test_instances_come_and_go_and_are_stopped_at_once(stage: Stage, autojump_clock: object):
    ended: list[int] = []

    async def instance(number: int, *, task_status: trio.TaskStatus[int]) -> None:
        task_status.started(number * 10)
        try:
            await trio.sleep(number)
            if number == 1:
                raise Crash("an instance that crashes is not missed: it is temporary")
        finally:
            with grace():
                await trio.sleep(2)
            ended.append(number)

    template = ChildSpec("session", instance, restart=Restart.TEMPORARY)
    supervisor = Supervisor("sessions", SupervisorFlags(Strategy.DYNAMIC), [template])
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        assert await supervisor.start_instance(1) == ("session-1", 10)
        for number in (100, 200, 300):
            await supervisor.start_instance(number)
        await trio.sleep(10)
        assert [each.id for each in supervisor.which_children()] == ["session-2", "session-3", "session-4"]
        await supervisor.terminate_child("session-3")
        assert ended == [1, 200]
        with pytest.raises(ChildRefused, match="dynamic"):
            await supervisor.restart_child("session-2")
        with pytest.raises(ChildRefused, match="dynamic"):
            await supervisor.start_child(stage.child("a"))
        began = trio.current_time()
        nursery.cancel_scope.cancel()
    assert sorted(ended) == [1, 100, 200, 300]
    assert trio.current_time() - began == pytest.approx(2.0), "both at once"


async def test_a_permanent_instance_is_started_again_with_its_arguments(autojump_clock: object):
    seen: list[str] = []

    async def instance(name: str, *, task_status: trio.TaskStatus[None]) -> None:
        seen.append(name)
        task_status.started()
        await trio.sleep(1 if len(seen) < 3 else math.inf)

    supervisor = Supervisor("top", SupervisorFlags(Strategy.DYNAMIC), [ChildSpec("i", instance)])
    with pytest.RaisesGroup(SupervisorFailed):
        async with trio.open_nursery() as nursery:
            await nursery.start(supervisor.run)
            await supervisor.start_instance("one")
            await trio.sleep(10)
    assert seen == ["one", "one"], "and the next restart was one too many"


async def test_requests_to_a_supervisor_that_ended_are_refused(stage: Stage, autojump_clock: object):
    supervisor = Supervisor("top", often(), [stage.child("a")])
    stage.start_time = {"late": math.inf}
    refused: list[Refusal] = []

    async def ask() -> None:
        try:
            await supervisor.start_child(stage.child("late"))
        except ChildRefused as refusal:
            refused.append(refusal.refusal)

    async with trio.open_nursery() as nursery:
        async with trio.open_nursery() as inner:
            await inner.start(supervisor.run)
            nursery.start_soon(ask)  # is being carried out when the supervisor stops
            nursery.start_soon(ask)  # waits for its turn
            await settle()
            inner.cancel_scope.cancel()
        await ask()
    assert refused == [Refusal.STOPPED] * 3


async def test_a_supervisor_runs_once(stage: Stage, autojump_clock: object):
    supervisor = Supervisor("top", often(), [])
    with trio.move_on_after(1):
        await supervisor.run()
    with pytest.raises(RuntimeError, match="make a new one"):
        await supervisor.run()


async def test_why_a_child_ended_is_logged(stage: Stage, autojump_clock: object, caplog: pytest.LogCaptureFixture):
    async with trio.open_nursery() as nursery:
        with caplog.at_level(logging.ERROR):
            await nursery.start(Supervisor("top", often(), [stage.child("a")]).run)
            stage.crash("a")
            await settle()
        nursery.cancel_scope.cancel()
    assert "top: child a ended: Crash: a crashed" in caplog.text
