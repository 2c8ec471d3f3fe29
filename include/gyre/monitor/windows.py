"""What the champion answered in a stretch of event time, and the labels that had come by a night.

Event time is read slice by slice, each slice once: its rows are counted against the reference and then dropped, all but what a label is held
against. A week is the sum of its days, so memory depends on the rows of one slice and on three numbers for each other row.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from gyre.data import LABEL, LABELLED, with_class_indices
from gyre.histograms import Counts, Reference
from gyre.lake import PARTITION, Lake
from gyre.monitor.collect import PREDICTIONS
from gyre.specs import Interval, UseCase, cell_key, parse_instant

if TYPE_CHECKING:
    import polars as pl

NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Answers:
    """Predictions and what came of them; one a key.

    Attributes:
        predictions: Shape (n,) or (n, classes).
        labels: Shape (n,); NaN where none has come.
        labelled_at: Microseconds since 1970; NEVER where none has come. Shape (n,).
    """

    predictions: np.ndarray
    labels: np.ndarray
    labelled_at: np.ndarray

    def known_by(self, night: datetime) -> Answers:
        """Keep those whose label had come by then: tonight's run and a later replay see the same."""
        come = self.labelled_at <= _microseconds(night)
        return Answers(self.predictions[come], self.labels[come], self.labelled_at[come])


@dataclass
class Seen:
    """Everything of a champion in some slices of event time.

    Attributes:
        slices: Ascending and without gaps.
        answers: One a slice.
        counts: One a slice; empty without a reference.
        published: Rows the lake holds, one a slice.
    """

    slices: list[Interval]
    answers: list[Answers] = field(default_factory=list)
    counts: list[Counts] = field(default_factory=list)
    published: list[int] = field(default_factory=list)

    def window(self, window: Interval) -> Answers:
        """Put the answers of a window together."""
        parts = [self.answers[i] for i in self._inside(window)]
        return Answers(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("predictions", "labels", "labelled_at")))

    def counted(self, window: Interval, reference: Reference) -> Counts:
        """Put the counts of a window together."""
        total = Counts(reference)
        for i in self._inside(window):
            total.merge(self.counts[i])
        return total

    def rows_published(self, window: Interval) -> int:
        """Say how many rows the lake holds of a window."""
        return sum(self.published[i] for i in self._inside(window))

    def _inside(self, window: Interval) -> list[int]:
        return [i for i, part in enumerate(self.slices) if window.start <= part.start and part.end <= window.end]


def window_of(use_case: UseCase, end: datetime, length: timedelta) -> Interval:
    """Give the window that ends there: whole cells of local time where the length is made of them."""
    cells, rest = divmod(length, use_case.schedule.interval)
    start = end - length if rest else use_case.schedule.grid.after(end, -cells)
    return Interval(start, end)


def slices_of(windows: Iterable[Interval]) -> list[Interval]:
    """Cut event time so that every window is a sum of slices."""
    cuts = sorted({instant for window in windows for instant in (window.start, window.end)})
    return [Interval(start, end) for start, end in pairwise(cuts)]


def look(use_case: UseCase, lake: Lake, version: int, slices: list[Interval], reference: Reference | None, classes: list[Any]) -> Seen:
    """Read slices of event time.

    Args:
        use_case: Names the columns.
        lake: Its part of the lake.
        version: The champion; what other versions answered does not count.
        slices: From `slices_of`.
        reference: To count against; None to count nothing.
        classes: multiclass: labels in the order of the probabilities.
    """
    seen = Seen(slices, published=_published(lake, slices))
    rows = _predictions(lake, version, use_case)
    labels = _labels(use_case, lake, Interval(slices[0].start, slices[-1].end))
    for part in slices:
        answered = None if rows is None else _last_answers(use_case, rows, part)
        if reference is not None:
            seen.counts.append(_count(use_case, reference, answered))
        seen.answers.append(_join(use_case, answered, labels, classes))
    return seen


def _predictions(lake: Lake, version: int, use_case: UseCase) -> pl.LazyFrame | None:
    import polars as pl

    table = lake.table(PREDICTIONS)
    if table is None:
        return None
    rows = pl.scan_delta(table, storage_options=dict(lake.options) or None).filter(pl.col("version") == version)
    known = rows.collect_schema().names()  # a signal that is watched since today was not recorded before
    signals = [name for name in use_case.monitoring.signals if name in known]
    return rows.select(*dict.fromkeys([*use_case.keys, use_case.event_time, *use_case.features.plain, *signals, "prediction", "predicted_at", PARTITION]))


def _last_answers(use_case: UseCase, rows: pl.LazyFrame, part: Interval) -> pl.DataFrame:
    """Read one slice, in an order that is always the same: sums of floats depend on it. Of several answers for one key the last was acted on."""
    last = _within(use_case, rows, part).sort("predicted_at").unique(use_case.keys, keep="last", maintain_order=True)
    return last.sort(use_case.event_time, *use_case.keys).collect()


def _within(use_case: UseCase, rows: pl.LazyFrame, part: Interval) -> pl.LazyFrame:
    """Keep the rows of a slice, from the cells that can hold them."""
    import polars as pl

    zone = getattr(rows.collect_schema()[use_case.event_time], "time_zone", None)
    start, end = (instant if zone else instant.replace(tzinfo=None) for instant in (part.start, part.end))
    first = cell_key(use_case.schedule.grid.floor(part.start))
    in_cells = (pl.col(PARTITION) >= first) & (pl.col(PARTITION) < cell_key(part.end))
    return rows.filter(in_cells).filter(pl.col(use_case.event_time) >= start, pl.col(use_case.event_time) < end).drop(PARTITION)


def _labels(use_case: UseCase, lake: Lake, span: Interval) -> pl.DataFrame | None:
    import polars as pl

    table = lake.table(LABELLED)
    if table is None:
        return None
    wanted = dict.fromkeys([*use_case.keys, use_case.event_time, LABEL, "labelled_at", PARTITION])
    rows = _within(use_case, pl.scan_delta(table, storage_options=dict(lake.options) or None).select(*wanted), span)
    return rows.select(*use_case.keys, LABEL, "labelled_at").unique(use_case.keys, keep="last", maintain_order=True).collect()


def _join(use_case: UseCase, answered: pl.DataFrame | None, labels: pl.DataFrame | None, classes: list[Any]) -> Answers:
    """Put each answer's label beside it, by the keys."""
    import polars as pl

    if answered is None or answered.is_empty():
        shape = (0, len(classes) + 1) if use_case.task == "multiclass" else (0,)
        return Answers(np.zeros(shape), np.zeros(0), np.zeros(0, dtype=np.int64))
    column = answered["prediction"]
    predictions = np.array(column.to_list(), dtype=float) if column.dtype == pl.List else column.to_numpy()
    if labels is None:
        return Answers(predictions, np.full(len(predictions), np.nan), np.full(len(predictions), NEVER))
    typed = labels.with_columns(pl.col(key).cast(answered.schema[key]) for key in use_case.keys)
    joined = answered.select(*use_case.keys).join(typed, on=use_case.keys, how="left", maintain_order="left")
    come = joined["labelled_at"].cast(pl.Datetime("us")).cast(pl.Int64).fill_null(NEVER).to_numpy()
    return Answers(*_indexed(use_case, joined[LABEL], predictions, classes), come)


def _indexed(use_case: UseCase, labels: pl.Series, predictions: np.ndarray, classes: list[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Give predictions and labels as numbers; a class the model never saw has index `len(classes)` and probability 0."""
    import polars as pl

    if use_case.task != "multiclass":
        return predictions, labels.cast(pl.Float64).fill_null(np.nan).to_numpy()
    known = labels.is_not_null().to_numpy()
    indices = np.full(len(labels), np.nan)
    indices[known], _ = with_class_indices(labels.drop_nulls().to_list(), predictions[known], classes)
    return np.column_stack([predictions, np.zeros(len(predictions))]), indices


def _count(use_case: UseCase, reference: Reference, answered: pl.DataFrame | None) -> Counts:
    """Count one slice against the reference."""
    import polars as pl

    counts = Counts(reference)
    if answered is not None and not answered.is_empty():
        column = answered["prediction"]
        predictions = np.array(column.to_list(), dtype=float) if column.dtype == pl.List else column.to_numpy()
        watched = [name for name in (*use_case.features.plain, *use_case.monitoring.signals) if name in answered.columns]
        counts.add({name: answered[name].to_numpy() for name in watched}, predictions)
    return counts


def _published(lake: Lake, slices: list[Interval]) -> list[int]:
    """Count the validated rows of each slice from the table's metadata; a cell counts where it starts."""
    validated = lake.table("validated")
    if validated is None:
        return [0] * len(slices)
    files = validated.get_add_actions(flatten=True)
    cells = zip(files.column(f"partition.{PARTITION}").to_pylist(), files.column("num_records").to_pylist(), strict=True)
    rows = [(parse_instant(cell), int(count or 0)) for cell, count in cells]
    return [sum(count for start, count in rows if part.start <= start < part.end) for part in slices]


def _microseconds(instant: datetime) -> int:
    return int((instant - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1))
