"""The settings of what becomes of files and rows in the long run."""

from __future__ import annotations

from typing import Annotated, Literal, Self, TypeVar

from pydantic import BeforeValidator, Field, model_validator

from watcher.settings.setting_types import LongDuration, Model
from watcher.settings.wrong import WRONG, where_known

Duplicates = Literal["upload", "skip", "fail"]
T = TypeVar("T")


def _nothing(value: object) -> object:
    return {} if value is None else value


# A section all of whose lines are commented out.
OrNothing = Annotated[T, BeforeValidator(_nothing)]


class Retention(Model):
    """How long things are kept since the end of their file; without a line for ever."""

    done: Annotated[LongDuration, Field(gt=0)] | None = None
    failed: Annotated[LongDuration, Field(gt=0)] | None = None
    history: Annotated[LongDuration, Field(gt=0)] | None = None

    @model_validator(mode="after")
    @where_known
    def _history_outlives_files(self) -> Self:
        for kept in (self.done, self.failed):
            if self.history is not None and kept is not None and kept is not WRONG and self.history < kept:
                raise ValueError("history must be as long as done and failed: by it the files are found")
        return self


class Done(Model):
    """How delivered files lie in the done folder."""

    by: Literal["none", "day"] = "none"
