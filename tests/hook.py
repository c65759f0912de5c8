"""A real web service on the loopback that takes apprise's json:// messages, or refuses them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "t0ken-in-the-path"
PASSWORD = "passw0rd-in-the-url"


class Hook:
    """What came, and what is answered."""

    def __init__(self, port: int) -> None:
        self.status = 200
        self.messages: list[dict[str, Any]] = []  # those that were taken
        self.tries = 0
        self.go_on = threading.Event()  # cleared: a request waits for it
        self.go_on.set()
        self.url = f"json://somebody:{PASSWORD}@127.0.0.1:{port}/{TOKEN}"

    @property
    def titles(self) -> list[str]:
        return [message["title"] for message in self.messages]


@contextmanager
def hook() -> Iterator[Hook]:
    class Handler(BaseHTTPRequestHandler):
        wbufsize = -1  # one write an answer

        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found.tries += 1
            assert found.go_on.wait(20)
            if found.status == 200:
                found.messages.append(message)
            self.send_response(found.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def handle(self) -> None:
            try:
                super().handle()
            except (ConnectionError, BrokenPipeError):
                return  # the client had enough

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    found = Hook(server.server_port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.go_on.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
