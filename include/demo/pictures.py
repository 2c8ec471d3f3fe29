"""A company's scanner: real handwritten digits as PNG files, three weeks of them. From one date on its camera is at fault and inverts them.

    python -m demo.pictures FOLDER

runs in environment `torch`, for the pictures are scikit-learn's (1,797 of 8x8, collected by E. Alpaydin and C. Kaynak, CC BY 4.0), and writes

    FOLDER/scans/<first day of the week>/<taken at>-<scan id>.png
    FOLDER/gold/digits.parquet    the answers to a few pictures, known to the company
    FOLDER/truth.json             scan id -> digit, for the simulated annotators and for the replay's own figures

What is in `scans` and `gold` is delivered to the company's bucket; `truth.json` never leaves the folder, which no part of the platform reads. A scan's
id says nothing about the digit: it is the picture's place in a random order.
"""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

FIRST = datetime(2026, 3, 2, tzinfo=UTC)
WEEK = timedelta(days=7)
WEEKS = 3
FAULT = datetime(2026, 3, 18, tzinfo=UTC)  # the third week's Wednesday
GOLD_A_WEEK = 25
SEED = 20260302


@dataclass(frozen=True)
class Scan:
    """One scanned picture.

    Attributes:
        ink: From 0 (paper) to 16, shape (8, 8).
        digit: What was written.
    """

    scan_id: str
    taken_at: datetime
    ink: np.ndarray
    digit: int

    @property
    def week(self) -> datetime:
        """First instant of the week it was taken in."""
        return FIRST + (self.taken_at - FIRST) // WEEK * WEEK

    @property
    def name(self) -> str:
        """The file's name."""
        return f"{self.taken_at:%Y%m%dT%H%M%S}-{self.scan_id}.png"

    @property
    def png(self) -> bytes:
        """The file, as the camera of that day made it."""
        from PIL import Image

        grey = np.round(self.ink * 255 / 16).astype(np.uint8)
        content = io.BytesIO()
        Image.fromarray(255 - grey if self.taken_at >= FAULT else grey).save(content, format="PNG")
        return content.getvalue()


def scans() -> Iterator[Scan]:
    """Give every picture in the order in which they are taken, evenly spread over the weeks."""
    from sklearn.datasets import load_digits

    found = load_digits()
    order = np.random.default_rng(SEED).permutation(len(found.target))
    for place, index in enumerate(order):
        taken_at = FIRST + timedelta(seconds=int(WEEKS * WEEK.total_seconds() * (place + 0.5) / order.size))
        yield Scan(f"{place:04d}", taken_at, found.images[index], int(found.target[index]))


def write(folder: Path) -> None:
    """Write everything; the folder is there as a whole or not at all."""
    import pandas as pd

    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    taken = list(scans())
    for scan in taken:
        path = partial / "scans" / f"{scan.week:%Y-%m-%d}" / scan.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(scan.png)
    chosen = np.sort(np.random.default_rng(SEED).permutation(len(taken))[: GOLD_A_WEEK * WEEKS])
    (partial / "gold").mkdir()
    pd.DataFrame([{"scan_id": taken[i].scan_id, "label": str(taken[i].digit)} for i in chosen]).to_parquet(partial / "gold" / "digits.parquet")
    (partial / "truth.json").write_text(json.dumps({scan.scan_id: str(scan.digit) for scan in taken}))
    partial.replace(folder)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
