"""How commands start and end where something is not as it should be: descriptors, signals, limits."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from configured import Configured, eventually, pool
from running_service import READY_WITHIN

import bascule
from bascule.bridge.config import ConfigError
from bascule.bridge.config_file import check
from bascule.bridge.errors import BasculeError
from bascule.bridge.listener import ListenRefused, listening

COMMAND = [sys.executable, "-m", "bascule"]


@pytest.mark.parametrize(("closed", "name"), [("<&-", "input"), (">&-", "output")])
@pytest.mark.parametrize("command", ["pod math", "port"])
def test_a_client_that_is_not_there_is_named_at_once(command: str, closed: str, name: str) -> None:
    line = f"{sys.executable} -m bascule {command} {closed}"
    ended = subprocess.run(
        ["sh", "-c", line], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=READY_WITHIN
    )
    assert ended.returncode == 2
    assert f"the standard {name} is closed" in ended.stderr


def test_without_standard_error_a_pod_still_serves() -> None:
    line = f"{sys.executable} -m bascule pod math 2>&-"
    ended = subprocess.run(["sh", "-c", line], input=b"d2:op8:describee", capture_output=True, timeout=READY_WITHIN)
    assert ended.returncode == 0
    assert b"4:math" in ended.stdout


def test_a_second_signal_ends_the_service_at_once_and_in_good_order(runtime_folder: Path, nothing_left: None) -> None:
    service = Configured(runtime_folder, pool(size=1, drain=600))
    with service.client() as client:
        call = client.submit("time:sleep", 600)
        client.flush()
        eventually(lambda: client.status()["calls"]["outstanding"] == 1)
        service.process.send_signal(signal.SIGTERM)
        eventually(lambda: "drains and ends" in service.log())
        assert service.process.poll() is None
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(READY_WITHIN) == 0  # the drain alone would take ten minutes
        with pytest.raises(BasculeError):
            call.result()
    assert not service.socket.exists()
    service.stop()
    service.file.unlink()


def test_clients_cannot_use_up_the_descriptors_that_a_new_worker_needs(
    runtime_folder: Path, nothing_left: None
) -> None:
    socket_path = runtime_folder / "b.sock"
    limited = ["sh", "-c", 'ulimit -n 120 && exec "$@"', "sh", *COMMAND, "serve", "--socket", str(socket_path)]
    service = subprocess.Popen([*limited, "--workers", "1", "--spares", "0"], stderr=subprocess.PIPE, text=True)
    assert service.stderr is not None
    for line in service.stderr:
        if "listening" in line:
            break
    crowd: list[socket.socket] = []
    try:
        with bascule.connect(str(socket_path)) as client:
            assert client.call("math:sqrt", 16) == 4.0
            for _ in range(150):
                one = socket.socket(socket.AF_UNIX)
                crowd.append(one)
                one.connect(str(socket_path))
            for line in service.stderr:
                if "turned away" in line:
                    break
            with pytest.raises(BasculeError):
                client.call("os:_exit", 1)
            assert client.call("math:sqrt", 16) == 4.0
    finally:
        for one in crowd:
            one.close()
        service.terminate()
        service.communicate(timeout=READY_WITHIN)  # reads what it says to the end: a full pipe would hold it up
        assert service.returncode == 0


BROKEN_ROUTER = """
import sys, threading
from bascule.bridge.cli import serve
from bascule.bridge.cli.main import main

class Broken(serve.Bridge):
    def __init__(self, specs):
        super().__init__(specs)
        threading.Thread(target=self.fail_when_told, daemon=True).start()

    def fail_when_told(self):
        sys.stdin.readline()
        self.pump.post(lambda: 1 / 0)

serve.Bridge = Broken
sys.exit(main(["serve", "--workers", "1", "--socket", sys.argv[1]]))
"""


def test_a_service_whose_router_failed_ends_and_takes_its_workers_along(
    runtime_folder: Path, nothing_left: None
) -> None:
    path = runtime_folder / "b.sock"
    command = [sys.executable, "-c", BROKEN_ROUTER, str(path)]
    service = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert service.stderr is not None
    while "listening" not in service.stderr.readline():
        pass
    with bascule.connect(str(path)) as client:
        call = client.submit("time:sleep", 60)
        _, said = service.communicate("now\n", timeout=READY_WITHIN)
        with pytest.raises(BasculeError):
            call.result()
    assert service.returncode not in (0, None)
    assert "ZeroDivisionError" in said
    path.unlink(missing_ok=True)  # as after a kill: the next service replaces it


@pytest.mark.parametrize("key", ["deadline", "cancel_grace", "drain", "grace", "retry", "handle_lease"])
@pytest.mark.parametrize("value", [float("inf"), float("nan"), 1e12])
def test_a_time_that_no_clock_can_wait_for_is_refused(key: str, value: float) -> None:
    with pytest.raises(ConfigError, match=key):
        check({"pools": {"default": {key: value}}}, "here")


def test_a_path_that_is_too_long_for_a_socket_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(ListenRefused, match="too long"), listening(tmp_path / ("x" * 120)):
        pass


@pytest.mark.parametrize("command", ["pod", "port"])
def test_with_no_input_and_a_file_as_output_it_ends_in_peace(command: str, tmp_path: Path, nothing_left: None) -> None:
    with (tmp_path / "out").open("wb") as out:
        done = subprocess.run(
            [sys.executable, "-m", "bascule", command],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.PIPE,
            timeout=READY_WITHIN,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, b"")
