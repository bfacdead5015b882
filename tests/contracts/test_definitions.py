"""Reading definition files: what is taken, what is refused, and where the error is said to be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bascule.bridge.contracts import names
from bascule.bridge.contracts.loading import Loaded, load_folder, load_texts
from bascule.bridge.contracts.meanings import Mode
from bascule.bridge.contracts.schema import Builtin, Enum, Foreign, Record, Ref, Type
from bascule.bridge.contracts.sources import Severity

CASES = Path(__file__).with_name("gugugu") / "cases"
EXTENDED = "{-# EXTENDED #-}\nmodule A where\n"
HEAD = "module A where\n"


def load(text: str, **more: str) -> Loaded:
    return load_texts({"A": text, **more})


def errors(text: str, **more: str) -> list[str]:
    return [str(each) for each in load(text, **more).diagnostics if each.severity is Severity.ERROR]


def test_a_module_becomes_records_enums_foreign_types_and_functions() -> None:
    schema = load(
        "module A where\n\n-- | A book.\n-- Of paper.\ndata Book = Book { id :: Int32, authors :: List String }\n"
        "data Color = Red | DarkGreen\ndata Time {-# FOREIGN python datetime.datetime #-}\n"
        "findIt :: Maybe Book -> IO (List Color)\n"
    ).require()
    book, color, time = schema.modules["A"].definitions
    assert isinstance(book, Record)
    assert book.doc == "A book.\nOf paper."
    assert [(each.wire, each.type) for each in book.fields] == [
        ("id", Type(Builtin.INT32)),
        ("authors", Type(Builtin.LIST, (Type(Builtin.STRING),))),
    ]
    assert isinstance(color, Enum)
    assert [each.wire for each in color.members] == ["RED", "DARK_GREEN"]
    assert isinstance(time, Foreign)
    assert time.targets == {"python": "datetime.datetime"}
    (function,) = schema.modules["A"].functions
    assert (function.wire, function.argument) == ("find_it", Type(Builtin.MAYBE, (Type(Ref("A", "Book")),)))


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("module A where\ndata X = X { a :: Foo }\n", "A.pg:2:19", "cannot resolve type: Foo"),
        ("module A where\nimport Nowhere\n", "A.pg:2:1", "cannot resolve module: Nowhere"),
        ("module A where\ndata X = X { a :: Int32 }", "A.pg:2:26", "end with a line break"),
        ("module A where\n  data X = P\n", "A.pg:3:1", "first column"),
        ("module A where\ndata X = P\n  -- the end", "A.pg:3:13", "only empty lines"),
        ("module A where\ndata X = P | Q { a :: Int32 }\n", "A.pg:2:14", "EXTENDED"),
        ("module A where\ndata X = X { a :: Maybe }\n", "A.pg:2:19", "Maybe is applied to one type, not to 0"),
        ("module A where\ndata X = X { a :: List List Int32 }\n", "A.pg:2:24", "List is applied to one type"),
        ("module A where\ndata X = P\ndata X = Q\n", "A.pg:3:1", "X is the name of another type"),
        ("module A where\ndata X = X { ab :: Int32, ab :: Int32 }\n", "A.pg:2:27", "another field of X"),
        ("module A where\ndata X = X { aB :: Int32, a_b :: Int32 }\n", "A.pg:2:27", "same name when they are renamed"),
        ("module A where\ndata X = P | P\n", "A.pg:2:14", "another member of X"),
        ("module A where\nf :: Int32 -> IO Unit\nf :: Int32 -> IO Unit\n", "A.pg:3:1", "another function"),
        (
            f"{EXTENDED}data S = P {{ a :: Int32 }} | Q\ndata SP = SP {{ a :: Int32 }}\n",
            "A.pg:3:10",
            "the case P of S gets",
        ),
        (f"{EXTENDED}data S = P {{ a :: Int32 }} | Q\ndata SCodec = R\n", "A.pg:3:1", "and so does the type SCodec"),
        (
            f"{EXTENDED}data S = TP {{ a :: Int32 }} | Q\ndata ST = P {{ a :: Int32 }} | Q\n",
            "A.pg:4:11",
            "the case TP of S",
        ),
        ("module A where\ndata T {-# FOREIGN python a.b #-}\ndata TCodec = P\n", "A.pg:2:1", "gets the name TCodec"),
        (f"{EXTENDED}data E = P\nf :: Unit -> IO Unit raises E\n", "A.pg:4:29", "raises records, and E is none"),
        (f"{EXTENDED}data E\nf :: Unit -> IO Unit raises E\n", "A.pg:4:29", "raises records, and E is none"),
        ("module A where\ndata AModule = P\nf :: AModule -> IO Unit\n", "A.pg:1:8", "gets the name AModule"),
        ("module A where\nf :: Int32 -> Int32\n", "A.pg:2:15", "IO"),
        ("module A where\nf :: Int32 -> Int32 -> IO Int32\n", "A.pg:2:21", "one argument"),
        ("module A where\ndata X = X { a :: (Int32) }\n", "A.pg:2:19", "begins with a name"),
        ("module A where\ndata X = X { }\n", "A.pg:2:14", "a field's name"),
        ("module A where\ndata X {-# FOREIGN python a.b\n", "A.pg:2:8", "not closed"),
        ("module A where\ndata X {-# INLINE #-}\n", "A.pg:2:9", "the only pragma"),
        ("module A where\ndata X = é\n", "A.pg:2:10", "Lexical error"),
        ("module A where\nf :: Int32 -> IO Int64\n", "A.pg:2:18", "EXTENDED"),
        ("module A where\n{-# EXTENDED #-}\n", "A.pg:2:1", "stands before 'module'"),
        ("module A where\ndata X {-# FOREIGN python é #-}\n", "A.pg:2:27", "'é' has no place"),
        ("module A where\ndata X {-# FOREIGN a b c #-}\n", "A.pg:2:24", "'c' is one more"),
        ("module A where\ndata X {-# FOREIGN a #-}\n", "A.pg:2:22", "the name of the type in that language"),
        (f"{EXTENDED}data X = X {{ a :: Int32 = {'9' * 9999} }}\n", "A.pg:3:27", "at most 1000 digits"),
        (f"{EXTENDED}data X = X {{ a :: Double = {'9' * 999} }}\n", "A.pg:3:28", "this default is no Double"),
        (f"{EXTENDED}data X = X {{ a :: Double = 1e999 }}\n", "A.pg:3:28", "this default is no Double"),
        (f"{EXTENDED}data X a a = X {{ b :: a }}\n", "A.pg:3:1", "two parameters of X have one name"),
        (f'{EXTENDED}data X = X {{ a :: String = "\\q" }}\n', "A.pg:3:28", "an escape that is not known"),
        (f"{EXTENDED}data P a = P {{ x :: Maybe b }}\n", "A.pg:3:27", "b is no parameter of P"),
        (f"{EXTENDED}type P a = Map a b\n", "A.pg:3:18", "b is no parameter of P"),
        (f"{EXTENDED}data E = E {{ a :: Bool }}\nf :: Unit -> IO Unit raises E, E\n", "A.pg:4:32", "raises E twice"),
        ("module A where\ncontract__ :: Unit -> IO Unit\n", "A.pg:2:1", "tells its contract by"),
        (f"{EXTENDED}type X = Y\ntype Y = X\n", "A.pg:4:10", "stands for itself"),
    ],
)
def test_an_error_names_its_place_and_its_remedy(text: str, place: str, words: str) -> None:
    found = errors(text)
    assert any(each.startswith(f"{place}: ") and words in each for each in found), found


def test_one_run_tells_of_several_errors() -> None:
    found = errors("module A where\ndata x = P\ndata Y = Y { }\ndata Z = Z { a :: Int32 }\nf ::\n")
    assert [each.split(":")[1] for each in found] == ["2", "3", "5"]


def test_an_error_is_shown_with_its_line_and_a_caret() -> None:
    (problem,) = load("module A where\ndata X = X { a :: Foo }\n").diagnostics
    assert problem.show().splitlines()[1:] == [
        "    2 | data X = X { a :: Foo }",
        "      |                   ^^^",
    ]


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.glob("e_*") if path.name != "e_no_pragma"))
def test_every_malformed_case_is_told_with_file_and_line(case: str) -> None:
    loaded = load_folder(CASES / case / "in")
    assert loaded.schema is None
    assert all(problem.line for problem in loaded.diagnostics)


def test_layout_is_gugugus() -> None:
    assert load("module A where data X = P\n               data Y = Q\n               ").schema is not None
    assert load("module A where\n").schema is not None
    assert load("module A where").schema is not None
    assert load("module A where\r\ndata X = P\r\n").schema is not None
    assert errors("module A where\ndata X = P\n| Q\n")  # a first column begins the next definition


def test_pragmas_have_words_of_their_own() -> None:
    text = "module A where\ndata X\n  {-#\n  FOREIGNpython a.b -- said here\n #-}\n  {-# FOREIGN rust c::D<#-}> #-}\n"
    (found,) = load(text).require().modules["A"].definitions
    assert isinstance(found, Foreign)
    assert found.targets == {"python": "a.b", "rust": "c::D<#-}>"}


def test_the_words_of_a_pragma_may_look_like_another_one() -> None:
    for words in (("python", "a{-#b"), ("{-#", "FOREIGN"), ("{-#a", "{-#"), ("a#-}b", "#-}b")):
        text = f"module A where\ndata X {{-# FOREIGN {' '.join(words)} #-}}\ndata Y = P\n"
        found = load(text).require().modules["A"].definitions
        assert isinstance(found[0], Foreign)
        assert (found[0].targets, len(found)) == (dict([words]), 2)


def test_layout_does_not_look_into_pragmas() -> None:
    schema = load("module A where\ndata X {-# FOREIGN\npython -- in the first column\na.b\n#-}\ndata Y = P\n").require()
    assert [each.ref.name for each in schema.modules["A"].definitions] == ["X", "Y"]
    assert any("the only pragma" in each for each in errors("module A where\ndata X {-#FOREIGN python a.b #-}\n"))


@pytest.mark.parametrize("functions", [True, False], ids=["with a service", "without one"])
def test_that_a_function_gives_an_io_is_always_looked_at(functions: bool, tmp_path: Path) -> None:
    (tmp_path / "A.pg").write_text("module A where\nf :: Foo -> Int32\n")
    loaded = load_folder(tmp_path, mode=Mode(lenient=True, functions=functions))
    assert ["IO" in each.message for each in loaded.diagnostics] == ([False, True] if functions else [True])


def test_of_two_types_with_one_name_gugugu_knows_the_first(tmp_path: Path) -> None:
    (tmp_path / "A.pg").write_text("module A where\ndata X = P\ndata X {-# FOREIGN python a.b #-}\n")
    schema = load_folder(tmp_path, mode=Mode(lenient=True)).require()
    assert isinstance(schema.definition(Ref("A", "X")), Enum)


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "A.pg").symlink_to("nowhere")
    (tmp_path / "B.pg").symlink_to("B.pg")
    os.mkfifo(tmp_path / "C.pg")
    (tmp_path / "round").symlink_to(tmp_path)
    assert ["no file" in each.message for each in load_folder(tmp_path).diagnostics] == [True] * 3


def test_names_hide_each_other_local_first_then_imported_then_builtin() -> None:
    schema = load(
        "module A where\nimport B\nimport C\ndata Bool = Yes\n"
        "data X = X { a :: Bool, b :: Int32, c :: T, d :: Double }\n",
        B="module B where\ndata Int32 = Other\ndata T = InB\n",
        C="module C where\ndata T = InC\nimportant :: T -> IO T\n",
    ).require()
    record = schema.modules["A"].definitions[1]
    assert isinstance(record, Record)
    targets = [each.type.target for each in record.fields]
    assert targets == [Ref("A", "Bool"), Ref("B", "Int32"), Ref("C", "T"), Builtin.DOUBLE]


def test_imports_may_go_round_and_are_not_transitive() -> None:
    schema = load(
        "module A where\nimport A\nimport B\ndata X = X { b :: Maybe Y }\n",
        B="module B where\nimport A\ndata Y = Y { a :: Maybe X }\n",
    )
    assert schema.schema is not None
    assert any("import itself" in each.message for each in schema.diagnostics)
    found = errors(
        "module A where\nimport B\ndata X = X { z :: Z }\n",
        B="module B where\nimport C\ndata Y = Y { z :: Z }\n",
        C="module C where\ndata Z = P\n",
    )
    assert found == ["A.pg:3:19: error: cannot resolve type: Z; it is defined in C, which is not imported"]


def test_an_unused_import_is_a_warning() -> None:
    loaded = load("module A where\nimport B\ndata X = P\n", B="module B where\n")
    assert [str(each) for each in loaded.diagnostics] == ["A.pg:2:1: warning: nothing of B is used"]
    assert loaded.schema is not None


def test_what_gugugu_took_is_only_a_warning_for_its_own_command(tmp_path: Path) -> None:
    (tmp_path / "A.pg").write_text("module A where\ndata X = X { class :: Int32 }\ndata X = P\nf :: Foo -> IO Int32\n")
    loaded = load_folder(tmp_path, mode=Mode(lenient=True, functions=False))
    assert loaded.schema is not None
    assert {each.severity for each in loaded.diagnostics} == {Severity.WARNING}


def test_a_file_in_a_sub_folder_has_no_name(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "A.pg").write_text("module A where\n")
    (problem,) = load_folder(tmp_path).diagnostics
    assert "sub.A" in problem.message


@pytest.mark.parametrize(
    ("name", "snake"),
    [
        ("HTTPServer2Config", "http_server2_config"),
        ("aB1C2", "a_b1_c2"),
        ("endsWithABC1", "ends_with_ab_c1"),
        ("endsWithABC", "ends_with_abc"),
        ("X509", "x509"),
        ("foo_Bar", "foo__bar"),
        ("AX", "ax"),
        ("_lead", "_lead"),
        ("trailing_", "trailing_"),
    ],
)
def test_names_are_split_where_gugugu_splits_them(name: str, snake: str) -> None:
    assert names.snake(name) == snake
    assert names.upper_snake(name) == snake.upper()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEAD + "data X = X { a :: " + "List (" * 100_000 + "Int32" + ")" * 100_000 + " }\n", "nested deeper"),
        (HEAD + "data X = X { a :: List " + "(" * 100_000 + "\n", "begins with a name"),
        (HEAD + "f :: A" + " -> A" * 100_000 + "\n", "one argument"),
        (HEAD + "x" * 1_000_000 + "\n", "expected '::'"),
        (HEAD + "data " + "X" * 1_000_000 + " { }\n", "'{' does not belong here"),
        ("\0" * 100_000, "U+0000"),
        (HEAD + "é\n" * 100_000, "more than 100 errors"),
        (HEAD + "data X {-# FOREIGN " * 20_000 + "\n", "not closed"),
        (HEAD + "data X {-# FOREIGN a\n" * 20_000 + "\n", "not closed"),
        (HEAD + "data X {-# FOREIGN {-# {-# FOREIGN a\n" * 20_000 + "\n", "not closed"),
        (HEAD + "data X {-# FOREIGN a {-#\n" * 20_000 + "\n", "not closed"),
        (HEAD + "".join(f"data X{i} = X{i} {{ a :: Foo{i} }}\n" for i in range(10_000)), "cannot resolve type: Foo0"),
        (
            EXTENDED + "".join(f"type X{i} = X{i + 1}\n" for i in range(1000)) + "type X1000 = Int32\n",
            "more than 100 others",
        ),
        (
            EXTENDED + "data D a b = D { x :: a, y :: b }\ntype X0 = Int32\n"
            "" + "".join(f"type X{i + 1} = D X{i} X{i}\n" for i in range(60)),
            "grows without end",
        ),
        (EXTENDED + 'data X = X { a :: String = "' + "a\\" * 100_000 + "\n", "expected a default"),
    ],
    ids=lambda text: text[-20:].strip() if len(text) < 60 else "",
)
@pytest.mark.timeout(60)
def test_hostile_files_get_a_located_error_that_fits_a_screen(text: str, words: str) -> None:
    problems = load(text).diagnostics
    assert any(words in each.message for each in problems)
    assert all(each.line and len(each.show()) < 1000 for each in problems)


def test_what_a_file_says_can_not_be_taken_for_the_terminals_commands() -> None:
    shown = load("module A where\ndata X = \x1b[2JP\n").diagnostics[0].show()
    assert "\x1b" not in shown
    assert "data X = \ufffd[2JP" in shown


def test_of_a_long_line_what_is_around_the_place_is_shown() -> None:
    many = ", ".join(f"field{number} :: Int32" for number in range(200))
    (problem,) = load(f"module A where\ndata X = X {{ {many}, last :: Foo }}\n").diagnostics
    _, line, carets = problem.show().splitlines()
    assert len(line) < 250
    at = carets.index("^")
    assert line[at : at + 3] == "Foo"


@pytest.mark.parametrize(
    "text",
    [
        f"module A where\ndata X = X {{ {'a' * 2000} :: Int32 }} -- a comment\n",
        f"module A where\ndata X = X {{ {'aB1_' * 500} :: Int32, b :: Bool }} {{-# and\n",
        "\n \t" * 2000 + "module A where\n",
        "-- " + "-" * 4000 + "\nmodule A where\n",
        " " * 4000 + "--" * 2000,
    ],
    ids=["a long name", "a long name before what is no word", "blank lines", "a line of dashes", "a comment alone"],
)
@pytest.mark.timeout(30)  # what is tried in every way that it can be cut takes longer than the world has been there
def test_long_names_and_comments_are_read_once(text: str) -> None:
    loaded = load(text)
    assert all(each.severity is Severity.ERROR for each in loaded.diagnostics)
