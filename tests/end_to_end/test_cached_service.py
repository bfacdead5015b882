"""`[cache."module:function"]` in a configuration: a real service, real workers, a real store."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bascule.bridge.errors import PythonError
from tests.end_to_end.pod_client import PodClient
from tests.end_to_end.running_service import Service

MODULE = """
import os, time

def slow(x, log):
    with open(log, "a") as file:
        file.write(f"{x} ")
    time.sleep(0.2)
    return {"x": x}

def raises(log):
    slow("raises", log)
    raise KeyError("no")

class Box:
    pass

def boxed(log):
    slow("box", log)
    return Box()
"""
CONFIG = """
[pools.default]
size = 2
paths = ["{folder}"]

[cache."counted:*"]
ttl = "1h"
store = "sqlite://{folder}/answers.db"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "counted.py").write_text(MODULE)
    path = tmp_path / "bascule.toml"
    path.write_text(CONFIG.format(folder=tmp_path))
    return path


@pytest.fixture
def service(config: Path, runtime_folder: Path, nothing_left: None) -> Iterator[Service]:
    service = Service(runtime_folder, "--config", str(config))
    yield service
    assert service.stop() == 0


def computed(tmp_path: Path) -> list[str]:
    log = tmp_path / "log"
    return log.read_text().split() if log.exists() else []


def test_identical_calls_of_many_clients_run_once_and_outlive_the_service(
    config: Path, tmp_path: Path, runtime_folder: Path, nothing_left: None
) -> None:
    log = str(tmp_path / "log")
    service = Service(runtime_folder, "--config", str(config))
    answers: list[object] = []

    def ask() -> None:
        with service.client() as client:
            answers.append(client.call("counted:slow", 1, log))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [{"x": 1}] * 6
    assert computed(tmp_path) == ["1"]
    with service.client() as client:
        status = client.status()["cache"]
        assert status["misses"] == 1
        assert status["hits"] + status["shared"] == 5
    assert service.stop() == 0
    service = Service(runtime_folder, "--config", str(config))
    with service.client() as client:
        assert client.call("counted:slow", 1, log) == {"x": 1}
        assert client.status()["cache"] == {"hits": 1, "misses": 0, "shared": 0}
    assert service.stop() == 0
    assert computed(tmp_path) == ["1"]
    command = [
        sys.executable,
        "-m",
        "bascule",
        "cache",
        "stats",
        "--json",
        "--store",
        f"sqlite://{tmp_path}/answers.db",
    ]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert (told["function"], told["entries"], told["misses"]) == (
        "counted:slow",
        2,
        1,
    )  # bytes for msgpack, and the value for all


def test_errors_and_handles_are_not_kept_and_a_fresh_call_is_computed(service: Service, tmp_path: Path) -> None:
    log = str(tmp_path / "log")
    with service.client() as client:
        for _ in range(2):
            with pytest.raises(PythonError):
                client.call("counted:raises", log)
        boxes = [client.call("counted:boxed", log) for _ in range(2)]
        assert type(boxes[0]).__name__ == "Proxy"
        assert client.apply("counted:slow", [2, log]) == client.apply("counted:slow", [2, log], fresh=True)
    assert computed(tmp_path) == ["raises", "raises", "box", "box", "2", "2"]


def test_a_pod_is_given_kept_answers_and_may_ask_for_a_fresh_one(service: Service, tmp_path: Path) -> None:
    log = str(tmp_path / "log")
    command = [sys.executable, "-m", "bascule", "pod", "--attach", str(service.socket)]
    with PodClient(command=command) as pod:
        answers = [pod.invoke(f"py/{var}", "counted:slow", 3, log) for var in ("call", "call", "fresh", "call")]
        assert answers == [{"x": 3}] * 4
        assert pod.invoke("py/-keyed", "mine", "py/fresh", "counted:slow", 3, log) == {"x": 3}
    assert computed(tmp_path) == ["3"] * 3


def test_no_cache_on_the_command_line(config: Path, tmp_path: Path, runtime_folder: Path, nothing_left: None) -> None:
    log = str(tmp_path / "log")
    service = Service(runtime_folder, "--config", str(config), "--no-cache")
    with service.client() as client:
        client.call("counted:slow", 1, log)
        client.call("counted:slow", 1, log)
        assert client.status()["cache"] is None
    assert service.stop() == 0
    assert computed(tmp_path) == ["1", "1"]
    service = Service(runtime_folder, "--config", str(config))
    for options in ([], [], ["--no-cache"]):
        command = [sys.executable, "-m", "bascule", "call", "--socket", str(service.socket), *options]
        told = subprocess.run([*command, "counted:slow", "3", log], capture_output=True, text=True, check=False)
        assert told.returncode == 0, told.stderr
    assert service.stop() == 0
    assert computed(tmp_path) == ["1", "1", "3", "3"]


REMEMBERING = """
import os
import bridge, protocols, workers
from bascule import persist

@persist(cache=f"sqlite://{os.path.dirname(__file__)}/results.db")
def f(x):
    return bridge.whose, os.getpid()
"""


def test_persist_works_inside_workers_of_a_project_with_the_rooms_names(service: Service, tmp_path: Path) -> None:
    for room in ("bridge", "protocols", "workers"):
        (tmp_path / room).mkdir()
        (tmp_path / room / "__init__.py").write_text("whose = 'the user s'\n")
    (tmp_path / "remembering.py").write_text(REMEMBERING)
    with service.client() as client:
        answers = {tuple(pending.result()) for pending in [client.submit("remembering:f", 1) for _ in range(20)]}
    assert len(answers) == 1
    assert answers.pop()[0] == "the user s"


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ('[cache."math"]', "module:function"),
        ('[cache."math:sqrt"]\nttl = "soon"', "cache.math:sqrt.ttl"),
        ('[cache."math:sqrt"]\nstore = "carrier-pigeon://"', "cache.math:sqrt.store"),
    ],
)
def test_a_wrong_rule_is_told_with_its_line(table: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text(table)
    command = [sys.executable, "-m", "bascule", "serve", "--config", str(tmp_path / "wrong.toml")]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == 2
    assert complaint in told.stderr, told.stderr
    assert "wrong.toml:" in told.stderr
