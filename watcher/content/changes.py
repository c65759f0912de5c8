"""Pure: what was changed in a file on its way into the API's shape, in numbers and in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from watcher.core.names import counted, listed


@dataclass(frozen=True, slots=True)
class Changes:
    """What became of a file whose route shapes it; nothing, if its route does not."""

    above: int = 0  # title lines above the header
    below: int = 0  # lines from the footer on
    comments: int = 0
    bare: int = 0  # rows of nothing but delimiters that are left out
    columns: tuple[str, ...] = ()  # of the file, that are left out
    made: tuple[str, ...] = ()  # columns that go out otherwise than they stand in the file
    keys: tuple[str, ...] = ()  # of a JSON object, that are left out
    padded: int = 0  # short records that were filled up
    before: tuple[Sequence[str], ...] = ()  # the first records, as the file has them
    after: tuple[Sequence[str], ...] = ()  # the same as they go out

    @property
    def left_out(self) -> str:
        """For people: what does not go out; "" for nothing."""
        found = (
            (self.above, f"{counted(self.above, 'line')} above the header"),
            (self.below, f"{counted(self.below, 'line')} from the footer on"),
            (self.comments, counted(self.comments, "comment")),
            (self.bare, f"{counted(self.bare, 'row')} without a value"),
            (len(self.columns), f"{'columns' if len(self.columns) > 1 else 'column'} {listed(self.columns)}"),
            (len(self.keys), f"{'keys' if len(self.keys) > 1 else 'key'} {listed(self.keys)}"),
        )
        return ", ".join(words for number, words in found if number)

    @property
    def words(self) -> str:
        """For people: all of it; "" for nothing."""
        found = (
            (self.left_out, f"left out: {self.left_out}"),
            (self.made, f"{counted(len(self.made), 'column')} made anew"),
            (self.padded, f"{counted(self.padded, 'short record')} filled up"),
        )
        return "; ".join(words for there, words in found if there)


UNCHANGED = Changes()
