"""A pool keeps its workers, whatever happens to them. Real router, real workers; nothing is left at the end."""

from __future__ import annotations

import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import trio
from pool_world import CallError, is_gone, own_processes, pid_of, until, world

from bascule.bridge.notices import WorkerExited
from bascule.bridge.pool import Pool, PoolFailed
from bascule.bridge.pool_spec import PoolSpec, PoolSpecError
from bascule.bridge.supervision.spawn import spawn_worker
from bascule.bridge.supervision.starting import MARK

pytestmark = pytest.mark.usefixtures("nothing_left")

GATE = """
import pathlib, time

def wait(begun, go):
    pathlib.Path(begun).touch()
    while not pathlib.Path(go).exists():
        time.sleep(0.001)
"""


@pytest.mark.trio
async def test_a_pool_answers_calls_and_leaves_nothing():
    before = own_processes()
    async with world() as made:
        pool = await made.start_pool(size=2)
        client = await made.client()
        assert await client.call("operator:add", 1, 2) == 3
        pids = [worker["pid"] for worker in pool.status()["workers"]]
        assert len(set(pids)) == 2
    assert all(is_gone(pid) for pid in pids)
    assert own_processes() == before


@pytest.mark.trio
async def test_an_idle_worker_that_is_killed_is_replaced():
    async with world() as made:
        pool = await made.start_pool(size=1)
        client = await made.client()
        pid = await client.call("os:getpid")
        os.kill(pid, signal.SIGKILL)
        assert await client.call("os:getpid") != pid
        await until(lambda: is_gone(pid))
        assert pool.status()["counted_exits"] == 1, "nobody's call is to blame"


@pytest.mark.trio
async def test_all_workers_may_be_killed_at_once():
    async with world() as made:
        pool = await made.start_pool(size=3)
        client = await made.client()
        for worker in pool.status()["workers"]:
            os.kill(worker["pid"], signal.SIGKILL)
        assert await client.call("operator:add", 2, 2) == 4
        assert pool.failure is None


@pytest.mark.trio
async def test_a_call_that_kills_its_worker_fails_alone_and_does_not_count():
    async with world() as made:
        pool = await made.start_pool(size=1, intensity=0)
        for status in range(4):
            client = await made.client()  # one session alone would be quarantined
            with pytest.raises(CallError) as failed:
                await client.call("os:_exit", status + 7)
            assert failed.value.kind == "worker_lost"
            assert f"exit code {status + 7}" in str(failed.value)
            assert await client.call("operator:add", 1, 1) == 2
            client.close()
        assert pool.failure is None
        assert pool.status()["counted_exits"] == 0


@pytest.mark.trio
async def test_a_spare_takes_the_place_of_a_dead_worker():
    async with world() as made:
        pool = await made.start_pool(size=1, spares=1)
        client = await made.client()
        first = await client.call("os:getpid")
        spare = next(worker["pid"] for worker in pool.status()["workers"] if worker["pid"] != first)
        os.kill(first, signal.SIGKILL)
        assert await client.call("os:getpid") == spare
        with trio.fail_after(60):
            await pool.wait_ready()


@pytest.mark.trio
async def test_init_and_preload_run_before_it_is_ready(tmp_path: Path):
    (tmp_path / "made_ready.py").write_text("import colorsys\nready = []\ndef prepare(): ready.append('init')\n")
    (tmp_path / "here").mkdir()
    async with world() as made:
        await made.start_pool(
            paths=[str(tmp_path)],
            preload=["made_ready"],
            init="made_ready:prepare",
            cwd=str(tmp_path / "here"),
            env={"GREETING": "hello", "HOME": None},
        )
        client = await made.client()
        assert await client.call("made_ready:ready.copy") == ["init"]
        assert await client.call("os:getcwd") == str(tmp_path / "here")
        assert await client.call("os:getenv", "GREETING") == "hello"
        assert await client.call("os:getenv", "HOME") is None


@pytest.mark.trio
async def test_each_supported_interpreter_can_be_a_worker(interpreters: dict[tuple[int, int], str]):
    async with world() as made:
        for version, executable in interpreters.items():
            if version < (3, 9):
                continue
            name = f"python{version[1]}"
            await made.start_pool(name=name, executable=executable)
            client = await made.client(name)
            assert await client.call("platform:python_version_tuple") is not None
            client.close()


@pytest.mark.trio
async def test_a_pool_whose_init_fails_does_not_start_and_says_why(tmp_path: Path):
    (tmp_path / "broken_setup.py").write_text("def prepare(): raise LookupError('no model file')\n")
    async with world() as made:
        pool = made.make_pool(size=2, paths=[str(tmp_path)], init="broken_setup:prepare", intensity=2)
        with pytest.raises(PoolFailed) as failed:
            await pool.run()
        assert "more than 2 of its workers ended" in str(failed.value)
        assert "LookupError: no model file" in str(failed.value)


@pytest.mark.trio
async def test_a_python_that_is_not_there_is_named():
    async with world() as made:
        with pytest.raises(PoolFailed, match="/no/such/python can't be run: No such file"):
            await made.make_pool(executable="/no/such/python", intensity=0).run()


@pytest.mark.trio
async def test_a_working_folder_that_is_not_there_is_named():
    async with world() as made:
        with pytest.raises(PoolFailed, match="its working folder /no/such/folder is not there"):
            await made.make_pool(cwd="/no/such/folder", intensity=0).run()


@pytest.mark.trio
async def test_a_folder_of_its_path_that_is_not_there_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    (tmp_path / "here").mkdir()
    async with world() as made:
        await made.start_pool(paths=["here", "/no/such/folder"], cwd=str(tmp_path))
    told = [record.getMessage() for record in caplog.records if "on its path" in record.getMessage()]
    assert told == ["pool default: /no/such/folder on its path is not there: no module is found in it"]


@pytest.mark.trio
async def test_a_worker_that_is_not_ready_in_time_is_killed_and_counted(tmp_path: Path):
    (tmp_path / "slow_setup.py").write_text("import time\ndef prepare(): time.sleep(3600)\n")
    async with world() as made:
        pool = made.make_pool(paths=[str(tmp_path)], init="slow_setup:prepare", ready_timeout=0.3, intensity=0)
        with pytest.raises(PoolFailed, match=r"did not become ready within 0\.3 s"):
            await pool.run()


@pytest.mark.trio
async def test_a_failed_pool_answers_at_once_and_tries_again(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    switch = tmp_path / "broken"
    (tmp_path / "moody.py").write_text(
        f"import pathlib\ndef prepare():\n    if pathlib.Path({str(switch)!r}).exists(): raise OSError('moody')\n"
    )
    async with world() as made:
        pool = await made.start_pool(size=2, paths=[str(tmp_path)], init="moody:prepare", intensity=1, retry=0.5)
        client = await made.client()
        switch.touch()
        with caplog.at_level(logging.ERROR):
            for worker in pool.status()["workers"]:
                os.kill(worker["pid"], signal.SIGKILL)
            await until(lambda: pool.failure)
        assert "pool 'default' is failed: more than 1 of its workers ended" in caplog.text
        with pytest.raises(CallError) as failed:
            await client.call("operator:add", 1, 1)
        assert failed.value.kind == "pool_unavailable"
        assert "is failed" in str(failed.value)
        await until(lambda: pool.failure and "tried again" in pool.failure)
        switch.unlink()
        await until(lambda: not pool.failure)
        assert await client.call("operator:add", 1, 1) == 2
        with trio.fail_after(60):
            await pool.wait_ready()


@pytest.mark.trio
async def test_a_significant_pool_fails_upward():
    async with world() as made:
        failures: list[BaseException] = []
        pool = made.make_pool(intensity=0, significant=True)

        async def run(task_status: trio.TaskStatus[Pool]) -> None:
            try:
                await pool.run(task_status=task_status)
            except PoolFailed as error:
                failures.append(error)

        await made.nursery.start(run)
        os.kill(pid_of(pool), signal.SIGKILL)
        await until(lambda: failures)
        assert "more than 0 of its workers ended" in str(failures[0])


@pytest.mark.trio
async def test_a_worker_that_answered_its_share_is_recycled_without_losing_a_call():
    async with world() as made:
        pool = await made.start_pool(size=2, max_calls=50)
        client = await made.client()
        pids: set[int] = set()

        async def many() -> None:
            for _ in range(100):
                pids.add(await client.call("os:getpid"))

        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(many)
        assert len(pids) > 2
        await until(lambda: pool.ready_count() == 2 and len(pool.status()["workers"]) == 2)
        assert pool.status()["counted_exits"] == 0


@pytest.mark.trio
async def test_a_worker_with_too_much_memory_is_recycled_when_it_has_answered(tmp_path: Path):
    (tmp_path / "greedy.py").write_text(
        "import os, time\nkept = []\ndef eat():\n    kept.append(bytearray(b'x' * (200 << 20)))\n"
        "    time.sleep(1.5)\n    return os.getpid()\n"
    )
    async with world() as made:
        pool = await made.start_pool(paths=[str(tmp_path)], max_memory=150 << 20)
        client = await made.client()
        greedy = await client.call("greedy:eat")
        await until(lambda: is_gone(greedy))
        assert await client.call("os:getpid") != greedy
        assert pool.status()["counted_exits"] == 0


@pytest.mark.trio
async def test_rolling_replacement_loses_no_call(tmp_path: Path):
    begun, go = tmp_path / "begun", tmp_path / "go"
    (tmp_path / "gate.py").write_text(GATE)
    async with world() as made:
        pool = await made.start_pool(size=2, paths=[str(tmp_path)])
        client = await made.client()
        old = {worker["pid"] for worker in pool.status()["workers"]}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.call, "gate:wait", str(begun), str(go))
            await until(begun.exists)
            pool.recycle_all("the modules changed")
            go.touch()
        await until(lambda: all(is_gone(pid) for pid in old))
        assert await client.call("os:getpid") not in old


@pytest.mark.trio
async def test_workers_that_are_only_starting_are_replaced_as_well():
    async with world() as made:
        pool = await made.start_pool(size=1)
        pool.scale(3)
        with trio.fail_after(60):
            while len(pool.status()["workers"]) < 3:
                await trio.lowlevel.checkpoint()
        old = {worker["pid"] for worker in pool.status()["workers"]}
        pool.recycle_all("the modules changed")
        await until(lambda: all(is_gone(pid) for pid in old))


@pytest.mark.trio
async def test_a_pool_grows_and_shrinks_at_run_time(tmp_path: Path):
    begun, go = [tmp_path / f"begun{number}" for number in range(4)], tmp_path / "go"
    (tmp_path / "gate.py").write_text(GATE)
    async with world() as made:
        pool = await made.start_pool(size=1, paths=[str(tmp_path)])
        client = await made.client()
        pool.scale(4)
        with trio.fail_after(60):
            await pool.wait_ready()
        assert len(pool.status()["workers"]) == 4
        async with trio.open_nursery() as nursery:
            for each in begun:
                nursery.start_soon(client.call, "gate:wait", str(each), str(go))
            await until(lambda: all(each.exists() for each in begun))
            pool.scale(1)
            go.touch()
        await until(lambda: len(pool.status()["workers"]) == 1)
        assert await client.call("operator:add", 1, 1) == 2
        with pytest.raises(PoolSpecError, match="size is from 1"):
            pool.scale(0)


@pytest.mark.trio
async def test_stopping_lets_calls_finish_and_then_ends_what_does_not(tmp_path: Path):
    (tmp_path / "gate.py").write_text(GATE)
    (tmp_path / "stubborn.py").write_text(
        "import pathlib, signal, time\n"
        "def stay(here):\n"
        "    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "    pathlib.Path(here).touch()\n"
        "    time.sleep(3600)\n"
    )
    ends: dict[str, Any] = {}
    async with world() as made:
        pool = made.make_pool(size=2, paths=[str(tmp_path)], drain=3.0, grace=0.3)
        scope = trio.CancelScope()

        async def run(task_status: trio.TaskStatus[Pool]) -> None:
            with scope:
                await pool.run(task_status=task_status)

        await made.nursery.start(run)
        await pool.wait_ready()
        client = await made.client()

        async def call(target: str, *args: Any) -> None:
            try:
                ends[target] = await client.call(target, *args)
            except CallError as error:
                ends[target] = error.kind

        async with trio.open_nursery() as calls:
            calls.start_soon(call, "stubborn:stay", str(tmp_path / "stays"))
            calls.start_soon(call, "gate:wait", str(tmp_path / "waits"), str(tmp_path / "enough"))
            await until(lambda: (tmp_path / "stays").exists() and (tmp_path / "waits").exists())
            scope.cancel()
            await trio.lowlevel.checkpoint()
            (tmp_path / "enough").touch()
        assert ends == {"gate:wait": None, "stubborn:stay": "worker_lost"}
        with pytest.raises(CallError, match="is stopped"):
            await client.call("operator:add", 1, 1)


@pytest.mark.trio
@pytest.mark.parametrize("drain", [0.2, 3600.0])
async def test_a_worker_that_is_being_replaced_does_not_hold_up_the_end(tmp_path: Path, drain: float):
    (tmp_path / "long.py").write_text(
        "import pathlib, time\n"
        f"def stay():\n    pathlib.Path({str(tmp_path)!r}, 'there').touch()\n    time.sleep(3600)\n"
    )
    async with world() as made:
        pool = made.make_pool(size=1, paths=[str(tmp_path)], drain=drain, grace=0.5)
        ended = trio.Event()
        scope = trio.CancelScope()

        async def run(task_status: trio.TaskStatus[Pool]) -> None:
            with scope:
                await pool.run(task_status=task_status)
            ended.set()

        await made.nursery.start(run)
        await pool.wait_ready()
        client = await made.client()
        outcome: list[str] = []

        async def call() -> None:
            try:
                await client.call("long:stay")
            except CallError as error:
                outcome.append(error.kind)

        async with trio.open_nursery() as calls:
            calls.start_soon(call)
            await until((tmp_path / "there").exists)
            before = pool.lives()
            pool.recycle_all("a test asked for it")
            await pool.wait_replaced(before)  # it works on, and may as long as it takes
            assert outcome == []
            if drain > 1:
                pool.hurry()  # its calls have had that time
            scope.cancel()
            with trio.fail_after(60):
                await ended.wait()
        assert outcome == ["worker_lost"]


@pytest.mark.trio
async def test_a_pool_can_run_again_after_it_was_stopped():
    async with world() as made:
        pool = made.make_pool()
        client = None
        for _ in range(2):
            async with trio.open_nursery() as own:
                await own.start(pool.run)
                client = client or await made.client()
                assert await client.call("operator:add", 1, 1) == 2
                own.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_worker_that_was_spawned_early_is_adopted():
    async with world() as made:
        spec = PoolSpec(size=1)
        made.pump.set_pool(spec.policy(1))
        slot, incarnation = made.slots.take()
        early = spawn_worker(spec, slot, incarnation, prefix=made.pump.core.prefix, bridge=made.bridge)
        made.pump.attach_worker(early.wire)
        client = await made.client()
        pool = Pool(spec, made.pump, made.undertaker, made.slots, prefix=made.pump.core.prefix, early=[early])
        made.pools["default"] = pool
        assert await client.call("os:getpid") == early.process.pid
        await made.nursery.start(pool.run)
        assert [worker["pid"] for worker in pool.status()["workers"]] == [early.process.pid]


@pytest.mark.parametrize("leave_group", [False, True])
@pytest.mark.trio
async def test_what_a_worker_started_dies_with_it(tmp_path: Path, leave_group: bool):
    (tmp_path / "parent.py").write_text(
        "import subprocess, sys\n"
        "sleep = 'import time; time.sleep(3600)'\n"
        "code = f'import subprocess, sys; p = subprocess.Popen([sys.executable, \"-c\", {sleep!r}]);'\n"
        "code += ' print(p.pid, flush=True); p.wait()'\n"
        "def start(away):\n"
        "    p = subprocess.Popen([sys.executable, '-c', code], stdout=-1, start_new_session=away)\n"
        "    return [p.pid, int(p.stdout.readline())]\n"
    )
    async with world() as made:
        pool = await made.start_pool(paths=[str(tmp_path)])
        client = await made.client()
        child, grandchild = await client.call("parent:start", leave_group)
        os.kill(pid_of(pool), signal.SIGKILL)
        await until(lambda: is_gone(child) and is_gone(grandchild))


@pytest.mark.trio
async def test_the_cause_of_an_exit_is_told_upward():
    async with world() as made:
        pool = await made.start_pool()
        client = await made.client()
        with pytest.raises(CallError):
            await client.call("os:abort")
        await until(lambda: any(isinstance(notice, WorkerExited) for notice in made.notices))
        (exit_notice,) = [notice for notice in made.notices if isinstance(notice, WorkerExited)]
        assert exit_notice.cause.signal == signal.SIGABRT
        assert exit_notice.had_started_call
        assert pool.failure is None


@pytest.mark.trio
async def test_workers_are_marked_limited_and_first_to_go():
    async with world() as made:
        pool = await made.start_pool()
        client = await made.client()
        mark = await client.call("os:getenv", MARK)
        assert mark == f"{made.bridge}/0.1"
        assert await client.call("os:getpgid", 0) == pid_of(pool)
        assert await client.call("resource:getrlimit", 4) == (0, 0), "no core dumps"
        own = int(Path("/proc/self/oom_score_adj").read_text())
        theirs = int(Path(f"/proc/{pid_of(pool)}/oom_score_adj").read_text())
        assert theirs > own


def test_a_spec_that_can_not_work_is_refused_where_it_is_written():
    for options, text in [
        ({"size": 0}, "size is from 1"),
        ({"name": ""}, "a name is some text"),
        ({"init": "setup"}, "module:function"),
        ({"ready_timeout": 0}, "ready_timeout is a number of seconds above 0"),
        ({"drain": -1}, "drain is a number of seconds from 0 up"),
        ({"threads": 0}, "threads are from 1"),
    ]:
        with pytest.raises(PoolSpecError, match=text):
            PoolSpec(**options)  # type: ignore[arg-type]
    assert PoolSpec(size=3, spares=1).allowed_exits(3) == 8
    assert sys.executable == PoolSpec().executable
