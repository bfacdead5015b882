"""JSON by way of msgspec: nothing gets through that would not get through without it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from generated import generate, importing
from hypothesis import given
from hypothesis import strategies as st

FOREST = """\
module Forest where

data Kind = Small | VeryBig
data Other = First | Second
data Leaf
  = Leaf
    { kind   :: Kind
    , weight :: Double
    , count  :: Int32
    , tags   :: List String
    , next   :: Maybe Leaf
    }
data Named
  = Named
    { isIt    :: Bool
    , class   :: Maybe Kind
    , toWire  :: List (Maybe Kind)
    , f0      :: Maybe (List Leaf)
    , theNext :: List Named
    }
data Tree
  = Tree
    { leaves :: List Leaf
    , rows   :: List (List Leaf)
    , best   :: Maybe Leaf
    , kinds  :: List Kind
    , flags  :: Maybe (List Bool)
    }
"""


@pytest.fixture(scope="module")
def forest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = generate(tmp_path_factory.mktemp("forest"), {"Forest": FOREST}, package="woods")
    for (module,) in importing(folder, "woods.forest"):
        yield module


def a_tree(forest: Any) -> Any:
    leaf = forest.Leaf(forest.Kind.VERY_BIG, 1.5, 3, ["a", "ä"], None)
    return forest.Tree([leaf, forest.Leaf(forest.Kind.SMALL, 2, -7, [], leaf)], [[leaf], []], leaf, [], None)


def test_the_fast_way_writes_what_the_slow_one_writes(forest: Any) -> None:
    tree = a_tree(forest)
    fast = forest._wire.typed._writer_of(forest.Tree)
    assert json.loads(fast(tree)) == tree.to_wire()
    assert forest.Tree.from_json(tree.to_json()) == tree


def test_fields_of_any_name_are_read(forest: Any) -> None:
    small, big = forest.Kind.SMALL, forest.Kind.VERY_BIG
    leaf = forest.Leaf(big, 1.5, 3, [], None)
    inner = forest.Named(True, small, [None, big], None, [])
    named = forest.Named(False, None, [], [leaf], [inner, forest.Named(True, big, [small], [], [inner])])
    text = named.to_json()
    read = forest._wire.typed._reader_of(forest.Named)(text)
    assert read == forest.Named.from_wire(json.loads(text)) == named
    assert type(read.the_next[1].the_next[0]) is forest.Named


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (b'"VERY_BIG"', b'"HUGE"', 'class: expected Kind, found "HUGE"'),
        (b'"is_it":', b'"is_not":', "the field is_it is missing"),
        (b'"is_it":', b'"more":1,"is_it":', 'unknown field "more"'),
        (b'"is_it":', b'"is_it":true,"is_it":', "is_it: the field is there twice"),
    ],
)
def test_what_is_wrong_does_not_come_in(old: bytes, new: bytes, told: str, forest: Any) -> None:
    text = forest.Named(True, forest.Kind.VERY_BIG, [], None, []).to_json()
    assert old in text
    with pytest.raises(forest._wire.DecodeError, match=told):
        forest.Named.from_json(text.replace(old, new))


def leaf_of(change: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    """A change of the leaf that is two levels down."""
    return lambda forest, tree: change(forest, tree.rows[0][0])


def cyclic(_forest: Any, tree: Any) -> None:
    tree.best.next = tree.best


WRONG: dict[str, Callable[[Any, Any], None]] = {
    "a tuple for a list": lambda _, tree: setattr(tree, "leaves", tuple(tree.leaves)),
    "a tuple for a list of texts": leaf_of(lambda _, leaf: setattr(leaf, "tags", ("a",))),
    "a set for a list": lambda _, tree: setattr(tree, "flags", {True}),
    "a map for a record": lambda _, tree: setattr(tree, "best", tree.best.to_wire()),
    "another class with the same attributes": lambda _, tree: setattr(
        tree, "best", SimpleNamespace(kind=tree.best.kind, weight=1.0, count=1, tags=[], next=None)
    ),
    "a boolean for a number": leaf_of(lambda _, leaf: setattr(leaf, "count", True)),
    "a number that is too big": leaf_of(lambda _, leaf: setattr(leaf, "count", 1 << 31)),
    "no number": leaf_of(lambda _, leaf: setattr(leaf, "weight", math.nan)),
    "a number without an end": leaf_of(lambda _, leaf: setattr(leaf, "weight", -math.inf)),
    "a text for a number": leaf_of(lambda _, leaf: setattr(leaf, "weight", "1.5")),
    "a number for a text": leaf_of(lambda _, leaf: leaf.tags.append(3)),
    "nothing for a text": leaf_of(lambda _, leaf: leaf.tags.append(None)),
    "a number for a member": leaf_of(lambda _, leaf: setattr(leaf, "kind", 1)),
    "a name for a member": leaf_of(lambda _, leaf: setattr(leaf, "kind", "SMALL")),
    "a member of another enum": lambda forest, tree: tree.kinds.append(forest.Other.FIRST),
    "nothing for a record": lambda _, tree: tree.leaves.append(None),
    "a value within itself": cyclic,
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_does_not_go_out(change: Callable[[Any, Any], None], forest: Any) -> None:
    tree = a_tree(forest)
    change(forest, tree)
    with pytest.raises(forest._wire.EncodeError) as slow:
        tree.to_wire()
    with pytest.raises(forest._wire.EncodeError) as fast:
        tree.to_json()
    assert str(fast.value) == str(slow.value)


def leaf_before(forest: Any, following: Any) -> Any:
    return st.builds(
        forest.Leaf,
        st.sampled_from(forest.Kind),
        st.floats(allow_nan=False, allow_infinity=False),
        st.integers(-(1 << 31), (1 << 31) - 1),
        st.lists(st.text(), max_size=3),
        following,
    )


def leaves(forest: Any) -> Any:
    return st.recursive(st.none(), lambda inner: leaf_before(forest, inner), max_leaves=4)


@given(data=st.data())
def test_reading_undoes_writing(forest: Any, data: st.DataObject) -> None:
    leaf = leaf_before(forest, leaves(forest))
    tree = data.draw(
        st.builds(
            forest.Tree,
            st.lists(leaf, max_size=3),
            st.lists(st.lists(leaf, max_size=2), max_size=2),
            leaves(forest),
            st.lists(st.sampled_from(forest.Kind), max_size=3),
            st.none() | st.lists(st.booleans(), max_size=3),
        )
    )
    text = tree.to_json()
    assert forest.Tree.from_json(text) == tree
    assert json.loads(text) == tree.to_wire()
