"""Servers of a few lines, on a real port of the loopback, for tests of what goes wrong on the wire."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

LONG = 5.0  # seconds that no test should take
Serve = Callable[[socket.socket], None]


class Raw:
    """A port on the loopback whose every connection is handed to `serve`, one after the other."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self.connections = 0
        self.ended = threading.Event()  # nobody waits for the server any more
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with suppress(OSError):  # the port was closed
            while True:
                connection, _ = self._socket.accept()
                self.connections += 1
                with connection, suppress(OSError):
                    self._serve(connection)

    def stop(self) -> None:
        self.ended.set()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(LONG)


@contextmanager
def raw(serve: Serve) -> Iterator[Raw]:
    server = Raw(serve)
    try:
        yield server
    finally:
        server.stop()


def read_request(connection: socket.socket) -> bytes:
    """Read one whole request; OSError where the client closes before it is whole."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _received(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    fields = [
        line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    ]
    length = int(fields[0]) if fields else 0
    while len(body) < length:
        body += _received(connection)
    return head + b"\r\n\r\n" + body


def _received(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise ConnectionResetError("the client closed the connection")
    return data


def answers(text: bytes) -> Serve:
    """Read a request and send these bytes."""

    def serve(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(text)

    return serve


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def reset(connection: socket.socket) -> None:
    read_request(connection)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
