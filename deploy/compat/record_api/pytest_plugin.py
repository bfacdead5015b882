"""Records what tests do when the variables are set; else it does nothing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from record_api._environment import PREFIX, names, variable

if TYPE_CHECKING:
    from bascule.workers.recording.session import Recording


def _wanted() -> bool:
    return all(os.environ.get(f"{PREFIX}{name}") for name in ("OUTPUT_FILE", "TO_MODULES", "FROM_MODULES"))


def _started() -> Recording:
    from bascule.workers.recording.session import Recording, Wanted

    wanted = Wanted(variable("OUTPUT_FILE"), names("TO_MODULES"), names("FROM_MODULES"))
    with open(wanted.output, "wb"):
        pass
    recording = Recording(wanted).start()
    recording.paused = True
    return recording


if _wanted():
    from bascule.workers.recording.plugin import plugin

    # Begun as soon as pytest loads this, before it imports any test.
    pytest_plugins: list[object] = []
    _recording = _started()
    _plugin = plugin(_recording)
    pytest_runtest_call = _plugin.pytest_runtest_call  # type: ignore[attr-defined]
    pytest_sessionstart = _plugin.pytest_sessionstart  # type: ignore[attr-defined]

    def pytest_unconfigure() -> None:
        """The end of the run."""
        _recording.stop()
