"""What a training leaves in the lake for later phases, under `models/<training id>/`."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from gyre.data import LABEL
from gyre.lake import Lake
from gyre.specs import UseCase
from gyre.specs.requests import Message
from gyre.specs.train_messages import Sample

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from gyre.specs import Features
    from gyre.train.rows import Part

FOLDER = "models"
SAMPLE_ROWS = 20


def write_message(lake: Lake, training_id: str, name: str, message: Message) -> str:
    """Write a message as JSON; give its address."""
    uri = lake.uri(FOLDER, training_id, name)
    lake.objects.write(uri, message.model_dump_json().encode())
    return uri


def write_holdout(lake: Lake, use_case: UseCase, training_id: str, part: Part, predictions: np.ndarray, signals: Mapping[str, np.ndarray]) -> str:
    """Write the held-out rows' keys, event time, `label`, `prediction` and each signal as Parquet; give its address.

    `prediction` is a number, or a list of probabilities, one a class the model knows (multiclass).
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = dict.fromkeys([*use_case.keys, use_case.event_time])
    table = pa.Table.from_pandas(part.rows[list(columns)], preserve_index=False)
    table = table.append_column(LABEL, pa.array(part.labels.tolist()))
    table = table.append_column("prediction", pa.array(predictions.tolist()))
    for name, values in signals.items():
        table = table.append_column(name, pa.array(values))
    content = io.BytesIO()
    pq.write_table(table, content)
    uri = lake.uri(FOLDER, training_id, "holdout.parquet")
    lake.objects.write(uri, content.getvalue())
    return uri


def sample_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """Pick a few rows, evenly spread over a frame."""
    return frame.iloc[np.unique(np.linspace(0, len(frame) - 1, min(SAMPLE_ROWS, len(frame))).astype(int))].reset_index(drop=True)


def sample_of(rows: pd.DataFrame, features: Features, predictions: np.ndarray, tolerance: float) -> Sample:
    """Put rows and answers in a form that JSON can carry, which is that of a request: a missing number is null, bytes are base64."""
    records: list[dict[str, Any]] = rows.astype("object").where(rows.notna(), None).to_dict("records")
    for record in records:
        record.update({column: base64.b64encode(record[column]).decode() for column in features.binary})
    return Sample(rows=records, predictions=predictions.tolist(), tolerance=tolerance)
