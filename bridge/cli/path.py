"""`bascule path NAME`: where the files are that Bascule ships for other runtimes and for the system.

They stand in the folder deploy/ of the tree, and in `bascule/deploy` of an installed wheel. `bascule path` alone lists
what there is; with a name it prints one folder, and nothing else, for use in other commands:

    erlc -o ebin "$(bascule path erlang)"/py/src/*.erl
    cp "$(bascule path systemd)/bascule.service" ~/.config/systemd/user/
    PYTHONPATH="$(bascule path compat)" python program.py
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import bascule


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "path",
        help="print where the files are that are shipped for Erlang and for the system",
        description="Print the folder of the files shipped for NAME; without NAME, list what there is.",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="for example: erlang, systemd")


def run(options: argparse.Namespace) -> int:
    """Print one folder, or all of them."""
    folders = shipped()
    name = options.name
    if name is None:
        width = max(map(len, folders), default=0)
        for each, folder in folders.items():
            print(f"{each:{width}}  {folder}")
        return 0
    if name in folders:
        print(folders[name])
        return 0
    print(f"bascule path: nothing is shipped for {name!r}. There is: {', '.join(folders)}", file=sys.stderr)
    return 1


def shipped() -> dict[str, Path]:
    """The folders by name, in the tree or where the wheel was installed.

    Raises:
        FileNotFoundError: This is neither a whole tree nor an installed wheel.
    """
    package = Path(bascule.__file__).resolve().parent
    for home in (package / "deploy", package.parent / "deploy"):
        if home.is_dir():
            return {folder.name: folder for folder in sorted(home.iterdir()) if folder.is_dir()}
    raise FileNotFoundError(f"no folder deploy/ in or beside {package}: this installation of bascule is incomplete")
