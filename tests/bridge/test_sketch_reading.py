"""From source to values: what the reader of the landscape sees, and what it makes of files that are no modules."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from bascule.bridge.sketch.model import (
    Alias,
    Class,
    Constant,
    Field,
    Function,
    FunctionKind,
    Module,
    Origin,
    Parameter,
    ParameterKind,
    TypeName,
)
from bascule.bridge.sketch.reading import read_docstring, read_file, read_source


def read(source: str, name: str = "sample", *, package: bool = False, file: str = "sample.py") -> Module:
    module = read_source(textwrap.dedent(source), name, Path(file), package=package)
    assert module.error is None
    return module


def function(source: str, name: str = "f") -> Function:
    found = read(source).member(name)
    assert isinstance(found, Function)
    return found


def cls(source: str, name: str = "C") -> Class:
    found = read(source).member(name)
    assert isinstance(found, Class)
    return found


def test_parameters_have_their_kind_and_the_text_of_default_and_annotation() -> None:
    found = function(
        """
        def f(a, /, b: "int" = 0x10, *rest: str, c: Optional[str]  =  'x', d, **more: typing.Any) -> dict[str,int]: ...
        """
    )
    assert found.parameters == (
        Parameter("a", ParameterKind.POSITIONAL_ONLY),
        Parameter("b", ParameterKind.POSITIONAL_OR_KEYWORD, "0x10", '"int"'),
        Parameter("rest", ParameterKind.VAR_POSITIONAL, None, "str"),
        Parameter("c", ParameterKind.KEYWORD_ONLY, "'x'", "Optional[str]"),
        Parameter("d", ParameterKind.KEYWORD_ONLY),
        Parameter("more", ParameterKind.VAR_KEYWORD, None, "typing.Any"),
    )
    assert found.returns == "dict[str,int]"
    assert [one.name for one in found.parameters if one.required] == ["a", "d"]


def test_a_default_may_be_any_expression() -> None:
    found = function("def f(a=lambda x: x + 1, b={'é': [1, 2]}, c=(\n  1,\n  2,\n), d='ü', e=-1.5e3): ...")
    assert found.parameters is not None
    assert [one.default for one in found.parameters] == [
        "lambda x: x + 1",
        "{'é': [1, 2]}",
        "(1, 2)",
        "'ü'",
        "-1.5e3",
    ]


def test_columns_are_right_behind_letters_of_several_bytes_and_form_feeds() -> None:
    module = read("é = 'ß'; x = 'ü'\n\f\ndef f(a='ö', b=1): ...\n")
    assert module.member("x") == Constant("x", value="'ü'", line=1)
    found = module.member("f")
    assert isinstance(found, Function)
    assert found.parameters == (Parameter("a", default="'ö'"), Parameter("b", default="1"))


def test_coroutines_generators_and_decorators_are_told() -> None:
    source = """
        async def soon(): ...
        async def items():
            yield 1
        def numbers():
            x = [(yield)]
        def plain():
            def inner():
                yield 1
            return lambda: (yield)
        @cache
        @app.route("/x", methods=["GET"])
        def decorated(): ...
        """
    module = read(source)
    found = {name: one for name, one in module.walk() if isinstance(one, Function)}
    assert {name: (one.coroutine, one.generator) for name, one in found.items()} == {
        "soon": (True, False),
        "items": (True, True),
        "numbers": (False, True),
        "plain": (False, False),
        "decorated": (False, False),
    }
    assert found["decorated"].decorators == ("cache", 'app.route("/x", methods=["GET"])')
    assert found["decorated"].line == 13  # of the def, not of its decorators


def test_classes_have_bases_methods_properties_fields_and_classes() -> None:
    found = cls(
        '''
        @final
        class C(Base, Generic[T], metaclass=Meta):
            """It is one."""
            count: ClassVar[int] = 0
            label: str
            def __init__(self, size: int, colour="red"):
                self.size = size
                self.seen: bool = False
            @staticmethod
            def make(x): ...
            @classmethod
            def parse(cls, text: str) -> "C": ...
            @property
            def area(self) -> float: ...
            @area.setter
            def area(self, value): ...
            @functools.cached_property
            def slow(self): ...
            def grow(self, by=1): ...
            async def wait(self): ...
            __add__ = grow
            old = property(grow)
            class Inner:
                deep = 1
        '''
    )
    assert (found.bases, found.keywords, found.decorators) == (
        ("Base", "Generic[T]"),
        (("metaclass", "Meta"),),
        ("final",),
    )
    assert found.parameters == (Parameter("size", annotation="int"), Parameter("colour", default='"red"'))
    assert [(one.name, one.annotation, one.value, one.of_instances) for one in found.fields] == [
        ("count", "ClassVar[int]", "0", False),
        ("label", "str", None, True),
        ("size", None, "size", True),
        ("seen", "bool", "False", True),
    ]
    assert [(one.name, one.type, one.writable, one.cached) for one in found.properties] == [
        ("area", "float", True, False),
        ("slow", None, True, True),
        ("old", None, False, False),
    ]
    assert {one.name: one.kind for one in found.methods} == {
        "__init__": FunctionKind.METHOD,
        "make": FunctionKind.STATIC_METHOD,
        "parse": FunctionKind.CLASS_METHOD,
        "grow": FunctionKind.METHOD,
        "wait": FunctionKind.METHOD,
    }
    parse = found.member("parse")
    assert isinstance(parse, Function)
    assert parse.called_with == (Parameter("text", annotation="str"),)
    alias = found.member("__add__")
    assert isinstance(alias, Alias)
    assert alias.target == "sample.C.grow"
    inner = found.member("Inner")
    assert isinstance(inner, Class)
    assert isinstance(inner.member("deep"), Field)


def test_constants_type_aliases_and_other_names_are_told_apart() -> None:
    module = read(
        """
        import os.path
        from typing import TypeAlias
        LIMIT: int = 10_000
        A = B = None
        X, (Y, *Z) = 1, (2, 3)
        Path: TypeAlias = "str | bytes"
        def work(): ...
        also = work
        joined = os.path.join
        text = str
        double = lambda x, *, by=2: x * by
        """
    )
    assert module.member("LIMIT") == Constant("LIMIT", "int", "10_000", line=4)
    assert module.member("B") == Constant("B", value="None", line=5)
    assert [type(module.member(name)) for name in "XYZ"] == [Constant] * 3
    assert module.member("Path") == TypeName("Path", '"str | bytes"', line=7)
    targets = {one.name: one.target for one in module.members if isinstance(one, Alias)}
    assert targets == {
        "os": "os",
        "TypeAlias": "typing.TypeAlias",
        "also": "sample.work",
        "joined": "sample.os.path.join",
        "text": "builtins.str",
    }
    double = module.member("double")
    assert isinstance(double, Function)
    assert [one.name for one in double.parameters or ()] == ["x", "by"]


def test_overloads_stand_beside_the_function_that_they_are_of() -> None:
    source = """
        from typing import overload
        @overload
        def f(a: int) -> int: ...
        @overload
        def f(a: str, b: bool = ...) -> str: ...
        def f(a, b=None): ...
        """
    found = function(source)
    assert [one.name for one in found.parameters or ()] == ["a", "b"]
    assert [one.returns for one in found.overloads] == ["int", "str"]
    assert found.overloads[1].parameters[1] == Parameter("b", default="...", annotation="bool")


def test_a_stub_of_overloads_alone_is_a_function() -> None:
    source = """
        from typing import overload
        @overload
        def f(a: int) -> int: ...
        @overload
        def f(a: str) -> str: ...
        """
    found = read(source, file="sample.pyi")
    assert found.origin is Origin.STUB
    one = found.member("f")
    assert isinstance(one, Function)
    assert [overload.returns for overload in one.overloads] == ["int", "str"]


@pytest.mark.parametrize(
    ("condition", "chosen"),
    [
        ("sys.version_info >= (3, 8)", "yes"),
        ("sys.version_info < (3,)", "no"),
        ("sys.version_info[0] == 2", "no"),
        ("sys.platform == 'win32'", "no"),
        ("sys.platform.startswith('linux')", "yes"),
        ("os.name == 'nt' and cunning()", "no"),
        ("os.name == 'posix' or cunning()", "yes"),
        ("not sys.platform in ('win32', 'cygwin')", "yes"),
        ("__name__ == '__main__'", "no"),
        ("1", "yes"),
        ("cunning()", "yes"),  # nobody knows: the first wins
    ],
)
def test_of_two_branches_the_one_that_runs_is_read(condition: str, chosen: str) -> None:
    found = function(f"import os, sys\nif {condition}:\n    def f(yes): ...\nelse:\n    def f(no): ...\n")
    assert [one.name for one in found.parameters or ()] == [chosen]


def test_a_fallback_does_not_replace_what_it_falls_back_from() -> None:
    source = """
        try:
            from quick import f, g
            def h(quick): ...
        except ImportError:
            def f(slow): ...
            def h(slow): ...
            def only_here(): ...
        """
    module = read(source)
    assert isinstance(module.member("f"), Alias)
    found = module.member("h")
    assert isinstance(found, Function)
    assert [one.name for one in found.parameters or ()] == ["quick"]
    assert module.member("only_here") is not None


def test_what_only_type_checkers_see_is_marked() -> None:
    module = read("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from a import b\nelse:\n    c = 1\n")
    assert {one.name: one.runtime for one in module.members} == {"TYPE_CHECKING": True, "b": False, "c": True}


@pytest.mark.parametrize(
    ("source", "exports"),
    [
        ("__all__ = ['a', 'b']", ("a", "b")),
        ("__all__ = ('a',) + ('b',)", ("a", "b")),
        ("__all__ = ['a']\n__all__ += ['b']\n__all__.extend(['c'])\n__all__.append('d')", ("a", "b", "c", "d")),
        ("import x\n__all__ = ['a', *x.__all__] + x.y.__all__", ("a", "x.*", "x.y.*")),
        ("__all__ = []", ()),
        ("__all__ = [name for name in dir()]", None),
        ("__all__ = ['a']\n__all__ += made_up()", None),
        ("x = 1", None),
    ],
)
def test_all_is_read_or_known_not_to_be_readable(source: str, exports: tuple[str, ...] | None) -> None:
    assert read(source).exports == exports


def test_relative_imports_are_made_absolute() -> None:
    source = "from . import a\nfrom .b import c\nfrom ..d import *\nfrom .e import f as f\n"
    module = read(source, "top.pack.leaf")
    found = {one.name: (one.target, one.explicit) for one in module.members if isinstance(one, Alias)}
    assert found == {
        "a": ("top.pack.a", False),
        "c": ("top.pack.b.c", False),
        "f": ("top.pack.e.f", True),
    }
    assert module.wildcards == ("top.d",)
    package = read("from .b import c\n", "top.pack", package=True, file="__init__.py")
    (alias,) = package.members
    assert isinstance(alias, Alias)
    assert alias.target == "top.pack.b.c"


GOOGLE = """Does it.

Args:
    a: The first.
    b (int): The other.

Returns:
    What came out.

Raises:
    OSError: No."""
NUMPY = """Does it.

Parameters
----------
a
    The first.
b : int
    The other.

Returns
-------
str
    What came out.

Raises
------
OSError
    No."""
SPHINX = """Does it.

:param a: The first.
:param int b: The other.
:returns: What came out.
:raises OSError: No."""


@pytest.mark.parametrize("text", [GOOGLE, NUMPY, SPHINX], ids=["google", "numpy", "sphinx"])
def test_docstrings_of_three_styles_are_split(text: str) -> None:
    doc = read_docstring(text)
    assert doc.summary == "Does it."
    assert [(one.name, one.text) for one in doc.parameters] == [("a", "The first."), ("b", "The other.")]
    assert doc.parameters[1].type == "int"
    assert doc.returns == "What came out."
    assert [(one.name, one.text) for one in doc.raises] == [("OSError", "No.")]
    assert doc.text == text


def test_a_docstring_of_no_style_is_a_summary_and_a_text() -> None:
    doc = read_docstring("Title\n=====\n\nAnd :more.")
    assert (doc.summary, doc.parameters) == ("Title", ())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"def f(:\n", "line 1: not the syntax of this Python"),
        (b"x = 1\x00\n", "null bytes"),
        (b"# coding: klingon\n", "unknown encoding"),
        (b"x = '\xff'\n", "encoding"),
        (b"(" * 3000 + b")" * 3000, "too many nested parentheses"),
        (b"-" * 50_000 + b"1", "nested too deeply"),
    ],
    ids=["syntax", "null", "unknown encoding", "wrong encoding", "parentheses", "depth"],
)
def test_a_file_that_cannot_be_read_says_why(content: bytes, message: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.py"
    file.write_bytes(content)
    module = read_file(file, "bad")
    assert module.error is not None
    assert module.error.startswith(str(file))
    assert message in module.error
    assert module.members == ()


def test_a_file_in_another_encoding_is_read_as_it_says(tmp_path: Path) -> None:
    file = tmp_path / "latin.py"
    file.write_bytes("# coding: latin-1\ndef f(a='ü'): ...\n".encode("latin-1"))
    module = read_file(file, "latin")
    found = module.member("f")
    assert isinstance(found, Function)
    assert found.parameters == (Parameter("a", default="'ü'"),)


def test_nothing_is_imported_or_run(tmp_path: Path) -> None:
    file = tmp_path / "harmful.py"
    mark = tmp_path / "ran"
    file.write_text(f"open({str(mark)!r}, 'w')\nraise SystemExit(3)\ndef f(x=open({str(mark)!r}, 'w')): ...\n")
    assert read_file(file, "harmful").member("f") is not None
    assert not mark.exists()


def test_a_name_that_is_set_several_times_has_the_value_of_its_line() -> None:
    lines = ["class Many:"]
    for number in range(300):
        lines += [f"    name{number} = {len(lines) + 1}", "    def __init__(self, given=1):"]
        lines += [f"        self.name{number} = {len(lines) + 1}", "        if given:"]
        lines += [f"            self.other{number} = {len(lines) + 1}", "        else:"]
        lines += [f"            self.other{number} = {len(lines) + 1}"]
    module = read_source("\n".join(lines), "many", Path("many.py"))
    (many,) = module.members
    assert isinstance(many, Class)
    assert len(many.fields) == 600
    assert [(one.name, one.value) for one in many.fields if one.value != str(one.line)] == []


def test_a_field_whose_default_is_the_name_of_something_else_is_a_field() -> None:
    book = cls(
        """
        from dataclasses import dataclass

        class Binding:
            PAPERBACK = 1

        @dataclass
        class C:
            title: str
            binding: Binding = Binding.PAPERBACK
            key: object = lambda: 1
            other = Binding.PAPERBACK
            kind: ClassVar[type] = Binding
        """
    )
    assert [(one.name, one.annotation, one.value) for one in book.fields] == [
        ("title", "str", None),
        ("binding", "Binding", "Binding.PAPERBACK"),
        ("key", "object", "lambda: 1"),
    ]
    assert isinstance(book.member("other"), Alias)
    assert isinstance(book.member("kind"), Alias)
