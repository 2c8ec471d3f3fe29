"""What a model's data looked like when it was made, kept as counts, and one streaming pass that counts new data the same way.

A `Reference` is made where a model is trained and stored beside it as JSON; a `Counts` takes any amount of data batch by batch, in memory that
depends on the number of bins alone. How far apart the two are is asked in `gyre.monitor.drift`, which needs the counts and no row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from gyre.specs.requests import Message

if TYPE_CHECKING:
    import pandas as pd

    from gyre.specs import Features

TOP_CATEGORIES = 200
BLOCK = 65_536  # rows sorted at once: they fit in a core's cache


class Numbers(Message):
    """How the values of one numeric column lie.

    Attributes:
        edges: Ascending quantiles of the finite values, the smallest value first; the last lies just above the largest. Length e >= 2, or 0
            where the column held no value.
        counts: Values in (-inf, edges[0]), [edges[0], edges[1]), ..., [edges[-1], inf). Length e + 1.
        sums: Sum of the values in each bin. Length e + 1.
        missing: Values that are NaN or infinite.
        scale: Interquartile range of the values; their standard deviation where that is 0, and 1 where both are.
    """

    edges: list[float]
    counts: list[int]
    sums: list[float]
    missing: int
    scale: float


class Categories(Message):
    """How often each category was seen.

    Attributes:
        counts: Category -> rows, the most frequent first.
        other: Rows of any other category.
        missing: Rows without one (None, NaN or an empty text).
    """

    counts: dict[str, int]
    other: int
    missing: int


class Reference(Message):
    """What a model was made on, and what it answered.

    Attributes:
        rows: Rows of the frame.
        numeric: Numeric feature, or signal, -> its values.
        categorical: Categorical feature -> its categories.
        predictions: binary: probabilities of 1; regression: values; multiclass: the largest probability of each row.
        classes: multiclass: the index of the largest probability, as text; else None.
    """

    rows: int
    numeric: dict[str, Numbers]
    categorical: dict[str, Categories]
    predictions: Numbers
    classes: Categories | None = None


def build_reference(
    frame: pd.DataFrame, features: Features, predictions: np.ndarray, *, bins: int, signals: Mapping[str, np.ndarray] | None = None
) -> Reference:
    """Count a training frame and the model's answers.

    Args:
        frame: Rows the model was made on, with the feature columns (as `gyre.frames.model_frame` types them).
        features: The use case's columns.
        predictions: As `gyre.frames.predict` returns them, of the same rows or, better, of held-out ones. Shape (m,) or (m, classes).
        bins: At most this many bins for a numeric column; fewer where values repeat.
        signals: What the model gives beside its answers for the frame's rows, watched as numeric columns are. Shape (n,) each.
    """
    answers, chosen = _answers(predictions)
    return Reference(
        rows=len(frame),
        numeric={name: _numbers(_values(values), bins) for name, values in [*((c, frame[c]) for c in features.numeric), *(signals or {}).items()]},
        categorical={name: _categories(_texts(frame[name])) for name in features.categorical},
        predictions=_numbers(answers, bins),
        classes=None if chosen is None else _categories(chosen),
    )


class Counts:
    """New data, counted in a reference's bins.

    `add` takes batches of any size; `numeric`, `categorical`, `predictions` and `classes` then mirror the reference's fields.
    """

    def __init__(self, reference: Reference) -> None:
        self.rows = 0
        self.numeric = {name: NumberCounts(numbers) for name, numbers in reference.numeric.items()}
        self.categorical = {name: CategoryCounts(known) for name, known in reference.categorical.items()}
        self.predictions = NumberCounts(reference.predictions)
        self.classes = CategoryCounts(reference.classes) if reference.classes else None

    def add(self, batch: pd.DataFrame | Mapping[str, Any], predictions: np.ndarray | None = None) -> None:
        """Count one batch.

        Args:
            batch: The feature columns and signals: a pandas frame, an Arrow record batch, or a map of arrays. Columns it lacks are not counted.
            predictions: As in `build_reference`, or None to count none.
        """
        names = set(batch.schema.names if hasattr(batch, "schema") else batch)
        columns = {name: batch[name] for name in (*self.numeric, *self.categorical) if name in names}
        self.rows += len(next(iter(columns.values()))) if columns else len(predictions) if predictions is not None else 0
        for name, column in columns.items():
            if name in self.numeric:
                self.numeric[name].add(_values(column))
            else:
                self.categorical[name].add(_texts(column))
        if predictions is not None:
            answers, chosen = _answers(predictions)
            self.predictions.add(answers)
            if self.classes and chosen is not None:
                self.classes.add(chosen)

    def merge(self, other: Counts) -> None:
        """Add what was counted elsewhere against the same reference: a week is the sum of its days."""
        self.rows += other.rows
        for name, numbers in self.numeric.items():
            numbers.merge(other.numeric[name])
        for name, categories in self.categorical.items():
            categories.merge(other.categorical[name])
        self.predictions.merge(other.predictions)
        if self.classes and other.classes:
            self.classes.merge(other.classes)


class NumberCounts:
    """Values of one numeric column in a reference's bins: how many, their sum, the smallest and the largest."""

    def __init__(self, numbers: Numbers) -> None:
        self.edges = np.asarray(numbers.edges, dtype=float)
        self.counts = np.zeros(self.edges.size + 1, dtype=np.int64)
        self.sums = np.zeros(self.edges.size + 1)
        self.missing = 0
        self.smallest, self.largest = np.inf, -np.inf

    def add(self, values: np.ndarray) -> None:
        """Count values. Sorting a block that fits in the cache and looking the edges up in it beats looking each value up six times over."""
        for start in range(0, values.size, BLOCK):
            block = np.sort(values[start : start + BLOCK])  # -inf first, then numbers, inf, NaN
            finite = block[np.searchsorted(block, -np.inf, side="right") : np.searchsorted(block, np.inf, side="left")]
            self.missing += block.size - finite.size
            if finite.size:
                below = np.searchsorted(finite, self.edges, side="left")
                self.counts += np.diff(below, prepend=0, append=finite.size)
                self.sums += _sums(finite, below)
                self.smallest, self.largest = min(self.smallest, float(finite[0])), max(self.largest, float(finite[-1]))

    def merge(self, other: NumberCounts) -> None:
        """Add what was counted in the same bins."""
        self.counts += other.counts
        self.sums += other.sums
        self.missing += other.missing
        self.smallest, self.largest = min(self.smallest, other.smallest), max(self.largest, other.largest)


class CategoryCounts:
    """Rows of each category of a reference, in its order."""

    def __init__(self, known: Categories) -> None:
        self.counts = dict.fromkeys(known.counts, 0)
        self.other = 0
        self.missing = 0

    def add(self, seen: Counter[str | None]) -> None:
        """Count categories."""
        for category, rows in seen.items():
            if category is None:
                self.missing += rows
            elif category in self.counts:
                self.counts[category] += rows
            else:
                self.other += rows

    def merge(self, other: CategoryCounts) -> None:
        """Add what was counted for the same categories."""
        self.counts = {category: rows + other.counts[category] for category, rows in self.counts.items()}
        self.other += other.other
        self.missing += other.missing


def _numbers(values: np.ndarray, bins: int) -> Numbers:
    finite = values[np.isfinite(values)]
    if not finite.size:
        return Numbers(edges=[], counts=[0], sums=[0], missing=values.size, scale=1)
    edges = np.unique(np.quantile(finite, np.arange(bins) / bins, method="inverted_cdf"))
    edges = np.append(edges, np.nextafter(finite.max(), np.inf))
    low, high = np.quantile(finite, [0.25, 0.75])
    scale = float(high - low) or float(finite.std()) or 1.0
    counted = NumberCounts(Numbers(edges=edges.tolist(), counts=[], sums=[], missing=0, scale=scale))
    counted.add(values)
    return Numbers(edges=edges.tolist(), counts=counted.counts.tolist(), sums=counted.sums.tolist(), missing=counted.missing, scale=scale)


def _sums(ordered: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    """Sum ordered values between cuts; nothing between two cuts sums to 0."""
    starts = np.concatenate([[0], cuts])
    inside = starts[starts < ordered.size]
    sums = np.zeros(starts.size)
    sums[: inside.size] = np.add.reduceat(ordered, inside)
    return np.where(np.diff(starts, append=ordered.size) > 0, sums, 0.0)


def _categories(seen: Counter[str | None]) -> Categories:
    missing = seen.pop(None, 0)
    ranked = sorted(seen.items(), key=lambda item: (-item[1], str(item[0])))
    top = {str(category): rows for category, rows in ranked[:TOP_CATEGORIES]}
    return Categories(counts=top, other=sum(rows for _, rows in ranked[TOP_CATEGORIES:]), missing=missing)


def _answers(predictions: np.ndarray) -> tuple[np.ndarray, Counter[str | None] | None]:
    """Split predictions into numbers and, of several classes, which was chosen."""
    predictions = np.asarray(predictions, dtype=float)
    if predictions.ndim == 1:
        return predictions, None
    return predictions.max(axis=1), Counter(map(str, predictions.argmax(axis=1).tolist()))


def _values(column: Any) -> np.ndarray:
    """Give a column as float64, missing values as NaN."""
    if hasattr(column, "null_count"):  # Arrow
        column = column.to_numpy(zero_copy_only=False)
    elif hasattr(column, "dtype") and hasattr(column, "isna"):  # pandas
        column = column.to_numpy(dtype=float, na_value=np.nan)
    return np.asarray(column, dtype=float)


def _texts(column: Any) -> Counter[str | None]:
    """Count a column's categories; a missing one is None."""
    counted: Counter[str | None] = Counter()
    for value, rows in Counter(column.to_pylist() if hasattr(column, "to_pylist") else np.asarray(column, dtype=object).tolist()).items():
        missing = value is None or value != value or value == ""
        counted[None if missing else str(value)] += rows
    return counted
