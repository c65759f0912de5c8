"""The Containerfile for these settings, with the commands that build and run it as comments.

https://docs.docker.com/reference/dockerfile/, Containerfile(5), podman-run(1). Every folder has the same path
inside and outside, so that one file of settings, one `watcher check` and one report speak of the same places.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from watcher.commands.service_parts import longest_stop_seconds, other_files, source, writable_folders
from watcher.core.errors import ConfigError
from watcher.core.names import shown
from watcher.settings.settings import Config
from watcher.settings.status_settings import Status

BASE = "python:3.11-slim"
USER_ID = 10001  # no user of the base image, nor, as a rule, of the host
_PYTHON = "/opt/watcher/bin/python"
# Folders of the image: a volume in the place of one hides what the program needs.
_SYSTEM = frozenset(
    map(Path, ("/", "/bin", "/dev", "/etc", "/home", "/lib", "/opt", "/proc", "/root", "/run", "/sbin",
               "/sys", "/tmp", "/usr", "/usr/local", "/var", "/opt/watcher"))
)  # fmt: skip
# The file's own syntax, and that of -v, give these a meaning; a path has them rarely enough to be refused.
_MEANINGFUL = frozenset("$\"\\:,'")


def containerfile(config: Config, settings: Path, *, variables: Sequence[str], secret: Path | None) -> str:
    """Return the Containerfile. `variables`: that the settings take from the environment; `secret`: the file
    of `client_secret_file`. Raises `ConfigError` for a path that no volume can have."""
    writable = writable_folders(config)
    wanted = [settings.parent, *_apart(config, settings, secret)]
    readable = [path for path in dict.fromkeys(wanted) if path not in writable]
    for path in (*writable, settings, *readable):
        _require_plain(path)
    for path in (*writable, *readable):
        if path in _SYSTEM:
            raise ConfigError(
                f"{shown(str(path))} is a folder of the system, and a container has its own;"
                " put the settings, and what they name, into folders of their own"
            )
    lines = [
        f"# watcher in a container, for the settings {settings}",
        *_building(config, settings),
        "#",
        *_running(config, writable, readable, variables),
        "",
        f"FROM {BASE} AS build",
        "WORKDIR /source",
        "COPY pyproject.toml README.md config.example.yaml ./",
        "COPY watcher watcher",
        "RUN python -m venv /opt/watcher \\",
        f"    && /opt/watcher/bin/pip install --no-cache-dir '{source(config)}'",
        "",
        f"FROM {BASE}",
        "COPY --from=build /opt/watcher /opt/watcher",
        "# A user for the agent alone. The numbers are what counts on the host: see above.",
        f"ARG UID={USER_ID}",
        f"ARG GID={USER_ID}",
        'RUN groupadd --gid "$GID" wfm \\',
        '    && useradd --uid "$UID" --gid "$GID" --no-create-home --home-dir /nonexistent \\',
        "        --shell /usr/sbin/nologin wfm",
        "USER $UID:$GID",
        "# The log goes to the standard error stream at once; nothing is written into the image.",
        "ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1",
        f'ENV WATCHER_CONFIG="{settings}"',
        f"VOLUME {json.dumps([str(path) for path in writable], ensure_ascii=False)}",
        *(_health(config.status, settings) if config.status else ()),
        "# The request under way is finished, the journal closed; a second signal ends at once, and loses",
        "# nothing either.",
        "STOPSIGNAL SIGTERM",
        'ENTRYPOINT ["/opt/watcher/bin/watcher"]',
        'CMD ["run"]',
    ]
    return "\n".join(lines)


def _building(config: Config, settings: Path) -> Iterator[str]:
    yield "# Save this as Containerfile in watcher's folder, where pyproject.toml is, and build it there:"
    if config.status:
        yield "#   podman build --format docker -t watcher .      (the format that knows health checks)"
    else:
        yield "#   podman build -t watcher ."
    yield "# or"
    yield "#   docker build -f Containerfile -t watcher ."
    yield f"# The agent's user in it has the number {USER_ID}; for one of yours, add to the command"
    yield '#   --build-arg UID="$(id -u wfm)" --build-arg GID="$(id -g wfm)"'


def _running(
    config: Config, writable: Sequence[Path], readable: Sequence[Path], variables: Sequence[str]
) -> Iterator[str]:
    """Yield what the host needs, and the command that runs it."""
    yield "# These folders must be on the host, and writable for that number (chown); the state folder for it"
    yield "# alone, on a local disk. What it reads must be readable for it, the secret's file for it alone:"
    for path in (*writable, *readable):
        yield f"#   {path}"
    yield "# Try it, then run it, with nothing writable but these folders (docker takes the same words):"
    volumes = [*(f"-v {shlex.quote(f'{path}:{path}:ro')}" for path in readable),
               *(f"-v {shlex.quote(f'{path}:{path}')}" for path in writable)]  # fmt: skip
    options = [
        "--read-only --tmpfs /tmp",
        "--cap-drop=all --security-opt=no-new-privileges",
        *(f"-e {name}" for name in variables),
        *volumes,
    ]
    yield from _command(["podman run --rm", *options, "watcher check"])
    seconds = longest_stop_seconds(config)
    stay = f"podman run -d --name watcher --restart=unless-stopped --stop-timeout={seconds}"
    port = _published(config.status) if config.status else []
    yield from _command([stay, *options, *port, "watcher"])
    if variables:
        yield f"# {', '.join(variables)}: taken from the shell's environment, as the settings name them."
    if config.status and config.status.address.is_loopback:
        yield f"# status.listen is {config.status.listen}, which nobody outside the container reaches:"
        yield "# for the page set 0.0.0.0, with a password or a token, and print this again."
    yield f"# `podman stop watcher` waits for the request under way, {seconds} s at most."
    yield "# After a change of the settings: podman kill --signal HUP watcher"
    yield "# Between two -v a file is copied, not renamed: to spare that, give the folder above drop, done"
    yield "# and failed as one -v. With SELinux add :z to each -v."


def _command(parts: Sequence[str]) -> Iterator[str]:
    yield "#   " + parts[0] + " \\"
    for part in parts[1:-1]:
        yield "#     " + part + " \\"
    yield "#     " + parts[-1]


def _published(status: Status) -> list[str]:
    if status.address.is_loopback:
        return []
    return [f"-p 127.0.0.1:{status.address.port}:{status.address.port}"]


def _health(status: Status, settings: Path) -> Iterator[str]:
    yield "# Held is healthy: a hold is the agent doing its work. Ill is a main loop that does not turn."
    yield "HEALTHCHECK --interval=1m --timeout=10s --start-period=30s --retries=3 \\"
    probe = [_PYTHON, "-m", "watcher.web.probe", "-c", str(settings)]
    yield f"    CMD {json.dumps(probe, ensure_ascii=False)}"


def _apart(config: Config, settings: Path, secret: Path | None) -> list[Path]:
    """Return the files that it reads and that are not in the settings' folder."""
    files = [*([secret] if secret else []), *other_files(config)]
    return [path for path in files if settings.parent not in path.parents]


def _require_plain(path: Path) -> None:
    text = os.fspath(path)
    if _MEANINGFUL & set(text) or not text.isprintable():
        raise ConfigError(f"{shown(text)}: a Containerfile cannot hold this path; rename it")
