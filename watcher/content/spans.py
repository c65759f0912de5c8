"""Pure: spans of lines, millions of them in a few bytes each."""

from __future__ import annotations

from collections.abc import Iterator


class Spans:
    """The first and last lines of records or gaps of a file, from 1, in ascending order."""

    def __init__(self) -> None:
        # For each span the distance from the end of the one before and its own, seven bits a byte.
        self._packed = bytearray()
        self._end = 0

    def add(self, first: int, last: int) -> None:
        """Add the span from line `first` to line `last`, which is behind all others."""
        for number in (first - self._end, last - first):
            left = number
            while left > 0x7F:
                self._packed.append(left & 0x7F | 0x80)
                left >>= 7
            self._packed.append(left)
        self._end = last

    def __iter__(self) -> Iterator[tuple[int, int]]:
        numbers = self._numbers()
        end = 0
        for gap, length in zip(numbers, numbers, strict=True):
            first = end + gap
            end = first + length
            yield first, end

    def __bool__(self) -> bool:
        return bool(self._packed)

    def _numbers(self) -> Iterator[int]:
        number = shift = 0
        for byte in self._packed:
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                yield number
                number = shift = 0
