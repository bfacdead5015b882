from __future__ import annotations

import contextlib
import datetime
import decimal
import os
import subprocess
import sys
import threading
import zoneinfo
from pathlib import Path
from typing import Any

import msgpack
import numpy
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bascule.protocols import packed
from bascule.protocols.arrays import NumericArray
from bascule.protocols.errors import LocalProtocolError, RemoteProtocolError
from bascule.protocols.limits import MAX_BIGNUM
from bascule.protocols.tokens import Handle
from tests.protocols.value_strategies import same, values

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "bsc" + "0" * 57


def back(value: object) -> Any:
    return packed.loads(packed.dumps(value))


@given(values(finite=False))
@example("\ud800")
@example({"\udcff": ("\udcfe", ["\udcfd"])})
@example([2**64, -(2**63) - 1, 2**64 - 1, -(2**63)])
@example(decimal.Decimal("-0.0"))
def test_a_value_comes_back_as_it_was(value: object) -> None:
    assert same(back(value), value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_plain_values_are_plain_msgpack(value: object) -> None:
    assert packed.dumps(value) == msgpack.packb(value)


def test_nan_travels() -> None:
    assert repr(back([float("nan"), decimal.Decimal("NaN")])) == "[nan, Decimal('NaN')]"


def test_tuples_and_lists_are_told_apart_at_every_depth() -> None:
    value = [(1, [2, (3,)]), {(4, (5,)): [()]}]
    assert same(back(value), value)


def test_a_bytearray_keeps_its_type_where_it_is_the_whole_value() -> None:
    assert same(back(bytearray(b"ab")), bytearray(b"ab"))
    assert same(back([bytearray(b"ab"), memoryview(b"c")]), [b"ab", b"c"])


def test_a_bool_is_no_int_and_a_large_int_no_float() -> None:
    assert same(back([True, 1, 1.0, 10**400]), [True, 1, 1.0, 10**400])


def test_a_datetime_in_utc_is_msgpacks_own_timestamp() -> None:
    moment = datetime.datetime(1900, 1, 2, 3, 4, 5, 6, tzinfo=datetime.timezone.utc)
    assert msgpack.unpackb(packed.dumps(moment), timestamp=3) == moment
    assert packed.loads(msgpack.packb(moment, datetime=True)) == moment


def test_an_hour_that_comes_twice_is_told_apart() -> None:
    berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    for fold in (0, 1):
        moment = datetime.datetime(2024, 10, 27, 2, 30, fold=fold, tzinfo=berlin)
        assert back(moment).utcoffset() == moment.utcoffset()
        assert back(moment).tzinfo is berlin


def test_a_zone_unknown_here_keeps_its_offset() -> None:
    data = msgpack.packb(msgpack.ExtType(8, b"2024-01-02T03:04:05+01:00[Mars/Olympus]"))
    assert packed.loads(data).utcoffset() == datetime.timedelta(hours=1)


def test_handles_travel_at_any_depth_and_as_keys() -> None:
    handle = Handle(TOKEN, "some.Type")
    found = back([handle, {"a": (handle,)}, {handle: 1}])
    assert found == [handle, {"a": (handle,)}, {handle: 1}]
    assert found[0].type_name == "some.Type"


def test_what_a_handle_stands_for_is_put_in_its_place() -> None:
    data = packed.dumps([Handle(TOKEN, "a.B"), (Handle(TOKEN, ""),)])
    assert packed.loads(data, handle=lambda token, name: (token[:3], name)) == [("bsc", "a.B"), (("bsc", ""),)]
    assert packed.loader(lambda token, name: name)(data) == ["a.B", ("",)]


@pytest.mark.parametrize(
    "error", [ValueError("mine"), KeyError("mine"), UnicodeDecodeError("utf-8", b"x", 0, 1, "mine")]
)
def test_what_the_resolver_raises_comes_out_as_it_is(error: Exception) -> None:
    def refuse(token: str, name: str) -> object:
        raise error

    data = packed.dumps([({Handle(TOKEN, "x"): 1},)])
    for load in (lambda: packed.loads(data, handle=refuse), lambda: packed.loader(refuse)(data)):
        with pytest.raises(type(error)) as caught:
            load()
        assert caught.value is error


def test_default_replaces_what_is_not_carried_at_any_depth() -> None:
    class Strange:
        pass

    value = [Strange(), {"a": (Strange(),)}, {Strange()}]
    assert packed.loads(packed.dumps(value, default=lambda obj: ("was", type(obj).__name__)))[1:] == [
        {"a": (("was", "Strange"),)},
        {("was", "Strange")},
    ]


def test_a_replacement_may_need_replacing() -> None:
    steps: dict[object, object] = {print: len, len: {1, 2**70}}
    assert back_with(print, lambda obj: steps[obj]) == {1, 2**70}
    with pytest.raises(TypeError, match="what stands in for an object is not carried either"):
        packed.dumps(print, default=lambda obj: print)


def back_with(value: object, default: Any) -> Any:
    return packed.loads(packed.dumps(value, default=default))


def test_without_default_the_type_is_named() -> None:
    with pytest.raises(TypeError, match=r"msgpack does not carry a threading\.Thread"):
        packed.dumps([threading.Thread()])


def test_what_default_raises_comes_out_and_nothing_half_written_is_kept() -> None:
    def refuse(obj: object) -> object:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        packed.dumps(["x" * 100, ("y", print)], default=refuse)
    assert back(["x", ("y",)]) == ["x", ("y",)]


def test_default_may_itself_encode() -> None:
    assert back_with([print, 1], lambda obj: packed.dumps(("inner", 1))) == [packed.dumps(("inner", 1)), 1]


def circle() -> object:
    value: list[object] = []
    value.append({"a": (value,)})
    return value


def deep(levels: int, wrap: Any) -> object:
    value: object = 1
    for _ in range(levels):
        value = wrap(value)
    return value


def deep_list(value: object) -> object:
    for _ in range(400):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        circle(),
        deep(5_000, lambda inner: [inner]),
        deep(5_000, lambda inner: {"a": inner}),
        deep(packed.MAX_NESTED + 1, lambda inner: (inner,)),
        deep(60, lambda inner: (deep(400, lambda inmost: [inmost]), [inner])),
        deep(40, lambda inner: (deep_list(inner),)),
    ],
    ids=["circle", "lists", "maps", "tuples", "wide", "lists in tuples"],
)
def test_too_deep_is_refused_and_never_a_crash(value: object) -> None:
    try:
        data = packed.dumps(value)
    except LocalProtocolError as error:
        assert "in a circle" in str(error)
    else:
        assert packed.dumps(packed.loads(data)) == data


def test_as_deep_as_promised_comes_back() -> None:
    tuples = deep(packed.MAX_NESTED, lambda inner: (inner,))
    lists = deep(packed.MAX_DEPTH, lambda inner: [inner])
    assert back(tuples) == tuples
    assert packed.dumps(back(lists)) == packed.dumps(lists)


def test_an_integer_over_the_limit_is_refused_both_ways() -> None:
    largest = 1 << (MAX_BIGNUM * 8 - 2)
    assert back(largest) == largest
    with pytest.raises(LocalProtocolError, match="over the limit"):
        packed.dumps(largest << 8)
    with pytest.raises(RemoteProtocolError, match="over the limit"):
        packed.loads(msgpack.packb(msgpack.ExtType(5, bytes(MAX_BIGNUM + 1))))


MALFORMED = {
    "nothing": b"",
    "cut off": b"\x92\x01",
    "more than one value": b"\x01\x02",
    "no such byte": b"\xc1",
    "text that is not UTF-8": b"\xa2\xff\xfe",
    "a list as a key": b"\x81\x90\x01",
    "too many claimed": b"\xdd\xff\xff\xff\xff\x00",
    "too many claimed, inside": b"\x91" * 500 + b"\xdd\x00\xff\xff\xff",
    "too deep": b"\x91" * 5_000 + b"\xc0",
    "unknown extension": b"\xd4\x63\x00",
    "own extension below zero": b"\xd4\x80\x00",
    "a timestamp of no date": b"\xc7\x0c\xff" + b"\x00" * 4 + b"\x7f" * 8,
    "handle too short": b"\xd4\x01\x00",
    "handle of no letters": b"\xc7\x3c\x01" + b"-" * 60,
    "tuple of no list": b"\xd4\x02\xc0",
    "tuple of half a list": b"\xd4\x02\x92",
    "set of lists": b"\xd5\x03\x91\x90",
    "range of text": b"\xd6\x0f\x91\xa2ab",
    "range without a step": b"\xc7\x04\x0f\x93\x00\x01\x00",
    "complex of 8 bytes": b"\xd7\x06" + bytes(8),
    "datetime of nonsense": b"\xd7\x08notadate",
    "datetime with a named nothing": b"\xc7\x15\x08" + b"2024-02-29T12:30(CET)",
    "date of no day": b"\xc7\x0a\x09" + b"2023-02-29",
    "timedelta too long": b"\xc7\x0c\x0b" + b"\x7f" * 12,
    "timezone of a day": b"\xc7\x06\x0c+24:00",
    "timezone nowhere": b"\xc7\x07\x0c[No/Pe]"[:10],
    "timezone outside its folder": b"\xd8\x0c[../../etc/pass]",
    "decimal of letters": b"\xd5\x0dab",
    "uuid of 8 bytes": b"\xd7\x0e" + bytes(8),
    "an ellipsis with content": b"\xd4\x11\x00",
    "array of nothing": b"\xd4\x12\x00",
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_input_is_a_protocol_error(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match=r"msgpack is malformed: .") as caught:
        packed.loads(data)
    assert caught.value.__cause__ is None
    with pytest.raises(RemoteProtocolError):
        packed.loader(lambda token, name: None)(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_a_protocol_error(data: bytes) -> None:
    with contextlib.suppress(RemoteProtocolError):
        packed.loads(data)


@given(values(finite=False), st.data())
def test_damaged_bytes_are_a_value_or_a_protocol_error(value: object, data: st.DataObject) -> None:
    whole = bytearray(packed.dumps(value))
    whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(RemoteProtocolError):
        packed.loads(bytes(whole))


def test_extensions_inside_one_another_do_not_reach_the_end_of_the_stack() -> None:
    data = b"\xc0"
    for _ in range(3_000):
        data = b"\x91" + data
        head = b"\xc8" + len(data).to_bytes(2, "big") if len(data) < 65_536 else b"\xc9" + len(data).to_bytes(4, "big")
        data = head + b"\x02" + data
    with pytest.raises(RemoteProtocolError, match="inside one another"):
        packed.loads(data)


def test_surrogates_beside_nested_extensions_are_read_in_linear_time() -> None:
    data = packed.dumps([])
    for _ in range(60):
        data = b"\x92\xc9" + len(data).to_bytes(4, "big") + b"\x02" + data + b"\xa3\xed\xa0\x80"
        data = b"\x91" + data
    packed.loads(data)


ARRAYS = [
    numpy.arange(6).reshape(2, 3),
    numpy.array(3.5),
    numpy.array(["a", "bcd"]),
    numpy.array([b"a", b"bcd"]),
    numpy.arange(10)[::-2],
    numpy.asfortranarray(numpy.ones((3, 4), "f4")),
    numpy.array([1, 2], ">i2"),
    numpy.array(["2020-01-01", "NaT"], "M8[D]"),
    numpy.array([], "m8[ns]"),
    numpy.zeros((0, 3), "?"),
    numpy.array([1 + 2j]),
    numpy.arange(100_000, dtype="f8"),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{array.shape}")
def test_an_array_comes_back_whole_and_writable(array: Any) -> None:
    for found in (back(array), back([array])[0], back({"a": (array,)})["a"][0]):
        assert (found.dtype, found.shape) == (array.dtype, array.shape)
        assert numpy.array_equal(found, array, equal_nan=array.dtype.kind in "fM")
        assert found.flags.writeable


@pytest.mark.parametrize("dtype", ["O", [("a", "i4"), ("b", "f8")], "V4"])
def test_arrays_of_objects_and_records_are_not_carried(dtype: Any) -> None:
    with pytest.raises(TypeError, match="ndarray"):
        packed.dumps([numpy.zeros(2, dtype)])
    assert back_with(numpy.zeros(2, dtype), lambda array: "replaced") == "replaced"


def array_bytes(dtype: str, shape: tuple[int, ...], data: bytes, dimensions: int | None = None) -> bytes:
    head = bytes((len(dtype),)) + dtype.encode() + bytes((len(shape) if dimensions is None else dimensions,))
    return msgpack.packb(msgpack.ExtType(18, head + b"".join(size.to_bytes(8, "big") for size in shape) + data))


@pytest.mark.parametrize(
    "data",
    [
        array_bytes("|O", (1,), bytes(8)),
        array_bytes("O,i4", (1,), bytes(12)),
        array_bytes("(2,)i4", (1,), bytes(8)),
        array_bytes("<i4", (2,), bytes(4)),
        array_bytes("<i4", (2**63, 2), bytes(0)),
        array_bytes("<i4", (0, 2**63), bytes(0)),
        array_bytes("|S0", (2**40,), bytes(0)),
        array_bytes("nonsense", (1,), bytes(8)),
        array_bytes("<i4", (), bytes(4), dimensions=65),
        array_bytes("<i4", (), bytes(4), dimensions=3),
        array_bytes("", (1,), bytes(8)),
    ],
)
def test_an_array_that_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        packed.loads(data)


def test_an_array_without_numpy_shows_its_parts() -> None:
    array = NumericArray("<i2", (2, 2), bytes([1, 0, 2, 0, 3, 0, 4, 0]))
    assert array.view().tolist() == [[1, 2], [3, 4]]
    assert back([array])[0].tolist() == [[1, 2], [3, 4]]
    assert array == NumericArray("<i2", (2, 2), array.data) != NumericArray("<i2", (4,), array.data)
    with pytest.raises(TypeError, match="install numpy"):
        NumericArray("<f2", (1,), b"ab").view()


def test_threads_share_the_packers_without_mixing_their_bytes() -> None:
    wrong: list[object] = []

    def work(number: int) -> None:
        value = [number, (number, {str(number): {number}}), 2**70 + number, "x" * number]
        wrong.extend(number for _ in range(300) if packed.loads(packed.dumps(value)) != value)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_keywords_are_a_map_with_text_keys() -> None:
    assert packed.keywords({"a": 1}) == {"a": 1}
    assert packed.keywords(None) == {}
    for wrong in ([], 3, {1: 2}, {b"a": 1}):
        with pytest.raises(RemoteProtocolError, match="keyword"):
            packed.keywords(wrong)


def test_an_error_map_with_odd_details_is_written() -> None:
    assert packed.loads(packed.dumps_error({"kind": "python", "details": {"x": ...}}))["kind"] == "python"


SAME_EVERYWHERE = """
import datetime, decimal, sys, uuid
from bascule.protocols import packed

value = [
    1, -1, 2**64, 1.5, "text", "\\udcff", b"bytes", None, True, (1, (2, [3])), {1, 2}, frozenset({3}), {4: {"a": (5,)}},
    datetime.datetime(2024, 2, 29, 12, 30), datetime.datetime(2024, 2, 29, tzinfo=datetime.timezone.utc),
    datetime.timedelta(-1, 2), decimal.Decimal("1.50"), uuid.UUID(int=7), range(3), slice(1, None), ..., 1 + 2j,
]
data = packed.dumps(value)
assert packed.loads(data) == value, packed.loads(data)
assert packed.loads(packed.dumps(bytearray(b"ab"))) == bytearray(b"ab")
for bad in (b"", b"\\xc1", b"\\x91" * 99999, b"\\x81\\x90\\x01", b"\\xd4\\x63\\x00", b"\\xa2\\xff\\xfe", b"\\x92\\x01"):
    try:
        packed.loads(bad)
    except packed.RemoteProtocolError:
        continue
    raise AssertionError(bad)
circle = []
circle.append((circle,))
for deep in (circle, [circle]):
    try:
        packed.dumps(deep)
    except packed.LocalProtocolError:
        continue
    raise AssertionError("a circle")
array = packed.loads(packed.dumps(packed.loads(bytes.fromhex(sys.argv[1]))))
assert bytes(getattr(array, "data")) == bytes([1, 0, 2, 0]), array
print(packed.msgpack.Packer.__module__, data.hex())
"""


def run_elsewhere(executable: str, script: str, *arguments: str, **environment: str) -> str:
    packages = os.pathsep.join([str(ROOT), str(Path(msgpack.__file__).parents[1])])
    done = subprocess.run(
        [executable, "-c", script, *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": packages, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_pure_python_msgpack_writes_the_same_bytes_on_every_python(
    interpreters: dict[tuple[int, int], str],
) -> None:
    array = packed.dumps(numpy.array([1, 2], "<i2")).hex()
    here = run_elsewhere(sys.executable, SAME_EVERYWHERE, array).split()
    pure = run_elsewhere(sys.executable, SAME_EVERYWHERE, array, MSGPACK_PUREPYTHON="1").split()
    assert here[0] == "msgpack._cmsgpack" != pure[0] == "msgpack.fallback"
    assert here[1] == pure[1]
    for executable in interpreters.values():
        # The packages are this interpreter's, and its numpy does not load in another.
        assert run_elsewhere(executable, SAME_EVERYWHERE.replace("import ", HIDE_NUMPY, 1), array).split()[1] == here[1]


HIDE_NUMPY = """import sys
sys.modules["numpy"] = None
import """


PRIVATE = """
import importlib.util, sys
location = sys.argv[1]
spec = importlib.util.spec_from_file_location(
    "bascule._msgpack", location, submodule_search_locations=[location.rsplit("/", 1)[0]]
)
module = sys.modules["bascule._msgpack"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
from bascule.protocols import packed
assert packed.msgpack is module and "msgpack" not in sys.modules
assert packed.loads(packed.dumps([(1, {2})])) == [(1, {2})]
"""


def test_a_msgpack_loaded_under_a_private_name_is_used() -> None:
    run_elsewhere(sys.executable, PRIVATE, msgpack.__file__)


IMPORTED = """
import sys
import msgpack
before = set(sys.modules)
import bascule.workers.values
heavy = {"dataclasses", "typing", "inspect", "json", "asyncio", "traceback", "re", "decimal", "uuid"}
print(sorted((set(sys.modules) - before) & heavy))
"""


def test_nothing_heavy_is_imported_before_it_is_needed(interpreters: dict[tuple[int, int], str]) -> None:
    for executable in interpreters.values():
        assert run_elsewhere(executable, IMPORTED) == "[]\n"
