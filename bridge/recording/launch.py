"""Starts the program that is to be recorded, in an interpreter of its own.

Any CPython 3.11, 3.12 or 3.13 will do; nothing need be installed there: Bascule is loaded from where it is, by its
location, so that the program's `sys.path` is not another one for it.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path

import bascule
from bascule.bridge.recording.progress import shown
from bascule.workers.recording.errors import RecordError
from bascule.workers.recording.output import merge_children, remove_children
from bascule.workers.recording.session import Wanted

_BOOT = """
import sys
from importlib.util import module_from_spec, spec_from_file_location
package = sys.argv.pop(1)
spec = spec_from_file_location("bascule", package + "/__init__.py", submodule_search_locations=[package])
sys.modules["bascule"] = module = module_from_spec(spec)
spec.loader.exec_module(module)
if sys.path and sys.path[0] == "": del sys.path[0]
from bascule.workers.recording.program import main
sys.exit(main(sys.argv[1:]))
"""


def recording_options(parser: argparse.ArgumentParser) -> None:
    """What can be said of a recording."""
    parser.add_argument(
        "--from",
        action="append",
        dest="users",
        default=[],
        metavar="MODULE",
        help="whose use is recorded, beside the program's own; repeat",
    )
    parser.add_argument("--to", action="append", default=[], metavar="MODULE", help="the target: use of what; repeat")
    parser.add_argument("--python", default=sys.executable, metavar="EXE", help="the interpreter (default: this one)")
    parser.add_argument(
        "--exhaustive", action="store_true", help="never switch a place off: sees all, and is far slower"
    )
    parser.add_argument("--no-results", action="store_true", help="leave out what calls gave and raised")
    parser.add_argument("--quiet", action="store_true", help="no progress, and no summary at the end")


def record(options: argparse.Namespace, program: list[str], output: Path) -> int:
    """Run a program recorded; its exit status.

    Raises:
        RecordError: The options can't be followed.
        OSError: The interpreter can't be started.
    """
    if not options.to:
        raise RecordError("say whose use is to be recorded: --to MODULE")
    if not program:
        raise RecordError("say what to run: -m MODULE, a script, or pytest")
    if program[0] == "pytest":
        program = ["-m", *program]
    wanted = Wanted(
        str(output),
        _names(options.to),
        _names(options.users),
        exhaustive=options.exhaustive,
        results=not options.no_results,
        tests=program[:2] == ["-m", "pytest"],
    )
    output.write_bytes(b"")
    remove_children(str(wanted.output))
    environment = dict(os.environ)
    if options.quiet:
        environment["BASCULE_RECORD_QUIET"] = "1"
    package = str(Path(bascule.__file__).resolve().parent)
    command = [options.python, "-c", _BOOT, package, wanted.to_text(), *program]
    process = subprocess.Popen(command, env=environment)
    with shown(output, quiet=options.quiet):
        status = _end_of(process)
    if output.exists():
        merge_children(str(output))
    if status < 0:
        print(f"bascule record: the program was killed by {signal.Signals(-status).name}", file=sys.stderr)
        return 128 - status
    return status


def _end_of(process: subprocess.Popen[bytes]) -> int:
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue  # the terminal has told the program too, and it decides


def _names(given: list[str]) -> list[str]:
    return [name for each in given for name in each.split(",") if name]
