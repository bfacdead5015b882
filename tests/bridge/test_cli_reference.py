"""The page of commands is made from the commands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "reference" / "commands.md"


def test_the_page_of_commands_is_the_parsers_own() -> None:
    command = [sys.executable, "-m", "bascule.bridge.cli.reference"]
    made = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    again = "make it again: python -m bascule.bridge.cli.reference > docs/reference/commands.md"
    assert PAGE.read_text() == made, again
