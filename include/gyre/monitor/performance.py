"""How well a window was predicted, on the labels that had come."""

from __future__ import annotations

import math

import numpy as np

from gyre.metrics import evaluate


def metrics_of(task: str, labels: np.ndarray, predictions: np.ndarray) -> dict[str, float]:
    """Compute every metric of a task; those that cannot be computed (AUC of one class) are left out. No rows give none."""
    if not labels.size:
        return {}
    return {name: value for name, value in evaluate(task, labels, predictions).items() if math.isfinite(value)}


def calibration_gap(task: str, labels: np.ndarray, predictions: np.ndarray, spread: float = 1.0) -> float | None:
    """Say how far what was predicted lies from what came, over all rows together.

    Args:
        task: `binary`: |mean label - mean probability|; `multiclass`: the largest such distance of any class; `regression`: |mean error| / spread.
        labels: Shape (n,): 0 or 1; class index; value.
        predictions: Shape (n,), or (n, classes).
        spread: Standard deviation of the labels the champion was held against.

    Returns:
        None if there are no rows.
    """
    if not labels.size:
        return None
    return float(gap_of_means(task, np.mean(one_hot(task, labels, predictions) - predictions, axis=0), spread))


def one_hot(task: str, labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Give labels in the shape of predictions."""
    return np.eye(predictions.shape[1])[labels.astype(int)] if task == "multiclass" else labels


def gap_of_means(task: str, mean_error: np.ndarray, spread: float) -> np.ndarray:
    """Turn mean errors, of shape (...) or (..., classes), into gaps of shape (...)."""
    if task == "multiclass":
        return np.asarray(np.abs(mean_error).max(axis=-1))
    return np.asarray(np.abs(mean_error)) / (spread if task == "regression" else 1.0)
