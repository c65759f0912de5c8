"""The options that several commands have, and how their values are read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from watcher.core.units import seconds

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "-c", "--config", metavar="FILE", help="The settings; default $WATCHER_CONFIG, else config.yaml."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def duration(value: str) -> float:
    """Return a duration of the command line in seconds."""
    try:
        return seconds(value)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def patience_option(text: str) -> object:
    """Return an option for a duration, by default a minute."""
    return typer.Option("--patience", metavar="DURATION", parser=duration, help=text, show_default="60s")
