"""Every type of contracts in every codec: it comes back as it went, and what is wrong is told with its path.

`matrix.py` has the types. The ways are the codecs that are shipped, two more kinds of codecs (see `states.py`), and the
plain form with its JSON, with msgspec and without.
"""

from __future__ import annotations

import copy
import json
import math
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from generated import generate, importing
from hypothesis import given, settings
from hypothesis import strategies as st
from matrix import DEFINITIONS, RATIO, ROWS, Row, ratio_of, ratio_to
from states import Chain, Handle, StackDecoder, StackEncoder

from bascule.bridge.contracts.names import snake
from bascule.workers.contracts import codecs, wire


class Way(NamedTuple):
    """How values of a generated class are written, and read again."""

    write: Callable[[Any, Any], Any]
    read: Callable[[Any, Any], Any]
    dump: Callable[[Any], Any]  # plain values in the format
    load: Callable[[Any], Any]  # the other way
    careful: bool = True  # it says what is wrong


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("matrix")
    generate(folder, DEFINITIONS, package="matrix_made")
    return generate(folder, DEFINITIONS, package="matrix_bare")


def modules(folder: Path, package: str) -> Iterator[SimpleNamespace]:
    names = [f"{package}.{each}" for each in ("kinds", "other", "rt.codec", "rt.wire", "rt.foreign")]
    for kinds, other, codec, made_wire, foreign in importing(folder, *names):
        made_wire.register_converter(RATIO, ratio_to, ratio_of)
        found = SimpleNamespace(kinds=kinds, other=other, codec=codec, wire=made_wire, targets=foreign.TARGETS)
        found.just = made_wire.Just
        yield found


@pytest.fixture(scope="module")
def made(folder: Path) -> Iterator[SimpleNamespace]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(wire.foreign._converters, RATIO, (ratio_to, ratio_of))
        yield from modules(folder, "matrix_made")


@pytest.fixture(scope="module")
def bare(folder: Path) -> Iterator[SimpleNamespace]:
    """The same, where msgspec is not installed."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("fast_reading", "fast_writing"):  # what imports msgspec fails where that is not installed
            patch.setitem(sys.modules, f"matrix_bare.rt.wire.{name}", None)
        yield from modules(folder, "matrix_bare")


def by_codec(made: SimpleNamespace, encoder: Any, decoder: Any, *, careful: bool = True) -> Way:
    def write(cls: Any, value: Any) -> Any:
        return made.codec.encode(value, encoder, getattr(cls, f"encode_{snake(cls.__name__)}"))

    def read(cls: Any, data: Any) -> Any:
        return made.codec.decode(data, decoder, getattr(cls, f"decode_{snake(cls.__name__)}"))

    if not careful:
        return Way(write, read, copy.deepcopy, copy.deepcopy, careful=False)
    return Way(
        write,
        read,
        lambda plain: encoder.encode_with_state(lambda _: plain),
        lambda data: decoder.decode_with_state(data, lambda state: (state, state)),
    )


@pytest.fixture(params=["plain", "json", "json-bare", "Value", "Json", "Msgpack", "Etf", "Edn", "Chain", "Handle"])
def way(request: pytest.FixtureRequest, made: SimpleNamespace) -> Way:
    name = request.param
    if name == "plain":
        return Way(
            lambda _, value: value.to_wire(), lambda cls, data: cls.from_wire(data), copy.deepcopy, copy.deepcopy
        )
    if name.startswith("json"):
        return Way(lambda _, value: value.to_json(), lambda cls, data: cls.from_json(data), json.dumps, json.loads)
    if name in ("Chain", "Handle"):
        state = {"Chain": Chain, "Handle": Handle}[name]
        return by_codec(made, StackEncoder(state, made.targets), StackDecoder(state, made.targets), careful=False)
    encoder, decoder = getattr(codecs, f"{name}Encoder"), getattr(codecs, f"{name}Decoder")
    return by_codec(made, encoder(made.targets), decoder(made.targets))


@pytest.fixture
def types(request: pytest.FixtureRequest) -> SimpleNamespace:
    """The generated modules that the way at hand is about."""
    bare = request.node.callspec.params["way"] == "json-bare"
    return request.getfixturevalue("bare" if bare else "made")  # type: ignore[no-any-return]


@pytest.fixture(params=ROWS, ids=[row.name for row in ROWS])
def row(request: pytest.FixtureRequest) -> Row:
    return request.param  # type: ignore[no-any-return]


def classes(types: SimpleNamespace, row: Row) -> tuple[Any, Any]:
    return getattr(types.kinds, row.name), getattr(types.kinds, f"Many{row.name}")


def one(plain: Any) -> dict[str, Any]:
    return {} if plain is ... else {"it": copy.deepcopy(plain)}


def test_a_value_comes_back_as_it_went(row: Row, way: Way, types: SimpleNamespace) -> None:
    single, many = classes(types, row)
    pairs = row.pairs(types)
    for value, plain in pairs:
        data = way.write(single, single(value))
        assert way.load(data) == one(plain)
        assert_same(way.read(single, data), single(value))
    everything = many([single(value) for value, _ in pairs])
    assert_same(way.read(many, way.write(many, everything)), everything)


def assert_same(found: Any, expected: Any) -> None:
    assert found == expected
    assert repr(found) == repr(expected) or "{" in repr(expected)  # a set has no order


def test_what_nobody_writes_is_taken_too(way: Way, types: SimpleNamespace) -> None:
    for row in ROWS:
        single = classes(types, row)[0]
        for plain, meaning in row.read_only(types):
            assert_same(way.read(single, way.dump(one(plain))), single(meaning))


def test_what_is_wrong_on_the_wire_is_told_with_its_path(row: Row, way: Way, types: SimpleNamespace) -> None:
    if not way.careful:
        return
    many = classes(types, row)[1]
    good = one(row.pairs(types)[0][1])
    for plain, told in row.refused:
        with pytest.raises(ValueError) as caught:
            way.read(many, way.dump({"many": [good, one(plain)]}))
        assert type(caught.value).__name__ == "DecodeError"
        assert_told(str(caught.value), "many[1]" if plain is ... else "many[1].it", told)
        unknown = {**good, "more": 1}
        with pytest.raises(ValueError) as caught:
            way.read(many, way.dump({"many": [unknown]}))
        assert_told(str(caught.value), "many[0]", 'unknown field "more"')


def assert_told(found: str, path: str, told: str) -> None:
    """Codecs know no names of definitions, nor what a list is of: else the words are the same."""
    step, colon, reason = told.partition(": ")
    if colon and " " not in step:
        path, told = f"{path}{'' if step.startswith('[') else '.'}{step}", reason
    _, _, rest = told.partition(", found")
    assert found.startswith(f"{path}: "), found
    shown = f", found{rest}" if rest else told
    assert found.endswith(shown) or f"{shown} (" in found, (found, told)  # a converter's own words come behind


def test_what_is_wrong_in_python_does_not_go_out(row: Row, way: Way, types: SimpleNamespace) -> None:
    if not way.careful:
        return
    single, many = classes(types, row)
    good = single(row.pairs(types)[0][0])
    for wrong in row.unwritable:
        with pytest.raises(ValueError) as caught:
            way.write(many, many([good, single(wrong)]))
        assert type(caught.value).__name__ == "EncodeError", caught.value
        assert str(caught.value).startswith("many[1].it"), (wrong, caught.value)


def test_a_field_that_is_there_twice_is_refused(made: SimpleNamespace, bare: SimpleNamespace) -> None:
    by_json = by_codec(made, None, codecs.JsonDecoder(made.targets))
    for row in ROWS:
        text = json.dumps(row.pairs(made)[0][1])
        twice = f'{{"it": {text}, "it": {text}}}'
        for read, types in ((by_json.read, made), (from_json, made), (from_json, bare)):
            with pytest.raises(ValueError, match="twice"):
                read(classes(types, row)[0], twice)


def from_json(cls: Any, text: str) -> Any:
    return cls.from_json(text)


def test_records_with_defaults_are_read_once_however_deep_they_are(way: Way, types: SimpleNamespace) -> None:
    chain, plain = None, {}
    for value in range(60):  # to look at each level twice would take 2 ** 60 looks
        chain = types.kinds.Chain(value, chain)
        plain = {"value": value, "next": plain} if value else {"value": value}
    assert way.read(types.kinds.Chain, way.dump(plain)) == chain
    assert way.load(way.write(types.kinds.Chain, chain))["next"]["next"]["value"] == 57


RUN_ELSEWHERE = """
from types import SimpleNamespace
import matrix
from matrix_made import kinds, other
from matrix_made.rt import wire

wire.register_converter(matrix.RATIO, matrix.ratio_to, matrix.ratio_of)
types = SimpleNamespace(kinds=kinds, other=other, just=wire.Just)


def refuses(kind, call, value):
    try:
        call(value)
    except kind:
        return True


for row in matrix.ROWS:
    cls = getattr(kinds, row.name)
    for value, plain in row.pairs(types):
        assert cls(value).to_wire() == {"it": plain}, (row.name, plain)
        assert cls.from_wire({"it": plain}) == cls.from_json(cls(value).to_json()) == cls(value), (row.name, plain)
    for plain, meaning in row.read_only(types):
        assert cls.from_wire({} if plain is ... else {"it": plain}) == cls(meaning), (row.name, plain)
    for plain, _ in row.refused:
        assert refuses(wire.DecodeError, cls.from_wire, {} if plain is ... else {"it": plain}), (row.name, plain)
    for value in row.unwritable:
        assert refuses(wire.EncodeError, cls.to_wire, cls(value)), (row.name, value)
print("OK")
"""


@pytest.mark.timeout(300)
def test_every_type_is_the_same_on_every_python(folder: Path, interpreters: dict[tuple[int, int], str]) -> None:
    (folder / "matrix.py").write_text(Path(__file__).with_name("matrix.py").read_text())
    for version, executable in interpreters.items():
        command = [executable, "-c", RUN_ELSEWHERE]
        told = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert told.stdout == "OK\n", (version, told.stderr)


# Of recursive types: the innermost value, and one around another; as JSON's text, what is before and behind.
DEEP = {
    "AChain": (None, lambda inner: {"value": 1, "next": inner}, '{"value":1,"next":', "}"),
    "APage": (None, lambda inner: {"items": [], "more": inner}, '{"items":[],"more":', "}"),
    "AParametricSum": (
        "LEAF",
        lambda inner: {"NODE": {"value": 1, "below": [inner]}},
        '{"NODE":{"value":1,"below":[',
        "]}}",
    ),
}


@pytest.mark.parametrize("way", ["plain", "Value", "json", "json-bare", "Json"], indirect=True)
@pytest.mark.parametrize("name", DEEP)
def test_what_is_nested_too_deeply_is_an_error_in_every_recursive_type(
    name: str, way: Way, types: SimpleNamespace
) -> None:
    innermost, around, before, behind = DEEP[name]
    depth = 10_000
    data: Any = f'{{"it":{before * depth}{json.dumps(innermost)}{behind * depth}}}'
    if not isinstance(way.dump({}), str):
        data = innermost
        for _ in range(depth):
            data = around(data)
        data = {"it": data}
    with pytest.raises(ValueError, match="deep"):
        way.read(getattr(types.kinds, name), data)


class Values:
    """Strategies for the values of a type, from what its module says of it."""

    def __init__(self, made: SimpleNamespace) -> None:
        self._made = made
        self._known = made.wire.known
        self._made_of: dict[str, st.SearchStrategy[Any]] = {}  # a type may be within itself

    def of(self, kind: Any) -> st.SearchStrategy[Any]:
        if isinstance(kind, str):
            if kind in SCALARS:
                return SCALARS[kind]()
            if kind not in self._made_of:
                self._made_of[kind] = st.deferred(lambda: self._defined(kind))
            return self._made_of[kind]
        inner = [self.of(each) for each in kind[1:]]
        if kind[0] == "Maybe":
            return st.none() | (st.just(()) if kind[1] == "Unit" else inner[0])
        if kind[0] == "Wrapped":
            return st.none() | st.builds(self._made.just, inner[0])
        if kind[0] == "Map":
            return st.dictionaries(*inner, max_size=3)
        return (st.sets if kind[0] == "Set" else st.lists)(inner[0], max_size=3)

    def _defined(self, name: str) -> st.SearchStrategy[Any]:
        module, _, own = name.partition(".")
        module = getattr(self._made, module.lower())
        definition = self._known[name]
        if "foreign" in definition:
            return FOREIGN[definition["foreign"]]
        if "enum" in definition:
            return st.sampled_from(getattr(module, own))
        if "record" in definition:
            return st.builds(getattr(module, own), *(self.of(each[1]) for each in definition["record"]))
        cases = getattr(module, f"{own}Codec").CASES
        fields = [[self.of(each[1]) for each in described] for _, described in definition["sum"]]
        return st.one_of([st.builds(case, *inner) for case, inner in zip(cases, fields, strict=True)])


SCALARS: dict[str, Callable[[], st.SearchStrategy[Any]]] = {
    "Unit": st.none,
    "Bool": st.booleans,
    "Int32": lambda: st.integers(-(1 << 31), (1 << 31) - 1),
    "Int64": lambda: st.integers(-(1 << 63), (1 << 63) - 1),
    "Integer": st.integers,
    "Double": lambda: st.floats(allow_nan=False, allow_infinity=False),
    "String": st.text,
    "Bytes": st.binary,
    "Timestamp": lambda: st.datetimes(timezones=st.just(timezone.utc)),
    "Duration": st.timedeltas,
    "Uuid": st.uuids,
    "Decimal": lambda: st.decimals(allow_nan=False, allow_infinity=False),
}
FOREIGN = {
    "datetime.datetime": st.datetimes().map(lambda at: at.replace(microsecond=0)),
    "datetime.date": st.dates(),
    "uuid.UUID": st.uuids(),
    "decimal.Decimal": st.decimals(allow_nan=False, allow_infinity=False),
    RATIO: st.fractions(),
}


@settings(max_examples=15)  # what this leaves out is the profile's: no deadline, and nothing too slow
@given(data=st.data())
def test_decoding_undoes_encoding(way: Way, types: SimpleNamespace, data: st.DataObject) -> None:
    values = Values(types)
    for row in data.draw(st.lists(st.sampled_from(ROWS), min_size=4, max_size=4)):
        single = classes(types, row)[0]
        value = data.draw(values.of(single.WIRE_KIND))
        assert way.read(single, way.write(single, value)) == value


def test_noise_raises_nothing_but_the_codecs_error(way: Way, types: SimpleNamespace, soak_factor: int) -> None:
    if not way.careful:
        return
    rng = random.Random(1)
    for row in ROWS:
        single, many = classes(types, row)
        written = way.write(many, many([single(value) for value, _ in row.pairs(types)]))
        for _ in range(12 * soak_factor):
            noise = changed(written, rng) if isinstance(written, dict) else garbled(written, rng)
            try:
                assert type(way.read(many, noise)) is many
            except ValueError as error:
                assert type(error).__name__ == "DecodeError", (row.name, noise, error)


def garbled(written: Any, rng: random.Random) -> bytes:
    noise = bytearray(written.encode() if isinstance(written, str) else written)
    for _ in range(rng.randrange(1, 4)):
        noise[rng.randrange(len(noise))] = rng.randrange(256)
    return bytes(noise[: rng.randrange(len(noise) + 1)] if rng.random() < 0.2 else noise)


def changed(plain: Any, rng: random.Random) -> Any:
    """A plain value of which some part is something else."""
    if isinstance(plain, dict) and plain and rng.random() < 0.8:
        key = rng.choice(list(plain))
        return {**plain, key if rng.random() < 0.9 else rng.choice(STRANGE_KEYS): changed(plain[key], rng)}
    if isinstance(plain, list) and plain and rng.random() < 0.8:
        index = rng.randrange(len(plain))
        return [*plain[:index], changed(plain[index], rng), *plain[index + 1 :]]
    return rng.choice(STRANGE)


STRANGE_KEYS: list[Any] = [None, 1, b"x", (1,), "more"]
STRANGE: list[Any] = [
    *(None, True, 0, -1, 1 << 70, 10**5000, 0.5, math.nan, math.inf, "", "x", "just", "\ud800", "٣", b"x", (1,)),
    *([], [[]], [None], {}, {"just": 1}, {None: 1}, {1: {}}, {"x": {}}, object(), {1}, datetime.now, Fraction(1, 2)),
]


def test_strange_values_raise_nothing_but_the_codecs_error(way: Way, types: SimpleNamespace) -> None:
    if not way.careful:
        return
    for row in ROWS:
        single, many = classes(types, row)
        for wrong in [*STRANGE, types.kinds.ShapeNowhere(), types.other.Color.RED, types.other.Point(1, 2), many]:
            try:
                data = way.write(many, many([single(wrong)]))
            except ValueError as error:
                assert type(error).__name__ == "EncodeError", (row.name, wrong, error)
                # What a format as a whole can't have, such as half a surrogate, is nowhere.
                assert str(error).startswith("many[0].it") or wrong in ("\ud800", 10**5000), (row.name, wrong, error)
            else:
                assert type(way.read(many, data)) is many
