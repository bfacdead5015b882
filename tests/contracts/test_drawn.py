"""Modern code for definitions drawn at random: it can be imported, is clean, and loses nothing of any value."""

from __future__ import annotations

import importlib
import keyword
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from drawn import draw_definitions, draw_wire
from generated import generate, importing

from bascule.bridge.contracts.generators.python_names import PythonNames
from bascule.bridge.contracts.generators.python_options import PythonOptions
from bascule.bridge.contracts.loading import load_texts
from bascule.bridge.contracts.schema import Foreign, Ref
from bascule.workers.contracts import codecs

TRAPS = """\
{-# EXTENDED #-}
module Wire where

data X = X | Y
data Wire = Server { mro :: Int32, str :: Maybe Wire } | Client
data Texts = Texts { str :: String, int :: Int32, float :: Double, bool :: Bool, mro :: List Texts }
data Absent = Absent { mro :: Int32, here :: Bool = True }

swap :: Wire -> IO X
"""
"""Names that are in the way of what Python, dataclasses, msgspec and the generated code itself have."""

BIN = Path(sys.executable).parent


@pytest.mark.timeout(900)
def test_a_value_of_each_type_comes_back_as_it_went(tmp_path: Path, soak_factor: int) -> None:
    for seed in range(10 * soak_factor):
        name = f"drawn_{seed}"
        texts = draw_definitions(seed) if seed else {"Wire": TRAPS}
        generate(tmp_path, texts, package=name)
        for (foreign,) in importing(tmp_path, f"{name}.rt.foreign"):
            exchange(seed, name, texts, foreign.TARGETS)


def exchange(seed: int, package: str, texts: dict[str, str], targets: Any) -> None:
    """Send values of each type of a generated package through its forms."""
    chance = random.Random(seed)
    schema = load_texts(texts).require()
    options = PythonOptions(package=package)
    names = PythonNames(schema, options)
    runtime = importlib.import_module(f"{package}.rt.codec")
    for module in schema.modules.values():
        code = options.rules.module_code(module.name)
        made = importlib.import_module(f"{package}.{code}{'_' * keyword.iskeyword(code)}")
        for definition in module.definitions:
            if isinstance(definition, Foreign):
                continue
            cls = getattr(made, names.codec_class(Ref(module.name, definition.ref.name)))
            write = getattr(cls, names.coder("encode", definition.ref.name))
            read = getattr(cls, names.coder("decode", definition.ref.name))
            for _ in range(5):
                wire = draw_wire(chance, schema, definition)
                where = (seed, definition.ref, wire)
                value = cls.from_wire(wire)
                assert value.to_wire() == wire, where
                assert cls.from_json(value.to_json()) == value, where
                text = runtime.encode(value, codecs.JsonEncoder(targets), write)
                assert runtime.decode(text, codecs.JsonDecoder(targets), read) == value, where


@pytest.mark.timeout(900)
def test_drawn_code_is_clean(tmp_path: Path, soak_factor: int) -> None:
    generate(tmp_path, {"Wire": TRAPS}, package="traps")
    for seed in range(soak_factor):
        generate(tmp_path, draw_definitions(1_000 + seed), package=f"clean_{seed}")
    for checker in (
        [BIN / "mypy", "--strict", "--cache-dir=/dev/null", "--explicit-package-bases", "."],
        [BIN / "ruff", "check", "--isolated", "--no-cache", "."],
    ):
        told = subprocess.run(checker, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert told.returncode == 0, told.stdout[-4000:] + told.stderr[-2000:]
