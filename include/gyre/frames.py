"""The frame a model sees, made the same way for training, comparison, serving and monitoring."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gyre.errors import SourceUnreadable

if TYPE_CHECKING:
    import pandas as pd

    from gyre.specs import Features


def model_frame(rows: pd.DataFrame, features: Features) -> pd.DataFrame:
    """Pick and type the feature columns.

    Args:
        rows: Any frame that has them.
        features: The use case's columns.

    Returns:
        Numeric columns as float64 (missing is NaN), categorical ones as text (missing is ""), in the spec's order.

    Raises:
        SourceUnreadable: If a column is missing, or a numeric one holds text.
    """
    import pandas as pd

    missing = [column for column in features.columns if column not in rows.columns]
    if missing:
        raise SourceUnreadable(f"Feature columns {missing} are missing; the frame has {sorted(map(str, rows.columns))}.")
    frame: dict[str, Any] = {}
    for column in features.numeric:
        try:
            frame[column] = pd.to_numeric(rows[column]).astype("float64")
        except (ValueError, TypeError) as error:
            raise SourceUnreadable(f"Feature column '{column}' is numeric in the spec and holds something else: {error}") from error
    for column in features.categorical:
        frame[column] = rows[column].astype("object").where(rows[column].notna(), "").astype(str).astype("object")
    return pd.DataFrame(frame, index=rows.index)


def predict(model: Any, task: str, frame: pd.DataFrame) -> np.ndarray:
    """Ask a fitted model, whatever its framework.

    Returns:
        binary: probability of label 1, shape (n,); multiclass: probabilities, shape (n, classes), in the order of `model.classes_`;
        regression: values, shape (n,).
    """
    if task == "regression":
        return np.asarray(model.predict(frame), dtype=float)
    probabilities = np.asarray(model.predict_proba(frame), dtype=float)
    return probabilities[:, 1] if task == "binary" else probabilities
