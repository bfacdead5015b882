"""A TCP port for a server that a test starts, and that must be told its port beforehand."""

from __future__ import annotations

import random
import socket
from pathlib import Path

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST = 15_000


def free_port() -> int:
    """A port of 127.0.0.1 that nobody has, and that the kernel gives nobody else until the server is there.

    One that the kernel had chosen (`bind` to port 0) it might choose again for any connection that is opened before the
    server listens, and other tests open thousands. So one below those that it chooses from.
    """
    highest = int(_RANGE.read_text().split()[0]) - 1
    chance = random.SystemRandom()
    while True:
        port = chance.randint(_LOWEST, highest)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
