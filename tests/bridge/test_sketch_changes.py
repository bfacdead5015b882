"""`bascule sketch --diff`: what is told of two versions, and what of it is said to break programs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bascule.bridge.sketch import public
from bascule.bridge.sketch.changes import changes
from bascule.bridge.sketch.reading import read_source

COMPATIBLE = {
    "def f(a): ...": {
        "def f(a, b=1): ...": "f: new optional parameter b",
        "def f(a, *, b=1): ...": "f: new optional parameter b",
        "def f(a, *more, **named): ...": None,
        "def f(a: int): ...": "f: parameter a is annotated int now",
        "def f(a) -> int: ...": "f: its result is annotated int now",
        "def f(a=None): ...": "f: parameter a is optional now, with default None",
        "def f(a): 'Says more.'": None,
        "def f(a): ...\nclass New: ...": "New: new class",
        "async def _p(): ...\ndef f(a): ...": None,
    },
    "def f(a: int) -> int: ...": {
        "def f(a: int) -> str: ...": "f: its result is annotated str, was int",
        "def f(a) -> int: ...": "f: parameter a is annotated int no more",
    },
    "def f(a, /): ...": {"def f(a): ...": "f: parameter a was positional only, is positional or keyword"},
    "def f(a=1): ...": {"def f(a=2): ...": "f: parameter a has default 2, had 1"},
    "LIMIT = 3": {"LIMIT = 4": "LIMIT: was 3, is 4"},
    "class C:\n x = 1": {
        "class C:\n x = 2": "C.x: was 1, is 2",
        "class C:\n x: int = 1": "C.x: is annotated int now",
        "class C:\n x = 1\n def m(self): ...": "C.m: new function",
        "class C(object, dict):\n x = 1": None,
    },
    "class C:\n @property\n def p(self): ...": {"class C:\n p = 1": None},
    "from typing import TypeAlias\nX: TypeAlias = int": {
        "from typing import TypeAlias\nX: TypeAlias = str": "X: was int, is str"
    },
}
BREAKING = {
    "def f(a, b=1, *, c=2): ...": {
        "": "f: function is gone",
        "def f(a, *, c=2): ...": "f: parameter b is gone",
        "def f(a, b, *, c=2): ...": "f: parameter b is required now",
        "def f(a, b=1): ...": "f: parameter c is gone",
        "def f(a, b=1, *, c=2, d): ...": "f: new required parameter d",
        "def f(a, b=1, /, *, c=2): ...": "f: parameter a was positional or keyword, is positional only",
        "def f(a, *, b=1, c=2): ...": "f: parameter b was positional or keyword, is keyword only",
        "def f(b, a, *, c=2): ...": "f: parameter a was number 1, is number 2",
        "async def f(a, b=1, *, c=2): ...": "f: has to be awaited",
        "def f(a, b=1, *, c=2): yield": "f: is a generator now",
        "class f: ...": "f: was a function, is a class",
        "f = 3": "f: was a function, is a constant",
    },
    "def f(*args): ...": {"def f(): ...": "f: parameter args is gone"},
    "def f(**named): ...": {"def f(a=1): ...": "f: parameter named is gone"},
    "class B: ...\nclass C(B):\n def __init__(self, a): ...\n def m(self): ...\n x = 1": {
        "class B: ...\nclass C:\n def __init__(self, a): ...\n def m(self): ...\n x = 1": "C: is no B any more",
        "class B: ...\nclass C(B):\n def __init__(self, a, b): ...\n def m(self): ...\n x = 1": (
            "C: new required parameter b"
        ),
        "class B: ...\nclass C(B):\n def __init__(self, a): ...\n x = 1": "C.m: function is gone",
        "class B: ...\nclass C(B):\n def __init__(self, a): ...\n def m(self): ...": "C.x: field is gone",
        "class B: ...\nclass C(B):\n def __init__(self, a): ...\n @staticmethod\n def m(): ...\n x = 1": (
            "C.m: was a method, is a static method"
        ),
        "class B: ...\nclass C(B):\n def __init__(self, a): ...\n def m(self): ...\n @property\n def x(self): ...": (
            "C.x: can no longer be set"
        ),
    },
    "class C:\n @property\n def p(self): ...\n @p.setter\n def p(self, to): ...": {
        "class C:\n @property\n def p(self): ...": "C.p: can no longer be set"
    },
}


def told(old: str, new: str) -> list[tuple[bool, str]]:
    was, now = [public(read_source(text, "m", Path("m.py"))) for text in (old, new)]
    return [(one.breaking, f"{one.name.removeprefix('m.')}: {one.detail}") for one in changes(was, now, "m")]


@pytest.mark.parametrize(("old", "new"), [(old, new) for old, later in COMPATIBLE.items() for new in later])
def test_what_breaks_no_program_is_told_as_such(old: str, new: str) -> None:
    found = told(old, new)
    assert not [detail for breaking, detail in found if breaking]
    expected = COMPATIBLE[old][new]
    assert [detail for _, detail in found] == ([] if expected is None else [expected])


@pytest.mark.parametrize(("old", "new"), [(old, new) for old, later in BREAKING.items() for new in later])
def test_what_breaks_a_program_is_told_first_of_all(old: str, new: str) -> None:
    found = told(old, new)
    assert BREAKING[old][new] in [detail for breaking, detail in found if breaking], found
    assert told(old, old) == []


def test_the_command_compares_files_and_folders_and_its_status_says_whether_something_breaks(tmp_path: Path) -> None:
    def diff(*arguments: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "bascule", "sketch", "--diff", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.stderr == ""
        return done.returncode, done.stdout

    for version in ("old", "new"):
        (tmp_path / version / "sub").mkdir(parents=True)
        (tmp_path / version / "same.py").write_text("def f(): ...\n")
    (tmp_path / "old" / "sub" / "gone.py").write_text("")
    (tmp_path / "new" / "sub" / "come.py").write_text("")
    assert diff("old/same.py", "new/same.py") == (0, "")
    assert diff("old", "new") == (1, "! removed sub.gone: module is gone\n  added   sub.come: new module\n")
    (tmp_path / "old" / "sub" / "gone.py").unlink()
    assert diff("old", "new") == (0, "  added   sub.come: new module\n")
    (tmp_path / "new" / "same.py").write_text("def f(x): ...\n")
    status, text = diff("old/same.py", "new/same.py", "--format", "json")
    assert (status, json.loads(text)) == (
        1,
        [{"name": "same.f", "change": "changed", "breaking": True, "detail": "new required parameter x"}],
    )
