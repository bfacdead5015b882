"""The HTTP server of `bascule cache serve`: a thread for each connection, `rest` for each request.

Results are pickles, and whoever can store one here can run code wherever it is read. So it listens on this machine
unless it is told otherwise, answers no web page (a name that is not ours in Host, a body that is not JSON), and takes
no body beyond a limit.
"""

from __future__ import annotations

import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from bascule.bridge.caching.rest import JSON_TYPE, Request, Response, respond
from bascule.workers.persist.commoncache import Place

MOST_BODY = 512 << 20
_IDLE = 60.0  # seconds that a connection may wait for its next request
_LOCAL = {"localhost", "127.0.0.1", "[::1]", "::1"}
_log = logging.getLogger("bascule.cache")


class CacheServer(ThreadingHTTPServer):
    """Serves one place."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], place: Place, base: str) -> None:
        self.place = place
        self.base = f"/{base.strip('/')}/" if base.strip("/") else "/"
        self._listens_here = address[0] in _LOCAL
        super().__init__(address, _Handler)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://{self.server_name if not self._listens_here else '127.0.0.1'}:{self.server_port}{self.base}"

    def is_for_us(self, host: str) -> bool:
        """Whether a request's Host is a name of this server: a page whose name was made to lead here is not."""
        return not self._listens_here or host.rpartition(":")[0].lower() in _LOCAL or host.lower() in _LOCAL

    def stop(self) -> None:
        """End `serve_forever`, from a signal's handler as well."""
        threading.Thread(target=self.shutdown, daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    server: CacheServer
    protocol_version = "HTTP/1.1"
    timeout = _IDLE

    def _answer(self) -> None:
        if not self.server.is_for_us(self.headers.get("Host", "")):
            return self._refuse(421, f"this server is {self.server.url}")
        if self.headers.get("Transfer-Encoding"):
            return self._refuse(411, "a body needs a Content-Length")
        try:
            length = int(self.headers.get("Content-Length") or 0)
        except ValueError:
            length = -1
        if not 0 <= length <= MOST_BODY:
            return self._refuse(413, f"a body has at most {MOST_BODY} bytes")
        body = self.rfile.read(length)
        request = Request(
            self.command, self.path, body, self.headers.get("Content-Type", ""), self.headers.get("If-Match")
        )
        try:
            response = respond(self.server.place, self.server.base, request)
        except Exception:
            _log.exception("%s %s", self.command, self.path)
            response = Response(500, {"_status": "ERR", "_error": {"code": 500, "message": "see the server's log"}})
        return self._send(response)

    do_GET = do_POST = do_DELETE = do_PUT = do_PATCH = _answer

    def _refuse(self, status: int, message: str) -> None:
        self.close_connection = True  # whatever else it sends was not read
        self._send(Response(status, {"_status": "ERR", "_error": {"code": status, "message": message}}))

    def _send(self, response: Response) -> None:
        body = response.body()
        self.send_response(response.status)
        if response.status != 204:
            self.send_header("Content-Type", JSON_TYPE)
            self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        _log.debug(format, *args)
