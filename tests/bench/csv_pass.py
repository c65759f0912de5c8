"""What the csv module alone reaches: `python -m tests.bench.csv_pass read|write FILE` prints CPU seconds."""

from __future__ import annotations

import csv
import os
import sys
import time
from collections import deque


def main(how: str, path: str) -> None:
    began = time.process_time()
    with open(path, encoding="utf-8", newline="") as file, open(os.devnull, "w", newline="") as out:
        rows = csv.reader(file)
        if how == "write":
            csv.writer(out).writerows(rows)
        else:
            deque(rows, maxlen=0)
    print(time.process_time() - began)


if __name__ == "__main__":
    main(*sys.argv[1:])
