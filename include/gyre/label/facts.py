"""Labels that are facts which arrive later: read what the label source holds, and let the use case say what it means."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gyre.errors import SourceUnreadable, did_you_mean
from gyre.label.join import Joined, join
from gyre.lake import PARTITION, Lake
from gyre.specs import Facts, Interval, UseCase, cell_key

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl


def join_facts(use_case: UseCase, facts: Facts, window: Interval, lake: Lake, function: Callable[[pd.DataFrame], pd.DataFrame]) -> Joined:
    """Label the rows of a window with the facts known now.

    Raises:
        SourceUnreadable: If the label function does not return keys, `label` and `labelled_at`.
    """
    labels = checked_labels(use_case, facts, function(_events(use_case, facts, lake, window)))
    cells = list(use_case.schedule.grid.cells(window))
    return join(use_case, cells, lake, labels, settled=window.end - facts.horizon)


def checked_labels(use_case: UseCase, facts: Facts, made: pd.DataFrame) -> pl.DataFrame:
    """Check and type what a label function returned; of several labels for one key the last wins."""
    import polars as pl

    where, columns = facts.function, [*use_case.keys, "label", "labelled_at"]
    for column in columns:
        if column not in made.columns:
            raise SourceUnreadable(f"{where} returned no column '{column}'.{did_you_mean(column, map(str, made.columns))}")
    labels = pl.from_pandas(made[columns]).drop_nulls().unique(use_case.keys, keep="last", maintain_order=True)
    if not labels["label"].dtype.is_numeric():
        raise SourceUnreadable(f"{where} returned labels of type {labels['label'].dtype}, such as {labels['label'].head(3).to_list()}. Fix: return numbers.")
    kind = pl.Float64 if labels["label"].dtype.is_float() or use_case.task == "regression" else pl.Int64
    return labels.with_columns(pl.col("label").cast(kind), pl.col("labelled_at").cast(pl.Datetime("us", "UTC")))


def _events(use_case: UseCase, facts: Facts, lake: Lake, window: Interval) -> pd.DataFrame:
    """Read the label source's rows in the order they came, from one horizon before the window (some facts come before the item's time) to the newest."""
    since = cell_key(window.start - facts.horizon)
    table = lake.table("sources", facts.source)
    if table is None:
        raise SourceUnreadable(f"Nothing of the label source '{facts.source}' is in the lake yet. Fix: run '{use_case.name}__ingest' first.")
    rows = table.to_pyarrow_table(filters=[(PARTITION, ">=", since)])
    order = [(name, "ascending") for name in ("_epoch", "_partition", "_offset", PARTITION) if name in rows.column_names]
    rows = rows.sort_by(order)
    return rows.select([name for name in rows.column_names if not name.startswith("_")]).to_pandas()
