"""The operator's commands on a real service."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import struct
import subprocess
import sys
import termios
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from configured import Configured, eventually, pool
from running_service import READY_WITHIN

import bascule
from bascule.bridge.errors import Cancelled, PoolUnavailable, ShuttingDown


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Configured]:
    import tempfile

    with tempfile.TemporaryDirectory(prefix="bsc-", dir="/tmp") as folder:
        audit = f'[audit]\nfile = "{folder}/audit.jsonl"\n[logging]\nfile = "{folder}/service.log"\nformat = "json"\n'
        service = Configured(Path(folder), pool() + audit)
        try:
            yield service
        finally:
            service.stop()


def test_status_tells_of_pools_and_workers(service: Configured) -> None:
    status = service.told("status")
    assert status["pools"]["default"]["size"] == 2
    assert {"default"} == {worker["pool"] for worker in status["workers"]}
    shown = service.command("status").stdout
    assert "POOL" in shown
    assert "default/" in shown


def test_calls_are_listed_with_their_age_and_can_be_cancelled(service: Configured) -> None:
    with bascule.connect(str(service.socket), name="the long one") as client:
        future = client.submit("time:sleep", 60)
        client.flush()
        (row,) = eventually(lambda: [call for call in service.told("calls") if call["state"] == "sent"])
        assert (row["target"], row["client"]) == ("time:sleep", "the long one")
        assert row["age"] > 0
        assert row["worker"].startswith("default/")
        done = service.command("calls", "cancel", row["call"])
        assert (done.returncode, done.stdout) == (0, f"cancelled {row['call']}: time:sleep\n")
        with pytest.raises(Cancelled, match="by an operator"):
            future.result(30)
        again = service.command("calls", "cancel", row["call"])
        assert again.returncode == 1
        assert "no call is listed as" in again.stderr
    assert service.command("calls", "cancel").returncode == 2


def test_sessions_and_handles_are_listed_without_their_secrets(service: Configured) -> None:
    with bascule.connect(str(service.socket), name="who holds") as client:
        held = client.object("served:Box")
        (row,) = [row for row in service.told("handles") if row["type"].endswith("Box")]
        assert row["session"] == client.welcome.session
        assert "token" not in row
        sessions = {row["client"]: row for row in service.told("sessions")}
        assert sessions["who holds"]["who"].startswith("uid ")
        assert held.pid()
        assert "who holds" in service.command("sessions").stdout
        assert "Box" in service.command("handles").stdout


def test_pools_are_added_scaled_drained_and_removed(service: Configured) -> None:
    assert service.command("pool", "add", "extra", "size=1", 'env={ COLOUR = "red" }').returncode == 0
    path = str(Path(__file__).resolve().parent)
    with bascule.connect(str(service.socket), pool="extra") as client:
        assert client.call("os:getenv", "COLOUR") == "red"
        assert service.told("pool", "scale", "extra", "2") == {"op": "scale", "pool": "extra", "size": 2}
        assert service.told("pool", "drain", "extra")["left"] == 0
        with pytest.raises(PoolUnavailable, match="is drained"):
            client.call("math:sqrt", 1)
        assert service.command("pool", "resume", "extra").returncode == 0
        assert client.call("math:sqrt", 1) == 1
        names = [row["name"] for row in service.told("pool", "list")]
        assert names == ["default", "extra"]
    assert service.command("pool", "remove", "extra").returncode == 0
    for words, said in [
        (("pool", "remove", "default"), "at least one pool"),
        (("pool", "drain", "none"), "there is no pool 'none'"),
        (("pool", "scale", "default", "0"), "1 to 4096 workers"),
        (("pool", "add", "default"), "already"),
        (("pool", "add", "bad", "sise=1"), "did you mean size?"),
        (("pool", "add", "bad", "python=/no/python"), "an interpreter that can be run"),
        (("pool", "add", "bad", "preload=['no_such_module']"), "no_such_module"),
    ]:
        done = service.command(*words)
        assert done.returncode == 1, words
        assert said in done.stderr
    assert service.command("pool", "add", "bad", "size").returncode == 2
    assert [row["name"] for row in service.told("pool", "list")] == ["default"]
    assert path


def test_logs_are_shown_and_followed(service: Configured) -> None:
    assert "listening on" in service.command("logs").stdout
    line = [sys.executable, "-m", "bascule", "logs", "--socket", str(service.socket), "-f", "-n", "1", "--json"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as follower:
        assert follower.stdout is not None
        assert json.loads(follower.stdout.readline())["message"]
        assert service.command("pool", "restart", "default").returncode == 0
        records = map(json.loads, follower.stdout)  # others may be between
        assert any("is recycled: an operator asked for it" in record["message"] for record in records)
        follower.terminate()
    file = service.file.parent / "service.log"
    eventually(lambda: any("is recycled" in json.loads(line)["message"] for line in file.read_text().splitlines(True)))


def test_top_shows_one_picture(service: Configured) -> None:
    shown = service.command("top", "--once")
    assert shown.returncode == 0, shown.stderr
    assert "calls/s" in shown.stdout


def test_top_follows_a_pool_on_a_terminal_until_ctrl_c(service: Configured) -> None:
    line = [sys.executable, "-m", "bascule", "top", "--socket", str(service.socket), "--interval", "0.05"]
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 120, 0, 0))
    environment = {**os.environ, "TERM": "xterm"}
    top = subprocess.Popen(line, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True)
    os.close(theirs)
    shown = b""
    try:

        def read_until(text: bytes) -> None:
            nonlocal shown
            while text not in shown:
                shown += os.read(ours, 65536)

        read_until(b"default/")
        assert service.command("pool", "add", "topmost", "size=1").returncode == 0
        read_until(b"topmost/")
        os.kill(top.pid, signal.SIGINT)
        read_until(b"\x1b[?1049l")  # the terminal is given back
        assert top.wait(READY_WITHIN) == 130
    finally:
        top.kill()
        top.wait()
        os.close(ours)
        service.command("pool", "remove", "topmost")


def test_top_prints_one_picture_after_the_other_into_a_pipe(service: Configured) -> None:
    line = [sys.executable, "-m", "bascule", "top", "--socket", str(service.socket), "--interval", "0.05"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as top:
        assert top.stdout is not None
        pictures = 0
        while pictures < 2:
            pictures += "under way" in top.stdout.readline()
        top.kill()


def test_the_audit_says_who_called_what_with_what_outcome_and_no_payload(service: Configured) -> None:
    with bascule.connect(str(service.socket), name="audited") as client:
        client.call("builtins:len", "a secret")
        with pytest.raises(ZeroDivisionError):
            client.call("operator:truediv", 1, 0)
    audit = service.file.parent / "audit.jsonl"

    def rows() -> list[dict[str, object]]:
        found = [json.loads(line) for line in audit.read_text().splitlines()]
        found = [row for row in found if row["client"] == "audited"]
        return found if len(found) == 2 else []

    first, second = eventually(rows)
    assert (first["target"], first["outcome"]) == ("builtins:len", "ok")
    assert (second["target"], second["outcome"]) == ("operator:truediv", "error")
    assert str(first["who"]).startswith("uid ")
    assert "secret" not in audit.read_text()
    assert audit.stat().st_mode & 0o077 == 0


def test_no_service_is_a_status_of_its_own(tmp_path: Path) -> None:
    line = [sys.executable, "-m", "bascule", "status", "--socket", str(tmp_path / "none.sock")]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "no service at" in done.stderr


def test_stop_finishes_what_was_accepted(runtime_folder: Path, nothing_left: None) -> None:
    service = Configured(runtime_folder, pool(size=1))
    try:
        with service.client() as client:
            gate = runtime_folder / "gate"
            futures = [client.submit("served:behind", str(gate)) for _ in range(3)]
            client.flush()
            eventually(lambda: client.status()["calls"]["outstanding"] == 3)
            with ThreadPoolExecutor(1) as beside:
                stopping = beside.submit(service.command, "stop")
                eventually(lambda: "drains and ends" in service.log())
                with pytest.raises(ShuttingDown):
                    client.call("math:sqrt", 4)
                gate.touch()
                assert stopping.result().returncode == 0
            assert service.process.poll() == 0  # the command has waited for its end: another may start here
            assert all(future.result(READY_WITHIN) for future in futures)  # those that waited in the queue, too
            gate.unlink()
    finally:
        service.stop()
        service.file.unlink()


def test_metrics_are_told_by_pool_function_and_cause(service: Configured) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    def samples() -> dict[tuple[str, ...], float]:
        done = service.command("metrics")
        assert done.returncode == 0, done.stderr
        return {
            (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
            for family in text_string_to_metric_families(done.stdout)
            for sample in family.samples
        }

    with service.client() as client:
        eventually(
            lambda: client.call("math:fabs", -1) and ("bascule_call_seconds_count", "math:fabs", "default") in samples()
        )
        held = client.object("served:Box")
        client.kill_worker(client.status()["workers"][0]["slot"])
        found = eventually(lambda: (s := samples()).get(("bascule_worker_ends_total", "operator", "default")) and s)
        assert found["bascule_call_seconds_bucket", "math:fabs", "+Inf", "default"] >= 1
        assert found["bascule_calls_total", "reply"] >= 1
        assert found["bascule_sessions",] >= 2
        assert found["bascule_pool_queued", "default"] == 0
        assert found["bascule_process_resident_bytes", "bridge"] > 1 << 20
        assert any(name[0] == "bascule_process_cpu_seconds_total" and name[1] != "bridge" for name in found)
        assert held is not None
        eventually(lambda: any(name[0] == "bascule_worker_handles" for name in samples()))
        assert service.command("pool", "restart", "default").returncode == 0
        names = {row["name"].rpartition(".")[0] for row in client.status()["workers"]}
        assert {name[1] for name in samples() if name[0] == "bascule_worker_handles"} <= names


def test_a_full_disk_costs_lines_of_logs_and_audit_and_nothing_else(runtime_folder: Path, nothing_left: None) -> None:
    full = '[logging]\nfile = "/dev/full"\n[audit]\nfile = "/dev/full"\n'
    service = Configured(runtime_folder, pool() + full)
    audit = runtime_folder / "audit.jsonl"
    try:
        with service.client() as client:
            assert [client.call("math:sqrt", 4) for _ in range(100)] == [2] * 100
            eventually(lambda: "audit: lines are lost: /dev/full: No space left on device" in service.log())
            eventually(lambda: "log lines are lost: [Errno 28] No space left on device" in service.log())
            assert client.call("math:sqrt", 9) == 3
            service.write(pool() + f'[audit]\nfile = "{audit}"\n')  # there is room elsewhere
            assert service.command("reload").returncode == 0
            assert client.call("math:sqrt", 16) == 4
        eventually(lambda: audit.stat().st_size)
        assert json.loads(audit.read_text().splitlines()[-1])["target"] == "math:sqrt"
    finally:
        assert service.stop() == 0
        service.file.unlink()
        audit.unlink(missing_ok=True)


def test_a_line_of_the_audit_that_was_torn_spoils_no_other(tmp_path: Path) -> None:
    program = """
        import resource, signal, sys
        from pathlib import Path
        from bascule.bridge.operations.audit import AuditLog
        from bascule.bridge.router.core import RouterCore
        from bascule.bridge.router.peers import Session
        from bascule.bridge.doors.service import ServiceDoor

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        core = RouterCore()
        log = AuditLog(core, Path(sys.argv[1]))
        session = Session(1, ServiceDoor(), "default", "")
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
        log.note(session, b"first:of_all", "ok", None)
        log.write()
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        log.note(session, b"second:one", "ok", None)
        log.close()
        """
    file = tmp_path / "audit.jsonl"
    subprocess.run([sys.executable, "-c", textwrap.dedent(program), str(file)], check=True, timeout=60)
    torn, whole = file.read_text().splitlines()
    assert len(torn) == 100
    assert json.loads(whole)["target"] == "second:one"
