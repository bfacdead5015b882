"""`bascule serve`: the service on a Unix socket, until it is told to end (SIGTERM, SIGINT)."""

from __future__ import annotations

import argparse
import logging
import resource
import socket
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

from bascule.bridge.app import Bridge
from bascule.bridge.client.paths import default_socket
from bascule.bridge.config import ConfigError, ServiceConfig
from bascule.bridge.config_file import check, load
from bascule.bridge.doors.service import ServiceDoor
from bascule.bridge.listener import ListenRefused, listening
from bascule.bridge.listener import serve as accept
from bascule.bridge.operations.watch import watch
from bascule.bridge.pool_spec import PoolSpecError
from bascule.bridge.scheduling import UnknownScheduler
from bascule.bridge.supervision.spec import ChildSpec
from bascule.bridge.tree import Tree, supervise

if TYPE_CHECKING:
    from bascule.bridge.pool_spec import PoolSpec

_log = logging.getLogger("bascule.serve")

MOST_DESCRIPTORS = 1 << 16


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "serve",
        help="run the service on a Unix socket",
        description="Serve calls on a Unix socket. Options describe the pool `default`; a configuration file may "
        "describe several.",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="a TOML file: socket, and pools by name")
    parser.add_argument("--socket", type=Path, metavar="PATH", help=f"where to listen (default: {default_socket()})")
    parser.add_argument("--workers", type=int, dest="size", metavar="N", help="worker processes (default: processors)")
    parser.add_argument("--spares", type=int, metavar="N", help="ready workers that stand by (default: 1)")
    parser.add_argument("--threads", type=int, metavar="N", help="calls that one worker runs at a time (default: 1)")
    parser.add_argument("--python", metavar="EXE", help="the workers' interpreter, 3.9 or newer (default: this one)")
    parser.add_argument("--path", action="append", dest="paths", metavar="DIR", help="a folder to import from; repeat")
    parser.add_argument(
        "--preload", action="append", metavar="MODULE", help="import it before a worker is ready; repeat"
    )
    parser.add_argument("--init", metavar="MODULE:FUNCTION", help="call it before a worker is ready")
    parser.add_argument("--converters", metavar="MODULE", help="a module that says how your own types travel")
    parser.add_argument("--scheduler", metavar="NAME", help="which worker takes the next call (default: least_busy)")
    parser.add_argument(
        "--deadline", type=float, metavar="SECONDS", help="for calls that name none (default: no limit)"
    )
    parser.add_argument("--max-queue", type=int, metavar="N", help="calls that may wait; one more is `overloaded`")
    parser.add_argument("--max-calls", type=int, metavar="N", help="replace a worker after so many calls")
    parser.add_argument("--max-memory", type=int, metavar="BYTES", help="replace a worker that has grown beyond")
    parser.add_argument("--watch", action="store_true", help="replace the workers when modules in --path change")


_POOL_OPTIONS = (
    "size",
    "spares",
    "threads",
    "python",
    "paths",
    "preload",
    "init",
    "converters",
    "scheduler",
    "deadline",
    "max_queue",
    "max_calls",
    "max_memory",
)


def run(options: argparse.Namespace) -> int:
    """Serve until told to end."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    try:
        config = _configuration(options)
        specs = config.specs()
        folders = [Path(folder) for spec in specs for folder in spec.paths] if options.watch else []
        if options.watch and not folders:
            raise ConfigError("--watch: there is nothing to watch; name the folders of your modules with --path")
        _allow_descriptors()
        bridge = Bridge(specs)
        with listening(config.socket or default_socket()) as listener:
            return _serve(bridge, listener, folders)
    except (ConfigError, PoolSpecError, ListenRefused, UnknownScheduler) as error:
        print(f"bascule serve: {error}", file=sys.stderr)
        return 2


def _allow_descriptors() -> None:
    """As many as the system lets us have, within reason: each client is one, each worker six."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _configuration(options: argparse.Namespace) -> ServiceConfig:
    """The file, or the options: both at once would hide which of them holds."""
    given: dict[str, Any] = {
        name: getattr(options, name) for name in _POOL_OPTIONS if getattr(options, name) is not None
    }
    if "paths" in given:
        given["paths"] = [str(Path(folder).resolve()) for folder in given["paths"]]
    if options.config is not None:
        if given:
            raise ConfigError(f"--config describes the pools; {', '.join(given)} can't be given beside it")
        config = load(options.config)
        return config.model_copy(update={"socket": options.socket}) if options.socket else config
    data: dict[str, object] = {"pools": {"default": given}}
    if options.socket is not None:
        data["socket"] = options.socket
    return check(data, "command line")


def _serve(bridge: Bridge, listener: socket.socket, folders: Sequence[Path]) -> int:
    bridge.pump.on_log = _log_output
    bridge.pump.start()

    def accepted(client: socket.socket, identity: str) -> None:
        fd = client.detach()
        bridge.attach(fd, fd, ServiceDoor(), identity)

    async def listen(*, task_status: trio.TaskStatus[None]) -> None:
        _log.info("listening on %s with %s", listener.getsockname(), _describe(bridge.specs))
        task_status.started()
        await accept(listener, accepted)

    async def watch_modules(tree: Tree, *, task_status: trio.TaskStatus[None]) -> None:
        async def on_change(files: list[str]) -> None:
            _log.info("%d file(s) changed (%s): workers are replaced", len(files), files[0])
            await tree.recycle("its modules changed")

        task_status.started()
        await watch(folders, on_change)

    def more(tree: Tree) -> list[ChildSpec]:
        children = [ChildSpec("listener", listen)]
        if folders:
            children.append(ChildSpec("watch", partial(watch_modules, tree)))
        return children

    return supervise(bridge, more=more)


def _log_output(worker: str, text: str, err: bool) -> None:
    """What workers print while no call runs that it could belong to."""
    for line in text.splitlines():
        logging.getLogger("bascule.output").log(logging.WARNING if err else logging.INFO, "%s: %s", worker, line)


def _describe(specs: list[PoolSpec]) -> str:
    return ", ".join(f"pool {spec.name} of {spec.size}" for spec in specs)
