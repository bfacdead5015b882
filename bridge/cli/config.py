"""`bascule config`: check a configuration file, show what holds, begin a new one, print what may stand in one."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bascule.bridge.config import ServiceConfig
    from bascule.bridge.config_words import Key, Table


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "config",
        help="check, show or begin a configuration file",
        description="Check a configuration file, show what holds with it, begin a new one, or print the reference.",
    )
    actions = parser.add_subparsers(metavar="ACTION", dest="action", required=True)
    check = actions.add_parser("check", help="say what is wrong with a file, with line and key")
    check.add_argument("file", type=Path, metavar="FILE")
    show = actions.add_parser("show", help="print all that holds with a file (or without one), defaults included")
    show.add_argument("file", type=Path, nargs="?", metavar="FILE")
    init = actions.add_parser("init", help="print a file with every key, its default and its meaning")
    init.add_argument("--output", type=Path, metavar="FILE", help="write it to a file that must not be there yet")
    actions.add_parser("reference", help="print the reference page of all keys (Markdown)")


def run(options: argparse.Namespace) -> int:
    """Do it; the exit status."""
    from bascule.bridge.config import ConfigError, ServiceConfig
    from bascule.bridge.config_file import load

    try:
        if options.action == "check":
            config = load(options.file)
            print(f"{options.file}: good; pools: {', '.join(config.pools)}")
        elif options.action == "show":
            print(shown(ServiceConfig() if options.file is None else load(options.file)), end="")
        elif options.action == "init":
            return _init(options.output)
        else:
            print(reference(), end="")
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _init(output: Path | None) -> int:
    if output is None:
        print(commented(), end="")
        return 0
    try:
        with output.open("x") as file:
            file.write(commented())
    except OSError as error:
        print(f"bascule config init: {output}: {error.strerror}", file=sys.stderr)
        return 2
    return 0


def shown(config: ServiceConfig) -> str:
    """A configuration as TOML, with everything that has a default."""
    from bascule.bridge.config_words import as_toml, tables

    lines: list[str] = []
    for table in tables():
        for path, values in _instances(config, table.path):
            if path:
                lines += ["", f"[{'.'.join(path)}]"]
            for key in table.keys:
                value = getattr(values, key.name)
                if value is not None:
                    lines.append(f"{key.name} = {as_toml(value)}")
    return "\n".join(lines).lstrip("\n") + "\n"


def _instances(config: ServiceConfig, path: tuple[str, ...]) -> list[tuple[tuple[str, ...], object]]:
    """The tables of a configuration that are meant by a path with NAME in it."""
    if path[1:] == ("NAME",):
        return [((path[0], name), value) for name, value in getattr(config, path[0]).items()]
    return [(path, getattr(config, path[0]) if path else config)]


def commented() -> str:
    """A file in which every key stands, commented out, with its meaning."""
    from bascule.bridge.config_words import tables

    lines = ["# Bascule's configuration. What is commented out stands with its default, where it has one."]
    for table in tables():
        lines += ["", f"# {_one_line(table.text)}"]
        if table.path:
            name = ".".join("default" if table.path[0] == "pools" and part == "NAME" else part for part in table.path)
            lines.append(f"[{name}]" if table.path[0] == "pools" else f"#[{name}]")
        for key in table.keys:
            lines += ["", f"# {_one_line(key.text)}", f"# Allowed: {key.allowed}.", f"#{key.name} = {_example(key)}"]
    return "\n".join(lines) + "\n"


def _example(key: Key) -> str:
    return key.value if key.value is not None else f"...  # {key.default}"


def reference() -> str:
    """The page of all keys."""
    from bascule.bridge.config_words import tables

    lines = [
        "# The configuration file",
        "",
        "Everything that may stand in the file of `bascule serve --config FILE`. `bascule config check FILE` says what",
        "is wrong with one, `bascule config init` writes one to begin with. Times are in seconds.",
        "",
        "This page is made by `bascule config reference`.",
    ]
    for table in tables():
        lines += ["", f"## {_title(table)}", "", table.text, "", "| key | allowed | default | meaning |"]
        lines.append("|---|---|---|---|")
        lines += [
            f"| `{key.name}` | {_cell(key.allowed)} | {_cell(_default(key))} | {_cell(key.text)} |"
            for key in table.keys
        ]
    return "\n".join(lines) + "\n"


def _title(table: Table) -> str:
    return f"[{'.'.join(table.path)}]" if table.path else "At the top"


def _default(key: Key) -> str:
    return f"`{key.value}`" if key.value is not None else key.default


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _one_line(text: str) -> str:
    return " ".join(text.replace("`", "").split())
