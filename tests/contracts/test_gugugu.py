"""Gugugu's own command, held against the real one: what it writes, what it says, and what its code does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bascule.bridge.cli.gugugu import main

GUGUGU = Path(__file__).with_name("gugugu")
COMMAND = f"{sys.executable} -m bascule.bridge.cli.gugugu"


def run(program: str, command: str) -> str:
    told = subprocess.run(
        [sys.executable, str(GUGUGU / program), "--cmd", command], capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stdout + told.stderr
    return told.stdout


def figures(text: str, row: str) -> list[tuple[int, int]]:
    """The pairs `n / m` of a row, one for each category that has it."""
    rows = [line.removeprefix(f"  {row}") for line in text.splitlines() if line.startswith(f"  {row} ")]
    return [(int(left), int(right)) for left, _, right in (row.partition("/") for row in rows)]


@pytest.mark.timeout(600)
def test_classic_output_and_exit_statuses_are_those_of_the_real_tool() -> None:
    told = run("compare.py", COMMAND)
    for row in ("files bytes", "runtime outline", "same set of files", "same log lines", "nothing written"):
        pairs = figures(told, row)
        assert pairs, row
        assert all(left == right for left, right in pairs), told
    located = figures(told, "message has file:line")
    assert located[0][0] == located[0][1], told


@pytest.mark.timeout(600)
def test_classic_code_behaves_as_the_real_tools_code_does() -> None:
    assert "0 failed" in run("behave.py", COMMAND)


NEEDED = ["-i", "in", "-o", "out", "-p", "lab"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "Missing: (-i|--input INPUT) (-o|--output OUTPUT) (-p|--package-prefix PACKAGE_PREFIX)"),
        (["-o", "out", "-i"], "The option `-i` expects an argument."),
        ([*NEEDED, "--input=other"], "Invalid option `--input=other'"),
        ([*NEEDED, "--with-codec", "--with-codec"], "Invalid option `--with-codec'"),
        ([*NEEDED, "--with-codec=yes"], "Invalid option `--with-codec=yes'"),
        ([*NEEDED, "--with-cod"], "Invalid option `--with-cod'"),
        ([*NEEDED, "-x"], "Invalid option `-x'"),
        ([*NEEDED, "stray"], "Invalid argument `stray'"),
        ([*NEEDED, "-"], "Invalid argument `-'"),
        ([*NEEDED, "--", "--version"], "Invalid argument `--version'"),
        ([*NEEDED, "--trans-func-code=camel", "--help"], "option --trans-func-code: unknown name transformer: camel"),
        ([*NEEDED, "--bogus", "--help"], "Invalid option `--bogus'"),
        ([*NEEDED, "--classic", "--modern"], "exclude each other"),
    ],
)
def test_a_wrong_command_line_is_told_with_the_usage_and_status_1(
    words: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 1
    printed = capsys.readouterr()
    assert told in printed.err
    assert "Usage: gugugu-python" in printed.err
    assert not printed.out
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [["--help", "--bogus"], ["-hx"], ["--version=1", "stray"], ["--help-transformers"]])
def test_help_and_version_are_answered_before_the_rest_is_read(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 0
    assert capsys.readouterr().out


@pytest.mark.parametrize(
    ("output", "before"), [("out", "out/"), ("./out", "./out/"), ("out/", "out/"), ("out//", "out//"), ("", "")]
)
def test_files_are_told_by_the_name_that_was_given(
    output: str, before: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "A.pg").write_text("module A where\n")
    assert main(["-i", "in", "--package-prefix=lab", "-o", output, "--"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told == [f"Writing file: {before}lab/{name}.py" for name in ("__init__", "a")]


def test_an_empty_prefix_puts_modules_at_the_root_and_no_definitions_are_an_empty_package(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["-i", str(tmp_path / "nowhere"), "-o", str(tmp_path / "out"), "-p", ""]) == 0
    assert "no definitions" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").rglob("*")] == ["__init__.py"]


def test_a_name_that_is_no_text_is_no_trouble(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    output = os.fsencode(tmp_path) + b"/o\xff"
    words = [*COMMAND.split(), "-i", str(tmp_path / "in"), "-o", output, "-p", "lab"]
    told = subprocess.run(words, capture_output=True, check=True)
    assert b"Writing file" in told.stdout
    assert Path(os.fsdecode(output), "lab", "__init__.py").exists()


FAULTY = "module A where\nimport B\ndata X = X { class :: Int32, f :: Maybe, f :: List Int32 Bool }\ndata X = P\n"


def test_what_only_we_find_fault_with_is_a_warning_for_classic_code_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "A.pg").write_text(FAULTY)
    (tmp_path / "B.pg").write_text("module B where\n")
    words = ["-i", str(tmp_path), "-o", str(tmp_path / "out"), "-p", "lab", "--with-server"]
    assert main([*words, "--modern"]) == 1
    assert "A.pg:3:35: error: Maybe is applied to one type, not to 0" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert main(words) == 0
    told = capsys.readouterr().err
    assert "A.pg:3:35: warning: Maybe is applied to one type, not to 0" in told
    assert "error:" not in told
    assert "class: int" in (tmp_path / "out" / "lab" / "a.py").read_text()


def test_an_output_that_is_a_file_is_told_and_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("mine")
    for output in (tmp_path / "file", tmp_path / "file" / "below"):
        assert main(["-i", str(tmp_path), "-o", str(output), "-p", "lab"]) == 1
        printed = capsys.readouterr()
        assert "nothing was changed" in printed.err
        assert not printed.out
    assert (tmp_path / "file").read_text() == "mine"
