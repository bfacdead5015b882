"""The two formats of Clojure programs: what goes comes back, and nothing malformed does more than be refused."""

from __future__ import annotations

import contextlib
import pickle
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from types import ModuleType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bascule.protocols import edn, transit
from bascule.protocols.clojure import Keyword, Symbol, split_keywords
from bascule.protocols.errors import LocalProtocolError, RemoteProtocolError
from bascule.protocols.tokens import Handle
from tests.protocols.value_strategies import same

BOTH = pytest.mark.parametrize("codec", [edn, transit])
TOKEN = "bsc" + "0" * 57

instants = st.datetimes(
    datetime(2, 1, 1),
    datetime(9998, 1, 1),
    timezones=st.just(timezone.utc),
).map(lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000))
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**200), 2**200)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=[]))
    | st.binary()
    | instants
    | st.datetimes()
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.decimals(allow_nan=False)
    | st.uuids()
    | st.complex_numbers(allow_nan=False, allow_infinity=False)
    | st.just(...)
)
keys = st.text(max_size=9) | st.integers() | st.booleans() | st.none() | st.tuples(st.integers(), st.text())
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner) | st.dictionaries(keys, inner) | st.sets(keys),
    max_leaves=20,
)


@BOTH
@given(value=values)
@example(value=[float("inf"), float("-inf"), 10**5000, 2**53, 2**53 + 1, -(2**63), 2**63])
@example(value=["~", "^", "`", "~:a", "^ ", "^0", "\ud800", "\U0001f600\n\t\0\x7f"])
@example(value={"abcd": {"abcd": ["abcd", {"abcd": 1}]}})
@example(value=[{f"key {number}": number} for number in range(3000)])
def test_a_value_comes_back_as_it_was(codec: ModuleType, value: object) -> None:
    data = codec.dumps(value)
    assert data.isascii()
    assert same(codec.loads(data), value)
    assert same(codec.loads(b"[" + data + b"]"), [value]), "an argument list is put around it"


@BOTH
def test_keywords_and_symbols_are_text_that_goes_back_as_what_it_was(codec: ModuleType) -> None:
    value = {Keyword("a-b"): [Keyword("ns/name"), Symbol("my.ns/f"), Symbol("+")], "a": Keyword("long-one")}
    back = codec.loads(codec.dumps(value))
    assert back == {"a-b": ["ns/name", "my.ns/f", "+"], "a": "long-one"}
    assert [type(each) for each in back["a-b"]] == [Keyword, Symbol, Symbol]
    assert codec.dumps(back) == codec.dumps(value)
    assert type(pickle.loads(pickle.dumps(Keyword("a")))) is str


@BOTH
def test_a_handle_carries_its_token(codec: ModuleType) -> None:
    data = codec.dumps([Handle(TOKEN, "a.B"), Handle(TOKEN, "a.B")])
    assert codec.loads(data) == [Handle(TOKEN), Handle(TOKEN)]
    assert codec.loads(data, handle=lambda token, name: (token, name)) == [(TOKEN, "a.B")] * 2
    with pytest.raises(KeyError, match="gone"):
        codec.loads(data, handle=lambda token, name: {}["gone"])


def test_the_forms_are_those_of_clojure() -> None:
    moment = datetime(2024, 2, 29, 12, 30, 0, 123_456, timezone(timedelta(hours=2)))
    value = [None, True, 1.5, 'a"b', {1: (2,)}, {3}, Decimal("1.50"), moment, b"ab", float("nan"), Handle(TOKEN, "T")]
    assert edn.dumps(value).decode() == (
        '[nil true 1.5 "a\\"b" {1 [2]} #{3} 1.50M #inst "2024-02-29T10:30:00.123-00:00" #py/bytes "YWI=" ##NaN '
        f'#py/handle {{:token "{TOKEN}" :type "T"}}]'
    )
    assert transit.dumps(value).decode() == (
        '[null,true,1.5,"a\\"b",["^ ","~i1",[2]],["~#set",[3]],"~f1.50","~m1709202600123","~bYWI=","~zNaN",'
        f'["~#py/handle",["^ ","~:token","{TOKEN}","~:type","T"]]]'
    )
    assert transit.dumps(1) == b'["~#\'",1]'


def test_what_looks_alike_to_a_clojure_reader_is_no_set_and_no_map() -> None:
    first = datetime(2024, 1, 1, microsecond=1, tzinfo=timezone.utc)
    both = {first, first.replace(microsecond=2)}
    assert edn.dumps(both).startswith(b"#py/set [#inst")
    assert edn.dumps(dict.fromkeys([float("nan"), float("-nan") + 0], 1)) == b"#py/dict [[##NaN 1] [##NaN 1]]"
    assert edn.loads(edn.dumps(both)) == {first.replace(microsecond=0)}


def test_what_clojure_writes_is_read() -> None:
    text = (
        rb'(1 -2N +3 1/3 2.5M 1e3 ##Inf \a \newline \u00e9 \( "\u00e9\101\n" #_ (gone #_ "too") :k/w sym, #{[1 2]} '
        rb'{:a nil} #inst "2024-02-29" #inst "2024-02-29T01:02:03.5+01:00" '
        b'#uuid "00000000-0000-0000-0000-000000000001" ^{:meta true} [] ; the end\n)'
    )
    read = edn.loads(text)
    assert read[:9] == [1, -2, 3, Fraction(1, 3), Decimal("2.5"), 1000.0, float("inf"), "a", "\n"]
    assert read[9:17] == [
        "é",
        "(",
        "éA\n",
        "k/w",
        "sym",
        {(1, 2)},
        {"a": None},
        datetime(2024, 2, 29, tzinfo=timezone.utc),
    ]
    assert read[17] == datetime(2024, 2, 29, 0, 2, 3, 500_000, timezone.utc)
    assert read[18].int == 1
    assert read[19] == []


def test_a_map_of_one_namespace_is_read_as_clojure_prints_it() -> None:
    assert edn.loads(b'#:py{:kwargs {:a 1}, :_/plain 2, :other/one 3, "text" 4}') == {
        "py/kwargs": {"a": 1},
        "plain": 2,
        "other/one": 3,
        "text": 4,
    }
    for text in (b"#:py[1]", b"#: {}", b"#:py"):
        with pytest.raises(RemoteProtocolError):
            edn.loads(text)


def test_what_transit_writers_write_is_read() -> None:
    text = (
        b'["~#list",[1,"~i9007199254740993","~n12345678901234567890","~f1.5","~d2.5","~c\\u00e9","~rhttp://x",'
        b'"~t2024-02-29T01:02:03.000Z","~m0","~_","~?t",["~#ratio",["~n1","~n3"]],["~#u",[0,1]],'
        b'["~#with-meta",[[1,2],["^ ","~:py/type","tuple"]]],["^2",["x",["^ ","~:other",1]]],{"~#set":[1]},{"a":1}]]'
    )
    read = transit.loads(text)
    assert read[:7] == [1, 9007199254740993, 12345678901234567890, Decimal("1.5"), 2.5, "é", "http://x"]
    assert read[7] == datetime(2024, 2, 29, 1, 2, 3, tzinfo=timezone.utc)
    assert read[8:12] == [datetime(1970, 1, 1, tzinfo=timezone.utc), None, True, Fraction(1, 3)]
    assert read[12].int == 1
    assert read[13] == (1, 2)
    assert type(read[13]) is tuple
    assert read[15:] == [{1}, {"a": 1}]


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b" ", b"[", b"]", b"[1)", b"#foo 1", b"{1}", b"\xff", b"#{1 1}", b"1 2", b'"a', b'"\\q"', b"[" * 5000),
        *(b"1a", b"\\foo", b"#", b"##x", b":", b"::a", b"01", b"1/0", b"9" * 5000, b"#py/set 3", b'#inst "x"'),
        *(b'{:a 1 "a" 2}', b'#py/handle {:token "x"}', b"#py/handle 1", b"{{} 1}", b"#_", b"#_ 1", b"#" * 9999, b";"),
        *(b'#inst "2024-99-01"', b'#uuid "x"', b"@a", b"#'a", b"#_ " * 5000 + b"1"),
    ],
)
def test_malformed_edn_is_refused(text: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match=r"(?s)EDN is malformed at character|not UTF-8|nested too deep"):
        edn.loads(text)


def test_a_function_that_is_printed_as_clojure_does_is_refused_with_the_remedy() -> None:
    with pytest.raises(RemoteProtocolError, match="in the client's program: give a function through py/calling"):
        edn.loads(b'[[1 2] #object[user$f 0x2d4a0671 "user$f@2d4a0671"]]')


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"[", b"1 2", b"\xff", b'["^0"]', b'["~q"]', b'["~#nope",1]', b'["~#set"]', b'["~#set",[],1]'),
        *(b'["^ ",1]', b"[" * 5000, b'["~ix"]', b'["~i1_0"]', b'["~m"]', b'["~tx"]', b'["~zx"]', b'["~?x"]', b"NaN"),
        *(b'["~#py/handle",{"~:token":"x"}]', b'["~#py/handle",1]', b'["~#ratio",[1,0]]', b'["~b!"]', b'["~_x"]'),
        *(b'["^ ","a",1,"a",2]', b'["~#cmap",[1]]', b'["~u1"]', b'["~#with-meta",[1,["^ ","~:py/type","tuple"]]]'),
    ],
)
def test_malformed_transit_is_refused(text: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="transit is malformed"):
        transit.loads(text)


@BOTH
@given(data=st.binary() | st.text(st.sampled_from('[](){}#^~:"\\ 1a_nil;,\n/M')).map(str.encode))
def test_nothing_but_a_protocol_error_escapes(codec: ModuleType, data: bytes) -> None:
    with contextlib.suppress(RemoteProtocolError):
        codec.loads(data)


@BOTH
@given(value=values, at=st.integers(0, 200), other=st.binary(max_size=3))
def test_damaged_values_are_read_or_refused(codec: ModuleType, value: object, at: int, other: bytes) -> None:
    data = codec.dumps(value)
    at = min(at, len(data))
    with contextlib.suppress(RemoteProtocolError):
        codec.loads(data[:at] + other + data[at + 1 :])


@BOTH
def test_a_circle_and_a_stranger_are_refused_when_written(codec: ModuleType) -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(LocalProtocolError, match="in a circle"):
        codec.dumps(circle)
    with pytest.raises(TypeError, match=r"does not carry a builtins\.object"):
        codec.dumps([object()])
    assert codec.loads(codec.dumps([object()], default=lambda _: {"was": "an object"})) == [{"was": "an object"}]


@BOTH
def test_an_error_map_has_keywords_for_keys(codec: ModuleType) -> None:
    error = {"class": "ValueError", "frames": [{"line": 1}], "cause": {"class": "KeyError"}, "odd": object}
    back = codec.loads(codec.dumps_error(error))
    assert all(type(key) is Keyword for each in (back, back["frames"][0], back["cause"]) for key in each)


@BOTH
def test_two_keys_that_python_takes_for_one_are_refused_rather_than_lost(codec: ModuleType) -> None:
    text = {edn: b'{:a 1 "a" 2}', transit: b'["^ ","~:a",1,"a",2]'}[codec]
    with pytest.raises(RemoteProtocolError, match="two keys of a map are one in Python"):
        codec.loads(text)


# Keyword arguments.


@pytest.mark.parametrize(
    ("given", "args", "kwargs"),
    [
        ("[]", [], {}),
        ("[1 2]", [1, 2], {}),
        ("[1 :sort-keys true :b 2]", [1], {"sort_keys": True, "b": 2}),
        ("[:only]", ["only"], {}),
        ("[:mode 1 :a 2]", [], {"mode": 1, "a": 2}),
        ("[1 :x :a 2]", [1, "x"], {"a": 2}),
        ('[1 "a" 2]', [1, "a", 2], {}),
        ("[1 {:py/kwargs {:sort-keys true}}]", [1], {"sort_keys": True}),
        ('[:a :b {:py/kwargs {"c" 1}}]', ["a", "b"], {"c": 1}),
        ("[1 {:py/kwargs {}}]", [1], {}),
        ("[{:py/kwargs 1 :other 2}]", [{"py/kwargs": 1, "other": 2}], {}),
    ],
)
def test_keyword_arguments_are_the_pairs_at_the_end(given: str, args: list[Any], kwargs: dict[str, Any]) -> None:
    assert split_keywords(edn.loads(given.encode())) == (args, kwargs)


@pytest.mark.parametrize("given", ["[:a 1 :a 2]", "[{:py/kwargs 1}]", "[{:py/kwargs {1 2}}]", "[:a-b 1 :a_b 2]"])
def test_keyword_arguments_that_make_no_sense_are_refused(given: str) -> None:
    with pytest.raises(ValueError, match=r"twice|a map of keywords|is a keyword or text"):
        split_keywords(edn.loads(given.encode()))
