"""What each Erlang term becomes in Python and back, in every style. (test_etf_differential.py asks Erlang itself.)"""

from __future__ import annotations

import collections
import datetime as dt
import enum
import math
import pickle
import struct
import zlib
import zoneinfo
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.protocols import etf
from bascule.protocols.calls import Style
from bascule.protocols.errors import RemoteProtocolError
from bascule.protocols.tokens import Handle, make_token, new_prefix

RAW = Style.BINARY_AS_BYTES | Style.DICT_AS_MAP
TOKEN = make_token(new_prefix(), 1, 2, 3)
ATOM = etf.Atom
NODE = b"w\x03n@h"
OPAQUES = {
    "pid": [b"g" + NODE + b"\0" * 9, b"X" + NODE + b"\0" * 12],
    "reference": [
        b"e" + NODE + b"\0" * 5,
        b"r\0\x03" + NODE + b"\1" + b"\0" * 12,
        b"Z\0\x05" + NODE + b"\0\0\0\1" + b"\0" * 20,
    ],
    "port": [b"f" + NODE + b"\0" * 5, b"Y" + NODE + b"\0" * 8, b"x" + NODE + b"\0" * 12],
    "export": [b"qw\x05listsd\0\x03mapa\2"],
    "fun": [
        b"u\0\0\0\2g" + NODE + b"\0" * 9 + b"w\1ma\1a\2l\0\0\0\1a\1jm\0\0\0\1x",
        b"p\0\0\0\x3e\2" + b"u" * 16 + b"\0\0\0\1\0\0\0\1w\1ma\1b\1\2\3\4g" + NODE + b"\0" * 9 + b"h\2a\1t\0\0\0\0",
    ],
}
ALL_OPAQUES = [(kind, encoded) for kind, forms in OPAQUES.items() for encoded in forms]


def loads(encoded: bytes, style: int = 0) -> Any:
    return etf.loads(b"\x83" + encoded, style=style)


def back(value: object, style: int = 0) -> Any:
    return etf.loads(etf.dumps(value, style=style), style=style)


# Terms coming in


@pytest.mark.parametrize(
    ("encoded", "value"),
    [
        (b"a\xff", 255),
        (b"b\xff\xff\xff\xff", -1),
        (b"n\x08\0" + b"\xff" * 8, (1 << 64) - 1),
        (b"n\x09\1" + b"\0" * 8 + b"\1", -(1 << 64)),
        (b"n\1\0\5" + b"", 5),
        (b"n\0\0", 0),
        (b"o\0\0\1\0\0" + b"\0" * 255 + b"\1", 1 << 2040),
        (b"F" + struct.pack(">d", -2.5), -2.5),
        (b"c" + b"1.50000000000000000000e+00".ljust(31, b"\0"), 1.5),
        (b"c" + b"-2.5e-3\0garbage".ljust(31, b"?"), -0.0025),
        (b"w\4true", True),
        (b"d\0\5false", False),
        (b"s\x09undefined", None),
        (b"v\0\4none", ATOM("none")),
        (b"w\3nil", ATOM("nil")),
        (b"w\0", ATOM("")),
        (b"d\0\2\xc3\xa9", ATOM("Ã©")),
        (b"s\2\xc3\xa9", ATOM("Ã©")),
        (b"w\2\xc3\xa9", ATOM("é")),
        (b"v\0\2\xc3\xa9", ATOM("é")),
        (b"h\0", ()),
        (b"h\2a\1a\2", (1, 2)),
        (b"i\0\0\0\1j", ([],)),
        (b"j", []),
        (b"k\0\3abc", [97, 98, 99]),
        (b"l\0\0\0\1a\1j", [1]),
        (b"l\0\0\0\1a\1k\0\1\2", [1, 2]),
        (b"l\0\0\0\1a\1l\0\0\0\1a\2l\0\0\0\0j", [1, 2]),
        (b"l\0\0\0\0j", []),
        (b"l\0\0\0\0a\7", 7),
        (b"l\0\0\0\1a\1a\2", etf.ImproperList([1], 2)),
        (b"l\0\0\0\1a\1l\0\0\0\1a\2w\1x", etf.ImproperList([1, 2], ATOM("x"))),
        (b"l\0\0\0\1a\1l\0\0\0\0h\0", etf.ImproperList([1], ())),
        (b"m\0\0\0\2\xc3\xa9", "é"),
        (b"m\0\0\0\1\xff", b"\xff"),
        (b"m\0\0\0\0", ""),
        (b"M\0\0\0\1\1\xff", etf.BitString(b"\x80", 1)),
        (b"M\0\0\0\1\x08a", "a"),
        (b"M\0\0\0\0\0", ""),
        (b"t\0\0\0\0", {}),
        (b"t\0\0\0\2w\1aa\1m\0\0\0\1ba\2", {"a": 1, "b": 2}),
        (b"h\2w\5bytesm\0\0\0\1a", b"a"),
        (b"h\2d\0\5bytesm\0\0\0\1a", b"a"),
        (b"h\2w\5bytesa\1", (ATOM("bytes"), 1)),
        (b"l\0\0\0\2w\5bytesh\1m\0\0\0\1aj", [ATOM("bytes"), ("a",)]),
        (b"l\0\0\0\2w\5bytesh\2m\0\0\0\1aa\1j", [ATOM("bytes"), ("a", 1)]),
    ],
)
def test_a_term_comes_in_as(encoded: bytes, value: object) -> None:
    found = loads(encoded)
    assert found == value
    assert type(found) is type(value)


def test_binaries_are_bytes_where_that_is_asked_for() -> None:
    assert loads(b"m\0\0\0\1a", Style.BINARY_AS_BYTES) == b"a"
    assert loads(b"h\2w\5bytesm\0\0\0\1a", Style.BINARY_AS_BYTES) == b"a"
    assert loads(b"M\0\0\0\1\x08a", Style.BINARY_AS_BYTES) == b"a"


@pytest.mark.parametrize("size", [1, 7, 8, 9, 31, 32, 33, 160, 161, 1000])
@pytest.mark.parametrize("surprise", [None, 300, 1 << 40, 0.5, ATOM("x"), [1]])
def test_runs_of_numbers_and_what_interrupts_them(size: int, surprise: object) -> None:
    for numbers in ([*range(size)], [*range(200, 200 + size)], [index + 0.5 for index in range(size)]):
        interrupted = [*numbers, surprise, *numbers, *numbers]
        # In a tuple each element is written with its own tag; retagged as a list, it is read in runs.
        as_tuple = etf.dumps(tuple(interrupted))
        header = 3 if len(interrupted) < 256 else 6
        as_list = b"\x83l" + struct.pack(">I", len(interrupted)) + as_tuple[header:] + b"j"
        assert etf.loads(as_list) == interrupted
        assert back(interrupted) == interrupted
        assert back(numbers) == numbers


def test_a_compressed_term() -> None:
    plain = etf.dumps(["x" * 1000, {"a": 1}])[1:]
    packed = b"\x83P" + struct.pack(">I", len(plain)) + zlib.compress(plain)
    assert etf.dumps(etf.loads(packed)) == b"\x83" + plain


@pytest.mark.parametrize(("kind", "encoded"), ALL_OPAQUES)
def test_what_only_a_node_understands_goes_back_byte_for_byte(kind: str, encoded: bytes) -> None:
    opaque = loads(encoded)
    assert isinstance(opaque, etf.Opaque)
    assert opaque.kind == kind
    assert kind in repr(opaque)
    assert etf.dumps(opaque) == b"\x83" + encoded
    inside = b"l\0\0\0\2a\1h\2" + encoded + encoded + b"j"
    assert etf.dumps(loads(inside)) == b"\x83" + inside
    assert {loads(encoded)} == {opaque}


def test_a_local_term_is_kept_whole_and_travels_alone() -> None:
    local = b"y" + b"h" * 8 + b"who knows what"
    opaque = loads(local)
    assert opaque == etf.Opaque(local)
    assert etf.dumps(opaque) == b"\x83" + local
    with pytest.raises(ValueError, match=r"alone \(at \[1\]\)"):
        etf.dumps([1, opaque])


# Keys


@pytest.mark.parametrize(
    "pairs",
    [
        [(1, 1), (True, 2), (1.0, 3)],
        [(0, 1), (False, 2)],
        [(0.0, 1), (-0.0, 2)],
        [(ATOM("a"), 1), (b"a", 2)],
        [({1: 2}, 1)],
        [([1, {}], 1)],
        [((1, ()), 1), ((True, ()), 2)],
        [(etf.Map([([], 1), ({}, 2)]), 3)],
    ],
)
def test_keys_do_not_collapse(pairs: list[tuple[object, object]]) -> None:
    sent = etf.Map(pairs)
    received = back(sent, RAW)
    assert len(received) == len(pairs)
    assert etf.Map(received.items()) == sent


def test_an_atom_and_a_binary_of_one_name_are_two_keys() -> None:
    term = b"t\0\0\0\2w\1aa\1m\0\0\0\1aa\2"
    found = loads(term)
    assert isinstance(found, etf.Map)
    assert found["a"] == 2
    assert found[ATOM("a")] == 1
    assert found.get(b"a", "none") == "none"
    assert ATOM("a") in found
    assert b"a" not in found
    assert list(found) == found.keys() == ["a", "a"]
    assert found.values() == [1, 2]
    with pytest.raises(KeyError):
        found["b"]
    assert etf.dumps(found, style=Style.STR_AS_BINARY | Style.DICT_AS_MAP) == b"\x83" + term


def test_charlists_among_keys_are_text() -> None:
    assert loads(b"t\0\0\0\2k\0\1aa\1ja\2") == {"a": 1, "": 2}
    assert back({("a", "b"): 1}) == {("a", "b"): 1}
    assert back({"ключ": 1}) == {"ключ": 1}
    assert type(loads(b"t\0\0\0\1l\0\0\0\1w\4truejj")) is etf.Map  # [true] is no text


def test_two_keys_of_a_dict_that_are_one_in_a_map_are_refused() -> None:
    for clash in ({"a": 1, b"a": 2}, {None: 1, ATOM("undefined"): 2}, {("a",): 1, (b"a",): 2}):
        with pytest.raises(ValueError, match="one and the same in an Erlang map"):
            etf.dumps(clash, style=Style.STR_AS_BINARY | Style.DICT_AS_MAP)
    mixed = {"a": 1, b"b": 2, 3: 4, None: 5, (1,): 6}
    assert len(back(mixed, Style.STR_AS_BINARY | RAW)) == 5


def test_an_object_as_a_key_is_replaced_once() -> None:
    asked: list[object] = []

    def default(value: object) -> object:
        asked.append(value)
        return Handle(TOKEN)

    etf.dumps({object(): 1, "a": 2}, style=Style.DICT_AS_MAP, default=default)
    assert len(asked) == 1


# Values going out


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (None, b"w\x09undefined"),
        (True, b"w\4true"),
        (255, b"a\xff"),
        (256, b"b\0\0\1\0"),
        (-1, b"b\xff\xff\xff\xff"),
        (1 << 31, b"n\4\0\0\0\0\x80"),
        (-(1 << 63), b"n\x08\1" + b"\0" * 7 + b"\x80"),
        (1 << 64, b"n\x09\0" + b"\0" * 8 + b"\1"),
        (1 << 2040, b"o\0\0\1\0\0" + b"\0" * 255 + b"\1"),
        (1.5, b"F" + struct.pack(">d", 1.5)),
        ("", b"j"),
        ("abc", b"k\0\3abc"),
        ("é", b"k\0\1\xe9"),
        ("€", b"l\0\0\0\1b\0\0\x20\xacj"),
        ("\ud800", b"l\0\0\0\1b\0\0\xd8\0j"),
        (b"abc", b"m\0\0\0\3abc"),
        ([], b"j"),
        ([1, 2], b"l\0\0\0\2a\1a\2j"),
        ([*range(10)], b"k\0\x0a" + bytes(range(10))),
        ((), b"h\0"),
        (tuple([None] * 256), b"i\0\0\1\0" + b"w\x09undefined" * 256),
        ({}, b"h\2k\0\4dictj"),
        ({"a": 1}, b"h\2k\0\4dictl\0\0\0\1h\2k\0\1aa\1j"),
        (ATOM("é"), b"w\2\xc3\xa9"),
        (ATOM("é" * 200), b"v\1\x90" + "é".encode() * 200),
        (etf.ImproperList([1], 2), b"l\0\0\0\1a\1a\2"),
        (etf.BitString(b"\xff\xff", 3), b"M\0\0\0\2\3\xff\xe0"),
        (Handle(TOKEN, "int"), b"h\3w\x09py_handlem\0\0\0\x3c" + TOKEN.encode() + b"m\0\0\0\3int"),
    ],
    ids=lambda part: type(part).__name__,  # a token is another each time
)
def test_a_value_goes_out_as(value: object, encoded: bytes) -> None:
    assert etf.dumps(value) == b"\x83" + encoded


def test_text_and_dicts_in_the_other_style() -> None:
    assert etf.dumps("é", style=Style.STR_AS_BINARY) == b"\x83m\0\0\0\2\xc3\xa9"
    assert etf.dumps({"a": 1}, style=Style.DICT_AS_MAP) == b"\x83t\0\0\0\1k\0\1aa\1"
    assert etf.dumps({"a": {}}, style=3) == b"\x83t\0\0\0\1m\0\0\0\1at\0\0\0\0"
    with pytest.raises(ValueError, match=r"lone surrogate.*\[0\]"):
        etf.dumps(["a\udc80"], style=Style.STR_AS_BINARY)


SMALL = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(1 << 200), 1 << 200),
    st.floats(allow_nan=False, allow_infinity=False),
    st.binary(),
    st.builds(ATOM, st.text(st.characters(exclude_categories=["Cs"]), max_size=255)).filter(
        lambda atom: atom not in ("true", "false", "undefined", "bytes", "py_handle")
    ),
)
NESTED = st.recursive(
    SMALL,
    lambda inner: st.one_of(
        st.lists(inner),
        st.lists(st.integers(-300, 300), max_size=100),
        st.lists(inner).map(tuple).filter(lambda pair: len(pair) != 2),
        st.dictionaries(SMALL, inner),
    ),
    max_leaves=20,
)


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@given(NESTED)
def test_values_come_back_as_they_went(value: object) -> None:
    assert repr(back(value, RAW)) == repr(value)


@given(st.dictionaries(st.text(), st.text(st.characters(exclude_categories=["Cs"]))))
def test_text_comes_back_as_text_where_it_is_binaries(value: dict[str, str]) -> None:
    style = Style.STR_AS_BINARY | Style.DICT_AS_MAP
    encodable = {key: text for key, text in value.items() if key.isprintable()}
    assert back(encodable, style) == encodable
    assert {key: etf.text(text) for key, text in back(value).items()} == value


@pytest.mark.parametrize(
    "value",
    [
        {"defaultdict": []},
        {"date": (2020, 1, 2)},
        {"timedelta": (1, 2, 3), "b": 1},
        {"dict": [("a", 1)]},
        {"x": {"time": (1, 2, 3, 4, None)}},
    ],
)
def test_a_dict_whose_pairs_look_like_values_with_a_tag_is_that_dict(value: dict[str, object]) -> None:
    assert back(value, Style.STR_AS_BINARY) == value


# Dates and the dict family

DATES = [
    (dt.date(1923, 4, 2), ("date", (1923, 4, 2))),
    (dt.datetime(2014, 12, 23, 16, 57, 11, 693773), ("datetime", (2014, 12, 23, 16, 57, 11, 693773, None))),
    (dt.time(1, 2, 3, 4), ("time", (1, 2, 3, 4, None))),
    (dt.timedelta(-1, 2, 3), ("timedelta", (-1, 2, 3))),
    (dt.datetime(2020, 1, 2, tzinfo=dt.timezone.utc), ("datetime", (2020, 1, 2, 0, 0, 0, 0, 0))),
    (
        dt.datetime(2020, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=-5))),
        ("datetime", (2020, 1, 2, 0, 0, 0, 0, -18000)),
    ),
    (
        dt.time(1, tzinfo=dt.timezone(dt.timedelta(microseconds=1))),
        ("time", (1, 0, 0, 0, dt.timedelta(microseconds=1))),
    ),
    (
        dt.datetime(2020, 1, 2, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")),
        ("datetime", (2020, 1, 2, 0, 0, 0, 0, "Europe/Berlin")),
    ),
    (dt.time(1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")), ("time", (1, 0, 0, 0, "Europe/Berlin"))),
]


@pytest.mark.parametrize(("value", "form"), DATES)
def test_dates_travel_as_tuples_and_come_back(value: object, form: tuple[str, object]) -> None:
    assert etf.dumps(value) == etf.dumps(form)
    assert b"k\0" + bytes([len(form[0])]) + form[0].encode() in etf.dumps(value, style=7)
    assert back([value, (value,)]) == [value, (value,)]
    assert back(value, 7) == value
    # The name may be a binary, in any style of reading.
    as_binary = etf.dumps(form, style=Style.STR_AS_BINARY)
    assert etf.loads(as_binary) == etf.loads(as_binary, style=Style.BINARY_AS_BYTES) == value


def test_the_second_of_two_equal_hours_keeps_its_instant() -> None:
    berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    first, second = (dt.datetime(2023, 10, 29, 2, 30, tzinfo=berlin, fold=fold) for fold in (0, 1))
    assert back(second).utcoffset() == second.utcoffset() != first.utcoffset()
    assert back(first) == first


@pytest.mark.parametrize(
    "form",
    [
        ("date", (2024, 13, 1)),
        ("date", (2024, 1)),
        ("date", (2024, 1, True)),
        ("date", ()),
        ("datetime", (2014, 12, 23, 16, 57, 11, 693773)),
        ("datetime", (2014, 12, 23, 16, 57, 11, 693773, "No/Such")),
        ("datetime", (2014, 12, 23, 16, 57, 11, 693773, "")),
        ("datetime", (2014, 12, 23, 16, 57, 11, 693773, True)),
        ("datetime", (2014, 12, 23, 16, 57, 11, 693773, 86_400)),
        ("time", (1, 2, 3, 4, 5.0)),
        ("timedelta", (1 << 70, 0, 0)),
        ("dict", [1, 2]),
        ("dict", [(1, 2, 3)]),
        ("dict", (1, 2)),
        (ATOM("date"), (2024, 1, 1)),
        ("dates", (2024, 1, 1)),
    ],
)
def test_what_only_looks_like_a_date_or_a_dict_stays_a_tuple(form: tuple[str, Any]) -> None:
    name, content = form
    found = back(form)
    assert type(found) is tuple
    assert found[0] == (name if isinstance(name, etf.Atom) else list(name.encode()))
    assert type(found[1]) is type(content)
    assert back(found) == found


FAMILY = [
    collections.OrderedDict(a=1),
    collections.UserDict(a=1),
    collections.defaultdict(int, a=1),
    collections.ChainMap({"a": 1}, {"b": 2}),
    collections.Counter("abca"),
]


@pytest.mark.parametrize("value", FAMILY, ids=lambda value: type(value).__name__)
def test_the_dict_family_travels_under_its_own_names(value: Any) -> None:
    name = type(value).__name__.encode()
    assert etf.dumps(value).startswith(b"\x83h\2k\0" + bytes([len(name)]) + name)
    found = back(value)
    assert type(found) is type(value)
    assert found == value
    assert back(value, Style.DICT_AS_MAP) == dict(value)


def test_a_dict_whose_keys_collapse_comes_in_as_a_map_in_either_form() -> None:
    pairs = [(1, ATOM("a")), (True, ATOM("b"))]
    assert etf.loads(etf.dumps(("dict", pairs))) == etf.Map(pairs)
    assert back(etf.Map(pairs)) == back(etf.Map(pairs), RAW) == etf.Map(pairs)


# Handles and replacements


def test_handles_come_in_wherever_they_stand() -> None:
    def handle(token: str, name: str) -> object:
        return token, name

    for text in (str.encode, str):
        term = etf.dumps([{"x": (ATOM("py_handle"), text(TOKEN), text("int"))}], style=RAW)
        for style in (0, RAW):
            assert etf.loads(term, handle=handle, style=style) == [{"x": (TOKEN, "int")}]
            assert etf.loads(term, style=style) == [{"x": Handle(TOKEN)}]
    assert back(Handle(TOKEN, "int")).type_name == "int"


@pytest.mark.parametrize(
    "parts",
    [(b"short", b"int"), (b"\xff" * 60, b""), ("é" * 60, b""), (5, b""), (TOKEN, 5), ([5.0], b""), (TOKEN, None)],
)
def test_a_handle_that_is_none_is_refused(parts: tuple[object, object]) -> None:
    with pytest.raises(RemoteProtocolError, match="handle"):
        etf.loads(etf.dumps((ATOM("py_handle"), *parts)))


@pytest.mark.parametrize("problem", [IndexError("mine"), struct.error("mine"), RuntimeError("mine")])
def test_what_resolving_a_handle_raises_comes_out_as_it_is(problem: Exception) -> None:
    def handle(token: str, name: str) -> object:
        raise problem

    with pytest.raises(type(problem), match="mine"):
        etf.loads(etf.dumps([Handle(TOKEN)]), handle=handle)


class Awkward:
    def __hash__(self) -> int:
        raise RuntimeError("no hash today")


def test_objects_that_do_not_hash_are_no_reason_to_fail() -> None:
    term = etf.dumps({Handle(TOKEN): 1, "a": 2}, style=Style.DICT_AS_MAP)
    for made in (Awkward(), [None], {}):
        found = etf.loads(term, handle=lambda token, name, made=made: made)  # type: ignore[misc]
        assert isinstance(found, etf.Map)
        assert found.keys() == [made, [97]]


class Point(NamedTuple):
    x: int
    y: int


class Colour(str, enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


def test_subclasses_are_asked_about_or_travel_as_their_base() -> None:
    assert back([Point(1, 2), Colour.RED, Level.HIGH]) == [(1, 2), [*b"red"], 3]
    assert etf.loads(etf.dumps([Point(1, 2), Level.HIGH], default=lambda value: type(value).__name__)) == [
        [*b"Point"],
        [*b"Level"],
    ]


def test_a_replacement_may_hold_what_is_to_be_replaced() -> None:
    def default(value: Any) -> object:
        return sorted(value, key=str) if isinstance(value, set) else Handle(TOKEN, type(value).__name__)

    assert etf.loads(etf.dumps([{1, frozenset([2])}, object()], default=default)) == [
        [1, Handle(TOKEN)],
        Handle(TOKEN),
    ]


def test_a_replacement_that_does_not_travel_either_is_named() -> None:
    with pytest.raises(TypeError, match=r"set was to be replaced by complex.*\[0\]"):
        etf.dumps([{1}], default=lambda value: 1j)


def test_what_default_raises_comes_out_as_it_is() -> None:
    def default(value: object) -> object:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        etf.dumps([1, {2}], default=default)


def test_a_list_that_is_changed_while_it_is_written_is_still_written_whole() -> None:
    values: list[object] = [object(), 1]

    def default(value: object) -> object:
        values.extend([2, 3])
        return 0

    assert etf.loads(etf.dumps(values, default=default)) == [0, 1]


# What can't go out


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (math.nan, ValueError, "no float for nan: replace"),
        ([[1.0] * 10, [*[2.0] * 10, math.inf]], ValueError, r"no float for inf \(at \[1\]\[10\]\)"),
        ({"rows": [{"price": math.nan}]}, ValueError, r"nan \(at \['rows'\]\[0\]\['price'\]\)"),
        ((1, {2, 3}), TypeError, r"set does not travel as an Erlang term \(at \[1\]\)"),
        ({frozenset(): 1}, TypeError, r"frozenset .*\(at \[key a frozenset\]\)"),
        ({"k" * 100: 1j}, TypeError, r"complex .*\(at \['k+\.\.\.\]\)"),
        (etf.ImproperList([1], 1j), TypeError, r"complex .*\(at \[tail\]\)"),
        (object(), TypeError, "^object does not travel"),
        (Awkward(), TypeError, "test_etf_values.Awkward does not travel"),
        ([ATOM("x" * 256)], ValueError, r"255 characters, this has 256 \(at \[0\]\)"),
        (ATOM("\ud800"), ValueError, "lone surrogate"),
        ([1 << (8 << 20)], ValueError, r"integer of 1048577 bytes is over the limit of 1048576 \(at \[0\]\)"),
    ],
)
def test_what_has_no_form_in_erlang_is_named_and_placed(value: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        etf.dumps(value)


def test_a_deep_place_is_abbreviated() -> None:
    value: object = 1j
    for _ in range(100):
        value = [value]
    with pytest.raises(TypeError, match=r"\(at (\[0\]){4}\.\.\.(\[0\]){4}\)"):
        etf.dumps(value)


def test_a_value_that_contains_itself_is_refused() -> None:
    ring: list[object] = [1]
    ring.append({"ring": ring})
    with pytest.raises(ValueError, match="contains itself"):
        etf.dumps(ring)


# The terms themselves


def test_terms_are_values() -> None:
    assert ATOM("a") == "a"
    assert repr(ATOM("a")) == "Atom('a')"
    assert str(ATOM("a")) == "a"
    bits = etf.BitString(b"\xff\xff", 3)
    assert bits == etf.BitString(b"\xff\xe0", 3)
    assert {bits} == {etf.BitString(b"\xff\xe1", 3)}
    assert len(bits) == 11
    assert repr(bits) == r"BitString(b'\xff\xe0', 3)"
    improper = etf.ImproperList([1, 2], 3)
    assert improper != [1, 2]
    assert improper != etf.ImproperList([1, 2], 4)
    assert repr(improper) == "ImproperList([1, 2], 3)"
    assert repr(etf.Map([(1, 2)])) == "Map([(1, 2)])"
    assert etf.Map([(1, 2), (True, 3)]) == etf.Map([(True, 3), (1, 2)]) != etf.Map([(1, 3), (True, 2)])
    for value in (ATOM("a"), bits, improper, etf.Map([(1, 2)]), etf.Opaque(ALL_OPAQUES[0][1])):
        assert pickle.loads(pickle.dumps(value)) == value


def test_terms_that_can_not_be_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one element"):
        etf.ImproperList([], 1)
    with pytest.raises(ValueError, match="1 to 7 bits"):
        etf.BitString(b"a", 8)
    with pytest.raises(ValueError, match="1 to 7 bits"):
        etf.BitString(b"", 1)
    with pytest.raises(ValueError, match="an encoded pid"):
        etf.Opaque(b"a\1")


# Arguments


@pytest.mark.parametrize(
    "term",
    [
        {ATOM("base"): 2, "flag": True},
        {b"base": 2, ATOM("flag"): True},
        [(ATOM("base"), 2), ATOM("flag")],
        [([*b"base"], 2), ("flag", True)],
        [("base", 2), (b"flag", True)],
    ],
)
def test_keyword_arguments_in_every_form(term: object) -> None:
    found = etf.keywords(term)
    assert found == {"base": 2, "flag": True}
    assert all(type(name) is str for name in found)


def test_keywords_named_like_constants_and_tags() -> None:
    proplist = [(True, 1), (None, 2), (False, 3)]
    assert etf.keywords(proplist) == {"true": 1, "undefined": 2, "false": 3}
    raw = [(ATOM("bytes"), b"x"), ("date", (2024, 1, 2)), ("dict", [(ATOM("a"), 1)])]
    received = etf.loads(etf.dumps(raw))
    assert received == [b"x", dt.date(2024, 1, 2), {"a": 1}]
    assert etf.keywords(received) == {"bytes": b"x", "date": (2024, 1, 2), "dict": [("a", 1)]}
    assert etf.keywords([]) == etf.keywords({}) == {}


@pytest.mark.parametrize(
    ("term", "message"),
    [
        (5, "a proplist or a map, not int 5"),
        ([5], "{Name, Value}, not int 5"),
        ([(1, 2)], "a charlist or an atom, not int 1"),
        ([("a", 1), (ATOM("a"), 2)], "'a' is given twice"),
        ({(): 1}, "not tuple"),
        ([([300, -1], 1)], "not list"),
        ([(b"\xff", 1)], "not bytes"),
        (etf.ImproperList([("a", 1)], 2), "not ImproperList"),
    ],
)
def test_keyword_arguments_that_are_none_are_refused(term: object, message: str) -> None:
    with pytest.raises(RemoteProtocolError, match=message.replace("{", r"\{")):
        etf.keywords(term)


# Errors


def test_an_error_map_has_atoms_for_keys_and_kind_and_binaries_for_text() -> None:
    error = {
        "kind": "python",
        "class": "ValueError",
        "message": "é \ud800",
        "traceback": None,
        "frames": [{"file": "a.py", "line": 1, "function": "f", "text": "x"}],
        "notes": ["n"],
        "cause": {"kind": "not_found", "message": "inner", "cause": None},
        "elapsed_ms": 1.5,
        "details": {"signal": 9, "mine": [1]},
    }
    found = etf.loads(etf.dumps_error(error), style=RAW)
    assert found == {
        ATOM("kind"): ATOM("python"),
        ATOM("class"): b"ValueError",
        ATOM("message"): "é \\ud800".encode(),
        ATOM("traceback"): None,
        ATOM("frames"): [{ATOM("file"): b"a.py", ATOM("line"): 1, ATOM("function"): b"f", ATOM("text"): b"x"}],
        ATOM("notes"): [b"n"],
        ATOM("cause"): {ATOM("kind"): ATOM("not_found"), ATOM("message"): b"inner", ATOM("cause"): None},
        ATOM("elapsed_ms"): 1.5,
        ATOM("details"): {ATOM("signal"): 9, b"mine": [1]},
    }
    assert all(type(key) is etf.Atom for key in found)
    assert type(found["kind"]) is etf.Atom


class Unshowable:
    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    "details",
    [
        {"a": math.nan, "b": [math.inf], "c": 1 << 100_000, "d": {1, 2}, 5: Unshowable()},
        {"deep": [[[[[[[[1]]]]]]]], "a": b"bytes", "b": (1, 2), b"b": 3},
        {1: 2, "1": 3},
        Unshowable(),
    ],
)
def test_an_error_always_finds_its_words(details: object) -> None:
    error: dict[str, Any] = {"kind": "of its own", "message": Unshowable(), "details": details}
    found = etf.loads(etf.dumps_error(error))
    assert found["kind"] == "of its own"
    assert type(found["kind"]) is str
    assert found["message"] == "<Unshowable>"


def test_a_chain_of_causes_ends() -> None:
    error: dict[str, Any] = {"kind": "python", "message": "again"}
    error["cause"] = error
    found: Any = etf.loads(etf.dumps_error(error))
    depth = 0
    while found is not None:
        found, depth = found.get("cause"), depth + 1
    assert 10 < depth < 100


def test_an_error_within_a_term_is_the_same_map() -> None:
    error = {"kind": "python", "class": "KeyError", "message": "'x'", "frames": [{"file": "a.py", "line": 3}]}
    found: Any = etf.loads(etf.dumps([[1, None], [[1, etf.error_term(error)]]]), style=RAW)
    assert found[0] == [1, None]
    assert found[1] == [[1, etf.loads(etf.dumps_error(error), style=RAW)]]
    assert all(type(key) is etf.Atom for key in found[1][0][1])
