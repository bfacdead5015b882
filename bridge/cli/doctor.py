"""`bascule doctor`: look at all that a service needs on this machine, and say what to do where it is not well."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bascule.bridge.config import PoolConfig, ServiceConfig
    from bascule.bridge.doctor import Finding, Patient

_MARKS = {"good": "  ", "note": "- ", "warning": "! ", "problem": "x "}


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "doctor",
        help="look at what a service needs on this machine, and say what to do",
        description="Look at the interpreters, modules, names, sockets, limits, systemd and foreign runtimes that a "
        "service needs, and say what to do where something is wrong. Nothing is changed.",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="the service's configuration file")
    parser.add_argument(
        "--socket", type=Path, metavar="PATH", help="where the service listens (default: the usual place)"
    )
    parser.add_argument("--python", metavar="EXE", help="the workers' interpreter, without a configuration file")
    parser.add_argument(
        "--path", metavar="DIR", action="append", default=[], help="a folder to import modules from; may be repeated"
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="modules that are to be called")


def run(options: argparse.Namespace) -> int:
    """Look at everything; exit status 1 when there is a problem."""
    from bascule.bridge.config import ConfigError, ServiceConfig
    from bascule.bridge.config_file import load
    from bascule.bridge.doctor import Level, checkup
    from bascule.bridge.doctor.findings import good, problem

    if options.config is not None and (options.python is not None or options.path):
        print("bascule doctor: --python and --path go without --config, which says both of each pool", file=sys.stderr)
        return 2
    config, first = ServiceConfig(), []
    if options.config is not None:
        try:
            config = load(options.config)
            first = [good("configuration", f"{options.config} is good")]
        except ConfigError as error:
            remedy = "mend it; what follows is looked at as if there were no file"
            first = [problem("configuration", str(error), remedy)]
    findings = []
    for finding in (*first, *checkup(_patient(options, config), options.modules)):
        findings.append(finding)
        if not options.json:
            _show(finding)
    if options.json:
        import json

        print(json.dumps([one.as_data() for one in findings], indent=1, ensure_ascii=False))
    else:
        print(_in_all(findings))
    return 1 if any(one.level is Level.PROBLEM for one in findings) else 0


def _patient(options: argparse.Namespace, config: ServiceConfig) -> Patient:
    from bascule.bridge.client.paths import default_socket
    from bascule.bridge.doctor.findings import Patient, Pool

    pools = [
        Pool(name, one.python, one.size + one.spares, tuple(one.paths), _imported(one), one.scheduler)
        for name, one in config.pools.items()
    ]
    if options.config is None:
        paths = tuple([str(Path(one).absolute()) for one in options.path])
        pools = [Pool("default", options.python or sys.executable, pools[0].size, paths)]
    sockets = [options.socket or config.socket or default_socket()]
    sockets += [one.unix for one in config.listeners.values() if one.unix is not None]
    addresses = [one.tcp for one in config.listeners.values() if one.tcp is not None]
    return Patient(tuple(pools), tuple(sockets), tuple(addresses))


def _imported(pool: PoolConfig) -> tuple[str, ...]:
    """What a worker of the pool imports before it is ready."""
    own = [pool.init.partition(":")[0]] if pool.init else []
    return (*pool.preload, *own, *([pool.converters] if pool.converters else []))


def _show(finding: Finding) -> None:
    print(f"{_MARKS[finding.level.value]}{finding.subject}: {finding.text}")
    if finding.remedy is not None:
        print(f"    -> {finding.remedy}")
    sys.stdout.flush()


def _in_all(findings: Iterable[Finding]) -> str:
    counts = {level: sum(one.level.value == level for one in findings) for level in ("problem", "warning", "note")}
    if not any(counts.values()):
        return "all is well"
    words = [f"{count} {level}{'' if count == 1 else 's'}" for level, count in counts.items() if count]
    return ", ".join(words)
