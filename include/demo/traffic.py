"""Ask the endpoint about every row of an interval, as the company's own system would: about a flight 60 minutes before departure, about a scan at once.

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

from gyre.errors import StackError
from gyre.lake import PARTITION, Lake
from gyre.specs import cell_key

ROWS_A_REQUEST = 200


@dataclass(frozen=True)
class Sent:
    """What was asked and how it went.

    Attributes:
        asked: The rows, as they were sent.
        answers: What came back for each; None where the request failed.
    """

    asked: list[dict[str, Any]]
    answers: list[dict[str, Any] | None]
    requests: int
    failed: int
    median_ms: float

    @property
    def rows(self) -> int:
        """How many rows were asked about."""
        return len(self.asked)


def rows_of(use_case: str, start: datetime, end: datetime) -> list[dict[str, Any]]:
    """Read the rows of an interval as JSON-able maps."""
    import polars as pl

    lake = Lake.of(use_case)
    frame = (
        pl.scan_delta(lake.uri("validated"), storage_options=dict(lake.options))
        .filter((pl.col(PARTITION) >= cell_key(start.astimezone(UTC))) & (pl.col(PARTITION) < cell_key(end.astimezone(UTC))))
        .drop(PARTITION)
        .with_columns(
            pl.col(pl.Datetime).dt.strftime("%Y-%m-%dT%H:%M:%S%:z"), pl.col(pl.Float64, pl.Float32).fill_nan(None), pl.col(pl.Binary).bin.encode("base64")
        )
        .collect()
    )
    return frame.to_dicts()


def send(endpoint: str, use_case: str, start: datetime, end: datetime) -> Sent:
    """Send every row of an interval, a few at a time: of each, what the model's schema names.

    Raises:
        StackError: If no request was answered.
    """
    took, failed, refusal = [], 0, ""
    answers: list[dict[str, Any] | None] = []
    with httpx.Client(base_url=endpoint, timeout=60, trust_env=False) as client:
        schema = client.get(f"/{use_case}/schema").raise_for_status().json()
        known = {*schema["fields"], *schema["optional"]}
        rows = [{name: value for name, value in row.items() if name in known} for row in rows_of(use_case, start, end)]
        for batch in _batches(rows):
            began = time.perf_counter()
            answer = client.post(f"/{use_case}/predict", json={"rows": batch})
            took.append((time.perf_counter() - began) * 1000)
            good = answer.status_code == httpx.codes.OK
            failed += not good
            refusal = refusal if good else f"{answer.status_code} {answer.text[:300]}"
            answers += answer.json()["predictions"] if good else [None] * len(batch)
    if took and failed == len(took):
        raise StackError(f"{endpoint}/{use_case}/predict answered none of {failed} requests; the last with {refusal}")
    return Sent(rows, answers, requests=len(took), failed=failed, median_ms=statistics.median(took) if took else 0)


def _batches(rows: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    for first in range(0, len(rows), ROWS_A_REQUEST):
        yield rows[first : first + ROWS_A_REQUEST]
