"""What `bascule contract diff` says breaks, breaks, and what it says passes, passes: old and new code are asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from generated import generate, importing
from matrix import DEFINITIONS, RATIO, ROWS, Row, ratio_of, ratio_to

from bascule.bridge.cli.main import main
from bascule.workers.contracts.comparing import Breaks, compare

# What reads the other's values here, since those are no more than examples: it has not the same meaning.
BY_CHANCE = {
    *(frozenset(("AUnit", each)) for each in ("AMap", "AMapOfColors", "AMapOfNumbers", "AMapOfUuids", "AnAlias")),
    frozenset(("AMap", "AQualified")),
    frozenset(("ADefaultInteger", "ADefaultDouble")),
    frozenset(("ADefaultInteger", "ADouble")),
    frozenset(("AnInteger", "ADouble")),
    frozenset(("AnInteger", "ADefaultDouble")),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    folder = generate(tmp_path_factory.mktemp("diff"), DEFINITIONS, package="differing")
    for kinds, other, wire in importing(folder, "differing.kinds", "differing.other", "differing.rt.wire"):
        wire.register_converter(RATIO, ratio_to, ratio_of)
        yield SimpleNamespace(kinds=kinds, other=other, wire=wire, just=wire.Just)


def reads(cls: Any, plains: list[Any]) -> bool:
    try:
        for plain in plains:
            cls.from_wire(plain)
    except ValueError:
        return False
    return True


def one(plain: Any) -> dict[str, Any]:
    return {} if plain is ... else {"it": plain}


def contract(made: SimpleNamespace, row: Row) -> dict[str, Any]:
    """One function, that takes and gives a record with a field of this type."""
    types = {**made.wire.known, "T.R": made.wire.known[f"Kinds.{row.name}"]}
    return {"functions": {"f": {"argument": "T.R", "result": "T.R"}}, "types": types}


@pytest.mark.parametrize("old", ROWS, ids=[row.name for row in ROWS])
def test_who_breaks_is_whom_old_and_new_code_do_not_understand(old: Row, made: SimpleNamespace) -> None:
    for new in ROWS:
        found = compare(contract(made, old), contract(made, new))
        told = {"argument": {Breaks.NOBODY}, "result": {Breaks.NOBODY}}
        for each in found:
            told[each.place.split()[1].partition(".")[0]].add(each.breaks)
        for place, breaks in told.items():
            # What a client may write, and a server does.
            by_client = [
                [one(plain) for _, plain in row.pairs(made)]
                + [one(plain) for plain, _ in row.read_only(made) if place == "argument"]
                for row in (old, new)
            ]
            read_by_new = reads(getattr(made.kinds, new.name), by_client[0])
            read_by_old = reads(getattr(made.kinds, old.name), by_client[1])
            fits_old, fits_new = (read_by_new, read_by_old) if place == "argument" else (read_by_old, read_by_new)
            said = (
                not breaks & {Breaks.OLD_CLIENTS, Breaks.BOTH},
                not breaks & {Breaks.NEW_CLIENTS, Breaks.BOTH},
            )
            if frozenset((old.name, new.name)) in BY_CHANCE:
                assert said == (False, False)
            else:
                assert said == (fits_old, fits_new), (new.name, place)


HEAD = "{-# EXTENDED #-}\nmodule Shop where\n"
USES = "f :: R -> IO R\n"
RAISES = "data M = M { a :: Int32 }\nf :: Int32 -> IO Int32"
CHANGES: list[tuple[str, str, str, list[str]]] = [
    ("nothing", "data R = R { a :: Int32 }", "data R = R { a :: Int32 }", []),
    (
        "a field more",
        "data R = R { a :: Int32 }",
        "data R = R { a :: Int32, b :: Bool }",
        [
            "Shop.f: argument.b: the field is new (breaks old and new clients)",
            "Shop.f: result.b: the field is new (breaks old and new clients)",
        ],
    ),
    (
        "a field more that may be absent",
        "data R = R { a :: Int32 }",
        "data R = R { a :: Int32, b :: Bool = True }",
        [
            "Shop.f: argument.b: the field is new (breaks new clients)",
            "Shop.f: result.b: the field is new (breaks old clients)",
        ],
    ),
    (
        "a field less",
        "data R = R { a :: Int32, b :: Maybe Bool = Nothing }",
        "data R = R { a :: Int32 }",
        [
            "Shop.f: argument.b: the field is gone (breaks old clients)",
            "Shop.f: result.b: the field is gone (breaks new clients)",
        ],
    ),
    (
        "a default that is gone",
        "data R = R { a :: Int32 = 1 }",
        "data R = R { a :: Int32 }",
        [
            "Shop.f: argument.a: it may not be absent any more (breaks old clients)",
            "Shop.f: result.a: it may not be absent any more (compatible)",
        ],
    ),
    (
        "another default",
        "data R = R { a :: Int32 = 1 }",
        "data R = R { a :: Int32 = 2 }",
        [f"Shop.f: {place}.a: its default was 1 and is 2 (compatible)" for place in ("argument", "result")],
    ),
    (
        "a change below what may be nothing now",
        "data P = P { a :: Int32 }\ndata R = R { p :: P }",
        "data P = P { a :: String }\ndata R = R { p :: Maybe P }",
        [
            "Shop.f: argument.p: it may be nothing now (breaks new clients)",
            "Shop.f: argument.p.a: it was Int32 and is String (breaks old and new clients)",
            "Shop.f: result.p: it may be nothing now (breaks old clients)",
            "Shop.f: result.p.a: it was Int32 and is String (breaks old and new clients)",
        ],
    ),
    (
        "the order of members and of fields",
        "data E = A | B\ndata R = R { a :: E, b :: Bool }",
        "data E = B | A\ndata R = R { b :: Bool, a :: E }",
        [
            f"Shop.f: {place}{what} (compatible)"
            for place in ("argument", "result")
            for what in (".a: the order of members changed", ": the order of fields changed")
        ],
    ),
    (
        "an enum that becomes a sum",
        "data E = A | B\ndata R = R { e :: E }",
        "data E = A | B | C { x :: Int32 }\ndata R = R { e :: E }",
        [
            "Shop.f: argument.e: the case C is new (breaks new clients)",
            "Shop.f: result.e: the case C is new (breaks old clients)",
        ],
    ),
    (
        "a case that has fields now",
        "data R = A | B { x :: Int32 }",
        "data R = A { y :: Int32 = 1 } | B { x :: Int32 }",
        [
            f"Shop.f: {place}.A: the case has fields now (breaks old and new clients)"
            for place in ("argument", "result")
        ],
    ),
    (
        "an error more, and one less",
        f"{RAISES} raises M\ndata N = N {{ a :: Int32 }}",
        f"{RAISES} raises N\ndata N = N {{ a :: Int32 }}",
        ["Shop.f: it may raise Shop.N (compatible)", "Shop.f: it does not raise Shop.M any more (compatible)"],
    ),
    (
        "another form of an error",
        f"{RAISES} raises M",
        f"{RAISES} raises M".replace("a :: Int32 }", "a :: Int64 }"),
        ["Shop.f: raises Shop.M.a: it was Int32 and is Int64 (breaks old clients)"],
    ),
    (
        "a stream",
        "f :: Int32 -> IO Int32",
        "f :: Int32 -> IO (Stream Int32)",
        ["Shop.f: one gives a value, the other a stream (breaks old and new clients)"],
    ),
    (
        "an alias by another name, and what it stands for written out",
        "type P = Decimal\ndata R = R { a :: P }",
        "type Q = Decimal\ndata R = R { a :: Decimal }",
        [],
    ),
    (
        "another class of Python's, which only its converter knows",
        "data T {-# FOREIGN python a.B #-}\ndata R = R { a :: T }",
        "data T {-# FOREIGN python c.B #-}\ndata R = R { a :: T }",
        [
            f"Shop.f: {place}.a: it was the foreign type a.B and is c.B: their converters must agree (compatible)"
            for place in ("argument", "result")
        ],
    ),
    (
        "a foreign type of another form",
        "data T {-# FOREIGN python datetime.datetime #-}\ndata R = R { a :: T }",
        "data T {-# FOREIGN python datetime.date #-}\ndata R = R { a :: T }",
        [
            f"Shop.f: {place}.a: it was datetime and is date (breaks old and new clients)"
            for place in ("argument", "result")
        ],
    ),
    (
        "a type that no function is about",
        "data Q = Q { a :: Int32 }",
        "data Q = Q { a :: Int64 }",
        ["Shop.Q.a: it was Int32 and is Int64 (breaks new clients)"],
    ),
]


@pytest.mark.parametrize(("old", "new", "told"), [each[1:] for each in CHANGES], ids=[each[0] for each in CHANGES])
def test_each_kind_of_change_is_told_with_whom_it_breaks(
    old: str, new: str, told: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in (("old", old), ("new", new)):
        (tmp_path / name).mkdir()
        uses = USES if "data R" in text else ""
        (tmp_path / name / "Shop.pg").write_text(f"{HEAD}{text}\n{uses}")
    status = main(["contract", "diff", str(tmp_path / "old"), str(tmp_path / "new")])
    assert capsys.readouterr().out.splitlines() == told
    assert status == int(any("breaks" in each for each in told))
