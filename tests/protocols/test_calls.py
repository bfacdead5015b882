"""The head of a call's payload: what the bridge reads of it, and nothing more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.protocols.calls import HEAD_SIZE, Op, Style, Want, decode_head, encode_call
from bascule.protocols.errors import LocalProtocolError, RemoteProtocolError
from bascule.protocols.limits import MAX_TARGET

targets = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


@given(
    st.sampled_from(Op),
    targets,
    st.binary(max_size=50),
    st.sampled_from([b"", b"t" * 60]),
    st.sampled_from(Want),
    st.integers(0, 7),
)
def test_a_head_says_what_was_put_into_it(
    op: Op, target: str, arguments: bytes, token: bytes, want: Want, style: int
) -> None:
    payload = encode_call(op, target, arguments, object_token=token, want=want, style=style)
    found = decode_head(payload)
    assert found[:5] == (op, want, style, target.encode(), token)
    assert payload[found[5] :] == arguments


def test_the_bytes_of_a_head() -> None:
    payload = encode_call(Op.CALL, "math:pow", b"ARGS", want=Want.HANDLE, style=Style.DICT_AS_MAP)
    assert payload == bytes.fromhex("01 02 0200 0800 0000") + b"math:powARGS"


@given(st.binary(max_size=200))
def test_any_bytes_are_a_head_or_refused(payload: bytes) -> None:
    try:
        _, _, _, target, token, start = decode_head(payload)
    except RemoteProtocolError:
        return
    assert HEAD_SIZE + len(target) + len(token) == start <= len(payload)


def test_every_truncation_of_a_head_is_refused() -> None:
    payload = encode_call(Op.METHOD, "upper", b"", object_token=b"t" * 60)
    for length in range(len(payload)):
        with pytest.raises(RemoteProtocolError):
            decode_head(payload[:length])


def test_a_target_over_the_limit_is_refused_on_both_sides() -> None:
    with pytest.raises(LocalProtocolError, match="over the limit"):
        encode_call(Op.CALL, "a" * (MAX_TARGET + 1), b"")
    allowed = encode_call(Op.CALL, "a" * MAX_TARGET, b"xyz")
    claims_more = allowed[:4] + (MAX_TARGET + 1).to_bytes(2, "little") + allowed[6:]
    with pytest.raises(RemoteProtocolError, match="over the limit"):
        decode_head(claims_more)


def test_a_token_that_does_not_fit_is_our_own_mistake() -> None:
    with pytest.raises(LocalProtocolError, match="width"):
        encode_call(Op.METHOD, "f", b"", object_token=b"x" * 70_000)
