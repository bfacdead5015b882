"""A configuration is read again: what changed is applied, no call or handle is lost, mistakes change nothing."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from configured import Configured, eventually, pool
from running_service import READY_WITHIN

import bascule
from bascule.bridge.errors import HandleLost, PoolUnavailable, ServiceRefused


@pytest.fixture
def place(runtime_folder: Path, nothing_left: None) -> Iterator[Path]:
    yield runtime_folder
    (runtime_folder / "bascule.toml").unlink(missing_ok=True)


def test_calls_go_on_while_a_reload_replaces_their_workers(place: Path) -> None:
    service = Configured(place, pool(env={"COLOUR": "red"}))
    try:
        with service.client() as client:
            before = client.call("served:rest", 0)
            long = client.submit("served:rest", 1.5)
            many = [client.submit("served:rest", 0.01) for _ in range(60)]
            service.write(pool(env={"COLOUR": "blue"}, size=3))
            done = service.command("reload")
            assert (done.returncode, done.stdout) == (0, "pools.default: size, env changed\n"), done.stderr
            assert all(future.result(READY_WITHIN) for future in many)
            assert long.result(READY_WITHIN)
            assert client.call("served:colour") == "blue"
            assert client.status()["pools"]["default"]["size"] == 3
            eventually(lambda: before not in [worker["pid"] for worker in client.status()["workers"]])
    finally:
        service.stop()


def test_a_file_that_is_wrong_changes_nothing_and_says_so(place: Path) -> None:
    service = Configured(place, pool())
    try:
        with service.client() as client:
            before = client.status()["workers"]
            service.write(pool(size=0))
            done = service.command("reload")
            assert done.returncode == 1
            assert f"{service.file}:2: pools.default.size: found 0; allowed: a whole number from 1" in done.stderr
            service.process.send_signal(signal.SIGHUP)
            eventually(lambda: "SIGHUP: the configuration is as it was" in service.log())
            now = client.status()["workers"]
            assert [worker["pid"] for worker in now] == [worker["pid"] for worker in before]
    finally:
        service.stop()


def test_a_pool_whose_new_workers_cannot_start_stays_as_it_was(place: Path) -> None:
    service = Configured(place, pool(env={"COLOUR": "red"}))
    try:
        with service.client() as client:
            box = client.object("served:Box")
            service.write(pool(env={"COLOUR": "blue"}, preload=["no_such_module"]))
            done = service.command("reload")
            assert done.returncode == 1
            assert "stays as it was" in done.stderr
            assert "no_such_module" in done.stderr
            assert client.call("served:colour") == "red"
            assert box.pid()
            service.write(pool(env={"COLOUR": "green"}))
            assert service.command("reload").returncode == 0
            assert client.call("served:colour") == "green"
    finally:
        service.stop()


def test_sighup_reloads_and_pools_come_and_go(place: Path) -> None:
    service = Configured(place, pool())
    try:
        service.write(pool() + "[pools.extra]\nsize = 1\n")
        service.process.send_signal(signal.SIGHUP)
        eventually(lambda: "reloaded: pools.extra: added" in service.log())
        with bascule.connect(str(service.socket), pool="extra") as client:
            running = client.submit("time:sleep", 0.5)
            client.flush()
            eventually(lambda: client.status()["calls"]["outstanding"])
            service.write(pool())
            done = service.command("reload")
            assert (done.returncode, done.stdout) == (0, "pools.extra: removed\n")
            assert running.result(READY_WITHIN) is None  # it was accepted, so it was done
            with pytest.raises(PoolUnavailable):
                client.call("math:sqrt", 4)
    finally:
        service.stop()


def test_a_pool_that_an_operator_removed_comes_back_with_a_reload(place: Path) -> None:
    service = Configured(place, pool() + "[pools.extra]\nsize = 1\n")
    try:
        assert service.command("pool", "remove", "extra").returncode == 0
        service.write(pool() + "[pools.extra]\nsize = 2\n")
        done = service.command("reload")
        assert (done.returncode, done.stdout) == (0, "pools.extra: added\n"), done.stderr
        with bascule.connect(str(service.socket), pool="extra") as client:
            assert client.status()["pools"]["extra"]["size"] == 2
            assert client.call("math:sqrt", 4) == 2
    finally:
        service.stop()


def test_handles_outlive_a_restart_of_their_pool_and_are_then_lost_as_recycled(place: Path) -> None:
    service = Configured(place, pool(size=1, handle_wait=60))
    try:
        with service.client() as client:
            box = client.object("served:Box")
            pid = box.pid()
            assert service.command("pool", "restart", "default").returncode == 0
            assert box.pid() == pid
            assert client.call("served:rest", 0) != pid
            service.write(pool(size=1, handle_wait=0))
            assert service.command("reload").returncode == 0
            other = client.object("served:Box")
            assert service.command("pool", "restart", "default").returncode == 0
            with pytest.raises(HandleLost, match="was recycled"):
                eventually(lambda: other.pid() is None)
            assert box.pid() == pid
            client.release(box)
            eventually(lambda: pid not in [worker["pid"] for worker in client.status()["workers"]])
    finally:
        service.stop()


def test_listeners_come_go_and_change_their_rules(place: Path) -> None:
    more = f'[listeners.team]\nunix = "{place}/team.sock"\n'
    service = Configured(place, pool())
    try:
        service.write(pool() + more)
        assert service.command("reload").stdout == "listeners.team: added\n"
        with bascule.connect(f"{place}/team.sock") as client:
            assert client.call("math:sqrt", 4) == 2
            service.write(pool() + more + 'allow = ["math:pow"]\n')
            assert service.command("reload").stdout == "listeners.team: allow changed\n"
            with pytest.raises(Exception, match="policy does not allow math:sqrt"):
                client.call("math:sqrt", 4)
            assert client.call("math:pow", 2, 2) == 4
            service.write(pool() + f'[listeners.team]\nunix = "{place}/none/../no such/x.sock"\nmode = "9"\n')
            assert service.command("reload").returncode == 1
            assert client.call("math:pow", 2, 2) == 4
            service.write(pool())
            assert service.command("reload").stdout == "listeners.team: removed\n"
            assert not (place / "team.sock").exists()
            assert client.call("math:pow", 2, 2) == 4  # who is connected stays
    finally:
        service.stop()


def test_a_listener_that_is_given_another_name_keeps_its_socket(place: Path) -> None:
    told = f'unix = "{place}/team.sock"\n'
    service = Configured(place, pool(size=1) + "[listeners.team]\n" + told)
    try:
        made = (place / "team.sock").lstat().st_ino
        with bascule.connect(f"{place}/team.sock") as client:
            service.write(pool(size=1) + "[listeners.crew]\n" + told + 'mode = "0660"\nallow = ["math:*"]\n')
            done = service.command("reload")
            assert done.stdout == "listeners.crew: added\nlisteners.team: removed\n", done.stderr
            assert client.call("math:sqrt", 4) == 2
            info = (place / "team.sock").lstat()
            assert (info.st_ino, info.st_mode & 0o777) == (made, 0o660)
            with bascule.connect(f"{place}/team.sock") as other:
                assert other.call("math:sqrt", 9) == 3
                (row,) = [row for row in service.told("sessions") if row["listener"] == "crew"]
                assert row["session"] == other.welcome.session
        service.write(pool(size=1) + f'[listeners.crew]\nunix = "{place}/other.sock"\n')
        assert service.command("reload").returncode == 0
        assert not (place / "team.sock").exists()
        bascule.connect(f"{place}/other.sock").close()
    finally:
        service.stop()


def test_a_scheduler_that_cannot_be_imported_changes_nothing(place: Path) -> None:
    service = Configured(place, pool(size=1))
    try:
        service.write(pool(size=1, scheduler="no_such_module:choose"))
        done = service.command("reload")
        assert done.returncode == 1
        assert "pools.default.scheduler: the scheduler 'no_such_module:choose' can't be imported" in done.stderr
        assert "nothing was changed" in done.stderr
        done = service.command("pool", "add", "other", "size=1", "scheduler=math:pi")
        assert done.returncode == 1
        assert "not a function of the workers" in done.stderr
        with service.client() as client:
            assert client.call("math:sqrt", 4) == 2
            assert list(client.status()["pools"]) == ["default"]
    finally:
        service.stop()


def test_files_and_limits_follow_a_reload(place: Path) -> None:
    service = Configured(place, pool(size=1))
    try:
        with service.client() as client:
            service.write(pool(size=1) + f'[logging]\nfile = "{place}/none/serve.log"\n')
            done = service.command("reload")
            assert (
                f"logging.file: {place}/none/serve.log: No such file or directory; nothing was changed" in done.stderr
            )
            service.write(pool(size=1) + "[limits]\nclients = 1\n[metrics]\nfunctions = 1\n")
            assert client.ask("reload")["changed"] == ["limits: clients changed", "metrics: functions changed"]
            with pytest.raises(ServiceRefused, match=r"has 1 clients, as many as limits\.clients allows"):
                bascule.connect(service.socket)
            for name in ("sin", "cos", "tan"):
                client.call(f"math:{name}", 1)
            told = re.findall(r'seconds_count{function="([^"]+)"', client.ask("metrics")["text"])
            assert set(told) == {"math:sin", "other"}
    finally:
        service.stop()


def test_a_service_without_a_file_reloads_nothing(place: Path) -> None:
    from running_service import Service

    service = Service(place)
    try:
        with service.client() as client:
            assert client.ask("reload")["changed"] == []
            with pytest.raises(ServiceRefused, match="unknown control request"):
                client.ask("reboot")
        os.kill(service.process.pid, signal.SIGHUP)
        with service.client() as client:
            assert client.call("math:sqrt", 4) == 2
    finally:
        service.stop()
