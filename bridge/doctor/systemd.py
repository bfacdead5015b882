"""Whether systemd is there to keep a service running, and whether it does."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from bascule.bridge.doctor.findings import Finding, good, note, warning

_WITHIN = 10.0
_INSTALL = (
    'cp "$(bascule path systemd)/bascule.service" ~/.config/systemd/user/ && systemctl --user enable --now bascule'
)


def check() -> Iterator[Finding]:
    """The unit, and whether it outlives a logout."""
    if not Path("/run/systemd/system").is_dir() or shutil.which("systemctl") is None:
        yield note("systemd", "it does not run this machine", "have another supervisor start `bascule serve` again")
        return
    state = _ask("systemctl", "--user", "is-active", "bascule.service")
    if state == "active":
        yield good("systemd", "bascule.service is active")
    elif _ask("systemctl", "--user", "is-enabled", "bascule.service") in ("enabled", "linked", "static", "disabled"):
        text = f"bascule.service is installed and {state or 'not active'}"
        yield note("systemd", text, "systemctl --user start bascule; journalctl --user -u bascule")
    else:
        yield note("systemd", "no unit is installed for this user", _INSTALL)
        return
    if os.getuid() != 0 and _ask("loginctl", "show-user", str(os.getuid()), "--property=Linger", "--value") == "no":
        yield warning("systemd", "the service ends when you log out", "loginctl enable-linger")


def _ask(*command: str) -> str:
    try:
        told = subprocess.run(
            command, capture_output=True, text=True, timeout=_WITHIN, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return told.stdout.strip()
