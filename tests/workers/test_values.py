from __future__ import annotations

import collections
import enum
import threading
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bascule.protocols import etf
from bascule.protocols.calls import Style, Want
from bascule.protocols.envelope import Codec
from bascule.protocols.errors import RemoteProtocolError
from bascule.protocols.tokens import Handle
from bascule.workers import values as values_module
from bascule.workers.explain import read_arguments
from bascule.workers.values import ArgumentsError, NotEncodable, ValueCodec, codec_for
from tests.workers.harness import MODULES

every_codec = pytest.mark.parametrize("codec", list(MODULES), ids=lambda codec: codec.name.lower())


@dataclass
class Table:
    """Handles as the worker's object table makes them: here only remembered."""

    held: list[object] = field(default_factory=list)
    dropped: list[Handle] = field(default_factory=list)
    cap: int = 1_000

    def make(self, obj: object) -> Handle:
        if len(self.held) >= self.cap:
            raise TooMany
        self.held.append(obj)
        return Handle(f"bsc{len(self.held):057}", type(obj).__name__)

    def drop(self, handles: list[Handle]) -> None:
        self.dropped.extend(handles)


class TooMany(ValueError):
    """What a full table raises: a ValueError, so that it could be taken for the codec's."""


class Thing:
    """An object that no format carries."""


def result(codec: int, value: object, want: int = Want.AUTO, table: Table | None = None, style: int = 0) -> Any:
    table = table or Table()
    return MODULES[codec].loads(codec_for(codec).encoder(want, style, table.make, table.drop)(value))


def arguments(codec: int, tail: bytes, resolve: Any = Handle, style: int = 0) -> tuple[list[Any], dict[str, Any]]:
    """What stands behind a call's head, as the worker's loop reads it."""
    return read_arguments(codec, codec_for(codec).decoder(resolve, style)(tail) if tail else None)


# Arguments


@every_codec
def test_arguments_are_positionals_and_keywords(codec: int) -> None:
    module = MODULES[codec]
    as_map = Style.DICT_AS_MAP | Style.STR_AS_BINARY
    assert arguments(codec, b"") == ([], {})
    assert arguments(codec, module.dumps([[1, 2.5]])) == ([1, 2.5], {})
    assert arguments(codec, module.dumps([[1], {"a": 2}], style=as_map)) == ([1], {"a": 2})
    assert arguments(codec, module.dumps([None])) == ([], {})
    assert arguments(codec, module.dumps([[], {"class": None}], style=as_map)) == ([], {"class": None})


@pytest.mark.parametrize("tail", [b"null", b"[]", b"[null]", b"[[]]", b"[null, null]", b"[[], {}]"])
def test_null_in_json_means_no_arguments(tail: bytes) -> None:
    assert arguments(Codec.JSON, tail) == ([], {})


def test_keywords_in_erlang_may_be_a_proplist() -> None:
    term = etf.dumps([[1], [(etf.Atom("a"), 2), etf.Atom("b")]])
    assert arguments(Codec.ETF, term) == ([1], {"a": 2, "b": True})


@every_codec
@pytest.mark.parametrize("shape", [1, [1], [[1], {}, 3], {"a": 1}, [[1], 5], [[1], {1: 2}]], ids=repr)
def test_arguments_of_another_shape_are_refused(codec: int, shape: object) -> None:
    if codec == Codec.ETF and shape == [[1], {1: 2}]:
        shape = [[1], {(1,): 2}]  # in Erlang [1] would be the text "\1"
    with pytest.raises(ArgumentsError, match=r"argument|keyword"):
        arguments(codec, MODULES[codec].dumps(shape))


@every_codec
@given(tail=st.binary(min_size=1, max_size=60))
@example(tail=b"\x83l\0\0\0\1k")
def test_any_arguments_are_read_or_refused(codec: int, tail: bytes) -> None:
    try:
        args, kwargs = arguments(codec, tail)
    except (ArgumentsError, RemoteProtocolError) as error:
        assert str(error)
    else:
        assert type(args) is list
        assert all(type(key) is str for key in kwargs)


@every_codec
def test_handles_among_the_arguments_are_resolved(codec: int) -> None:
    handle = Handle("bsc" + "1" * 57, "x.Y")
    tail = MODULES[codec].dumps([[handle, [handle]]])
    things = {handle.token: Thing()}
    args, _ = arguments(codec, tail, lambda token, name: things[token])
    assert args == [things[handle.token], [things[handle.token]]]
    decoded = codec_for(codec).decoder(lambda token, name: name)(tail)
    assert decoded == [["x.Y", ["x.Y"]]]


@every_codec
def test_what_the_resolver_raises_is_not_the_callers_mistake(codec: int) -> None:
    def lost(token: str, name: str) -> object:
        raise TooMany("lost")

    tail = MODULES[codec].dumps([[Handle("bsc" + "1" * 57)]])
    with pytest.raises(TooMany):
        arguments(codec, tail, lost)
    with pytest.raises(TooMany):
        codec_for(codec).decoder(lost)(tail)


def test_binaries_are_bytes_where_the_call_says_so() -> None:
    tail = etf.dumps([[b"ab"]])
    assert arguments(Codec.ETF, tail) == (["ab"], {})
    assert arguments(Codec.ETF, tail, style=Style.BINARY_AS_BYTES) == ([b"ab"], {})


def test_a_bound_decoder_says_what_is_malformed() -> None:
    with pytest.raises(RemoteProtocolError, match="malformed"):
        codec_for(Codec.MSGPACK).decoder(lambda token, name: None)(b"\xc1")


def test_an_unknown_codec_is_refused_by_number() -> None:
    with pytest.raises(ArgumentsError, match="codec 9 is not known"):
        codec_for(9)


# Results: auto


@every_codec
def test_plain_values_make_no_handles(codec: int) -> None:
    table = Table(cap=0)
    for value in (None, True, 7, -1.5, [1, [2.5, None]], {1: 2}, 2**100):
        assert result(codec, value, Want.AUTO, table) == result(codec, value, Want.VALUE, table) == value


@every_codec
def test_what_is_not_carried_is_a_handle_element_by_element(codec: int) -> None:
    table, things = Table(), [Thing(), Thing(), Thing()]
    found = result(codec, [1, *things, {2: things[0]}, (3, things[1])], Want.AUTO, table)
    assert found[0] == 1
    assert [handle.type_name for handle in found[1:4]] == ["Thing"] * 3
    assert list(found[4]) == [2]
    assert table.held == [*things, things[0], things[1]]
    assert table.dropped == []


@every_codec
@pytest.mark.parametrize(
    "value",
    [threading, print, int, Thing, Thing.__init__, iter([1]), (i for i in [1]), Thing(), open, object(), lambda: 1],
    ids=lambda value: type(value).__name__,
)
def test_things_to_work_on_are_handles(codec: int, value: object) -> None:
    table = Table()
    assert isinstance(result(codec, value, Want.AUTO, table), Handle)
    assert table.held == [value]


@every_codec
def test_subclasses_of_immutable_values_are_those_values(codec: int) -> None:
    class Amount(int):
        def __str__(self) -> str:
            return "no number"

    class Share(float):
        def __repr__(self) -> str:
            return "no number"

    class Level(enum.IntEnum):
        HIGH = 3

    class Pair(tuple[int, ...]):
        def __iter__(self) -> Any:
            return iter(["wrong"])

    table = Table(cap=0)
    assert result(codec, [Amount(7), Share(1.5), Level.HIGH], Want.AUTO, table) == [7, 1.5, 3]
    assert list(result(codec, Pair([1, 2]), Want.AUTO, table)) == [1, 2]


@every_codec
def test_subclasses_of_text_are_their_text_whatever_they_say_of_themselves(codec: int) -> None:
    class Colour(str, enum.Enum):
        RED = "red"

    class Markup(str):
        def __str__(self) -> str:
            return "wrong"

    for value, text in ((Colour.RED, "red"), (Markup("<b>"), "<b>")):
        assert result(codec, value, style=Style.STR_AS_BINARY) == text


@every_codec
def test_a_users_container_is_a_handle_unless_a_value_is_wanted(codec: int) -> None:
    class Registry(dict[Any, Any]):
        pass

    class Basket(list[Any]):
        pass

    for value, plain in ((Registry({1: 2}), {1: 2}), (Basket([1]), [1]), (collections.deque([1]), [1])):
        assert isinstance(result(codec, value), Handle)
        assert result(codec, value, Want.VALUE) == plain


@every_codec
def test_the_librarys_dicts_are_dicts(codec: int) -> None:
    for value in (collections.OrderedDict({1: 2}), collections.defaultdict(int, {1: 2}), collections.Counter({1: 2})):
        assert result(codec, value, Want.AUTO, Table(cap=0)) == {1: 2}


def circle() -> list[object]:
    value: list[object] = [1]
    value.append([{2: value}])
    return value


def deep(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


@every_codec
@pytest.mark.parametrize("value", [circle(), deep(100_000)], ids=["circle", "deep"])
def test_a_circle_is_one_handle_or_a_clear_error(codec: int, value: object) -> None:
    table = Table()
    assert isinstance(result(codec, value, Want.AUTO, table), Handle)
    assert table.held == [value]
    with pytest.raises(NotEncodable, match=r"in a circle|contains itself"):
        result(codec, value, Want.VALUE)


@every_codec
def test_handles_made_for_a_result_that_is_not_sent_are_dropped(codec: int) -> None:
    table = Table(cap=100_000)  # each round of the circle hands them out again
    value: list[object] = [Thing(), Thing()]
    value.append(value)
    assert isinstance(result(codec, value, Want.AUTO, table), Handle)
    assert table.held[-1] is value
    assert len(table.dropped) == len(table.held) - 1 >= 2


@pytest.mark.parametrize("codec", [Codec.JSON, Codec.ETF])
@pytest.mark.parametrize("want", [Want.AUTO, Want.VALUE])
def test_nan_is_an_error_with_its_place_and_no_handle(codec: int, want: int) -> None:
    table = Table()
    with pytest.raises(NotEncodable, match=r"nan \(at \[1\]\[7\]\).*ask for a handle"):
        result(codec, [Thing() if want == Want.AUTO else 0, {7: float("nan")}], want, table)
    assert len(table.dropped) == len(table.held)


@every_codec
def test_a_result_too_large_for_a_frame_is_a_handle_or_an_error(codec: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values_module, "most_bytes", 1_000)
    assert isinstance(result(codec, b"x" * 1_001), Handle)
    table = Table()
    assert isinstance(result(codec, [Thing(), "x" * 1_001], Want.AUTO, table), Handle)
    assert len(table.dropped) == 1
    with pytest.raises(NotEncodable, match=r"bytes are over the limit of 1000 for one frame; ask for a handle"):
        result(codec, b"x" * 1_001, Want.VALUE)


@every_codec
def test_a_full_table_is_reported_as_that(codec: int) -> None:
    table = Table(cap=1)
    with pytest.raises(TooMany):
        result(codec, [Thing(), Thing()], Want.AUTO, table)
    assert len(table.dropped) == 1


def test_an_integer_of_a_million_digits_is_a_handle_in_msgpack() -> None:
    huge = 1 << (9 << 20)
    assert isinstance(result(Codec.MSGPACK, huge), Handle)
    with pytest.raises(NotEncodable, match="an integer of"):
        result(Codec.MSGPACK, huge, Want.VALUE)


# Results: value and handle


@every_codec
def test_a_value_that_is_none_is_refused_by_type_and_place(codec: int) -> None:
    with pytest.raises(NotEncodable, match=r"test_values\.Thing.*\(at \['rows'\]\[1\]\); ask for a handle") as caught:
        result(codec, {"rows": [1, Thing()]}, Want.VALUE)
    assert caught.value.type_name.endswith("Thing")
    with pytest.raises(NotEncodable, match=r"of type generator does not travel as a value in [^(]*; ask"):
        result(codec, (i for i in [1]), Want.VALUE)


@every_codec
@pytest.mark.parametrize(
    ("value", "place"),
    [
        ([0, (1, {"a": [Thing()]})], r"\[1\]\[1\]\['a'\]\[0\]"),
        ({(1, 2): Thing()}, r"\[a tuple\]"),
        ({Thing(): 1}, r"\[key a Thing\]"),
        ({"k" * 100: Thing()}, r"\['k+\.\.\.\]"),
    ],
)
def test_the_place_is_found_in_every_container(codec: int, value: object, place: str) -> None:
    with pytest.raises(NotEncodable, match=place):
        result(codec, value, Want.VALUE)


def test_the_place_is_found_inside_what_a_converter_made() -> None:
    @dataclass
    class Order:
        parts: list[object]

    with pytest.raises(NotEncodable, match=r"Thing.*\(at \[0\]\['parts'\]\[1\]\)"):
        result(Codec.JSON, [Order([1, Thing()])], Want.VALUE)


@every_codec
def test_looking_for_the_place_ends_in_a_circle(codec: int) -> None:
    value = circle()
    value.append(Thing())
    with pytest.raises(NotEncodable):
        result(codec, value, Want.VALUE)


@every_codec
def test_a_handle_is_made_even_of_a_number(codec: int) -> None:
    table = Table()
    assert isinstance(result(codec, 7, Want.HANDLE, table), Handle)
    assert table.held == [7]


@every_codec
def test_a_handle_among_the_values_stays_that_handle(codec: int) -> None:
    handle = Handle("bsc" + "1" * 57, "x.Y")
    assert result(codec, [handle], Want.VALUE) == [handle]


@every_codec
def test_a_bound_encoder_does_the_same(codec: int) -> None:
    table = Table()
    encode = codec_for(codec).encoder(Want.AUTO, 0, table.make, table.drop)
    assert MODULES[codec].loads(encode([1, 2])) == [1, 2]
    assert isinstance(MODULES[codec].loads(encode(Thing())), Handle)


def test_the_style_reaches_the_codec() -> None:
    style = Style.STR_AS_BINARY | Style.DICT_AS_MAP
    encode = codec_for(Codec.ETF).encoder(Want.AUTO, style, Table().make)
    assert encode({"a": "b"}) == etf.dumps({"a": "b"}, style=style)


def test_a_dict_that_changes_while_it_is_written_is_an_error_and_no_crash() -> None:
    value: dict[object, object] = {}

    class Grows:
        def __init__(self) -> None:
            self.done = False

    value.update({1: Grows(), 2: 3})
    table = Table()

    def make(obj: object) -> Handle:
        value[len(value) + 10] = 1
        return table.make(obj)

    with pytest.raises(NotEncodable):
        codec_for(Codec.MSGPACK).encoder(Want.AUTO, 0, make)(value)


# Errors


@every_codec
@pytest.mark.parametrize(
    "odd",
    [Thing(), float("nan"), 2**70, "\udcff", {Thing(): 1}, circle(), [b"\xff"], ...],
    ids=lambda odd: type(odd).__name__,
)
def test_an_error_map_always_arrives(codec: int, odd: object) -> None:
    error = {"kind": "python", "message": "it broke \udcff", "cause": None, "details": {"odd": odd}}
    read = MODULES[codec].loads(codec_for(codec).encode_error(error))
    assert read["kind"] == "python"
    assert read["message"].startswith("it broke ")
    assert "odd" in read["details"]


class Broken:
    def __str__(self) -> str:
        raise RuntimeError("no text either")

    __repr__ = __str__


@every_codec
def test_an_error_map_survives_a_broken_repr(codec: int) -> None:
    read = MODULES[codec].loads(codec_for(codec).encode_error({"kind": "python", "details": {"odd": Broken()}}))
    assert read["details"]["odd"] == "<Broken>"


def test_each_codec_is_made_once() -> None:
    assert codec_for(Codec.JSON) is codec_for(Codec.JSON)
    assert isinstance(codec_for(Codec.MSGPACK), ValueCodec)
