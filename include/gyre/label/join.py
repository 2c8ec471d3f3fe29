"""Join the facts that have come to the rows they are about; write only the cells whose content changed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gyre.errors import SourceUnreadable, did_you_mean
from gyre.lake import PARTITION, Lake, in_cells
from gyre.specs import Interval, UseCase, cell_key

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

log = logging.getLogger("gyre.job")

TRANSACTION = "publish"


@dataclass(frozen=True)
class Joined:
    """What a run of the label job did.

    Attributes:
        rows: Validated rows of the window.
        labelled: Rows of them that have a label now.
        changed: Cells that were rewritten.
        version: Version of the table `labelled`; None if there is none yet.
    """

    rows: int
    labelled: int
    changed: list[Interval]
    version: int | None


def join_labels(use_case: UseCase, window: Interval, lake: Lake, function: Callable[[pd.DataFrame], pd.DataFrame]) -> Joined:
    """Label the rows of a window with what is known now.

    Repeating it changes nothing; a label that was corrected replaces the one before; a row without a label is left out until it has one.

    Raises:
        SourceUnreadable: If the label function does not return keys, `label` and `labelled_at`.
    """
    grid = use_case.schedule.grid
    validated = _read(lake, "validated", window)
    if validated is None or validated.is_empty():
        return Joined(0, 0, [], _version(lake))
    labels = checked_labels(use_case, function(_events(use_case, lake, window)))
    labelled = validated.join(labels, on=use_case.keys, how="inner", maintain_order="left")
    changed = _changed(use_case, labelled, lake, window)
    for run in _runs(changed):
        cells = labelled.filter((labelled[PARTITION] >= cell_key(run.start)) & (labelled[PARTITION] < cell_key(run.end)))
        version = lake.replace("labelled", cells.to_arrow(), run, grid, transaction=TRANSACTION, version=int(time.time() * 1000))
        log.info("labelled: %s rows of %s, version %s.", f"{cells.height:,}", run, version)
    log.info("%s of %s rows in %s have a label; %s cells changed.", f"{labelled.height:,}", f"{validated.height:,}", window, len(changed))
    return Joined(validated.height, labelled.height, changed, _version(lake))


def checked_labels(use_case: UseCase, made: pd.DataFrame) -> pl.DataFrame:
    """Check and type what a label function returned; of several labels for one key the last wins."""
    import polars as pl

    where, columns = use_case.labels.function, [*use_case.keys, "label", "labelled_at"]
    for column in columns:
        if column not in made.columns:
            raise SourceUnreadable(f"{where} returned no column '{column}'.{did_you_mean(column, map(str, made.columns))}")
    labels = pl.from_pandas(made[columns]).drop_nulls().unique(use_case.keys, keep="last", maintain_order=True)
    if not labels["label"].dtype.is_numeric():
        raise SourceUnreadable(f"{where} returned labels of type {labels['label'].dtype}, such as {labels['label'].head(3).to_list()}. Fix: return numbers.")
    kind = pl.Float64 if labels["label"].dtype.is_float() or use_case.task == "regression" else pl.Int64
    return labels.with_columns(pl.col("label").cast(kind), pl.col("labelled_at").cast(pl.Datetime("us", "UTC")))


def _events(use_case: UseCase, lake: Lake, window: Interval) -> pd.DataFrame:
    """Read the label source's rows in the order they came, from one horizon before the window (some facts come before the item's time) to the newest."""
    since = cell_key(window.start - use_case.labels.horizon)
    table = lake.table("sources", use_case.labels.source)
    if table is None:
        raise SourceUnreadable(f"Nothing of the label source '{use_case.labels.source}' is in the lake yet. Fix: run '{use_case.name}__ingest' first.")
    rows = table.to_pyarrow_table(filters=[(PARTITION, ">=", since)])
    order = [(name, "ascending") for name in ("_epoch", "_partition", "_offset", PARTITION) if name in rows.column_names]
    rows = rows.sort_by(order)
    return rows.select([name for name in rows.column_names if not name.startswith("_")]).to_pandas()


def _changed(use_case: UseCase, labelled: pl.DataFrame, lake: Lake, window: Interval) -> list[Interval]:
    """Name the cells whose labelled rows differ from those in the table, or that were never written and are past waiting for."""
    before = _read(lake, "labelled", window)
    cells = list(use_case.schedule.grid.cells(window))
    now, then = (
        _fingerprints(labelled),
        _fingerprints(before.select(labelled.columns)) if before is not None and set(labelled.columns) <= set(before.columns) else {},
    )
    written = {cell.start for cell in lake.published("labelled", cells)}
    settled = window.end - use_case.labels.horizon
    return [cell for cell in cells if now.get(key := cell_key(cell.start)) != then.get(key) or (cell.start not in written and cell.end <= settled)]


def _fingerprints(rows: pl.DataFrame) -> dict[str, tuple[int, int]]:
    """Sum up each cell's rows, whatever their order."""
    import polars as pl

    summed = rows.select(PARTITION, row=rows.hash_rows(seed=0)).group_by(PARTITION).agg(pl.len(), pl.col("row").sum())
    return {cell: (count, total) for cell, count, total in summed.iter_rows()}


def _runs(cells: list[Interval]) -> Iterator[Interval]:
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


def _read(lake: Lake, name: str, window: Interval) -> pl.DataFrame | None:
    import polars as pl

    table = lake.table(name)
    if table is None:
        return None
    rows = pl.from_arrow(table.to_pyarrow_table(filters=in_cells(window)))
    assert isinstance(rows, pl.DataFrame)  # noqa: S101 - a table with columns, never a series
    return rows


def _version(lake: Lake) -> int | None:
    table = lake.table("labelled")
    return table.version() if table else None
