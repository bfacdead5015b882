"""Handles' tokens: fixed length, an alphabet that no format escapes, and nothing but a hint to whoever finds one."""

from __future__ import annotations

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.protocols import etf
from bascule.protocols.errors import RemoteProtocolError
from bascule.protocols.tokens import (
    PREFIX_LENGTH,
    TOKEN_LENGTH,
    Handle,
    find_tokens,
    make_token,
    new_prefix,
    token_owner,
)

slots, incarnations, indexes = st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFF), st.integers(0, 0xFFFFFFFF)


@given(slots, incarnations, indexes)
def test_a_token_says_where_its_object_lives(slot: int, incarnation: int, index: int) -> None:
    token = make_token(new_prefix(), slot, incarnation, index)
    assert len(token) == TOKEN_LENGTH
    assert set(token) <= set(string.digits + string.ascii_lowercase)
    assert token_owner(token) == token_owner(token.encode()) == (slot, incarnation)


def test_no_two_tokens_and_no_two_prefixes_are_the_same() -> None:
    prefix = new_prefix()
    assert len({make_token(prefix, 1, 1, 1) for _ in range(1000)}) == 1000
    assert len({new_prefix() for _ in range(1000)}) == 1000
    assert len(prefix) == PREFIX_LENGTH


@given(st.one_of(st.text(max_size=70), st.text(min_size=60, max_size=60), st.binary(min_size=60, max_size=60)))
def test_what_is_no_token_is_refused_and_nothing_else(token: str | bytes) -> None:
    try:
        slot, incarnation = token_owner(token)
    except RemoteProtocolError:
        return
    assert slot >= 0
    assert incarnation >= 0


@pytest.mark.parametrize("wrong", ["zzzz", "-001", " 001", "0_01", "00A1", "\N{FULLWIDTH DIGIT ONE}001"])
def test_numbers_in_a_token_are_hexadecimal_and_nothing_else(wrong: str) -> None:
    token = make_token(new_prefix(), 1, 1, 1)
    for at in (16, 20):
        guessed = token[:at] + wrong + token[at + 4 :]
        with pytest.raises(RemoteProtocolError, match="hexadecimal"):
            token_owner(guessed)
        with pytest.raises(RemoteProtocolError):
            token_owner(guessed.encode())


@given(st.lists(st.binary(max_size=30), max_size=12), st.integers(0, 8))
def test_the_tokens_in_a_payload_are_found_up_to_the_limit(around: list[bytes], most: int) -> None:
    prefix = new_prefix()
    tokens = [make_token(prefix, index, 1, index).encode() for index in range(len(around))]
    payload = b"".join(noise + token for noise, token in zip(around, tokens))
    assert find_tokens(prefix.encode(), payload, most=most) == tokens[:most]


def test_a_prefix_at_the_very_end_is_no_token() -> None:
    prefix = new_prefix().encode()
    assert find_tokens(prefix, b"x" + prefix) == []
    assert find_tokens(prefix, prefix * 3) == []
    assert find_tokens(b"bsc" + b"0" * 13, b"") == []


def test_a_search_begins_where_it_is_told_to() -> None:
    prefix = new_prefix()
    token = make_token(prefix, 1, 1, 1).encode()
    assert find_tokens(prefix.encode(), token + token, start=1) == [token]


def test_no_format_changes_a_token() -> None:
    token = make_token(new_prefix(), 3, 2, 1)
    for payload in (etf.dumps(Handle(token, "é")), etf.dumps(token), json.dumps([token]).encode()):
        assert token.encode() in payload


def test_handles_are_their_tokens() -> None:
    one, same, other = Handle("a" * 60, "T"), Handle("a" * 60), Handle("b" * 60, "T")
    assert one == same
    assert one != other
    assert one != "a" * 60
    assert len({one, same, other}) == 2
    assert "T" in repr(one)
