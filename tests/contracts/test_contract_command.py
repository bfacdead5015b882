"""`bascule contract`: generating, checking, formatting, comparing."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from generated import EXTENDED, OTHER, SHOP

from bascule.bridge.cli.gugugu import main as gugugu
from bascule.bridge.cli.main import main
from bascule.bridge.contracts.formatting import format_text
from bascule.bridge.contracts.loading import load_texts

CASES = Path(__file__).with_name("gugugu") / "cases"


@pytest.fixture
def definitions(tmp_path: Path) -> Path:
    folder = tmp_path / "definitions"
    folder.mkdir()
    for name, text in (("Shop", SHOP), ("Plus", EXTENDED), ("Other", OTHER)):
        (folder / f"{name}.pg").write_text(text)
    return folder


def generate(definitions: Path, output: Path, *more: str) -> int:
    words = ["-i", str(definitions), "-o", str(output), "-p", "made", "--with-server", "--with-client", *more]
    return main(["contract", "generate", *words])


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_generating_again_changes_nothing_and_check_says_so(definitions: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    assert generate(definitions, output, "--check") == 1
    assert not output.exists()
    assert generate(definitions, output) == 0
    times = {path: path.stat().st_mtime_ns for path in output.rglob("*.py")}
    assert generate(definitions, output, "--check") == 0
    assert generate(definitions, output) == 0
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*.py")} == times


def test_a_package_that_python_could_not_import_is_refused(definitions: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["contract", "generate", "-i", str(definitions), "-o", str(tmp_path / "out"), "-p", "a shop"])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("wrong", [("-p", "class.x"), ("-p", "made", "-r", "made.lambda")])
def test_a_package_with_a_keyword_in_its_name_is_refused_in_modern_form(
    wrong: tuple[str, ...], definitions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (definitions / "Plus.pg").unlink()  # classic code has no form for it
    words = ["-i", str(definitions), "-o", str(tmp_path / "out"), *wrong]
    assert main(["contract", "generate", *words]) == 1
    assert re.search(r"can't be imported: (class|lambda) is a Python keyword", capsys.readouterr().err)
    assert gugugu([*words, "--modern"]) == 1
    assert "is a Python keyword" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert gugugu(words) == 0  # as Gugugu does it


def test_a_foreign_type_with_the_name_of_another_operation_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "Foreign.pg").write_text(
        "module Foreign where\ndata Date {-# FOREIGN python a.B #-}\ndata Enum {-# FOREIGN python a.B #-}\n"
    )
    assert main(["contract", "check", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert "Foreign.pg:3:1: error: Enum would be written by encode_enum, which codecs have for something else" in told
    assert "Date would" not in told


def test_options_are_not_abbreviated(definitions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["contract", "generate", "-i", str(definitions), "--out", str(tmp_path / "out")])
    with pytest.raises(SystemExit, match="2"):
        main(["contract", "check", "--ext", str(definitions)])
    assert "did you mean --extended?" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize(
    "command", ["contract check {0}", "contract generate -i {0} -o {1} -p made", "gugugu --version", "path"]
)
def test_output_that_cannot_be_written_is_a_clear_error(
    command: str, buffered: bool, definitions: Path, tmp_path: Path
) -> None:
    module, *words = command.format(definitions, tmp_path / "out").split()
    module, words = ("gugugu", words) if module == "gugugu" else ("main", [module, *words])
    environment = {**os.environ, "PYTHONUNBUFFERED": "" if buffered else "1"}
    with open("/dev/full", "w") as full:
        ran = subprocess.run(
            [sys.executable, "-m", f"bascule.bridge.cli.{module}", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
    assert ran.returncode == 1
    assert ran.stderr.strip().endswith("the output can't be written: No space left on device")
    assert "Traceback" not in ran.stderr and "ignored" not in ran.stderr


def test_a_reader_that_has_gone_is_told_nothing(definitions: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as nobody:
        words = ["-m", "bascule.bridge.cli.main", "contract", "check", str(definitions)]
        ran = subprocess.run([sys.executable, *words], stdout=nobody, stderr=subprocess.PIPE, text=True)
    assert (ran.returncode, ran.stderr) == (1, "")


def test_stale_files_go_and_what_others_made_or_changed_stays(definitions: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    output.mkdir()
    (output / "mine.py").write_text("x = 1\n")
    (definitions / "More.pg").write_text("module More where\ndata T = P\n")
    (definitions / "Most.pg").write_text("module Most where\ndata T = P\n")
    assert generate(definitions, output) == 0
    (output / "made" / "most.py").write_text("# changed by hand\n")
    (definitions / "More.pg").unlink()
    (definitions / "Most.pg").unlink()
    assert generate(definitions, output, "--check") == 1
    assert generate(definitions, output) == 0
    assert not (output / "made" / "more.py").exists()
    assert (output / "made" / "most.py").read_text() == "# changed by hand\n"
    assert (output / "mine.py").exists()


def test_a_failed_run_leaves_the_output_as_it_was(definitions: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    assert generate(definitions, output) == 0
    before = tree(output)
    (definitions / "Shop.pg").write_text(SHOP + "data Wrong = Wrong { a :: Nowhere }\n")
    assert generate(definitions, output) == 1
    assert tree(output) == before
    (definitions / "Shop.pg").write_text(SHOP.replace("title ", "titel "))
    (output / "made" / "plus.py").unlink()
    (output / "made" / "plus.py").mkdir()
    (output / "made" / "plus.py" / "in_the_way").write_text("")
    stopped = tree(output)
    assert generate(definitions, output) == 1
    assert tree(output) == stopped


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.glob("e_*")))
def test_a_malformed_case_writes_nothing(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate(CASES / case / "in", tmp_path / "out") == 1
    assert not (tmp_path / "out").exists()
    assert ".pg:" in capsys.readouterr().err


def test_classic_code_of_an_extended_file_is_refused(
    definitions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate(definitions, tmp_path / "out", "--classic") == 1
    assert "Plus.pg:1:1: error: classic code has no form" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_check_counts_and_complains(definitions: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["contract", "check", str(definitions)]) == 0
    assert capsys.readouterr().out == "3 modules, 12 types, 5 functions\n"
    (definitions / "Shop.pg").write_text("module Shop where\ndata X = X { a :: Foo }\n")
    assert main(["contract", "check", str(definitions)]) == 1
    assert "Shop.pg:2:19: error: cannot resolve type: Foo" in capsys.readouterr().err


MESSY = """\
-- About all of it.

-- | A module.
module   A   where
import B
-- Above.
data X=X{ab::Int32 -- its number
 ,c::List(Maybe String),
 -- | third
 longName::Bool}
data Y {-# FOREIGN python a.b #-} {-# FOREIGN rust c::d #-}
data Z = P|Q -- both


-- A line apart.

-- | Does it.
f::X->IO (Maybe Z)
-- The end.
"""

NEAT = """\
-- About all of it.

-- | A module.
module A where

import B

-- Above.
data X
  = X
    { ab       :: Int32 -- its number
    , c        :: List (Maybe String)
      -- | third
    , longName :: Bool
    }

data Y
  {-# FOREIGN python a.b #-}
  {-# FOREIGN rust   c::d #-}

data Z = P | Q -- both

-- A line apart.

-- | Does it.
f :: X -> IO (Maybe Z)

-- The end.
"""


def test_formatting_keeps_comments_and_meaning() -> None:
    assert format_text("A.pg", MESSY) == NEAT
    assert format_text("A.pg", NEAT) == NEAT


@pytest.mark.parametrize("text", [SHOP, EXTENDED, OTHER], ids=["Shop", "Plus", "Other"])
def test_what_is_formatted_means_the_same(text: str) -> None:
    texts = {"Shop": SHOP, "Plus": EXTENDED, "Other": OTHER}
    name = next(name for name, each in texts.items() if each == text)
    formatted = format_text(f"{name}.pg", text)
    assert format_text(f"{name}.pg", formatted) == formatted

    def shape(texts: dict[str, str]) -> str:
        module = load_texts(texts).require().modules[name]
        return str([(each.ref, each.doc) for each in module.definitions]) + str(
            [(each.name, each.argument, each.result, each.doc) for each in module.functions]
        )

    assert shape(texts) == shape({**texts, name: formatted})


def test_format_check_tells_and_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "A.pg"
    file.write_text(MESSY)
    assert main(["contract", "format", "--check", str(tmp_path)]) == 1
    assert file.read_text() == MESSY
    assert main(["contract", "format", str(tmp_path)]) == 0
    assert file.read_text() == NEAT
    assert main(["contract", "format", "--check", str(tmp_path)]) == 0


@pytest.mark.parametrize(
    ("change", "told", "status"),
    [
        (("count :: Int32", "count :: Int32"), "", 0),
        (("allBooks :: Unit -> IO (List Book)", ""), "Shop.all_books: the function is gone (breaks old clients)", 1),
        (
            ("price   :: Double", "price   :: String"),
            "price: it was Double and is String (breaks old and new clients)",
            1,
        ),
        (("Paperback |", "Paperback | Loose |"), "the member LOOSE is new (breaks old clients)", 1),
        (("note    :: Maybe String", "note    :: String"), "it may not be nothing any more (breaks new clients)", 1),
        (("findBook :: Int32", "findBook :: Maybe Int32"), "it may be nothing now (breaks new clients)", 1),
        (("findBook :: Int32", "findBook :: Double"), "it was Int32 and is Double (breaks new clients)", 1),
        (("-- | Find a book.", "-- | Look for a book."), "", 0),
    ],
)
def test_diff_tells_what_breaks_whom(
    change: tuple[str, str], told: str, status: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in (("old", SHOP), ("new", SHOP.replace(*change))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Shop.pg").write_text(text)
    assert main(["contract", "diff", str(tmp_path / "old"), str(tmp_path / "new")]) == status
    assert told in capsys.readouterr().out


def test_a_module_in_the_place_of_the_run_time_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "Runtime.pg").write_text("module Runtime where\ndata T = P\n")
    assert generate(tmp_path, tmp_path / "out") == 1
    assert "Runtime.pg:1:8: error: made/runtime.py would be where the run time is" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert generate(tmp_path, tmp_path / "out", "--runtime-package=made.support") == 0


def test_json_schema_and_openapi_describe_what_goes_over_the_wire(definitions: Path, tmp_path: Path) -> None:
    for target, name in (("json-schema", "schema.json"), ("openapi", "openapi.json")):
        words = ["-i", str(definitions), "-o", str(tmp_path / target), "-t", target]
        assert main(["contract", "generate", *words]) == 0
        document = json.loads((tmp_path / target / name).read_text())
        book = (document.get("$defs") or document["components"]["schemas"])["Shop.Book"]
        assert book["required"][:3] == ["id", "title", "price"]
        assert book["properties"]["note"] == {"anyOf": [{"type": "string"}, {"type": "null"}]}
    assert "/shop/find_book" in document["paths"]


def test_openapi_tells_of_streams_errors_and_keys_of_extended_files(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name, text in (("Plus", EXTENDED), ("Other", OTHER)):
        (tmp_path / "in" / f"{name}.pg").write_text(text)
    assert main(["contract", "generate", "-i", str(tmp_path / "in"), "-o", str(tmp_path), "-t", "openapi"]) == 0
    document = json.loads((tmp_path / "openapi.json").read_text())
    shape, missing = ({"$ref": f"#/components/schemas/Plus.{name}"} for name in ("Shape", "Missing"))
    watch, find = (document["paths"][f"/plus/{name}"]["post"]["responses"] for name in ("watch", "find"))
    assert watch["200"]["content"] == {"text/event-stream": {"schema": shape}}
    assert find["200"]["content"] == {"application/json": {"schema": shape}}
    (declared,) = find["500"]["content"]["application/json"]["schema"]["oneOf"]
    assert declared["properties"]["raised"] == {"const": "Plus.Missing"}
    assert declared["properties"]["value"] == missing
    fields = document["components"]["schemas"]["Plus.Everything"]["properties"]
    assert fields["by_color"]["propertyNames"] == {"$ref": "#/components/schemas/Other.Color"}
    number = fields["by_number"]["propertyNames"]["pattern"]
    assert [bool(re.search(number, key)) for key in ("-5", "0", "05", "a")] == [True, True, False, False]
    assert "propertyNames" not in fields["counts"]


def test_watching_generates_again(definitions: Path, tmp_path: Path, nothing_left: None) -> None:
    output = tmp_path / "out"
    words = ["-i", str(definitions), "-o", str(output), "-p", "made", "--watch"]
    command = [sys.executable, "-m", "bascule", "contract", "generate", *words]
    environment = dict(os.environ, PYTHONUNBUFFERED="1")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert "wrote" in process.stdout.readline()
        (definitions / "Late.pg").write_text("module Late where\ndata T = P\n")
        while "late.py" not in (line := process.stdout.readline()):
            assert line
        assert (output / "made" / "late.py").exists()
        process.terminate()
    shutil.rmtree(output)
