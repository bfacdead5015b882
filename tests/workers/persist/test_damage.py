"""Killed writers, flipped bytes, full disks, missing folders, other versions: never a wrong value, never a hang."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule import persist
from bascule.workers.persist import CacheWarning, StoreUnavailable, open_place
from bascule.workers.persist import entries as envelope
from bascule.workers.persist.entries import Damaged, Entry, OtherVersion, Stamp, seal, seal_all, unseal, unseal_all
from tests.workers.persist.conftest import ROOT

URLS = ["file://persist/", "sqlite://results.db"]

WRITER = """
import sys, warnings
from bascule import persist
warnings.simplefilter("ignore")
url, round, first, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])

def right(x):
    return [x] * (1 + x * 997 % (2_000 if x % 8 else 30_000))  # some have a file of their own

value = persist(right, cache=url, storekey=True, funcname=round)
print("begun", flush=True)
for x in range(first, first + count):
    assert value(x % 500) == right(x % 500), x
print("done")
"""


def writer(url: str, round: str, first: int, count: int) -> subprocess.Popen[str]:
    Path("writer.py").write_text(WRITER)
    process = subprocess.Popen(
        [sys.executable, "writer.py", url, round, str(first), str(count)],
        env=dict(os.environ, PYTHONPATH=str(ROOT)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n", process.communicate()
    return process


@pytest.mark.parametrize("url", URLS)
def test_writers_killed_at_random_moments_leave_nothing_wrong_and_nobody_waiting(url: str, soak_factor: int) -> None:
    chance = random.Random(7)
    for round in range(4 * soak_factor):
        # Each round writes all its 500 results anew.
        processes = [writer(url, f"round{round}", chance.randrange(500), 500) for _ in range(3)]
        for process in processes[1:]:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(chance.random() * 0.2)
            process.send_signal(signal.SIGKILL)
        out, err = processes[0].communicate(timeout=300)
        assert (out, processes[0].returncode) == ("done\n", 0), (round, err)
        for process in processes[1:]:
            assert "AssertionError" not in process.communicate()[1]
        again = writer(url, f"round{round}", 0, 500)
        assert again.communicate(timeout=300) == ("done\n", "")


# ---- Bytes ----------------------------------------------------------------------------------------------------------

texts = st.text(max_size=20)
parts = st.one_of(st.none(), st.binary(max_size=50))


@given(st.binary(max_size=300), parts, st.one_of(st.none(), texts), texts, st.data())
def test_an_envelope_with_any_byte_changed_is_refused(
    value: bytes, key: bytes | None, metadata: str | None, name: str, data: st.DataObject
) -> None:
    entry = Entry(value, Stamp(1.5, 2.5, 0.5, 3, b"12345678"), key, metadata)
    for write, read in ((seal, lambda n, d: unseal(n, d, key, metadata)), (seal_all, unseal_all)):
        whole = write(name, entry)
        found = read(name, whole)
        assert (bytes(found.value), found.stamp, found.key, found.metadata) == (value, entry.stamp, key, metadata)
        at = data.draw(st.integers(0, len(whole) - 1))
        changed = bytearray(whole)
        changed[at] ^= data.draw(st.integers(1, 255))
        cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
        for wrong in (bytes(changed), cut):
            with pytest.raises((Damaged, OtherVersion)):
                read(name, wrong)
        with pytest.raises(Damaged):
            read(name + "x", whole)


def test_no_key_and_no_metadata_are_other_things_than_empty_ones() -> None:
    sums = [envelope.checksum("x", b"", b"", key, text) for key in (None, b"") for text in (None, "")]
    assert len(set(sums)) == 4


def results(url: str) -> Any:
    @persist(cache=url, storekey=True, metadata=lambda: "meta", version=1)
    def f(x: int) -> str:
        return f"{x}-" * (10 if x < 4 else 40_000)

    return f


@pytest.mark.parametrize("url", URLS)
def test_any_byte_of_the_store_may_change_and_no_value_is_wrong(url: str, tmp_path: Path) -> None:
    pristine = tmp_path / "pristine"
    folder = tmp_path / "store"
    f = results(url.replace("://", f"://{folder}/"))
    for x in range(6):
        f(x)
    f.statistics.hand_in()
    open_place(url.replace("://", f"://{folder}/")).close()
    shutil.copytree(folder, pristine)

    @settings(max_examples=60)
    @given(st.randoms(use_true_random=False))
    def flip(chance: random.Random) -> None:
        shutil.rmtree(folder)
        shutil.copytree(pristine, folder)
        files = sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)
        for _ in range(chance.randrange(1, 4)):
            path = chance.choice(files)
            data = bytearray(path.read_bytes() or b"?")
            at = chance.randrange(min(len(data), 9000))
            data[at] ^= 1 << chance.randrange(8)
            if chance.random() < 0.2:
                del data[at:]
            path.write_bytes(bytes(data))
        g = results(url.replace("://", f"://{folder}/"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CacheWarning)
            for _ in range(2):
                for x in range(6):
                    assert g(x) == f"{x}-" * (10 if x < 4 else 40_000)

    flip()


@pytest.mark.parametrize("rubbish", [b"", b"this is no database", os.urandom(8192)])
def test_a_database_that_is_none_is_put_aside(rubbish: bytes) -> None:
    Path("results.db").write_bytes(rubbish)
    f = results("sqlite://results.db")
    with pytest.warns(CacheWarning, match="begun anew") if rubbish else contextlib.nullcontext():
        assert f(1) == "1-" * 10
    assert f(1) == f(1)
    assert f.statistics.hits >= 1
    assert len(list(Path(".").glob("results.db.damaged-*"))) == bool(rubbish)


@pytest.mark.parametrize("at", [0, 3, 20, 40, -1])
def test_a_row_that_changes_after_it_was_found_good_is_checked_again(at: int) -> None:
    f = persist(str, "sqlite://results.db", version=1)
    assert f(1) == f(1) == f(1) == "1"
    with contextlib.closing(sqlite3.connect("results.db")) as connection, connection:
        ((row,),) = connection.execute("SELECT data FROM entries")
        changed = bytearray(row)
        changed[at] ^= 1
        connection.execute("UPDATE entries SET data = ?", (bytes(changed),))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CacheWarning)
        assert f(1) == "1"
    assert f.statistics.misses == (1 if at == 0 else 2)  # the first byte only says where else to look
    assert f(1) == "1"


# ---- Places that go away or are full --------------------------------------------------------------------------------


@pytest.mark.parametrize("url", URLS)
def test_a_store_that_is_deleted_under_our_feet_is_begun_anew(url: str) -> None:
    f = results(url)
    assert f(5) == f(5)
    for path in list(Path(".").iterdir()):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert f(5) == "5-" * 40_000
    assert f.statistics.misses == 2
    assert f(5) == "5-" * 40_000
    assert f.statistics.hits == 2
    assert len(f.cache) == 1


FULL = """
import resource, signal, sys, warnings
from bascule import persist
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

@persist(cache=sys.argv[1])
def f(x):
    return str(x) * 300_000

assert f(1) == f(1)
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    assert [f(2), f(2), f(3), f(1)] == [str(x) * 300_000 for x in (2, 2, 3, 1)]
assert len(told) == 1, [str(each.message) for each in told]
print("right")
"""


@pytest.mark.parametrize("url", URLS)
def test_where_nothing_more_can_be_written_the_function_works_with_one_warning(url: str, program: Any) -> None:
    assert program(FULL, url).stdout == "right\n"


@contextlib.contextmanager
def somebody_else() -> Iterator[None]:
    """As a user who may not write everywhere; a test that runs as root must become one."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("url", URLS)
def test_a_folder_that_may_only_be_read_is_read(url: str, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    url = url.replace("://", f"://{folder}/")
    f = results(url)
    f(1)
    open_place(url).close()
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    for parent in (tmp_path, *list(tmp_path.parents)[:3]):
        parent.chmod(parent.stat().st_mode | 0o055)  # the group stays root's
    try:
        with somebody_else(), warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            g = results(url)
            assert g(1) == "1-" * 10
            assert not told, [str(each.message) for each in told]
            assert g.statistics.hits == 1
            assert not told
            assert [g(2), g(2), g(3)] == ["2-" * 10, "2-" * 10, "3-" * 10]
            assert len([each for each in told if issubclass(each.category, CacheWarning)]) == 1
            with pytest.raises(StoreUnavailable):
                g.cache[(("x", 9),)] = 1
    finally:
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)


def test_a_place_that_comes_back_is_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("persist").write_text("a file where a folder belongs")
    f = results("file://persist/")
    with pytest.warns(CacheWarning, match="neither stored nor found"):
        f(1)
    Path("persist").unlink()
    now = time.monotonic()
    monkeypatch.setattr("bascule.workers.persist.shelf.time.monotonic", lambda: now + 60)
    f(1)
    assert f(1) == "1-" * 10
    assert f.statistics.hits == 1


# ---- Two versions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", URLS)
def test_entries_of_a_newer_version_are_left_alone_and_computed(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    f = results(url)
    with monkeypatch.context() as newer:
        newer.setattr(envelope, "VERSION", 2)
        f(1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert f(1) == "1-" * 10
        assert f.statistics.misses == 2
        assert f(1) == "1-" * 10
    assert f.statistics.hits == 1


def test_a_database_of_a_newer_version_is_not_touched() -> None:
    import sqlite3

    results("sqlite://results.db")(1)
    open_place("sqlite://results.db").close()
    with contextlib.closing(sqlite3.connect("results.db")) as connection:
        connection.execute("PRAGMA user_version = 99")
    f = results("sqlite://results.db")
    with pytest.warns(CacheWarning, match="of version 99"):
        assert f(1) == "1-" * 10
    assert not list(Path(".").glob("*damaged*"))


def test_pypersist_and_bascule_work_in_one_folder_at_once(tmp_path: Path) -> None:
    text = (
        "import sys, warnings\nwarnings.simplefilter('ignore')\n"
        "if sys.argv[1] == 'theirs':\n    from pypersist import persist\n"
        "else:\n    from bascule import persist\n"
        "@persist\ndef f(x):\n    return [x] * 10\n"
        "for _ in range(2):\n    for x in range(60):\n        assert f(x) == [x] * 10\nprint('done')\n"
    )
    Path("both.py").write_text(text)
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    for sides in (("theirs", "ours"), ("ours", "theirs")):
        for side in sides:
            command = [sys.executable, "both.py", side]
            told = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            assert told.stdout == "done\n", (side, told.stderr)
        assert len(list(Path("persist/f").glob("*.out"))) == 60
        shutil.rmtree("persist")


def test_twenty_megabytes_and_many_threads() -> None:
    f = persist(cache="sqlite://results.db", funcname="f")(lambda x: bytes(20_000_000))
    threads = [threading.Thread(target=f, args=(1,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (f.statistics.misses, len(f(1))) == (1, 20_000_000)
