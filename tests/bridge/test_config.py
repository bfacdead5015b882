"""The configuration: every mistake is named with its file, line and key, what was found, and what is allowed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import tomllib
from hypothesis import given
from hypothesis import strategies as st

from bascule.bridge.config import ConfigError, ServiceConfig
from bascule.bridge.config_file import lines_of, load, parse
from bascule.bridge.config_words import tables

ROOT = Path(__file__).resolve().parent.parent.parent


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text, "b.toml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "[pools.default]\n\nsize = 0\n",
            "b.toml:3: pools.default.size: found 0; allowed: a whole number from 1 to 4096",
        ),
        (
            '[pools.default]\npreload = [\n  "a",\n  3,\n]\n',
            "b.toml:2: pools.default.preload.1: found 3; allowed: a list of texts",
        ),
        ('[logging]\nlevel = "loud"', 'b.toml:2: logging.level: found "loud"; allowed: one of "debug", "info", '),
        ("[pools.default]\nschedular = 1", "b.toml:2: pools.default.schedular: found an unknown key; allowed: size, "),
        ("[pools.default]\nschedular = 1", "did you mean scheduler?"),
        ('[pools.a]\nscheduler = "best"', 'b.toml:2: pools.a.scheduler: found "best"; allowed: one of least_busy, '),
        ('[pools.a]\nmax_memory = "lots"', 'b.toml:2: pools.a.max_memory: found "lots"; allowed: a number of bytes'),
        ('[pools."a/b"]\nsize = 1', 'b.toml:1: pools.a/b: found the name "a/b"; allowed: 1 to 60 of letters'),
        ("[pools]", "b.toml:1: pools: found a table; allowed: a table of tables, at least one"),
        ("pools = 3", "b.toml:1: pools: found 3; allowed: a table of tables"),
        ('[pools.a]\npython = "/no/python"', 'b.toml:2: pools.a.python: found "/no/python"; allowed: an interpreter'),
        ("a.b = 1", "b.toml:1: a: found an unknown key; allowed: socket, pools, "),
        ("x = ", "b.toml:1: it is no TOML: "),
        ("[a]\n[a]\n", "b.toml:2: it is no TOML: "),
        ('[listeners.a]\nmode = "0600"', "b.toml:1: listeners.a: found a table; allowed: one with exactly one of unix"),
        (
            '[listeners.a]\nunix = "/x"\nallow = ["os"]',
            'b.toml:3: listeners.a.allow: found ["os"]; allowed: a list of ',
        ),
        (
            '[listeners.a]\ntcp = "127.0.0.1:1"',
            "b.toml:1: listeners.a: found a table; allowed: one with certificate and token_file beside tcp",
        ),
        (
            '[listeners.a]\ntcp = "0.0.0.0:1"\ncertificate = "c"',
            "one with token_file beside tcp: nobody listens on all addresses without both",
        ),
        (
            '[listeners.a]\nunix = "/x"\npool = "other"',
            'b.toml:3: listeners.a.pool: found "other"; allowed: one of default',
        ),
        ('[http]\nlisten = "127.0.0.1:80"', "one with token_file beside a TCP listen"),
    ],
)
def test_an_error_names_line_key_what_was_found_and_what_is_allowed(text: str, said: str) -> None:
    assert said in refused(text)


def test_every_problem_of_a_file_is_told_at_once() -> None:
    text = 'colour = 1\n[pools.a]\nsize = 0\n[listeners.a]\nunix = 7\n[pools.b]\nthreads = "two"\n'
    places = [problem.split(": ")[0] for problem in refused(text).splitlines()]
    assert places == ["b.toml:1", "b.toml:3", "b.toml:5", "b.toml:7"]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"\n# \xe9\n")
    with pytest.raises(ConfigError, match=r"latin.toml:2: it is not UTF-8"):
        load(tmp_path / "latin.toml")


def test_lines_are_found_in_all_ways_to_write_a_key() -> None:
    text = (
        'a.b = 1\n"c d" = """\n[x]\n"""\n[t.u]\nk = [\n 1,\n]\ninline = { p = 1, q = { r = 2 } }\n'
        "[[z]]\ny = 1\n[[z]]\ny = 2\n"
    )
    assert tomllib.loads(text)
    lines = lines_of(text)
    assert lines["a", "b"] == 1
    assert lines[("c d",)] == 2
    assert lines["t", "u"] == 5
    assert lines["t", "u", "k"] == 6
    assert lines["t", "u", "inline", "q", "r"] == 9
    assert lines["z", 0, "y"] == 11
    assert lines["z", 1, "y"] == 13


@given(st.text(st.sampled_from('ab=[].{}"\n#1, '), max_size=60))
def test_whatever_stands_in_a_file_is_read_or_refused(text: str) -> None:
    try:
        parse(text, "b.toml")
    except ConfigError as error:
        assert str(error).startswith("b.toml")


def config_command(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bascule", "config", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_begun_file_is_good_and_says_every_key(tmp_path: Path) -> None:
    path = tmp_path / "bascule.toml"
    assert config_command("init", "--output", str(path)).returncode == 0
    text = path.read_text()
    for table in tables():
        for key in table.keys:
            assert f"\n#{key.name} = " in text
    checked = config_command("check", str(path))
    assert (checked.returncode, checked.stderr) == (0, "")
    again = config_command("init", "--output", str(path))
    assert again.returncode == 2
    assert "exists" in again.stderr
    assert path.read_text() == text


def test_what_begin_writes_as_a_default_is_the_default() -> None:
    commented = config_command("init").stdout
    said = "\n".join(
        line.removeprefix("#") if "..." not in line and " = " in line and not line.startswith("# ") else line
        for line in commented.splitlines()
        if not line.startswith("#[")
    )
    values = tomllib.loads(
        said.partition("[pools.default]")[2].partition("\n\n# How much")[0].partition("# One more")[0]
    )
    default = ServiceConfig().pools["default"].model_dump(mode="json")
    assert values == {key: default[key] for key in values}


def test_what_is_shown_is_the_same_configuration(tmp_path: Path) -> None:
    path = tmp_path / "b.toml"
    path.write_text('[pools.a]\nsize = 3\nenv = { X = "a\\"b" }\n[listeners.l]\nunix = "/x"\nusers = ["root", 7]\n')
    told = config_command("show", str(path))
    assert told.returncode == 0
    assert parse(told.stdout, "shown") == load(path)


def test_a_wrong_file_is_a_status_and_lines_on_stderr(tmp_path: Path) -> None:
    path = tmp_path / "b.toml"
    path.write_text("[pools.default]\nsize = 0\n")
    told = config_command("check", str(path))
    assert told.returncode == 2
    assert told.stderr.startswith(f"{path}:2: pools.default.size: found 0; allowed: ")


def test_the_reference_page_is_the_models_own() -> None:
    page = (ROOT / "docs" / "reference" / "configuration.md").read_text()
    assert page == config_command("reference").stdout, (
        "make it again: bascule config reference > docs/reference/configuration.md"
    )
