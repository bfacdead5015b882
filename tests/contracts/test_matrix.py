"""Every type of contracts in every codec: it comes back as it went, and what is wrong is told with its path.

`matrix.py` has the types. The ways are the codecs that are shipped, two more kinds of codecs (see `states.py`), and the
plain form with its JSON, with msgspec and without.
"""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from generated import generate, importing
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


def test_what_nobody_writes_is_taken_too(row: Row, way: Way, types: SimpleNamespace) -> None:
    single, _ = classes(types, row)
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


def test_a_field_that_is_there_twice_is_refused(row: Row, made: SimpleNamespace, bare: SimpleNamespace) -> None:
    text = json.dumps(row.pairs(made)[0][1])
    twice = f'{{"it": {text}, "it": {text}}}'
    by_json = by_codec(made, None, codecs.JsonDecoder(made.targets))
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
