"""JSON Schema and OpenAPI of every type: what the codecs write is valid, and what they refuse is not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest
from generated import generate, importing
from jsonschema import Draft202012Validator, FormatChecker
from matrix import DEFINITIONS, RATIO, ROWS, Row, ratio_of, ratio_to
from openapi_spec_validator import validate

from bascule.bridge.contracts.generating import generate as generate_for
from bascule.bridge.contracts.loading import load_texts

# What the words of JSON Schema have no way to say.
INEXPRESSIBLE: list[tuple[str, Any]] = [
    ("AnInt32", 1.0),  # which is an integer there
    ("ASetOfUuids", ...),  # that two texts are the same one
    ("AMapOfUuids", ...),
    ("AMapOfNumbers", {str(1 << 63): True}),  # how big a number is that is a text
    ("AConverted", ...),  # what a converter takes
]


@pytest.fixture(scope="module")
def documents() -> dict[str, Any]:
    schema = load_texts(DEFINITIONS).require()
    return {target: json.loads(generate_for(schema, target, "")[0].text) for target in ("json-schema", "openapi")}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    folder = generate(tmp_path_factory.mktemp("schemas"), DEFINITIONS, package="described")
    for kinds, other, wire in importing(folder, "described.kinds", "described.other", "described.rt.wire"):
        wire.register_converter(RATIO, ratio_to, ratio_of)
        yield SimpleNamespace(kinds=kinds, other=other, just=wire.Just)


@pytest.fixture(params=["json-schema", "openapi"])
def schema(request: pytest.FixtureRequest, documents: dict[str, Any], row: Row) -> Draft202012Validator:
    """What one of the documents says of one type."""
    document = documents[request.param]
    place = "#/$defs/" if request.param == "json-schema" else "#/components/schemas/"
    return Draft202012Validator({**document, "$ref": f"{place}Kinds.{row.name}"}, format_checker=FormatChecker())


@pytest.fixture(params=ROWS, ids=[row.name for row in ROWS])
def row(request: pytest.FixtureRequest) -> Row:
    return request.param  # type: ignore[no-any-return]


def one(plain: Any) -> dict[str, Any]:
    return {} if plain is ... else {"it": plain}


def test_the_documents_are_what_their_standards_want(documents: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(documents["json-schema"])
    validate(documents["openapi"])
    told = documents["openapi"]["paths"]["/kinds/echo_a_map"]["post"]
    assert told["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Kinds.AMap"}


def test_what_is_written_or_read_is_valid(row: Row, schema: Draft202012Validator, made: SimpleNamespace) -> None:
    for value, _ in row.pairs(made):
        schema.validate(json.loads(getattr(made.kinds, row.name)(value).to_json()))
    for plain, _ in row.read_only(made):
        schema.validate(one(plain))


def test_what_is_refused_is_not_valid(row: Row, schema: Draft202012Validator) -> None:
    for plain, _ in row.refused:
        if not {(row.name, repr(each)) for each in (plain, ...)} & {(name, repr(each)) for name, each in INEXPRESSIBLE}:
            assert not schema.is_valid(one(plain)), plain
    assert not schema.is_valid({"it": 1, "more": 1})


def test_every_default_is_valid(documents: dict[str, Any]) -> None:
    document = documents["json-schema"]
    defaults = 0
    for described in document["$defs"].values():
        for each in described.get("properties", {}).values():
            if "default" in each:
                Draft202012Validator({**document, **each}).validate(each["default"])
                defaults += 1
    assert defaults > 10


def test_numbers_that_a_converter_makes_are_not_described(documents: dict[str, Any], made: SimpleNamespace) -> None:
    value = made.kinds.AConverted([Fraction(1, 3)])
    assert value.to_wire() == {"it": [[1, 3]]}
    assert documents["json-schema"]["$defs"]["Kinds.Ratio"] == {"title": "Ratio"}
