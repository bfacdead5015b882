"""`--strict-compat`: what python-record-api makes of lines and APIs, faults and all; from its README, and by hand."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bascule.bridge.cli import recording
from bascule.bridge.recording.compat import writing
from bascule.bridge.recording.reading import read_api

ROOT = Path(__file__).resolve().parents[2]

README = '''def argmax(
    a: object = ...,
    axis: Union[int, None] = ...,
    out: Union[dask.array.core.Array, int, numpy.ndarray] = ...,
    *,
    keepdims: bool = ...,
):
    """
    usage.dask: 36
    usage.pandas: 23
    usage.scipy: 24
    usage.skimage: 18
    usage.sklearn: 77
    usage.xarray: 17
    """
    ...
'''
ARGMAX = {"t": "function", "v": {"module": "numpy", "name": "argmax"}}
ANY = {"t": {"module": "m", "name": "f.<locals>.C"}}
INT, BOOL = {"t": "int"}, {"t": "bool"}
NDARRAY = {"t": {"module": "numpy", "name": "ndarray"}}
ARRAY = {"t": {"module": "dask.array.core", "name": "Array"}}
CALLS: dict[str, list[tuple[int, list[Any], dict[str, Any]]]] = {
    "dask": [
        (30, [["a", ANY], ["axis", None], ["out", INT]], {}),
        (6, [["axis", INT], ["out", NDARRAY]], {"keepdims": BOOL}),
    ],
    "pandas": [(23, [["a", ANY], ["out", ARRAY]], {})],
    "scipy": [(24, [["a", ANY]], {})],
    "skimage": [(18, [["a", ANY]], {})],
    "sklearn": [(77, [["a", ANY]], {})],
    "xarray": [(17, [], {})],
}


@dataclass(frozen=True)
class Done:
    """What a step came to."""

    returncode: int
    stderr: str


def bascule(folder: Path, *arguments: str, check: bool = True) -> Done:
    said = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stderr(said):
        done = Done(recording.step(list(arguments)), said.getvalue())
    if check:
        assert done.returncode == 0, done.stderr
    return done


def old_name(folder: Path, name: str, *arguments: str, **variables: str) -> None:
    told = {f"PYTHON_RECORD_API_{each}": value for each, value in variables.items()}
    environment = {**os.environ, **told, "PYTHONPATH": str(ROOT / "deploy" / "compat")}
    command = [sys.executable, "-m", f"record_api.{name}", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def grouped(folder: Path, name: str, *rows: dict[str, Any]) -> str:
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return name


def inferred(folder: Path, *rows: dict[str, Any], label: str = "app") -> dict[str, Any]:
    grouped(folder, "rows.jsonl", *rows)
    bascule(folder, "infer", "rows.jsonl", "--label", label, "-o", "rows.json", "--strict-compat")
    told: dict[str, Any] = json.loads((folder / "rows.json").read_text())
    return told


def combined(folder: Path, *apis: dict[str, Any]) -> dict[str, Any]:
    for number, api in enumerate(apis):
        (folder / f"{number}.json").write_text(json.dumps(api))
    names = [f"{number}.json" for number in range(len(apis))]
    bascule(folder, "combine", *names, "-o", "whole.json", "--strict-compat")
    told: dict[str, Any] = json.loads((folder / "whole.json").read_text())
    return told


def test_the_readmes_sample_comes_out_of_both_pipelines(tmp_path: Path) -> None:
    apis = []
    for label, calls in CALLS.items():
        rows = [
            {"n": n, "function": ARGMAX, "bound_params": {"pos_or_kw": either, "kw_only": keywords}}
            for n, either, keywords in calls
        ]
        lines = grouped(tmp_path, f"{label}.jsonl", *rows)
        common = (lines, "--module", "numpy", "-o", f"{label}.json")
        bascule(tmp_path, "infer", *common, "--label", label, "--strict-compat")
        apis.append(f"{label}.json")
    bascule(tmp_path, "combine", *apis, "-o", "all.json", "--strict-compat")
    bascule(tmp_path, "write", "all.json", "-o", "typing", "--strict-compat")
    stub = (tmp_path / "typing" / "numpy.py").read_text()
    assert stub.startswith("from typing import *\n\n\n@overload\n")
    assert stub.endswith("\n\n\n" + README)

    strict = {"STRICT_COMPAT": "1"}
    old_name(tmp_path, "infer_apis", INPUT="dask.jsonl", OUTPUT="d.json", LABEL="dask", MODULES="numpy", **strict)
    assert (tmp_path / "d.json").read_text() == (tmp_path / "dask.json").read_text()
    old_name(tmp_path, "combine_apis", INPUTS=",".join(apis), OUTPUT="all2.json", **strict)
    assert (tmp_path / "all2.json").read_text() == (tmp_path / "all.json").read_text()
    old_name(tmp_path, "write_api", "--strict-compat", INPUT="all.json", OUTPUT="typing2")
    assert (tmp_path / "typing2" / "numpy.py").read_text() == stub


def test_what_was_bound_to_args_and_kwargs_is_mistaken_for_its_notation(tmp_path: Path) -> None:
    bound = {
        "var_pos": ["arrays", {"t": "tuple", "v": [INT, INT]}],
        "var_kw": ["options", {"t": "dict", "v": [["a", INT]]}],
    }
    row = {"n": 2, "function": {"t": "function", "v": {"module": "m", "name": "f"}}, "bound_params": bound}
    int_or_name = {"type": "union", "options": [{"type": {"name": "int"}}, {"type": "str", "options": ["a"]}]}
    pairs = {"type": "list", "item": {"type": "list", "item": int_or_name}}
    signature = {
        "var_pos": ["arrays", {"type": "str", "options": ["v", "t"]}],
        "var_kw": ["options", {"type": "union", "options": [pairs, {"type": "str", "options": ["dict"]}]}],
        "metadata": {"usage.app": 2},
    }
    assert inferred(tmp_path, {**row, "returns": [INT]}) == {
        "modules": {"m": {"function_overloads": {"f": [signature]}, "functions": {"f": signature}}}
    }
    bascule(tmp_path, "write", "rows.json", "-o", "typing", "--strict-compat")
    stub = (tmp_path / "typing" / "m.py").read_text()
    assert '    *arrays: Literal["v", "t"],\n' in stub
    assert '    **options: Union[List[List[Union[int, Literal["a"]]]], Literal["dict"]],\n' in stub


def test_the_options_of_a_type_stand_in_the_order_that_the_old_tool_finds_them(tmp_path: Path) -> None:
    function = {"t": "function", "v": {"module": "m", "name": "f"}}
    values = [["b", None, "c"], {"t": "tuple", "v": [INT] * 6}, {"t": "dict", "v": [["x", INT], ["y", BOOL]]}]
    told = inferred(tmp_path, {"n": 1, "function": function, "params": {"args": values, "kwargs": {}}})
    given = told["modules"]["m"]["functions"]["f"]["pos_only_required"]
    texts = {"type": "str", "options": ["c", "b"]}
    assert given["_0"] == {"type": "list", "item": {"type": "union", "options": [texts, {"type": "None"}]}}
    assert given["_1"] == {"type": "tuple", "items": [{"type": {"name": "int"}}] * 6}
    assert given["_2"]["key"] == {"type": "str", "options": ["y", "x"]}
    assert given["_2"]["value"]["options"] == [{"type": {"name": "bool"}}, {"type": {"name": "int"}}]


def test_a_class_without_a_constructor_takes_away_the_one_that_was_there(tmp_path: Path) -> None:
    made = {"t": "type", "v": {"module": "m", "name": "C"}}
    method = {"t": "method", "v": {"self": {"t": {"module": "m", "name": "C"}}, "name": "go"}}
    empty = {"args": [], "kwargs": {}}
    first = inferred(tmp_path, {"n": 1, "function": made, "params": empty}, label="one")
    second = inferred(tmp_path, {"n": 1, "function": method, "params": empty}, label="two")
    assert "constructor" in first["modules"]["m"]["classes"]["C"]
    lost = combined(tmp_path, first, second)["modules"]["m"]["classes"]["C"]
    assert "constructor" not in lost
    assert lost["constructor_overloads"] == [{"metadata": {"usage.one": 1}}]
    assert "constructor" in combined(tmp_path, second, first)["modules"]["m"]["classes"]["C"]
    bascule(tmp_path, "write", "whole.json", "-o", "typing", "--strict-compat")
    assert "__init__" not in (tmp_path / "typing" / "m.py").read_text()


def test_an_api_combined_with_itself_counts_twice(tmp_path: Path) -> None:
    row = {"n": 3, "function": {"t": "function", "v": {"module": "m", "name": "f"}}, "params": {"args": [INT]}}
    api = inferred(tmp_path, row)
    assert combined(tmp_path, api, api)["modules"]["m"]["functions"]["f"]["metadata"] == {"usage.app": 6}


def test_a_slices_step_is_written_as_its_start(tmp_path: Path) -> None:
    sliced = {"t": "slice", "v": {"start": INT, "stop": None, "step": BOOL}}
    getitem = {"t": "builtin_function_or_method", "v": {"module": "_operator", "name": "getitem"}}
    inferred(tmp_path, {"n": 1, "function": getitem, "params": {"args": [NDARRAY, sliced]}})
    bascule(tmp_path, "write", "rows.json", "-o", "typing", "--strict-compat")
    assert "def __getitem__(self, _0: slice[int, None, int], /):" in (tmp_path / "typing" / "numpy.py").read_text()


C, D, OTHER = ({"t": {"module": module, "name": name}} for module, name in (("m", "C"), ("m", "D"), ("other", "X")))
ONCE: dict[str, Any] = {"n": 1}


def operator(name: str, *args: Any) -> dict[str, Any]:
    function = {"t": "builtin_function_or_method", "v": {"module": "_operator", "name": name}}
    return {**ONCE, "function": function, "params": {"args": list(args)}}


def call(*args: Any, name: str = "f", **kwargs: Any) -> dict[str, Any]:
    function = {"t": "function", "v": {"module": "m", "name": name}}
    return {**ONCE, "function": function, "params": {"args": list(args), "kwargs": kwargs}}


def stub(folder: Path, *rows: dict[str, Any]) -> str:
    """What the steps write of module `m`."""
    grouped(folder, "rows.jsonl", *rows)
    common = ("--label", "app", "--module", "m", "-o", "rows.json", "--strict-compat")
    bascule(folder, "infer", "rows.jsonl", *common)
    bascule(folder, "write", "rows.json", "-o", "typing", "--strict-compat")
    return " ".join((folder / "typing" / "m.py").read_text().split())


SLICES = [{"t": "slice", "v": {"start": each, "stop": each, "step": None}} for each in (INT, BOOL)]
RULES = {
    "a union of five": ([call(each) for each in (INT, BOOL, None, C, D)], "_0: Union[m.D, int, bool, m.C, None], /"),
    "a union of six": ([call(each) for each in (INT, BOOL, None, C, D, OTHER)], "_0: object, /"),
    "five texts": ([call(each) for each in "abcde"], '_0: Literal["e", "d", "c", "b", "a"], /'),
    "six texts": ([call(each) for each in "abcdef"], "_0: str, /"),
    "tuples alike": ([call({"t": "tuple", "v": [INT, each]}) for each in (BOOL, None)], "_0: Tuple[int, Union["),
    "tuples unlike": ([call({"t": "tuple", "v": [INT] * n}) for n in (1, 2)], "_0: Tuple[int, ...], /"),
    "two long tuples": (
        [call({"t": "tuple", "v": [INT] * 6 + [*more]}) for more in ((), (INT,))],
        "_0: Tuple[int, ...]",
    ),
    "lists": ([call([INT]), call([BOOL])], "_0: List[Union["),
    "dicts": ([call({"t": "dict", "v": [["a", each]]}) for each in (INT, BOOL)], '_0: Dict[Literal["a"], Union['),
    "an empty dict": ([call({"t": "dict", "v": []})], "_0: dict, /"),
    "slices": ([call(each) for each in SLICES], "_0: slice[Union[int, bool], Union[int, bool], Union[int, bool]]"),
    "a parameter left out": ([call(INT, k=INT), call(INT)], "def f(_0: int, /, *, k: int = ...):"),
    "two counts": ([call(INT), call(INT)], 'def f(_0: int, /): """ usage.app: 2 """ ...'),
    "a method as a value": ([call({"t": "function", "v": {"module": "m", "name": "C.go"}})], "_0: Callable, /"),
    "add": ([operator("add", C, INT)], "class C: def __add__(self, _0: int, /):"),
    "add, from the right": ([operator("add", INT, C)], "class C: def __radd__(self, _0: int, /):"),
    "in place": ([operator("iadd", C, INT)], "class C: def __iadd__(self, _0: int, /):"),
    "in place, of a stranger": ([operator("iadd", OTHER, C)], "class C: def __radd__(self, _0: other.X, /):"),
    "less": ([operator("lt", INT, C)], "class C: def __gt__(self, _0: int, /):"),
    "greater": ([operator("gt", INT, C)], "class C: def __lt__(self, _0: int, /):"),
    "at most": ([operator("le", INT, C)], "class C: def __ge__(self, _0: int, /):"),
    "equal": ([operator("eq", INT, C)], "class C: def __eq__(self, _0: int, /):"),
    "in": ([operator("contains", C, INT)], "class C: def __contains__(self, _0: int, /):"),
    "set an item": ([operator("setitem", C, INT, BOOL)], "class C: def __setitem__(self, _0: int, _1: bool, /):"),
    "negative": ([operator("neg", C)], "class C: def __neg__(self, /):"),
}


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_of_the_old_tool_is_followed(rule: str, tmp_path: Path) -> None:
    rows, expected = RULES[rule]
    assert expected in stub(tmp_path, *rows)


def test_what_the_old_tool_gets_wrong_is_right_unless_asked_for(tmp_path: Path) -> None:
    bound = {
        "var_pos": ["arrays", {"t": "tuple", "v": [INT, INT]}],
        "var_kw": ["options", {"t": "dict", "v": [["a", BOOL]]}],
    }
    made = {**ONCE, "function": {"t": "type", "v": {"module": "m", "name": "C"}}, "params": {"args": [INT]}}
    used = {**ONCE, "function": {"t": "method", "v": {"self": C, "name": "go"}}, "params": {}}
    sliced = {"t": "slice", "v": {"start": INT, "stop": None, "step": BOOL}}
    rows = [{**ONCE, "function": call()["function"], "bound_params": bound}, made, used, operator("getitem", C, sliced)]
    for order in (rows, rows[::-1]):
        grouped(tmp_path, "rows.jsonl", *order)
        bascule(tmp_path, "infer", "rows.jsonl", "--label", "app", "-o", "one.json")
        bascule(tmp_path, "combine", "one.json", "one.json", "-o", "all.json")
        write_as_before(tmp_path)
        written = (tmp_path / "typing" / "m.py").read_text()
        assert "def f(*arrays: int, **options: bool):" in written
        assert "def __init__(self, _0: int, /):" in written
        assert "_0: slice[int, None, bool], /" in written
        assert "usage.app: 2" not in written
        exec(compile(written, "m.py", "exec"), {})


def write_as_before(folder: Path) -> None:
    """As `record_api.write_api` does."""
    writing.write(read_api(folder / "all.json"), folder / "typing", strict=False)


def test_only_operators_with_two_sides_look_at_the_modules_asked_for(tmp_path: Path) -> None:
    function = {"t": "function", "v": {"module": "other", "name": "f"}}
    rows = [{**ONCE, "function": function, "params": {"args": [INT]}}, operator("add", OTHER, C)]
    grouped(tmp_path, "rows.jsonl", *rows)
    for strict, modules in ((["--strict-compat"], ["other", "m"]), ([], ["m"])):
        bascule(tmp_path, "infer", "rows.jsonl", "--label", "app", "--module", "m", "-o", "rows.json", *strict)
        api = json.loads((tmp_path / "rows.json").read_text())["modules"]
        assert list(api) == modules
        assert "classes" not in api.get("other", {})


def test_what_is_no_api_is_told_by_its_file(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text('{"modules": {"m": {"functions": {"f": 3}}}}')
    for step in (("combine", "bad.json", "-o", "x.json"), ("write", "bad.json", "-o", "x")):
        done = bascule(tmp_path, *step, "--strict-compat", check=False)
        assert (done.returncode, "Traceback" in done.stderr) == (1, False)
        assert "bascule record: " in done.stderr and "it is no API" in done.stderr
