"""Every type of contracts, as a table: values, what they are on the wire, and what must be refused.

Each row becomes a record of one field, `it`, in the definitions that `DEFINITIONS` has, and that record is the element
of a list in another: so that every type is met inside of something, and each error has a path.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

Types = SimpleNamespace
"""The generated modules: `types.kinds`, `types.other`, and `types.just`, which wraps a value."""


@dataclass(frozen=True)
class Row:
    """One type.

    Attributes:
        name: What its record is called.
        type: The type, as definitions have it, with a default where it has one.
        pairs: Values and their wire forms.
        refused: Wire forms that are no values of it, and what is said; `...` stands for the field being absent.
        unwritable: Python values that are no values of it.
        read_only: Wire forms that are taken though nobody writes them, and what they mean.
    """

    name: str
    type: str
    pairs: Callable[[Types], list[tuple[Any, Any]]]
    refused: list[tuple[Any, str]]
    unwritable: list[Any] = field(default_factory=list)
    read_only: Callable[[Types], list[tuple[Any, Any]]] = lambda _: []


OTHER = "module Other where\n\ndata Color = Red | DarkGreen\n\ndata Point = Point { x :: Int32, y :: Int32 }\n"

HEAD = """\
{-# EXTENDED #-}
module Kinds where

import Other
import qualified Other as O

data Stamp {-# FOREIGN python datetime.datetime #-}
data Day {-# FOREIGN python datetime.date #-}
data Key {-# FOREIGN python uuid.UUID #-}
data Exact {-# FOREIGN python decimal.Decimal #-}
data Ratio {-# FOREIGN python fractions.Fraction #-}

data Direction = Up | Down
data Inner = Inner { name :: String, point :: Point }
data Chain = Chain { value :: Int32, next :: Maybe Chain = Nothing }
data Pair a b = Pair { left :: a, right :: b }
data Page a = Page { items :: List a, more :: Maybe (Page a) }
data Tree a = Leaf | Node { value :: a, below :: List (Tree a) }
data Shape
  = Circle { radius :: Double, center :: Maybe Point, tags :: Set String }
  | Tagged { name :: String = "none", color :: Color = DarkGreen }
  | Nowhere
data Problem = Problem { what :: String, at :: Maybe (Maybe Int64), shape :: Shape }

type Price = Decimal
type Named a = Map String a
type Twins a = Pair a a

"""


def _same(*values: Any) -> Callable[[Types], list[tuple[Any, Any]]]:
    return lambda _: [(each, each) for each in values]


_INT32 = (1 << 31) - 1
_INT64 = (1 << 63) - 1
_ID = uuid.UUID("12345678-9abc-def0-1234-56789abcdef0")
_NOON = datetime(2024, 2, 29, 12, 0, 0, 5, tzinfo=timezone.utc)

ROWS = [
    Row(
        "AUnit",
        "Unit",
        lambda _: [(None, {})],
        [([], "expected Unit, found a list of 0"), (1, "expected Unit, found 1")],
    ),
    Row(
        "ABool",
        "Bool",
        _same(True, False),
        [
            (1, "expected Bool, found 1"),
            ("true", 'expected Bool, found "true"'),
            (None, "expected Bool, found nothing"),
        ],
        [1, None, "true"],
    ),
    Row(
        "AnInt32",
        "Int32",
        _same(0, -1, _INT32, -_INT32 - 1),
        [
            (True, "expected Int32, found true"),
            (1.0, "expected Int32, found 1.0"),
            (1 << 31, "expected Int32, found 2147483648"),
            (-(1 << 31) - 1, "expected Int32, found -2147483649"),
            ("1", 'expected Int32, found "1"'),
            (..., "the field it is missing"),
        ],
        [True, 1.0, 1 << 31, None],
    ),
    Row(
        "AnInt64",
        "Int64",
        _same(0, _INT64, -_INT64 - 1),
        [(1 << 63, f"expected Int64, found {1 << 63}"), (False, "expected Int64, found false")],
        [1 << 63, True, 0.5],
    ),
    Row(
        "AnInteger",
        "Integer",
        _same(0, 1 << 64, -(1 << 200), 10**400),
        [(True, "expected Integer, found true"), (0.5, "expected Integer, found 0.5")],
        [True, 0.5, "1"],
    ),
    Row(
        "ADouble",
        "Double",
        _same(0.0, -1.5, 1e300, 5e-324, 1e16),
        [
            ("x", 'expected Double, found "x"'),
            (True, "expected Double, found true"),
            (10**400, "expected Double, found a number of 1329 bits"),
            (None, "expected Double, found nothing"),
        ],
        [math.nan, math.inf, True, "x", None],
        lambda _: [(1, 1.0), (-3, -3.0)],
    ),
    Row(
        "AString",
        "String",
        _same("", "Zoë ☃ 𝄞", 'a"b\\c\n\0', "nil", ":a/b", "null", "x" * 300),
        [(1, "expected String, found 1"), (["a"], "expected String, found a list of 1")],
        [1, b"x", None],
    ),
    Row(
        "SomeBytes",
        "Bytes",
        lambda _: [(b"", ""), (b"\0\xff", "AP8="), (b"text", "dGV4dA==")],
        [
            ("AP8", 'expected Bytes, found "AP8"'),
            ("A*8=", 'expected Bytes, found "A*8="'),
            ("é", 'expected Bytes, found "é"'),
        ],
        ["x", 3, None],
    ),
    Row(
        "ATimestamp",
        "Timestamp",
        lambda _: [
            (_NOON, "2024-02-29T12:00:00.000005Z"),
            (datetime(1, 1, 1, tzinfo=timezone.utc), "0001-01-01T00:00:00Z"),
            (datetime(9999, 12, 31, 23, 59, 59, 999999, timezone.utc), "9999-12-31T23:59:59.999999Z"),
        ],
        [
            ("2024-02-29T12:00:00", 'expected Timestamp, found "2024-02-29T12:00:00"'),
            ("2023-02-29T12:00:00Z", 'expected Timestamp, found "2023-02-29T12:00:00Z"'),
            ("20240229T120000Z", 'expected Timestamp, found "20240229T120000Z"'),
            ("2024-02-29Z", 'expected Timestamp, found "2024-02-29Z"'),
            ("2024-W09-4T12:00:00Z", 'expected Timestamp, found "2024-W09-4T12:00:00Z"'),
            ("2024-02-29T12:00:00.0000051Z", 'expected Timestamp, found "2024-02-29T12:00:00.0000051Z"'),
            (5, "expected Timestamp, found 5"),
        ],
        [datetime(2024, 1, 1), date(2024, 1, 1), "2024-02-29T12:00:00Z", None],
        lambda _: [
            ("2024-02-29T12:00:00.500Z", _NOON.replace(microsecond=500_000)),
            ("2024-02-29T12:00:00.5Z", _NOON.replace(microsecond=500_000)),
            ("2024-02-29T12:00:00.000005000Z", _NOON),
        ],
    ),
    Row(
        "ADuration",
        "Duration",
        lambda _: [
            (timedelta(0), 0),
            (timedelta(microseconds=-1), -1),
            (timedelta.max, 86399999999999999999),
            (timedelta.min, -86399999913600000000),
        ],
        [
            (1.5, "expected Duration, found 1.5"),
            (True, "expected Duration, found true"),
            (10**20, f"expected Duration, found {10**20}"),
        ],
        [5, None, "1"],
    ),
    Row(
        "AUuid",
        "Uuid",
        lambda _: [(_ID, str(_ID)), (uuid.UUID(int=0), str(uuid.UUID(int=0)))],
        [
            ("7", 'expected Uuid, found "7"'),
            (_ID.hex, f'expected Uuid, found "{_ID.hex}"'),
            ("123-456789abc-def0-1234-56789abcdef0", 'expected Uuid, found "123-456789abc-def0-1234-56789abcdef0"'),
        ],
        [str(_ID), 7, None],
        lambda _: [(str(_ID).upper(), _ID)],
    ),
    Row(
        "ADecimal",
        "Decimal",
        lambda _: [
            (Decimal("1.50"), "1.50"),
            (Decimal("-0.1"), "-0.1"),
            (Decimal("1E+30"), "1E+30"),
            (Decimal(7), "7"),
        ],
        [
            (1.5, "expected Decimal, found 1.5"),
            ("NaN", 'expected Decimal, found "NaN"'),
            ("Infinity", 'expected Decimal, found "Infinity"'),
            ("1_0", 'expected Decimal, found "1_0"'),
            (" 1", 'expected Decimal, found " 1"'),
            ("٣", 'expected Decimal, found "٣"'),
            ("", 'expected Decimal, found ""'),
        ],
        [Decimal("NaN"), Decimal("Infinity"), 1.5, 7, "1", None],
    ),
    Row(
        "AMaybe",
        "Maybe Int32",
        _same(None, 0, 7),
        [("x", 'expected Int32, found "x"'), (..., "the field it is missing")],
        ["x", True],
    ),
    Row("MaybeAUnit", "Maybe Unit", lambda _: [(None, None), ((), {})], [(1, "expected Unit, found 1")]),
    Row(
        "AWrapped",
        "Maybe (Maybe String)",
        lambda types: [(None, None), (types.just(None), {"just": None}), (types.just("x"), {"just": "x"})],
        [("x", 'expected {"just": ...} or nothing, found "x"'), ({"just": 5}, "expected String, found 5")],
        ["x"],
    ),
    Row(
        "AWrappedTwice",
        "Maybe (Maybe (Maybe Int32))",
        lambda types: [
            (None, None),
            (types.just(None), {"just": None}),
            (types.just(types.just(None)), {"just": {"just": None}}),
            (types.just(types.just(3)), {"just": {"just": 3}}),
        ],
        [({"just": 3}, 'expected {"just": ...} or nothing, found 3')],
    ),
    Row(
        "AList",
        "List Int32",
        _same([], [1, 2, 3], [255] * 300),
        [([1, "x"], '[1]: expected Int32, found "x"'), ({}, "expected List Int32, found an object of 0")],
        [(1,), [True], None],
    ),
    Row(
        "MaybesInLists",
        "List (Maybe (List (Maybe Bool)))",
        _same([], [None], [[None, True], []]),
        [([[True, 1]], "[0][1]: expected Bool, found 1")],
        [[[1]]],
    ),
    Row(
        "ASet",
        "Set Int32",
        lambda _: [(set(), []), ({3, -1, 2}, [-1, 2, 3])],
        [
            ([1, 1], "an element of the set is there twice"),
            ([1, "x"], '[1]: expected Int32, found "x"'),
            ({}, "expected Set Int32, found an object of 0"),
        ],
        [[1], {"x"}, None],
        lambda _: [([3, 1], {1, 3})],
    ),
    Row(
        "ASetOfColors",
        "Set Color",
        lambda types: [({types.other.Color.RED, types.other.Color.DARK_GREEN}, ["DARK_GREEN", "RED"])],
        [(["RED", "RED"], "an element of the set is there twice"), (["BLUE"], '[0]: expected Color, found "BLUE"')],
        [{"RED"}],
    ),
    Row(
        "ASetOfUuids",
        "Set Uuid",
        lambda _: [({_ID}, [str(_ID)])],
        [
            ([str(_ID), str(_ID).upper()], "an element of the set is there twice"),
            (["7"], '[0]: expected Uuid, found "7"'),
        ],
        [{7}],
    ),
    Row(
        "AMap",
        "Map String Int32",
        _same({}, {"a": 1, "": 2, "a/b": 3, "ä b": 4}),
        [({"a": "x"}, 'a: expected Int32, found "x"'), ([], "expected Map String Int32, found a list of 0")],
        [{1: 1}, {"a": "x"}, [("a", 1)], None],
    ),
    Row(
        "AMapOfNumbers",
        "Map Int64 Bool",
        lambda _: [({-5: True, 0: False, _INT64: True}, {"-5": True, "0": False, str(_INT64): True})],
        [
            ({"05": True}, 'expected a key that is Int64, found "05"'),
            ({"x": True}, 'expected a key that is Int64, found "x"'),
            ({str(1 << 63): True}, f'expected a key that is Int64, found "{1 << 63}"'),
            ({"1": 1}, "1: expected Bool, found 1"),
        ],
        [{"1": True}, {True: True}, {1 << 63: True}],
    ),
    Row(
        "AMapOfColors",
        "Map O.Color (List Price)",
        lambda types: [({types.other.Color.DARK_GREEN: [Decimal("1.0")]}, {"DARK_GREEN": ["1.0"]})],
        [
            ({"BLUE": []}, 'expected a key that is Color, found "BLUE"'),
            ({"RED": ["1", 2]}, "RED[1]: expected Decimal, found 2"),
        ],
        [{"RED": []}, {1: []}],
    ),
    Row(
        "AMapOfUuids",
        "Map Uuid (Maybe Uuid)",
        lambda _: [({_ID: None, uuid.UUID(int=1): _ID}, {str(_ID): None, str(uuid.UUID(int=1)): str(_ID)})],
        [
            ({"7": None}, 'expected a key that is Uuid, found "7"'),
            ({str(_ID): None, str(_ID).upper(): None}, "a key of the map is there twice"),
        ],
        [{str(_ID): None}],
    ),
    Row(
        "AnEnum",
        "Direction",
        lambda types: [(types.kinds.Direction.UP, "UP"), (types.kinds.Direction.DOWN, "DOWN")],
        [
            ("LEFT", 'expected Direction, found "LEFT"'),
            (0, "expected Direction, found 0"),
            ("up", 'expected Direction, found "up"'),
        ],
        [0, "UP", None],
    ),
    Row(
        "AnImportedEnum",
        "Color",
        lambda types: [(types.other.Color.DARK_GREEN, "DARK_GREEN")],
        [("LEFT", 'expected Color, found "LEFT"'), (None, "expected Color, found nothing")],
        [1, "RED"],
    ),
    Row(
        "ARecord",
        "Inner",
        lambda types: [
            (types.kinds.Inner("x", types.other.Point(1, 2)), {"name": "x", "point": {"x": 1, "y": 2}}),
        ],
        [
            ({"name": "x"}, "the field point is missing"),
            ({"name": "x", "point": {"x": 1, "y": "2"}}, 'point.y: expected Int32, found "2"'),
            ({"name": "x", "point": {"x": 1, "y": 2, "z": 3}}, 'point: unknown field "z"'),
            ([], "expected Inner, found a list of 0"),
        ],
        [None, {"name": "x"}, SimpleNamespace(name="x", point=None)],
    ),
    Row(
        "AQualified",
        "O.Point",
        lambda types: [(types.other.Point(1, -2), {"x": 1, "y": -2})],
        [({"x": 1, "y": True}, "y: expected Int32, found true")],
    ),
    Row(
        "AChain",
        "Chain",
        lambda types: [
            (types.kinds.Chain(1, types.kinds.Chain(2, None)), {"value": 1, "next": {"value": 2, "next": None}}),
        ],
        [
            ({"value": 1, "next": {"next": None}}, "next: the field value is missing"),
            ({"value": 1, "next": {"value": 2, "nxt": None}}, 'next: unknown field "nxt" (did you mean next?)'),
        ],
        [],
        lambda types: [({"value": 1, "next": {"value": 2}}, types.kinds.Chain(1, types.kinds.Chain(2, None)))],
    ),
    Row(
        "AParametric",
        "Pair Int32 (Maybe Color)",
        lambda types: [
            (types.kinds.PairOfInt32AndMaybeOfColor(1, types.other.Color.RED), {"left": 1, "right": "RED"}),
            (types.kinds.PairOfInt32AndMaybeOfColor(1, None), {"left": 1, "right": None}),
        ],
        [({"left": 1, "right": 2}, "right: expected Color, found 2")],
    ),
    Row(
        "APage",
        "Page (Pair String String)",
        lambda types: [
            (
                types.kinds.PageOfPairOfStringAndString([types.kinds.PairOfStringAndString("a", "b")], None),
                {"items": [{"left": "a", "right": "b"}], "more": None},
            )
        ],
        [
            (
                {"items": [], "more": {"items": [5], "more": None}},
                "more.items[0]: expected PairOfStringAndString, found 5",
            )
        ],
    ),
    Row(
        "AnAlias",
        "Named (Twins Price)",
        lambda types: [
            (
                {"a": types.kinds.PairOfDecimalAndDecimal(Decimal("1"), Decimal("2.5"))},
                {"a": {"left": "1", "right": "2.5"}},
            )
        ],
        [({"a": {"left": "1", "right": 2}}, "a.right: expected Decimal, found 2")],
    ),
    Row(
        "ASum",
        "Shape",
        lambda types: [
            (types.kinds.ShapeNowhere(), "NOWHERE"),
            (
                types.kinds.ShapeCircle(1.5, types.other.Point(0, 1), {"b", "a"}),
                {"CIRCLE": {"radius": 1.5, "center": {"x": 0, "y": 1}, "tags": ["a", "b"]}},
            ),
            (types.kinds.ShapeTagged("n", types.other.Color.RED), {"TAGGED": {"name": "n", "color": "RED"}}),
        ],
        [
            ("ELSEWHERE", 'expected Shape, found "ELSEWHERE"'),
            ("CIRCLE", 'expected Shape, found "CIRCLE"'),
            ({"NOWHERE": {}}, "expected Shape, found an object of 1"),
            ({"CIRCLE": {"radius": "x", "center": None, "tags": []}}, 'CIRCLE.radius: expected Double, found "x"'),
            ({"CIRCLE": {"radius": 1, "center": None, "tags": [], "a": 1}}, 'CIRCLE: unknown field "a"'),
            ({"CIRCLE": {"radius": 1, "tags": []}}, "CIRCLE: the field center is missing"),
            ({"CIRCLE": 5}, "CIRCLE: expected a record, found 5"),
            ({"TAGGED": {"nmae": "x"}}, 'TAGGED: unknown field "nmae" (did you mean name?)'),
            ({"CIRCLE": {}, "TAGGED": {}}, "expected Shape, found an object of 2"),
            ({}, "expected Shape, found an object of 0"),
        ],
        [None, "NOWHERE", 3],
        lambda types: [
            ({"TAGGED": {}}, types.kinds.ShapeTagged("none", types.other.Color.DARK_GREEN)),
            ({"TAGGED": {"name": "x"}}, types.kinds.ShapeTagged("x", types.other.Color.DARK_GREEN)),
        ],
    ),
    Row(
        "AParametricSum",
        "Tree Int32",
        lambda types: [
            (types.kinds.TreeOfInt32Leaf(), "LEAF"),
            (
                types.kinds.TreeOfInt32Node(1, [types.kinds.TreeOfInt32Leaf()]),
                {"NODE": {"value": 1, "below": ["LEAF"]}},
            ),
        ],
        [
            (
                {"NODE": {"value": 1, "below": ["LEAF", {"NODE": {"value": "x", "below": []}}]}},
                'NODE.below[1].NODE.value: expected Int32, found "x"',
            )
        ],
    ),
    Row(
        "AForeign",
        "Stamp",
        lambda _: [
            (datetime(2024, 2, 29, 12, 30, 5), "2024-02-29T12:30:05"),
            (datetime(1, 1, 1), "0001-01-01T00:00:00"),
        ],
        [("yesterday", 'expected datetime.datetime, found "yesterday"'), (5, "expected datetime.datetime, found 5")],
        ["2024-02-29T12:30:05", None],
    ),
    Row(
        "AForeignDay",
        "Day",
        lambda _: [(date(2024, 2, 29), "2024-02-29")],
        [("2023-02-29", 'expected datetime.date, found "2023-02-29"'), (1, "expected datetime.date, found 1")],
        ["2024-02-29", None],
    ),
    Row(
        "AForeignKey",
        "Key",
        lambda _: [(_ID, str(_ID))],
        [("7", 'expected uuid.UUID, found "7"')],
        ["7", None],
    ),
    Row(
        "AForeignNumber",
        "Exact",
        lambda _: [(Decimal("0.10"), "0.10")],
        [("x", 'expected decimal.Decimal, found "x"')],
        [Decimal("NaN"), 1],
    ),
    Row(
        "AConverted",
        "List Ratio",
        lambda _: [([Fraction(1, 3)], [[1, 3]]), ([], [])],
        [
            ([[1, 0]], "[0]: expected fractions.Fraction, found a list of 2"),
            (["1/3"], '[0]: expected fractions.Fraction, found "1/3"'),
        ],
        [[1.5]],
    ),
    Row(
        "ADefault",
        "Int32 = -10",
        _same(3, -10),
        [("x", 'expected Int32, found "x"'), (None, "expected Int32, found nothing")],
        ["x"],
        lambda _: [(..., -10)],
    ),
    Row(
        "ADefaultInteger",
        "Integer = 7",
        _same(10**30),
        [(1.5, "expected Integer, found 1.5")],
        [],
        lambda _: [(..., 7)],
    ),
    Row("ADefaultDouble", "Double = 2", _same(1.5), [("x", 'expected Double, found "x"')], [], lambda _: [(..., 2.0)]),
    Row("ADefaultBool", "Bool = True", _same(False), [(1, "expected Bool, found 1")], [], lambda _: [(..., True)]),
    Row(
        "ADefaultString",
        'String = "a \\"b\\" ☃"',
        _same("c"),
        [(1, "expected String, found 1")],
        [],
        lambda _: [(..., 'a "b" ☃')],
    ),
    Row(
        "ADefaultMember",
        "O.Color = DarkGreen",
        lambda types: [(types.other.Color.RED, "RED")],
        [("BLUE", 'expected Color, found "BLUE"')],
        [],
        lambda types: [(..., types.other.Color.DARK_GREEN)],
    ),
    Row(
        "ADefaultCase",
        "Shape = Nowhere",
        lambda types: [
            (types.kinds.ShapeTagged("n", types.other.Color.RED), {"TAGGED": {"name": "n", "color": "RED"}})
        ],
        [("CIRCLE", 'expected Shape, found "CIRCLE"')],
        [],
        lambda types: [(..., types.kinds.ShapeNowhere())],
    ),
    Row(
        "ANothing",
        "Maybe (List Point) = Nothing",
        lambda types: [(None, None), ([types.other.Point(1, 2)], [{"x": 1, "y": 2}])],
        [([{"x": 1}], "[0]: the field y is missing")],
        [],
        lambda _: [(..., None)],
    ),
    Row(
        "AMaybeDefault",
        "Maybe Int32 = 5",
        _same(None, 0),
        [("x", 'expected Int32, found "x"')],
        [],
        lambda _: [(..., 5)],
    ),
    Row(
        "AWrappedNothing",
        "Maybe (Maybe Int32) = Nothing",
        lambda types: [(types.just(None), {"just": None}), (types.just(7), {"just": 7})],
        [(5, 'expected {"just": ...} or nothing, found 5')],
        [],
        lambda _: [(..., None)],
    ),
]

KINDS = (
    HEAD
    + "\n".join(f"data {row.name} = {row.name} {{ it :: {row.type} }}" for row in ROWS)
    + "\n"
    + "\n".join(f"data Many{row.name} = Many{row.name} {{ many :: List {row.name} }}" for row in ROWS)
    + "\n"
    + "\n".join(f"echo{row.name} :: {row.name} -> IO {row.name}" for row in ROWS)
    + """
stream :: List Shape -> IO (Stream Shape) raises Problem
fail :: Problem -> IO Unit raises Point, Problem
nothing :: Unit -> IO Unit
units :: List Unit -> IO (Stream Unit)
names :: Map Int32 Color -> IO (Map Color (Set Integer))
"""
)

DEFINITIONS = {"Kinds": KINDS, "Other": OTHER}

ECHO = """
from fractions import Fraction

import matrix
from echoed import kinds, other

kinds._wire.register_converter(matrix.RATIO, matrix.ratio_to, matrix.ratio_of)


def echo(_self, value):
    return value


def fail(_self, problem):
    raise kinds._wire.Raised(other.Point(1, 2) if problem.what == "point" else problem)


def stream(_self, shapes):
    yield from shapes
    raise kinds._wire.Raised(kinds.Problem("the end", None, kinds.ShapeNowhere()))


def names(_self, colors):
    return {color: {number, 10**30} for number, color in colors.items()}


methods = {name: echo for name in vars(kinds.KindsModule) if name.startswith(("echo_", "nothing", "units"))}
Echo = type("Echo", (kinds.KindsModule,), {**methods, "fail": fail, "stream": stream, "names": names})
"""
"""A class to mount, of the package `echoed`: it gives back what it is given."""

RATIO = "fractions.Fraction"
"""A foreign type that nobody knows, unless he is told how it travels."""


def ratio_of(wire: Any) -> Fraction:
    numerator, denominator = wire
    return Fraction(numerator, denominator)


def ratio_to(value: Fraction) -> list[int]:
    return [value.numerator, value.denominator]
