"""How a map cuts its items, and what it makes of the answers; without a service."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from bascule.bridge.client.mapping import Chunker, read_results
from bascule.bridge.errors import CallError


def chunks(chunker: Chunker) -> list[list[Any]]:
    return list(iter(chunker.next_chunk, []))


def test_known_items_are_shared_out_so_that_each_worker_gets_a_few_chunks() -> None:
    cut = chunks(Chunker(range(1000), chunk=None, star=False, workers=2))
    assert [len(chunk) for chunk in cut] == [125] * 8
    assert cut[0][:2] == [0, 1]


def test_a_few_items_are_a_chunk_each_and_none_is_none() -> None:
    assert [len(chunk) for chunk in chunks(Chunker([1, 2, 3], chunk=None, star=False, workers=2))] == [1, 1, 1]
    assert chunks(Chunker([], chunk=None, star=False, workers=2)) == []


def test_very_many_items_come_in_bounded_chunks() -> None:
    assert len(Chunker(range(10_000_000), chunk=None, star=False, workers=2).next_chunk()) == 1024


def test_a_given_size_is_kept() -> None:
    chunker = Chunker(range(10), chunk=4, star=False, workers=2)
    chunker.learn(4, 0.0, waited=True)
    assert [len(chunk) for chunk in chunks(chunker)] == [4, 4, 2]
    with pytest.raises(ValueError, match="at least 1 item, not 0"):
        Chunker([], chunk=0, star=False, workers=2)


def test_an_items_arguments_may_be_several() -> None:
    chunker = Chunker([(1, 2), "ab"], chunk=2, star=True, workers=1)
    assert chunker.arguments(chunker.next_chunk()) == (None, [1, "a"], [2, "b"])


def test_items_with_as_many_arguments_travel_as_lists_of_first_and_second_ones() -> None:
    single = Chunker([1, (2, 3)], chunk=2, star=False, workers=1)
    assert single.arguments(single.next_chunk()) == (None, [1, (2, 3)])
    odd = Chunker([(1, 2), (3,)], chunk=2, star=True, workers=1)
    assert odd.arguments(odd.next_chunk()) == ([[1, 2], [3]],)
    empty = Chunker([(), []], chunk=2, star=True, workers=1)
    assert empty.arguments(empty.next_chunk()) == ([[], []],)


def test_endless_items_begin_one_by_one_and_grow_while_they_are_quick() -> None:
    chunker = Chunker(itertools.count(), chunk=None, star=False, workers=2)
    sizes = []
    for _ in range(12):
        chunk = chunker.next_chunk()
        sizes.append(len(chunk))
        chunker.learn(len(chunk), 0.001, waited=True)
    assert sizes == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1024]


def test_chunks_that_let_us_wait_long_shrink_but_a_slow_reader_shrinks_nothing() -> None:
    chunker = Chunker(itertools.count(), chunk=None, star=False, workers=2)
    chunker.size = 64
    chunker.learn(64, 5.0, waited=False)
    assert chunker.size == 64
    chunker.learn(64, 0.05, waited=True)
    assert chunker.size == 64
    chunker.learn(64, 5.0, waited=True)
    assert chunker.size == 32


def test_what_is_large_in_bytes_is_cut_smaller_and_stays_so() -> None:
    chunker = Chunker(range(100), chunk=None, star=False, workers=1)
    chunk = chunker.next_chunk()
    assert len(chunk) == 25
    pieces = chunker.cut(chunk, 25 << 20)
    assert [len(piece) for piece in pieces] == [4, 4, 4, 4, 4, 4, 1]
    assert list(itertools.chain(*pieces)) == chunk
    assert len(chunker.next_chunk()) == 4
    assert chunker.cut([[0]], 1 << 30) == [[[0]]]


def test_results_are_read_up_to_the_first_error() -> None:
    bad = {"kind": "python", "class": "ValueError", "module": "builtins", "message": "no"}
    assert read_results([[1, None], []]) == ([1, None], None, [1, None])
    values, error, every = read_results([[1, None, 3, None], [[1, bad], [3, bad]]])
    assert values == [1]
    assert isinstance(error, ValueError)
    assert [type(one).__name__ for one in every] == ["int", "PythonError", "int", "PythonError"]
    assert isinstance(every[3], CallError)
