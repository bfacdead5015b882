"""Several calls at a time in one worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bascule.protocols.calls import Op
from bascule.protocols.envelope import Kind
from bascule.workers import page as pages
from tests.workers.conftest import PROJECT
from tests.workers.harness import Worker, wait_until


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker(paths=[str(PROJECT)], threads=4) as one:
        yield one


def test_calls_run_beside_each_other(worker: Worker, tmp_path: Path) -> None:
    names = [str(tmp_path / str(number)) for number in range(4)]
    waiting = [worker.start("things:wait_for_file", name) for name in names[1:]]
    for name in names:  # each can only end while the others still run
        worker.call("pathlib:Path.touch", worker.call("pathlib:Path", name))
    for call_id in waiting:
        assert worker.result(call_id) is True


def test_replies_overtake_each_other(worker: Worker, tmp_path: Path) -> None:
    slow = worker.start("things:wait_for_file", str(tmp_path / "go"))
    assert worker.call("things:add", 1, 2) == 3
    (tmp_path / "go").touch()
    assert worker.result(slow) is True


def test_a_burst_is_answered_to_the_last(worker: Worker) -> None:
    ids = [worker.start("things:add", number, 1) for number in range(2000)]
    assert [worker.result(call_id) for call_id in ids] == list(range(1, 2001))


def test_a_module_is_imported_once_and_whole(tmp_path: Path) -> None:
    (tmp_path / "slowly.py").write_text("import time\ntime.sleep(0.05)\ndef f(): return 'whole'\n")
    with Worker(paths=[str(tmp_path)], threads=4) as one:
        ids = [one.start("slowly:f") for _ in range(8)]
        assert [one.result(call_id) for call_id in ids] == ["whole"] * 8


def test_handles_are_shared_by_the_threads(worker: Worker) -> None:
    counter = worker.call("things:Counter", op=Op.INIT)
    ids = [worker.start("itself", op=Op.METHOD, on=counter) for _ in range(200)]
    assert {worker.result(call_id).token for call_id in ids} == {counter.token}
    for _ in range(201):
        worker.send_release(counter)
    assert worker.error("itself", op=Op.METHOD, on=counter)["kind"] == "handle_lost"


def test_the_page_and_the_ping_tell_what_runs(worker: Worker, tmp_path: Path) -> None:
    busy = [worker.start("things:wait_for_file", str(tmp_path / "go")) for _ in range(3)]
    wait_until(lambda: pages.started_id(worker.page) == busy[-1])
    wait_until(lambda: bool(worker.ask("ping")["calls"] == 3))
    (tmp_path / "go").touch()
    for call_id in busy:
        worker.result(call_id)
    wait_until(lambda: bool(worker.ask("ping")["calls"] == 0))
    assert pages.armed_id(worker.page) == 0


def test_user_code_sees_ordinary_threads(worker: Worker) -> None:
    worker.exec("import threading, things; things.who = lambda: threading.current_thread().name")
    assert worker.call("things:who").startswith("bascule-")
    assert worker.call("threading:main_thread") != worker.call("threading:current_thread")


def test_a_thread_local_is_its_threads(worker: Worker) -> None:
    assert worker.call("threading:active_count") >= 5


def test_a_call_that_outlives_its_session_leaves_no_handles(worker: Worker, tmp_path: Path) -> None:
    worker.exec(
        "import things\n"
        "def late(name):\n"
        "    things.wait_for_file(name)\n"
        "    return things.Counter()\n"
        "things.late = late"
    )
    before = worker.ask("ping")["handles"]
    call_id = worker.start("things:late", str(tmp_path / "go"), session=55)
    worker.wait_until_running(call_id)
    worker.send(Kind.RELEASE, session=55)
    worker.ask("ping")
    (tmp_path / "go").touch()
    worker.wait_for(lambda frame: frame[3] == call_id)
    assert worker.ask("ping")["handles"] == before
