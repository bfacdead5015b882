"""`bascule sketch`: what a module offers, from its source, without importing it.

    bascule sketch requests
    bascule sketch src/ --format json
    bascule sketch --diff old/api.py new/api.py

`--live` imports modules, in a worker of a bridge that lives as long as the command: for compiled modules, and for what
is made only while a module runs.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from bascule.bridge.client import Client
    from bascule.bridge.sketch.model import Member, Module

    Shown = tuple[Module, tuple[Member, ...]]

_OF_DATA = ("json", "yaml", "edn", "erlang")
_FORMATS = ("text", *_OF_DATA, "pod", "markdown", "stub", "policy")
_DONE, _FAILED, _WRONG = 0, 1, 2


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "sketch",
        help="tell what a module offers, without importing it",
        description="Tell what a module offers, from its source, without importing it: functions, classes, constants, "
        "with parameters, docstrings and lines. A folder is read whole.",
    )
    parser.add_argument(
        "what", nargs="?", metavar="FILE|MODULE|DIR", help="a file, a module's dotted name, or a folder"
    )
    parser.add_argument(
        "--format",
        choices=_FORMATS,
        help="how it is written (default: text; json with --classic); pod: as a pod's namespace; stub: as a .pyi file; "
        "policy: as the lines that allow a listener's clients to call it",
    )
    parser.add_argument(
        "--filter", metavar="REGEX", help="only names that have this in them, such as ^get or Session.get"
    )
    parser.add_argument("--private", action="store_true", help="names with a leading underscore too")
    parser.add_argument("--live", action="store_true", help="import the modules, in a worker, for what no source tells")
    parser.add_argument(
        "--classic", action="store_true", help="the functions alone, in Py.Laagu's shape, as json or yaml"
    )
    parser.add_argument(
        "--diff",
        nargs=2,
        metavar=("OLD", "NEW"),
        help="what changed between two; exit status 1 when something changed incompatibly",
    )
    parser.add_argument(
        "--path", metavar="DIR", action="append", default=[], help="a folder to look for modules in; may be repeated"
    )


def run(options: argparse.Namespace) -> int:
    """Sketch it; the exit status."""
    from bascule.bridge.errors import BasculeError
    from bascule.bridge.sketch import NoSuchModule

    wrong = _misused(options)
    if wrong:
        print(f"bascule sketch: {wrong}", file=sys.stderr)
        return _WRONG
    warnings.simplefilter("ignore", SyntaxWarning)  # what the compiler thinks of other people's escapes
    try:
        return _diff(options) if options.diff else _sketch(options)
    except (NoSuchModule, BasculeError) as error:
        print(f"bascule sketch: {error}", file=sys.stderr)
        return _WRONG if isinstance(error, NoSuchModule) else _FAILED
    except BrokenPipeError:  # somebody has seen enough: `bascule sketch numpy | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _DONE


def _misused(options: argparse.Namespace) -> str | None:
    if (options.what is None) == (options.diff is None) or "" in (options.what, *(options.diff or ())):
        return "name a file, a module or a folder, or two of them with --diff OLD NEW"
    if options.classic and options.format not in (None, "json", "yaml"):
        return f"--classic is written as json or yaml, not as {options.format}"
    if options.diff and (options.classic or options.format not in (None, "text", *_OF_DATA)):
        return f"--diff is written as text, {', '.join(_OF_DATA)}"
    try:
        re.compile(options.filter or "")
    except re.error as error:
        return f"--filter {options.filter!r} is no regular expression: {error}"
    return None


def _sketch(options: argparse.Namespace) -> int:
    shown = list(_modules(options.what, options))
    whole_folder = _is_folder(options.what)
    if not shown:
        print(f"bascule sketch: there is no Python file in {options.what!r} or below it", file=sys.stderr)
    for module, _ in shown:
        if module.error is not None:
            print(f"bascule sketch: {module.error}", file=sys.stderr)
    if shown or options.format in _OF_DATA or options.classic:
        _write(shown, options, several=whole_folder)
    return _FAILED if not shown or any(module.error is not None for module, _ in shown) else _DONE


def _write(shown: list[Shown], options: argparse.Namespace, *, several: bool) -> None:
    from bascule.bridge.sketch import classic, describing, writing

    if options.classic:
        functions = [one for _, members in shown for one in classic.classic(members)]
        print(writing.as_yaml(functions) if options.format == "yaml" else writing.as_json(functions))
        return
    chosen = options.format or "text"
    if chosen in ("text", "markdown", "stub"):
        from bascule.bridge.sketch.stubs import as_stub

        write = {"text": writing.as_text, "markdown": writing.as_markdown, "stub": as_stub}[chosen]
        print("\n\n".join([write(module, members) for module, members in shown]))
        return
    if chosen == "policy":
        from bascule.bridge.sketch.allowing import as_policy

        print(as_policy(shown))
        return
    make = writing.as_pod if chosen == "pod" else describing.module_data
    made = [make(module, members) for module, members in shown]
    _write_data(made if several else made[0], chosen)


def _write_data(data: Any, chosen: str) -> None:
    from bascule.bridge.sketch import erlang_terms, writing

    write = {"yaml": writing.as_yaml, "edn": writing.as_edn, "erlang": erlang_terms.as_erlang}
    print(write.get(chosen, writing.as_json)(data))


def _diff(options: argparse.Namespace) -> int:
    from bascule.bridge.sketch.changes import Change, What, changes

    old, new = [{_place(one, what): one for one in _modules(what, options)} for what in options.diff]
    found: list[Change] = []
    for place, (module, members) in old.items():
        if place in new:
            found += changes(members, new[place][1], new[place][0].name)
        else:
            found.append(Change(module.name, What.REMOVED, True, "module is gone"))
    found += [Change(new[place][0].name, What.ADDED, False, "new module") for place in new if place not in old]
    unread = [module for module, _ in [*old.values(), *new.values()] if module.error is not None]
    for module in unread:
        print(f"bascule sketch: {module.error}", file=sys.stderr)
    if options.format in _OF_DATA:
        _write_data([one.as_data() for one in found], options.format)
    else:
        for one in found:
            print(one)
    return _FAILED if unread or any(one.breaking for one in found) else _DONE


def _place(shown: Shown, what: str) -> str:
    """What makes two modules versions of one: nothing where one is compared with one, else their path in the folder."""
    if not _is_folder(what):
        return ""
    return str(Path(shown[0].file or "").relative_to(Path.cwd() / what))


def _is_folder(what: str) -> bool:
    return Path(what).is_dir()


def _modules(what: str, options: argparse.Namespace) -> Iterator[Shown]:
    from bascule.bridge.sketch import matching, public

    for module in _live(what, options) if options.live else _read(what, options):
        members = public(module, private=options.private)
        yield module, matching(members, options.filter) if options.filter else members


def _read(what: str, options: argparse.Namespace) -> Iterator[Module]:
    from bascule.bridge.sketch import finding, sketch, sketch_all

    if _is_folder(what):
        yield from sketch_all(Path(what), processes=len(os.sched_getaffinity(0)))
    else:
        yield sketch(what, [*options.path, *finding.usual_path()] if options.path else None)


def _live(what: str, options: argparse.Namespace) -> Iterator[Module]:
    from bascule.bridge.client import local
    from bascule.bridge.sketch import finding, live

    sketched = list(_read(what, options))
    roots = [finding.root_of(finding.place_of_file(Path(one.file))) for one in sketched if one.file is not None]
    paths = [str(Path(one).absolute()) for one in options.path]
    paths += [one for one in dict.fromkeys(roots) if one is not None and one not in sys.path]
    client: Client
    with local(workers=1, paths=[*paths, str(Path.cwd())], output=_pass_on) as client:
        for module in sketched:
            yield live.look(client, module)


def _pass_on(text: str, _stream: str, _call_id: int) -> None:
    """What a module prints while it is imported is none of the sketch."""
    sys.stderr.write(text)
