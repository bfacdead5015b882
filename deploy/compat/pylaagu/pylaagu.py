"""The package, where somebody has put this folder on PYTHONPATH rather than the one above; so has `python meta.py`."""

from __future__ import annotations

from pathlib import Path

__path__ = [str(Path(__file__).parent)]
