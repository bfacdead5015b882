"""User code that fails in every way, on a real service: what its caller gets, that the rest goes on, what stays."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from running_service import Service, alive, descendants, wait_gone

import bascule
from bascule.bridge.client.blocking import Client
from bascule.bridge.errors import (
    CallError,
    Cancelled,
    NotEncodable,
    PythonError,
    Quarantined,
    Timeout,
    WorkerLost,
)

HERE = Path(__file__).parent


@pytest.fixture
def service(runtime_folder: Path, nothing_left: None) -> Iterator[Service]:
    service = Service(runtime_folder, "--path", str(HERE))
    yield service
    assert service.stop() == 0


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    with service.client() as client:
        yield client


def serves(client: Client) -> bool:
    """The next calls work, on every worker."""
    return [client.call("math:sqrt", 4) for _ in range(8)] == [2.0] * 8


@pytest.mark.parametrize(
    ("target", "arguments", "detail", "value"),
    [
        ("segfault", (), "signal", "SIGSEGV"),
        ("kill_self", (9,), "signal", "SIGKILL"),
        ("kill_from_thread", (), "signal", "SIGKILL"),
        ("exit_hard", (3,), "exit_code", 3),
    ],
)
def test_a_call_that_ends_its_worker_is_told_how_it_died(
    client: Client, target: str, arguments: tuple[object, ...], detail: str, value: object
) -> None:
    with pytest.raises(WorkerLost) as caught:
        client.call(f"faulty:{target}", *arguments)
    assert caught.value.details[detail] == value
    assert caught.value.details["offender"] == f"faulty:{target}"
    assert serves(client)


def test_other_calls_do_not_notice_a_worker_that_dies(client: Client) -> None:
    quick = [client.submit("math:sqrt", number) for number in range(500)]
    with pytest.raises(WorkerLost):
        client.call("faulty:segfault")
    assert [future.result() for future in quick] == [number**0.5 for number in range(500)]


@pytest.mark.parametrize("target", ["hang_stubbornly", "hang_in_c", "time:sleep"])
def test_a_deadline_is_kept_whatever_the_code_does(client: Client, target: str) -> None:
    arguments = () if target == "hang_stubbornly" else (60,)
    with pytest.raises(Timeout):
        client.call(target if ":" in target else f"faulty:{target}", *arguments, timeout=0.2)
    assert serves(client)


def test_a_cancelled_call_costs_no_worker_when_it_listens(client: Client) -> None:
    before = {worker["pid"] for worker in client.status()["workers"]}
    future = client.submit("time:sleep", 60)
    client.call("math:sqrt", 4)
    future.cancel()
    with pytest.raises(Cancelled):
        future.result()
    assert serves(client)
    assert {worker["pid"] for worker in client.status()["workers"]} == before


@pytest.mark.parametrize("target", ["close_everything_and_stay", "write_rubbish"])
def test_a_worker_that_breaks_its_wire_is_replaced(client: Client, target: str) -> None:
    with pytest.raises(WorkerLost):
        client.call(f"faulty:{target}")
    assert serves(client)


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("raise_base", "Uncaught"),
        ("raise_interrupt", "KeyboardInterrupt"),
        ("recurse", "RecursionError"),
        ("raise_unprintable", "raise_unprintable.<locals>.Bad"),
    ],
)
def test_whatever_is_raised_reaches_the_caller_and_the_worker_lives(client: Client, target: str, kind: str) -> None:
    with pytest.raises(PythonError) as caught:
        client.call(f"faulty:{target}")
    assert caught.value.class_name == kind
    assert "faulty.py" in (caught.value.traceback or "")
    assert serves(client)


def test_sys_exit_is_an_error_of_the_call_not_the_end_of_the_worker(client: Client) -> None:
    assert serves(client)
    before = {worker["pid"] for worker in client.status()["workers"]}
    with pytest.raises(PythonError) as caught:
        client.call("faulty:exit_politely", 3)
    assert caught.value.class_name == "SystemExit"
    assert serves(client)
    assert before <= {worker["pid"] for worker in client.status()["workers"]}


def test_cause_notes_and_frames_travel_as_data(client: Client) -> None:
    with pytest.raises(PythonError) as caught:
        client.call("faulty:cause")
    error = caught.value
    assert (error.class_name, error.module, error.message) == ("ValueError", "builtins", "second")
    assert error.frames[-1]["function"] == "cause"
    assert error.cause is not None
    assert error.cause.class_name == "KeyError"
    assert error.cause.notes == ["a note"]


def test_what_cannot_be_encoded_is_a_handle_or_a_clear_error(client: Client) -> None:
    with pytest.raises(NotEncodable, match="Unencodable"):
        client.call("faulty:unencodable", want="value")
    for target in ("cyclic", "unencodable"):
        assert client.call(f"faulty:{target}") is not None
    assert serves(client)


def test_very_deep_results_do_no_harm(client: Client) -> None:
    for depth in (100, 5_000, 100_000):
        try:
            client.call("faulty:nested", depth)
        except CallError as error:
            assert error.message
    assert serves(client)


def test_a_forked_child_that_returns_answers_nothing(client: Client) -> None:
    parents = {client.call("faulty:pid") for _ in range(20)}
    for _ in range(5):
        assert client.call("faulty:fork_and_return") in parents
    assert serves(client)


@pytest.mark.parametrize("session", [False, True], ids=["in its group", "in a session of its own"])
def test_what_a_worker_started_dies_with_it(client: Client, session: bool) -> None:
    worker, child = client.call("faulty:start_child_here", session)
    assert alive(child)
    os.kill(worker, signal.SIGKILL)
    assert wait_gone(child)
    assert serves(client)


def test_children_end_with_the_service(service: Service, client: Client) -> None:
    children = [client.call("faulty:start_child", session) for session in (False, True)]
    children.append(client.call("faulty:fork_and_leave_child"))
    assert service.stop() == 0
    assert all(wait_gone(child) for child in children)


def test_a_killed_service_leaves_no_process_behind(runtime_folder: Path, nothing_left: None) -> None:
    service = Service(runtime_folder, "--path", str(HERE))
    with service.client() as client:
        client.call("faulty:start_child", False)
        client.call("faulty:start_child", True)
        running = descendants(service.process.pid)
        assert len(running) >= 5
        service.kill()
        assert all(wait_gone(pid) for pid in running)
    service.socket.unlink()
    service.stop()


def test_all_workers_killed_at_once_are_replaced(client: Client) -> None:
    before = {worker["pid"] for worker in client.status()["workers"]}
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    assert serves(client)
    after = {worker["pid"] for worker in client.status()["workers"]}
    assert not before & after


def test_prints_of_a_hundred_megabytes_stop_nobody(service: Service, client: Client) -> None:
    with service.client() as other:
        noisy = client.submit("faulty:print_much", 100)
        assert serves(other)
        assert noisy.result() == 100


def test_all_ways_to_write_are_captured(service: Service) -> None:
    heard: dict[str, list[str]] = {"stdout": [], "stderr": []}

    def output(text: str, stream: str, _call_id: int) -> None:
        heard[stream].append(text)

    with bascule.connect(str(service.socket), output=output) as client:
        assert client.call("faulty:write_everywhere") == "done"
    out = "".join(heard["stdout"])
    assert all(word in out for word in ("print\n", "os.write\n", "dprintf\n", "child\n"))
    assert "print to stderr\n" in "".join(heard["stderr"])


def test_a_poison_call_is_quarantined_and_others_are_not(service: Service, client: Client) -> None:
    for _ in range(3):
        with pytest.raises(WorkerLost):
            client.call("faulty:segfault")
    with pytest.raises(Quarantined):
        client.call("faulty:segfault")
    assert serves(client)
    with service.client() as other, pytest.raises(WorkerLost):
        other.call("faulty:segfault")


def test_one_clients_crashes_do_not_stop_the_service_for_others(service: Service) -> None:
    with service.client() as good:
        for _ in range(12):
            with service.client() as bad, pytest.raises(WorkerLost):
                bad.call("faulty:exit_hard", 1)
        assert serves(good)


@pytest.mark.parametrize(
    "garbage",
    [b"\x00", b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 64, b"\x00" * 4096, os.urandom(1 << 16)],
    ids=["one byte", "http", "huge length", "zeros", "noise"],
)
def test_a_client_that_sends_garbage_is_dropped_and_others_do_not_notice(
    service: Service, client: Client, garbage: bytes
) -> None:
    with socket.socket(socket.AF_UNIX) as intruder:
        intruder.settimeout(10)
        intruder.connect(str(service.socket))
        try:
            intruder.sendall(garbage)
            intruder.shutdown(socket.SHUT_WR)
            while intruder.recv(65536):
                pass
        except (BrokenPipeError, ConnectionResetError):
            pass  # dropped before it had said everything
    assert serves(client)


def test_memory_limits_are_kept_and_the_caller_is_told(runtime_folder: Path, nothing_left: None) -> None:
    config = runtime_folder / "bascule.toml"
    config.write_text(
        f'[pools.default]\nsize = 2\npaths = ["{HERE}"]\nmemory_limit = {256 << 20}\n',
    )
    service = Service(runtime_folder, "--config", str(config))
    with service.client() as client:
        with pytest.raises(PythonError) as caught:
            client.call("faulty:eat_memory")
        assert caught.value.class_name == "MemoryError"
        assert serves(client)
    assert service.stop() == 0
    config.unlink()


def test_a_client_that_is_killed_leaves_no_call_behind(service: Service, client: Client) -> None:
    program = (
        "import bascule, sys\n"
        f"client = bascule.connect({str(service.socket)!r})\n"
        "client.submit('faulty:hang_stubbornly')\n"
        "print(client.call('faulty:pid'), flush=True)\n"
        "sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline().strip().isdigit()
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()
    assert serves(client)


def test_answers_do_not_wait_behind_a_call_that_suddenly_takes_long(runtime_folder: Path, nothing_left: None) -> None:
    pipe = runtime_folder / "pipe"
    os.mkfifo(pipe)
    service = Service(runtime_folder, "--path", str(HERE), workers=1)
    with service.client() as client:
        for _ in range(300):  # it is known as quick: many may be in the worker at a time
            assert client.call("faulty:wait_for", "") == "at once"
        quick = [client.submit("faulty:wait_for", "") for _ in range(8)]
        slow = client.submit("faulty:wait_for", str(pipe))
        after = client.submit("faulty:wait_for", "")
        assert [future.result() for future in quick] == ["at once"] * 8
        assert not slow.done()
        pipe.write_text("written")
        assert (slow.result(), after.result()) == ("written", "at once")
    assert service.stop() == 0
    pipe.unlink()


def test_a_service_whose_log_nobody_reads_goes_on(runtime_folder: Path, nothing_left: None) -> None:
    path = runtime_folder / "b.sock"
    command = [sys.executable, "-m", "bascule", "serve", "--socket", str(path), "--workers", "1", "--path", str(HERE)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    while b"listening" not in process.stderr.readline():
        pass
    with bascule.connect(str(path)) as client:
        writer = client.call("faulty:print_later", 400_000)  # far more than a pipe holds
        assert wait_gone(writer)
        assert serves(client)
    process.send_signal(signal.SIGTERM)
    process.stderr.read()
    assert process.wait() == 0
