"""The HTTP door: its socket, and what is served there by hypercorn (see `connections`).

A door is made in two steps: `prepare` does all that can fail (the tokens, the certificate, the socket), so that a
reload can find out that its configuration will not do while the running door still serves.
"""

from __future__ import annotations

import logging
import socket
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import trio
from hypercorn.config import Config

from bascule.bridge.admission import AdmissionError, files_of
from bascule.bridge.app import Bridge
from bascule.bridge.config import HttpConfig
from bascule.bridge.greeting import tls_context
from bascule.bridge.http import contracts, lines, rpc
from bascule.bridge.http.app import App, Request, Respond
from bascule.bridge.http.connections import serve
from bascule.bridge.http.entry import Entry
from bascule.bridge.http.live import Live
from bascule.bridge.listener import ListenRefused, listening
from bascule.bridge.listeners import listen_tcp

_log = logging.getLogger("bascule.http")
_PAGE = Path(__file__).with_name("dashboard.html")


class Place:
    """Where a door listens: a socket that may outlive the door, when a reload makes another for the same place.

    Raises:
        ListenRefused: One can't listen there.
    """

    def __init__(self, listen: str, mode: str) -> None:
        self.listen = listen
        self._closing = ExitStack()
        self._path = Path(listen.removeprefix("unix:")) if listen.startswith("unix:") else None
        if self._path is not None:
            self._socket = self._closing.enter_context(listening(self._path, mode=int(mode, 8)))
        else:
            self._socket = self._closing.enter_context(listen_tcp(listen))

    def admit(self, mode: str) -> None:
        """Other permissions for a Unix socket."""
        if self._path is not None:
            self._path.chmod(int(mode, 8))

    def socket(self) -> socket.socket:
        """The listening socket, as a descriptor of its own."""
        return self._socket.dup()

    def close(self) -> None:
        """Listen no more."""
        self._closing.close()


@dataclass(frozen=True)
class Prepared:
    """All that a door is made of and that can't be had in vain."""

    entry: Entry
    place: Place
    files: str  # what its certificate and its tokens were when they were read


def prepare(bridge: Bridge, config: HttpConfig, before: Place | None = None) -> Prepared:
    """Make what can fail; nothing of the door that runs (which listens at `before`) is touched.

    Raises:
        ListenRefused: It can't listen there, or its tokens or its certificate can't be used.
    """
    assert config.listen is not None
    files = files_of(config)
    try:
        entry = Entry(bridge, config)
        if config.certificate is not None:
            tls_context(config.certificate, config.key, config.client_ca)
    except AdmissionError as error:
        raise ListenRefused(str(error)) from None
    except OSError as error:
        raise ListenRefused(f"http: its certificate can't be used: {error}") from None
    if before is not None and before.listen == config.listen:
        return Prepared(entry, before, files)
    return Prepared(entry, Place(config.listen, config.mode), files)


class HttpDoor:
    """The HTTP door of one bridge; `app` takes more routes."""

    def __init__(self, config: HttpConfig, prepared: Prepared, live: Live) -> None:
        self.place = prepared.place
        self.place.admit(config.mode)
        self.files = prepared.files
        self._entry = prepared.entry
        self.app = App(self._entry, int(config.max_body))
        self._live = live
        self._config = config
        self.app.route("POST", "/rpc", rpc.rpc)
        self.app.route("POST", "/stream", rpc.stream)
        self.app.route_reading("/map", lines.map_lines, lines.CONTENT_TYPE)
        self.app.route("GET", "/metrics", live.metrics)
        self.app.route("GET", "/status", live.status)
        self.app.route("GET", "/events", live.events)
        self.app.otherwise = contracts.Contracts().call
        if config.dashboard:
            self.app.route("GET", "/", _dashboard)

    def close(self) -> None:
        """Listen no more."""
        self.place.close()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled."""
        _log.info("HTTP on %s", self._config.listen)
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(self._live.run)
                await nursery.start(serve, self.app, self._settings(), self.place.socket())
                task_status.started()
        finally:
            self._entry.close()

    def _settings(self) -> Config:
        settings = Config()
        settings.accesslog = None
        settings.errorlog = logging.getLogger("bascule.http.errors")
        settings.include_server_header = False
        if self._config.certificate is not None:
            settings.certfile = str(self._config.certificate)
            settings.keyfile = str(self._config.key or self._config.certificate)
            if self._config.client_ca is not None:
                settings.ca_certs = str(self._config.client_ca)
        return settings


async def _dashboard(_request: Request, respond: Respond) -> None:
    await respond.whole(200, _PAGE.read_bytes(), "text/html; charset=utf-8")
