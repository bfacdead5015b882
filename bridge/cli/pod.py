"""`bascule pod MODULE...`: be a babashka pod over stdio.

    (babashka.pods/load-pod ["bascule" "pod" "my_mod"])
    (my-mod/do-it 1 2)

Standard output belongs to the client; what is for people goes to standard error.
"""

from __future__ import annotations

import argparse
import os
import sys

from bascule.bridge.cli.stdio import add_worker_options, folders, start
from bascule.bridge.doors.pod_options import PodOptions
from bascule.bridge.doors.pod_vars import kebab

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


LONGEST_NAME = 500


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "pod",
        help="be a babashka pod over stdio",
        description="Serve Python modules to a babashka pod client: `my_mod.do_it` is `my-mod/do-it`, "
        "and the namespace `py` has everything else.",
    )
    parser.add_argument(
        "modules",
        nargs="*",
        metavar="MODULE[=NAMESPACE]",
        help="what to export, by dotted name; the first one's namespace names the pod in its client",
    )
    add_worker_options(parser)
    parser.add_argument("--imports", action="store_true", help="export what the modules imported from elsewhere too")
    parser.add_argument("--strict", action="store_true", help="end when a module can't be imported, don't just warn")
    parser.add_argument(
        "--defer", action="store_true", help="import a module only when the client requires its namespace"
    )
    parser.add_argument(
        "--import-timeout", type=_seconds, default=60.0, metavar="SECONDS", help="for one import (default: 60)"
    )
    parser.add_argument(
        "--py-namespace",
        default="py",
        metavar="NAME",
        help="another name for the namespace `py`, where a client loads two such pods",
    )


def run(options: argparse.Namespace) -> int:
    """Serve until the client goes."""
    try:
        pod = pod_options(options)
    except ValueError as error:
        print(f"bascule pod: {error}", file=sys.stderr)
        return 2
    early = start("pod", pod.python)
    if isinstance(early, int):
        return early
    from bascule.bridge.app import run_pod

    return run_pod(pod, early)


def pod_options(options: argparse.Namespace) -> PodOptions:
    """The command line, checked.

    Raises:
        ValueError: Something in it can't be; the message says what.
    """
    exports = read_exports(options.modules)
    core = options.py_namespace
    if any(namespace == core for _, namespace in exports):
        raise ValueError(f"the namespace {core!r} is taken: give --py-namespace another name")
    return PodOptions(
        exports,
        workers=options.workers,
        python=options.python,
        paths=folders(options.path),
        core_namespace=_namespace(core),
        imports=options.imports,
        strict=options.strict,
        defer=options.defer,
        import_timeout=options.import_timeout,
    )


def read_exports(modules: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """`my_mod` or `my_mod=my.ns`, each as module and namespace.

    Raises:
        ValueError: No module's name, or two modules for one namespace.
    """
    exports: dict[str, str] = {}
    for each in modules:
        module, equals, alias = each.partition("=")
        if len(module) > LONGEST_NAME or not all(part.isidentifier() for part in module.split(".")):
            hint = ""
            if module.endswith(".py") or os.sep in module:
                folder, file = os.path.split(module)
                hint = f"; for a file: --path {folder or '.'} {file.removesuffix('.py')}"
            raise ValueError(f"{module!r} is no module's name{hint}")
        namespace = _namespace(alias if equals else kebab_path(module))
        if namespace in exports:
            raise ValueError(
                f"{exports[namespace]} and {module} would both be the namespace {namespace!r}: give one of them "
                f"another name, as in {module}=NAMESPACE"
            )
        exports[namespace] = module
    return tuple([(module, namespace) for namespace, module in exports.items()])


def kebab_path(module: str) -> str:
    """`my_pkg.sub_mod` as a namespace: `my-pkg.sub-mod`."""
    return ".".join([kebab(part) for part in module.split(".")])


def _namespace(name: str) -> str:
    if not name or any(char in name for char in ' \t\n"()[]{}/\\;@^`~,') or name[0] in "0123456789:#'":
        raise ValueError(f"{name!r} is no name of a Clojure namespace")
    return name


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 86400 seconds")
    return seconds
