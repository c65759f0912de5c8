"""Pure: the fields of CSV lines, column by column: far quicker than record by record, where it can be."""

from __future__ import annotations

from collections.abc import Sequence


def by_column(text: str, columns: int, delimiter: str) -> list[Sequence[str]]:
    """Return the fields of plain lines column by column; nothing where a line has not so many fields."""
    ended = text if text.endswith("\n") else text + "\n"
    if ended.count(delimiter) != ended.count("\n") * (columns - 1):
        return []
    # With an element for each line end between them, these stand where they should in every line, or not.
    parts = ended.replace("\n", f"{delimiter}\n{delimiter}").split(delimiter)
    step = columns + 1
    if len(parts) % step != 1 or set(parts[columns::step]) != {"\n"}:
        return []
    parts.pop()
    if columns == 1 and "" in parts:  # a blank line is no record
        return []
    return [parts[at::step] for at in range(columns)]


def by_quoted_column(text: str, columns: int, delimiter: str) -> list[Sequence[str]]:
    """Return the same of lines whose fields are all in quotes, with none in them; else nothing."""
    end, joint = ("\r\n" if text.endswith("\r\n") else "\n"), f'"{delimiter}"'
    ended = text.removesuffix(end)
    if not (ended.startswith('"') and ended.endswith('"')):
        return []
    # As above; where no quote is left, each began or ended a field.
    parts = ended[1:-1].replace(f'"{end}"', f"{joint}\n{joint}").split(joint)
    step = columns + 1
    if len(parts) % step != columns or set(parts[columns::step]) - {"\n"}:
        return []
    left = "".join(parts)
    return [] if '"' in left or "\r" in left else [parts[at::step] for at in range(columns)]
