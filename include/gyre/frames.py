"""The frame a model sees, made the same way for training, comparison, serving and monitoring."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gyre.errors import GyreError, SourceUnreadable, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from gyre.specs import Features


def model_frame(rows: pd.DataFrame, features: Features) -> pd.DataFrame:
    """Pick and type the feature columns.

    Args:
        rows: Any frame that has them.
        features: The use case's columns.

    Returns:
        Numeric columns as float64 (missing is NaN), categorical ones as text (missing is ""), binary ones as bytes, in the spec's order.

    Raises:
        SourceUnreadable: If a column is missing, a numeric one holds text, or a binary one anything but bytes.
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
    for column in features.binary:
        frame[column] = pd.Series(_bytes(column, rows[column].tolist()), index=rows.index, dtype="object")
    return pd.DataFrame(frame, index=rows.index)


def _bytes(column: str, values: list[Any]) -> list[bytes]:
    """Insist on bytes."""
    wrong = [(row, value) for row, value in enumerate(values) if not isinstance(value, bytes | bytearray | memoryview) or not len(value)]
    if wrong:
        row, value = wrong[0]
        held = f"a {type(value).__name__}" if isinstance(value, str | int | list | np.ndarray) else "nothing"
        raise SourceUnreadable(f"Feature column '{column}' is binary in the spec; {len(wrong)} of {len(values)} rows hold no bytes, row {row} holds {held}.")
    return [bytes(value) for value in values]


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


def signals(model: Any, names: Sequence[str], frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """Ask a fitted model for the numbers that are watched beside its answers.

    Args:
        model: Has `signals(frame) -> {name: array (n,)}`, if any are wanted.
        names: `monitoring.signals`.
        frame: As `model_frame` gives it.

    Raises:
        GyreError: If the model does not give one of them.
    """
    if not names:
        return {}
    own = getattr(model, "signals", None)
    return _wanted(names, own(frame) if callable(own) else {}, len(frame))


def answers(model: Any, task: str, names: Sequence[str], frame: pd.DataFrame) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Give what `predict` and `signals` give, in one pass where the model can."""
    if names and hasattr(model, "predict_with_signals"):
        given, found = model.predict_with_signals(frame)
        return (given[:, 1] if task == "binary" else given), _wanted(names, found, len(frame))
    return predict(model, task, frame), signals(model, names, frame)


def _wanted(names: Sequence[str], found: Mapping[str, Any], rows: int) -> dict[str, np.ndarray]:
    for name in names:
        if name not in found:
            raise GyreError(f"monitoring.signals names '{name}', which the model does not give.{did_you_mean(name, found)}")
        if np.shape(found[name]) != (rows,):
            raise GyreError(f"Signal '{name}' has shape {np.shape(found[name])} for {rows} rows. Fix: give one number a row.")
    return {name: np.asarray(found[name], dtype=float) for name in names}
