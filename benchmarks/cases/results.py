"""Results remembered: hits, misses, many at once, a million entries; and answers kept by the bridge."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from bascule import persist
from bascule.workers.persist import open_place
from bascule.workers.persist.entries import Entry, Form, Stamp, seal
from bascule.workers.persist.fingerprints import NOTHING
from bascule.workers.persist.sqlitecache import SqlitePlace
from benchmarks import ours, subject
from benchmarks.measure import alternate, p50
from benchmarks.peers import remembering
from benchmarks.rows import AtMost, Row, Target

_MEGABYTE = os.urandom(1 << 20)
_TOGETHER = """
import sys, time
from bascule import persist

@persist(cache="sqlite://results.db")
def slow(x):
    with open("computed", "a") as file:
        file.write(f"{x} ")
    time.sleep(0.05)
    return x

len(slow.cache)  # what is loaded once is loaded
print("ready", flush=True)
sys.stdin.readline()
for x in range(10):
    slow(x)
print(time.monotonic())
"""


def small(x: int) -> int:
    """Next to nothing."""
    return 3 * x


def large(x: int) -> bytes:
    """A megabyte."""
    return _MEGABYTE


def _next(function: remembering.Function, new: Iterator[int]) -> object:
    return function(next(new))


def hits_and_misses() -> Iterator[Row]:
    """One process, one function."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name, ExitStack() as stack:
        folder = Path(name)
        url = f"sqlite://{folder}/results.db"
        hit = persist(small, url)
        disk = stack.enter_context(remembering.diskcache(small, folder))
        theirs = remembering.pypersist(small, folder)
        peers: list[tuple[str, remembering.Function, Target]] = [
            ("pypersist", theirs, AtMost(0.5)),
            ("diskcache", disk, AtMost(0.5)),
            ("joblib", remembering.joblib(small, folder), None),
            ("a file and a pickle", remembering.floor(small, folder), None),
        ]
        for peer, function, target in peers:
            hit(1), function(1)
            compared = alternate(p50(partial(hit, 1)), p50(partial(function, 1)))
            yield Row("hit of an int, us", compared.ours, peer, compared.peer, compared.ratio, target)

        new = itertools.count(1000)
        for peer, function, target in [("diskcache", disk, AtMost(1.2)), ("pypersist", theirs, None)]:
            mine = p50(partial(_next, hit, new), count=200)
            compared = alternate(mine, p50(partial(_next, function, new), count=200))
            yield Row("miss of an int, us", compared.ours, peer, compared.peer, compared.ratio, target)

        hit_large = persist(large, url)
        for peer, function, target in [
            ("a file and a pickle", remembering.floor(large, folder), AtMost(1.5)),
            ("pypersist", remembering.pypersist(large, folder), AtMost(0.05)),
        ]:
            hit_large(1), function(1)
            compared = alternate(p50(partial(hit_large, 1), count=100), p50(partial(function, 1), count=20))
            yield Row("hit of 1 MB bytes, us", compared.ours, peer, compared.peer, compared.ratio, target)


def together() -> Iterator[Row]:
    """Eight processes ask for the same ten results, each of which takes 50 ms."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        environment = dict(os.environ, PYTHONPATH=ours.python_path())
        command = [sys.executable, "-c", _TOGETHER]
        processes = [
            subprocess.Popen(command, cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            for _ in range(8)
        ]
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()
        start = time.monotonic()
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(b"go\n")
            process.stdin.flush()
        seconds = max(float(process.communicate()[0]) for process in processes) - start
        computed = len((folder / "computed").read_text().split())
    yield Row("8 processes x 10 keys, computations", computed, "ideal", 10, computed / 10, AtMost(1.0))
    yield Row("8 processes x 10 keys of 50 ms, s", seconds, "ideal", 0.5, seconds / 0.5, AtMost(1.3))


def a_million() -> Iterator[Row]:
    """The time of a hit among a million entries and among a thousand."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        functions = []
        for count in (1_000_000, 1_000):
            place = open_place(f"sqlite://{name}/{count}.db")
            assert isinstance(place, SqlitePlace)
            function = persist(small, place, funcname="small")
            function(1)
            _fill(place, count)
            functions.append((function, itertools.count()))
        (many, more), (few, fewer) = functions
        many_at = p50(lambda: many(next(more) % 900), count=900)
        few_at = p50(lambda: few(next(fewer) % 900), count=900)
        compared = alternate(many_at, few_at)
    what, peer = "hit among 1 M entries, us", "among 1 k"
    yield Row(what, compared.ours, peer, compared.peer, compared.ratio, AtMost(1.5))


def _fill(place: SqlitePlace, count: int) -> None:
    """Entries as `put` writes them, many to a transaction: those of the first keys, and any others."""
    store = place.store("small")
    function = persist(small, place, funcname="small")
    for x in range(900):
        function(x)
    opened = place.opened()
    assert opened is not None
    number = place.known_function(opened, store.function)
    stamp = Stamp(time.time(), 0.0, 0.0, Form.PICKLE, NOTHING)
    data = b"\0" + seal("", Entry(b"\x80\x05K\x01.", stamp))
    rows = ((number, os.urandom(32).hex()[:43].encode(), data, 5, stamp.created) for _ in range(count - 900))
    opened.connection.execute("BEGIN")
    opened.connection.executemany(
        "INSERT INTO entries (function, name, data, size, created, used, expires) VALUES (?, ?, ?, ?, ?5, ?5, 0)", rows
    )
    opened.connection.execute("COMMIT")


def through_the_bridge() -> Iterator[Row]:
    """A call whose answer is kept, beside the same call that does next to nothing."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        config = Path(name) / "bascule.toml"
        config.write_text(
            f'[pools.default]\nsize = 2\npaths = ["{ours.ROOT}"]\n'
            f'[cache."{subject.__name__}:f"]\nttl = "1h"\nstore = "sqlite://{name}/answers.db"\n'
        )
        with ours.service(0, config=config) as (client, _):
            client.call(ours.F, 1, 2)
            f, echo = ours.F, ours.ECHO
            client.call(echo, 1)
            compared = alternate(p50(lambda: client.call(f, 1, 2)), p50(lambda: client.call(echo, 1)))
    peer = "the same, not kept"
    yield Row("cached call through the bridge, us", compared.ours, peer, compared.peer, compared.ratio, AtMost(0.8))
