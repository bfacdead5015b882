"""Each scheduler chooses what its name says, and an operator's own can't break the router."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.bridge.scheduling import SCHEDULERS, Load, UnknownScheduler, chooser, cpu_time_of


@dataclass(frozen=True)
class Worker:
    slot: int
    incarnation: int = 1
    outstanding: int = 0
    messages_in: int = 0
    started_at: float = 0.0
    cpu: float = 0.0

    def cpu_time(self) -> float:
        return self.cpu


WORKERS = [
    Worker(3, outstanding=2, messages_in=9, started_at=10.0, cpu=0.5),
    Worker(5, outstanding=1, messages_in=8, started_at=30.0, cpu=0.9),
    Worker(6, outstanding=1, messages_in=7, started_at=20.0, cpu=0.7),
    Worker(9, outstanding=4, messages_in=6, started_at=5.0, cpu=0.1),
]


@pytest.mark.parametrize(
    ("name", "slot"),
    [
        ("least_busy", 5),
        ("first", 3),
        ("least_reductions", 9),
        ("least_messages_in", 9),
        ("youngest", 5),
        ("oldest", 9),
    ],
)
def test_it_chooses_what_its_name_says(name: str, slot: int):
    assert chooser(name)(WORKERS).slot == slot


def test_round_robin_takes_its_turns_though_workers_come_and_go():
    choose = chooser("round_robin")
    assert [choose(WORKERS).slot for _ in range(6)] == [3, 5, 6, 9, 3, 5]
    assert choose([WORKERS[0], WORKERS[3]]).slot == 9, "6 is gone: the next one after 5"
    assert choose(WORKERS[1:]).slot == 5


def test_each_pool_has_a_round_of_its_own():
    one, other = chooser("round_robin"), chooser("round_robin")
    assert one(WORKERS).slot == other(WORKERS).slot == 3


def test_random_reaches_each_worker():
    choose = chooser("random")
    assert {choose(WORKERS).slot for _ in range(500)} == {3, 5, 6, 9}


@given(
    st.sampled_from(sorted(SCHEDULERS)),
    st.lists(st.builds(Worker, st.integers(0, 50), outstanding=st.integers(0, 9)), min_size=1, max_size=9),
)
def test_every_scheduler_returns_one_that_it_was_given(name: str, workers: list[Worker]):
    chosen = chooser(name)(workers)
    assert any(chosen is worker for worker in workers)


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(UnknownScheduler, match=r"'quickest'.*least_busy, round_robin, random.*module:function"):
        chooser("quickest")


@pytest.mark.parametrize("name", ["no_such_module:f", "os:no_such_function", "os:sep", "os:"])
def test_an_own_scheduler_that_is_not_there_is_refused_by_name(name: str):
    with pytest.raises(UnknownScheduler, match=name):
        chooser(name)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_schedulers.py").write_text(
        "def last(loads): return loads[-1]\ndef broken(loads): raise KeyError('x')\ndef stranger(loads): return 7\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("own")
def test_an_own_scheduler_chooses():
    assert chooser("own_schedulers:last")(WORKERS).slot == 9


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("name", ["own_schedulers:broken", "own_schedulers:stranger"])
def test_an_own_scheduler_that_fails_is_answered_for_and_named_once(name: str, caplog: pytest.LogCaptureFixture):
    choose = chooser(name)
    with caplog.at_level(logging.ERROR):
        assert [choose(WORKERS).slot for _ in range(3)] == [5, 5, 5]
    assert caplog.text.count(name) == 1


def test_processor_time_is_that_of_the_process():
    before = cpu_time_of(os.getpid())
    sum(range(300_000))
    assert cpu_time_of(os.getpid()) > before > 0
    process = subprocess.Popen([sys.executable, "-I", "-S", "-c", ""])
    process.wait()
    assert cpu_time_of(process.pid) == float("inf")


def test_a_load_is_all_that_a_scheduler_needs():
    loads: Sequence[Load] = WORKERS
    assert chooser("first")(loads) is WORKERS[0]
