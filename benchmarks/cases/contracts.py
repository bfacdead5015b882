"""Contracts: generated code beside what Gugugu generates, over the same 10,000 records.

A record has 8 fields, with an enum, a nested list of two records, and a Maybe. The peer is classic code with a plain
implementation of JSON; ours is modern code with that very implementation, then its own straight lines without and with
msgspec, each from values to JSON text and back. Both are made here, so there is nothing to install.
"""

from __future__ import annotations

import gc
import importlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

from bascule.bridge.contracts.generating import Dialect, generate_python
from bascule.bridge.contracts.generators.python_options import PythonOptions
from bascule.bridge.contracts.loading import load_folder, load_texts
from bascule.bridge.contracts.writing import carry_out, plan
from benchmarks.peers.plain_json import implementations
from benchmarks.rows import AtMost, Row

_COUNT = 10_000
_DEFINITIONS = """\
module Bench where

data Kind = Small | Medium | Large

data Line = Line { article :: String , count :: Int32 }

data Entry
  = Entry
    { id    :: Int32
    , name  :: String
    , price :: Double
    , kind  :: Kind
    , note  :: Maybe String
    , lines :: List Line
    , sold  :: Bool
    , total :: Int32
    }

data Table = Table { entries :: List Entry }
"""


def codecs() -> Iterator[Row]:
    """Encode and decode."""
    with tempfile.TemporaryDirectory() as folder:
        sys.path.insert(0, folder)
        try:
            yield from _measure(Path(folder))
        finally:
            sys.path.remove(folder)


def _measure(folder: Path) -> Iterator[Row]:
    classic, classic_codec = _made(folder, "classic", Dialect.CLASSIC)
    modern, modern_codec = _made(folder, "modern", Dialect.MODERN)
    encoder, decoder = implementations(classic_codec)
    old = _table(classic)

    def peer() -> Any:
        text = classic_codec.encode(old, encoder, classic.Table.encode_table)
        return classic_codec.decode(text, decoder, classic.Table.decode_table)

    writer, reader = implementations(modern_codec)
    new = _table(modern)

    def interface() -> Any:
        text = modern_codec.encode(new, writer, modern.Table.encode_table)
        return modern_codec.decode(text, reader, modern.Table.decode_table)

    def straight() -> Any:
        return modern.Table.from_wire(new.to_wire())

    def with_msgspec() -> Any:
        return modern.Table.from_json(new.to_json())

    assert interface() == new == straight() == with_msgspec()
    steps: list[Callable[[], Any]] = [peer, interface, straight, with_msgspec]
    rounds = [[_timed(step) for step in steps] for _ in range(9)]
    against, *ours = [min(times) for times in zip(*rounds, strict=True)]
    # What else the machine does lasts longer than a round: the ratios within one tell more than the best times.
    ratios = [median(times) for times in zip(*[[each / times[0] for each in times] for times in rounds], strict=True)]
    what = f"contract: {_COUNT:,} records, encode + decode"
    for name, taken, ratio, bound in zip(
        ("EncoderImpl interface", "to_wire, from_wire", "to_json, from_json, msgspec"),
        ours,
        ratios[1:],
        (0.8, 0.3, 0.12),
        strict=True,
    ):
        yield Row(f"{what}, {name}, ms", taken * 1e3, "classic", against * 1e3, ratio, AtMost(bound))


def compiling() -> Iterator[Row]:
    """Load 1,000 modules of 50 definitions; generate one of 1,500 lines."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(1000):
            (folder / f"M{number}.pg").write_text(_module(number, 50))
        taken = min(_timed(lambda: load_folder(folder).require()) for _ in range(2))
    yield Row("contract: load 1,000 modules of 50 definitions, s", taken, "5 seconds", 5.0, taken / 5, AtMost(1))
    text = _module(0, 270)
    options = PythonOptions("made", with_server=True, with_client=True)

    def generate() -> None:
        generate_python(load_texts({"M0": text}).require(), options, Dialect.MODERN)

    taken = min(_timed(generate) for _ in range(3))
    lines = len(text.splitlines())
    assert lines >= 1_500
    yield Row(f"contract: generate a module of {lines:,} lines, s", taken, "1 second", 1.0, taken, AtMost(1))


def _module(number: int, definitions: int) -> str:
    before = max(number - 1, 0)
    parts = [f"module M{number} where\n\n" + (f"import M{before}\n\n" if number else "")]
    parts += [
        f"-- | Record {index}.\ndata R{number}x{index} = R{number}x{index}\n  {{ alpha :: Int32\n"
        f"  , betaGamma :: Maybe (List String)\n  , delta :: Double\n  , other :: Maybe R{before}x{index}\n  }}\n\n"
        for index in range(definitions * 3 // 5)
    ]
    for index in range(definitions // 5):
        parts.append(f"data E{number}x{index} = FirstOne | SecondOne | ThirdOne\n\n")
        parts.append(f"callIt{index} :: R{number}x{index} -> IO (List E{number}x{index})\n\n")
    return "".join(parts)


def _made(folder: Path, package: str, dialect: Dialect) -> tuple[Any, Any]:
    options = PythonOptions(package=package, runtime=f"{package}.rt", with_codec=True)
    carry_out(plan(folder, generate_python(load_texts({"Bench": _DEFINITIONS}).require(), options, dialect), None))
    importlib.invalidate_caches()
    return importlib.import_module(f"{package}.bench"), importlib.import_module(f"{package}.rt.codec")


def _table(module: Any) -> Any:
    return module.Table(
        [
            module.Entry(
                number,
                f"entry {number}",
                number * 1.25,
                module.Kind(number % 3),
                None if number % 2 else "noted",
                [module.Line("ink", number % 7), module.Line("paper", 2)],
                number % 3 == 0,
                number * 3,
            )
            for number in range(_COUNT)
        ]
    )


def _timed(step: Callable[[], Any]) -> float:
    gc.collect()
    gc.disable()
    try:
        start = time.thread_time()  # all of it is computing: what else the machine does meanwhile is not our affair
        step()
        return time.thread_time() - start
    finally:
        gc.enable()
