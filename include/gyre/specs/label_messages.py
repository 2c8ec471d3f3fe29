"""What the label job is asked and what it answers."""

from __future__ import annotations

from datetime import datetime

from gyre.specs.requests import IntervalRequest, Result


class LabelRequest(IntervalRequest):
    """Give the rows of a window their labels."""


class LabelResult(Result):
    """What was labelled.

    Attributes:
        start, end: The window looked at.
        rows: Validated rows in it.
        labelled: Rows of it that have a label now.
        changed: Start of each cell that was rewritten.
        version: Version of the table `labelled`; None if it has never been written.
    """

    start: datetime
    end: datetime
    rows: int
    labelled: int
    changed: list[datetime]
    version: int | None
