"""One program that uses a library in every way, and what each recorder must say of each of its lines."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

CORPUS = Path(__file__).parent / "recorded"
ROOT = Path(__file__).resolve().parents[2]
RECORDED = [(3, 11), (3, 12), (3, 13)]

START = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from bascule.workers.recording.program import main; sys.exit(main(sys.argv[1:]))"
)


def record(
    python: str,
    output: Path,
    *program: str,
    to: str = "library",
    users: tuple[str, ...] = (),
    exhaustive: bool = False,
    cwd: Path = CORPUS,
    env: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    wanted = {
        "output": str(output),
        "to_modules": [to],
        "from_modules": list(users),
        "exhaustive": exhaustive,
        "results": True,
    }
    command = [python, "-c", START, str(ROOT), json.dumps(wanted), *program]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)


def lines_of(output: Path) -> list[dict]:
    return [json.loads(line) for line in output.read_text().splitlines()]


def shown(value: object) -> str:
    """A value of the trace, as app.py has it."""
    if value is None or isinstance(value, str):
        return repr(value)
    if isinstance(value, list):
        return f"[{', '.join(map(shown, value))}]"
    kind, what = value["t"], value.get("v")
    if kind == "tuple" and what is not None:
        return "(" + ", ".join(map(shown, what)) + ("," if len(what) == 1 else "") + ")"
    if kind == "dict" and what is not None:
        return "{" + ", ".join(f"{shown(key)}: {shown(item)}" for key, item in what) + "}"
    if kind == "slice":
        return ":".join(shown(what[part]) for part in ("start", "stop", "step"))
    if kind == "module":
        return what
    if kind in ("function", "builtin_function_or_method") and "self" not in what:
        return name_of(what)
    if kind == "method" or (kind == "builtin_function_or_method"):
        return f"{shown(what['self'])}.{what['name']}"
    if what is not None:
        return f"{name_of(kind)}[{name_of(what)}]"
    return name_of(kind)


def name_of(name: object) -> str:
    if isinstance(name, str):
        return name
    if (name["module"] == "library" and name["name"][0].islower()) or name["name"] == "Refused":
        return f"{name['module']}.{name['name']}"
    return name["name"]


def event(line: dict) -> str:
    function = line["function"]
    called = name_of(function["v"]) if function["t"] == "type" else shown(function)
    if "params" in line:
        given = [shown(value) for value in line["params"].get("args", ())]
        given += [f"{name}={shown(value)}" for name, value in line["params"].get("kwargs", {}).items()]
    else:
        bound = line["bound_params"]
        operator = function["t"] == "builtin_function_or_method" and (
            isinstance(function["v"], dict) or called in ("setattr", "delattr")
        )
        given = [shown(value) if operator else f"{name}: {shown(value)}" for name, value in bound.get("pos_only", ())]
        given += [f"{name}: {shown(value)}" for name, value in bound.get("pos_or_kw", ())]
        if "var_pos" in bound:
            given.append(f"*{bound['var_pos'][0]}: {shown(bound['var_pos'][1])}")
        given += [f"{name}: {shown(value)}" for name, value in bound.get("kw_only", {}).items()]
        if "var_kw" in bound:
            more = ", ".join(f"{name!r}: {shown(value)}" for name, value in bound["var_kw"][1].items())
            given.append(f"**{bound['var_kw'][0]}: {{{more}}}")
    text = f"{called}({', '.join(given)})"
    if "returns" in line:
        text += f" -> {shown(line['returns'])}"
    if "awaited" in line:
        text += f" => {shown(line['awaited'])}"
    if "raises" in line:
        text += f" !! {shown(line['raises'])}"
    return text


def told(output: Path) -> dict[str, set[str]]:
    """Events by line; one whose result is known stands only with it."""
    found: dict[str, set[str]] = defaultdict(set)
    for line in lines_of(output):
        found[line["location"].rpartition(":")[2]].add(event(line))
    for events in found.values():
        for each in list(events):
            if " -> " in each or " !! " in each:
                events.discard(re.split(r" (?:->|!!) ", each)[0])
            if " => " in each:
                events.discard(each.partition(" => ")[0])
    return found


def expected() -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for number, line in enumerate((CORPUS / "app.py").read_text().splitlines(), 1):
        if "#: " in line:
            for each in line.partition("#: ")[2].split("; "):
                at = "<compiled>" if each.startswith("<compiled> ") else str(number)
                found[at].add(each.removeprefix("<compiled> "))
    return found


@pytest.mark.parametrize("version", RECORDED)
@pytest.mark.parametrize("exhaustive", [False, True], ids=["usual", "exhaustive"])
def test_every_use_is_told_as_written_down(
    version: tuple[int, int], exhaustive: bool, interpreters: dict[tuple[int, int], str], tmp_path: Path
) -> None:
    output = tmp_path / "trace.jsonl"
    done = record(interpreters[version], output, "app.py", exhaustive=exhaustive)
    assert done.returncode == 0, done.stderr
    assert "could not be told" not in done.stderr
    wanted, found = expected(), told(output)
    wrong = [
        f"line {line}: not told: {wanted[line] - found[line]}; told besides: {found[line] - wanted[line]}"
        for line in sorted({*wanted, *found})
        if wanted[line] != found[line]
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("version", RECORDED)
def test_a_recorded_program_does_the_same(
    version: tuple[int, int], interpreters: dict[tuple[int, int], str], tmp_path: Path
) -> None:
    plain = subprocess.run([interpreters[version], "app.py"], cwd=CORPUS, capture_output=True, text=True, check=False)
    recorded = record(interpreters[version], tmp_path / "trace.jsonl", "app.py")
    assert (recorded.returncode, recorded.stdout) == (plain.returncode, plain.stdout)
    assert plain.returncode == 0, plain.stderr
    assert sys.version_info >= (3, 11)


def test_an_interpreter_that_is_missing_fails_under_ci(
    interpreters: dict[tuple[int, int], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=r"no CPython 3\.1 found on PATH, in ~/\.pyenv or in uv's folder"):
        interpreters[(3, 1)]
