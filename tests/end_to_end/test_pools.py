"""Pools on a real service: several of them, recycling, growing, watching, schedulers, queues, handles that meet."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from running_service import Service

import bascule
from bascule.bridge.client.blocking import Client
from bascule.bridge.errors import HandleLost, Overloaded, ServiceRefused, Timeout, TooManyHandles

MODULE = """
import os, sys, threading, time
value = {value}
started_with = []

def setup():
    started_with.append(os.environ.get("COLOUR"))

def told():
    return [started_with, os.getcwd(), os.environ.get("COLOUR"), sys.version_info[:2]]

def pid():
    return os.getpid()

def rest(seconds):
    time.sleep(seconds)

eight = threading.Barrier(8)

def meet():
    eight.wait(60)
    return threading.get_ident()

class Box:
    def __init__(self, content):
        self.content = content

    def __len__(self):
        return len(self.content)

    def join(self, other):
        return self.content + other.content

def joined(*boxes):
    return [item for box in boxes for item in box.content]
"""


class Place:
    """A folder with the user's modules, and services over it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.modules = folder / "modules"
        self.modules.mkdir()
        self.write(1)
        self._services: list[Service] = []

    def write(self, value: int) -> None:
        (self.modules / "mine.py").write_text(MODULE.format(value=value))

    def serve(self, config: str = "", *options: str) -> Service:
        if config:
            (self.folder / "bascule.toml").write_text(config.replace("MODULES", str(self.modules)))
            options = ("--config", str(self.folder / "bascule.toml"))
        else:
            options = ("--path", str(self.modules), *options)
        service = Service(self.folder, *options)
        self._services.append(service)
        return service

    def clean(self) -> None:
        for service in self._services:
            assert service.stop() == 0
        for file in self.folder.rglob("*"):
            if file.is_file():
                file.unlink()


@pytest.fixture
def place(runtime_folder: Path, nothing_left: None) -> Iterator[Place]:
    place = Place(runtime_folder)
    yield place
    place.clean()


def await_workers(client: Client, count: int) -> None:
    while client.status()["pools"]["default"]["active"] < count:
        pass


def test_each_pool_has_its_own_python_folder_environment_and_init(
    place: Place, interpreters: dict[tuple[int, int], str]
) -> None:
    oldest = min(interpreters)
    service = place.serve(f"""
        [pools.default]
        size = 1
        paths = ["MODULES"]
        [pools.other]
        size = 1
        python = "{interpreters[oldest]}"
        paths = ["MODULES"]
        cwd = "MODULES"
        env = {{ COLOUR = "red" }}
        preload = ["mine"]
        init = "mine:setup"
        """)
    with service.client() as one, bascule.connect(service.socket, pool="other") as other:
        assert one.call("mine:told")[2:] == [None, sys.version_info[:2]]
        assert other.call("mine:told") == [["red"], str(place.modules), "red", oldest]
    with pytest.raises(ServiceRefused, match="there is no pool 'third'"):
        bascule.connect(service.socket, pool="third")


def test_recycling_loses_no_call(place: Place) -> None:
    service = place.serve("""
        [pools.default]
        size = 2
        spares = 1
        max_calls = 40
        paths = ["MODULES"]
        """)
    with service.client() as client:
        pids: set[int] = set()
        while len(pids) < 6:
            futures = [client.submit("mine:pid") for _ in range(100)]
            pids |= {future.result() for future in futures}


def test_a_pool_grows_and_shrinks_without_losing_a_call(place: Place) -> None:
    service = place.serve()
    with service.client() as client:
        client.scale("default", 4)
        futures = [client.submit("mine:rest", 0.01) for _ in range(100)]
        client.scale("default", 1)
        assert len([future.result() for future in futures]) == 100
        assert client.status()["pools"]["default"]["size"] == 1
        with pytest.raises(ServiceRefused, match="1 to 4096"):
            client.scale("default", 0)


def test_workers_are_replaced_when_the_users_modules_change(place: Place) -> None:
    service = place.serve("", "--watch")
    with service.client() as client:
        assert client.call("builtins:getattr", client.module("mine"), "value") == 1
        place.write(22)
        while [client.const("mine:value") for _ in range(10)] != [22] * 10:
            pass


@pytest.mark.parametrize(
    "scheduler",
    ["least_busy", "round_robin", "random", "first", "least_reductions", "least_messages_in", "youngest", "oldest"],
)
def test_every_scheduler_serves(place: Place, scheduler: str) -> None:
    service = place.serve("", "--scheduler", scheduler, "--spares", "0")
    with service.client() as client:
        await_workers(client, 2)
        pids = [client.call("mine:pid") for _ in range(20)]
        if scheduler == "round_robin":
            assert len(set(pids)) == 2
        elif scheduler in ("first", "oldest"):
            assert len(set(pids[1:])) == 1


def test_an_unknown_scheduler_is_refused_at_start(place: Place) -> None:
    with pytest.raises(AssertionError, match="least_busy"):
        place.serve("", "--scheduler", "lazy")
    (place.folder / "serve.log").unlink()


def test_threads_run_calls_of_one_worker_at_the_same_time(place: Place) -> None:
    service = place.serve("[pools.default]\nsize = 1\nspares = 0\nthreads = 8\npaths = ['MODULES']\n")
    with service.client() as client:
        threads = {future.result() for future in [client.submit("mine:meet") for _ in range(8)]}
        assert len(threads) == 8


def test_a_full_queue_is_overloaded_at_once_and_drains(place: Place) -> None:
    service = place.serve("", "--max-queue", "4", "--workers", "1")
    with service.client() as client:
        futures = [client.submit("mine:rest", 0.2) for _ in range(20)]
        outcomes = [type(future.exception()) for future in futures]
        assert Overloaded in outcomes
        assert outcomes.count(type(None)) >= 4
        assert client.call("math:sqrt", 4) == 2


def test_a_pools_deadline_holds_for_calls_that_name_none(place: Place) -> None:
    service = place.serve("", "--deadline", "0.2")
    with service.client() as client:
        with pytest.raises(Timeout):
            client.call("mine:rest", 60)
        assert client.call("mine:rest", 0.01, timeout=60) is None


def test_handles_of_two_workers_meet_in_one_call(place: Place) -> None:
    service = place.serve("", "--scheduler", "round_robin", "--spares", "0")
    with service.client() as client:
        await_workers(client, 2)
        boxes = [client.object("mine:Box", [number]) for number in range(6)]
        owners = {handle["worker"] for handle in client.handles()}
        assert len(owners) == 2
        assert client.call("mine:joined", *boxes) == [0, 1, 2, 3, 4, 5]
        for box in boxes[1:]:
            assert boxes[0].join(box) == [0, box.content[0]]


def test_handles_are_counted_capped_released_and_die_with_their_session(place: Place) -> None:
    service = place.serve("[pools.default]\nsize = 1\nspares = 0\nhandle_cap = 3\npaths = ['MODULES']\n")
    with service.client() as other:
        with service.client() as client:
            boxes = [client.object("mine:Box", [number]) for number in range(3)]
            assert len(client.handles()) == 3
            with pytest.raises(TooManyHandles):
                client.object("mine:Box", [])
            client.release(boxes[0])
            assert len(client.handles()) == 2
            assert len(client.object("mine:Box", [])) == 0
            with pytest.raises(HandleLost):
                len(boxes[0])
        while other.call("builtins:len", "x") and everybodys_handles(other):
            pass


def everybodys_handles(client: Client) -> int:
    return len(client.handles())


def test_unused_handles_are_released_when_their_lease_is_over(place: Place) -> None:
    service = place.serve("[pools.default]\nsize = 1\nspares = 0\nhandle_lease = 3\npaths = ['MODULES']\n")
    with service.client() as client:
        client.object("mine:Box", [1])
        kept = client.object("mine:Box", [2])
        while len(client.handles()) > 1:
            assert len(kept) == 1
        while client.handles():  # which uses none
            pass
        with pytest.raises(HandleLost):
            len(kept)


def test_one_session_cannot_use_anothers_handle(place: Place) -> None:
    service = place.serve("", "--workers", "1")
    with service.client() as one, service.client() as two:
        box = one.object("mine:Box", [1])
        thief = two.object("mine:Box", [2, 2])
        object.__setattr__(thief, "_bascule_handle", box._bascule_handle)
        with pytest.raises(HandleLost):
            len(thief)
        assert len(box) == 1
