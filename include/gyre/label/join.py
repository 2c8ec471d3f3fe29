"""Join labels to the rows they are about; write only the cells whose content changed."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gyre.lake import PARTITION, Lake
from gyre.specs import Interval, UseCase, cell_key

if TYPE_CHECKING:
    import polars as pl

log = logging.getLogger("gyre.job")

TRANSACTION = "publish"


@dataclass(frozen=True)
class Joined:
    """What a run of a job that labels did.

    Attributes:
        rows: Validated rows of the cells looked at.
        labelled: Rows of them that have a label now.
        changed: Cells that were rewritten.
        version: Version of the table `labelled`; None if there is none yet.
    """

    rows: int
    labelled: int
    changed: list[Interval]
    version: int | None


def join(use_case: UseCase, cells: Sequence[Interval], lake: Lake, labels: pl.DataFrame, settled: datetime | None = None) -> Joined:
    """Label the rows of these cells with what is known now.

    Repeating it changes nothing; a label that was corrected replaces the one before, one that was withdrawn goes; a row without a label is left out.

    Args:
        use_case: Names the keys.
        cells: The cells looked at, oldest first.
        lake: The use case's part of the lake.
        labels: Keys, `label`, `labelled_at`, and columns that go with them; one row a key.
        settled: Cells that end by then wait for labels no longer: one without any is written too, empty.
    """
    validated = read_cells(lake, "validated", cells)
    if validated is None or (validated.is_empty() and read_cells(lake, "labelled", cells) is None):
        return Joined(0, 0, [], _version(lake))
    labelled = validated.join(labels, on=use_case.keys, how="inner", maintain_order="left")
    changed = _changed(labelled, lake, cells, settled)
    for run in _runs(changed):
        part = labelled.filter((labelled[PARTITION] >= cell_key(run.start)) & (labelled[PARTITION] < cell_key(run.end)))
        version = lake.replace("labelled", part.to_arrow(), run, use_case.schedule.grid, transaction=TRANSACTION, version=int(time.time() * 1000))
        log.info("labelled: %s rows of %s, version %s.", f"{part.height:,}", run, version)
    log.info("%s of %s rows in %s cells have a label; %s cells changed.", f"{labelled.height:,}", f"{validated.height:,}", f"{len(cells):,}", len(changed))
    return Joined(validated.height, labelled.height, changed, _version(lake))


def read_cells(lake: Lake, name: str, cells: Sequence[Interval], columns: list[str] | None = None) -> pl.DataFrame | None:
    """Read a table's rows of some cells; None if the table was never written."""
    import polars as pl

    table = lake.table(name)
    if table is None:
        return None
    asked: Any = [(PARTITION, "in", [cell_key(cell.start) for cell in cells] or [""])]  # of no cells: the columns, without a row
    rows = pl.from_arrow(table.to_pyarrow_table(filters=asked, columns=columns))
    assert isinstance(rows, pl.DataFrame)  # noqa: S101 - a table with columns, never a series
    return rows


def _changed(labelled: pl.DataFrame, lake: Lake, cells: Sequence[Interval], settled: datetime | None) -> list[Interval]:
    """Name the cells whose labelled rows differ from those in the table, or that were never written and are past waiting for."""
    before = read_cells(lake, "labelled", cells)
    now = _fingerprints(labelled)
    then = _fingerprints(before.select(labelled.columns)) if before is not None and set(labelled.columns) <= set(before.columns) else {}
    stale = set() if then or before is None else set(before[PARTITION].unique())  # columns came or went: what is there is written anew
    written = {cell.start for cell in lake.published("labelled", cells)}

    def differs(cell: Interval) -> bool:
        key = cell_key(cell.start)
        return now.get(key) != then.get(key) or key in stale or (settled is not None and cell.start not in written and cell.end <= settled)

    return [cell for cell in cells if differs(cell)]


def _fingerprints(rows: pl.DataFrame) -> dict[str, tuple[int, int]]:
    """Sum up each cell's rows, whatever their order."""
    import polars as pl

    summed = rows.select(PARTITION, row=rows.hash_rows(seed=0)).group_by(PARTITION).agg(pl.len(), pl.col("row").sum())
    return {cell: (count, total) for cell, count, total in summed.iter_rows()}


def _runs(cells: Sequence[Interval]) -> Iterator[Interval]:
    """Put neighbouring cells together: one commit each."""
    start = end = None
    for cell in cells:
        if end != cell.start:
            if start is not None and end is not None:
                yield Interval(start, end)
            start = cell.start
        end = cell.end
    if start is not None and end is not None:
        yield Interval(start, end)


def _version(lake: Lake) -> int | None:
    table = lake.table("labelled")
    return table.version() if table else None
