"""Names are followed from file to file, and the landscape says what a module offers, with nothing imported."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from bascule.bridge.sketch import NoSuchModule, matching, public, sketch, sketch_all
from bascule.bridge.sketch.model import Alias, Class, Constant, Function, Parameter, ParameterKind

Write = Callable[[dict[str, str]], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write files into a folder where modules are found."""
    monkeypatch.chdir(tmp_path)

    def make(files: dict[str, str]) -> Path:
        for name, source in files.items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(textwrap.dedent(source))
        return tmp_path

    return make


def names(what: str, **options: bool) -> list[str]:
    return [one.name for one in public(sketch(what), **options)]


PACKAGE = {
    "pack/__init__.py": """
        import os
        from json import dumps
        from .api import get, _hidden
        from . import api, models
        from .models import *
        from .far import away
        LIMIT = 3
        _secret = 4
        also = get
        """,
    "pack/api.py": 'def get(url, **options):\n    """Gets it."""\ndef _hidden(): ...\n',
    "pack/models.py": "__all__ = ['Model', 'Late']\nfrom .late import *\nclass Model: ...\nclass Hidden: ...\n",
    "pack/late.py": "class Late: ...\nclass Later: ...\n",
    "pack/far/__init__.py": "from .deep import away\n",
    "pack/far/deep.py": "from pack.far.deeper import away as away\n",
    "pack/far/deeper.py": "def away(distance=1): ...\n",
    "pack/broken.py": "def (:\n",
}


def test_a_package_offers_what_is_defined_in_it_and_below_it(write: Write) -> None:
    write(PACKAGE)
    assert names("pack") == ["get", "away", "LIMIT", "also", "Model", "Late"]
    assert "dumps" in names("pack", imports=True)
    assert {"_secret", "_hidden"} < set(names("pack", private=True))
    assert not set(sys.modules) & {"pack", "pack.api"}


def test_what_is_given_a_type_of_its_own_is_a_constant_whatever_else_has_its_value(write: Write) -> None:
    write(
        {
            "typed.py": """
                import sys
                from string import digits
                class Thing: ...
                def work(): ...
                FIRST = 1
                SECOND: int = FIRST
                PLATFORM: str = sys.platform
                DIGITS: "str" = digits
                KIND: type[Thing] = Thing
                DOES: object = work
                """
        }
    )
    module = sketch("typed")
    declared = [module.member(name) for name in ("SECOND", "PLATFORM", "DIGITS")]
    assert declared == [
        Constant("SECOND", "int", "FIRST", line=7),
        Constant("PLATFORM", "str", "sys.platform", line=8),
        Constant("DIGITS", '"str"', "digits", line=9),
    ]
    assert {"SECOND", "PLATFORM", "DIGITS", "KIND", "DOES"} < set(names("typed"))
    others = [module.member(name) for name in ("KIND", "DOES")]
    assert [type(one.meant) for one in others if isinstance(one, Alias)] == [Class, Function]


def test_a_name_is_followed_to_where_it_is_defined(write: Write) -> None:
    write(PACKAGE)
    module = sketch("pack")
    away = module.member("away")
    assert isinstance(away, Alias)
    assert away.target == "pack.far.deeper.away"
    assert isinstance(away.meant, Function)
    assert away.meant.parameters == (Parameter("distance", default="1"),)
    also = module.member("also")
    assert isinstance(also, Alias)
    assert also.target == "pack.api.get"
    system = sketch("pack", imports=True).member("os")
    assert isinstance(system, Alias)
    assert system.of_module


def test_submodules_are_named_but_are_no_members(write: Write) -> None:
    write(PACKAGE)
    assert sketch("pack").submodules == ("api", "broken", "far", "late", "models")


def test_names_that_go_in_circles_end(write: Write) -> None:
    write(
        {
            "one.py": "from two import x, y\nfrom two import *\nimport two\n__all__ = ['x', 'z'] + two.__all__\n"
            "class C(C): ...\n",
            "two.py": "from one import x\nfrom one import *\nimport one\n__all__ = ['y'] + one.__all__\n",
        }
    )
    assert names("one") == ["x", "y"]
    assert names("two") == ["x", "z"]


def test_a_name_that_hides_the_module_it_comes_from_is_followed_into_that_module(write: Write) -> None:
    files = {"pack/__init__.py": "from .version import version as version\n", "pack/version.py": "version = 1\n"}
    files |= {"pack/deep.py": "from pack.deep.er import x\n"}
    write(files)
    (alias,) = sketch("pack").members
    assert isinstance(alias, Alias)
    assert alias.target == "pack.version.version"
    assert alias.meant is not None
    assert names("pack.deep") == []


def test_a_folder_is_read_whole_and_a_broken_file_spoils_no_other(write: Write) -> None:
    folder = write({**PACKAGE, ".hidden/x.py": "", "pack/__pycache__/y.py": "", "alone.py": "z = 1", "c.pyi": "q: int"})
    found = {module.name: module for module in sketch_all(folder)}
    assert sorted(found) == [
        "alone",
        "c",
        "pack",
        "pack.api",
        "pack.broken",
        "pack.far",
        "pack.far.deep",
        "pack.far.deeper",
        "pack.late",
        "pack.models",
    ]
    assert [name for name, module in found.items() if module.error] == ["pack.broken"]
    get = found["pack"].member("get")
    assert isinstance(get, Alias)
    assert get.meant is not None
    assert {module.name for module in sketch_all(folder / "pack" / "far")} == {
        "pack.far",
        "pack.far.deep",
        "pack.far.deeper",
    }


def test_a_file_is_named_as_it_is_imported(write: Write) -> None:
    folder = write(PACKAGE)
    assert sketch(folder / "pack" / "api.py").name == "pack.api"
    assert sketch(folder / "pack").name == "pack"
    away = sketch(folder / "pack" / "far" / "__init__.py").member("away")
    assert isinstance(away, Alias)
    assert away.meant is not None


def test_what_is_nowhere_is_said_to_be_nowhere(write: Write) -> None:
    write({})
    for what in ("no_such_module", "no/such/file.py", "json.nothing", "..", "json."):
        with pytest.raises(NoSuchModule, match="no file"):
            sketch(what)


def test_compiled_modules_say_that_there_is_no_source() -> None:
    assert "compiled" in (sketch("math").error or "")
    assert "compiled" in (sketch("sys").error or "")
    assert sketch("os").error is None  # frozen: there is a file all the same


def constructor(source: str, write: Write, name: str = "C") -> list[tuple[str, str, bool]] | None:
    write({"made.py": source})
    found = sketch("made").member(name)
    assert isinstance(found, Class)
    if found.parameters is None:
        return None
    return [(one.name, one.kind.value, one.required) for one in found.parameters]


PLAIN, KEYWORD = ParameterKind.POSITIONAL_OR_KEYWORD.value, ParameterKind.KEYWORD_ONLY.value


def test_a_dataclass_takes_its_fields(write: Write) -> None:
    source = """
        from dataclasses import dataclass, field, InitVar, KW_ONLY
        from typing import ClassVar
        import dataclasses
        @dataclasses.dataclass
        class Base:
            a: int
            b: str = "x"
        @dataclass(frozen=True, slots=True)
        class C(Base):
            count: ClassVar[int] = 0
            b: str = "y"
            c: list[int] = field(default_factory=list, repr=False)
            d: int = field(init=False, default=3)
            e: InitVar[int] = 1
            plain = 4
            _: KW_ONLY
            f: int
            g: int = field(default=2)
        """
    assert constructor(source, write) == [
        ("a", PLAIN, True),
        ("b", PLAIN, False),
        ("c", PLAIN, False),
        ("e", PLAIN, False),
        ("f", KEYWORD, True),
        ("g", KEYWORD, False),
    ]


def test_constructors_are_inherited_where_sources_tell(write: Write) -> None:
    source = """
        from typing import Generic, NamedTuple, TypeVar
        from collections import UserDict
        import abc
        T = TypeVar("T")
        class Base:
            def __init__(self, size, *, colour=None): ...
        class C(Generic[T], Base, abc.ABC): ...
        class Empty: ...
        class Point(NamedTuple):
            x: int
            y: int = 0
        class Theirs(UserDict): ...
        class Unknown(ValueError): ...
        """
    assert constructor(source, write) == [("size", PLAIN, True), ("colour", KEYWORD, False)]
    assert constructor(source, write, "Empty") == []
    assert constructor(source, write, "Point") == [("x", PLAIN, True), ("y", PLAIN, False)]
    assert [one[0] for one in constructor(source, write, "Theirs") or ()] == ["dict", "kwargs"]
    assert constructor(source, write, "Unknown") is None


def test_members_are_filtered_by_their_names_and_by_those_of_what_is_in_a_class(write: Write) -> None:
    source = "def get(): ...\nclass Session:\n    def get(self): ...\n    def put(self): ...\nclass Other: ...\n"
    write({"made.py": source})
    found = matching(public(sketch("made")), "get$")
    assert [one.name for one in found] == ["get", "Session"]
    assert isinstance(found[1], Class)
    assert [one.name for one in found[1].members] == ["get"]
    whole = matching(public(sketch("made")), "^Sess")
    assert isinstance(whole[0], Class)
    assert len(whole[0].members) == 2
