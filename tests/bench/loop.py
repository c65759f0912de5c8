"""The least that a program with httpx can do: read, cut at a line, send. Prints its seconds.

`python -m tests.bench.loop URL FILE...`
"""

from __future__ import annotations

import sys
import time

import httpx

from tests.bench.contenders import HEADERS
from tests.bench.world import CHUNK_BYTES


def main(url: str, *files: str) -> None:
    headers = dict(header.split(": ") for header in HEADERS)
    began = time.monotonic()
    with httpx.Client(headers=headers, trust_env=False) as client:
        for path in files:
            with open(path, "rb") as file:
                chunk = file.read(CHUNK_BYTES - 100) + file.readline()
                while chunk:
                    following = file.read(CHUNK_BYTES - 100) + file.readline()
                    last = "false" if following else "true"
                    answer = client.post(f"{url}&lastChunk={last}", content=chunk)
                    assert answer.status_code == 200
                    chunk = following
    print(time.monotonic() - began)


if __name__ == "__main__":
    main(*sys.argv[1:])
