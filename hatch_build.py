"""The compiled form of what every call runs through, for wheels that ask for it.

Bascule is plain Python, and works as such everywhere. But each call crosses the router, a handful of codecs and the
worker's own code, and there the interpreter's time is most of the cost. Those modules are typed strictly, so mypyc can
make C of them: the same source, and a small call takes half to three quarters of the time. An extension lies beside its
module and takes its place where it fits the interpreter; for all others (workers of another version) the module is
there as before.

    HATCH_BUILD_HOOKS_ENABLE=1 pip install .     an installation that is compiled (it takes a C compiler, and minutes)
    make compiled                                the same for this tree, in build/compiled, where `make bench` uses it

Extensions are never made inside the tree that one works in: there they would hide what was edited since.
"""

from __future__ import annotations

import os
import tempfile
from itertools import chain
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_ROUTER = """answers callbacks calls client_ends copies core descriptors endings messages peers placed pools pump
    quarantine requests worker_ends writer"""
_DOORS = "pod port"
_WIRE = "calls envelope tokens"
_CODECS = "bencode etf_decode etf_encode etf_runs framing jsonic pod port"
# Not what waits (`loop`, `threads`) or interrupts (`cancel`): see there.
_RUNNING = "plan running values wire"

# One library each: a worker loads what it needs of the protocols, and nothing of the bridge.
LIBRARIES = {
    "bascule.bridge.routing": [
        *[f"bascule/bridge/router/{name}.py" for name in _ROUTER.split()],
        *[f"bascule/bridge/doors/{name}.py" for name in _DOORS.split()],
    ],
    "bascule.protocols.codecs": [f"bascule/protocols/{name}.py" for name in _CODECS.split()],
    "bascule.protocols.wire": [f"bascule/protocols/{name}.py" for name in _WIRE.split()],
    "bascule.workers.answering": [f"bascule/workers/{name}.py" for name in _RUNNING.split()],
}

# What the compiler need not look into to know the types of the above.
_OPAQUE = "griffe hypercorn numpy pandas pyarrow pydantic rich trio yaml"
_MYPY = "[mypy]\nignore_missing_imports = True\n" + "".join(
    f"[mypy-{name}.*]\nfollow_imports = skip\n" for name in _OPAQUE.split()
)


class CompiledHook(BuildHookInterface[Any]):
    """Adds the extensions to a wheel. It is off by default: see pyproject.toml."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it collects the files of a wheel."""
        if version == "editable":
            return
        self._made = tempfile.TemporaryDirectory(prefix="bascule-compiled-")
        made = Path(self._made.name)
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        for file in compile_into(Path(self.root), made):
            build_data["force_include"][str(file)] = str(file.relative_to(made))

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Called once the wheel is written."""
        if version != "editable":
            self._made.cleanup()


def compile_into(root: Path, folder: Path) -> list[Path]:
    """Make the extensions of the tree at `root`, and place them below `folder` as they are placed in a wheel."""
    from mypyc.build import mypycify
    from setuptools import Distribution

    before = Path.cwd()
    os.chdir(root)  # the compiler knows modules by their paths from here
    try:
        with tempfile.TemporaryDirectory(prefix="bascule-c-") as scratch:
            config = Path(scratch) / "mypy.ini"
            config.write_text(_MYPY)
            extensions = mypycify(
                [f"--config-file={config}", f"--cache-dir={scratch}/cache", *chain(*LIBRARIES.values())],
                separate=[(files, name) for name, files in LIBRARIES.items()],
                target_dir=f"{scratch}/c",
                opt_level="2",
                debug_level="0",
            )
            command = Distribution({"name": "bascule", "ext_modules": extensions}).get_command_obj("build_ext")
            command.build_lib = str(folder)
            command.build_temp = f"{scratch}/o"
            command.parallel = os.cpu_count()
            command.ensure_finalized()
            command.run()
    finally:
        os.chdir(before)
    return sorted(file for file in folder.rglob("*") if file.suffix in {".so", ".pyd"})
