"""Labelled rows, read the same way for training, comparison and monitoring."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gyre.lake import PARTITION, Lake
from gyre.specs.interval import Interval, cell_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd

    from gyre.specs import UseCase

LABELLED = "labelled"
LABEL = "label"
HASH_SEED = 20130101


def read_labelled(lake: Lake, use_case: UseCase, interval: Interval, version: int | None = None) -> pd.DataFrame:
    """Read the labelled rows whose event time lies in an interval, from the cells that can hold them.

    Args:
        lake: The use case's part of the lake.
        use_case: Names the event time and cuts the cells.
        interval: Event time, not necessarily whole cells.
        version: Version of the table; the newest when None.

    Returns:
        Keys, event time, features, `label` and `labelled_at`, sorted by event time and keys; no rows if the table was never written.
    """
    import pandas as pd
    import polars as pl

    table = lake.table(LABELLED, version=version)
    if table is None:
        return pd.DataFrame()
    first = cell_key(use_case.schedule.grid.floor(interval.start))
    in_cells = (pl.col(PARTITION) >= first) & (pl.col(PARTITION) < cell_key(interval.end))
    rows = pl.scan_delta(table, storage_options=dict(lake.options) or None).filter(in_cells)
    time = pl.col(use_case.event_time)
    rows = rows.filter(time >= _bound(interval.start, rows, use_case.event_time), time < _bound(interval.end, rows, use_case.event_time))
    frame = rows.drop(PARTITION).sort(use_case.event_time, *use_case.keys).collect()
    return frame.to_pandas()


def _bound(instant: Any, rows: Any, column: str) -> Any:
    """Give an instant in the type of the event time column (with a time zone, or plain UTC)."""
    zone = getattr(rows.collect_schema()[column], "time_zone", None)
    return instant if zone else instant.replace(tzinfo=None)


def content_hash(frame: pd.DataFrame) -> str:
    """Hash the rows of a frame, whatever their order: equal content gives an equal hash in any process.

    Columns count by name, not by place. The sum of the rows' hashes, so that a row that is there twice counts twice.
    """
    import numpy as np
    import pandas as pd

    if frame.empty:
        return f"0-{0:016x}"
    ordered = frame[sorted(frame.columns)]
    hashes = pd.util.hash_pandas_object(ordered, index=False).to_numpy(dtype="uint64")
    columns = pd.util.hash_array(np.array(["|".join(ordered.columns)], dtype=object))[0]
    with np.errstate(over="ignore"):
        total = np.bitwise_xor(hashes.sum(dtype="uint64"), columns)
    return f"{len(frame)}-{int(total):016x}"


def with_class_indices(labels: Any, predictions: np.ndarray, classes: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Turn the labels of a multiclass task into indices, as metrics want them.

    A label the model never saw gets a class of its own that the model gave probability 0: it counts as wrong, and is not left out.

    Args:
        labels: Shape (n,), of the same type as `classes`.
        predictions: Shape (n, k).
        classes: The model's k classes, in the order of its columns.

    Returns:
        Indices (n,), and predictions (n, k) or (n, k + 1).
    """
    import numpy as np

    index = {value: position for position, value in enumerate(classes)}
    indices = np.array([index.get(value, len(index)) for value in np.asarray(labels).tolist()], dtype=int)
    if (indices == len(index)).any():
        predictions = np.column_stack([predictions, np.zeros(len(predictions))])
    return indices, predictions
