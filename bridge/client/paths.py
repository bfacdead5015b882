"""Where the service listens when nobody says otherwise."""

from __future__ import annotations

import os
from pathlib import Path


def default_socket() -> Path:
    """$BASCULE_SOCKET, else bascule.sock in the user's runtime folder, else in a folder of the user's own in /tmp."""
    told = os.environ.get("BASCULE_SOCKET")
    if told:
        return Path(told)
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    folder = Path(runtime, "bascule") if runtime else Path(f"/tmp/bascule-{os.getuid()}")
    return folder / "bascule.sock"
