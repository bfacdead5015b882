"""`bascule sketch` on the command line: every format, what it leaves out, and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import yaml
from pylaagu_readme import README_JSON, README_YAML

from bascule.bridge.sketch import public, sketch
from bascule.bridge.sketch.describing import as_landscape, module_data
from bascule.bridge.sketch.model import Parameter, ParameterKind
from bascule.bridge.sketch.writing import as_edn, signature
from bascule.protocols import edn

SAMPLE = '''
    """A sample.

    With more to say.
    """
    from typing import TypeAlias

    LIMIT: int = 3
    Text: TypeAlias = "str | bytes"

    def fetch(url: str, /, *parts, timeout: float = 1.5, **more) -> "bytes":
        """Fetches it.

        Args:
            url: From where. "Quoted" | barred.
        """

    async def soon(): ...

    class Ship(Vessel):
        """Floats."""

        tonnage: int = 0

        def __init__(self, name): ...

        @property
        def crew(self) -> int: ...

        def sail(self, to, *, by=None):
            """Sails."""

        def _hidden(self): ...

    def _private(): ...
'''


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    file = tmp_path / "sample.py"
    file.write_text(textwrap.dedent(SAMPLE))
    return file


def run(*arguments: object, cwd: Path | None = None, status: int = 0) -> str:
    command = [sys.executable, "-m", "bascule", "sketch", *map(str, arguments)]
    told = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert told.returncode == status, told.stderr
    return told.stdout if status == 0 else told.stdout + told.stderr


def test_json_has_everything(sample: Path) -> None:
    module = json.loads(run(sample, "--format", "json"))
    assert (module["module"], module["summary"], module["error"]) == ("sample", "A sample.", None)
    found = {one["name"]: one for one in module["members"]}
    assert list(found) == ["LIMIT", "Text", "fetch", "soon", "Ship"]
    fetch = found["fetch"]
    assert fetch["parameters"] == [
        {"name": "url", "kind": "positional_only", "annotation": "str", "doc": 'From where. "Quoted" | barred.'},
        {"name": "parts", "kind": "var_positional"},
        {"name": "timeout", "kind": "keyword_only", "default": "1.5", "annotation": "float"},
        {"name": "more", "kind": "var_keyword"},
    ]
    assert (fetch["kind"], fetch["returns"], fetch["summary"], fetch["line"]) == (
        "function",
        '"bytes"',
        "Fetches it.",
        11,
    )
    assert found["soon"]["coroutine"]
    ship = found["Ship"]
    assert (ship["bases"], ship["parameters"]) == (
        ["Vessel"],
        [{"name": "name", "kind": "positional_or_keyword"}],
    )
    assert [(one["name"], one["kind"]) for one in ship["members"]] == [
        ("tonnage", "field"),
        ("crew", "property"),
        ("sail", "method"),
    ]
    assert found["LIMIT"] | {"doc": 0, "summary": 0, "line": 0} == {
        "name": "LIMIT",
        "kind": "constant",
        "annotation": "int",
        "value": "3",
        "doc": 0,
        "summary": 0,
        "line": 0,
    }
    assert found["Text"]["kind"] == "type_alias"


def test_the_reference_page_has_every_key() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "sketch.md").read_text()
    keys: set[str] = set()

    def collect(data: object) -> None:
        if isinstance(data, dict):
            keys.update(data)
            for value in data.values():
                collect(value)
        elif isinstance(data, list):
            for one in data:
                collect(one)

    for name in ("functools", "dataclasses", "http.client", "statistics", "typing"):
        module = sketch(name)
        data = module_data(module, public(module))
        for one in data["members"]:
            one.pop("keywords", None)  # whose keys are a class's own
        collect(data)
    assert {key for key in keys if f"`{key}`" not in page} <= {"metaclass"}
    assert len(keys) > 25


def test_yaml_and_edn_say_what_json_says(sample: Path) -> None:
    module = json.loads(run(sample, "--format", "json"))
    assert yaml.safe_load(run(sample, "--format", "yaml")) == module
    read = edn.loads(run(sample, "--format", "edn").encode())
    assert read["module"] == "sample"
    assert [one["name"] for one in read["members"]] == [one["name"] for one in module["members"]]
    assert read["members"][2]["parameters"][0]["doc"] == 'From where. "Quoted" | barred.'


def test_edn_is_ascii_with_keywords_for_keys() -> None:
    assert as_edn({"of_instances": ['ü"', None, True, 3]}) == '{:of-instances ["\\u00fc\\"" nil true 3]}'


def test_text_reads_like_declarations(sample: Path) -> None:
    assert run(sample).split("\n", 1)[1] == textwrap.dedent(
        """\
            A sample.

        LIMIT: int = 3

        type Text = "str | bytes"

        def fetch(url: str, /, *parts, timeout: float = 1.5, **more) -> "bytes"
            Fetches it.

        async def soon()

        class Ship(name)  <- Vessel
            Floats.
            tonnage: int = 0
            property crew: int  (read only)
            def sail(to, *, by=None)
                Sails.
        """
    )


def test_markdown_is_a_page(sample: Path) -> None:
    page = run(sample, "--format", "markdown")
    assert page.startswith("# sample\n\nA sample.\n")
    assert "## Ship\n\n```python\nclass Ship(name)" in page
    assert "### sail\n\n```python\ndef sail(to, *, by=None)\n```\n\nSails." in page
    assert '| `url` | From where. "Quoted" \\| barred. |' in page


def test_the_pod_format_is_a_namespace_as_pods_describe_it(sample: Path) -> None:
    namespace = json.loads(run(sample, "--format", "pod"))
    assert namespace["name"] == "sample"
    fetch = next(one for one in namespace["vars"] if one["name"] == "fetch")
    meta = edn.loads(fetch["meta"].encode())
    assert meta["doc"].startswith("Fetches it.")
    assert meta["arglists"]
    metas = {one["name"]: edn.loads(one["meta"].encode()) for one in namespace["vars"]}
    assert (metas["LIMIT"]["doc"], metas["LIMIT"]["py/type"]) == ("The constant LIMIT, of type int.", "int")
    assert metas["Text"]["doc"] == "The constant Text."  # no literal: who knows what it is


def test_the_landscape_is_that_of_a_worker(sample: Path) -> None:
    module = sketch(sample)
    described = as_landscape(module, public(module))
    assert set(described) == {"module", "doc", "file", "members", "error"}
    kinds = {one["name"]: one["kind"] for one in described["members"]}
    assert kinds == {"LIMIT": "constant", "Text": "constant", "fetch": "function", "soon": "function", "Ship": "class"}
    ship = next(one for one in described["members"] if one["name"] == "Ship")
    assert [one["name"] for one in ship["parameters"]] == ["name"]


def test_constants_have_the_type_that_is_annotated_or_that_of_their_literal(tmp_path: Path) -> None:
    (tmp_path / "constants.py").write_text("A = -3\nB = {'x': [1]}\nC = len('abc')\nD: str = str(C)\n")
    module = sketch(tmp_path / "constants.py")
    types = {one["name"]: one["type"] for one in as_landscape(module, public(module))["members"]}
    assert types == {"A": "int", "B": "dict", "C": "?", "D": "str"}


def test_names_are_filtered_and_private_ones_shown_when_asked_for(sample: Path) -> None:
    def names(*options: str) -> list[str]:
        return [one["name"] for one in json.loads(run(sample, "--format", "json", *options))["members"]]

    assert names("--filter", "^fetch$|^Ship.sail") == ["fetch", "Ship"]
    assert "_private" in names("--private")
    assert names("--filter", "nothing at all") == []


@pytest.fixture
def as_in_the_readme(tmp_path: Path) -> Path:
    file = tmp_path / "meta.py"
    file.write_text(
        "import typing\n"
        "def extract_function_signatures(filepath: str, name_filter: typing.Callable = lambda x: True):\n    ...\n"
        "def _helper(x): ...\n"
    )
    return file


def test_the_classic_shape_is_the_readmes_to_the_letter(as_in_the_readme: Path) -> None:
    assert run(as_in_the_readme, "--classic") == README_JSON
    assert run(as_in_the_readme, "--classic", "--format", "json") == README_JSON
    assert run(as_in_the_readme, "--classic", "--format", "yaml") == README_YAML


def test_the_classic_shape_has_every_argument_with_a_name(sample: Path) -> None:
    found = {one["name"]: one for one in json.loads(run(sample, "--classic"))}
    assert list(found) == ["fetch", "soon"]
    assert found["fetch"] == {
        "name": "fetch",
        "type": "function",
        "args": [{"name": "url", "type": "str"}, {"name": "timeout", "type": "float"}],
        "returns": '"bytes"',
    }


def test_a_folder_is_a_list_and_a_broken_file_fails_but_hides_no_other(sample: Path) -> None:
    (sample.parent / "broken.py").write_text("def (")
    told = subprocess.run(
        [sys.executable, "-m", "bascule", "sketch", str(sample.parent), "--format", "json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 1
    assert "broken.py: line 1: not the syntax of this Python" in told.stderr
    found = {one["module"]: one for one in json.loads(told.stdout)}
    assert found["broken"]["error"] is not None
    assert len(found["sample"]["members"]) == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name a file, a module or a folder"),
        ([""], "name a file, a module or a folder"),
        (["json", "--diff", "a", "b"], "name a file, a module or a folder"),
        (["no_such_module"], "there is no file 'no_such_module', nor a module of that name"),
        (["json", "--filter", "("], "is no regular expression"),
        (["json", "--classic", "--format", "edn"], "--classic is written as json or yaml, not as edn"),
        (["--diff", "json", "json", "--classic"], "--diff is written as"),
        (["json", "--format", "xml"], "there is no 'xml'; allowed: text, json"),
    ],
)
def test_a_wrong_command_line_says_what_is_wrong(arguments: list[str], message: str) -> None:
    assert message in run(*arguments, status=2)


def test_a_folder_without_python_is_no_success(tmp_path: Path) -> None:
    assert "there is no Python file in '.' or below it" in run(".", cwd=tmp_path, status=1)
    assert run(".", "--format", "json", cwd=tmp_path, status=1).startswith("[]\n")


def test_what_is_no_python_says_so(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\x7fELF\x02\x01\x01\0\xff\xfe")
    assert "binary: not " in run("binary", cwd=tmp_path, status=1)


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    command = f"{sys.executable} -m bascule sketch argparse --format json | head -1"
    told = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert (told.stdout, told.stderr) == ("{\n", "")


def test_live_completes_what_the_source_says(tmp_path: Path, runtime_folder: Path, nothing_left: None) -> None:
    (tmp_path / "made.py").write_text(
        "def written(a: 'x' = 0x10): ...\nfor n in ('one', 'two'):\n    exec(f'def {n}(b, *, c=1): ...')\n"
        "class C:\n    def m(self): ...\nC.added = lambda self, x: x\ngone = 1\ndel gone\nprint('imported')\n"
    )
    told = json.loads(run("made.py", "--live", "--format", "json", cwd=tmp_path))
    found = {one["name"]: one for one in told["members"]}
    assert told["origin"] == "both"
    assert set(found) == {"written", "one", "two", "C", "n"}
    assert found["written"]["parameters"][0]["default"] == "0x10"
    assert [one["name"] for one in found["one"]["parameters"]] == ["b", "c"]
    assert [one["name"] for one in found["C"]["members"]] == ["m", "added"]


def test_live_tells_of_compiled_modules(runtime_folder: Path, nothing_left: None) -> None:
    assert "there is no source to read; --live" in run("math", status=1)
    told = json.loads(run("math", "--live", "--format", "json"))
    found = {one["name"]: one for one in told["members"]}
    assert told["origin"] == "live"
    assert [one["name"] for one in found["hypot"]["parameters"] or []] in ([], ["coordinates"])
    assert found["gcd"]["kind"] == "function"
    assert [one["name"] for one in found["sqrt"]["parameters"]] == ["x"]


def test_an_import_that_fails_or_kills_its_worker_is_told(
    tmp_path: Path, runtime_folder: Path, nothing_left: None
) -> None:
    (tmp_path / "raising.py").write_text("def f(): ...\nraise RuntimeError('no luck')\n")
    (tmp_path / "deadly.py").write_text("import os\ndef g(): ...\nos.abort()\n")
    (tmp_path / "well.py").write_text("def h(): ...\n")
    told = run(".", "--live", cwd=tmp_path, status=1)
    assert "raising could not be imported: RuntimeError: no luck" in told
    assert "deadly could not be imported" in told
    for one in ("def f()", "def g()", "def h()"):
        assert one in told


@pytest.mark.parametrize(
    ("parameters", "shown"),
    [
        ("a /", "f(a, /)"),
        ("a / b", "f(a, /, b)"),
        ("a * b", "f(a, *, b)"),
        ("*a b", "f(*a, b)"),
        ("a / * b **c", "f(a, /, *, b, **c)"),
        ("", "f()"),
    ],
)
def test_a_signature_is_written_as_python_has_it(parameters: str, shown: str) -> None:
    found: list[Parameter] = []
    kind = ParameterKind.POSITIONAL_OR_KEYWORD
    for word in parameters.split():
        if word == "/":
            found = [Parameter(one.name, ParameterKind.POSITIONAL_ONLY) for one in found]
        elif word == "*":
            kind = ParameterKind.KEYWORD_ONLY
        elif word.startswith("**"):
            found.append(Parameter(word[2:], ParameterKind.VAR_KEYWORD))
        elif word.startswith("*"):
            found.append(Parameter(word[1:], ParameterKind.VAR_POSITIONAL))
            kind = ParameterKind.KEYWORD_ONLY
        else:
            found.append(Parameter(word, kind))
    assert signature("f", tuple(found)) == shown


def test_sketching_needs_no_network_library_and_imports_nothing_of_the_module(tmp_path: Path) -> None:
    (tmp_path / "harmful.py").write_text("raise SystemExit('ran')\ndef f(): ...\n")
    environment = dict(os.environ, PYTHONPATH=str(tmp_path))
    command = [sys.executable, "-m", "bascule", "sketch", "harmful"]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (told.returncode, "def f()" in told.stdout) == (0, True), told
