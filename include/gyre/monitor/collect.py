"""Bring what serving processes wrote down into the table `predictions`, each line exactly once.

The table itself says how far each file was read: the commit that adds rows carries the file's byte offset as an application transaction. Killed
before the commit, nothing was added; killed after it, nothing is added again. A last line without its end waits for the next night.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gyre.lake import PARTITION, Lake
from gyre.monitor.rows import Aside, Line, frame_of
from gyre.specs import UseCase
from gyre.specs.monitor_messages import Collected

if TYPE_CHECKING:
    import polars as pl
    from deltalake import DeltaTable

log = logging.getLogger("gyre.job")

PREDICTIONS = "predictions"
ASIDE = "predictions_aside"
LINES_A_COMMIT = 50_000


@dataclass(frozen=True)
class LogFile:
    """One file of a serving process."""

    version: int
    path: Path

    @property
    def transaction(self) -> str:
        """Name of the application transaction that holds its offset."""
        return f"log/{self.version}/{self.path.name}"


def collect(use_case: UseCase, lake: Lake, logs: Path) -> Collected:
    """Add every complete new line of a use case's logs to the lake.

    Args:
        use_case: Whose.
        lake: Its part of the lake; `validated` gives the columns' types.
        logs: `<prediction logs>/<use case>`, with a folder for each version.
    """
    validated = lake.table("validated")
    if validated is None:
        return Collected()
    types = _types(validated, lake)
    predictions, aside = lake.table(PREDICTIONS), lake.table(ASIDE)
    total = Collected()
    for lines, ends in _batches(_new_lines(log_files(logs), predictions)):
        rows, unusable = frame_of(use_case, types, lines)
        # Two tables cannot be committed at once: this one goes first, and skips what its own transactions say it has.
        kept = [a for a in unusable if a.line.offset >= offset_of(aside, a.line.file)]
        _append(lake, ASIDE, _aside_frame(kept), ends if kept else {})
        _append(lake, PREDICTIONS, rows, ends, partition_by=[PARTITION])
        total = Collected(rows=total.rows + rows.height, aside=total.aside + len(kept), files=total.files + len(ends))
    if total.files:
        log.info("Collected %s predictions from %d files; %d lines could not be used and lie in %s.", f"{total.rows:,}", total.files, total.aside, ASIDE)
    return total


def log_files(logs: Path) -> list[LogFile]:
    """List the log files of every version, in order of version and name."""
    found = [LogFile(int(path.parent.name), path) for path in logs.glob("*/*.jsonl") if path.parent.name.isdigit()]
    return sorted(found, key=lambda file: (file.version, file.path.name))


def offset_of(table: DeltaTable | None, transaction: str) -> int:
    """Say how many bytes of a file a table holds."""
    return int((table.transaction_version(transaction) if table else None) or 0)


def _new_lines(files: list[LogFile], predictions: DeltaTable | None) -> Iterator[Line]:
    """Give the complete lines that the table does not hold."""
    for file in files:
        read = offset_of(predictions, file.transaction)
        if file.path.stat().st_size <= read:
            continue
        with file.path.open("rb") as opened:
            opened.seek(read)
            for text in opened:
                if not text.endswith(b"\n"):
                    break
                yield Line(file.transaction, file.version, read, text)
                read += len(text)


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
