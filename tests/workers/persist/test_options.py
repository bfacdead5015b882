"""What `persist` can be told beyond pypersist's options; and `cache` of an application."""

from __future__ import annotations

import dataclasses
import datetime
import pickle
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bascule import cache, init_app, persist
from bascule.workers.persist import CacheWarning, Uncacheable, open_place
from bascule.workers.persist.apps import NoApp
from bascule.workers.persist.canonical import encode
from bascule.workers.persist.hashing import hash
from bascule.workers.persist.lifetimes import Freshness, Lifetime, seconds
from tests.workers.persist.conftest import ROOT

URLS = ["file://persist/", "sqlite://results.db", "memory://options"]


@pytest.fixture(params=URLS)
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    yield request.param
    place = open_place("memory://options")
    for function in list(place.functions()):
        place.store(function).clear()


def moved(place_url: str, function: str, seconds: float) -> None:
    """As if all of a function's results had been computed so much earlier."""
    store = open_place(place_url).store(function)
    store.with_keys = True
    for listed in list(store.iterate()):
        entry = store.get(listed.name)
        assert entry is not None
        assert entry.stamp is not None
        store.put(listed.name, entry._replace(stamp=entry.stamp._replace(created=entry.stamp.created - seconds)))


def test_a_result_beyond_its_time_is_computed_anew(url: str) -> None:
    f = persist(cache=url, ttl="1h", funcname="f")(lambda x: [x])
    f(1)
    moved(url, "f", 3599)
    f(1)
    assert (f.statistics.hits, f.statistics.misses) == (1, 1)
    moved(url, "f", 2)
    f(1)
    assert f.statistics.misses == 2


def test_a_stale_result_is_given_while_it_is_computed_anew(url: str) -> None:
    computed: list[int] = []
    done = threading.Event()

    def compute(x: int) -> int:
        computed.append(x)
        if len(computed) > 1:
            done.set()
        return len(computed)

    f = persist(cache=url, ttl=60, stale_while_revalidate=600, funcname="f")(compute)
    assert f(1) == 1
    moved(url, "f", 100)
    assert f(1) == 1
    assert done.wait(60)
    deadline = time.monotonic() + 60
    while f(1) != 2:
        assert time.monotonic() < deadline
    assert computed == [1, 1]
    moved(url, "f", 1000)
    assert f(1) == 3


@pytest.mark.parametrize(
    ("age", "freshness"),
    [
        (0, Freshness.FRESH),
        (59, Freshness.FRESH),
        (60, Freshness.STALE),
        (89, Freshness.STALE),
        (90, Freshness.EXPIRED),
        (-30, Freshness.FRESH),  # clocks of two machines
        (-86400, Freshness.EXPIRED),  # a clock that jumped back: nobody knows how old it is
    ],
)
def test_how_long_a_result_is_good_whatever_the_clock_does(age: float, freshness: Freshness) -> None:
    now = 1_000_000_000.0
    assert Lifetime(60, 30).judge(now - age, now) is freshness
    assert Lifetime().judge(now - age, now) is Freshness.FRESH


def test_spans_of_time_in_words() -> None:
    spans = [90, "90s", "1.5m", "1h30m", "2d 3h", "1w", datetime.timedelta(hours=1), None]
    assert [seconds(span, "ttl") for span in spans] == [90, 90, 90, 5400, 183600, 604800, 3600, None]
    for wrong in ("soon", "-1s", "1 fortnight", -1, float("nan")):
        with pytest.raises(ValueError, match="ttl="):
            seconds(wrong, "ttl")


def test_the_least_recently_used_go_first(url: str) -> None:
    f = persist(cache=url, max_entries=3, funcname="f")(lambda x: x)
    for x in (1, 2, 3, 1, 4):
        f(x)
        time.sleep(0.005)  # the order of use is by the clock
    assert len(f.cache) == 3
    assert {x for x in range(1, 5) if (("x", x),) in f.cache} == {1, 3, 4}


def test_bytes_are_limited_and_the_oldest_may_go_first() -> None:
    f = persist(cache="sqlite://results.db", max_bytes=25_000, eviction="oldest", funcname="f")(lambda x: bytes(10_000))
    for x in (1, 2, 1, 3):
        f(x)
        time.sleep(0.005)
    assert {x for x in range(1, 4) if (("x", x),) in f.cache} == {2, 3}


def test_exceptions_are_remembered_when_asked(url: str) -> None:
    computed = []

    def fails(x: int) -> int:
        computed.append(x)
        raise {1: KeyError, 2: ZeroDivisionError}[x](x)

    f = persist(cache=url, exceptions=(LookupError,), funcname="f")(fails)
    for _ in range(2):
        with pytest.raises(KeyError):
            f(1)
        with pytest.raises(ZeroDivisionError):
            f(2)
    assert computed == [1, 2, 2]


@pytest.mark.parametrize("method", ["zlib", "zstd", "auto"])
def test_large_results_are_compressed_and_small_ones_are_not(method: str, url: str) -> None:
    f = persist(cache=url, compress=method, funcname="f")(lambda x: "ab" * x)
    for x in (3, 100_000):
        assert f(x) == f(x) == "ab" * x
    assert f.statistics.hits == 2
    sizes = sorted(listed.size for listed in open_place(url).store("f").iterate())
    assert sizes[0] > 6
    assert sizes[1] < 5_000


@pytest.mark.parametrize("url", URLS[:2])
def test_arrays_are_mapped_on_a_hit(url: str) -> None:
    f = persist(cache=url, mmap=True, funcname="f")(lambda n: {"a": np.arange(n), "b": "text"})
    f(100_000)
    found = f(100_000)
    assert np.array_equal(found["a"], np.arange(100_000))
    assert found["b"] == "text"
    assert not found["a"].flags.writeable
    assert not found["a"].flags.owndata
    f.clear()
    assert found["a"][-1] == 99_999


class Evil:
    def __reduce__(self) -> Any:
        return print, ("the pickle's code was run",)


@pytest.mark.parametrize("serializer", ["packed", "json"])
def test_a_safer_serializer_reads_no_pickle(serializer: str, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    values: dict[int, Any] = {1: {"a": [1, 2.5, None, "x"]}, 2: [True, "ü"]}
    if serializer == "packed":
        values |= {3: (1, b"x", {2}), 4: datetime.date(2020, 1, 1)}
    f = persist(cache=url, serializer=serializer, funcname="f")(values.__getitem__)
    for x, value in values.items():
        assert f(x) == f(x) == value
    persist(cache=url, funcname="g", version=1)(lambda key: Evil())(1)
    safe = persist(cache=url, funcname="g", serializer=serializer, version=1)(lambda key: values[key])
    with pytest.warns(CacheWarning, match="damaged"):
        assert safe(1) == values[1]
    assert safe.statistics.misses == 1
    assert "was run" not in capsys.readouterr().out


def test_what_can_not_be_written_is_given_and_warned_of() -> None:
    lock = threading.Lock()
    f = persist(lambda x: lock, funcname="f")
    with pytest.warns(CacheWarning, match="can't be stored"):
        assert f(1) is lock
    g = persist(lambda x: (1, 2), serializer="json", funcname="g")
    with pytest.warns(CacheWarning, match="would not come back from JSON"):
        assert g(1) == (1, 2)
    h = persist(lambda x: 5, funcname="h")
    with pytest.warns(CacheWarning, match="no key can be made of"):
        assert h(lock) == 5


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"ttl": "soon"}, "no time span"),
        ({"stale_while_revalidate": 5}, "needs a ttl"),
        ({"max_entries": 0}, "at least 1"),
        ({"max_bytes": True}, "whole number"),
        ({"max_entries": 5, "eviction": "newest"}, "least-recently-used, oldest, largest"),
        ({"eviction": "newest"}, "least-recently-used, oldest, largest"),
        ({"cache": 5}, "not in 5"),
        ({"cache": "sqlit://x"}, "no store has the scheme 'sqlit'.*rediss://.*mongodb\\+https://"),
        ({"exceptions": [int]}, "exception classes"),
        ({"hash": "md5"}, "must be callable"),
        ({"funcname": 5}, "must be text"),
    ],
)
def test_options_that_can_not_be_are_refused_at_once(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises((ValueError, TypeError), match=complaint):
        persist(len, **options)


def test_keys_that_are_not_stored_can_not_be_gone_over() -> None:
    f = persist(lambda x: x)
    f(1)
    with pytest.raises(TypeError, match="say storekey=True"):
        list(f.cache)


@pytest.mark.parametrize(
    "options",
    [
        {"serializer": "yaml"},
        {"compress": "rar"},
        {"mmap": True, "compress": "zlib"},
        {"serializer": "json", "exceptions": True},
        {"serializer": "json", "pickle": str, "unpickle": int},
    ],
)
def test_serializers_that_contradict_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="="):
        persist(len, **options).clear()


# ---- Keys -----------------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Point:
    x: int
    y: Any = None
    note: str = dataclasses.field(default="", compare=False)


class Plain:
    def __init__(self, **state: Any) -> None:
        self.__dict__.update(state)


def test_equal_values_have_equal_names_and_others_have_others() -> None:
    same = [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({1, 2, 3}, {3, 2, 1}),
        (Point(1, note="here"), Point(1, note="there")),
        (Plain(a=1, b=[2]), Plain(b=[2], a=1)),
        (np.arange(6).reshape(2, 3), np.asfortranarray(np.arange(6).reshape(2, 3))),
        (np.arange(4)[::2], np.array([0, 2])),
        (pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"a": [1, 2]})),
        (pd.Series([1, None], name="s"), pd.Series([1, None], name="s")),
        (pd.Categorical(["a", "b"]), pd.Categorical(["a", "b"])),
        (Path("/a"), Path("/a")),
        (datetime.datetime(2020, 1, 1), datetime.datetime(2020, 1, 1)),
        (float("nan"), float("nan")),
    ]
    for one, other in same:
        assert hash((("x", one),)) == hash((("x", other),)), one
    values: list[Any] = [
        0,
        0.0,
        -0.0,
        False,
        None,
        "",
        b"",
        (),
        [],
        {},
        set(),
        frozenset(),
        "0",
        b"0",
        1,
        True,
        1.0,
        1j,
    ]
    values += [(1,), [1], ((1,),), {1: 2}, {1: "2"}, Point(1), Point(2), Plain(a=1), Plain(a=2), int, str, len, max]
    values += [np.arange(3), np.arange(3.0), np.arange(3).reshape(3, 1), np.int64(1), np.array(["a"]), [0, 1, 2]]
    values += [pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [1]}), pd.DataFrame({"a": [1.0]}), pd.Series([1])]
    values += [["a", "b"], ["ab"], [["a"], "b"], lambda x: x, lambda x: x + 1, bytearray(b"0"), range(3), Path("0")]
    names = [hash((("x", value),)) for value in values]
    assert len(set(names)) == len(values)
    assert [hash((("x", value),)) for value in reversed(values)] == names[::-1]  # met before or not


def test_shared_and_deep_and_circular_values() -> None:
    shared: list[Any] = [1]
    for _ in range(200):
        shared = [shared, shared, {}]
    assert len(hash(shared)) == 43
    circle: list[Any] = [{}]
    circle.append(circle)
    with pytest.raises(Uncacheable, match="contains itself"):
        hash(circle)
    with pytest.raises(Uncacheable, match=r"_thread.lock.*__persist_key__"):
        encode({"a": threading.Lock()})


# ---- The application's cache ----------------------------------------------------------------------------------------


def test_cache_keeps_results_in_the_applications_folder(tmp_path: Path) -> None:
    computed = []

    @cache
    def f(x: Any, *, y: int = 0) -> Any:
        """Doc."""
        computed.append((x, y))

    @cache(ttl="1d")
    def g(x: Any, *, y: int = 0) -> Any:
        return "g"

    with pytest.raises(NoApp, match="init_app"):
        f(1)
    folder = init_app("my app")
    assert folder == tmp_path / "data-home" / "my app"
    assert [f(1), f(1), f(1, y=2), f(1, y=2)] == [None] * 4
    assert computed == [(1, 0), (1, 2)]
    assert g(1) == "g"
    threads = [threading.Thread(target=f, args=(1,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert computed == [(1, 0), (1, 2)]
    assert (f.__name__, f.__doc__) == ("f", "Doc.")
    assert sorted(path.name for path in folder.iterdir())[0] == "cache.sqlite"
    for wrong in ("", "a/b", ".."):
        with pytest.raises(ValueError, match="init_app"):
            init_app(wrong)
    with pytest.raises(TypeError, match="persist"):
        cache(cache="file://x")


# ---- Anywhere -------------------------------------------------------------------------------------------------------

IN_ANY_PYTHON = """
import bridge, protocols, workers
import sys, warnings
warnings.simplefilter("error")
from bascule import persist, cache, memoize, init_app
assert not {"msgpack", "trio", "pydantic"} & set(sys.modules), sorted(sys.modules)

for url in ("file://persist/", "sqlite://results.db"):
    @persist(cache=url, storekey=True, metadata=lambda: "m")
    def f(x, y=2, *rest, z=3, **more):
        return x + y + z

    assert f(1) == f(1, 2, z=3) == 6
    assert list(f.cache) == [(("x", 1),)]
assert memoize(lambda x: x)(1) == 1
print(workers.whose, "done")
"""


def test_it_needs_the_standard_library_alone_and_every_supported_python(
    interpreters: dict[tuple[int, int], str], tmp_path: Path
) -> None:
    for room in ("bridge", "protocols", "workers"):
        (tmp_path / room).mkdir()
        (tmp_path / room / "__init__.py").write_text("whose = 'the user s'\n")
    (tmp_path / "any.py").write_text(IN_ANY_PYTHON)
    for version, executable in interpreters.items():
        command = [executable, "-S", "any.py"]
        environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
        told = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert told.stdout == "the user s done\n", (version, told.stderr)
        assert pickle.HIGHEST_PROTOCOL >= 5
