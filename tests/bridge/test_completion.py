"""Completion and the manual page are made from the parsers, and know every command and every option."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable

import pytest

from bascule.bridge.cli.completion import script
from bascule.bridge.cli.main import COMMANDS
from bascule.bridge.cli.man import page
from bascule.bridge.cli.parsers import shown_actions, subcommands, whole_parser


def completed(words: list[str]) -> list[str]:
    """What a real bash offers for the last of these words."""
    code = (
        f"{script('bash')}\n"
        f"COMP_WORDS=({shlex.join(words)}) COMP_CWORD={len(words) - 1}\n"
        'function=$(complete -p bascule | sed "s/.*-F \\([^ ]*\\).*/\\1/")\n'
        '$function bascule "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"\n'
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    told = subprocess.run(
        ["bash", "--noprofile", "--norc", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return [line.strip() for line in told.stdout.splitlines() if line.strip()]


def test_bash_completes_commands_options_and_values() -> None:
    assert set(COMMANDS) <= set(completed(["bascule", ""]))
    assert completed(["bascule", "ske"]) == ["sketch"]
    assert completed(["bascule", "sketch", "--fo"]) == ["--format"]
    assert set(completed(["bascule", "sketch", "--format", ""])) >= {"text", "json", "yaml", "edn", "pod", "markdown"}
    assert {"list", "add", "remove"} <= set(completed(["bascule", "pool", ""]))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_command_and_option_is_completed(shell: str) -> None:
    text = script(shell)
    for name, (command, _) in subcommands(whole_parser()).items():
        assert re.search(rf"\b{name}\b", text), name
        for action in shown_actions(command):
            for option in action.option_strings:
                word = f"-l {option.removeprefix('--')}" if shell == "fish" and option.startswith("--") else option
                assert word in text, (name, option)


def test_every_line_for_fish_is_one_command_with_closed_quotes() -> None:
    for line in script("fish").splitlines():
        assert line.startswith("#") or shlex.split(line.replace("\\'", ""))[:3] == ["complete", "-c", "bascule"], line


def test_the_manual_page_is_set_without_a_warning_and_has_every_option(needs: Callable[..., None]) -> None:
    needs("groff")
    set_page = subprocess.run(
        ["groff", "-man", "-Tascii", "-ww", "-P-cbou"], input=page(), capture_output=True, text=True, check=True
    )
    assert set_page.stderr == ""
    for name, (command, _) in subcommands(whole_parser()).items():
        assert f"bascule {name}" in set_page.stdout
        for action in shown_actions(command):
            for option in action.option_strings:
                assert option in set_page.stdout, (name, option)
    assert "EXIT STATUS" in set_page.stdout
