"""Ask the endpoint about every flight, as the airline's own system would 60 minutes before departure.

The caller looks the features up; here they are read from the validated partition, which holds only what was known at that moment.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from gyre.lake import PARTITION, Lake
from gyre.specs import cell_key

ROWS_A_REQUEST = 200


@dataclass(frozen=True)
class Sent:
    """What was asked and how it went."""

    rows: int
    requests: int
    failed: int
    median_ms: float


def rows_of(use_case: str, start: datetime, end: datetime) -> list[dict[str, Any]]:
    """Read the rows of an interval as JSON-able maps."""
    import polars as pl

    lake = Lake.of(use_case)
    frame = (
        pl.scan_delta(lake.uri("validated"), storage_options=dict(lake.options))
        .filter((pl.col(PARTITION) >= cell_key(start.astimezone(UTC))) & (pl.col(PARTITION) < cell_key(end.astimezone(UTC))))
        .drop(PARTITION)
        .with_columns(pl.col(pl.Datetime).dt.strftime("%Y-%m-%dT%H:%M:%S%:z"), pl.col(pl.Float64, pl.Float32).fill_nan(None))
        .collect()
    )
    return frame.to_dicts()


def send(endpoint: str, use_case: str, start: datetime, end: datetime) -> Sent:
    """Send every row of an interval, a few at a time."""
    rows = rows_of(use_case, start, end)
    took, failed = [], 0
    with httpx.Client(base_url=endpoint, timeout=30, trust_env=False) as client:
        for batch in _batches(rows):
            began = time.perf_counter()
            answer = client.post(f"/{use_case}/predict", json={"rows": batch})
            took.append((time.perf_counter() - began) * 1000)
            failed += answer.status_code != 200
    return Sent(rows=len(rows), requests=len(took), failed=failed, median_ms=statistics.median(took) if took else 0)


def _batches(rows: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    for first in range(0, len(rows), ROWS_A_REQUEST):
        yield rows[first : first + ROWS_A_REQUEST]
