"""What README and the documentation show is what happens: every snippet is run, page by page."""

from __future__ import annotations

import inspect
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

import bascule
from bascule.bridge.cli.main import COMMANDS
from bascule.bridge.client import Client, TrioClient
from tests.pages import RUN, PageError, Sitting, fits, snippets, transcript

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
RUNTIMES = {"erlang": ["erl", "erlc"], "elixir": ["elixir"]}
NOT_PACKAGED = {"lisp": "lfe", "clojure": "bb"}
"""Runtimes that Debian and PyPI do not have: their snippets run where somebody installed them."""


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_snippet_does_what_the_page_says(page: Path, tmp_path: Path, needs: Callable[..., None]) -> None:
    found = snippets(page.read_text())
    languages = {snippet.language for snippet in found if snippet.not_run is None}
    if not languages & set(RUN):
        return
    for language in sorted(languages & set(RUNTIMES)):
        needs(*RUNTIMES[language])
    with (
        tempfile.TemporaryDirectory(prefix="doc-", dir="/tmp") as runtime,  # a short name, since sockets are below it
        Sitting(tmp_path, _environment(tmp_path, Path(runtime))) as sitting,
    ):
        for snippet in found:
            if snippet.language not in RUN or snippet.not_run:
                continue
            if snippet.language in NOT_PACKAGED and shutil.which(NOT_PACKAGED[snippet.language]) is None:
                continue
            try:
                sitting.run(snippet)
            except PageError as error:
                pytest.fail(f"{page.relative_to(ROOT)}:{snippet.line}\n{error}", pytrace=False)


def _environment(home: Path, runtime: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("LANG", "LC_ALL", "CI") if name in os.environ}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return kept | {"PATH": path, "HOME": str(home), "XDG_RUNTIME_DIR": str(runtime), "TMPDIR": str(runtime)}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_what_is_not_run_is_known_by_its_language_or_says_why(page: Path) -> None:
    shown_only = {"text", "json", "ini", "toml", "yaml", "make", "{toctree}", "toctree", "mermaid", "xml"}
    for snippet in snippets(page.read_text()):
        assert snippet.language in {*RUN, *shown_only} or snippet.not_run, (
            f"{page.relative_to(ROOT)}:{snippet.line}: a block of language {snippet.language!r}: name one of {RUN}, "
            "or `text` for what is not to be run"
        )


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_line_page_has_every_option_of_every_command(command: str) -> None:
    page = (ROOT / "docs" / "reference" / "cli.md").read_text()
    (section,) = re.findall(rf"^## bascule {command}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    told = subprocess.run(
        [sys.executable, "-m", "bascule", command, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    options = r"(?<![\w-])--[a-z][a-z-]*"
    assert set(re.findall(options, section)) == set(re.findall(options, told.stdout)) - {"--help"}


# ---- The reader of pages itself ----------------------------------------------------------------------------------


def test_a_block_is_found_with_its_language_line_and_excuse() -> None:
    page = "a\n\n```sh\ntrue\n```\n\n<!-- not run: needs a GPU -->\n\n  ```python\n  x = 1\n\n  y\n  ```\n"
    first, second = snippets(page)
    assert (first.line, first.language, first.text, first.not_run) == (3, "sh", "true", None)
    assert (second.line, second.language, second.text, second.not_run) == (9, "python", "x = 1\n\ny", "needs a GPU")


def test_a_transcript_is_split_at_its_prompts() -> None:
    first, second = transcript("$ echo a \\\n> b\na b\n$ true", r"\$ ", r"> ")
    assert (first.text, first.expected) == ("echo a \\\nb", "a b")
    assert (second.text, second.expected) == ("true", None)


@pytest.mark.parametrize(
    ("expected", "actual", "same"),
    [
        ("a", "a\n", True),
        ("a", "b", False),
        ("a ... c", "a b c", True),
        ("a ... c", "a b\nc", False),
        ("a\n...\nd", "a\nb\nc\nd\n", True),
        ("a\n...\nd", "a\nd\n", True),
        ("...", "", True),
        ("a.c", "abc", False),
    ],
)
def test_dots_stand_for_anything(expected: str, actual: str, same: bool) -> None:
    assert fits(expected, actual) is same


def test_a_page_is_one_sitting(tmp_path: Path, needs: Callable[..., None], nothing_left: None) -> None:
    needs("erl", "elixir")
    page = (
        "```console\n$ export X=1; cd sub 2>/dev/null || echo none\nnone\n$ sleep 60 & echo started &\n```\n"
        "```python\n# made.py\nnine = 9\n```\n"
        "```python\nimport made\nx = made.nine\n```\n"
        "```python\n>>> x + 1\n10\n>>> def f():\n...     return 1\n"
        ">>> 1 / 0\nTraceback...\n...\nZeroDivisionError: ...\n```\n"
        '```erlang\n1> os:getenv("X").\n"1"\n2> lists:sum([1,\n   2]).\n3\n```\n'
        "```elixir\niex> 1 + 1\n2\n```\n"
    )
    environment = dict(os.environ)
    with Sitting(tmp_path, environment) as sitting:
        for snippet in snippets(page):
            sitting.run(snippet)
        (wrong,) = snippets("```console\n$ echo b\na\n```\n")
        with pytest.raises(PageError):
            sitting.run(wrong)
        (failing,) = snippets("```sh\nfalse\n```\n")
        with pytest.raises(PageError):
            sitting.run(failing)
        (raising,) = snippets("```python\n1 / 0\n```\n")
        with pytest.raises(PageError):
            sitting.run(raising)


@pytest.mark.parametrize("client", [Client, TrioClient])
def test_the_page_of_the_python_client_has_every_method_and_every_option(client: type) -> None:
    page = (ROOT / "docs" / "reference" / "python-client.md").read_text()
    public = {name: getattr(client, name) for name in dir(client) if not name.startswith("_")}
    missing = [name for name in public if not re.search(rf"`(?:client\.)?{name}\b", page)]
    for function in (bascule.connect, *filter(callable, public.values())):
        options = [each for each in inspect.signature(function).parameters.values() if each.kind is each.KEYWORD_ONLY]
        missing += [f"{function.__name__}: {each.name}" for each in options if not re.search(rf"\b{each.name}=", page)]
    assert not missing
