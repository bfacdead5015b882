"""A bridge that is killed leaves no process behind, and one that ends in good order has no guardian left either."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pool_world import is_dead

from bascule.bridge.supervision.guardian import Guardian
from bascule.bridge.supervision.starting import MARK, new_bridge_id

FAMILY = """\
import subprocess, sys
sleep = "import time; time.sleep(3600)"
code = f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {sleep!r}]);"
code += " print(p.pid, flush=True); p.wait()"
def start(away):
    p = subprocess.Popen([sys.executable, "-c", code], stdout=-1, start_new_session=away)
    return [p.pid, int(p.stdout.readline())]
"""

pytestmark = pytest.mark.usefixtures("nothing_left")


def wait_until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.005)


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    (tmp_path / "family.py").write_text(FAMILY)
    program = Path(__file__).with_name("bridge_program.py")
    process = subprocess.Popen(
        [sys.executable, str(program), str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        start_new_session=True,
    )
    with process:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())
        process.kill()


def everyone(told: dict[str, Any]) -> list[int]:
    return [*told["workers"], *told["in_group"], *told["away"], told["guardian"]]


def test_a_bridge_killed_with_sigkill_leaves_nothing(bridge: tuple[subprocess.Popen[str], dict[str, Any]]):
    process, told = bridge
    assert not any(is_dead(pid) for pid in everyone(told))
    process.kill()
    process.wait()
    wait_until(lambda: all(is_dead(pid) for pid in everyone(told)))


def test_a_guardian_killed_before_its_bridge_was_replaced(bridge: tuple[subprocess.Popen[str], dict[str, Any]]):
    process, told = bridge
    os.kill(told["guardian"], signal.SIGKILL)

    def is_replaced() -> bool:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("\n")
        process.stdin.flush()
        return int(process.stdout.readline()) != told["guardian"]

    wait_until(is_replaced)
    process.kill()
    process.wait()
    wait_until(lambda: all(is_dead(pid) for pid in everyone(told)))


def test_a_bridge_that_ends_in_good_order_takes_everything_with_it(
    bridge: tuple[subprocess.Popen[str], dict[str, Any]],
):
    process, told = bridge
    process.communicate("", timeout=60)
    assert process.returncode == 0
    assert all(is_dead(pid) for pid in everyone(told))


def test_signals_to_the_bridges_group_do_not_reach_the_guardian(
    bridge: tuple[subprocess.Popen[str], dict[str, Any]],
):
    process, told = bridge
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(told["guardian"], number)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    wait_until(lambda: all(is_dead(pid) for pid in everyone(told)))


@pytest.fixture
def group() -> Iterator[subprocess.Popen[bytes]]:
    """A process that leads a group."""
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(3600)"], process_group=0) as it:
        yield it
        it.kill()


def stop_abruptly(guardian: Guardian) -> None:
    """As if the bridge were dead: the pipe ends without a word."""
    process = guardian._process
    assert process is not None
    os.close(guardian._pipe)
    process.wait()
    guardian._pipe, guardian._process = -1, None


def test_at_the_end_of_its_pipe_it_kills_the_groups_it_was_told_of(group: subprocess.Popen[bytes]):
    guardian = Guardian(new_bridge_id())
    guardian.start()
    guardian.watch(group.pid)
    stop_abruptly(guardian)
    assert group.wait() == -signal.SIGKILL


def test_a_group_that_it_was_told_to_forget_is_left_alone(group: subprocess.Popen[bytes]):
    guardian = Guardian(new_bridge_id())
    guardian.start()
    guardian.watch(group.pid)
    guardian.forget(group.pid)
    stop_abruptly(guardian)
    assert group.poll() is None


def test_dismissed_in_good_order_it_kills_nobody(group: subprocess.Popen[bytes]):
    guardian = Guardian(new_bridge_id())
    guardian.start()
    guardian.watch(group.pid)
    pid = guardian.pid
    guardian.close()
    assert pid is not None
    assert not Path(f"/proc/{pid}").exists()
    assert group.poll() is None


def test_what_left_its_group_is_found_by_its_mark():
    bridge = new_bridge_id()
    guardian = Guardian(bridge)
    guardian.start()
    sleeper = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(3600)"]
    ours = subprocess.Popen(sleeper, env={**os.environ, MARK: f"{bridge}/0.1"}, start_new_session=True)
    others = subprocess.Popen(sleeper, env={**os.environ, MARK: f"{bridge}0/0.1"}, start_new_session=True)
    stop_abruptly(guardian)
    assert ours.wait() == -signal.SIGKILL
    assert others.poll() is None, "another bridge's"
    others.kill()
    others.wait()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_one_that_died_or_reads_no_more_is_replaced_and_told_of_all_groups(
    group: subprocess.Popen[bytes], number: signal.Signals, caplog: pytest.LogCaptureFixture
):
    guardian = Guardian(new_bridge_id())
    guardian.start()
    guardian.watch(group.pid)
    first = guardian.pid
    assert first is not None
    os.kill(first, number)
    if number is signal.SIGKILL:
        wait_until(lambda: is_dead(first))
        guardian.check()
    else:
        for _ in range(20_000):  # until its pipe is full
            guardian.forget(1 << 20)
            if guardian.pid != first:
                break
    assert guardian.pid not in (first, None)
    assert group.poll() is None, "replacing it killed nobody"
    assert "another one is started" in caplog.text
    stop_abruptly(guardian)
    assert group.wait() == -signal.SIGKILL
