"""The HTTP door's socket, and hypercorn on trio over it."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import hypercorn.trio
import trio
from hypercorn.config import Config

from bascule.bridge.admission import AdmissionError
from bascule.bridge.app import Bridge
from bascule.bridge.config import HttpConfig
from bascule.bridge.http import contracts, rpc
from bascule.bridge.http.app import App, Request, Respond
from bascule.bridge.http.entry import Entry
from bascule.bridge.http.live import Live
from bascule.bridge.listener import BACKLOG, ListenRefused, listening
from bascule.bridge.listeners import listen_tcp

_log = logging.getLogger("bascule.http")
_PAGE = Path(__file__).with_name("dashboard.html")


class HttpDoor:
    """The HTTP door of one bridge; `app` takes more routes.

    Raises:
        ListenRefused: It can't listen there, or its tokens can't be used.
    """

    def __init__(self, bridge: Bridge, config: HttpConfig, live: Live) -> None:
        assert config.listen is not None
        try:
            self._entry = Entry(bridge, config)
        except AdmissionError as error:
            raise ListenRefused(str(error)) from None
        self.app = App(self._entry, int(config.max_body))
        self._live = live
        self._config = config
        self._closing = ExitStack()
        if config.listen.startswith("unix:"):
            path = Path(config.listen.removeprefix("unix:"))
            self._socket = self._closing.enter_context(listening(path, mode=int(config.mode, 8)))
        else:
            self._socket = listen_tcp(config.listen)
            self._closing.callback(self._socket.close)
        self.app.route("POST", "/rpc", rpc.rpc)
        self.app.route("POST", "/stream", rpc.stream)
        self.app.route("GET", "/metrics", live.metrics)
        self.app.route("GET", "/status", live.status)
        self.app.route("GET", "/events", live.events)
        self.app.otherwise = contracts.Contracts().call
        if config.dashboard:
            self.app.route("GET", "/", _dashboard)

    def close(self) -> None:
        """Listen no more."""
        self._closing.close()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled."""
        _log.info("HTTP on %s", self._config.listen)
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(self._live.run)
                await nursery.start(self._serve)
                task_status.started()
        finally:
            self._entry.close()

    async def _serve(self, *, task_status: trio.TaskStatus[Any]) -> None:
        app: Any = self.app
        await hypercorn.trio.serve(app, self._settings(), task_status=task_status, shutdown_trigger=trio.sleep_forever)

    def _settings(self) -> Config:
        settings = Config()
        settings.bind = [f"fd://{self._socket.dup().detach()}"]
        settings.backlog = BACKLOG
        settings.accesslog = None
        settings.errorlog = logging.getLogger("bascule.http.errors")
        settings.graceful_timeout = 0.5
        settings.include_server_header = False
        if self._config.certificate is not None:
            settings.certfile = str(self._config.certificate)
            settings.keyfile = str(self._config.key or self._config.certificate)
            if self._config.client_ca is not None:
                settings.ca_certs = str(self._config.client_ca)
        return settings


async def _dashboard(_request: Request, respond: Respond) -> None:
    await respond.whole(200, _PAGE.read_bytes(), "text/html; charset=utf-8")
