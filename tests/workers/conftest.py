"""A project for workers to work with, and one worker for the tests that do it no harm."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workers.harness import Worker

PROJECT = Path(__file__).parent / "project"


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    """One worker for a whole module, with the project on its path."""
    with Worker(paths=[str(PROJECT)]) as one:
        yield one
