"""User code that forks, starts programs, or ends the process; and what is left of the wire."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from bascule.protocols.calls import Op
from bascule.protocols.envelope import Flag, Kind
from bascule.workers import launch
from tests.workers.conftest import PROJECT
from tests.workers.harness import PATIENCE, Worker, value_of, wait_until


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("how", "status"), [("return", 0), ("raise", 1), ("exit", 7), ("_exit", 9)])
def test_a_forked_child_never_answers_the_call(how: str, status: int, threads: int) -> None:
    with Worker(paths=[str(PROJECT)], threads=threads) as worker:
        for _ in range(3):
            assert worker.call("things:fork_and", how) == [status]
        worker.ask("ping")
        assert worker.frames == []
        assert worker.call("things:add", 1, 1) == 2
        assert worker.printed() == ""  # the child's text went to fd 1


def test_what_a_forked_child_prints_goes_to_the_real_descriptors() -> None:
    with Worker(paths=[str(PROJECT)]) as worker:
        worker.call("things:fork_and", "raise")
        assert worker.process.stdout is not None
        assert worker.process.stderr is not None
        assert os.read(worker.process.stdout.fileno(), 100) == b"printed by the child\n"
        assert b"ValueError: in the child" in os.read(worker.process.stderr.fileno(), 10_000)


def test_fork_itself_can_be_called(worker: Worker) -> None:
    pid = worker.call("os:fork")
    assert worker.call("os:waitpid", pid, 0) == (pid, 0)
    answers = worker.call("things:fork_and", [["exit"], ["return"], ["raise"]], op=Op.MAP)
    assert answers == [[[7], [0], [1]], []]
    assert worker.call("things:fork_and", None, ["exit", "return", "raise"], op=Op.MAP) == answers


def test_a_generator_that_forks_streams_once(worker: Worker) -> None:
    call_id = worker.start("things:fork_a_generator", flags=Flag.STREAM)
    worker.send(Kind.CREDIT, call_id, struct.pack("<I", 10))
    assert worker.result(call_id) == 0
    assert value_of(worker.wait_for(lambda frame: frame[3] == call_id)) is Kind.END


def test_multiprocessing_works_in_calls(worker: Worker) -> None:
    assert worker.call("things:pool_map", 5) == [5, 4, 3, 2, 1]
    assert worker.call("things:spawned", -3) == 3


def test_neither_children_nor_programs_inherit_the_wire(worker: Worker) -> None:
    stdin, stdout, _, count = worker.call("things:child_descriptors")
    assert stdin == "/dev/null"
    assert stdout.startswith("pipe:")
    assert int(count) <= 4  # 0, 1, 2 and the folder that is listed


def test_the_wire_is_far_from_what_user_code_closes(worker: Worker) -> None:
    worker.call("os:closerange", 3, 200)
    assert worker.call("things:add", 1, 1) == 2


@pytest.mark.parametrize(("target", "args", "code"), [("os:_exit", [5], 5), ("os:abort", [], -signal.SIGABRT)])
def test_code_that_ends_the_process_ends_it(target: str, args: list[int], code: int) -> None:
    with Worker(paths=[str(PROJECT)]) as worker:
        call_id = worker.start("things:add", 1, 1)
        worker.result(call_id)
        worker.start(target, *args)
        assert worker.process.wait(PATIENCE) == code


def test_the_end_of_the_wire_ends_the_worker() -> None:
    for threads in (1, 2):
        with Worker(threads=threads) as worker:
            worker.end_wire()
            assert worker.process.wait(PATIENCE) == 0


def test_the_end_of_the_wire_lets_exit_handlers_run(tmp_path: Path) -> None:
    with Worker() as worker:
        worker.exec(f"import atexit; atexit.register(lambda: open({str(tmp_path / 'left')!r}, 'w').close())")
        worker.end_wire()
        assert worker.process.wait(PATIENCE) == 0
        assert (tmp_path / "left").exists()


@pytest.mark.parametrize("threads", [1, 2])
def test_sigterm_finishes_the_call_that_runs_and_takes_no_other(threads: int, tmp_path: Path) -> None:
    go = tmp_path / "go"
    with Worker(paths=[str(PROJECT)], threads=threads) as worker:
        running = [worker.start("things:wait_for_file", str(go)) for _ in range(threads)]
        waiting = worker.start("builtins:open", str(tmp_path / "mark"), "w")
        for call_id in running:
            worker.wait_until_running(call_id)
        worker.process.send_signal(signal.SIGTERM)
        wait_until(lambda: _pending_signals(worker.process.pid) == 0)
        go.touch()
        assert worker.process.wait(PATIENCE) == 0
        for call_id in running:
            assert worker.result(call_id) is True
        worker.poll()
        assert [frame for frame in worker.frames if frame[3] == waiting] == []
        assert not (tmp_path / "mark").exists()


def test_sigterm_in_the_midst_of_builtins_lets_the_next_call_wait(tmp_path: Path) -> None:
    """No Python code runs between the two calls but the worker's own."""
    go = tmp_path / "go"
    with Worker(paths=[str(PROJECT)]) as worker:
        running = worker.start("things:wait_for_file", str(go))
        worker.wait_until_running(running)
        last = worker.start("os:killpg", worker.process.pid, int(signal.SIGTERM))
        waiting = worker.start("builtins:open", str(tmp_path / "mark"), "w")
        go.touch()  # now both are read at once
        assert worker.process.wait(PATIENCE) == 0
        assert worker.result(last) is None
        worker.poll()
        assert [frame for frame in worker.frames if frame[3] == waiting] == []
        assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("threads", [1, 2])
def test_sigterm_ends_an_idle_worker(threads: int) -> None:
    with Worker(threads=threads) as worker:
        worker.ask("ping")
        worker.process.send_signal(signal.SIGTERM)
        assert worker.process.wait(PATIENCE) == 0


def test_sigint_is_the_bridges_affair(tmp_path: Path) -> None:
    go = tmp_path / "go"
    with Worker(paths=[str(PROJECT)]) as worker:
        call_id = worker.start("things:wait_for_file", str(go))
        worker.wait_until_armed(call_id)
        for _ in range(3):
            worker.process.send_signal(signal.SIGINT)
        go.touch()
        assert worker.result(call_id) is True
        # What is started from here must not inherit that.
        child = worker.call("subprocess:run", [sys.executable, "-c", "import signal; print(signal.getsignal(2))"])
        assert "SIG_IGN" not in str(child)
        assert worker.ask("ping")["op"] == "pong"


def test_a_worker_dies_with_its_parent(tmp_path: Path) -> None:
    """A parent that is killed leaves no worker, although somebody else still holds the pipes."""
    program = f"""
import os, subprocess, sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from bascule.workers import launch, page
r, w = os.pipe()
r2, w2 = os.pipe()
p = page.create_page()
child = subprocess.Popen(launch.command(sys.executable, r, w2, p), pass_fds=(r, w2, p))
print(child.pid, flush=True)
sys.stdin.read()
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    pidfd = os.pidfd_open(pid)
    status = Path(f"/proc/{pid}/cmdline")
    wait_until(lambda: b"bascule" in status.read_bytes())
    parent.kill()
    parent.wait()
    parent.communicate()
    import select

    assert select.select([pidfd], [], [], PATIENCE)[0], "it is still there"
    os.close(pidfd)


def test_a_worker_whose_parent_is_already_gone_leaves() -> None:
    command = launch.command(sys.executable, 0, 1, 2)
    assert command[4:7] == ["0", "1", "2"]
    command[7] = "1"  # as if the process that asked for it had died
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False)
    assert done.returncode == 1
    assert b"gone" in done.stderr


def test_rubbish_on_the_wire_ends_the_worker_with_a_word() -> None:
    with Worker() as worker:
        worker.write(b"\xff" * 64)
        assert worker.process.wait(PATIENCE) != 0
        assert worker.process.stderr is not None
        assert b"over the limit" in worker.process.stderr.read()


def test_a_worker_without_a_configuration_says_so() -> None:
    with Worker(configure=False) as worker:
        worker.send(Kind.CALL, 1, b"")
        assert worker.process.wait(PATIENCE) == 1
        assert worker.process.stderr is not None
        assert b"configuration" in worker.process.stderr.read()


def test_a_bridge_that_stops_reading_holds_the_worker_and_loses_nothing(worker: Worker) -> None:
    data = bytes(1 << 20)
    ids = [worker.start("things:same", number) for number in range(50)]
    ids += [worker.start("things:same", data) for _ in range(3)]
    for call_id in ids[:50]:
        worker.result(call_id)
    for call_id in ids[50:]:
        assert worker.result(call_id) == data


def test_memory_stays_bounded_for_large_payloads() -> None:
    size = 32 << 20
    with Worker(paths=[str(PROJECT)]) as worker:
        worker.call("things:add", 1, 1)

        def peak() -> int:
            status = Path(f"/proc/{worker.process.pid}/status").read_text()
            return int(status.split("VmHWM:")[1].split()[0]) * 1024

        before = peak()
        assert len(worker.call("things:same", bytes(size))) == size
        assert peak() - before <= 4 * size + (8 << 20)


def test_sigterm_ends_a_worker_whose_stream_would_never_end() -> None:
    with Worker(paths=[str(PROJECT)]) as worker:
        call_id = worker.start("things:count_forever", flags=Flag.STREAM)
        worker.send(Kind.CREDIT, call_id, struct.pack("<I", 1 << 31))
        worker.result(call_id)
        worker.process.send_signal(signal.SIGTERM)
        wait_until(lambda: worker.poll() is None and worker.process.poll() is not None)
        assert worker.process.returncode == 0


def _pending_signals(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return sum(int(status.split(name)[1].split()[0], 16) for name in ("SigPnd:", "ShdPnd:"))
