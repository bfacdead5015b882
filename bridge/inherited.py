"""Sockets that systemd made for us and handed over (sd_listen_fds): descriptors from 3 on, named in LISTEN_FDNAMES."""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping

FIRST = 3  # SD_LISTEN_FDS_START


def inherited_sockets(environment: MutableMapping[str, str]) -> dict[str, list[socket.socket]]:
    """The listening sockets that were handed to this very process, by name; asked once, at the start.

    The variables are removed, and the descriptors closed in children: a worker must not take them for its own.

    Raises:
        ValueError: The variables are not as systemd sets them, or a descriptor is no listening stream socket.
    """
    pid, count = environment.pop("LISTEN_PID", None), environment.pop("LISTEN_FDS", None)
    names = environment.pop("LISTEN_FDNAMES", "")
    if pid is None or count is None or pid != str(os.getpid()):
        return {}
    if not count.isdecimal():
        raise ValueError(f"LISTEN_FDS is {count!r}, where a number of sockets must stand")
    given = names.split(":") if names else []
    found: dict[str, list[socket.socket]] = {}
    for at in range(int(count)):
        fd = FIRST + at
        try:
            os.set_inheritable(fd, False)
            sock = socket.socket(fileno=fd)
            listens = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        except OSError as error:
            raise ValueError(f"LISTEN_FDS counts {count} sockets, but descriptor {fd} is none: {error}") from None
        if sock.type != socket.SOCK_STREAM or not listens:
            raise ValueError(f"descriptor {fd} from LISTEN_FDS is no listening stream socket (ListenStream=)")
        sock.setblocking(False)
        found.setdefault(given[at] if at < len(given) else "unknown", []).append(sock)
    return found
