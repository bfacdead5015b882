"""What every store promises, on every store: one suite, real servers."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from bascule.workers.persist import Place, Store, StoreUnavailable, UnknownStore, open_place, persist
from bascule.workers.persist.entries import Entry, Form, Stamp
from bascule.workers.persist.sqlitecache import LIST, SqlitePlace
from tests.ports import free_port
from tests.workers.persist.servers import bascule_server, eve_server, mongodb_server, redis_server

LOCAL = ["file", "sqlite", "memory"]
SERVED = ["redis", "mongodb", "eve", "bascule"]


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory, needs: Callable[..., None]) -> Iterator[Callable[[str], str]]:
    """The URL of a place of each kind; servers are started when first asked for."""
    folder = tmp_path_factory.mktemp("stores")
    with ExitStack() as stack:
        known: dict[str, Any] = {}

        def mongodb_port() -> int:
            if "mongodb port" not in known:
                known["mongodb port"] = stack.enter_context(mongodb_server(folder))
            port: int = known["mongodb port"]
            return port

        def url(kind: str) -> str:
            if kind not in known:
                if kind == "file":
                    known[kind] = f"file://{folder}/files/"
                elif kind == "sqlite":
                    known[kind] = f"sqlite://{folder}/results.db"
                elif kind == "memory":
                    known[kind] = "memory://here"
                elif kind == "redis":
                    needs("redis-server")
                    known[kind] = stack.enter_context(redis_server(folder))
                elif kind == "mongodb":
                    known[kind] = f"mongodb://127.0.0.1:{mongodb_port()}/results"
                elif kind == "bascule":
                    known[kind] = stack.enter_context(bascule_server(folder, f"sqlite://{folder}/served.db"))
                else:
                    known[kind] = stack.enter_context(eve_server(folder, mongodb_port()))
            return str(known[kind])

        yield url
        for kind in known.keys() - {"mongodb port"}:
            open_place(known[kind]).close()


@pytest.fixture(params=LOCAL + SERVED)
def place(request: pytest.FixtureRequest, urls: Callable[[str], str]) -> Place:
    return open_place(urls(request.param))


@pytest.fixture(params=["sqlite", "file", "redis", "mongodb", "eve", "bascule"])
def shared_place(request: pytest.FixtureRequest, urls: Callable[[str], str]) -> Place:
    """One that several processes may use."""
    return open_place(urls(request.param))


@pytest.fixture
def store(place: Place) -> Store:
    made = place.store(f"f{uuid.uuid4().hex[:8]}")
    made.with_keys = True
    return made


def entry(value: bytes = b"value", **more: Any) -> Entry:
    return Entry(value, Stamp(1000.0, 0.0, 1.5, Form.TEXT, b"12345678"), **more)


def same_entry(one: Entry | None, other: Entry) -> bool:
    return one is not None and (bytes(one.value), one.key, one.metadata) == (other.value, other.key, other.metadata)


def test_what_is_put_is_there_and_what_is_deleted_is_not(store: Store) -> None:
    assert store.get("a") is None
    assert store.count() == 0
    assert list(store.iterate()) == []
    store.put("a", entry(b"one", key=b"the key", metadata="who knows"))
    assert same_entry(store.get("a"), entry(b"one", key=b"the key", metadata="who knows"))
    store.put("b", entry(b"two"))
    store.put("a", entry(b"three"))
    assert same_entry(store.get("a"), entry(b"three"))
    assert store.count() == 2
    assert {(listed.name, listed.size) for listed in store.iterate()} == {("a", 5), ("b", 3)}
    assert store.delete("a") is True
    assert store.delete("a") is False
    assert store.get("a") is None
    store.clear()
    assert (store.count(), store.get("b")) == (0, None)


def test_many_are_deleted_at_once(store: Store) -> None:
    names = [f"name{number}" for number in range(30)]
    for name in names:
        store.put(name, entry(b"x" * (100_000 if name == "name7" else 10)))
    assert store.delete_many([*names[:20], "nobody's"]) == 20
    assert sorted(listed.name for listed in store.iterate()) == sorted(names[20:])
    assert store.delete_many([]) == 0


def test_no_page_of_a_listing_sorts_all_that_is_there(tmp_path: Path) -> None:
    place = SqlitePlace(tmp_path / "s.db")
    place.store("f").put("name", entry())
    opened = place.opened()
    assert opened is not None
    plan = opened.connection.execute(f"EXPLAIN QUERY PLAN {LIST}", (0, 1, 1000)).fetchall()
    assert "USING INTEGER PRIMARY KEY" in str(plan)
    assert "B-TREE" not in str(plan)
    place.close()


def test_a_stamp_travels_where_the_place_has_room_for_it(store: Store, place: Place) -> None:
    given = Stamp(1234.5, 9e9, 0.25, Form.PICKLE, b"abcdefgh")
    store.put("a", Entry(b"\x00\xff", given))
    found = store.get("a")
    assert found is not None
    assert found.stamp == given
    (listed,) = store.iterate()
    if not place.url.startswith("mongodb+http"):  # that server has no field for it beside the sealed result
        assert (listed.created, listed.expires) == (1234.5, 9e9)


@pytest.mark.parametrize(
    "name", ["a b", "a/b", "../up", "?x=1", "a#b", "%41", "ü", "\U0001f600", "x" * 400, ".", "..", "'\"", "a\\b", "-"]
)
def test_names_may_have_any_characters(store: Store, name: str) -> None:
    store.put(name, entry(name.encode()))
    store.put("other", entry())
    assert same_entry(store.get(name), entry(name.encode()))
    assert {listed.name for listed in store.iterate()} == {name, "other"}
    assert store.delete(name)
    assert store.count() == 1


@pytest.mark.parametrize("function", ["a/b", "..", "ü {x}", "<lambda>", "y" * 300, "100%41", "new", "locks"])
def test_functions_may_have_any_names_and_are_kept_apart(place: Place, function: str) -> None:
    if place.url.startswith("mongodb+http") and function in ("a/b", ".."):
        return  # Eve's own rules for what may stand in a path
    function += uuid.uuid4().hex[:4]
    one, two = place.store(function), place.store(f"{function}2")
    one.put("a", entry(b"one"))
    two.put("a", entry(b"two"))
    assert same_entry(one.get("a"), entry(b"one"))
    if not place.url.startswith("mongodb+http"):
        assert {function, f"{function}2"} <= set(place.functions())
        assert place.claim(function, "somebody")
        assert place.claim(function, "somebody")
        assert not place.claim(function, "somebody else")
    one.clear()
    assert (one.count(), two.count()) == (0, 1)
    two.clear()


def test_more_entries_than_a_page_are_all_listed(place: Place) -> None:
    store = place.store(f"many{uuid.uuid4().hex[:8]}")
    count = 120 if place.url.startswith("mongodb") else 1100
    for number in range(count):
        store.put(str(number), entry(b"x"))
    assert store.count() == count
    assert {listed.name for listed in store.iterate()} == set(map(str, range(count)))
    store.clear()


def test_twenty_megabytes_are_an_entry_like_any_other(store: Store) -> None:
    value = os.urandom(1 << 20) * 20
    written = Entry(value, Stamp(1.0, 0.0, 0.0, Form.PICKLE))
    store.put("large", written)
    found = store.get("large")
    assert found is not None
    assert bytes(found.value) == value
    store.put("large", entry(b"small"))
    assert same_entry(store.get("large"), entry(b"small"))
    assert store.delete("large")


def test_readers_beside_writers_see_whole_entries(store: Store) -> None:
    stop = threading.Event()
    wrong: list[object] = []
    values = [bytes([number]) * (number * 20_000 + 10) for number in range(1, 8)]
    store.put("a", entry(values[0]))

    def write() -> None:
        for number in range(10 if "http" in repr(store) else 60):
            store.put("a", entry(values[number % len(values)]))
        stop.set()

    def read() -> None:
        while not stop.is_set():
            try:
                found = store.get("a")
                if found is None or bytes(found.value) not in values:
                    wrong.append(found)
            except Exception as error:
                wrong.append(error)

    threads = [threading.Thread(target=each) for each in (write, read, read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[:3]


def test_a_reader_that_is_overtaken_again_and_again_is_not_told_of_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large result's file is gone when its row was replaced between the two looks; the result is not."""
    place = SqlitePlace(tmp_path / "results.db")
    store, other = place.store("f"), SqlitePlace(tmp_path / "results.db").store("f")
    values = [bytes([number]) * 100_000 for number in range(6)]
    store.put("a", entry(values.pop()))
    read = place.files.read

    def overtaken(name: str, *, mapped: bool) -> Any:
        if values:
            other.put("a", entry(values.pop()))
        return read(name, mapped=mapped)

    monkeypatch.setattr(place.files, "read", overtaken)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert same_entry(store.get("a"), entry(bytes(100_000)))
    assert values == []


def test_statistics_add_up(store: Store, place: Place) -> None:
    store.put("a", entry())
    store.add_statistics({"hits": 2, "misses": 1})
    store.add_statistics({"hits": 3})
    found = store.statistics()
    expected = {} if place.url.startswith("mongodb+http") else {"hits": 5.0, "misses": 1.0}
    assert found == expected


def holding(url: str, function: str, told: Any) -> None:
    lock = open_place(url).store(function).lock("a name")
    assert lock.acquire(wait=True)
    told.set()
    time.sleep(600)


def test_a_lock_keeps_another_process_out_and_ends_with_its_owner(shared_place: Place) -> None:
    spawn = multiprocessing.get_context("spawn")
    told = spawn.Event()
    function = f"locked{uuid.uuid4().hex[:8]}"
    process = spawn.Process(target=holding, args=(shared_place.url, function, told))
    process.start()
    assert told.wait(60)
    lock = shared_place.store(function).lock("a name")
    other = shared_place.store(function).lock("another name")
    assert other.acquire(wait=False)
    other.release()
    assert lock.acquire(wait=False) is False
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    assert lock.acquire(wait=True)  # at once, or this test runs into its time limit
    lock.release()
    process.join()


def test_a_function_works_on_every_place(place: Place) -> None:
    calls = []

    def compute(x: Any, y: Any = None) -> Any:
        calls.append(x)
        return {"x": x, "y": y}

    f = persist(cache=place, funcname=f"compute{uuid.uuid4().hex[:8]}", storekey=True)(compute)
    for _ in range(3):
        assert f(1) == {"x": 1, "y": None}
        assert f("a", y=[1.5, (2,)]) == {"x": "a", "y": [1.5, (2,)]}
    assert calls == [1, "a"]
    assert sorted(f.cache, key=len) == [(("x", 1),), (("x", "a"), ("y", [1.5, (2,)]))]
    f.cache[(("x", 1),)] = "by hand"
    assert f(1) == "by hand"
    del f.cache[(("x", 1),)]
    assert f(1) == {"x": 1, "y": None}
    with pytest.raises(KeyError):
        f.cache[(("x", 2),)]
    f.clear()
    assert len(f.cache) == 0


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Where connections are taken, and nothing is ever answered."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1:{port}/0",
        "redis://127.0.0.1:{silent}/0?timeout=0.2",
        "mongodb://127.0.0.1:{port}/results?serverSelectionTimeoutMS=200",
        "mongodb://127.0.0.1:{silent}/results?serverSelectionTimeoutMS=200&connectTimeoutMS=200",
        "mongodb+http://127.0.0.1:{port}/persist/?timeout=2",
        "mongodb+http://127.0.0.1:{silent}/persist/?timeout=0.2",
        "sqlite:///proc/nowhere/x.db",
    ],
)
def test_a_place_that_is_down_or_slow_is_warned_of_once_and_the_function_works(url: str, silent_port: int) -> None:
    calls = []
    url = url.format(port=free_port(), silent=silent_port)

    @persist(cache=url)
    def f(x: int) -> int:
        calls.append(x)
        return 2 * x

    with pytest.warns(UserWarning, match="neither stored nor found") as told:
        assert [f(1), f(1), f(2)] == [2, 2, 4]
    assert len(told) == 1, [str(each.message) for each in told]
    assert calls == [1, 1, 2]
    with pytest.raises(StoreUnavailable):
        f.cache[(("x", 1),)] = 5
    open_place(url).close()


def test_an_unknown_url_is_refused_with_what_there_is() -> None:
    with pytest.raises(UnknownStore, match=r"sqlite://results.db"):
        persist(cache="carrier-pigeon://loft")
    with pytest.raises(KeyError):
        persist(cache="carrier-pigeon://loft")
    with pytest.raises(UnknownStore, match="'durabel' is unknown; there are: durable"):
        persist(cache="sqlite://x.db?durabel=1")
    with pytest.raises(UnknownStore, match="0 or 1"):
        persist(cache="file://x?durable=yes")


def test_a_durable_place_stores_like_any_other(tmp_path: Path) -> None:
    for url in (f"file://{tmp_path}/d?durable=1", f"sqlite://{tmp_path}/d.db?durable=1"):
        f = persist(lambda x: [x] * 50_000, cache=url, funcname="f")
        assert f(1) == f(1) == [1] * 50_000
        assert f.statistics.hits == 1
