"""An Erlang node that calls Python through the `py` application of deploy/erlang."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from demo.stage import Stage

# Many processes of the node call at the same time; the slowest was asked first and answers last.
_PROGRAM = r"""
Say = fun(Term) -> io:format("answer: ~0tp~n", [Term]) end,
{ok, _} = application:ensure_all_started(py),
Say(py:func(math, pow, [2, 16])),
Say(py:func(statistics, mean, [[1, 2, 3, 6]])),
Say(py:'or_'(12, 3)),
Third = py:init(fractions, 'Fraction', [1, 3]),
Sixth = py:init(fractions, 'Fraction', [1, 6]),
Half = py:add(Third, Sixth),
Say(py:attr(Half, denominator)),
Say(py:method(Half, limit_denominator, [1]) =:= Half),
Say(py:len(py:range(7, 42))),
Say(try py:func(math, sqrt, [-1]) catch error:{py_error, #{message := M}} -> M end),
Self = self(),
[spawn_link(fun() -> Self ! {N, py:func(operator, mul, [N, N])} end) || N <- lists:seq(1, 1000)],
Say(lists:sum([receive {N, Square} when Square =:= N * N -> 1 end || N <- lists:seq(1, 1000)])),
ok = application:stop(py),
halt(0).
"""

_EXPECTED = (
    ("py:func(math, pow, [2, 16])", "65536.0"),
    ("py:func(statistics, mean, [[1, 2, 3, 6]])", "3"),
    ("py:or_(12, 3)", "15"),
    ("py:attr(py:add(Fraction(1, 3), Fraction(1, 6)), denominator)", "2"),
    ("another object has another handle", "false"),
    ("py:len(py:range(7, 42))", "35"),
    ("py:func(math, sqrt, [-1]), the error's message", '<<"math domain error">>'),
    ("right answers to 1,000 Erlang processes at once", "1000"),
)


def play(stage: Stage, bascule: str) -> None:
    """Compile the application, start a node, compare what it says."""
    if shutil.which("erl") is None or shutil.which("erlc") is None:
        stage.say("`erl` and `erlc` are not installed: left out (Debian: apt-get install erlang-base)")
        return
    shipped = subprocess.run([bascule, "path", "erlang"], check=True, capture_output=True, text=True).stdout.strip()
    with tempfile.TemporaryDirectory(prefix="bascule-demo-") as folder:
        compile_application(Path(shipped) / "py", Path(folder))
        command = ["erl", "-noshell", "-pa", folder, "-eval", _PROGRAM]
        environment = dict(os.environ, BASCULE=bascule)
        node = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    # The node's logger writes to the same output.
    lines = node.stdout.splitlines()
    said = [line.removeprefix("answer: ") for line in lines if line.startswith("answer: ")]
    if len(said) != len(_EXPECTED) or node.returncode:
        stage.check("the node", f"{node.stdout}{node.stderr}", right=False, why=f"exit status {node.returncode}")
    for (what, expected), answer in zip(_EXPECTED, said, strict=False):
        stage.check(what, answer, answer == expected, f"expected {expected}")


def compile_application(source: Path, ebin: Path) -> None:
    """What `erlc -o ebin src/*.erl` does."""
    modules = sorted(str(file) for file in (source / "src").glob("*.erl"))
    subprocess.run(["erlc", "-o", str(ebin), *modules], check=True)
    shutil.copy(source / "src" / "py.app.src", ebin / "py.app")
