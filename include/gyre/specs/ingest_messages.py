"""What the ingest DAG's three jobs are asked and what they answer: extract, audit, publish."""

from __future__ import annotations

from datetime import datetime

from gyre.specs.requests import Check, IntervalRequest, Message, Result


class ExtractRequest(IntervalRequest):
    """Extract every source for an interval."""


class SourceExtract(Message):
    """What was extracted of one source.

    Attributes:
        source: Its name.
        uri: Parquet file in the lake, with the column `_interval`; for a topic, its table.
        version: Version of that table; None for a file.
        rows: Rows of the interval.
        objects_read: Objects read from the store now.
        objects_unchanged: Objects that had been read before and are the same.
        objects_missing: Addresses (patterns) at which nothing lies.
        unreadable: Messages kept aside in `rejected/<source>`.
    """

    source: str
    uri: str
    version: int | None = None
    rows: int
    objects_read: int = 0
    objects_unchanged: int = 0
    objects_missing: list[str] = []
    unreadable: int = 0


class ExtractResult(Result):
    """What was extracted."""

    start: datetime
    end: datetime
    sources: list[SourceExtract]


class AuditRequest(IntervalRequest):
    """Check an extract, make the features, check those."""

    extracts: list[SourceExtract]


class AuditResult(Result):
    """What the checks said, and what may be published.

    Attributes:
        blocked: Whether a failed check forbids publishing.
        checks: The checks that failed.
        passed: How many held.
        page: HTML page with all of them.
        rows: Feature rows that may be published.
        quarantined: Rows held back, of sources and of features.
        sources: Source -> Parquet file of its rows that may be published (no topics: they are kept whole).
        features: Parquet file of the feature rows; None if blocked.
        held_back: Parquet file of the quarantined rows; None if blocked.
    """

    start: datetime
    end: datetime
    blocked: bool
    checks: list[Check]
    passed: int
    page: str
    rows: int = 0
    quarantined: int = 0
    sources: dict[str, str] = {}
    features: str | None = None
    held_back: str | None = None


class PublishRequest(IntervalRequest):
    """Publish what an audit let pass.

    Attributes:
        audit: Its result.
        extracts: What was extracted, for the record.
    """

    audit: AuditResult
    extracts: list[SourceExtract]


class PublishResult(Result):
    """What was published.

    Attributes:
        version: Version of the table `validated`.
        rows: Rows of the interval in it.
    """

    start: datetime
    end: datetime
    version: int
    rows: int
    quarantined: int
