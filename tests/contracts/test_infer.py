"""Contracts proposed from recorded calls."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from generated import importing

from bascule.bridge.cli.main import main
from bascule.bridge.contracts.annotated import propose as propose_landscape
from bascule.bridge.contracts.generating import Dialect, generate_python
from bascule.bridge.contracts.generators.python_options import PythonOptions
from bascule.bridge.contracts.loading import load_texts
from bascule.bridge.contracts.writing import carry_out, plan
from bascule.workers.contracts.codecs import ValueDecoder, ValueEncoder

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
    assert (
        "-- shop.api.find_books: 2 calls seen; no result is told.\nfindBooks :: FindBooksArguments -> IO Unknown"
        in text
    )


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


PRICES = '''
"""A price list, for a program to be recorded with."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, Optional


class Binding(enum.Enum):
    HARD_COVER = 1
    PAPERBACK = 2


@dataclass
class Book:
    title: str
    price: float
    binding: Binding = Binding.PAPERBACK
    tags: list[str] = field(default_factory=list)
    next: Book | None = None


class Till:
    pass


def price_of(title: str, count: int = 1, *more: float, note: str | None = None) -> float | None:
    return None if note else count * 2.5 + sum(more)


def weights(by: dict[str, float], strict: bool = False, **rest: int) -> dict[str, list[float]]:
    return {name: [each, each] for name, each in by.items()}


def nothing() -> None:
    return None


def cheapest(books: list[Book], of: Literal["all", "some"], names: frozenset[str]) -> Optional[Book]:
    return None


def watch(till: Till, anything: Any, either: int | str) -> Iterator[Book]:
    yield Book("x", 1.0)


async def later(seconds):
    return seconds


async def stock(titles: list[str]):
    """How many there are of each."""
    return {title: await later(3) for title in titles} or None


async def ticks(count: int):
    for tick in range(count):
        yield tick
'''
PROGRAM = """
import asyncio

import prices

prices.price_of("Emma")
prices.price_of("Emma", 3, 1.5, 2.5)
prices.price_of("Emma", note="sold")
prices.weights({"ink": 1.5}, True)
prices.weights({}, rest=3)
prices.nothing()


async def all_at_once():
    await prices.later(1.5)
    asked = asyncio.create_task(prices.stock(["Emma"]))
    assert await asyncio.gather(asked, prices.stock([])) == [{"Emma": 3}, None]
    assert [tick async for tick in prices.ticks(2)] == [0, 1]


asyncio.run(all_at_once())
"""


def recorded(folder: Path, python: str) -> Path:
    """The trace of a program that was really run, on one of the Pythons that a recorder is for."""
    (folder / "prices.py").write_text(PRICES)
    (folder / "program.py").write_text(PROGRAM)
    trace = folder / "trace.jsonl"
    words = ["record", "run", "--exhaustive", "--from", "__main__", "--to", "prices", "--python", python]
    words += ["-o", str(trace), "program.py"]
    subprocess.run([sys.executable, "-m", "bascule", *words], cwd=folder, check=True, capture_output=True)
    return trace


UNFINISHED = [{"t": "coroutine"}, {"t": "async_generator"}]


def witness(told: Any) -> Any:
    """A value such as a trace tells of: texts as they are, of all else one that has the type."""
    if isinstance(told, list):
        return [witness(each) for each in told]
    if not isinstance(told, dict):
        return told
    if told["t"] == "tuple":
        return [witness(each) for each in told["v"]]
    if told["t"] == "dict":
        return {key: witness(value) for key, value in told["v"]}
    return {"int": -7, "float": 2.5, "bool": True, "str": "text", "NoneType": None}[told["t"]]


@pytest.mark.parametrize("version", [(3, 11), (3, 12), (3, 13)])
@pytest.mark.parametrize("counted", [False, True], ids=["a trace", "counted"])
def test_replaying_a_recording_through_the_proposed_codecs_loses_nothing(
    version: tuple[int, int],
    counted: bool,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    interpreters: dict[tuple[int, int], str],
) -> None:
    trace = recorded(tmp_path, interpreters[version])
    source = trace
    if counted:
        source = tmp_path / "counted.jsonl"
        assert main(["record", "counts", str(trace), "-o", str(source)]) == 0
    assert main(["contract", "infer", str(source), "--module", "Prices"]) == 0
    text = capsys.readouterr().out
    schema = load_texts({"Prices": text}).require()
    assert "-- prices.price_of: 3 calls seen, which gave: " in text
    assert "priceOf :: PriceOfArguments -> IO (Maybe Double)" in text
    assert "weights :: WeightsArguments -> IO (Map String (List Double))" in text
    assert "nothing :: Unit -> IO Unit" in text
    assert "later :: LaterArguments -> IO Double" in text
    assert "-- prices.stock: 2 calls seen, which gave: " in text
    assert "stock :: StockArguments -> IO (Maybe (Map String Integer))" in text
    assert "ticks :: TicksArguments -> IO (Stream Unknown)" in text
    options = PythonOptions("replayed", "replayed.rt", with_server=True, with_client=True)
    carry_out(plan(tmp_path, generate_python(schema, options, Dialect.MODERN), None))
    rows = [json.loads(line) for line in trace.read_text().splitlines()]
    ended = [row for row in rows if row["function"]["v"]["module"] == "prices" and "returns" in row]
    calls = [row for row in ended if "awaited" in row or row["returns"] not in UNFINISHED]
    assert len(calls) == 9
    for (module,) in importing(tmp_path, "replayed.prices"):
        transport = module.PricesModule.to_transport(
            SimpleNamespace(**dict.fromkeys(dir(module.PricesModule))), ValueDecoder(), ValueEncoder()
        )
        for row in calls:
            bound, name = row["bound_params"], row["function"]["v"]["name"]
            pairs = [*bound.get("pos_or_kw", ()), *bound.get("kw_only", {}).items()]
            pairs += [bound["var_pos"]] if "var_pos" in bound else []
            given = {key: witness(value) for key, value in pairs}
            if "var_kw" in bound:
                given[bound["var_kw"][0]] = {key: witness(each) for key, each in bound["var_kw"][1].items()}
            result = witness(row.get("awaited", row["returns"]))

            def replay(decode: Any, encode: Any, _method: Any, request: Any) -> tuple[Any, Any]:
                return decode(request[0]), encode(request[1])

            handler = transport.ask(SimpleNamespace(namespace=["prices"], name=name), replay)
            argument, answer = handler((given, result))
            again = {} if argument is None else argument.to_wire()
            assert {key: value for key, value in again.items() if key in given} == given
            assert all(again[key] is None for key in again.keys() - given.keys())
            assert answer == (result if result is not None or name != "nothing" else {})


ANNOTATED = """\
-- The class Book.
data Book
  = Book
    { title :: String -- str
    , price :: Double -- float
    , binding :: Maybe Binding = Nothing -- Binding = Binding.PAPERBACK
    , tags :: Maybe (List String) = Nothing -- list[str] = field(default_factory=list)
    , next :: Maybe Book = Nothing -- Book | None
    }
"""


def test_annotations_become_a_contract(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "prices.py").write_text(PRICES)
    assert main(["contract", "infer", str(tmp_path / "prices.py"), "--module", "Prices"]) == 0
    text = capsys.readouterr().out
    functions = {each.name: each for each in load_texts({"Prices": text}).require().modules["Prices"].functions}
    assert str(functions["priceOf"].result) == "Maybe Double"
    assert str(functions["weights"].result) == "Map String (List Double)"
    assert str(functions["cheapest"].result) == "Maybe Book"
    assert str(functions["nothing"].argument) == "Unit"
    assert functions["watch"].stream
    assert ANNOTATED in text
    assert "data Binding\n  = HardCover\n  | Paperback" in text
    assert "{-# FOREIGN python prices.Till #-}" in text
    assert "    , more :: List Double -- the rest: float\n    , note :: Maybe String = Nothing -- str | None\n" in text
    assert "    { seconds :: Unknown -- not annotated" in text


def test_the_landscape_of_a_worker_becomes_a_contract(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "prices.py").write_text(PRICES)
    code = "import json; from bascule.workers.landscape import describe_module as d; print(json.dumps(d('prices')))"
    told = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True)
    (tmp_path / "prices.json").write_text(told.stdout)
    assert main(["contract", "infer", str(tmp_path / "prices.json"), "--module", "Prices"]) == 0
    functions = {
        each.name: each
        for each in load_texts({"Prices": capsys.readouterr().out}).require().modules["Prices"].functions
    }
    assert str(functions["priceOf"].result) == "Maybe Double"
    assert functions["watch"].stream


def test_names_that_would_clash_are_told_apart() -> None:
    twice = {"kind": "var_positional", "name": "a_b"}
    members = [
        {"kind": "function", "name": name, "parameters": [{"name": "a_b"}, {"name": "aB"}, twice], "returns": kind}
        for name, kind in (("get_it", "int"), ("getIt", "shop.Maybe"), ("getIt2", "]["), ("Maybe", None))
    ]
    text = propose_landscape({"module": "m", "members": members}, "Clashes", "somewhere")
    module = load_texts({"Clashes": text}).require().modules["Clashes"]
    assert [each.name for each in module.functions] == ["getIt", "mGetIt", "getIt2", "maybe"]


def test_a_source_that_offers_nothing_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty.py").write_text("X = 1\n")
    (tmp_path / "broken.py").write_text("def f(:\n")
    (tmp_path / "empty.json").write_text('{"module": "m", "members": []}')
    for source, told in (
        ("empty.py", "offers no function"),
        ("broken.py", "invalid syntax"),
        ("empty.json", "offers no function"),
        ("missing.py", "no such"),
    ):
        assert main(["contract", "infer", str(tmp_path / source)]) == 1
        assert told in capsys.readouterr().err
    assert main(["contract", "infer", "no_such_module_anywhere"]) == 1
