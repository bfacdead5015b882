"""`bascule cache ACTION`: look into stores of results, tidy them, move them, serve them.

It works on the files and servers themselves, with no service: on what `persist` has stored in any program, and on the
answers that a bridge keeps. No action but `get --load` unpickles a result, since that would run the code of whoever
stored it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ACTIONS = {
    "ls": "list the functions and how much of each is stored; of one, its entries",
    "stats": "tell hits, misses, what they saved",
    "show": "tell what is known of an entry, without reading the result",
    "get": "write an entry's stored bytes to standard output",
    "clear": "remove all results of a function, or of all",
    "prune": "remove what has expired, and what the options say",
    "verify": "read every entry; remove what is damaged, and end with status 1 if anything was",
    "export": "write entries to a file, one JSON object a line",
    "import": "store the entries of such a file",
    "serve": "answer pypersist's REST requests",
}


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "cache",
        help="look into stores of results, tidy them, serve them",
        description="Work with the results that persist and the bridge have stored. Put -- before names when one "
        "begins with a dash.",
    )
    actions = parser.add_subparsers(metavar="ACTION", dest="action", required=True)
    for action, what in ACTIONS.items():
        each = actions.add_parser(action, help=what, description=f"{what[0].upper()}{what[1:]}.")
        each.add_argument(
            "--store", metavar="URL", help="the store (default: the folder persist/ if it is here, else sqlite://)"
        )
        _add_arguments(each, action)


def _add_arguments(parser: argparse.ArgumentParser, action: str) -> None:
    if action in ("show", "get"):
        parser.add_argument("function", metavar="FUNCTION", help="a function's name, as `ls` shows it")
        parser.add_argument("name", metavar="NAME", help="an entry's name, as `ls FUNCTION` shows it")
    elif action not in ("serve", "import"):
        parser.add_argument("function", nargs="?", metavar="FUNCTION", help="of this function alone")
    if action not in ("serve", "import", "export", "get"):
        parser.add_argument("--json", action="store_true", help="one JSON object a line")
    if action == "get":
        parser.add_argument("--load", action="store_true", help="read the result and print it (a pickle runs its code)")
    elif action == "clear":
        parser.add_argument("--all", action="store_true", help="of all functions")
    elif action == "prune":
        parser.add_argument("--unused", metavar="SPAN", help="also entries not used for so long, for example 30d")
        parser.add_argument("--max-entries", type=_whole_number, metavar="N", help="keep so many of each function")
        parser.add_argument("--max-bytes", type=_whole_number, metavar="N", help="keep so many bytes of each function")
    elif action in ("export", "import"):
        parser.add_argument("--file", default="-", metavar="FILE", help="the file (default: -, the standard stream)")
    elif action == "serve":
        parser.add_argument("--host", default="127.0.0.1", help="where to listen (default: 127.0.0.1)")
        parser.add_argument("--port", type=int, default=5000, help="the port (default: 5000; 0: any that is free)")
        parser.add_argument("--base", default="/persist/", metavar="PATH", help="the path (default: /persist/)")


def _whole_number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 1")
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Do it; the exit status."""
    from bascule.bridge.caching.moving import BadExport
    from bascule.workers.persist import StoreUnavailable, UnknownStore, open_place

    try:
        url = options.store or ("file://persist/" if Path("persist").is_dir() else "sqlite://")
        return _RUN[options.action](open_place(url), options)
    except (StoreUnavailable, UnknownStore, BadExport, ImportError, _Wrong) as error:
        print(f"bascule cache {options.action}: {error}", file=sys.stderr)
        return 2 if isinstance(error, (UnknownStore, _Wrong)) else 1
    except OSError as error:
        print(f"bascule cache {options.action}: {error}", file=sys.stderr)
        return 1


class _Wrong(Exception):
    """The command line asks for what can't be; the message says what is missing."""


# ---- Looking --------------------------------------------------------------------------------------------------------


def _ls(place: Any, options: argparse.Namespace) -> int:
    from bascule.workers.persist.limits import total

    if options.function is not None:
        for listed in place.store(options.function).iterate():
            told = {"name": listed.name, "size": listed.size, "created": listed.created, "used": listed.used}
            if listed.expires:
                told["expires"] = listed.expires
            _tell(told, options, f"{_date(listed.created)}  {listed.size:>12,}  {listed.name}")
        return 0
    for function in place.functions():
        entries, size = total(place.store(function))
        told = {"function": function, "entries": entries, "bytes": size}
        _tell(told, options, f"{entries:>10,} entries  {size:>15,} bytes  {function}")
    return 0


def _stats(place: Any, options: argparse.Namespace) -> int:
    from bascule.bridge.caching.moving import stores

    for function, store in stores(place, options.function):
        found = store.statistics()
        hits, misses = int(found.get("hits", 0)), int(found.get("misses", 0))
        saved = found.get("saved_seconds", 0.0)
        told = {"function": function, "entries": store.count(), **found}
        share = f"{hits / (hits + misses):.0%}" if hits + misses else "-"
        text = f"{hits:>10,} hits  {misses:>10,} misses  {share:>4}  {saved:>10.1f} s saved  {function}"
        _tell(told, options, text)
    return 0


def _show(place: Any, options: argparse.Namespace) -> int:
    entry = _entry(place, options)
    told: dict[str, Any] = {"function": options.function, "name": options.name, "size": len(entry.value)}
    if entry.stamp is not None:
        told |= {"created": _date(entry.stamp.created), "seconds": round(entry.stamp.cost, 6)}
        told |= {"form": _form(entry.stamp.form), "code": entry.stamp.fingerprint.hex()}
        if entry.stamp.expires:
            told["expires"] = _date(entry.stamp.expires)
    if entry.key is not None:
        told["key"] = entry.key.decode("utf-8", "replace")
    if entry.metadata is not None:
        told["metadata"] = entry.metadata
    if options.json:
        print(json.dumps(told))
    else:
        for name, value in told.items():
            print(f"{name:10} {value}")
    return 0


def _get(place: Any, options: argparse.Namespace) -> int:
    from bascule.workers.persist.entries import Form
    from bascule.workers.persist.serializers import JsonSerializer, PackedSerializer, PickleSerializer, decompressed

    entry = _entry(place, options)
    form = Form.TEXT if entry.stamp is None else entry.stamp.form
    if options.load:
        for serializer in (PickleSerializer(), JsonSerializer(), PackedSerializer()):
            if form & Form.KIND in serializer.reads:
                print(repr(serializer.read(form, entry.value)))
                return 0
    data = decompressed(form, entry.value) if form & (Form.ZLIB | Form.ZSTD) else entry.value
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
    return 0


def _entry(place: Any, options: argparse.Namespace) -> Any:
    store = place.store(options.function)
    store.with_keys = True
    entry = store.get(options.name)
    if entry is None:
        raise _Wrong(f"{place}: {options.function!r} has no entry {options.name!r}")
    return entry


# ---- Tidying and moving ---------------------------------------------------------------------------------------------


def _clear(place: Any, options: argparse.Namespace) -> int:
    from bascule.bridge.caching.moving import stores

    if options.function is None and not options.all:
        raise _Wrong("say whose results: bascule cache clear FUNCTION, or bascule cache clear --all")
    for function, store in stores(place, options.function):
        count = store.count()
        store.clear()
        _tell({"function": function, "removed": count}, options, f"{function}: {count:,} removed")
    return 0


def _prune(place: Any, options: argparse.Namespace) -> int:
    from bascule.bridge.caching.moving import Pruning, limits, prune, stores, tidy
    from bascule.workers.persist.lifetimes import seconds

    now = time.time()
    try:
        unused = seconds(options.unused, "--unused")
    except ValueError as error:
        raise _Wrong(str(error)) from None
    pruning = Pruning(now, None if unused is None else now - unused, limits(options.max_entries, options.max_bytes))
    for function, store in stores(place, options.function):
        with _progress(f"pruning {function}", store) as progress:
            removed = prune(store, pruning, progress)
        _tell({"function": function, "removed": removed}, options, f"{function}: {removed:,} removed")
    tidy(place, now)
    return 0


def _verify(place: Any, options: argparse.Namespace) -> int:
    from bascule.bridge.caching.moving import stores, verify

    bad = 0
    for function, store in stores(place, options.function):
        with _progress(f"reading {function}", store) as progress:
            good, wrong = verify(store, progress)
        bad += len(wrong)
        for problem in wrong:
            print(problem, file=sys.stderr)
        told = {"function": function, "good": good, "damaged": len(wrong)}
        _tell(told, options, f"{function}: {good:,} good, {len(wrong):,} damaged and removed")
    return 1 if bad else 0


def _export(place: Any, options: argparse.Namespace) -> int:
    from bascule.bridge.caching.moving import export

    with _file(options.file, "w", sys.stdout) as out, _progress("writing", None) as progress:
        count = export(place, options.function, out, progress)
    print(f"{count:,} entries written", file=sys.stderr)
    return 0


def _import(place: Any, options: argparse.Namespace) -> int:
    from bascule.bridge.caching.moving import import_

    with _file(options.file, "r", sys.stdin) as lines, _progress("storing", None) as progress:
        count = import_(place, lines, progress)
    print(f"{count:,} entries stored", file=sys.stderr)
    return 0


# ---- Serving --------------------------------------------------------------------------------------------------------


def _serve(place: Any, options: argparse.Namespace) -> int:
    from bascule.bridge.caching.server import CacheServer

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    if not 0 <= options.port < 65536:
        raise _Wrong(f"--port {options.port}: a port is a number from 0 to 65535")
    with CacheServer((options.host, options.port), place, options.base) as server:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: server.stop())
        print(f"listening on {server.url} with {place}", file=sys.stderr, flush=True)
        server.serve_forever(poll_interval=0.2)
    return 0


_RUN: dict[str, Callable[[Any, argparse.Namespace], int]] = {
    "ls": _ls,
    "stats": _stats,
    "show": _show,
    "get": _get,
    "clear": _clear,
    "prune": _prune,
    "verify": _verify,
    "export": _export,
    "import": _import,
    "serve": _serve,
}


# ---- Telling --------------------------------------------------------------------------------------------------------


def _tell(told: dict[str, Any], options: argparse.Namespace, text: str) -> None:
    print(json.dumps(told) if options.json else text)


def _date(when: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(when))


def _form(form: int) -> str:
    from bascule.workers.persist.entries import Form

    names = {Form.TEXT: "text", Form.PICKLE: "pickle", Form.BUFFERS: "pickle with buffers", Form.PACKED: "packed"}
    names |= {Form.JSON: "json", Form.BYTES: "bytes by pickle=", Form.RAW: "bytes"}
    more = {Form.ZLIB: "zlib", Form.ZSTD: "zstd", Form.ERROR: "an exception", Form.RECORDED: "a generator's items"}
    return ", ".join([names.get(form & Form.KIND, "unknown"), *[name for flag, name in more.items() if form & flag]])


@contextlib.contextmanager
def _file(name: str, mode: str, standard: Any) -> Iterator[Any]:
    if name == "-":
        yield standard
    else:
        with open(name, mode, encoding="utf-8") as file:
            yield file


@contextlib.contextmanager
def _progress(what: str, store: Any) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, and nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None if store is None else store.count())
        yield lambda count: bar.advance(task, count)
