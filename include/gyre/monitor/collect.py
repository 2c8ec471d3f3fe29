"""Bring what serving processes wrote down into the table `predictions`, each line exactly once.

A log is a stream of bytes with a name: a file of this machine, or the segments that a pod uploaded (`gyre.segments`). The table itself says how far
each was read: the commit that adds rows carries the log's offset as an application transaction. Killed before the commit, nothing was added; killed
after it, nothing is added again. A last line without its end waits for the next night.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from gyre.lake import PARTITION, Lake
from gyre.monitor.rows import Aside, Line, frame_of
from gyre.segments import segmented_logs
from gyre.specs import UseCase
from gyre.specs.monitor_messages import Collected

if TYPE_CHECKING:
    import polars as pl
    from deltalake import DeltaTable

log = logging.getLogger("gyre.job")

PREDICTIONS = "predictions"
ASIDE = "predictions_aside"
LINES_A_COMMIT = 50_000


class Log(Protocol):
    """What one serving process recorded."""

    @property
    def version(self) -> int:
        """Of the model."""

    @property
    def name(self) -> str:
        """Names it among the logs of its version."""

    @property
    def size(self) -> int:
        """How many bytes there are."""

    def lines(self, start: int) -> Iterator[tuple[int, bytes]]:
        """Give the lines from a byte on, each with the byte it begins at; the last may lack its end."""


@dataclass(frozen=True)
class LogFile:
    """A file of a serving process of this machine."""

    version: int
    path: Path

    @property
    def name(self) -> str:
        """Its file's."""
        return self.path.name

    @property
    def size(self) -> int:
        """Its file's."""
        return self.path.stat().st_size

    def lines(self, start: int) -> Iterator[tuple[int, bytes]]:
        """Read from a byte on."""
        with self.path.open("rb") as opened:
            opened.seek(start)
            for text in opened:
                yield start, text
                start += len(text)


def collect(use_case: UseCase, lake: Lake, logs: Path) -> Collected:
    """Add every complete new line of a use case's logs to the lake.

    Args:
        use_case: Whose.
        lake: Its part of the lake; `validated` gives the columns' types.
        logs: `<prediction logs>/<use case>` of this machine, with a folder for each version; what pods uploaded lies in the lake.
    """
    validated = lake.table("validated")
    if validated is None:
        return Collected()
    types = _types(validated, lake)
    predictions, aside = lake.table(PREDICTIONS), lake.table(ASIDE)
    total = Collected()
    for lines, ends in _batches(_new_lines([*log_files(logs), *segmented_logs(lake.objects, lake.root)], predictions)):
        rows, unusable = frame_of(use_case, types, lines)
        # Two tables cannot be committed at once: this one goes first, and skips what its own transactions say it has.
        kept = [a for a in unusable if a.line.offset >= offset_of(aside, a.line.file)]
        _append(lake, ASIDE, _aside_frame(kept), ends if kept else {})
        _append(lake, PREDICTIONS, rows, ends, partition_by=[PARTITION])
        total = Collected(rows=total.rows + rows.height, aside=total.aside + len(kept), files=total.files + len(ends))
    if total.files:
        log.info("Collected %s predictions from %d logs; %d lines could not be used and lie in %s.", f"{total.rows:,}", total.files, total.aside, ASIDE)
    return total


def log_files(logs: Path) -> list[LogFile]:
    """List this machine's log files of every version, in order of version and name."""
    found = [LogFile(int(path.parent.name), path) for path in logs.glob("*/*.jsonl") if path.parent.name.isdigit()]
    return sorted(found, key=lambda file: (file.version, file.path.name))


def offset_of(table: DeltaTable | None, transaction: str) -> int:
    """Say how many bytes of a log a table holds."""
    return int((table.transaction_version(transaction) if table else None) or 0)


def transaction_of(found: Log) -> str:
    """Name the application transaction that holds a log's offset."""
    return f"log/{found.version}/{found.name}"


def _new_lines(logs: Sequence[Log], predictions: DeltaTable | None) -> Iterator[Line]:
    """Give the complete lines that the table does not hold."""
    for each in logs:
        transaction = transaction_of(each)
        read = offset_of(predictions, transaction)
        if each.size <= read:
            continue
        for start, text in each.lines(read):
            if not text.endswith(b"\n"):
                break
            yield Line(transaction, each.version, start, text)


def _batches(lines: Iterator[Line]) -> Iterator[tuple[list[Line], dict[str, int]]]:
    """Cut lines into commits, each with the offsets its files were read to."""
    batch: list[Line] = []
    for line in lines:
        batch.append(line)
        if len(batch) == LINES_A_COMMIT:
            yield batch, {b.file: b.offset + len(b.text) for b in batch}
            batch = []
    if batch:
        yield batch, {b.file: b.offset + len(b.text) for b in batch}


def _append(lake: Lake, name: str, rows: pl.DataFrame, ends: dict[str, int], **how: Any) -> None:
    """Add rows, and the offsets they reach to, in one commit."""
    from deltalake import CommitProperties, Transaction, write_deltalake

    if not ends:
        return
    marks = [Transaction(app_id=file, version=end) for file, end in sorted(ends.items())]
    write_deltalake(
        lake.uri(name),
        rows,
        mode="append",
        schema_mode="merge" if lake.table(name) else None,
        storage_options=dict(lake.options),
        commit_properties=CommitProperties(app_transactions=marks),
        **how,
    )


def _types(validated: DeltaTable, lake: Lake) -> dict[str, Any]:
    """Give the columns' types, as the validated rows have them."""
    import polars as pl

    return dict(pl.scan_delta(validated, storage_options=dict(lake.options) or None).collect_schema())


def _aside_frame(unusable: list[Aside]) -> pl.DataFrame:
    import polars as pl

    rows = [(a.line.version, a.line.file, a.line.offset, a.line.text.decode(errors="replace")[:10_000], a.reason) for a in unusable]
    schema = {"version": pl.Int64, "file": pl.String, "offset": pl.Int64, "text": pl.String, "reason": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")
