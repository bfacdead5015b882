"""What goes wrong in pypersist, one promise for each: here it does not."""

from __future__ import annotations

import base64
import inspect
import multiprocessing
import os
import pickle
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio

from bascule import persist
from bascule.workers.persist import CacheWarning, arg_tuple


@pytest.fixture
def computed() -> Counter[str]:
    return Counter()


def written_by_pypersist(function: str, key: object, value: object) -> Path:
    """An entry as pypersist leaves it: no bookkeeping."""
    folder = Path("persist") / function
    folder.mkdir(parents=True, exist_ok=True)
    name = base64.urlsafe_b64encode(sha256(pickle.dumps(key, 4)).digest()).decode().rstrip("=")
    path = folder / f"{name}.out"
    path.write_text(base64.urlsafe_b64encode(pickle.dumps(value, 4)).decode())
    return path


def test_a_default_of_none_need_not_be_given() -> None:
    @persist
    def f(x: int, y: int | None = None) -> tuple[int, int | None]:
        return x, y

    assert f(1) == f(1, None) == (1, None)
    assert arg_tuple(f.__wrapped__, 1) == (("x", 1),)


def test_an_array_may_stand_where_there_is_a_default() -> None:
    @persist
    def f(x: Any = 0) -> int:
        return int(np.sum(x))

    assert f(np.arange(3)) == 3
    assert f(np.arange(3)) == 3
    assert f.statistics.hits == 1


def test_one_true_and_a_float_are_three_arguments(computed: Counter[str]) -> None:
    @persist
    def f(x: Any = 1) -> str:
        return repr(x)

    assert [f(), f(1), f(True), f(1.0), f(0.0), f(-0.0)] == ["1", "1", "True", "1.0", "0.0", "-0.0"]


def test_equal_keys_hit_whatever_their_identity_and_order(computed: Counter[str]) -> None:
    @persist
    def f(x: Any, y: Any = None) -> int:
        computed["f"] += 1
        return computed["f"]

    joined = "".join(["a", "b"])
    assert f("ab", "ab") == f(joined, "".join(["a", "b"])) == 1
    assert f({"a": 1, "b": [2]}) == f({"b": [2], "a": 1}) == 2
    assert f({"x", "y", "z"}) == f({"z", "y", "x"}) == 3


def test_sets_are_equal_under_another_hash_seed(program: Any) -> None:
    text = "from bascule import persist\n@persist\ndef f(x): print('computed')\nf({'a', 'b', 'c', 'd', 'e'})\n"
    told = [program(text, PYTHONHASHSEED=seed).stdout for seed in ("1", "2", "3")]
    assert told == ["computed\n", "", ""]


def test_setting_an_existing_key_replaces_it_on_disk() -> None:
    @persist
    def f(x: int) -> int:
        return x

    f(1)
    f.cache[(("x", 1),)] = 5
    assert f(1) == 5
    (entry,) = Path("persist/f").glob("*.out")
    assert pickle.loads(base64.urlsafe_b64decode(entry.read_text())) == 5


def test_methods_lambdas_and_functions_of_one_name_share_nothing() -> None:
    class A:
        @persist
        def m(self, x: int) -> str:
            return f"A{x}"

    class B:
        @persist
        def m(self, x: int) -> str:
            return f"B{x}"

    assert (A().m(1), B().m(1)) == ("A1", "B1")
    one, two = persist(lambda x: x + 1), persist(lambda x: x + 2)
    assert (one(1), two(1)) == (2, 3)

    def made(n: int) -> Any:
        @persist
        def f(x: int) -> int:
            return x + n

        return f

    assert (made(1)(1), made(2)(1), made(1)(1)) == (2, 3, 2)


def test_functions_of_one_name_in_two_modules_share_nothing(program: Any, folder: Path) -> None:
    for name in ("one", "two"):
        (folder / f"{name}.py").write_text(f"from bascule import persist\n@persist\ndef f(x): return {name!r}\n")
    assert program("import one, two\nprint(one.f(1), two.f(1))").stdout == "one two\n"
    assert program("import one, two\nprint(two.f(1), one.f(1))").stdout == "two one\n"


def test_changed_code_is_noticed_and_a_version_says_it_by_hand(program: Any) -> None:
    text = "import warnings; warnings.simplefilter('ignore')\nfrom bascule import persist\n"
    text += "{}\ndef f(x):\n    {}\nprint(f(1))"
    assert program(text.format("@persist", "return x")).stdout == "1\n"
    assert program(text.format("@persist", "'''Another docstring.'''; return x  # and a comment")).stdout == "1\n"
    assert program(text.format("@persist", "return x + 1")).stdout == "2\n"
    assert program(text.format("@persist", "return x + 1").replace("'ignore'", "'error'")).stdout == "2\n"
    assert program(text.format("@persist(version=1)", "return 'v1'")).stdout == "v1\n"
    assert program(text.format("@persist(version=1)", "return 'v1, better'")).stdout == "v1\n"
    assert program(text.format("@persist(version=2)", "return 'v2'")).stdout == "v2\n"


def test_a_change_of_code_is_warned_of_once(computed: Counter[str]) -> None:
    def f(x: int) -> int:
        return x

    persist(f)(1)
    persist(f)(2)

    def g(x: int) -> int:
        return x + 1

    changed = persist(g, funcname="f")
    with pytest.warns(CacheWarning, match="code has changed") as told:
        assert [changed(1), changed(2)] == [2, 3]
    assert len(told) == 1


def test_an_argument_given_twice_is_an_error() -> None:
    @persist
    def f(x: int) -> int:
        return x

    f(1)
    with pytest.raises(TypeError, match="multiple values for argument 'x'"):
        f(1, x=1)
    with pytest.raises(TypeError, match="takes 1 positional argument but 2 were given"):
        f(1, 2)
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        f()


def test_a_change_of_the_working_folder_moves_nothing(tmp_path: Path, computed: Counter[str]) -> None:
    @persist
    def f(x: int) -> int:
        computed["f"] += 1
        return x

    f(1)
    os.mkdir("elsewhere")
    os.chdir("elsewhere")
    f(1)
    assert computed["f"] == 1
    assert os.listdir(".") == []


def test_coroutine_functions(computed: Counter[str]) -> None:
    @persist
    async def f(x: int) -> int:
        computed["f"] += 1
        return 2 * x

    assert inspect.iscoroutinefunction(f) or sys.version_info < (3, 12)
    assert trio.run(f, 2) == trio.run(f, 2) == 4
    assert computed["f"] == 1


def test_generators_are_recorded_and_replayed(computed: Counter[str]) -> None:
    @persist
    def f(n: int) -> Iterator[int]:
        computed["f"] += 1
        yield from range(n)
        return "the end"

    @persist
    async def g(n: int) -> AsyncIterator[int]:
        computed["g"] += 1
        for item in range(n):
            yield item

    async def all_of_g() -> list[int]:
        return [item async for item in g(3)]

    started = f(3)
    assert next(started) == 0
    started.close()  # not to its end: not remembered
    assert list(f(3)) == list(f(3)) == [0, 1, 2]
    assert computed["f"] == 2
    assert trio.run(all_of_g) == trio.run(all_of_g) == [0, 1, 2]
    assert computed["g"] == 1


class Slotted:
    __slots__ = ("n",)

    def __init__(self, n: int) -> None:
        self.n = n

    @persist(cache="memory://slotted")
    def plus(self, x: int) -> int:
        return self.n + x

    @persist(cache="memory://slotted")
    @classmethod
    def name(cls, x: int) -> str:
        return f"{cls.__name__}{x}"

    @classmethod
    @persist(cache="memory://slotted")
    def name_too(cls, x: int) -> str:
        return f"{cls.__name__}{x}"

    @persist(cache="memory://slotted")
    @staticmethod
    def twice(x: int) -> int:
        return 2 * x

    @staticmethod
    @persist(cache="memory://slotted")
    def thrice(x: int) -> int:
        return 3 * x

    def __reduce__(self) -> Any:
        raise AssertionError("nobody shall pickle this object")

    @property
    def __persist_key__(self) -> int:
        return self.n


class Derived(Slotted):
    __slots__ = ()


def test_methods_of_all_kinds_and_slots() -> None:
    one, two = Slotted(1), Slotted(2)
    assert [one.plus(1), two.plus(1), Slotted(1).plus(1), Slotted.plus(one, 1)] == [2, 3, 2, 2]
    assert Slotted.plus.statistics.misses == 2
    assert [Slotted.name(1), Derived.name(1), one.name(1)] == ["Slotted1", "Derived1", "Slotted1"]
    assert [Slotted.name_too(1), Derived.name_too(1), one.name_too(1)] == ["Slotted1", "Derived1", "Slotted1"]
    assert [Slotted.twice(2), one.twice(2), Slotted.thrice(2), one.thrice(2)] == [4, 4, 6, 6]


def test_a_method_key_holds_no_object() -> None:
    class Plain:
        def __init__(self, n: int) -> None:
            self.n = n

        @persist(storekey=True)
        def m(self, x: int) -> int:
            return self.n + x

    assert [Plain(1).m(1), Plain(2).m(1), Plain(1).m(1)] == [2, 3, 2]
    assert Plain.m.statistics.hits == 1
    for key in Plain.m.cache:
        assert [name for name, _ in key] == ["self", "x"]
        assert isinstance(key[0][1], tuple)


@persist(cache="memory://at-module-level")
def at_module_level(x: int) -> int:
    return -x


def test_the_wrapper_is_pickled_by_name() -> None:
    assert pickle.loads(pickle.dumps(at_module_level)) is at_module_level
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(at_module_level, range(5)) == [0, -1, -2, -3, -4]


@pytest.mark.parametrize("left", [b"", b"gARL", b"\xff\xfe", b"not base64 at all"])
def test_a_truncated_or_empty_entry_is_a_miss_that_heals(left: bytes) -> None:
    @persist
    def f(x: int) -> int:
        return 3 * x

    f(1)
    (entry,) = Path("persist/f").glob("*.out")
    entry.write_bytes(left)
    with pytest.warns(CacheWarning, match="damaged"):
        assert f(1) == 3
    assert f(1) == 3
    assert f.statistics.misses == 2
    foreign = written_by_pypersist("f", (("x", 2),), 6)
    foreign.write_bytes(left)
    with pytest.warns(CacheWarning, match="damaged"):
        assert f(2) == 6
    assert f(2) == 6


def test_a_lock_that_somebody_left_keeps_nobody_waiting() -> None:
    @persist
    def f(x: int) -> int:
        return x

    f(1)
    (entry,) = Path("persist/f").glob("*.out")
    entry.with_suffix(".lock").touch()
    assert f(1) == 1
    f.clear()
    assert os.listdir("persist/f") == []


def test_a_folder_written_by_pypersist_is_readable(computed: Counter[str]) -> None:
    @persist
    def f(x: Any, y: Any = 0) -> str:
        computed["f"] += 1
        return "computed"

    written_by_pypersist("f", (("x", 1), ("y", "text")), "stored")
    assert f(1, "text") == "stored"
    options = {"a": 1, "b": {2.5}}
    written_by_pypersist("f", (("x", options),), "stored too")
    assert f(options) == "stored too"
    assert not computed
    assert len(f.cache) == 2
    key = (("x", options),)
    del f.cache[key]
    assert f.cache.get(key) is None
    assert f(options) == f(dict(reversed(options.items()))) == "computed"
