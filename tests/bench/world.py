"""What a measurement needs: folders, a sink, and the real agent as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CHUNK_BYTES = 1_000_000  # of everybody: the agent's default
IMPORT = "/_rest/scheduling/adherence/agent-events"
PATIENCE_SECONDS = 600.0  # for anything; then the benchmark is broken


class Broken(Exception):
    """The benchmark did not do what its figures would claim."""


class World:
    """One sink, and folders around it."""

    def __init__(self, root: Path, *, latency_seconds: float = 0.0) -> None:
        self.root = root
        for name in ("drop", "done", "failed", "state", "stock"):
            (root / name).mkdir(parents=True)
        command = [sys.executable, "-m", "tests.bench.sink", "--latency", str(latency_seconds)]
        self._sink = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._sink.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._sink.stdout.readline())}"

    def close(self) -> None:
        """End the sink."""
        self._sink.communicate("")

    @property
    def import_url(self) -> str:
        """Where a contender without settings sends to."""
        return f"{self.url}{IMPORT}?acdType=genesis"

    def count(self) -> dict[str, Any]:
        """Return what came in since the last question (see `sink.Count`)."""
        with urllib.request.urlopen(f"{self.url}/count") as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def expect(self, *, size: int, commits: int | None = None) -> dict[str, Any]:
        """Return the same; raises `Broken` unless it was `size` bytes, and so many files."""
        found = self.count()
        if found["body_bytes"] != size or commits not in (None, found["commits"]):
            raise Broken(f"{size:,} bytes in {commits} files were to arrive; it was {found}")
        return found

    def config(self, **settings: Any) -> Path:
        """Write the settings; `route` and the rest go over the defaults of the benchmark."""
        route = {
            "name": "agent-events",
            "match": "*.csv",
            "endpoint": "agent-events",
            "acd_type": "genesis",
        } | settings.pop("route", {})
        data = {
            "folders": {name: name for name in ("drop", "done", "failed", "state")},
            "wfm": {
                "tenant": "bench",
                "api_url": self.url,
                "token_url": f"{self.url}/token",
                "client_id": "bench",
                "client_secret": "bench",
            },
            "routes": [route],
            "settle": {"quiet": 0},
            "upload": {"chunk_bytes": CHUNK_BYTES},
        } | settings
        path = self.root / "config.yaml"
        path.write_text(json.dumps(data))  # JSON is YAML
        path.chmod(0o600)
        return path

    def put_back(self) -> None:
        """Move what was delivered back to the stock."""
        for path in list((self.root / "done").iterdir()):
            path.rename(self.root / "stock" / path.name)

    @contextmanager
    def agent(self, **settings: Any) -> Iterator[Agent]:
        """Run the agent; within the block its first look is over."""
        agent = Agent(self, self.config(**settings))
        try:
            agent.looked_after = agent.wait_for_look()
            yield agent
        finally:
            agent.stop()


class Agent:
    """`watcher run`, and what it says in its log."""

    def __init__(self, world: World, config: Path) -> None:
        self._live = world.root / "state" / "live.json"
        self._live.unlink(missing_ok=True)
        self._folder = world.root
        self.looked_after = 0.0  # seconds from the start to the end of the first look
        self.began = time.monotonic()
        command = [sys.executable, "-m", "watcher", "run", "-c", str(config), "--log-format", "json"]
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE)
        self._timer = threading.Timer(PATIENCE_SECONDS, self._process.kill)
        self._timer.start()

    def wait_for_look(self) -> float:
        """Wait until the first look was told to `watcher status`; returns the seconds since the start."""
        while not self._live.exists():
            if self._process.poll() is not None:
                raise Broken(f"the agent ended: {self._process.stderr and self._process.stderr.read()!r}")
            threading.Event().wait(0.001)
        return time.monotonic() - self.began

    def drop(self, *names: str) -> float:
        """Rename files from the stock into the drop folder; returns the time before."""
        began = time.monotonic()
        for name in names:
            os.rename(self._folder / "stock" / name, self._folder / "drop" / name)
        return began

    def delivered(self, number: int) -> float:
        """Wait until `number` more files are done, journal and all; returns the time."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if b'"event": "delivered"' in line:
                number -= 1
                if not number:
                    return time.monotonic()
            elif b'"level": "info"' not in line:
                raise Broken(line.decode())
        raise Broken(f"the agent ended with {number} files to go")

    @property
    def cpu_seconds(self) -> float:
        """What it has used, in user and system mode."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mb(self, key: str = "VmHWM") -> float:
        """`VmHWM`: its peak; `VmRSS`: now (proc(5))."""
        for line in Path(f"/proc/{self._process.pid}/status").read_text().splitlines():
            if line.startswith(key):
                return int(line.split()[1]) * 1024 / 1e6
        raise Broken(f"no {key}")

    def stop(self) -> None:
        """Stop it in good order."""
        self._process.send_signal(signal.SIGTERM)
        assert self._process.stderr is not None
        self._process.communicate()
        self._timer.cancel()
        if self._process.returncode not in (0, -signal.SIGKILL):
            raise Broken(f"the agent ended with exit code {self._process.returncode}")
