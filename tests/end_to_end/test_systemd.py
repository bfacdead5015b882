"""What systemd and the service say to each other, over sockets that the test makes; and the units that are shipped."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from configured import eventually
from running_service import READY_WITHIN

import bascule

UNITS = Path(__file__).resolve().parent.parent.parent / "deploy" / "systemd"
ACTIVATED = """
import os, sys
fds = [int(fd) for fd in sys.argv[1].split(",") if fd]
for at, fd in enumerate(fds):  # a high number first: they may stand in each other's way
    os.dup2(fd, 100 + at)
for at in range(len(fds)):
    os.dup2(100 + at, 3 + at, inheritable=True)
if fds:
    os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.executable, [sys.executable, "-m", "bascule", *sys.argv[2:]])
"""


class Manager:
    """The test in systemd's place."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.notes = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notes.bind(str(folder / "notify"))
        self.notes.settimeout(READY_WITHIN)
        self.log = (folder / "log").open("w+")
        self.process: subprocess.Popen[bytes]

    def start(self, *words: str, sockets: tuple[socket.socket, ...] = (), names: str = "", watchdog: float = 0) -> None:
        fds = [sock.fileno() for sock in sockets]
        environment = {**os.environ, "NOTIFY_SOCKET": str(self.folder / "notify")}
        if fds:
            environment |= {"LISTEN_FDS": str(len(fds)), "LISTEN_FDNAMES": names}
        if watchdog:
            environment["WATCHDOG_USEC"] = str(round(watchdog * 1e6))
        command = [sys.executable, "-c", ACTIVATED, ",".join(map(str, fds)), *words]
        self.process = subprocess.Popen(
            command, env=environment, pass_fds=fds, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log
        )

    def note(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self.notes.recv(4096).decode().splitlines())

    def wait_for(self, **fields: str) -> dict[str, str]:
        """The next note that has these."""
        deadline = time.monotonic() + READY_WITHIN
        while time.monotonic() < deadline:
            note = self.note()
            if all(note.get(name) == value for name, value in fields.items()):
                return note
        raise AssertionError(f"nothing was said of {fields}")

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(READY_WITHIN)
        finally:
            self.process.kill()
            self.process.wait()
            self.notes.close()
            self.log.close()
            for name in ("notify", "log", "bascule.toml"):
                (self.folder / name).unlink(missing_ok=True)


@pytest.fixture
def manager(runtime_folder: Path, nothing_left: None) -> Iterator[Manager]:
    manager = Manager(runtime_folder)
    try:
        yield manager
    finally:
        manager.end()


def test_it_says_when_it_is_ready_reloads_and_stops(manager: Manager) -> None:
    file = manager.folder / "bascule.toml"
    file.write_text("[pools.default]\nsize = 1\n")
    path = manager.folder / "b.sock"
    manager.start("serve", "--config", str(file), "--socket", str(path))
    ready = manager.wait_for(READY="1")
    assert re.search(r"workers, \d+ sessions, \d+ calls running", ready["STATUS"])
    with bascule.connect(str(path)) as client:  # it is true
        assert client.call("os:getenv", "NOTIFY_SOCKET") is None  # a worker can't speak for the service
    manager.process.send_signal(signal.SIGHUP)
    reloading = manager.wait_for(RELOADING="1")
    assert int(reloading["MONOTONIC_USEC"]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    manager.wait_for(READY="1")
    with bascule.connect(str(path)) as client:
        gate = manager.folder / "gate"
        slow = client.submit(
            "builtins:exec", f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.01)"
        )
        client.flush()
        eventually(lambda: client.status()["calls"]["outstanding"] == 1)
        manager.process.terminate()
        assert manager.wait_for(STOPPING="1")["STATUS"]
        assert int(manager.note()["EXTEND_TIMEOUT_USEC"]) > 0
        gate.touch()
        assert slow.result(READY_WITHIN) is None
    gate.unlink()
    assert manager.process.wait(READY_WITHIN) == 0


def test_the_watchdog_hears_of_it_only_while_workers_answer(manager: Manager) -> None:
    path = manager.folder / "b.sock"
    manager.start("serve", "--socket", str(path), "--workers", "1", "--spares", "0", watchdog=1.0)
    manager.wait_for(READY="1")
    manager.wait_for(WATCHDOG="1")
    with bascule.connect(str(path)) as client:
        (worker,) = client.status()["workers"]
        os.kill(worker["pid"], signal.SIGSTOP)
        try:
            manager.notes.settimeout(3.0)  # three times as long as systemd would wait for a sign
            with pytest.raises(TimeoutError):  # in the end: signs may have been on their way
                for _ in range(100):
                    while "WATCHDOG" not in manager.note():
                        pass
        finally:
            manager.notes.settimeout(READY_WITHIN)
            os.kill(worker["pid"], signal.SIGCONT)
        manager.wait_for(WATCHDOG="1")
        busy = client.submit("time:sleep", 3)  # a long call is no fault
        client.flush()
        manager.wait_for(WATCHDOG="1")
        manager.wait_for(WATCHDOG="1")
        manager.wait_for(WATCHDOG="1")
        busy.cancel()


def test_it_takes_the_sockets_that_it_is_given(manager: Manager) -> None:
    team = manager.folder / "team.sock"
    file = manager.folder / "bascule.toml"
    file.write_text('[listeners.team]\nsystemd = "team"\nallow = ["math:*"]\n')
    listening = []
    for path in (manager.folder / "b.sock", team):
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(str(path))
        sock.listen()
        listening.append(sock)
    try:
        early = socket.socket(socket.AF_UNIX)
        early.connect(str(team))  # before the service is there: it waits
        manager.start("serve", "--config", str(file), sockets=tuple(listening), names="default:team")
        manager.wait_for(READY="1")
        early.close()
        with bascule.connect(str(manager.folder / "b.sock")) as client:
            assert client.call("os.path:join", "a", "b") == "a/b"
        with bascule.connect(str(team)) as client:
            assert client.call("math:sqrt", 4) == 2
            with pytest.raises(Exception, match="policy does not allow"):
                client.call("os.path:join", "a", "b")
        with bascule.connect(str(manager.folder / "b.sock")) as client:  # a reload takes and gives
            said = file.read_text()
            file.write_text("")
            assert client.ask("reload")["changed"] == ["listeners.team: removed"]
            file.write_text(said)
            assert client.ask("reload")["changed"] == ["listeners.team: added"]
        with bascule.connect(str(team)) as client:
            assert client.call("math:sqrt", 4) == 2
    finally:
        for sock in listening:
            sock.close()
        manager.process.terminate()
        manager.process.wait(READY_WITHIN)
        for path in (manager.folder / "b.sock", team):
            path.unlink()  # systemd's own: the service leaves them


def test_a_socket_that_is_none_is_refused_with_a_reason(manager: Manager) -> None:
    stream, other = socket.socketpair()
    with stream, other:
        manager.start("serve", sockets=(stream,), names="default")
        assert manager.process.wait(READY_WITHIN) == 2
    manager.log.seek(0)
    assert "no listening stream socket" in manager.log.read()


# ---- The units ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", sorted(path.name for path in UNITS.iterdir()))
def test_systemd_finds_no_fault_with_a_unit(unit: str, tmp_path: Path, needs: Callable[..., None]) -> None:
    needs("systemd-analyze")
    command = Path(sys.executable).parent / "bascule"
    for path in UNITS.iterdir():
        text = path.read_text().replace("%h/.local/bin/bascule", str(command))
        (tmp_path / path.name).write_text(text.replace("/usr/local/bin/bascule", str(command)))
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / unit)], capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize(("unit", "most"), [("bascule-hardened", 1.0), ("bascule-data-science", 2.0)])
def test_the_hardened_units_expose_little(unit: str, most: float, needs: Callable[..., None]) -> None:
    needs("systemd-analyze")
    told = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(UNITS / f"{unit}.service")],
        capture_output=True,
        text=True,
        check=False,
    )
    (exposure,) = re.findall(r"Overall exposure level for .*: ([0-9.]+)", told.stdout)
    assert float(exposure) <= most


def test_the_units_start_the_command_as_it_is() -> None:
    for path in UNITS.glob("*.service"):
        text = path.read_text()
        (start,) = re.findall(r"^ExecStart=\S+/bascule (.*)$", text, re.MULTILINE)
        assert start.split()[0] == "serve"
        assert "Type=notify" in text
        assert re.search(r"^TimeoutStopSec=\d+$", text, re.MULTILINE)
    assert shutil.which("bascule", path=str(Path(sys.executable).parent))
