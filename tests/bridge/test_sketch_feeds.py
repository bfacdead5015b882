"""What a sketch is good for beside reading it: stubs for type checkers, policies for listeners, terms for Erlang."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import tomllib
from test_sketch_writing import run, sample

from bascule.bridge.policy import Policy
from bascule.bridge.sketch import public, sketch
from bascule.bridge.sketch.allowing import as_policy
from bascule.bridge.sketch.stubs import as_stub
from bascule.protocols.calls import Op

__all__ = ["sample"]  # the fixture with a module

CAREFUL = '''
from __future__ import annotations

import decimal as dec
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

LIMIT = 3
NAME: str = "n"
made = functools.partial(int, base=2)

@overload
def twice(x: int) -> int: ...
@overload
def twice(x: str) -> str: ...
def twice(x: Any) -> Any:
    return x * 2

def mean(data: Sequence[dec.Decimal], /, *, start: int = 0) -> dec.Decimal:
    """The mean."""
    return sum(data, dec.Decimal(start)) / len(data)

async def later() -> None: ...

def count() -> Iterator[int]:
    yield 1

@dataclass(frozen=True)
class Point:
    x: int
    y: int = 0

class Base:
    def __init__(self, name: str) -> None:
        self.name = name

class Ship(Base):
    @property
    def crew(self) -> int:
        return 1

    @crew.setter
    def crew(self, value: int) -> None: ...

    @classmethod
    def launch(cls, name: str) -> Ship:
        return cls(name)

    @staticmethod
    def knots(metres: float) -> float:
        return metres

class Empty: ...
'''
USER = """
from decimal import Decimal
from careful import LIMIT, NAME, Empty, Point, Ship, count, later, mean, twice

async def main() -> int:
    await later()
    ship = Ship.launch("Anna")
    ship.crew = 3
    total: Decimal = mean([Decimal(1)], start=2)
    point = Point(1, y=2)
    text: str = twice("a")
    speed: float = Ship.knots(2.5)
    print(total, text, speed, NAME, Empty(), [one + 1 for one in count()])
    return twice(LIMIT) + point.x + ship.crew
"""


def test_a_type_checker_reads_the_stub_as_it_would_the_module(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "careful.py").write_text(CAREFUL)
    (tmp_path / "careful.pyi").write_text(run(tmp_path / "source" / "careful.py", "--format", "stub"))
    (tmp_path / "user.py").write_text(USER)
    assert check(tmp_path) == (0, "Success: no issues found in 1 source file\n")
    (tmp_path / "user.py").write_text(
        USER.replace("ship.crew = 3", "ship.crew = 'three'\n    twice([])\n    mean(data=[])")
    )
    status, told = check(tmp_path)
    assert status == 1
    assert [line.rpartition("[")[2] for line in told.splitlines()[:3]] == ["assignment]", "call-overload]", "call-arg]"]


def check(folder: Path) -> tuple[int, str]:
    mypy = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir=/dev/null", "user.py"]
    told = subprocess.run(mypy, cwd=folder, capture_output=True, text=True, check=False)
    errors = [line for line in told.stdout.splitlines() if "note:" not in line]
    return told.returncode, "\n".join(errors) + "\n"


@pytest.mark.parametrize(
    "name", ["requests", "numpy", "asyncio", "typing", "enum", "unittest.mock", "dataclasses", "http.client", "os"]
)
def test_stubs_of_real_modules_are_python(name: str) -> None:
    module = sketch(name)
    members = public(module)
    defined = {getattr(one, "name", None) for one in ast.parse(as_stub(module, members)).body}
    functions = {one.name for one in members if type(one).__name__ == "Function"}
    assert functions <= defined


def test_a_policy_allows_what_a_module_offers_and_nothing_else(sample: Path) -> None:
    lines = run(sample, "--format", "policy")
    table = tomllib.loads(lines)
    assert table == {"allow": ["sample:LIMIT", "sample:fetch", "sample:soon"], "objects": False}
    assert '#   "sample:Ship",' in lines
    policy = Policy(table["allow"], objects=table["objects"])
    assert policy.why_not(Op.CALL, b"sample:fetch", on_object=False) is None
    for target in (b"sample:_private", b"sample:Ship", b"sample:fetch.__globals__", b"os:system"):
        assert policy.why_not(Op.CALL, target, on_object=False)
    assert policy.why_not(Op.METHOD, b"sail", on_object=True)
    only = tomllib.loads(run(sample, "--format", "policy", "--filter", "^fetch$"))
    assert only["allow"] == ["sample:fetch"]
    assert tomllib.loads(as_policy([])) == {"allow": [], "objects": False}


def test_erlang_reads_the_sketch_as_a_term(tmp_path: Path, needs: Callable[..., None]) -> None:
    needs("erl")
    file = tmp_path / "odd.py"
    file.write_text('def receive(a: "int" = 1.5):\n    """Gr\\u00fc\\u00dfe \\x01 "quoted" \\\\n."""\nNONE = None\n')
    terms = tmp_path / "odd.terms"
    terms.write_text(run(file, "--format", "erlang"))
    program = f"""
        {{ok, [#{{module := <<"odd">>, error := undefined, package := false, members := [F, N]}}]}} =
            file:consult("{terms}"),
        #{{name := <<"receive">>, doc := Doc, parameters := [Parameter]}} = F,
        #{{default := <<"1.5">>, annotation := <<"\\"int\\"">>}} = Parameter,
        #{{kind := <<"constant">>}} = N,
        <<"Gr\\x{{fc}}\\x{{df}}e \\x{{1}} \\"quoted\\" \\\\n."/utf8>> = Doc,
        halt().
    """
    told = subprocess.run(
        ["erl", "-noshell", "-eval", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stdout + told.stderr
