"""How a worker died is told from what the kernel says, and from nothing else."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bascule.bridge.supervision import exits
from bascule.bridge.supervision.exits import ExitCause, OomWatch, oom_counter, peek_exit


def run_and_peek(code: str) -> ExitCause:
    process = subprocess.Popen([sys.executable, "-I", "-S", "-c", code])
    pidfd = os.pidfd_open(process.pid)
    try:
        select.select([pidfd], [], [])
        first = peek_exit(pidfd)
        assert peek_exit(pidfd) == first, "peeking leaves the zombie to be reaped"
        process.wait()
        assert peek_exit(pidfd) == ExitCause(), "once reaped, nothing is known"
        return first
    finally:
        os.close(pidfd)


def test_an_exit_code_is_told():
    cause = run_and_peek("raise SystemExit(3)")
    assert cause == ExitCause(code=3)
    assert cause.describe() == "exit code 3"
    assert cause.details() == {"exit_code": 3}


@pytest.mark.parametrize("name", ["SIGKILL", "SIGSEGV", "SIGTERM"])
def test_a_signal_is_told_by_name(name: str):
    number = signal.Signals[name]
    prelude = "import os, resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0));"
    cause = run_and_peek(f"{prelude} os.kill(os.getpid(), {int(number)})")
    assert cause == ExitCause(signal=number)
    assert cause.describe() == f"killed by {name}"
    assert cause.details() == {"signal": name}


def test_a_signal_without_a_name_is_told_by_number():
    assert ExitCause(signal=40).describe() == "killed by signal 40"


def test_a_running_process_has_no_cause_yet():
    process = subprocess.Popen([sys.executable, "-I", "-S", "-c", "input()"], stdin=subprocess.PIPE)
    pidfd = os.pidfd_open(process.pid)
    with pytest.raises(BlockingIOError):
        peek_exit(pidfd)
    process.communicate(b"\n")
    os.close(pidfd)


def test_a_worker_that_was_never_ready_says_how_long_it_was_given():
    cause = ExitCause(signal=9, not_ready=True, ready_timeout=30.0)
    assert cause.describe() == "did not become ready within 30 s"
    assert cause.details() == {"signal": "SIGKILL", "not_ready": True, "ready_timeout": 30.0}


def test_out_of_memory_is_claimed_once_for_each_kill_the_kernel_counted(tmp_path: Path):
    counter = tmp_path / "memory.events"
    counter.write_text("low 0\noom 4\noom_kill 4\n")
    watch = OomWatch(counter)
    assert not watch.claim(), "kills from before are not ours"
    counter.write_text("low 0\noom 6\noom_kill 6\n")
    assert [watch.claim(), watch.claim(), watch.claim()] == [True, True, False]


def test_a_kill_that_nobody_claimed_lapses(tmp_path: Path):
    counter = tmp_path / "memory.oom_control"
    counter.write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 0\n")
    watch = OomWatch(counter)
    counter.write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n")
    watch.tick()
    watch.tick()
    assert not watch.claim()


def test_a_kill_just_before_a_tick_can_still_be_claimed(tmp_path: Path):
    counter = tmp_path / "memory.events"
    counter.write_text("oom_kill 0\n")
    watch = OomWatch(counter)
    counter.write_text("oom_kill 1\n")
    watch.tick()
    assert watch.claim()


def test_only_a_sigkill_can_be_out_of_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    counter = tmp_path / "memory.events"
    counter.write_text("oom_kill 0\n")
    watch = OomWatch(counter)
    monkeypatch.setattr(exits, "oom_watch", lambda pid: watch)
    counter.write_text("oom_kill 1\n")
    die_of = "import os; os.kill(os.getpid(), {})"
    assert run_and_peek("raise SystemExit(1)") == ExitCause(code=1)
    assert run_and_peek(die_of.format(15)) == ExitCause(signal=15)
    process = subprocess.Popen([sys.executable, "-I", "-S", "-c", die_of.format(9)])
    pidfd = os.pidfd_open(process.pid)
    select.select([pidfd], [], [])
    cause = peek_exit(pidfd)
    assert cause.out_of_memory
    assert cause.describe() == "out of memory"
    process.wait()
    os.close(pidfd)


def test_without_a_counter_nothing_is_ever_out_of_memory():
    assert not OomWatch(None).claim()


def test_the_counter_is_found_in_both_versions_of_control_groups(tmp_path: Path):
    (tmp_path / "a.slice").mkdir()
    (tmp_path / "a.slice" / "memory.events").touch()
    (tmp_path / "memory" / "jobs").mkdir(parents=True)
    (tmp_path / "memory" / "memory.oom_control").touch()
    (tmp_path / "memory" / "jobs" / "memory.oom_control").touch()
    root = str(tmp_path)
    assert oom_counter("0::/a.slice\n", root) == f"{root}/a.slice/memory.events"
    assert oom_counter("8:pids:/\n4:memory:/jobs\n0::/\n", root) == f"{root}/memory/jobs/memory.oom_control"
    assert oom_counter("4:memory:/of/the/host\n", root) == f"{root}/memory/memory.oom_control"
    assert oom_counter("0::/\n", root) is None, "the root group of version 2 has no counter"
    assert oom_counter("rubbish\n", root) is None
