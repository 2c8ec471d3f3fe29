"""What crosses a process boundary: a job's request and its result, as JSON files in the object store."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from gyre.specs.interval import Interval


class Message(BaseModel):
    """A frozen JSON document; unknown fields are refused, so that two releases notice when they disagree."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Request(Message):
    """What every job is asked.

    Attributes:
        job: Entry point under `gyre.jobs`.
        job_id: Names this piece of work; the same work asked again has the same id, and is done once.
        use_case: Whose work it is.
        environment: Where to run it.
        connections: Ids of the connections it needs; never credentials.
        dag_id, run_id, try_number: Who asked, for tags that lead back.
        code: URI of the use case's code, for a job on another machine than the one that asked; None: it is where this process finds it.
    """

    job: str
    job_id: str
    use_case: str
    environment: str
    connections: list[str]
    dag_id: str = ""
    run_id: str = ""
    try_number: int = 1
    code: str | None = None


class Result(Message):
    """What every job answers; written last, so that a result file means the work is done."""


class IntervalRequest(Request):
    """Work on one interval."""

    start: datetime
    end: datetime

    @property
    def interval(self) -> Interval:
        """The interval asked for."""
        return Interval.parse(self.start, self.end)


class DatasetVersion(Message):
    """Which rows a training run read: a Delta table version plus a predicate, with row count and content hash.

    Attributes:
        table: URI of the Delta table.
        version: Its version.
        start, end: Event time of the rows: [start, end).
        rows: Number of rows.
        content_hash: Hash of the rows' content, whatever their order in the files.
    """

    table: str
    version: int
    start: datetime
    end: datetime
    rows: int
    content_hash: str


class Gate(Message):
    """A yes or no with its evidence."""

    name: str
    passed: bool
    evidence: str
    values: dict[str, Any] = {}


class Check(Message):
    """One failed expectation.

    Attributes:
        source: Which rows: a source's name, or `features`.
        expectation: Great Expectations' name of it.
        columns: The columns it looked at.
        failed_rows: How many rows failed; None for a check of the whole table.
        examples: At most five values.
        action: What follows: `block`, `quarantine` or `warn`.
        observed: What was seen, in words.
    """

    source: str
    expectation: str
    columns: list[str]
    failed_rows: int | None
    examples: list[str]
    action: Literal["block", "quarantine", "warn"]
    observed: str
