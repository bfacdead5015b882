"""Contracts proposed from recorded calls."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from generated import importing

from bascule.bridge.cli.main import main
from bascule.bridge.contracts.generating import Dialect, generate_python
from bascule.bridge.contracts.generators.python_options import PythonOptions
from bascule.bridge.contracts.loading import load_texts
from bascule.bridge.contracts.writing import carry_out, plan

FIND = {"t": "function", "v": {"module": "shop.api", "name": "find_books"}}
ROWS = [
    {
        "location": "a.py:1",
        "function": FIND,
        "bound_params": {"pos_or_kw": [["title", "Emma"], ["limit", {"t": "int"}]]},
    },
    {"location": "a.py:2", "function": FIND, "bound_params": {"pos_or_kw": [["title", None], ["tags", ["a", "b"]]]}},
    {
        "location": "a.py:3",
        "function": {"t": "function", "v": {"module": "shop.api", "name": "weigh"}},
        "params": {"args": [{"t": "dict", "v": [["ink", {"t": "float"}]]}], "kwargs": {"by": {"t": "bool"}}},
    },
]


def propose(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    trace = tmp_path / "trace.jsonl"
    trace.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    assert main(["contract", "infer", str(trace), "--module", "Shop"]) == 0
    return capsys.readouterr().out


def test_recorded_calls_become_a_contract_with_its_evidence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = propose(tmp_path, capsys)
    load_texts({"Shop": text}).require()
    assert "title :: Maybe String -- seen:" in text
    assert "limit :: Maybe Integer = Nothing -- absent 1 times; seen:" in text
    assert "tags :: Maybe (List String) = Nothing" in text
    assert "argument1 :: Map String Double" in text
    assert "-- shop.api.find_books: 2 calls seen.\nfindBooks :: FindBooksArguments -> IO Unknown" in text


def test_recorded_arguments_go_through_the_proposed_codecs_unharmed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    schema = load_texts({"Shop": propose(tmp_path, capsys)}).require()
    files = generate_python(schema, PythonOptions("proposed", "proposed.rt", with_codec=True), Dialect.MODERN)
    carry_out(plan(tmp_path, files, None))
    for (shop,) in importing(tmp_path, "proposed.shop"):
        for given in ({"title": "Emma", "limit": 3}, {"title": None, "tags": ["a", "b"]}):
            replayed = shop.FindBooksArguments.from_json(json.dumps(given)).to_wire()
            assert {name: value for name, value in replayed.items() if name in given} == given
        weighed = {"argument1": {"ink": 1.5}, "by": True}
        assert shop.WeighArguments.from_json(json.dumps(weighed)).to_wire() == weighed


def test_a_recording_without_calls_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty.jsonl").write_text("")
    assert main(["contract", "infer", str(tmp_path / "empty.jsonl")]) == 1
    assert "no call" in capsys.readouterr().err
    assert main(["contract", "infer", str(tmp_path / "missing.jsonl")]) == 1
