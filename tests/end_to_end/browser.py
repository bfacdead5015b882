"""A headless Chromium, driven by its own driver over the WebDriver protocol: HTTP with JSON."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

WITHIN = 100.0
_ARGUMENTS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


class Browser:
    """One window."""

    def __init__(self, driver: str, profile: Path, *, mobile: bool = False, dark: bool = False) -> None:
        self._driver = driver
        arguments = [*_ARGUMENTS, f"--user-data-dir={profile}"]
        arguments.append("--window-size=390,844" if mobile else "--window-size=1200,900")
        if dark:
            arguments.append("--force-dark-mode")
        options = {"goog:chromeOptions": {"args": arguments}, "goog:loggingPrefs": {"browser": "ALL"}}
        answer = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": options}})
        self._session = f"/session/{answer['sessionId']}"

    def open(self, url: str) -> None:
        self._ask("POST", f"{self._session}/url", {"url": url})

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression in the page."""
        return self._ask("POST", f"{self._session}/execute/sync", {"script": f"return {script}", "args": []})

    def wait_for(self, script: str) -> Any:
        """Until that expression is true; what it is then."""
        deadline = time.monotonic() + WITHIN
        while not (found := self.run(script)):
            assert time.monotonic() < deadline, f"{script} never was; the page: {self.run('document.body.innerText')}"
            time.sleep(0.05)
        return found

    def complaints(self) -> list[str]:
        """What the page wrote to the console."""
        return [row["message"] for row in self._ask("POST", f"{self._session}/se/log", {"type": "browser"})]

    def close(self) -> None:
        self._ask("DELETE", self._session)

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._driver + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=WITHIN) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode(errors="replace")) from None


@contextmanager
def chromedriver(folder: Path) -> Iterator[str]:
    """The driver's address."""
    log = folder / "chromedriver.log"
    with log.open("wb") as out:
        process = subprocess.Popen(["chromedriver", "--port=0"], stdout=out, stderr=out, cwd=folder)
    try:
        deadline = time.monotonic() + WITHIN
        while not (started := re.search(r"started successfully on port (\d+)", log.read_text(errors="replace"))):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield f"http://127.0.0.1:{started[1]}"
    finally:
        process.terminate()
        process.wait(WITHIN)


@contextmanager
def tunnel(path: Path) -> Iterator[int]:
    """A port of this machine that leads to a Unix socket, as `ssh -L PORT:PATH` makes one."""
    listener = socket.create_server(("127.0.0.1", 0))

    def carry(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        for sock in (source, sink):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(str(path))
            opened.extend((client, server))
            for pair in ((client, server), (server, client)):
                threading.Thread(target=carry, args=pair, daemon=True).start()

    opened: list[socket.socket] = []
    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(WITHIN)
        for sock in opened:
            sock.close()
