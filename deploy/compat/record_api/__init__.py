"""python-record-api's commands, answered by Bascule.

Put the folder that this one stands in on PYTHONPATH; then `python -m record_api`, `python -m record_api.line_counts`,
`infer_apis`, `combine_apis` and `write_api` do what they did, told by the same environment variables, and a plain
`pytest` records when these are set. They run on CPython 3.11, 3.12 and 3.13.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

__version__ = "1.3.2"


def _find_bascule() -> None:
    """Load Bascule from the tree or installation that this folder belongs to, where it is not installed itself."""
    if "bascule" in sys.modules or importlib.util.find_spec("bascule") is not None:
        return
    above = Path(__file__).resolve().parents[3]
    package = next(folder for folder in (above / "bascule", above) if (folder / "__init__.py").is_file())
    spec = importlib.util.spec_from_file_location(
        "bascule", package / "__init__.py", submodule_search_locations=[str(package)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["bascule"] = module
    spec.loader.exec_module(module)


_find_bascule()
