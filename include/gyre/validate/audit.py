"""Audit an extract: check the sources, make the features, check those; hold back rows, or everything."""

from __future__ import annotations

import hashlib
import io
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gyre.lake import PARTITION, Lake
from gyre.specs import Interval, Topic, UseCase
from gyre.specs.ingest_messages import AuditResult, SourceExtract
from gyre.validate.features import make_features, read_extract, with_lookback, without_bookkeeping
from gyre.validate.page import page
from gyre.validate.suites import Outcome, Suites, checked_suites

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

log = logging.getLogger("gyre.job")


@dataclass
class Audit:
    """One interval under audit.

    Attributes:
        outcomes: What each expectation said so far.
        held_back: Rows taken out so far: source, reason, row, `_interval`.
    """

    use_case: UseCase
    interval: Interval
    lake: Lake
    folder: str
    outcomes: list[Outcome] = field(default_factory=list)
    held_back: list[dict[str, str]] = field(default_factory=list)

    @property
    def blocked(self) -> bool:
        """Whether a failed check forbids publishing."""
        return any(not o.passed and o.check.action == "block" for o in self.outcomes)

    def take(self, source: str, rows: pa.Table, found: list[Outcome]) -> pa.Table:
        """Note what a suite said and take out the rows it holds back."""
        import numpy as np
        import pyarrow as pa

        self.outcomes += found
        reasons: dict[int, list[str]] = {}
        for outcome in found:
            if not outcome.passed and outcome.check.action == "quarantine":
                for position in outcome.rows:
                    reasons.setdefault(position, []).append(f"{outcome.check.expectation} on {', '.join(outcome.check.columns)} ({outcome.arguments})")
        if not reasons:
            return rows
        positions = sorted(reasons)
        for position, row in zip(positions, rows.take(positions).to_pylist(), strict=True):
            cell = row[PARTITION]
            own = {key: value for key, value in row.items() if not key.startswith("_")}
            self.held_back.append({"source": source, "reason": "; ".join(reasons[position]), "row": json.dumps(own, default=_in_words), PARTITION: cell})
        keep = np.ones(rows.num_rows, dtype=bool)
        keep[positions] = False
        log.info("%s: %s rows are held back.", source, len(positions))
        return rows.filter(pa.array(keep))

    def stage(self, name: str, rows: pa.Table) -> str:
        """Write rows to this audit's folder."""
        import pyarrow.parquet as pq

        buffer = io.BytesIO()
        pq.write_table(rows, buffer, compression="zstd")
        uri = self.lake.uri("staging", self.folder, f"{name}.parquet")
        self.lake.objects.write(uri, buffer.getvalue())
        return uri


def _in_words(value: Any) -> str:
    """Write what JSON has no form for; of bytes, their hash: the file itself lies where it came from."""
    return f"{len(value):,} bytes, sha256 {hashlib.sha256(value).hexdigest()}" if isinstance(value, bytes) else str(value)


def audit(
    use_case: UseCase,
    interval: Interval,
    extracts: list[SourceExtract],
    lake: Lake,
    job_id: str,
    suites: Callable[[Interval], Any],
    features: Callable[..., pd.DataFrame],
) -> AuditResult:
    """Audit an interval's extracts.

    Args:
        use_case: Whose.
        interval: Which.
        extracts: What was extracted.
        lake: The use case's part of the lake.
        job_id: Names the folder that results are staged in.
        suites: The use case's `(interval) -> {source or "features": ExpectationSuite}`.
        features: Its feature function.

    Raises:
        SourceUnreadable: If a check cannot be asked, or the features are not what the spec says.
    """
    under_audit = Audit(use_case, interval, lake, job_id)
    expectations = Suites()
    given = checked_suites(use_case.name, suites(interval), list(use_case.sources))
    rows: dict[str, pa.Table] = {}
    staged: dict[str, str] = {}
    for extract in extracts:
        extracted = read_extract(lake, extract, interval)
        found = expectations.run(extract.source, extracted.to_pandas(), given[extract.source]) if extract.source in given else []
        rows[extract.source] = kept = under_audit.take(extract.source, extracted, found)
        if not isinstance(use_case.sources[extract.source], Topic):
            staged[extract.source] = extract.uri if kept.num_rows == extracted.num_rows else under_audit.stage(extract.source, kept)
    if under_audit.blocked:
        return _result(under_audit)
    frames = {name: without_bookkeeping(with_lookback(use_case, lake, name, kept, interval)) for name, kept in rows.items()}
    made = make_features(use_case, features, frames, interval)
    log.info("features: %s rows of %s columns.", f"{made.num_rows:,}", len(use_case.features.columns))
    found = expectations.run("features", made.to_pandas(), given["features"]) if "features" in given else []
    made = under_audit.take("features", made, found)
    if under_audit.blocked:
        return _result(under_audit)
    return _result(under_audit, rows=made.num_rows, sources=staged, features=under_audit.stage("features", made), held_back=_stage_held_back(under_audit))


def _stage_held_back(under_audit: Audit) -> str:
    import pyarrow as pa

    columns = pa.schema([(name, pa.string()) for name in ("source", "reason", "row", PARTITION)])
    return under_audit.stage("quarantined", pa.Table.from_pylist(under_audit.held_back, columns))


def _result(under_audit: Audit, **published: Any) -> AuditResult:
    """Write the page and sum up."""
    failed = [o.check for o in under_audit.outcomes if not o.passed]
    passed = len(under_audit.outcomes) - len(failed)
    uri = under_audit.lake.uri("pages", "validation", f"{under_audit.folder}.html")
    text = page(under_audit.use_case, under_audit.interval, under_audit.outcomes, under_audit.held_back, blocked=under_audit.blocked)
    under_audit.lake.objects.write(uri, text.encode())
    log.info("%s checks held, %s failed; %s. Page: %s", passed, len(failed), "blocked" if under_audit.blocked else "may be published", uri)
    return AuditResult(
        start=under_audit.interval.start,
        end=under_audit.interval.end,
        blocked=under_audit.blocked,
        checks=failed,
        passed=passed,
        page=uri,
        quarantined=len(under_audit.held_back),
        **published,
    )
