"""A module's landscape: everything it offers, and nothing of it run beyond its import."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bascule.protocols import packed
from bascule.workers import landscape
from bascule.workers.errors import CallFailed
from bascule.workers.signatures import parameters_of

ROOT = Path(__file__).resolve().parents[2]

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a module; gives its name."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)

    def make(source: str, name: str = "landscape_sample") -> str:
        path = tmp_path / Path(*name.split("."))
        file = path / "__init__.py" if (tmp_path / path).is_dir() else path.with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(source))
        return name

    yield make  # type: ignore[misc]
    for name in set(sys.modules) - before:
        del sys.modules[name]


def members(name: str, **options: Any) -> dict[str, dict[str, Any]]:
    described = landscape.describe_module(name, options)
    assert described["error"] is None
    packed.dumps(described)  # it has to travel
    json.dumps(described)
    return {member["name"]: member for member in described["members"]}


SAMPLE = '''
    """What it is for.

        Indented.
    """
    import os
    from collections import OrderedDict
    from math import sqrt
    from typing import Optional, TypeVar

    T = TypeVar("T")
    MAX_SIZE = 3
    names = ["a"]
    _hidden = 1

    def plain(a, b: int = 2, *rest: str, key: Optional[int] = None, **more) -> "float":
        """Does it.

            Deeper.
        """

    def strict(a, /, b, *, c=("x", 1.5)): pass
    async def soon(seconds): pass
    def count_up(to):
        yield to
    async def count_later(to):
        yield to
    def _private(): pass

    class Thing:
        """A thing."""
        def __init__(self, size, colour="red"): pass

    class Bare: pass
    thing = Thing(1)
    bound = thing.__init__
'''


def test_functions_classes_and_constants_are_told_apart(write: Write) -> None:
    described = landscape.describe_module(write(SAMPLE))
    assert described["doc"] == "What it is for.\n\nIndented."
    assert described["file"].endswith("landscape_sample.py")
    found = members("landscape_sample")
    assert {name: member["kind"] for name, member in found.items()} == {
        "MAX_SIZE": "constant",
        "names": "constant",
        "plain": "function",
        "strict": "function",
        "soon": "function",
        "count_up": "function",
        "count_later": "function",
        "Thing": "class",
        "Bare": "class",
        "thing": "constant",
        "bound": "function",
    }
    assert found["MAX_SIZE"]["type"] == "int"
    assert found["thing"]["type"] == "landscape_sample.Thing"
    assert found["Thing"]["doc"] == "A thing."
    assert found["plain"]["doc"] == "Does it.\n\nDeeper."
    assert found["plain"]["returns"] == "float"
    flags = {name: (found[name]["coroutine"], found[name]["generator"]) for name in ("plain", "soon", "count_up")}
    assert flags == {"plain": (False, False), "soon": (True, False), "count_up": (False, True)}
    assert found["count_later"]["generator"]


def test_parameters_have_names_kinds_defaults_and_annotations(write: Write) -> None:
    found = members(write(SAMPLE))
    plain = "positional_or_keyword"
    assert found["plain"]["parameters"] == [
        {"name": "a", "kind": plain},
        {"name": "b", "kind": plain, "default": "2", "annotation": "int"},
        {"name": "rest", "kind": "var_positional", "annotation": "str"},
        {"name": "key", "kind": "keyword_only", "default": "None", "annotation": "typing.Optional[int]"},
        {"name": "more", "kind": "var_keyword"},
    ]
    assert found["strict"]["parameters"] == [
        {"name": "a", "kind": "positional_only"},
        {"name": "b", "kind": plain},
        {"name": "c", "kind": "keyword_only", "default": "('x', 1.5)"},
    ]
    sized = [{"name": "size", "kind": plain}, {"name": "colour", "kind": plain, "default": "'red'"}]
    assert found["Thing"]["parameters"] == found["bound"]["parameters"] == sized
    assert found["Bare"]["parameters"] == []


def test_imported_and_private_names_are_for_those_who_ask(write: Write) -> None:
    name = write(SAMPLE)
    assert {"OrderedDict", "sqrt"} & set(members(name)) == set()
    assert {"OrderedDict", "sqrt"} <= set(members(name, imports=True))
    assert {"_hidden", "_private"} <= set(members(name, private=True))
    assert not any(member.startswith("__") for member in members(name, private=True, imports=True))
    assert "os" not in members(name, imports=True)


def test_all_says_what_is_public(write: Write) -> None:
    name = write("""
        from math import sqrt
        __all__ = ["sqrt", "_odd", "gone", "sqrt", 3, "os"]
        import os
        def left_out(): pass
        def _odd(): pass
    """)
    assert list(members(name)) == ["sqrt", "_odd"]


def test_a_package_offers_what_is_defined_below_it(write: Write) -> None:
    write("from landscape_package.api import get\nfrom math import sqrt", "landscape_package.__init__")
    write("def get(url): pass", "landscape_package.api")
    assert list(members("landscape_package")) == ["get"]


def test_names_that_a_module_makes_lazily_are_listed_and_not_made(write: Write) -> None:
    name = write("""
        __all__ = ["heavy"]
        def __getattr__(name):
            raise SystemExit("user code was run")
    """)
    assert members(name) == {"heavy": {"name": "heavy", "kind": "lazy", "doc": None}}


def test_weird_objects_are_described_without_running_them(write: Write) -> None:
    found = members(
        write("""
        import functools

        def boom(*args, **kwargs):
            raise SystemExit("user code was run")

        class Meta(type):
            __getattr__ = boom
            __call__ = boom
            __repr__ = boom
            __instancecheck__ = boom

        class Evil(metaclass=Meta):
            __getattr__ = __getattribute__ = __repr__ = __call__ = __eq__ = __bool__ = __len__ = __iter__ = boom
            __hash__ = None
            __class__ = property(boom)
            __doc__ = property(boom)
            __signature__ = property(boom)
            __wrapped__ = property(boom)
            __module__ = property(boom)
            __dict__ = property(boom)

        class Plain:
            __getattr__ = __repr__ = boom

        evil = object.__new__(Evil)
        plain = Plain()

        class Caller:
            def __call__(self, a, b): pass
        caller = Caller()

        def function(a=evil, b=plain, c=[evil], d=Evil, e=float("nan"), f=10**5000, g=list(range(99))): pass
        def annotated(a: evil, b: Evil, c: "x" = None) -> plain: pass
        function.__doc__ = evil
        @functools.wraps(function)
        def wrapper(*args): pass
        @functools.lru_cache
        def cached(n): pass
        part = functools.partial(function, 1)
        lone = "\\ud800"
        def surrogate(a="\\ud800"): pass
        surrogate.__doc__ = "\\ud800"
        __all__ = [n for n in list(globals()) if not n.startswith("__") and n != "functools"]
        __all__ += [evil]
    """)
    )
    assert found["Evil"]["kind"] == "class"
    assert found["evil"]["kind"] == "function"  # it can be called
    assert found["plain"]["kind"] == "constant"
    assert [one["name"] for one in found["caller"]["parameters"]] == ["a", "b"]
    assert [one["name"] for one in found["cached"]["parameters"]] == ["n"]
    assert len(found["wrapper"]["parameters"]) == 7
    defaults = {one["name"]: one["default"] for one in found["function"]["parameters"]}
    assert defaults["b"] == "<landscape_sample.Plain>"
    assert defaults["e"] == "nan"
    assert defaults["f"] == "..."
    assert defaults["g"] == "[...]"
    assert found["function"]["doc"] is None
    assert found["annotated"]["returns"] == "<landscape_sample.Plain>"


def test_a_module_replaced_by_an_object_is_described_by_what_it_holds(write: Write) -> None:
    name = write("""
        import sys
        class Lazy:
            def __getattr__(self, name):
                raise SystemExit("user code was run")
        lazy = Lazy()
        lazy.answer = 42
        sys.modules[__name__] = lazy
    """)
    assert members(name) == {"answer": {"name": "answer", "kind": "constant", "doc": None, "type": "int"}}


def test_a_module_that_fails_to_import_is_described_from_its_source(write: Write) -> None:
    name = write('''
        def first(a):
            """Would be first."""
        class Second: pass
        def _third(): pass
        async def fourth(): pass
        raise RuntimeError("not today")
    ''')
    described = landscape.describe_module(name)
    assert described["error"]["class"] == "RuntimeError"
    assert described["error"]["message"] == "not today"
    assert "not today" in described["error"]["traceback"]
    assert [(one["name"], one["kind"], one["doc"]) for one in described["members"]] == [
        ("first", "function", "Would be first."),
        ("Second", "class", None),
        ("fourth", "function", None),
    ]
    packed.dumps(described)


@pytest.mark.parametrize(
    ("source", "class_name"),
    [
        ("import nothing_of_that_name", "ModuleNotFoundError"),
        ("raise SystemExit(3)", "SystemExit"),
        ("def broken(:", "SyntaxError"),
        ("x = 1\n\0", "SyntaxError"),
    ],
)
def test_every_way_to_fail_is_told(write: Write, source: str, class_name: str) -> None:
    described = landscape.describe_module(write(source))
    if "\0" in source:  # a ValueError before Python 3.12
        class_name = described["error"]["class"]
    assert described["error"]["class"] == class_name
    assert described["members"] == []


def test_a_module_that_is_not_there_is_not_found() -> None:
    described = landscape.describe_module("no_module_of_this_name")
    assert described["error"]["kind"] == "not_found"
    assert described["members"] == []


def test_unknown_options_are_refused() -> None:
    for options in ({"import": True}, ["imports"]):
        with pytest.raises(CallFailed, match="options are"):
            landscape.describe_module("json", options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["json", "math", "os", "random", "collections", "asyncio", "decimal", "unittest.mock"])
def test_the_standard_library_has_the_parameters_that_inspect_sees(name: str) -> None:
    import importlib
    import inspect

    module = importlib.import_module(name)
    for member, described in members(name).items():
        if described["kind"] == "constant" or (name, member) == ("unittest.mock", "call"):
            continue
        try:
            seen = [
                (one.name, one.kind.name.lower())
                for one in inspect.signature(getattr(module, member)).parameters.values()
            ]
        except (ValueError, TypeError):
            seen = None
        told = described["parameters"]
        assert (None if told is None else [(one["name"], one["kind"]) for one in told]) == seen, member


def test_methods_lose_their_first_parameter() -> None:
    class Some:
        def method(self, a: int) -> None: ...

        def loose(*args: int) -> None: ...

    assert [one["name"] for one in parameters_of(Some().method) or ()] == ["a"]
    assert [one["name"] for one in parameters_of(Some().loose) or ()] == ["args"]


def test_plain_python_is_described_without_importing_inspect() -> None:
    code = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from bascule.workers import landscape
assert not {{"inspect", "dataclasses", "typing", "json", "ast"}} & set(sys.modules), "before"
described = landscape.describe_module("textwrap")
assert len(described["members"]) == 6 and described["members"][1]["parameters"], described
assert not {{"inspect", "dataclasses", "ast"}} & set(sys.modules), "after"
"""
    subprocess.run([sys.executable, "-I", "-c", code], check=True)


def test_every_supported_interpreter_describes_a_module_alike(
    interpreters: dict[tuple[int, int], str], write: Write, tmp_path: Path
) -> None:
    write(SAMPLE)
    code = f"""
import json, sys
sys.path[:0] = [{str(ROOT)!r}, {str(tmp_path)!r}]
from bascule.workers import landscape
described = landscape.describe_module("landscape_sample")
json.dump([described["members"], [m["name"] for m in landscape.describe_module("math")["members"]][:3]], sys.stdout)
"""
    told = {
        version: json.loads(subprocess.run([python, "-I", "-c", code], check=True, capture_output=True).stdout)
        for version, python in interpreters.items()
    }
    expected = [landscape.describe_module("landscape_sample")["members"], ["acos", "acosh", "asin"]]
    assert told == dict.fromkeys(told, expected)
