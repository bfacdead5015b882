"""`bascule-erlport`: the command line that ErlPort's Erlang side uses, and the start.

    bascule-erlport -V
    bascule-erlport -u -m erlport.cli --packet=4 --use_stdio --compressed=0 --buffer_size=65536

The first is how `python:start` asks for a version; the second is the port program. Everything up to `erlport.cli` is
for a Python interpreter, which we are already.

Environment: BASCULE_ERLPORT_THREADS is how many calls may run at a time (64); with 1 all of them run in the main
thread. BASCULE_ERLPORT_PYTHON is another interpreter to run in. BASCULE_ERLPORT_RECORD is a file: which functions are
called, with which types, is written there as a trace.
"""

from __future__ import annotations

import os
import sys

from bascule.workers.erlport import guardian
from bascule.workers.erlport.leaving import GRACE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, NoReturn

THREADS: Final = "BASCULE_ERLPORT_THREADS"
PYTHON: Final = "BASCULE_ERLPORT_PYTHON"
RECORD: Final = "BASCULE_ERLPORT_RECORD"
_MODULE: Final = "erlport.cli"
_MOST: Final = 64
_HIGH: Final = 1000  # descriptors from here on: few programs get so far, or close so far
_DEEP: Final = 10_000
_PATIENCE: Final = 2 * GRACE + 1
_ELSEWHERE: Final = """\
import sys
if sys.version_info < (3, 9):
    sys.exit("bascule-erlport: Python 3.9 or later is needed, %s is %s" % (sys.executable, sys.version.split()[0]))
from _frozen_importlib import module_from_spec
from _frozen_importlib_external import spec_from_file_location
folder = sys.argv.pop()
spec = spec_from_file_location("bascule", folder + "/__init__.py", submodule_search_locations=[folder])
sys.modules["bascule"] = module = module_from_spec(spec)
spec.loader.exec_module(module)
from bascule.workers.erlport.command import main
main()
"""
_USAGE: Final = """\
usage: bascule-erlport -V
       bascule-erlport [-u] [-m erlport.cli] [--packet=1|2|4] [--use_stdio|--nouse_stdio] [--compressed=0..9]
                       [--buffer_size=BYTES]

ErlPort's Erlang modules start it: python:start([{python, "bascule-erlport"}])."""


class Options:
    """What the command line says."""

    def __init__(self) -> None:
        self.packet = 4
        self.stdio = True
        self.compressed = 0
        self.buffer_size = 65_536


def main() -> NoReturn:
    """Serve the port that this process was started for; ends the process."""
    arguments = sys.argv[1:]
    if arguments and arguments[0] in ("-V", "--version"):
        print("Python", ".".join(map(str, sys.version_info[:3])))
        sys.exit(0)
    try:
        options = parse(arguments)
        most = _threads(os.environ.get(THREADS))
    except ValueError as error:
        sys.exit(f"bascule-erlport: {error}\n{_USAGE}" if arguments != ["--help"] else _USAGE)
    other = os.environ.pop(PYTHON, None)
    if other:
        _become(other, arguments)
    sys.exit(serve(options, most))


def _become(python: str, arguments: list[str]) -> NoReturn:
    """Go on in another interpreter, which needs nothing of ours installed."""
    from bascule.workers.launch import bascule_folder

    try:
        os.execvp(python, [python, "-c", _ELSEWHERE, *arguments, bascule_folder()])
    except OSError as error:
        sys.exit(f"bascule-erlport: {PYTHON}={python}: {error.strerror}")


def parse(arguments: list[str]) -> Options:
    """Read ErlPort's options.

    Raises:
        ValueError: One of them is none.
    """
    options = Options()
    if _MODULE in arguments:  # what is before it is for the interpreter
        arguments = arguments[arguments.index(_MODULE) + 1 :]
    for argument in arguments:
        name, _, value = argument.partition("=")
        if name == "--packet":
            options.packet = _number(argument, value, (1, 2, 4))
        elif name == "--compressed":
            options.compressed = _number(argument, value, range(10))
        elif name == "--buffer_size":
            options.buffer_size = _number(argument, value, range(1, 1 << 30))
        elif argument in ("--use_stdio", "--nouse_stdio"):
            options.stdio = argument == "--use_stdio"
        elif argument != "-u":
            raise ValueError(f"unknown option {argument}")
    return options


def _number(argument: str, value: str, allowed: range | tuple[int, ...]) -> int:
    try:
        number = int(value)
    except ValueError:
        number = -1
    if number not in allowed:
        shown = f"{allowed[0]} to {allowed[-1]}" if isinstance(allowed, range) else "1, 2 or 4"
        raise ValueError(f"{argument}: expected {shown}")
    return number


def _threads(value: str | None) -> int:
    if value is None:
        return _MOST
    if not value.isdecimal() or int(value) < 1:
        raise ValueError(f"{THREADS}={value}: expected a number from 1 on")
    return int(value)


def serve(options: Options, most: int) -> int:
    """Be the port program until the input ends; the exit status."""
    fd_in, fd_out = _take_descriptors(stdio=options.stdio)
    guardian.start(fd_in, _PATIENCE)
    here = os.path.dirname(__file__)  # noqa: PTH120 - no pathlib in workers
    # As `python -m` has it, and before it what is imported as `erlport`, whoever else is on the path.
    sys.path[0:1] = [os.path.join(here, "modules"), os.getcwd()]  # noqa: PTH109, PTH118

    from bascule.protocols.erlport.messages import ErlportConversation
    from bascule.workers.erlport import api
    from bascule.workers.erlport.exchange import Exchange
    from bascule.workers.erlport.loop import Loop
    from bascule.workers.erlport.stdio import NoInput, PortOutput

    exchange = Exchange(ErlportConversation(options.packet, options.compressed), fd_out)
    trace = os.environ.get(RECORD)
    if trace:
        from bascule.workers.recorded import finding

        try:
            exchange.find = finding(trace, "erlport:erlang", exchange.find)
        except OSError as error:
            sys.exit(f"bascule-erlport: {RECORD}={trace}: {error.strerror}")
    loop = Loop(exchange, fd_in, most=most, chunk=options.buffer_size)
    api.connect(loop, exchange)
    sys.stdin, sys.stdout = NoInput(), PortOutput(exchange)
    if most == 1:  # calls that call back nest on one stack
        sys.setrecursionlimit(max(_DEEP, sys.getrecursionlimit()))

    def cut_off() -> None:
        if exchange.forked:
            return  # a child's child
        loop.fork()
        os.close(fd_out)
        sys.stdin, sys.stdout = sys.__stdin__, sys.__stdout__

    os.register_at_fork(after_in_child=cut_off)
    loop.serve()
    return 0


def _take_descriptors(*, stdio: bool) -> tuple[int, int]:
    """The port's two descriptors, where nothing that user code starts can reach them."""
    fds = (0, 1) if stdio else (3, 4)
    moved = [_move_away(fd) for fd in fds]
    if stdio:
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.set_inheritable(0, True)  # where it was 0 already, it is not yet for children
        try:
            os.dup2(2, 1)
        except OSError:  # no standard error either
            os.dup2(null, 1)
        if null > 2:
            os.close(null)
    return moved[0], moved[1]


def _move_away(fd: int) -> int:
    """The descriptor under a high number, closed to programs that this process starts."""
    from fcntl import F_DUPFD_CLOEXEC, fcntl

    for lowest in (_HIGH, 200, 5):
        try:
            high: int = fcntl(fd, F_DUPFD_CLOEXEC, lowest)
        except OSError as error:
            problem = error
            continue
        os.close(fd)
        return high
    sys.exit(f"bascule-erlport: descriptor {fd} can't be used: {problem}: is this a port program of Erlang's?")
