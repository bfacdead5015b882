from __future__ import annotations

import array
import datetime
import decimal
import enum
import fractions
import importlib
import os
import pathlib
import subprocess
import sys
import types
import uuid
import zoneinfo
from collections import ChainMap, UserDict, UserList, UserString, namedtuple
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import attrs
import numpy
import pandas
import pydantic
import pytest

from bascule.protocols import etf, jsonic, packed
from bascule.protocols.calls import Style, Want
from bascule.protocols.envelope import Codec
from bascule.protocols.tokens import Handle
from bascule.workers import converters
from bascule.workers.values import ArgumentsError, NotEncodable, codec_for

MODULES: dict[int, Any] = {Codec.MSGPACK: packed, Codec.JSON: jsonic, Codec.ETF: etf}
every_codec = pytest.mark.parametrize("codec", list(MODULES), ids=lambda codec: codec.name.lower())
TEXT = int(Style.STR_AS_BINARY | Style.DICT_AS_MAP)


def result(codec: int, value: object, want: int = Want.AUTO) -> Any:
    """What a caller reads; text as text in Erlang too."""

    def make(obj: object) -> Handle:
        return Handle("bsc" + "0" * 57, type(obj).__name__)

    return MODULES[codec].loads(codec_for(codec).encoder(want, TEXT, make)(value))


def is_handle(codec: int, value: object) -> bool:
    return isinstance(result(codec, value), Handle)


# The standard library


class Colour(enum.Enum):
    RED = "red"
    NESTED = (1, frozenset({2}))


class Access(enum.Flag):
    READ = 1
    WRITE = 2


@every_codec
def test_a_member_is_its_value(codec: int) -> None:
    assert result(codec, [Colour.RED, Access.READ | Access.WRITE]) == ["red", 3]


def test_what_a_member_holds_is_converted_in_its_turn() -> None:
    assert result(Codec.MSGPACK, Colour.NESTED) == (1, frozenset({2}))
    assert isinstance(result(Codec.ETF, Colour.NESTED)[1], Handle)
    assert result(Codec.ETF, Colour.NESTED, Want.VALUE) == (1, [2])


@every_codec
def test_numbers_and_ids_keep_all_that_they_say(codec: int) -> None:
    class Money(decimal.Decimal):
        pass

    class Key(uuid.UUID):
        pass

    number, key = decimal.Decimal("1.50"), uuid.UUID(int=7)
    as_text = codec == Codec.ETF
    assert result(codec, [number, Money("1.50")]) == [str(number) if as_text else number] * 2
    assert result(codec, [key, Key(int=7)]) == [str(key) if as_text else key] * 2


@every_codec
def test_dates_of_every_kind_are_dates(codec: int) -> None:
    class Moment(datetime.datetime):
        pass

    class Day(datetime.date):
        pass

    class Span(datetime.timedelta):
        pass

    class Clock(datetime.time):
        pass

    class Odd(datetime.tzinfo):
        def utcoffset(self, when: datetime.datetime | None) -> datetime.timedelta | None:
            return None if when is None else datetime.timedelta(hours=1)

        def dst(self, when: datetime.datetime | None) -> None:
            return None

        def tzname(self, when: datetime.datetime | None) -> str:
            return "ODD"

    values = [Moment(2024, 2, 29, 12), Day(2024, 2, 29), Span(1, 2, 3), Clock(12, 30)]
    plain = [
        datetime.datetime(2024, 2, 29, 12),
        datetime.date(2024, 2, 29),
        datetime.timedelta(1, 2, 3),
        datetime.time(12, 30),
    ]
    found = result(codec, values)
    assert found == plain
    assert [type(value) for value in found] == [type(value) for value in plain]
    odd = datetime.datetime(2024, 2, 29, 12, tzinfo=Odd())
    assert result(codec, odd) == odd
    assert result(codec, odd).utcoffset() == datetime.timedelta(hours=1)
    assert result(codec, datetime.time(12, tzinfo=datetime.timezone.utc)).utcoffset() == datetime.timedelta(0)


@every_codec
def test_paths_fractions_and_zones_are_text_when_a_value_is_wanted(codec: int) -> None:
    for value, text in ((pathlib.Path("/tmp/x"), "/tmp/x"), (fractions.Fraction(1, 3), "1/3")):
        assert is_handle(codec, value)
        assert result(codec, value, Want.VALUE) == text
    zone = zoneinfo.ZoneInfo("Europe/Berlin")
    assert result(codec, zone, Want.VALUE) == ("Europe/Berlin" if codec == Codec.ETF else zone)


@every_codec
def test_named_tuples_are_tuples(codec: int) -> None:
    point = namedtuple("point", "x y")(1, 2)
    assert list(result(codec, point)) == [1, 2]
    assert list(result(codec, os.stat_result(range(10)))) == list(range(10))


@every_codec
def test_collections_have_values_when_wanted(codec: int) -> None:
    rows: list[tuple[object, object]] = [
        (UserList([1]), [1]),
        (UserString("x"), "x"),
        (array.array("i", [1, 2]), [1, 2]),
        ({1: 2}.keys(), [1]),
        ({1: 2}.values(), [2]),
        ({1: 2}.items(), [(1, 2)]),
        (types.MappingProxyType({1: 2}), {1: 2}),
        (types.SimpleNamespace(a=1), {"a": 1}),
    ]
    for value, plain in rows:
        assert is_handle(codec, value), value
        found = result(codec, value, Want.VALUE)
        assert jsonic.dumps(found) == jsonic.dumps(plain)
    for value in (ChainMap({1: 2}), UserDict({1: 2})):
        assert result(codec, value) == {1: 2}


def test_what_erlang_lacks_is_a_list_or_a_handle() -> None:
    for value, plain in (({1}, [1]), (frozenset({1}), [1]), (range(3), [0, 1, 2]), (1 + 2j, (1.0, 2.0))):
        assert is_handle(Codec.ETF, value)
        assert result(Codec.ETF, value, Want.VALUE) == plain
    assert result(Codec.ETF, [bytearray(b"\xff"), memoryview(b"\xfe")]) == [b"\xff", b"\xfe"]
    for value in (slice(1), ..., print):
        with pytest.raises(NotEncodable, match="an Erlang term"):
            result(Codec.ETF, value, Want.VALUE)


def test_what_erlang_alone_has_travels_there_as_itself() -> None:
    assert result(Codec.ETF, etf.Atom("ok")) == etf.Atom("ok")
    assert type(result(Codec.ETF, [etf.Atom("ok")])[0]) is etf.Atom
    assert result(Codec.JSON, etf.Atom("ok")) == "ok"


# Instances


@dataclass
class Part:
    name: str
    price: decimal.Decimal


@dataclass(frozen=True)
class Order:
    parts: list[Part]
    by: Colour


class Model(pydantic.BaseModel):
    name: str
    tags: set[str] = set()


@attrs.define
class Point:
    x: int
    y: int


@every_codec
def test_instances_are_handles_and_maps_of_their_fields_when_a_value_is_wanted(codec: int) -> None:
    price: object = "1.50" if codec == Codec.ETF else decimal.Decimal("1.50")
    rows: list[tuple[object, object]] = [
        (
            Order([Part("bolt", decimal.Decimal("1.50"))], Colour.RED),
            {"parts": [{"name": "bolt", "price": price}], "by": "red"},
        ),
        (Model(name="a", tags={"b"}), {"name": "a", "tags": ["b"] if codec == Codec.ETF else {"b"}}),
        (Point(1, 2), {"x": 1, "y": 2}),
    ]
    for value, plain in rows:
        assert is_handle(codec, value)
        assert result(codec, value, Want.VALUE) == plain
        assert isinstance(result(codec, [value])[0], Handle)


@every_codec
def test_a_dataclass_itself_is_a_class(codec: int) -> None:
    assert is_handle(codec, Part)
    with pytest.raises(NotEncodable, match="type"):
        result(codec, Part, Want.VALUE)


@every_codec
def test_a_field_that_raises_is_an_error_that_names_the_type(codec: int) -> None:
    @dataclass
    class Lazy:
        value: int

        def __getattribute__(self, name: str) -> Any:
            if name == "value":
                raise LookupError("no value yet")
            return object.__getattribute__(self, name)

    with pytest.raises(NotEncodable, match=r"Lazy failed: no value yet \(at \[0\]\)") as caught:
        result(codec, [Lazy(1)], Want.VALUE)
    assert isinstance(caught.value.__cause__, LookupError)


# numpy


@every_codec
def test_numpy_scalars_are_the_python_values_that_they_equal(codec: int) -> None:
    rows = [
        (numpy.int8(-3), -3),
        (numpy.uint64(2**64 - 1), 2**64 - 1),
        (numpy.float16(1.5), 1.5),
        (numpy.float64(0.1), 0.1),
        (numpy.longdouble(1.5), 1.5),
        (numpy.bool_(True), True),
        (numpy.str_("text"), "text"),
        (numpy.bytes_(b"\xff"), b"\xff"),
        (numpy.datetime64("2024-02-29"), datetime.date(2024, 2, 29)),
        (numpy.datetime64("2024-02"), datetime.date(2024, 2, 1)),
        (numpy.datetime64("2024-02-29T12:30:00.5"), datetime.datetime(2024, 2, 29, 12, 30, 0, 500_000)),
        (numpy.datetime64("2024-02-29T12:30:00", "ns"), datetime.datetime(2024, 2, 29, 12, 30)),
        (numpy.datetime64("NaT"), None),
        (numpy.timedelta64("NaT"), None),
        (numpy.timedelta64(90, "m"), datetime.timedelta(minutes=90)),
    ]
    for value, plain in rows:
        for want in (Want.AUTO, Want.VALUE):
            found = result(codec, value, want)
            assert found == plain
            assert type(found) is type(plain), value


@every_codec
def test_a_scalar_that_does_not_fit_is_a_handle_or_cut_off(codec: int) -> None:
    fine = numpy.longdouble(1) + numpy.finfo(numpy.longdouble).eps
    rows: list[tuple[object, object]] = [
        (numpy.datetime64("2024-02-29T12:30:00.000000001"), datetime.datetime(2024, 2, 29, 12, 30)),
        (numpy.timedelta64(1_000_000_001, "ns"), datetime.timedelta(seconds=1)),
        (numpy.timedelta64(2, "M"), "2 months"),
        (numpy.datetime64("20000-01-01"), "20000-01-01"),
    ]
    if numpy.finfo(numpy.longdouble).eps < numpy.finfo(float).eps:
        rows.append((fine, 1.0))
    for value, cut in rows:
        assert is_handle(codec, value), value
        assert result(codec, value, Want.VALUE) == cut


def test_complex_scalars_are_complex_where_there_is_such_a_thing() -> None:
    assert result(Codec.MSGPACK, numpy.complex64(1 + 2j)) == result(Codec.JSON, numpy.complex128(1 + 2j)) == 1 + 2j
    assert is_handle(Codec.ETF, numpy.complex64(1 + 2j))
    assert result(Codec.ETF, numpy.complex64(1 + 2j), Want.VALUE) == (1.0, 2.0)


def test_arrays_are_themselves_in_msgpack() -> None:
    found = result(Codec.MSGPACK, [numpy.array([[1, 2]], "i2"), numpy.array(["2024-02-29"], "M8[ns]")])
    assert found[0].dtype == "i2"
    assert found[1].dtype == "M8[ns]"


@pytest.mark.parametrize("codec", [Codec.JSON, Codec.ETF])
def test_arrays_are_handles_elsewhere_and_nested_lists_when_a_value_is_wanted(codec: int) -> None:
    rows: list[tuple[Any, object]] = [
        (numpy.array([[1, 2], [3, 4]], "u1"), [[1, 2], [3, 4]]),
        (numpy.array(1.5), 1.5),
        (numpy.array([True]), [True]),
        (numpy.array([["a"]]), [["a"]]),
        (numpy.zeros((0, 2)), []),
        (numpy.array([["2024-02-29", "NaT"]], "M8[ns]"), [[datetime.datetime(2024, 2, 29), None]]),
        (numpy.array(5, "m8[s]"), datetime.timedelta(seconds=5)),
        (numpy.array([1.5], "g"), [1.5]),
        (numpy.ma.masked_array([1, 2], [False, True]), [1, None]),
    ]
    for value, plain in rows:
        assert is_handle(codec, value)
        assert result(codec, value, Want.VALUE) == plain


@every_codec
def test_arrays_of_objects_and_records_are_lists_when_a_value_is_wanted(codec: int) -> None:
    rows: list[tuple[Any, object]] = [
        (numpy.array([1, None, "x"], object), [1, None, "x"]),
        (numpy.array([(1, 2.5)], [("a", "i4"), ("b", "f8")]), [{"a": 1, "b": 2.5}]),
    ]
    for value, plain in rows:
        assert is_handle(codec, value)
        assert result(codec, value, Want.VALUE) == plain
    record = rows[1][0][0]
    assert is_handle(codec, record)
    assert list(result(codec, record, Want.VALUE)) == [1, 2.5]


def test_a_subclass_of_arrays_is_a_plain_array_when_a_value_is_wanted(tmp_path: Path) -> None:
    mapped = numpy.memmap(tmp_path / "data", "i4", "w+", shape=(2,))
    assert is_handle(Codec.MSGPACK, mapped)
    found = result(Codec.MSGPACK, mapped, Want.VALUE)
    assert type(found) is numpy.ndarray
    assert found.tolist() == [0, 0]


# pandas


@every_codec
def test_pandas_times_are_datetimes_and_what_is_missing_is_none(codec: int) -> None:
    zoned = pandas.Timestamp("2024-07-01 12:00", tz="Europe/Berlin")
    assert result(codec, [pandas.Timestamp("2024-02-29"), pandas.Timedelta("2s"), pandas.NaT, pandas.NA]) == [
        datetime.datetime(2024, 2, 29),
        datetime.timedelta(seconds=2),
        None,
        None,
    ]
    assert result(codec, zoned).utcoffset() == datetime.timedelta(hours=2)
    for value in (pandas.Timestamp("2024-02-29T00:00:00.000000001"), pandas.Timedelta(1_000_000_001, "ns")):
        assert is_handle(codec, value)
        assert type(result(codec, value, Want.VALUE)) in (datetime.datetime, datetime.timedelta)


def frame() -> Any:
    return pandas.DataFrame(
        {
            "number": [1, 2],
            "price": [1.5, float("nan")],
            "name": ["a", None],
            "when": pandas.to_datetime(["2024-02-29", None]),
            "maybe": pandas.array([1, None], "Int64"),
        }
    )


RECORDS = [
    {"number": 1, "price": 1.5, "name": "a", "when": datetime.datetime(2024, 2, 29), "maybe": 1},
    {"number": 2, "price": None, "name": None, "when": None, "maybe": None},
]


@pytest.mark.parametrize("codec", [Codec.JSON, Codec.ETF])
def test_a_data_frame_is_records(codec: int) -> None:
    assert is_handle(codec, frame())
    assert result(codec, frame(), Want.VALUE) == RECORDS
    assert result(codec, frame().iloc[:0], Want.VALUE) == []


def test_a_data_frame_is_columns_in_msgpack() -> None:
    assert is_handle(Codec.MSGPACK, frame())
    found = result(Codec.MSGPACK, frame(), Want.VALUE)
    assert list(found) == list(RECORDS[0])
    assert found["number"].tolist() == [1, 2]
    assert found["price"].dtype == "f8"
    assert found["when"].dtype.kind == "M"
    assert found["name"] == ["a", None]
    assert found["maybe"] == [1, None]


def test_an_index_that_says_something_comes_first() -> None:
    plain = pandas.DataFrame({"a": [1]})
    rows = [
        (plain.set_axis(["r"]), {"index": "r", "a": 1}),
        (plain.set_axis(pandas.Index(["r"], name="key")), {"key": "r", "a": 1}),
        (plain.set_axis(pandas.Index(["r"], name="a")), {"a (index)": "r", "a": 1}),
        (plain.set_axis(pandas.MultiIndex.from_tuples([("r", 2)])), {"level_0": "r", "level_1": 2, "a": 1}),
    ]
    for value, record in rows:
        found = result(Codec.JSON, value, Want.VALUE)
        assert found == [record]
        assert list(found[0]) == list(record)


def test_columns_of_one_name_are_refused_by_name() -> None:
    twice = pandas.DataFrame([[1, 2]], columns=["a", "a"])
    with pytest.raises(NotEncodable, match="two columns called 'a'"):
        result(Codec.JSON, {"frame": twice}, Want.VALUE)


@every_codec
def test_a_series_is_a_list_or_a_map_of_its_labels(codec: int) -> None:
    labelled = pandas.Series([1, 2], ["a", "b"])
    assert is_handle(codec, labelled)
    assert result(codec, labelled, Want.VALUE) == {"a": 1, "b": 2}
    assert result(codec, pandas.Series([1, 2], ["a", "a"]), Want.VALUE) == [["a", 1], ["a", 2]]
    assert list(result(codec, pandas.Series([3, 4]), Want.VALUE)) == [3, 4]
    assert result(codec, pandas.Series(["x", None]), Want.VALUE) == ["x", None]


@every_codec
def test_the_rest_of_pandas_has_values_too(codec: int) -> None:
    rows = [
        (pandas.Index([1, 2]), [1, 2]),
        (pandas.RangeIndex(2), [0, 1]),
        (pandas.Categorical(["a", "b"]), ["a", "b"]),
        (pandas.array([1, None], "Int64"), [1, None]),
        (pandas.Period("2024-02"), "2024-02"),
        (pandas.Interval(0, 1), "(0, 1]"),
    ]
    for value, plain in rows:
        assert is_handle(codec, value)
        assert result(codec, value, Want.VALUE) == plain
    multi = pandas.MultiIndex.from_tuples([("r", 2)])
    assert [list(label) for label in result(codec, multi, Want.VALUE)] == [["r", 2]]


# The pool's own


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Writes a converters module and installs it."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write_and_install(source: str, name: str = "my_converters") -> None:
        (tmp_path / f"{name}.py").write_text(source)
        importlib.invalidate_caches()
        monkeypatch.delitem(sys.modules, name, raising=False)
        converters.install(name)

    yield write_and_install
    converters.install(None)


class Money:
    def __init__(self, amount: int) -> None:
        self.amount = amount


BOTH = """
def to_wire(obj, codec):
    if type(obj).__name__ == "Money":
        return {"amount": obj.amount, "in": codec}
    if type(obj).__name__ == "Part":
        return obj.price, {obj.name}
    return NotImplemented

def from_wire(value, codec):
    return ("made", codec, value["amount"]) if isinstance(value, dict) and "amount" in value else value
"""


@every_codec
def test_the_pools_own_types_travel_as_it_says(codec: int, install: Any) -> None:
    install(BOTH)
    name = {Codec.MSGPACK: "msgpack", Codec.JSON: "json", Codec.ETF: "etf"}[Codec(codec)]
    for want in (Want.AUTO, Want.VALUE):
        assert result(codec, [Money(3)], want) == [{"amount": 3, "in": name}]
    assert is_handle(codec, Point(1, 2))


def test_what_it_gives_may_need_converting_too(install: Any) -> None:
    install(BOTH)
    part = Part("bolt", decimal.Decimal("1.50"))
    assert result(Codec.MSGPACK, part) == (decimal.Decimal("1.50"), {"bolt"})
    assert result(Codec.ETF, part, Want.VALUE) == ("1.50", ["bolt"])


@every_codec
def test_arguments_are_shown_to_from_wire_one_by_one(codec: int, install: Any) -> None:
    install(BOTH)
    name = codec_for(codec).name
    tail = MODULES[codec].dumps([[{"amount": 3}, [{"amount": 4}]], {"m": {"amount": 5}}], style=TEXT)
    decode = codec_for(codec).decoder(lambda token, type_name: None)
    args, kwargs = decode(tail)
    assert args == [("made", name, 3), [{"amount": 4}]]
    assert kwargs == {"m": ("made", name, 5)}
    assert decode(MODULES[codec].dumps([[1]])) == [[1]]


def test_a_converter_that_fails_is_named(install: Any) -> None:
    install(
        "def to_wire(obj, codec): raise LookupError('no rate')\ndef from_wire(value, codec): raise LookupError('no')"
    )
    with pytest.raises(NotEncodable, match=r"my_converters\.to_wire raised LookupError: no rate \(at \[0\]\)"):
        result(Codec.JSON, [Money(3)])
    with pytest.raises(ArgumentsError, match=r"my_converters\.from_wire raised LookupError: no"):
        codec_for(Codec.JSON).decoder(lambda token, name: None)(b"[[1]]")


def test_a_converter_that_never_ends_is_stopped(install: Any) -> None:
    install("def to_wire(obj, codec): return type('Next', (), {})()")
    for codec in (Codec.MSGPACK, Codec.JSON):
        with pytest.raises(
            NotEncodable, match=r"what stands in for an object is not carried either: a my_converters\.Next"
        ):
            result(codec, Money(3))
    assert is_handle(Codec.ETF, Money(3))


@pytest.mark.parametrize(
    ("source", "message"),
    [("x = 1", "has neither to_wire"), ("to_wire = 3", "can't be called"), ("from_wire = 'x'", "can't be called")],
)
def test_a_converters_module_without_converters_is_refused(install: Any, source: str, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        install(source)


def test_a_missing_converters_module_is_refused() -> None:
    with pytest.raises(ImportError):
        converters.install("no_such_module_of_converters")


def test_classes_made_on_the_way_are_not_kept_for_good() -> None:
    for _ in range(2_500):
        assert is_handle(Codec.MSGPACK, type("Passing", (), {})())
    assert len(converters._found) <= 1_024


OLDEST = """
import collections, dataclasses, datetime, decimal, enum, pathlib, sys
from bascule.protocols import etf, jsonic, packed
from bascule.protocols.tokens import Handle
from bascule.workers.values import codec_for

@dataclasses.dataclass
class Part:
    name: str

class Level(enum.IntEnum):
    HIGH = 3

Point = collections.namedtuple("Point", "x y")
modules = {1: packed, 2: jsonic, 3: etf}
value = [Level.HIGH, Part("a"), Point(1, 2), decimal.Decimal("1.5"), pathlib.Path("/x"), {1, 2}]
for codec, module in modules.items():
    made = []
    def make(obj):
        made.append(obj)
        return Handle("bsc" + "0" * 57, type(obj).__name__)
    auto = module.loads(codec_for(codec).encoder(0, 0, make)(value))
    assert auto[0] == 3 and type(auto[0]) is int and isinstance(auto[1], Handle), auto
    wanted = module.loads(codec_for(codec).encoder(1, 3, make)(value))
    assert wanted[1] == {"name": "a"} and wanted[4] == "/x", wanted
    assert codec_for(codec).decoder(make)(module.dumps([[1]])) == [[1]]
assert "numpy" not in sys.modules and "pandas" not in sys.modules
print("well")
"""


def test_every_supported_python_converts_alike(interpreters: dict[tuple[int, int], str]) -> None:
    import msgpack

    packages = os.pathsep.join([str(Path(__file__).resolve().parents[2]), str(Path(msgpack.__file__).parents[1])])
    for executable in interpreters.values():
        done = subprocess.run(
            [executable, "-c", OLDEST],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": packages},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout == "well\n", done.stderr
