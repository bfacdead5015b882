"""`bascule mount PACKAGE:Class`: offer an implementation of a contract on a running service.

    bascule mount bookshop:Shop
    bascule call shop:find_book 7

The class implements a module that `bascule contract generate` made. What is mounted so lasts until the service ends;
`[mount]` in its configuration is for good.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    from bascule.bridge.cli.operating import add_socket

    parser = commands.add_parser(
        "mount",
        help="offer an implementation of a contract on a running service",
        description="Offer a class that implements a generated module: its functions become callable through every "
        "door, under the module's namespace. When the class can't be mounted, nothing changes.",
    )
    add_socket(parser)
    parser.add_argument("--as", dest="name", metavar="NAME", help="another name than the module's namespace")
    parser.add_argument(
        "--pool", metavar="POOL", help="the pool that offers it (default: that of clients who name none)"
    )
    parser.add_argument("--path", type=Path, metavar="DIR", help="a folder to import it from (default: the pool's own)")
    parser.add_argument("--contract", metavar="MODULE", help="the generated module, where the class inherits from none")
    parser.add_argument("target", metavar="PACKAGE:Class", help="the class")


def run(options: argparse.Namespace) -> int:
    """Mount it; the exit status."""
    from bascule.bridge.cli.operating import DONE, with_service

    entry = f"{options.name}={options.target}" if options.name else options.target
    if options.contract:
        entry += f"@{options.contract}"

    def work(client: Any) -> int:
        folder = str(options.path.resolve()) if options.path else None
        answer = client.ask("mount", entry=entry, pool=options.pool, path=folder)
        print(f"mounted {answer['entry']} in pool {answer['pool']}")
        return DONE

    return with_service(options, work)
