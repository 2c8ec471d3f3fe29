"""The rows of one training: read at one version of the table, cut by time, typed as the model sees them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gyre.data import LABEL, LABELLED, content_hash, read_labelled
from gyre.errors import BadParameters
from gyre.frames import model_frame
from gyre.lake import Lake
from gyre.specs import DatasetVersion, Facts, Interval, UseCase
from gyre.specs.train_messages import TrainingPlan

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Part:
    """The rows of one part of a training.

    Attributes:
        rows: As the lake holds them.
        frame: The feature columns, as the model sees them.
        labels: Shape (n,).
    """

    rows: pd.DataFrame
    frame: pd.DataFrame
    labels: np.ndarray

    @property
    def given(self) -> pd.DataFrame:
        """What the use case's training function is given: the feature columns and `label`."""
        return self.frame.assign(**{LABEL: self.labels})


def read(use_case: UseCase, lake: Lake, planned: TrainingPlan) -> tuple[DatasetVersion, Part, Part]:
    """Read the planned rows: the dataset version, the rows to train on, and those held out.

    Raises:
        BadParameters: If one of the two parts is empty, or the labels do not fit the task.
    """
    import pandas as pd

    interval = Interval(planned.start, planned.data_end)
    rows = read_labelled(lake, use_case, interval, planned.table_version)
    dataset = DatasetVersion(
        table=lake.uri(LABELLED),
        version=planned.table_version,
        start=interval.start,
        end=interval.end,
        rows=len(rows),
        content_hash=content_hash(rows),
    )
    held_out = pd.to_datetime(rows[use_case.event_time], utc=True) >= planned.train_end if len(rows) else np.zeros(0, dtype=bool)
    for what, part, count in (("train on", Interval(planned.start, planned.train_end), len(rows) - int(held_out.sum())),
                              ("hold out", Interval(planned.train_end, planned.data_end), int(held_out.sum()))):  # fmt: skip
        if not count:
            raise BadParameters(
                f"'{use_case.name}' has no labelled rows to {what} in {part}; {len(rows)} lie in {interval}. "
                "Fix: wait for more labels, or set another training.validation or data_through."
            )
    return dataset, _part(use_case, rows[~held_out]), _part(use_case, rows[held_out])


def _part(use_case: UseCase, rows: pd.DataFrame) -> Part:
    rows = rows.reset_index(drop=True)
    return Part(rows, model_frame(rows, use_case.features), labels_of(use_case, rows[LABEL]))


def labels_of(use_case: UseCase, column: Any) -> np.ndarray:
    """Type the labels: 0 and 1 (binary), numbers (regression), whole numbers or texts (multiclass).

    Raises:
        BadParameters: If they do not fit the task.
    """
    import pandas as pd

    labels = use_case.labels
    made_by = f"labels.function ('{labels.function}')" if isinstance(labels, Facts) else "labels.template and labels.values"
    cure = f"Fix: {made_by} must give labels that fit task '{use_case.task}'."
    if use_case.task == "multiclass":
        return np.asarray(column.astype("object").astype(str) if column.dtype.kind not in "iub" else column.astype("int64"))
    try:
        numbers = np.asarray(pd.to_numeric(column).astype("float64"))
    except (ValueError, TypeError) as error:
        raise BadParameters(f"Labels of '{use_case.name}' are no numbers: {error}. {cure}") from error
    if use_case.task == "regression":
        return numbers
    other = np.setdiff1d(numbers, [0.0, 1.0])
    if other.size:
        raise BadParameters(f"Labels of '{use_case.name}' must be 0 or 1; found {other[:5].tolist()}. {cure}")
    return numbers.astype("int64")
