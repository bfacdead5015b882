"""The tour of pypersist's notebook, cell by cell, through the drop-in: same calls, same results, same files.

Where a cell of the tour waits to show that nothing is computed again, these functions count.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from bascule.workers.persist import open_place
from tests.workers.persist.servers import bascule_server, eve_server, mongodb_server

pytestmark = pytest.mark.usefixtures("drop_in")


@pytest.fixture
def computed() -> Counter[str]:
    return Counter()


def listing(name: str) -> list[str]:
    return sorted(os.listdir(f"persist/{name}"))


def test_1_persist(computed: Counter[str]) -> None:
    from pypersist import persist

    @persist
    def triple(x: int) -> int:
        """Three of a kind."""
        computed["triple"] += 1
        return 3 * x

    triple.clear()
    assert (triple(1), triple(4), triple(1)) == (3, 12, 3)
    assert computed["triple"] == 2
    assert (triple.__name__, triple.__doc__) == ("triple", "Three of a kind.")
    assert listing("triple") == [
        "J07X2eDzHpTOgokBj7BPtQlwTgQWk7WBHtKi2IBMHwk.out",
        "NIk6TS0W0gHYMDQxW4f1qBqkvBUXPUGfH4kXfWRN73k.out",
    ]
    assert Path("persist/triple/J07X2eDzHpTOgokBj7BPtQlwTgQWk7WBHtKi2IBMHwk.out").read_text() == "gARLDC4="
    assert triple.cache[(("x", 4),)] == 12
    triple.cache[(("x", 10),)] = 31
    assert triple(10) == 31
    with pytest.raises(KeyError) as bad:
        triple.cache[(("x", 5),)]
    assert bad.value.args[0] == (("x", 5),)
    assert len(triple.cache) == 3
    assert computed["triple"] == 2


def test_2_custom_pickling(computed: Counter[str]) -> None:
    from pypersist import persist

    @persist(pickle=repr, unpickle=eval)
    def double(x: Any) -> Any:
        computed["double"] += 1
        return 2 * x

    double.clear()
    assert [double(2), double(2), double(x=2), double(0), double("hello!")] == [4, 4, 4, 0, "hello!hello!"]
    assert computed["double"] == 3
    files = listing("double")
    assert all(len(file) == 43 + len(".out") for file in files)
    assert {Path(f"persist/double/{file}").read_text() for file in files} == {"4", "0", "'hello!hello!'"}
    assert double("hello!") == "hello!hello!"


def test_3_storage_location(computed: Counter[str]) -> None:
    from pypersist import persist
    from pypersist.preprocessing import arg_tuple

    @persist(cache="file://results_for_alice/", funcname="foofighters")
    def foo(x: int, y: int, z: int = 1, *, a: int = 3) -> int:
        computed["foo"] += 1
        return x + y + z + a

    foo.clear()
    assert [foo(1, 4, z=3), foo(1, y=4, z=3), foo(1, z=3, y=4), foo(1, 4, 3, a=3)] == [11] * 4
    assert computed["foo"] == 1
    assert [foo(1, 4, 3, a=7), foo(1, 4, a=3, z=3), foo(1, 4, a=7, z=3)] == [15, 11, 15]
    assert computed["foo"] == 2
    assert len(os.listdir("results_for_alice/foofighters")) == 2

    def baz(a: int, b: int, c: int = 3, d: int = 4, *, e: int, f: int = 6, g: int = 7) -> int:
        return a + b + c + d + e + f + g

    assert arg_tuple(baz, 10, 2, 3, e=50, g=3, f=6) == (("a", 10), ("b", 2), ("e", 50), ("g", 3))


def test_4_custom_key_function(computed: Counter[str]) -> None:
    from pypersist import persist

    def total(*args: int) -> int:
        computed["sum"] += 1
        return sum(args)

    by_order = persist(funcname="sum")(total)
    by_order.clear()
    assert by_order(1, 4, 3, 7, 3, 12) == by_order(4, 12, 7, 3, 3, 1) == 30
    assert computed["sum"] == 2
    by_content = persist(funcname="sum", key=lambda *args: sorted(args))(total)
    by_content.clear()
    assert by_content(1, 4, 3, 7, 3, 12) == by_content(4, 12, 7, 3, 3, 1) == 30
    assert computed["sum"] == 3


def test_5_custom_hash_function() -> None:
    from pypersist import persist

    @persist(hash=lambda k: f"{k[0][1]} to the {k[1][1]}", pickle=str, unpickle=int)
    def pow(x: int, y: int) -> int:
        return x**y

    pow.clear()
    assert [pow(2, 3), pow(7, 4), pow(1, 3), pow(10, 5), pow(0, 0), pow(2, 16)] == [8, 2401, 1, 100000, 1, 65536]
    assert listing("pow") == sorted(
        ["2 to the 3.out", "7 to the 4.out", "1 to the 3.out", "10 to the 5.out", "0 to the 0.out", "2 to the 16.out"]
    )
    assert Path("persist/pow/7 to the 4.out").read_text() == "2401"
    assert pow(7, 4) == 2401


def test_6_storing_keys() -> None:
    from pypersist import persist
    from pypersist.commoncache import HashCollisionError

    @persist(storekey=True)
    def square(x: int) -> int:
        return x * x

    square.clear()
    square(12)
    square(0)
    keys = {(("x", 12),), (("x", 0),)}
    assert set(square.cache) == set(square.cache.keys()) == keys
    assert sorted(square.cache.values()) == [0, 144]
    assert dict(square.cache.items()) == {(("x", 12),): 144, (("x", 0),): 0}
    assert sum(name.endswith(".key") for name in listing("square")) == 2

    careless = persist(hash=lambda k: "hello world", funcname="careless")(square.__wrapped__)
    careless.clear()
    assert (careless(3), careless(4)) == (9, 9)
    assert listing("careless") == ["hello world.out"]

    careful = persist(hash=lambda k: "hello world", storekey=True, funcname="careless")(square.__wrapped__)
    careful.clear()
    assert careful(3) == 9
    with pytest.raises(HashCollisionError) as collision:
        careful(4)
    assert collision.value.args == ((("x", 3),), (("x", 4),))


def test_7_unhashing() -> None:
    from pypersist import persist

    @persist(key=float, hash=lambda k: f"e to the {k}", unhash=lambda s: float(s[9:]))
    def exp(x: float) -> float:
        return 2.71828**x  # type: ignore[no-any-return]

    exp.clear()
    assert exp(2) == exp(2.0) == 2.71828**2
    exp(-1)
    exp(3.14)
    assert set(exp.cache) == {2.0, -1.0, 3.14}
    assert dict(exp.cache.items()) == {x: 2.71828**x for x in (2.0, -1.0, 3.14)}
    assert listing("exp") == ["e to the -1.0.out", "e to the 2.0.out", "e to the 3.14.out"]


@pytest.fixture(scope="module", params=["eve", "bascule"])
def rest_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server as the tour wants one: Eve over MongoDB's wire protocol, and ours."""
    folder = tmp_path_factory.mktemp("servers")
    with ExitStack() as stack:
        if request.param == "eve":
            url = stack.enter_context(eve_server(folder, stack.enter_context(mongodb_server(folder))))
        else:
            url = stack.enter_context(bascule_server(folder, f"file://{folder}/served/"))
        yield url.replace("mongodb+http://", "mongodb://")
        open_place(url).close()


def test_8_using_a_server(rest_url: str, computed: Counter[str]) -> None:
    from pypersist import persist

    @persist(cache=rest_url)
    def start_and_end(string: str) -> str:
        computed["start_and_end"] += 1
        return string[0] + string[-1]

    start_and_end.clear()
    assert [start_and_end("Hello World!"), start_and_end("Doctor"), start_and_end("Doctor")] == ["H!", "Dr", "Dr"]
    assert computed["start_and_end"] == 2
    assert len(start_and_end.cache) == 2
    del start_and_end.cache[(("string", "Hello World!"),)]
    assert len(start_and_end.cache) == 1
    with pytest.raises(KeyError):
        start_and_end.cache[(("string", "Hello World!"),)]
    start_and_end.clear()
    assert len(start_and_end.cache) == 0
    assert not Path("persist").exists()


REDEFINED = """
from os import listdir
from pypersist import persist

computed = []

@persist
def sum(*args):
    computed.append(args)
    return args[0] if len(args) == 1 else args[0] + sum(*args[1:])

sum.clear()
assert sum(1, 4) == 5 and sum(4, 1) == 5
print(len(computed), end=" ")

@persist(key=lambda *args: sorted(args))
def sum(*args):
    computed.append(args)
    acc = 0
    for x in args:
        acc += x
    return acc

sum.clear()
del computed[:]
assert sum(1, 4, 3, 7, 3, 12) == sum(4, 12, 7, 3, 3, 1) == 30
print(len(computed), end=" ")

@persist(storekey=True)
def square(x):
    return x * x

square.clear()
square(12), square(0)
assert sorted(key for key in square.cache) == [(("x", 0),), (("x", 12),)]

@persist(hash=lambda k: "hello world")
def square(x):
    return x * x

square.clear()
assert (square(3), square(4)) == (9, 9)
assert listdir("persist/square") == ["hello world.out"]

@persist(hash=lambda k: "hello world", storekey=True)
def square(x):
    return x * x

square.clear()
assert square(3) == 9
try:
    square(4)
except Exception as hce:
    print(type(hce).__name__, hce.args[0], hce.args[1])
print(sorted(name for name in listdir("persist") if not name.startswith(".")))
"""


def test_functions_that_are_defined_again_keep_their_folder(program: Any) -> None:
    told = program(REDEFINED).stdout
    assert told == "4 1 HashCollisionError (('x', 3),) (('x', 4),)\n['square', 'sum']\n"


def test_metadata_stands_beside_the_result_and_what_is_found_and_computed_is_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from pypersist import persist

    @persist(metadata=lambda: "by whom", verbosity=3)
    def f(x: int) -> int:
        return x

    assert f(1) == f(1) == 1
    (meta,) = [name for name in listing("f") if name.endswith(".meta")]
    assert Path(f"persist/f/{meta}").read_text() == "by whom"
    told = capsys.readouterr().out
    assert "computing" in told
    assert "found" in told


def test_the_names_of_its_modules_are_all_there() -> None:
    import pypersist
    from pypersist import commoncache, diskcache, hashing, mongodbcache, pickling, preprocessing

    assert diskcache.HashCollisionError is mongodbcache.HashCollisionError is commoncache.HashCollisionError
    assert (diskcache.OUT, diskcache.KEY, diskcache.META, diskcache.LOCK) == (".out", ".key", ".meta", ".lock")
    assert {diskcache.Cache, diskcache.CacheWithKeys} == {mongodbcache.Cache, mongodbcache.CacheWithKeys}
    assert pickling.unpickle(pickling.pickle({"a": b"x"})) == {"a": b"x"}
    assert pickling.unpickle_from_bytes(pickling.pickle_to_bytes(1)) == 1
    assert len(hashing.hash(None)) == 43
    assert preprocessing.arg_tuple(lambda x: x, 1) == (("x", 1),)
    with pytest.raises(KeyError):
        pypersist.persist(cache="carrier-pigeon://")(len)
