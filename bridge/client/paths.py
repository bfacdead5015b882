"""Where the service listens when nobody says otherwise."""

from __future__ import annotations

from pathlib import Path

from bascule.bridge.cli.relay import usual_place


def default_socket() -> Path:
    """$BASCULE_SOCKET, else bascule.sock in the user's runtime folder, else in a folder of the user's own in /tmp."""
    return Path(usual_place())
