"""A server that does nothing but read: a process of its own, so that its cost is nobody's in the figures.

`python -m tests.bench.sink --latency 0.02` prints its port, and ends with its standard input. It hands out
tokens, answers every import with 200 and keeps count; `GET /count` tells (see `Count`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import sys
import time
from dataclasses import asdict, dataclass

ROOM_BYTES = 1 << 20
TOKEN = json.dumps({"access_token": "bench", "expires_in": 3600}).encode()


@dataclass
class Count:
    """What came in since the last question. Times are `time.monotonic`, which all processes here share."""

    requests: int = 0  # imports
    commits: int = 0  # of them, with lastChunk=true
    body_bytes: int = 0
    first_at: float | None = None  # the first byte of the first import
    last_at: float | None = None  # the answer to the last one

    def clear(self) -> None:
        """Begin anew: the next question is about what comes from now on."""
        self.requests = self.commits = self.body_bytes = 0
        self.first_at = self.last_at = None


class Sink(asyncio.BufferedProtocol):
    """One connection. Bodies are read into one buffer and forgotten."""

    def __init__(self, count: Count, latency_seconds: float) -> None:
        self._count = count
        self._latency = latency_seconds
        self._room = memoryview(bytearray(ROOM_BYTES))
        self._head = b""  # of the request whose head is not whole
        self._left = 0  # bytes of body to come
        self._answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        # Without this a client that writes head and body apart waits 40 ms for each answer.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def get_buffer(self, sizehint: int) -> memoryview:
        del sizehint
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        at = 0
        while at < nbytes:
            if self._left:
                taken = min(self._left, nbytes - at)
                self._left -= taken
                at += taken
                if not self._left:
                    self._reply()
                continue
            head, mark, _ = (self._head + self._room[at:nbytes].tobytes()).partition(b"\r\n\r\n")
            if not mark:
                self._head += self._room[at:nbytes].tobytes()
                return
            at += len(head) + len(mark) - len(self._head)
            self._head = b""
            self._begin(head)

    def _begin(self, head: bytes) -> None:
        line, *fields = head.split(b"\r\n")
        values = {
            name.lower(): value.strip() for name, _, value in (field.partition(b":") for field in fields)
        }
        self._left = int(values.get(b"content-length", b"0"))
        if values.get(b"expect"):
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._import = b"pushToken=" in line
        self._answer = TOKEN
        if self._import:
            self._answer = b"{}"
            self._count.first_at = self._count.first_at or time.monotonic()
            self._count.requests += 1
            self._count.commits += b"lastChunk=true" in line
            self._count.body_bytes += self._left
        elif line.startswith(b"GET /count"):
            self._answer = json.dumps(asdict(self._count)).encode()
            self._count.clear()
        if not self._left:
            self._reply()

    def _reply(self) -> None:
        if self._import and self._latency:
            asyncio.get_running_loop().call_later(self._latency, self._write)
        else:
            self._write()

    def _write(self) -> None:
        if self._import:
            self._count.last_at = time.monotonic()
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
            % (len(self._answer), self._answer)
        )


async def serve(latency_seconds: float) -> None:
    """Serve on the loopback until the standard input ends."""
    loop = asyncio.get_running_loop()
    count = Count()
    server = await loop.create_server(lambda: Sink(count, latency_seconds), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=float, default=0.0, metavar="SECONDS")
    asyncio.run(serve(parser.parse_args().latency))
