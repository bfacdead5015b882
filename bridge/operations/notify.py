"""What systemd is told (sd_notify): ready, reloading, stopping, alive, and in a few words what goes on.

The protocol is a datagram to $NOTIFY_SOCKET with lines NAME=value. Without the variable nothing is sent.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping, MutableMapping
from typing import Final

_PATIENCE: Final = 2.0  # seconds for which a manager may be too busy to take one more message


class Notifier:
    """Speaks to the service manager that started us, if one did."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self.watchdog = _watchdog_of(environment)
        self.lost = 0  # messages that could not be sent

    @property
    def listens(self) -> bool:
        """Whether anybody wants to know."""
        return bool(self._address)

    def send(self, **fields: str | int) -> None:
        """Say this. A manager that does not listen is no reason to stop."""
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        message = "\n".join(f"{name}={_line(value)}" for name, value in fields.items())
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.settimeout(_PATIENCE)  # few messages wait unread: the next one would hold us up until one is read
            try:
                sock.sendto(message.encode(), address)
            except OSError:
                self.lost += 1

    def ready(self, status: str) -> None:
        """The service serves (at its start, and after each reload)."""
        self.send(READY=1, STATUS=status)

    def reloading(self) -> None:
        """The configuration is read again; `ready` follows."""
        self.send(RELOADING=1, MONOTONIC_USEC=time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000)

    def stopping(self, status: str) -> None:
        """Nothing new is taken."""
        self.send(STOPPING=1, STATUS=status)

    def extend(self, seconds: float) -> None:
        """Starting or stopping takes so much longer from now on."""
        self.send(EXTEND_TIMEOUT_USEC=round(seconds * 1_000_000))

    def alive(self) -> None:
        """The watchdog's sign."""
        self.send(WATCHDOG=1)


def forget_manager(environment: MutableMapping[str, str]) -> None:
    """Take the manager's variables out of the environment: a worker, or what it starts, must not speak for us."""
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
        environment.pop(name, None)


def _watchdog_of(environment: Mapping[str, str]) -> float | None:
    """Seconds within which a sign is expected of this very process; None where none is."""
    told, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID")
    if not told.isdecimal() or not int(told) or (pid is not None and pid != str(os.getpid())):
        return None
    return int(told) / 1_000_000


def _line(value: str | int) -> str:
    return " ".join(str(value).split())
