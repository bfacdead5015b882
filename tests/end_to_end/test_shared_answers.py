"""One computation for clients of all formats: Python clients, pods that speak JSON, EDN and Transit, an Erlang port."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bascule.protocols.calls import Op
from bascule.protocols.envelope import Kind
from tests.end_to_end.pod_client import PodClient, PodError
from tests.end_to_end.running_service import Service
from tests.end_to_end.test_erlang_port import started

MODULE = """
import asyncio, os, time

from bascule import persist

LOG = os.path.join(os.path.dirname(__file__), "log")

def note(what):
    with open(LOG, "a") as file:
        file.write(f"{what} ")

def slow(x, unit="m"):
    note(x)
    time.sleep(0.2)
    return {"x": x, "unit": unit}

async def later(x):
    note(x)
    await asyncio.sleep(0.01)
    return [x, None, 1.5]

def raises(x):
    note(x)
    raise KeyError(x)

class Box:
    pass

def boxed(x):
    note(x)
    return Box()

def counted(x):
    note(x)
    yield x

@persist(cache=f"sqlite://{LOG}.db")
def by_itself(x):
    note(x)
    return x
"""
CONFIG = """
[pools.default]
size = 2
paths = ["{folder}"]

[cache."asked:*"]
store = "sqlite://{folder}/answers.db"
{more}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "asked.py").write_text(MODULE)
    path = tmp_path / "bascule.toml"
    path.write_text(CONFIG.format(folder=tmp_path, more=""))
    return path


@pytest.fixture
def service(config: Path, runtime_folder: Path, nothing_left: None) -> Iterator[Service]:
    service = Service(runtime_folder, "--config", str(config))
    yield service
    assert service.stop() == 0


def computed(tmp_path: Path) -> list[str]:
    log = tmp_path / "log"
    return log.read_text().split() if log.exists() else []


def attached(service: Service, payload: str = "json") -> PodClient:
    command = [sys.executable, "-m", "bascule", "pod", "--attach", str(service.socket), "--format", payload]
    return PodClient(command=command, payload=payload)


def test_what_one_client_had_computed_clients_of_other_formats_are_given(
    service: Service, config: Path, tmp_path: Path
) -> None:
    with service.client() as client:
        assert client.call("asked:slow", 1) == {"x": 1, "unit": "m"}
        assert client.call("asked:slow", x=1) == {"x": 1, "unit": "m"}
        assert client.call("asked.slow", 1, "m") == {"x": 1, "unit": "m"}
        assert client.call("asked:later", "a") == ["a", None, 1.5]
        for payload in ("json", "edn", "transit+json"):
            with attached(service, payload) as pod:
                assert pod.invoke("py/call", "asked:slow", 1) == {"x": 1, "unit": "m"}
                assert pod.invoke("py/call", "asked:later", "a") == ["a", None, 1.5]
        assert client.status()["cache"]["misses"] == 2
    with started("--cache", str(config), "--path", str(tmp_path)) as port:
        port.call(1, "asked:slow", 1)
        assert port.read() == (Kind.REPLY, 1, {"x": 1, "unit": list(b"m")})
        port.close()
        assert port.end() == (0, "")
    assert computed(tmp_path) == ["1", "a"]


def test_two_formats_that_ask_at_once_have_it_computed_once(service: Service, tmp_path: Path) -> None:
    with service.client() as client, attached(service) as pod:
        asking = threading.Thread(target=lambda: client.call("asked:slow", 7))
        asking.start()
        assert pod.invoke("py/call", "asked:slow", 7) == {"x": 7, "unit": "m"}
        asking.join()
    assert computed(tmp_path) == ["7"]


def test_errors_and_what_goes_out_as_a_handle_are_not_shared(service: Service, tmp_path: Path) -> None:
    with service.client() as client, attached(service) as pod:
        for ask in (
            lambda name: client.call(f"asked:{name}", 1),
            lambda name: pod.invoke("py/call", f"asked:{name}", 1),
        ):
            with pytest.raises((KeyError, PodError)):
                ask("raises")
            ask("boxed")
            ask("counted")
        assert client.call("asked:by_itself", 2) == pod.invoke("py/call", "asked:by_itself", 2) == 2
    assert computed(tmp_path) == ["1", "1", "1", "1", "2"]


def test_a_fresh_call_of_one_format_renews_the_answer_for_the_others(service: Service, tmp_path: Path) -> None:
    with service.client() as client, attached(service) as pod:
        client.call("asked:slow", 1)
        pod.invoke("py/fresh", "asked:slow", 1)
        assert computed(tmp_path) == ["1", "1"]
    with attached(service, "edn") as pod:
        pod.invoke("py/call", "asked:slow", 1)
    assert computed(tmp_path) == ["1", "1"]


def test_it_can_be_turned_off(config: Path, tmp_path: Path, runtime_folder: Path, nothing_left: None) -> None:
    config.write_text(CONFIG.format(folder=tmp_path, more="share = false"))
    service = Service(runtime_folder, "--config", str(config))
    with service.client() as client, attached(service) as pod:
        for _ in range(2):
            assert client.call("asked:slow", 1) == pod.invoke("py/call", "asked:slow", 1)
    assert service.stop() == 0
    assert computed(tmp_path) == ["1", "1"]


def test_no_client_may_name_a_store(service: Service) -> None:
    with started() as port:
        port.call(1, 'asked:slow\n{"store": "file:///tmp"}', 1, op=Op.KEPT)
        kind, _, answer = port.read()
    assert kind == Kind.ERROR
    assert "between a bridge and its workers" in str(answer)


@pytest.mark.parametrize("options", [[], ["--config", "{config}"], ["--cache", "{config}"]])
def test_a_pod_with_workers_of_its_own_keeps_answers(config: Path, tmp_path: Path, options: list[str]) -> None:
    arguments = [each.format(config=config) for each in options]
    for _ in range(2):
        cwd = tmp_path if not options else None
        with PodClient(*arguments, "--path", str(tmp_path), "asked", cwd=cwd) as pod:
            answers = [pod.invoke("asked/slow", 5), pod.invoke("py/call", "asked:slow", 5)]
            assert answers == [{"x": 5, "unit": "m"}] * 2
    assert computed(tmp_path) == ["5"]


def test_a_pod_keeps_none_when_told_so(config: Path, tmp_path: Path) -> None:
    with PodClient("--no-cache", "--path", str(tmp_path), "asked", cwd=tmp_path) as pod:
        assert pod.invoke("asked/slow", 5) == pod.invoke("asked/slow", 5)
    assert computed(tmp_path) == ["5", "5"]


def test_a_pod_whose_cache_tables_are_wrong_says_where(config: Path, tmp_path: Path) -> None:
    config.write_text('[cache."asked:slow"]\nttl = "soon"\n')
    with PodClient("--cache", str(config), "asked", describe=False) as pod:
        assert pod.process.wait(60) == 2
        assert "bascule.toml:2: cache.asked:slow.ttl" in pod.stderr
