"""Joining types, signatures and whole APIs: the order of inputs never matters, and nothing is counted twice."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from bascule.bridge.recording.apis import API, combine
from bascule.bridge.recording.infer import Inferring
from bascule.bridge.recording.reading_types import from_json, of_value
from bascule.bridge.recording.types import BOTTOM, OBJECT, join, to_json

NAMES = st.sampled_from(["int", "float", "bool", "bytes", "set", "complex", "range"])
CLASSES = st.builds(lambda name: {"module": "lib.things", "name": name}, st.sampled_from(["A", "B", "C.D"]))
LEAVES = st.one_of(
    st.none(),
    st.sampled_from(["a", "b", "c", "d", "e", "f", "g"]),
    st.builds(lambda name: {"t": name}, st.one_of(NAMES, CLASSES, st.just("str"))),
    st.builds(lambda name: {"t": "function", "v": name}, CLASSES),
    st.builds(lambda name: {"t": "type", "v": name}, CLASSES),
    st.builds(lambda name: {"t": "module", "v": name}, st.sampled_from(["lib", "os"])),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.builds(lambda items: {"t": "tuple", "v": items}, st.lists(inner, max_size=7)),
        st.builds(lambda pairs: {"t": "dict", "v": pairs}, st.lists(st.tuples(inner, inner).map(list), max_size=2)),
        st.builds(lambda a, b, c: {"t": "slice", "v": {"start": a, "stop": b, "step": c}}, inner, inner, inner),
    ),
    max_leaves=6,
)
TYPES = st.lists(VALUES, min_size=1, max_size=4).map(lambda told: _joined([of_value(each) for each in told]))

LIB = {"module": "lib", "name": "A"}
FUNCTIONS = st.sampled_from(
    [
        {"t": "function", "v": {"module": "lib", "name": "f"}},
        {"t": "function", "v": {"module": "lib", "name": "A.scale"}},
        {"t": "type", "v": LIB},
        {"t": "type", "v": {"module": "lib", "name": "f"}},
        {"t": "builtin_function_or_method", "v": {"module": "_operator", "name": "add"}},
        {"t": "builtin_function_or_method", "v": {"module": "_operator", "name": "iadd"}},
        {"t": "builtin_function_or_method", "v": "getattr"},
        {"t": "method", "v": {"self": {"t": "type", "v": LIB}, "name": "scale"}},
    ]
)
PARAMS = st.one_of(
    st.builds(
        lambda args, kwargs: {"params": {"args": args, "kwargs": kwargs}},
        st.lists(st.one_of(VALUES, st.just({"t": LIB})), max_size=5),
        st.dictionaries(st.sampled_from("xyz"), VALUES, max_size=2),
    ),
    st.builds(
        lambda names, values, rest: {
            "bound_params": {
                "pos_or_kw": [[name, value] for name, value in zip(names, values, strict=False)],
                "var_pos": ["rest", {"t": "tuple", "v": rest}],
            }
        },
        st.sampled_from([["self", "a", "b"], ["a", "c"], ["b", "c"]]),
        st.lists(VALUES, min_size=3, max_size=3),
        st.lists(VALUES, max_size=2),
    ),
)
ROWS = st.builds(
    lambda function, params, n, given: {
        "function": function,
        **params,
        "n": n,
        **({"returns": given} if given else {}),
    },
    FUNCTIONS,
    PARAMS,
    st.integers(1, 9),
    st.lists(VALUES, max_size=1),
)


def _joined(types):  # type: ignore[no-untyped-def]
    whole = BOTTOM
    for each in types:
        whole = join(whole, each)
    return whole


def inferred(rows: list[dict], label: str) -> API:
    inferring = Inferring(label, ("lib",))
    for row in rows:
        inferring.take(json.loads(json.dumps(row)))
    inferring.api.settle(lambda one, two: one + two)
    return API.from_json(inferring.api.to_json())


APIS = st.builds(inferred, st.lists(ROWS, max_size=6), st.sampled_from(["one", "two"]))


@given(TYPES, TYPES, TYPES)
def test_joining_types_is_a_lattice(one, two, three):  # type: ignore[no-untyped-def]
    assert join(one, two) == join(two, one)
    assert join(one, one) == one
    assert join(join(one, two), three) == join(one, join(two, three))
    assert join(one, BOTTOM) == one
    assert join(one, OBJECT) == OBJECT


@given(TYPES)
def test_a_type_survives_being_written(one):  # type: ignore[no-untyped-def]
    assert from_json(json.loads(json.dumps(to_json(one)))) == one


@given(APIS, APIS, APIS)
def test_combining_is_associative_commutative_and_idempotent(one: API, two: API, three: API) -> None:
    def told(*apis: API) -> dict:
        return combine(apis).to_json()

    assert told(one, two) == told(two, one)
    assert told(one, one) == told(one)
    assert told(combine([one, two]), three) == told(one, combine([two, three]))


@given(APIS)
def test_an_api_survives_being_written(one: API) -> None:
    assert API.from_json(json.loads(json.dumps(one.to_json()))).to_json() == one.to_json()
