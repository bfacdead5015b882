"""`bascule serve`: the service on a Unix socket, until it is told to end (SIGTERM, SIGINT)."""

from __future__ import annotations

import argparse
import logging
import os
import resource
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import trio

from bascule.bridge.app import Bridge
from bascule.bridge.client.paths import default_socket
from bascule.bridge.config import ConfigError, ServiceConfig
from bascule.bridge.config_file import check, load
from bascule.bridge.inherited import inherited_sockets
from bascule.bridge.listener import ListenRefused
from bascule.bridge.operations.call_trace import CallTrace, ask_workers
from bascule.bridge.operations.logs import TEXT, Recent, set_up
from bascule.bridge.operations.notify import Notifier, forget_manager
from bascule.bridge.operations.watch import watch
from bascule.bridge.pool_spec import PoolSpecError
from bascule.bridge.scheduling import UnknownScheduler
from bascule.bridge.serving import Service
from bascule.bridge.supervision.cgroups import take_over
from bascule.bridge.supervision.spawn import divide
from bascule.bridge.supervision.spec import ChildSpec
from bascule.bridge.tree import Tree, supervise

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
    parser.add_argument("--no-cache", action="store_true", help="keep no answers, whatever the file says")
    parser.add_argument("--watch", action="store_true", help="replace the workers when modules in --path change")
    parser.add_argument(
        "--record", type=Path, metavar="FILE", help="write which functions are called, with which types, as a trace"
    )


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
_FLAGS = {"size": "--workers", "paths": "--path"}  # of those whose option has another name


def run(options: argparse.Namespace) -> int:
    """Serve until told to end."""
    # Until the supervision hears it. A handler, since workers would inherit that it is ignored.
    signal.signal(signal.SIGHUP, lambda *_: None)
    recent = Recent()
    logging.basicConfig(level=logging.INFO, format=TEXT, stream=sys.stderr)
    try:
        config = _configuration(options)
        set_up(config.logging, recent)
        folders = [Path(folder) for pool in config.pools.values() for folder in pool.paths] if options.watch else []
        if options.watch and not folders:
            raise ConfigError("--watch: there is nothing to watch; name the folders of your modules with --path")
        inherited = inherited_sockets(os.environ)
        notifier = Notifier(dict(os.environ))
        forget_manager(os.environ)
        _allow_descriptors()
        divide(take_over())
        ask_workers(wanted=options.record is not None)
        bridge = Bridge(config.specs())
        file = None if options.config is None else options.config.resolve()
        service = Service(config, bridge, recent, notifier, file=file, override=_override(options), inherited=inherited)
        with ExitStack() as closing:
            service.open(closing)
            if options.record is not None:
                closing.callback(CallTrace(bridge.core, options.record).close)
            return _serve(service, folders)
    except OSError as error:
        print(f"bascule serve: {error.filename or ''}: {error.strerror or error}", file=sys.stderr)
        return 2
    except (ConfigError, PoolSpecError, ListenRefused, UnknownScheduler, ValueError) as error:
        print(f"bascule serve: {error}", file=sys.stderr)
        return 2


def _allow_descriptors() -> None:
    """As many as the system lets us have, within reason: each client is one, each worker six."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _override(options: argparse.Namespace) -> dict[str, Any]:
    """What holds whatever the file says."""
    override: dict[str, Any] = {} if options.socket is None else {"socket": options.socket}
    return override | {"cache": {}} if options.no_cache else override


def _configuration(options: argparse.Namespace) -> ServiceConfig:
    """The file, or the options: both at once would hide which of them holds."""
    given: dict[str, Any] = {
        name: getattr(options, name) for name in _POOL_OPTIONS if getattr(options, name) is not None
    }
    if "paths" in given:
        given["paths"] = [str(Path(folder).resolve()) for folder in given["paths"]]
    if options.config is not None:
        if given:
            flags = ", ".join(_FLAGS.get(name, f"--{name.replace('_', '-')}") for name in given)
            raise ConfigError(f"--config describes the pools: {flags} can't be given beside it, but stand in the file")
        return load(options.config).model_copy(update=_override(options))
    data: dict[str, object] = {"pools": {"default": given}}
    if options.socket is not None:
        data["socket"] = options.socket
    return check(data, "command line")


def _serve(service: Service, folders: Sequence[Path]) -> int:
    service.bridge.pump.start()

    async def watch_modules(tree: Tree, *, task_status: trio.TaskStatus[None]) -> None:
        async def on_change(files: list[str]) -> None:
            _log.info("%d file(s) changed (%s): workers are replaced", len(files), files[0])
            await tree.recycle("its modules changed")

        task_status.started()
        await watch(folders, on_change)

    def more(tree: Tree) -> list[ChildSpec]:
        children = service.children(tree)
        if folders:
            children.append(ChildSpec("watch", partial(watch_modules, tree)))
        return children

    return supervise(service.bridge, more=more)
