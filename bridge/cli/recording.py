"""The steps of `bascule record`, and all of them in one.

    run, pytest    a program -> a trace, one line for each use
    counts         traces -> the same lines grouped, with their counts
    infer          grouped lines -> an api.json: parameters, types, counts
    combine        several api.json -> one
    write          an api.json -> stubs
    report         an api.json -> what is used most

Each reads and writes files, so that the slow step (running the program) is done once and the others again and again,
or on another machine. `bascule record -o FOLDER -- PROGRAM` does all of it in a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bascule.bridge.cli.mistakes import Parser
from bascule.bridge.recording.launch import record, recording_options
from bascule.bridge.recording.reading import Damage, InputError, read_api
from bascule.bridge.recording.reading_types import TypeFormatError
from bascule.workers.recording.errors import RecordError

if TYPE_CHECKING:
    from bascule.bridge.recording.apis import API

FAILED, WRONG = 1, 2


def step(arguments: list[str]) -> int:
    """Read the arguments of one step, and do it."""
    parser = _parser()
    program: list[str] = []
    if arguments[0] in ("run", "pytest"):
        arguments, program = _split(arguments)
    options = parser.parse_args(arguments)
    options.program = program
    return _done(lambda: options.do(options))


def everything(arguments: list[str]) -> int:
    """Record a program, and write the stubs of what it used."""
    parser = Parser(
        prog="bascule record",
        description="Record a program and write typed stubs of the API that it used; what stands behind -- is the "
        "program: pytest, -m MODULE or a script. The steps by themselves: bascule record "
        "{run,pytest,counts,infer,combine,write,report} --help.",
    )
    recording_options(parser)
    parser.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="where the stubs go")
    parser.add_argument("--label", help="under whose name uses are counted (default: the first --from)")
    parser.add_argument("--trace", type=Path, metavar="FILE", help="keep the trace")
    parser.add_argument("--api", type=Path, metavar="FILE", help="keep the api.json")
    parser.add_argument(
        "--calls", type=Path, metavar="FILE", help="instead of a program: the trace of a service's calls"
    )
    _damage_options(parser)
    before, program = _split(arguments)
    options = parser.parse_args(before)
    if options.output is None:
        parser.error("say where the stubs go: -o FOLDER")
    if (options.calls is None) == (not program):
        parser.error("say what to record, behind --: pytest ARGUMENTS, -m MODULE or a script; or --calls FILE")
    if options.calls is None and not options.to:
        parser.error("say whose use is to be recorded: --to MODULE")
    return _done(lambda: _everything(options, program))


def _everything(options: argparse.Namespace, program: list[str]) -> int:
    from bascule.bridge.recording.counts import count
    from bascule.bridge.recording.infer import infer
    from bascule.bridge.recording.runtime import Runtime
    from bascule.bridge.recording.stubs import write_stubs

    with tempfile.TemporaryDirectory(prefix="bascule-record-") as scratch:
        trace = options.calls or options.trace or Path(scratch) / "trace.jsonl"
        grouped = Path(scratch) / "grouped.jsonl"
        status = 0
        if options.calls is None:
            status = record(options, program, trace)
        damage = Damage(strict=options.strict)
        label = options.label or (options.users[0] if options.users else "calls" if options.calls else "main")
        count([trace], grouped, damage)
        api = infer([grouped], label, tuple(options.to), damage)
        _tell(damage)
        if options.api is not None:
            _save(api.to_json(), options.api)
        files = write_stubs(api, options.output, Runtime())
        if not files and options.to and status == 0:
            print(f"bascule record: no use of {', '.join(options.to)} was seen: is that its name?", file=sys.stderr)
        print(f"{len(files)} stubs in {options.output}", file=sys.stderr)
        return status


# ---- The steps -----------------------------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="bascule record")
    steps = parser.add_subparsers(metavar="STEP", required=True)

    for name, what in (
        ("run", "run a module (-m NAME) or a script"),
        ("pytest", "run pytest: what tests do is recorded"),
    ):
        one = steps.add_parser(name, help=f"{what}, and write a trace", description=f"{what}, and write a trace.")
        recording_options(one)
        one.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="the trace, JSON lines")
        one.set_defaults(do=_run if name == "run" else _pytest)

    one = steps.add_parser("counts", help="group a trace by call, and count the places")
    one.add_argument("inputs", nargs="+", type=Path, metavar="TRACE")
    _output(one, "FILE", "the grouped lines")
    _damage_options(one)
    one.set_defaults(do=_counts)

    one = steps.add_parser("infer", help="infer the API that grouped calls use")
    one.add_argument("inputs", nargs="+", type=Path, metavar="GROUPED")
    one.add_argument("--label", required=True, help="under whose name uses are counted")
    one.add_argument(
        "--module", action="append", dest="modules", default=[], metavar="NAME", help="whose API; repeat (default: all)"
    )
    _output(one, "FILE", "the api.json")
    _compat_option(one)
    _damage_options(one)
    one.set_defaults(do=_infer)

    one = steps.add_parser("combine", help="join several APIs")
    one.add_argument("inputs", nargs="+", type=Path, metavar="API")
    _output(one, "FILE", "the joined api.json")
    _compat_option(one)
    one.set_defaults(do=_combine)

    one = steps.add_parser("write", help="write typed stubs of an API")
    one.add_argument("input", type=Path, metavar="API")
    _output(one, "FOLDER", "the stubs")
    _compat_option(one)
    one.add_argument(
        "--no-runtime", action="store_true", help="do not import the modules to agree with their signatures"
    )
    one.set_defaults(do=_write)

    one = steps.add_parser("report", help="show what is used most")
    one.add_argument("input", type=Path, metavar="API")
    one.add_argument("--html", type=Path, metavar="FILE", help="one self-contained page instead of a table")
    one.add_argument("--top", type=int, default=30, metavar="N", help="rows of the table (default: %(default)s)")
    one.set_defaults(do=_report)
    return parser


def _output(parser: argparse.ArgumentParser, metavar: str, what: str) -> None:
    parser.add_argument("-o", "--output", type=Path, required=True, metavar=metavar, help=what)


def _compat_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--strict-compat", action="store_true", help="what python-record-api 1.3.2 makes of it, faults and all"
    )


def _damage_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--strict", action="store_true", help="a damaged line ends the step; else it is told and skipped"
    )


def _run(options: argparse.Namespace) -> int:
    return record(options, options.program, options.output)


def _pytest(options: argparse.Namespace) -> int:
    return record(options, ["pytest", *options.program], options.output)


def _counts(options: argparse.Namespace) -> int:
    from bascule.bridge.recording.counts import count

    damage = Damage(strict=options.strict)
    with _progress("counting") as progress, _written(options.output):
        groups = count(options.inputs, options.output, damage, progress)
    _tell(damage)
    print(f"{groups} different calls in {options.output}", file=sys.stderr)
    return 0


def _infer(options: argparse.Namespace) -> int:
    damage = Damage(strict=options.strict)
    modules = tuple(name for each in options.modules for name in each.split(",") if name)
    with _progress("inferring") as progress:
        if options.strict_compat:
            from bascule.bridge.recording.compat import inferring

            told = inferring.infer(options.inputs, options.label, modules, damage, progress)
        else:
            from bascule.bridge.recording.infer import infer

            told = infer(options.inputs, options.label, modules, damage, progress).to_json()
    _tell(damage)
    _save(told, options.output, end="" if options.strict_compat else "\n")
    return 0


def _combine(options: argparse.Namespace) -> int:
    if options.strict_compat:
        from bascule.bridge.recording.compat import merging

        _save(merging.combine(options.inputs), options.output, end="")
        return 0
    from bascule.bridge.recording.apis import API, combine

    _save(combine(API.read(path) for path in options.inputs).to_json(), options.output)
    return 0


def _write(options: argparse.Namespace) -> int:
    if options.strict_compat:
        from bascule.bridge.recording.compat import writing

        written = writing.write(read_api(options.input), options.output, strict=True)
        print(f"{len(written)} stubs in {options.output}", file=sys.stderr)
        return 0
    from bascule.bridge.recording.runtime import Runtime
    from bascule.bridge.recording.stubs import write_stubs

    runtime = None if options.no_runtime else Runtime()
    with _written(options.output):
        files = write_stubs(_api(options.input), options.output, runtime)
    if runtime is not None:
        for name, why in sorted(runtime.failed.items()):
            print(f"bascule record: {name} can't be imported, its stub is what was recorded: {why}", file=sys.stderr)
    print(f"{len(files)} stubs in {options.output}", file=sys.stderr)
    return 0


def _report(options: argparse.Namespace) -> int:
    from bascule.bridge.recording.report import show

    show(_api(options.input), top=options.top, page=options.html)
    return 0


# ---- What they share -----------------------------------------------------------------------------------------------


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Our own arguments and the program: what stands behind `--`, or from the first that is no option of ours on."""
    if "--" in arguments:
        at = arguments.index("--")
        return arguments[:at], arguments[at + 1 :]
    own = arguments[:1] if arguments and not arguments[0].startswith("-") else []
    rest = arguments[len(own) :]
    while rest:
        name, _, value = rest[0].partition("=")
        if name in ("--exhaustive", "--no-results", "--quiet", "--strict", "--help", "-h"):
            own, rest = [*own, rest[0]], rest[1:]
        elif name in ("--from", "--to", "--output", "-o", "--python", "--label", "--trace", "--api", "--calls"):
            taken = 1 if value else 2
            own, rest = [*own, *rest[:taken]], rest[taken:]
        else:
            break
    return own, rest


def _api(path: Path) -> API:
    from bascule.bridge.recording.apis import API

    return API.read(path)


def _save(told: dict[str, Any], path: Path, *, end: str = "\n") -> None:
    with _written(path):
        path.write_text(json.dumps(told, indent=2, ensure_ascii=False) + end, errors="surrogatepass")


@contextmanager
def _written(path: Path) -> Iterator[None]:
    """What goes wrong while a file is written is told with its name, which a full disk does not know."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, error.filename or str(path)) from None


def _tell(damage: Damage) -> None:
    for line in damage.lines():
        print(f"bascule record: {line}", file=sys.stderr)


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int], None] | None]:
    """A count of lines, where somebody looks on."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console

    with Console(stderr=True).status(what) as status:
        yield lambda lines: status.update(f"{what}: {lines:,} lines")


def _done(do: Callable[[], int]) -> int:
    try:
        return do()
    except (InputError, TypeFormatError) as error:
        print(f"bascule record: {error}", file=sys.stderr)
        return FAILED
    except RecordError as error:
        print(f"bascule record: {error}", file=sys.stderr)
        return WRONG
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"bascule record: {where}{error.strerror or error}", file=sys.stderr)
        return FAILED
