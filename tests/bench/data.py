"""Files to send: made anew in each run, and removed with the temporary folder."""

from __future__ import annotations

from pathlib import Path

BLOCK_RECORDS = 10_000
COLUMNS = ("timestamp", "agent", "event", "queue", "duration")


def records(
    number: int, *, start: int = 0, delimiter: str = ",", agent: str = "agent", quote: str = ""
) -> str:
    """Return so many records of agent events, some 63 bytes each; `quote` is around one field of each."""
    return "".join(
        delimiter.join(
            (
                f"2026-11-{at // 86_400 % 28 + 1:02d}T{at // 3_600 % 24:02d}"
                f":{at // 60 % 60:02d}:{at % 60:02d}Z",
                f"{agent}-{at % 5_000:05d}",
                "READY",
                f"{quote}support queue {at % 40:02d}{quote}",
                f"{at % 7_919}\n",
            )
        )
        for at in range(start, start + number)
    )


def csv_file(path: Path, size: int, **form: str) -> int:
    """Write a file of about `size` bytes; `form`: `encoding`, and what `records` takes. Returns its size."""
    encoding = form.pop("encoding", "utf-8")
    # One block again and again: the agent does not compare records with each other.
    block = records(BLOCK_RECORDS, **form).encode(encoding)
    with path.open("wb") as file:
        for _ in range(size // len(block)):
            file.write(block)
        rest = block[: size % len(block)]
        file.write(rest[: rest.rfind(b"\n") + 1])
    return path.stat().st_size


def export_file(path: Path, size: int, *, quote: str = "") -> int:
    """Write an export as people get it, of about `size` bytes: titles, local times, a total.

    Returns its size.
    The days go on from block to block, so that no time is there twice in a month.
    """

    def line(*fields: str) -> str:
        return quote + f"{quote},{quote}".join(fields) + quote + "\n"

    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("Agent State Report\n\nAgent,Time,Extension,State,Duration\n")
        number = 0
        while file.tell() < size:
            file.write(
                "".join(
                    line(
                        f"agent-{at % 5_000:05d}",
                        f"{at // 86_400 % 28 + 1:02d}/11/2026"
                        f" {at // 3_600 % 24:02d}:{at // 60 % 60:02d}:{at % 60:02d}",
                        f"{1_000 + at % 500}",
                        "Ready" if at % 3 else "Not Ready",
                        f"{at % 12}:{at // 7 % 60:02d}:{at % 60:02d}",
                    )
                    for at in range(number, number + BLOCK_RECORDS)
                )
            )
            number += BLOCK_RECORDS
        file.write("Total\n")
    return path.stat().st_size


def small_files(folder: Path, number: int, *, lines: int = 16) -> tuple[list[str], int]:
    """Write files of `lines` records (16: 1 kB) each; returns their names and the size of all."""
    content = records(lines).encode()
    names = [f"f{at:06d}.csv" for at in range(number)]
    for name in names:
        (folder / name).write_bytes(content)
    return names, number * len(content)
