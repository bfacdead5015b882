"""The command line that starts a worker: for the bridge, which may run another Python than the worker.

The pool's Python needs nothing installed. A snippet, given with -c so that multiprocessing in user code has no main
file to run again, loads `bascule` from the bridge's own folder *by location*: sys.path is not touched, and nothing but
the name `bascule` is claimed in sys.modules. So user code sees its own environment, and may have packages called
`bridge`, `protocols` or `workers` of its own.

msgpack is the pool's own where it is good enough, since user code may import it too and a C extension should not be
loaded twice; else the bridge's copy, under a private name. Its C part fits one version of Python; for the others it has
pure Python.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

OLDEST: Final = (3, 9)

SNIPPET: Final = """\
import sys
def load(name, folder):
    from _frozen_importlib import module_from_spec
    from _frozen_importlib_external import spec_from_file_location
    spec = spec_from_file_location(name, folder + "/__init__.py", submodule_search_locations=[folder])
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
if sys.version_info < (3, 9):
    sys.exit("bascule: a worker needs Python 3.9 or later, %s is %s" % (sys.executable, sys.version.split()[0]))
load("bascule", sys.argv[5])
from bascule.workers.boot import main
main(load)
"""


def command(executable: str, wire_in: int, wire_out: int, page: int, *, ahead: str = "") -> list[str]:
    """What to execute.

    Args:
        executable: The Python of the pool.
        wire_in: A descriptor that the worker will inherit: its frames come from there.
        wire_out: Where its frames go.
        page: The shared page.
        ahead: A module of ours that the worker will need, to be imported while it waits for its configuration.

    The process must be started by the process that asks for the command: the worker leaves at once when its parent is
    another, which means that the bridge died in between.
    """
    numbers = [str(number) for number in (wire_in, wire_out, page, os.getpid())]
    return [executable, "-I", "-c", SNIPPET, *numbers, bascule_folder(), msgpack_folder(), *filter(None, [ahead])]


def bascule_folder() -> str:
    """Where the package `bascule` is."""
    return os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - no pathlib in workers


def msgpack_folder() -> str:
    """Where the bridge's msgpack is."""
    module = sys.modules.get("bascule._msgpack") or sys.modules.get("msgpack")
    if module is None:  # found without being imported: that takes longer than to start the process
        from _frozen_importlib_external import PathFinder

        spec = PathFinder.find_spec("msgpack")
        if spec is not None and spec.origin is not None:
            return os.path.dirname(os.path.abspath(spec.origin))  # noqa: PTH100, PTH120
        module = __import__("msgpack")
    return os.path.dirname(os.path.abspath(str(module.__file__)))  # noqa: PTH100, PTH120
