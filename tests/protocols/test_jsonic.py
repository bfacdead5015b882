from __future__ import annotations

import contextlib
import datetime
import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bascule.protocols import jsonic
from bascule.protocols.errors import LocalProtocolError, RemoteProtocolError
from bascule.protocols.tagged import READERS
from bascule.protocols.tokens import Handle
from tests.protocols.value_strategies import same, values

TOKEN = "bsc" + "0" * 57


def back(value: object) -> Any:
    return jsonic.loads(jsonic.dumps(value))


@given(values(finite=True, tuples=False))
@example("\ud800")
@example({"py/set": [1]})
@example({"py/handle": 1, "other": 2})
@example([{"py/unknown": None}])
@example({(1, (2, frozenset({(3,)}))): {(4,)}})
@example([10**5_000, -(10**5_000)])
def test_a_value_comes_back_as_it_was(value: object) -> None:
    assert same(back(value), value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_plain_values_are_plain_json(value: object) -> None:
    assert json.loads(jsonic.dumps(value)) == value


def test_the_output_is_ascii() -> None:
    assert jsonic.dumps(["Zoë", "\U0001f600", "\ud800", {"é": 1}]).isascii()


@pytest.mark.parametrize("odd", [*map(chr, range(0x81)), "é", "\u2028", "😀", "\ud800", ""])
def test_a_long_text_is_written_as_json_writes_it_whatever_stands_in_it(odd: str) -> None:
    for text in (odd + "x" * 5000, "x" * 5000 + odd, "x" * 2500 + odd + "/" * 2500):
        written = jsonic.dumps(text)
        assert written == json.dumps(text).encode()
        assert jsonic.loads(written) == text


def test_tuples_become_arrays_except_where_they_must_be_hashable() -> None:
    assert jsonic.dumps((1, (2,))) == b"[1,[2]]"
    assert same(back([(1,), {(2,): (3,)}, {(4,)}]), [[1], {(2,): [3]}, {(4,)}])


@pytest.mark.parametrize(
    "value", [{"py/set": 1}, {"py/x": 1}, {"py/": 1}, {"py/handle": 1}, {"py/handle": 1, "type": "x"}]
)
def test_a_map_that_looks_like_a_tag_is_not_misread(value: dict[str, object]) -> None:
    assert same(back([value, {1}]), [value, {1}])
    assert same(back(value), value)


def test_a_tag_is_only_escaped_where_it_would_be_misread() -> None:
    assert jsonic.dumps({"py/set": 1, "b": 2}) == b'{"py/set":1,"b":2}'
    assert jsonic.dumps(["py/set"]) == b'["py/set"]'


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (float("nan"), "nan: replace it"),
        ([1.0, float("inf")], r"inf \(at \[1\]\): replace it"),
        ({"rows": [{"price": float("-inf")}]}, r"-inf \(at \['rows'\]\[0\]\['price'\]\)"),
        ({1: (2, {"a": complex("nan")})}, r"nan \(at \[1\]\[1\]\['a'\]\[0\]\)"),
    ],
)
def test_nan_and_the_infinities_are_refused_with_their_place(value: object, place: str) -> None:
    with pytest.raises(ValueError, match=rf"JSON has no number for {place}"):
        jsonic.dumps(value)


def test_an_unknown_type_is_refused_with_its_place() -> None:
    with pytest.raises(TypeError, match=r"JSON does not carry a builtins.object \(at \['a'\]\[0\]\[a tuple\]\)"):
        jsonic.dumps({"a": [{(1, 2): object()}]})


def test_a_long_path_is_cut_in_the_middle() -> None:
    value: object = object()
    for _ in range(20):
        value = [value]
    with pytest.raises(TypeError, match=r"\(at \[0\]\[0\]\[0\]\[0\]\.\.\.\[0\]\[0\]\[0\]\[0\]\)"):
        jsonic.dumps(value)


def test_default_replaces_what_is_not_carried_at_any_depth() -> None:
    value = [object(), {"a": object()}, {3: object()}]
    assert jsonic.loads(jsonic.dumps(value, default=lambda obj: {1})) == [{1}, {"a": {1}}, {3: {1}}]
    steps: dict[object, object] = {print: len, len: b"x"}
    assert jsonic.loads(jsonic.dumps(print, default=lambda obj: steps[obj])) == b"x"
    with pytest.raises(TypeError, match="what stands in for an object is not carried either"):
        jsonic.dumps(print, default=lambda obj: print)


def test_what_default_raises_comes_out_as_it_is() -> None:
    def refuse(obj: object) -> object:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        jsonic.dumps([object()], default=refuse)


def test_handles_travel_at_any_depth_and_as_keys() -> None:
    handle = Handle(TOKEN, "some.Type")
    assert back([handle, {"a": handle}, {handle: 1}]) == [handle, {"a": handle}, {handle: 1}]
    data = jsonic.dumps([handle])
    assert json.loads(data) == [{"py/handle": TOKEN, "type": "some.Type"}]
    assert jsonic.loads(data, handle=lambda token, name: (token, name)) == [(TOKEN, "some.Type")]
    assert jsonic.loads(b'{"py/handle":"%s"}' % TOKEN.encode()) == handle


@pytest.mark.parametrize("error", [ValueError("mine"), KeyError("mine"), RecursionError("mine")])
def test_what_the_resolver_raises_comes_out_as_it_is(error: Exception) -> None:
    def refuse(token: str, name: str) -> object:
        raise error

    with pytest.raises(type(error)) as caught:
        jsonic.loads(jsonic.dumps([{1: Handle(TOKEN, "x")}]), handle=refuse)
    assert caught.value is error


@pytest.mark.parametrize("spelled", ["py/date", "\\u0070y/date", "py\\/date", "\\u0070\\u0079\\u002fdate"])
def test_a_tag_is_understood_however_it_is_escaped(spelled: str) -> None:
    assert jsonic.loads(f'{{"{spelled}": "2024-02-29"}}'.encode()) == datetime.date(2024, 2, 29)


def test_only_the_last_of_duplicate_keys_counts() -> None:
    assert jsonic.loads(b'{"a": 1, "a": 2}') == {"a": 2}


def circle() -> object:
    value: dict[str, object] = {}
    value["a"] = [value]
    return value


def nested(levels: int, value: object = 1) -> object:
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value", [circle(), nested(5_000), nested(5_000, object())], ids=["circle", "plain", "strange"]
)
def test_too_deep_is_refused(value: object) -> None:
    with pytest.raises(LocalProtocolError, match="nested deeper than 400, or in a circle"):
        jsonic.dumps(value)


def test_as_deep_as_promised_comes_back() -> None:
    plain, tagged = nested(jsonic.MAX_DEPTH), nested(jsonic.MAX_DEPTH - 1, {1})
    assert back(plain) == plain
    assert back(tagged) == tagged


@pytest.fixture
def raised_limit() -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000_000)
    yield
    sys.setrecursionlimit(before)


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"[[[":'])
def test_deep_input_is_refused_even_where_the_recursion_limit_is_raised(raised_limit: None, opening: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="nested too deep at character"):
        jsonic.loads(opening * 300_000)


def test_brackets_inside_text_are_no_depth(raised_limit: None) -> None:
    texts = ["[" * 5_000, '"[{\\' * 2_000, "\\"]
    assert jsonic.loads(json.dumps(texts).encode()) == texts


MALFORMED = {
    "nothing": (b"", "at character 0"),
    "cut off": (b"[1, 2", "at character 5"),
    "more than one value": (b"1 2", "at character 2"),
    "a trailing comma": (b"[1,]", "JSON is malformed at character "),  # 3, and from Python 3.13 on 2
    "not UTF-8": (b'["\xff"]', "not UTF-8 at byte 2"),
    "another encoding": ("[1]".encode("utf-16"), "not UTF-8 at byte 0"),
    "nan": (b"[NaN]", "NaN is no JSON"),
    "infinity": (b"[-Infinity]", "-Infinity is no JSON"),
    "too deep": (b"[" * 100_000, "nested too deep"),
    "too deep, in objects": (b'{"py/set":' * 100_000, "nested too deep"),
    "too many digits": (b"[" + b"1" * 100_000 + b"]", "digits"),
    "an unknown tag": (b'{"py/nothing": 1}', "'py/nothing' is not known"),
    "bytes that are no base64": (b'{"py/bytes": "a-b="}', "py/bytes: not base64"),
    "bytes that are half base64": (b'{"py/bytes": "abc"}', "py/bytes: "),
    "bytes of a number": (b'{"py/bytes": 3}', "text is wanted, not int"),
    "a set of sets": (b'{"py/set": [{"py/set": []}]}', "py/set: "),
    "a set of text": (b'{"py/set": "ab"}', "an array is wanted, not str"),
    "a dict of triples": (b'{"py/dict": [[1, 2, 3]]}', "py/dict: "),
    "a dict of text": (b'{"py/dict": ["ab", [[], 1]]}', "py/dict: "),
    "a date of no day": (b'{"py/date": "2023-02-29"}', "py/date: "),
    "a datetime of nonsense": (b'{"py/datetime": "now"}', "py/datetime: "),
    "a timezone of nowhere": (b'{"py/timezone": "[No/Where]"}', "no timezone is called 'No/Where' here"),
    "a timedelta of text": (b'{"py/timedelta": ["1"]}', "py/timedelta: "),
    "a decimal of letters": (b'{"py/decimal": "ab"}', "py/decimal: "),
    "a decimal of a list": (b'{"py/decimal": [0, [1], 0]}', "text is wanted, not list"),
    "a uuid too short": (b'{"py/uuid": "00"}', "py/uuid: "),
    "a range without a step": (b'{"py/range": [0, 1, 0]}', "py/range: "),
    "a complex of text": (b'{"py/complex": ["1", 2]}', "py/complex: "),
    "a float that needs no tag": (b'{"py/float": "1.5"}', "py/float: "),
    "an ellipsis with content": (b'{"py/ellipsis": 1}', "py/ellipsis: "),
    "a handle too short": (b'{"py/handle": "abc", "type": "x"}', "60 letters and digits"),
    "a handle of no text": (b'{"py/handle": 3}', "60 letters and digits"),
    "a handle with more": (b'{"py/handle": "abc", "type": "x", "more": 1}', "a handle is"),
    "a handle without its type's name": (b'{"py/handle": "abc", "type": 3}', "a handle is"),
}


@pytest.mark.parametrize(("data", "message"), MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_input_is_a_protocol_error_that_says_what_is_wrong(data: bytes, message: str) -> None:
    with pytest.raises(RemoteProtocolError, match="JSON is malformed") as caught:
        jsonic.loads(data)
    assert message in str(caught.value)


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_any_bytes_are_a_value_or_a_protocol_error(data: bytes) -> None:
    with contextlib.suppress(RemoteProtocolError):
        jsonic.loads(data)


@given(values(finite=True), st.data())
def test_damaged_bytes_are_a_value_or_a_protocol_error(value: object, data: st.DataObject) -> None:
    whole = bytearray(jsonic.dumps(value))
    whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.sampled_from(b'0"[]{},:\\x \xff'))
    with contextlib.suppress(RemoteProtocolError):
        jsonic.loads(bytes(whole))


@given(
    st.sampled_from(sorted(READERS)),
    st.recursive(
        st.none() | st.integers() | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    ),
)
def test_any_content_of_a_tag_is_a_value_or_a_protocol_error(tag: str, body: object) -> None:
    with contextlib.suppress(RemoteProtocolError):
        jsonic.loads(json.dumps({tag: body}).encode())


def test_keywords_are_an_object() -> None:
    assert jsonic.keywords({"a": 1}) == {"a": 1}
    with pytest.raises(RemoteProtocolError, match="keyword"):
        jsonic.keywords([["a", 1]])


def test_an_error_map_with_odd_details_is_written() -> None:
    assert json.loads(jsonic.dumps_error({"kind": "python", "details": {"x": object}}))["kind"] == "python"
