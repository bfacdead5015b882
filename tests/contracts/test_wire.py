"""What generated values become on the wire, in every format, and what is said of wire data that does not fit."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import random
import subprocess
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from generated import EXTENDED, OTHER, SHOP, Dialect, generate, importing
from hypothesis import given
from hypothesis import strategies as st

from bascule.workers.contracts import codecs

FORMATS = ["Json", "Msgpack", "Etf", "Edn"]
TARGETS = {"encode_shop_time": "datetime.datetime", "decode_shop_time": "datetime.datetime"}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wire")
    generate(folder, {"Shop": SHOP, "Plus": EXTENDED, "Other": OTHER}, package="wired")
    return generate(folder, {"Shop": SHOP}, package="classic", dialect=Dialect.CLASSIC)


@pytest.fixture(scope="module")
def made(package: Path) -> Iterator[tuple[ModuleType, ...]]:
    yield from importing(package, "wired.shop", "wired.plus", "wired.other", "wired.rt.codec", "wired.rt.wire")


@pytest.fixture(scope="module")
def shop(made: tuple[ModuleType, ...]) -> Any:
    return made[0]


@pytest.fixture(scope="module")
def plus(made: tuple[ModuleType, ...]) -> Any:
    return made[1]


@pytest.fixture(scope="module")
def other(made: tuple[ModuleType, ...]) -> Any:
    return made[2]


@pytest.fixture(scope="module")
def codec(made: tuple[ModuleType, ...]) -> Any:
    return made[3]


@pytest.fixture(scope="module")
def wire(made: tuple[ModuleType, ...]) -> Any:
    return made[4]


def a_book(shop: Any, number: int = 7) -> Any:
    lines = [shop.Line("ink", 3), shop.Line("paper", -2)]
    at = datetime(2024, 2, 29, 12, 30)
    return shop.Book(number, "Zoë ☃", 9.5, shop.Binding.HARD_COVER, None, lines, True, at)


def everything(plus: Any, other: Any) -> Any:
    return plus.Everything(
        big=-(1 << 63),
        huge=10**40,
        raw=b"\0\xff",
        at=datetime(2024, 2, 29, 12, 30, 1, 5, tzinfo=timezone(timedelta(hours=2))),
        took=timedelta(days=-1, microseconds=3),
        key=uuid.UUID(int=7),
        price=Decimal("1.50"),
        counts={"a": 1, "": 2},
        by_color={other.Color.DARK_GREEN: [1, 2]},
        by_number={-5: True},
        colors={other.Color.RED, other.Color.DARK_GREEN},
        deep=made_just(plus, None),
        shape=plus.ShapeCircle(1.5, {"x", "y"}),
        shapes=[plus.ShapeNowhere(), plus.ShapePolygon([plus.PairOfDoubleAndDouble(1.0, 2.0)])],
        pairs=[plus.PairOfInt32AndInt32(1, 2)],
        color=other.Color.DARK_GREEN,
    )


def made_just(plus: Any, value: object) -> Any:
    return plus._wire.Just(value)


def test_the_plain_form_has_wire_names_and_enums_by_name(shop: Any) -> None:
    assert a_book(shop).to_wire() == {
        "id": 7,
        "title": "Zoë ☃",
        "price": 9.5,
        "binding": "HARD_COVER",
        "note": None,
        "lines": [{"article": "ink", "count": 3}, {"article": "paper", "count": -2}],
        "sold": True,
        "printed": "2024-02-29T12:30:00",
    }


def test_every_way_of_a_value_leads_back_to_it(shop: Any, plus: Any, other: Any) -> None:
    shelf = shop.Shelf([a_book(shop, 1), a_book(shop, 2)], shop.Shelf([], None))
    for value in (a_book(shop), shop.Binding.PAPERBACK, shelf, everything(plus, other)):
        assert type(value).from_wire(value.to_wire()) == value
        assert type(value).from_json(value.to_json()) == value
        assert type(value).from_json(value.to_json().decode()) == value


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_carries_every_type(name: str, shop: Any, plus: Any, other: Any, codec: Any) -> None:
    encoder, decoder = getattr(codecs, f"{name}Encoder")(TARGETS), getattr(codecs, f"{name}Decoder")(TARGETS)
    for value, cls, stem in (
        (a_book(shop), shop.Book, "book"),
        (shop.Binding.HARD_COVER, shop.Binding, "binding"),
        (everything(plus, other), plus.Everything, "everything"),
    ):
        data = codec.encode(value, encoder, getattr(cls, f"encode_{stem}"))
        assert codec.decode(data, decoder, getattr(cls, f"decode_{stem}")) == value


def test_the_codecs_and_the_plain_form_write_the_same(shop: Any, plus: Any, other: Any, codec: Any) -> None:
    values = ((a_book(shop), shop.Book.encode_book), (everything(plus, other), plus.Everything.encode_everything))
    for value, encode in values:
        assert json.loads(codec.encode(value, codecs.JsonEncoder(TARGETS), encode)) == value.to_wire()


def test_classic_code_takes_the_shipped_codecs(package: Path, shop: Any) -> None:
    for classic, runtime in importing(package, "classic.shop", "classic.rt.codec"):
        lines = [classic.Line("ink", 3)]
        book = classic.Book(7, "x", 1.0, classic.Binding.PAPERBACK, "n", lines, False, datetime(2024, 1, 1))
        text = runtime.encode(book, codecs.JsonEncoder(TARGETS), classic.Book.encode_book)
        assert runtime.decode(text, codecs.JsonDecoder(TARGETS), classic.Book.decode_book) == book
        assert shop.Book.from_json(text).to_wire() == json.loads(text)


RUN_ELSEWHERE = """
import sys
from wired import other, plus, shop
line = shop.Line("ink", 3)
assert shop.Line.from_json(line.to_json()) == shop.Line.from_wire(line.to_wire()) == line
assert plus.ShapeCodec.from_wire(plus.ShapeCircle(1.0, {"x"}).to_wire()) == plus.ShapeCircle(1.0, {"x"})
try:
    shop.Line.from_json('{"article": "a", "count": "b"}')
except ValueError as error:
    print(error)
"""


def test_modern_code_runs_on_every_python_that_workers_may_be(
    package: Path, interpreters: dict[tuple[int, int], str]
) -> None:
    for version, executable in interpreters.items():
        told = subprocess.run(
            [executable, "-c", RUN_ELSEWHERE], cwd=package, capture_output=True, text=True, check=False
        )
        assert told.stdout == 'count: expected Int32, found "b"\n', (version, told.stderr)


def test_fields_with_defaults_may_be_absent(plus: Any, other: Any, codec: Any) -> None:
    value = everything(plus, other)
    plain = value.to_wire()
    for name in ("color", "limit", "name"):
        del plain[name]
    wanted = dataclasses.replace(value, color=other.Color.RED, limit=10, name=None)
    assert plus.Everything.from_wire(plain) == wanted
    assert codec.decode(plain, codecs.ValueDecoder(TARGETS), plus.Everything.decode_everything) == wanted


WRONG: list[tuple[str, Callable[[dict[str, Any]], object], str]] = [
    ("a text for a number", lambda b: b.update(price="x"), 'price: expected Double, found "x"'),
    ("a boolean for a number", lambda b: b.update(id=True), "id: expected Int32, found true"),
    ("a number beyond its range", lambda b: b.update(id=1 << 31), "id: expected Int32, found 2147483648"),
    ("a fraction for an integer", lambda b: b.update(id=1.5), "id: expected Int32, found 1.5"),
    ("nothing for something", lambda b: b.update(title=None), "title: expected String, found nothing"),
    ("an unknown member", lambda b: b.update(binding="PAPERBAK"), "did you mean PAPERBACK?"),
    ("a missing field", lambda b: b.pop("sold"), "the field sold is missing"),
    ("an unknown field", lambda b: b.update(titel="x"), 'unknown field "titel" (did you mean title?)'),
    ("a wrong element", lambda b: b["lines"].append(3), "lines[2]: expected"),
    (
        "a wrong field of an element",
        lambda b: b["lines"][1].update(count="3"),
        'lines[1].count: expected Int32, found "3"',
    ),
    ("a list for a record", lambda b: b["lines"].__setitem__(0, []), "lines[0]: expected"),
    ("a date that is none", lambda b: b.update(printed="yesterday"), "printed: expected datetime.datetime"),
]


@pytest.mark.parametrize(("change", "told"), [each[1:] for each in WRONG], ids=[each[0] for each in WRONG])
def test_what_is_wrong_is_told_with_its_path(
    change: Callable[[dict[str, Any]], object], told: str, shop: Any, codec: Any, wire: Any
) -> None:
    plain = a_book(shop).to_wire()
    change(plain)
    shelf = {"books": [a_book(shop).to_wire(), plain], "next": None}
    decoder = codecs.JsonDecoder(TARGETS)
    ways: list[Callable[[], object]] = [
        lambda: shop.Shelf.from_wire(shelf),
        lambda: shop.Shelf.from_json(json.dumps(shelf)),
        lambda: codec.decode(json.dumps(shelf), decoder, shop.Shelf.decode_shelf),
    ]
    for way in ways:
        with pytest.raises(ValueError) as caught:
            way()
        assert str(caught.value).startswith("books[1]"), caught.value
        assert told.partition(":")[2].split("found")[0].strip() in str(caught.value)
    with pytest.raises(wire.DecodeError) as exact:
        shop.Shelf.from_wire(shelf)
    assert told in str(exact.value)


def test_an_integer_will_do_for_a_double(shop: Any, codec: Any) -> None:
    plain = a_book(shop).to_wire() | {"price": 1}
    for book in (
        shop.Book.from_wire(plain),
        shop.Book.from_json(json.dumps(plain)),
        codec.decode(plain, codecs.ValueDecoder(TARGETS), shop.Book.decode_book),
    ):
        assert (type(book.price), book.price) == (float, 1.0)


@pytest.mark.parametrize(
    "text",
    [
        '{"article": "a", "count": 1, "count": 2}',
        '{"article": "a", "count": 1, "article" :"a"}',
        '{"article": "a :", "count" : 1, "count":1}',
    ],
)
def test_a_field_that_is_there_twice_is_refused(text: str, shop: Any, codec: Any, wire: Any) -> None:
    with pytest.raises(wire.DecodeError, match="twice"):
        shop.Line.from_json(text)
    with pytest.raises(codecs.DecodeError, match="twice"):
        codec.decode(text, codecs.JsonDecoder(), shop.Line.decode_line)


def test_colons_and_blanks_in_texts_are_no_fields(shop: Any) -> None:
    for text in ('"a":', " : :", '\\":', "a:b"):
        line = shop.Line(text, 1)
        assert shop.Line.from_json(line.to_json()) == line
        assert shop.Line.from_json(json.dumps(line.to_wire(), indent=2)) == line


def test_what_is_nested_too_deeply_is_an_error(shop: Any, codec: Any, wire: Any) -> None:
    depth = 10_000
    text = '{"books":[],"next":' * depth + "null" + "}" * depth
    with pytest.raises(wire.DecodeError, match="deep"):
        shop.Shelf.from_json(text)
    plain: Any = None
    for _ in range(depth * 5):
        plain = {"books": [], "next": plain}
    with pytest.raises(wire.DecodeError, match="deep"):
        shop.Shelf.from_wire(plain)
    with pytest.raises(codecs.DecodeError, match="deep"):
        codec.decode(plain, codecs.ValueDecoder(TARGETS), shop.Shelf.decode_shelf)


def test_huge_numbers_are_errors(shop: Any, wire: Any) -> None:
    with pytest.raises(wire.DecodeError, match="count: expected Int32, found a number of 5000 digits"):
        shop.Line.from_json('{"article": "a", "count": ' + "9" * 5000 + "}")
    with pytest.raises(wire.DecodeError, match="price"):
        shop.Book.from_wire(a_book(shop).to_wire() | {"price": float("inf")})
    with pytest.raises(wire.DecodeError, match="price"):
        shop.Book.from_wire(a_book(shop).to_wire() | {"price": 10**400})


def test_a_value_that_is_not_of_its_type_does_not_go_out(shop: Any, codec: Any, wire: Any) -> None:
    for change, path in (({"id": True}, "id"), ({"id": 1 << 31}, "id"), ({"price": float("nan")}, "price")):
        book = dataclasses.replace(a_book(shop), **change)
        with pytest.raises(wire.EncodeError, match=f"^{path}: expected"):
            book.to_wire()
        with pytest.raises(codecs.EncodeError, match=f"^{path}: expected"):
            codec.encode(book, codecs.JsonEncoder(TARGETS), shop.Book.encode_book)


def test_what_is_no_record_at_all_does_not_go_out_either(shop: Any, codec: Any) -> None:
    writes = codec.Encoders.encode_list(shop.Book.encode_book)
    with pytest.raises(codecs.EncodeError, match=r"^\[1\]: expected a record that has id: 'int' object"):
        codec.encode([a_book(shop), 7], codecs.ValueEncoder(TARGETS), writes)


def test_a_maybe_within_a_maybe_is_refused_unless_the_file_is_extended(codec: Any) -> None:
    decoder, encoder = codecs.JsonDecoder(), codecs.JsonEncoder()
    nested = codec.Decoders.decode_maybe(codec.Decoders.decode_maybe(codec.Decoders.decode_string))
    assert codec.decode("null", decoder, nested) is None
    with pytest.raises(codecs.DecodeError, match="EXTENDED"):
        codec.decode('"x"', decoder, nested)
    writes = codec.Encoders.encode_maybe(codec.Encoders.encode_maybe(codec.Encoders.encode_string))
    with pytest.raises(codecs.EncodeError, match="EXTENDED"):
        codec.encode("x", encoder, writes)
    listed = codec.Decoders.decode_maybe(
        codec.Decoders.decode_list(codec.Decoders.decode_maybe(codec.Decoders.decode_string))
    )
    assert codec.decode('["x", null]', decoder, listed) == ["x", None]


TEXT = st.text(max_size=8)
INT32 = st.integers(-(1 << 31), (1 << 31) - 1)


@given(st.data())
def test_decoding_undoes_encoding(shop: Any, codec: Any, data: st.DataObject) -> None:
    lines = st.lists(st.builds(shop.Line, TEXT, INT32), max_size=3)
    times = st.datetimes().map(lambda at: at.replace(microsecond=0))
    floats = st.floats(allow_nan=False, allow_infinity=False)
    bindings = st.sampled_from(list(shop.Binding))
    books = st.builds(shop.Book, INT32, TEXT, floats, bindings, st.none() | TEXT, lines, st.booleans(), times)
    book = data.draw(books)
    assert shop.Book.from_wire(book.to_wire()) == book
    assert shop.Book.from_json(book.to_json()) == book
    for name in FORMATS:
        encoder = getattr(codecs, f"{name}Encoder")(TARGETS)
        decoder = getattr(codecs, f"{name}Decoder")(TARGETS)
        written = codec.encode(book, encoder, shop.Book.encode_book)
        assert codec.decode(written, decoder, shop.Book.decode_book) == book


@pytest.mark.parametrize("name", FORMATS)
def test_noise_raises_nothing_but_decode_errors(name: str, shop: Any, codec: Any, soak_factor: int) -> None:
    encoder = getattr(codecs, f"{name}Encoder")(TARGETS)
    decoder = getattr(codecs, f"{name}Decoder")(TARGETS)
    written = codec.encode(a_book(shop), encoder, shop.Book.encode_book)
    good = written.encode() if isinstance(written, str) else bytes(written)
    rng = random.Random(1)
    for _ in range(300 * soak_factor):
        noise = bytearray(good)
        for _ in range(rng.randrange(1, 4)):
            noise[rng.randrange(len(noise))] = rng.randrange(256)
        cut = bytes(noise[: rng.randrange(len(noise) + 1)]) if rng.random() < 0.3 else bytes(noise)
        with contextlib.suppress(codecs.DecodeError):
            assert isinstance(codec.decode(cut, decoder, shop.Book.decode_book), shop.Book)
        if name == "Json":
            try:
                assert isinstance(shop.Book.from_json(cut), shop.Book)
            except ValueError as error:
                assert type(error).__name__ == "DecodeError"


class Stack:
    """A state that is changed in place: a stack of values."""

    def __init__(self, first: list[Any]) -> None:
        self.values = first


def test_codecs_with_a_state_that_changes_in_place(shop: Any, codec: Any) -> None:
    inner = codecs.ValueEncoder(TARGETS)

    class Encoder:
        def encode_with_state(self, k: Any) -> Any:
            return k(Stack([])).values[0]

        def encode_list(self, s: Stack, v: list[Any], k: Any) -> Stack:
            made = []
            for each in v:
                k(s, each)
                made.append(s.values.pop())
            s.values.append(made)
            return s

        def encode_maybe(self, s: Stack, v: Any, k: Any) -> Stack:
            if v is None:
                s.values.append(None)
                return s
            return k(s, v)  # type: ignore[no-any-return]

        def encode_record(self, s: Stack, n_fields: int, k: Any) -> Stack:
            s.values.append({})
            return k(s)  # type: ignore[no-any-return]

        def encode_record_field(self, s: Stack, i: int, name: str, k: Any) -> Stack:
            k(s)
            value = s.values.pop()
            s.values[-1][name] = value
            return s

        def __getattr__(self, name: str) -> Any:
            def push(s: Stack, *arguments: Any) -> Stack:
                s.values.append(getattr(inner, name)(None, *arguments))
                return s

            return push

    shelf = shop.Shelf([a_book(shop)], shop.Shelf([], None))
    assert codec.encode(shelf, Encoder(), shop.Shelf.encode_shelf) == shelf.to_wire()
