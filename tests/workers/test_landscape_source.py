"""What a module offers, told by its sources: nothing is imported for it, and it is what the import would show."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from test_landscape import SAMPLE, Write, members, write

from bascule.workers import landscape

__all__ = ["write"]  # the fixture that writes modules
ROOT = Path(__file__).resolve().parents[2]


def from_source(name: str, **options: object) -> dict[str, dict[str, Any]]:
    described = landscape.describe_module(name, {"from_source": True, **options})
    assert name not in sys.modules
    return {member["name"]: member for member in described["members"]}


def shape(parameter: dict[str, str]) -> tuple[str, str, bool]:
    return parameter["name"], parameter["kind"], "default" in parameter


def test_a_module_is_described_from_its_sources_without_being_imported(write: Write) -> None:
    name = write(SAMPLE)
    sources = from_source(name)
    live = members(name)
    assert [one for one in sources if one != "T"] == list(live)  # that a call made a type variable is not seen
    for one in ("plain", "strict", "soon", "count_up", "count_later", "Thing", "Bare"):
        known = sources[one]
        assert {key: known[key] for key in known if key != "parameters"} == {
            key: live[one][key] for key in known if key != "parameters"
        }
        in_sources, in_life = [[shape(each) for each in told[one]["parameters"]] for told in (sources, live)]
        assert in_sources == in_life
    assert sources["strict"]["parameters"][2] == {"name": "c", "kind": "keyword_only", "default": "('x', 1.5)"}
    assert (sources["MAX_SIZE"]["type"], sources["names"]["type"]) == ("int", "list")
    assert (sources["thing"]["kind"], sources["bound"]["kind"]) == ("lazy", "lazy")


def test_sources_are_followed_to_where_names_are_defined(write: Write) -> None:
    write(
        """
        import sys
        from math import sqrt
        from typing import TYPE_CHECKING
        from landscape_followed import deep
        from landscape_followed.deep import *
        from landscape_followed.deep.er import Child as Boy, _hidden, loop
        from .compiled import quick
        if TYPE_CHECKING:
            from nowhere import nothing
        if sys.version_info >= (3, 9):
            def newer(a): pass
        else:
            def older(a): pass
        if sys.platform == "win32":
            from .windows import only_there
        try:
            import gone
        except ImportError:
            def without(b): pass
        text = '''
        def in_a_text(): pass
        '''
        same = newer
        removed = 1
        del removed
        """,
        "landscape_followed.__init__",
    )
    write(
        "__all__ = ['starred']\n__all__ += ['_marked']\ndef starred(): pass\ndef _marked(): pass\ndef off(): pass",
        "landscape_followed.deep.__init__",
    )
    write(
        """
        from landscape_followed.deep.er import loop
        from landscape_followed.deep import starred as _hidden
        class Parent:
            '''Has
            def no_method(self): here
            '''
            kind = "parent"
            def __init__(self, name, *, age=1): pass
            def other(self): pass
        class Child(Parent):
            "One."
            def grow(self): pass
        """,
        "landscape_followed.deep.er",
    )
    found = from_source("landscape_followed")
    assert {name: one["kind"] for name, one in found.items()} == {
        "Boy": "class",
        "quick": "lazy",
        "newer": "function",
        "without": "function",
        "text": "constant",
        "same": "function",
        "starred": "function",
        "loop": "lazy",
    }
    assert found["Boy"]["doc"] == "One."
    assert [one["name"] for one in found["Boy"]["parameters"]] == ["name", "age"]
    assert "sqrt" in from_source("landscape_followed", imports=True)
    assert "_hidden" in from_source("landscape_followed", private=True)


COMPARE = """
import json, sys
from bascule.workers.landscape import describe_module
name = sys.argv[1]
sources = {one["name"]: one for one in describe_module(name, {"from_source": True})["members"]}
assert name not in sys.modules
live = {one["name"]: one for one in describe_module(name)["members"]}
known = [one for one in sources if one in live and sources[one]["kind"] != "lazy"]
shape = lambda one: one.get("parameters") and [(each["name"], each["kind"]) for each in one["parameters"]]
told = {
    "missing": [one for one in live if one not in sources and live[one]["kind"] != "lazy" and one[0] != "_"],
    "invented": [one for one in sources if one not in live],
    "kinds": [one for one in known if sources[one]["kind"] != live[one]["kind"]],
    "parameters": [one for one in known if shape(live[one]) and shape(sources[one]) not in (None, shape(live[one]))],
    "known": len(known),
    "documented": sum(bool(sources[one]["doc"]) for one in known),
}
print(json.dumps(told))
"""
EXCEPTIONS = {  # types that the platform has; a variable of a loop; a class whose __new__ chooses another class
    "numpy": {"complex256", "float128", "complex192", "float96", "msg"},
    "pandas": {"Grouper"},
    "requests": set(),
}


@pytest.mark.parametrize("name", list(EXCEPTIONS))
def test_what_sources_tell_of_large_packages_is_what_their_import_shows(name: str) -> None:
    # In a process of its own: in this one they may have been imported already.
    run = subprocess.run([sys.executable, "-c", COMPARE, name], capture_output=True, text=True, cwd=ROOT, check=False)
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout)
    assert set(told["missing"] + told["invented"] + told["parameters"]) <= EXCEPTIONS[name]
    assert told["kinds"] == []
    assert told["known"] >= 20
    assert told["documented"] >= told["known"] * 0.8


def test_docstrings_and_signatures_are_read_however_they_are_written(write: Write) -> None:
    name = write(
        '''
        def one(a={"x": [1, (2,)]}, *, b=":\\n"): "In its line."
        def noted(  # not: here
            a: "int" = 1,  # )
        ) -> dict[str, int]:  # or here
            r"""A \\backslash."""  # noqa
            return {}
        def added():
            "a" "b"
        def none():
            # a comment
            return "no docstring"
        @property
        def decorated(self, value=lambda x: x):
            """Has
        a line that begins like nothing else."""
        '''
    )
    found = from_source(name)
    docs = {one: found[one]["doc"] for one in found}
    assert docs == {
        "one": "In its line.",
        "noted": "A \\backslash.",
        "added": "ab",
        "none": None,
        "decorated": "Has\na line that begins like nothing else.",
    }
    assert found["noted"]["returns"] == "dict[str, int]"
    assert [each["name"] for each in found["one"]["parameters"]] == ["a", "b"]
    assert found["decorated"]["parameters"][1]["default"] == "lambda x: x"
