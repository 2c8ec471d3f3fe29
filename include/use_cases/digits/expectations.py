"""What must hold of scanned pictures before anybody is asked about them. Plain Great Expectations, with one expectation of our own."""

from __future__ import annotations

import struct
from datetime import timedelta
from typing import Any

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import ColumnMapExpectation
from great_expectations.expectations.metrics import ColumnMapMetricProvider, column_condition_partial

from gyre.specs import Interval

QUARANTINE = {"on_failure": "quarantine"}
SIZE = (8, 8)


def _size_of_png(content: bytes) -> tuple[int, int] | None:
    """Read width and height from the head of a whole PNG file; None if it is none."""
    whole = content.startswith(b"\x89PNG\r\n\x1a\n") and content[12:16] == b"IHDR" and b"IEND" in content[-12:]
    return struct.unpack(">II", content[16:24]) if whole else None  # type: ignore[return-value] - two numbers


class WholePictures(ColumnMapMetricProvider):
    """Whether a column's bytes are a whole PNG file of the scanner's size."""

    condition_metric_name = "column_values.whole_pictures_of_8x8"

    @column_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column: pd.Series, **_: Any) -> pd.Series:  # noqa: N805 - GX makes it a class method
        return column.map(lambda content: _size_of_png(content) == SIZE)


class ExpectColumnValuesToBeWholePicturesOf8x8(ColumnMapExpectation):
    """Expect whole PNG files of 8x8 pixels."""

    map_metric = "column_values.whole_pictures_of_8x8"


def suites(interval: Interval) -> dict[str, gx.ExpectationSuite]:
    """Give the suites for an interval."""
    weeks = round((interval.end - interval.start) / timedelta(days=7))
    return {
        "scans": gx.ExpectationSuite(
            name="scans",
            expectations=[
                gxe.ExpectTableRowCountToBeBetween(min_value=500 * weeks, max_value=700 * weeks),
                gxe.ExpectColumnValuesToMatchRegex(column="name", regex=r"^\d{8}T\d{6}-[A-Za-z0-9]+\.png$", meta=QUARANTINE),
                gxe.ExpectColumnValuesToBeUnique(column="name", meta=QUARANTINE),
                gxe.ExpectColumnValuesToBeBetween(column="size", min_value=60, max_value=500, meta=QUARANTINE),
                ExpectColumnValuesToBeWholePicturesOf8x8(column="content", meta=QUARANTINE),
            ],
        ),
        "features": gx.ExpectationSuite(
            name="features",
            expectations=[
                gxe.ExpectColumnValuesToBeUnique(column="scan_id"),
                gxe.ExpectColumnValuesToNotBeNull(column="image"),
            ],
        ),
    }
