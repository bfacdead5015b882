"""`bascule pod MODULE...`: be a babashka pod over stdio, or over a socket if the client wants one.

    (babashka.pods/load-pod ["bascule" "pod" "my_mod"])
    (my-mod/do-it 1 2)

Standard output belongs to the client; what is for people goes to standard error. Two more ways to be a pod: `--attach`
connects a client to a service that runs already (see `relay`, which `main` calls without coming here), `--install` puts
this pod where clients look for registered ones (see `pod_install`).
"""

from __future__ import annotations

import os
import sys

from bascule.bridge import early_signals
from bascule.bridge.cli.pod_settings import OPTIONS, Install, pod_options
from bascule.bridge.cli.stdio import cache_rules, start
from bascule.bridge.cli.table import plainly

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from bascule.bridge.cli.table import Values


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
        help="what to export, by dotted name or as a file (./tool.py); the first one's namespace names the pod in its "
        "client",
    )
    for option in OPTIONS:
        option.add_to(parser)
    parser.add_argument(
        "--attach",
        nargs="?",
        const="",
        metavar="SOCKET",
        help="be a pod of the service that runs already, at SOCKET or at the usual place; stands first, "
        "or behind --install",
    )
    parser.add_argument(
        "--install",
        nargs=2,
        metavar=("ORG/NAME", "VERSION"),
        help="don't serve: put this pod where load-pod and bb.edn find it by that name and version",
    )


def parse(arguments: Sequence[str]) -> Values | None:
    """The command line, where it needs no argparse."""
    return plainly(arguments, OPTIONS, "modules")


def run(options: argparse.Namespace | Values) -> int:
    """Serve until the client goes."""
    attach: str | None = getattr(options, "attach", None)
    install: Sequence[str] | None = getattr(options, "install", None)
    if attach is not None and install is None:
        print("bascule pod: --attach stands first: bascule pod --attach [SOCKET] MODULE...", file=sys.stderr)
        return 2
    try:
        pod = pod_options(options)
        if install is not None:
            from bascule.bridge.cli.pod_install import install_pod

            return install_pod(Install(*install), options, attach)
    except ValueError as error:
        print(f"bascule pod: {error}", file=sys.stderr)
        return 2
    record: str | None = getattr(options, "record", None)
    rules = cache_rules("pod", pod.cache)
    if isinstance(rules, int):
        return rules
    early = start("pod", pod.python, record)
    if isinstance(early, int):
        return early
    from bascule.bridge.app import run_pod

    if os.environ.get("BABASHKA_POD_TRANSPORT") != "socket":
        return run_pod(pod, early, cache=rules, record=record)
    from bascule.bridge.cli.pod_socket import one_client

    with one_client() as descriptor:
        if descriptor is None:
            return 0 if early_signals.came() else 1
        return run_pod(pod, early, descriptor, cache=rules, record=record)
