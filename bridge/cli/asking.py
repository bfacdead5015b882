"""What `bascule call` and `bascule map` share: finding a service, reading arguments, showing results and errors."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from bascule.bridge.client import Client, NotSendable, Proxy, connect, local
from bascule.bridge.client.paths import default_socket
from bascule.bridge.errors import BasculeError, CallError, NoService, NotEncodable, NotFound, ServiceRefused, to_map
from bascule.protocols import jsonic
from bascule.protocols.errors import ProtocolError

DONE, FAILED, NO_SERVICE = 0, 1, 3
_KEYWORD = re.compile(r"([^\W\d]\w*)=(.*)", re.DOTALL)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of both commands."""
    parser.add_argument(
        "--socket", type=Path, metavar="PATH", help=f"the service's socket (default: {default_socket()})"
    )
    parser.add_argument("--pool", metavar="NAME", help="the service's pool that runs it (default: its first)")
    parser.add_argument("--timeout", type=_seconds, metavar="SECONDS", help="stop it after so long (default: never)")
    parser.add_argument("--str", action="store_true", dest="text", help="take every argument as text")
    parser.add_argument("--json", action="store_true", help="print results as JSON, and errors as JSON on stderr")


def find_service(options: argparse.Namespace, *, workers: int) -> Client:
    """The service that was named or runs at the usual place; where none was named and none runs, a private bridge.

    Raises:
        NoService: The one that was named does not answer.
    """
    context = os.environ.get("TRACEPARENT")  # as other commands take it, too
    tracing = (lambda: context) if context else False
    if options.socket is not None or options.pool is not None or os.environ.get("BASCULE_SOCKET"):
        return connect(options.socket, pool=options.pool, tracing=tracing)
    try:
        return connect(tracing=tracing)
    except NoService:
        return local(workers=workers, paths=[str(Path.cwd())])


def read_arguments(words: list[str], *, text: bool) -> tuple[list[Any], dict[str, Any]]:
    """Positionals and keywords from the words of a command line."""
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for word in words:
        keyword = _KEYWORD.fullmatch(word)
        if keyword is None:
            args.append(read_word(word, text=text))
        else:
            kwargs[keyword[1]] = read_word(keyword[2], text=text)
    return args, kwargs


def read_word(word: str, *, text: bool) -> Any:
    """JSON where it is JSON, else the text itself."""
    if text:
        return word
    try:
        return json.loads(word)
    except ValueError:
        return word


def as_json(value: Any) -> str:
    """A result as one line of JSON; what JSON lacks is a tagged object (see docs/reference/values.md).

    Raises:
        NotEncodable: It has something in it that JSON can't tell, such as NaN.
    """
    try:
        return jsonic.dumps(value).decode()
    except (TypeError, ValueError, ProtocolError) as error:
        raise NotEncodable(f"the result can't be written as JSON: {error}") from None


def as_text(client: Client, value: Any) -> str:
    """A result as a person would want to read it."""
    if isinstance(value, Proxy):
        value = client.builtin("repr", value)
    return value if isinstance(value, str) else repr(value)


def report(command: str, error: BasculeError, options: argparse.Namespace) -> int:
    """Say on stderr what went wrong; the exit status."""
    if options.json:
        shown = to_map(error) if isinstance(error, CallError) else _no_call(error)
        print(as_json(shown), file=sys.stderr)
    elif isinstance(error, CallError) and error.traceback:
        print(error.traceback.rstrip(), file=sys.stderr)
    else:
        kind = f"{error.kind.value}: " if isinstance(error, CallError) else ""
        print(f"bascule {command}: {kind}{error}{_where_it_is(error, options)}", file=sys.stderr)
    if isinstance(error, NotSendable):
        return 2
    return NO_SERVICE if isinstance(error, (NoService, ServiceRefused)) else FAILED


def _where_it_is(error: BasculeError, options: argparse.Namespace) -> str:
    """A remedy where a service's workers miss a module that stands in this folder: not theirs, but the caller's."""
    module = options.target.partition(":")[0].partition(".")[0]
    if not isinstance(error, NotFound) or f"no module {module!r}" not in str(error):
        return ""
    here = next((path for path in (Path(f"{module}.py"), Path(module)) if path.exists()), None)
    if here is None:
        return ""
    return f"; {here} is in this folder, where the service's workers don't look: start it with bascule serve --path ."


def _no_call(error: BasculeError) -> dict[str, Any]:
    kind = "no_service" if isinstance(error, (NoService, ServiceRefused)) else "refused"
    return {"kind": kind, "class": None, "module": None, "message": str(error)}


def _seconds(word: str) -> float:
    try:
        seconds = float(word)
    except ValueError:
        seconds = 0
    if not seconds > 0:
        raise argparse.ArgumentTypeError(f"{word!r} is no number of seconds above 0")
    return seconds
