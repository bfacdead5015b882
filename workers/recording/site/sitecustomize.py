"""Begins a recording in a Python that a recorded program started, then does what the next `sitecustomize` would."""

from __future__ import annotations

import importlib
import os
import sys


def _begin() -> None:
    """Load `bascule` from where it is, without a trace of that on `sys.path`."""
    from importlib.util import module_from_spec, spec_from_file_location

    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != here]
    if "bascule" not in sys.modules:
        above = os.path.dirname(os.path.dirname(os.path.dirname(here)))
        # In the tree the room stands beside the package, once installed it is in it.
        folders = (os.path.join(above, "bascule"), above)
        package = next(folder for folder in folders if os.path.exists(os.path.join(folder, "__init__.py")))
        spec = spec_from_file_location(
            "bascule", os.path.join(package, "__init__.py"), submodule_search_locations=[package]
        )
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        sys.modules["bascule"] = module
        spec.loader.exec_module(module)
    from bascule.workers.recording.session import begin_in_child

    begin_in_child()


if os.environ.get("BASCULE_RECORD"):
    _begin()

# The one that ours stands before, if there is one; else ours stays, since whoever imports it expects to find it.
_ours = sys.modules.pop(__name__)
try:
    importlib.import_module(__name__)
except ImportError as error:
    sys.modules[__name__] = _ours
    if error.name != __name__:
        raise
