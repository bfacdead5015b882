"""`bascule pool`: list, add, remove, scale, restart and drain the pools of a running service."""

from __future__ import annotations

import argparse
import sys
from typing import Any


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    from bascule.bridge.cli.operating import add_json, add_socket

    parser = commands.add_parser(
        "pool",
        help="list, add, remove, scale, restart or drain pools",
        description="Work on the pools of a running service. What is changed so lasts until the service ends, or until "
        "a reload of a configuration that says other.",
    )
    add_socket(parser)
    add_json(parser)
    actions = parser.add_subparsers(metavar="ACTION", dest="action", required=True)
    actions.add_parser("list", help="the pools")
    add = actions.add_parser("add", help="one more pool")
    add.add_argument("pool", metavar="NAME")
    add.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="as in the configuration, such as size=2")
    scale = actions.add_parser("scale", help="another number of workers")
    scale.add_argument("pool", metavar="NAME")
    scale.add_argument("size", type=int, metavar="N")
    for action, text in (
        ("remove", "finish what it has accepted, and end it"),
        ("restart", "replace its workers, one by one, without losing a call"),
        ("drain", "take nothing new, finish what it has accepted"),
        ("resume", "take calls again after a drain"),
    ):
        actions.add_parser(action, help=text).add_argument("pool", metavar="NAME")


def run(options: argparse.Namespace) -> int:
    """Do it; the exit status."""
    from bascule.bridge.cli.operating import DONE, as_json, table, with_service
    from bascule.bridge.cli.status import POOL_COLUMNS

    parameters: dict[str, Any] = {}
    if options.action == "add":
        try:
            parameters["config"] = dict(setting(word) for word in options.settings)
        except ValueError as error:
            print(f"bascule pool add: {error}", file=sys.stderr)
            return 2

    def work(client: Any) -> int:
        if options.action == "list":
            pools = [{"name": name, **pool} for name, pool in client.status()["pools"].items()]
            print(as_json(pools) if options.json else table(pools, POOL_COLUMNS))
            return DONE
        if options.action == "scale":
            answer = client.ask("scale", pool=options.pool, size=options.size)
        else:
            answer = client.ask(f"pool_{options.action}", pool=options.pool, **parameters)
        print(as_json(answer) if options.json else _in_words(options.action, answer))
        return DONE

    return with_service(options, work)


def setting(word: str) -> tuple[str, Any]:
    """One KEY=VALUE; the value is TOML where it is TOML, else text.

    Raises:
        ValueError: It is none.
    """
    import tomllib

    key, equals, value = word.partition("=")
    if not key or not equals:
        raise ValueError(f"{word!r} is no KEY=VALUE, such as size=2")
    try:
        return key, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key, value


def _in_words(action: str, answer: dict[str, Any]) -> str:
    name = answer["pool"]
    return {
        "add": f"pool {name} takes calls",
        "remove": f"pool {name} is gone",
        "scale": f"pool {name} has {answer.get('size')} workers from now on",
        "restart": f"pool {name}: {answer.get('workers')} workers were replaced",
        "drain": f"pool {name} takes nothing new; {answer.get('left')} calls are left waiting",
        "resume": f"pool {name} takes calls again",
    }[action]
