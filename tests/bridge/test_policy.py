"""What a policy allows and what it denies: nothing is reached but what a pattern names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.bridge.policy import NOTHING, Policy, PolicyError
from bascule.protocols.calls import Op


def allows(patterns: list[str], target: str, op: Op = Op.CALL, *, objects: bool = False, token: bool = False) -> bool:
    return Policy(patterns, objects=objects).why_not(op, target.encode(), token) is None


@pytest.mark.parametrize(
    ("pattern", "target", "allowed"),
    [
        ("math:sqrt", "math:sqrt", True),
        ("math:sqrt", "math:sqrt.__class__", False),
        ("math:sqrt", "math:pow", False),
        ("math:*", "math:pow", True),
        ("math:*", "math:sqrt.__self__", False),
        ("math:*", "math:_private", False),
        ("math:_p*", "math:_private", True),
        ("math:*", "os.math:pow", False),
        ("app.*:run", "app.jobs:run", True),
        ("app.*:run", "app.jobs.deep:run", False),
        ("app.**:run", "app.jobs.deep:run", True),
        ("app.**:run", "app._hidden:run", False),
        ("app:**", "app:jobs.run", True),
        ("app:**", "app:jobs.__init__.__globals__", False),
        ("app:get_*", "app:get_one", True),
        ("app:get_*", "app:set_one", False),
        ("*", "os:system", True),
        ("os.path:join", "os.path.join", False),  # could as well mean os:path.join
        ("math:sqrt", "math.sqrt", True),
        ("math:*", "math", False),
        ("math:*", "math:", False),
        ("math:*", "math:a b", False),
        ("math:*", "math:pow\n", False),
    ],
)
def test_a_pattern_allows_what_it_names(pattern: str, target: str, allowed: bool) -> None:
    assert allows([pattern], target) is allowed


@pytest.mark.parametrize(
    ("target", "allowed"),
    [
        ("fold(math:pow)", True),
        ("fold(math:pow,math:sqrt)", True),
        ("fold(math:pow,os:system)", False),
        ("fold(os:system,math:sqrt)", False),
        ("fold_part(math:pow,pickle:loads)", False),
        ("fold()", False),
        ("fold(math:pow,)", False),
        ("fold(fold(math:pow))", False),
        ("fold(math:pow)(os:system)", False),
        ("fold(math:pow", False),
        ("math:pow)", False),
        ("math:(pow)", False),
    ],
)
@pytest.mark.parametrize("op", [Op.CALL, Op.MAP])
def test_a_combined_target_is_allowed_when_all_that_it_names_is(target: str, allowed: bool, op: Op) -> None:
    assert allows(["math:*"], target, op) is allowed
    assert not allows(["math:*"], target, Op.INIT)


def test_a_constant_is_converted_to_types_that_may_be_called() -> None:
    assert allows(["math:*", "fractions:Fraction"], "convert(math:pi,fractions:Fraction)", Op.CONST)
    assert not allows(["math:*"], "convert(math:pi,subprocess:Popen)", Op.CONST)
    denied = Policy(["math:*"]).why_not(Op.CONST, b"convert(math:pi,subprocess:Popen)", False)
    assert denied == "this listener's policy does not allow subprocess:Popen"


@pytest.mark.parametrize("op", [Op.METHOD, Op.GETATTR, Op.SETATTR, Op.DELATTR, Op.ITERATE, Op.DESCRIBE])
def test_objects_are_used_only_where_that_is_said(op: Op) -> None:
    assert not allows(["math:*"], "anything", op)
    assert not allows(["math:*"], "anything", op, token=True)
    assert not allows(["*"], "anything", op, token=True)
    assert allows(["math:*"], "anything", op, objects=True, token=True)


def test_builtins_and_operators_are_named_by_their_modules() -> None:
    assert not allows(["math:*"], "eval", Op.BUILTIN)
    assert allows(["builtins:len"], "len", Op.BUILTIN)
    assert not allows(["builtins:len"], "eval", Op.BUILTIN)
    assert allows(["operator:add"], "add", Op.OPERATOR)


def test_a_landscape_is_for_those_who_may_call_all_of_a_module() -> None:
    assert allows(["math:*"], "math", Op.LANDSCAPE)
    assert not allows(["math:sqrt"], "math", Op.LANDSCAPE)


@given(st.sampled_from(list(Op)), st.binary(max_size=30), st.booleans())
def test_nothing_is_nothing(op: Op, target: bytes, token: bool) -> None:
    assert NOTHING.why_not(op, target, token) is not None


@pytest.mark.parametrize("pattern", ["math", "math:", ":sqrt", "a:b:c", "a b:c", "math:sqrt()", ""])
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(PolicyError, match="is no pattern"):
        Policy([pattern])


def test_decisions_are_remembered_within_bounds() -> None:
    policy = Policy(["math:*"])
    for number in range(10_000):
        assert policy.why_not(Op.CALL, b"other:f%d" % number, False) is not None
    assert len(policy._known) <= 4096
