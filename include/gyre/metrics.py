"""How good predictions are. Plain numpy: used where a model is made, compared and watched, so the figures can be compared."""

from __future__ import annotations

import numpy as np

EPSILON = 1e-7


def evaluate(task: str, labels: np.ndarray, predictions: np.ndarray) -> dict[str, float]:
    """Compute every metric of a task.

    Args:
        task: `binary`, `multiclass` or `regression`.
        labels: Shape (n,): 0 or 1; class index; value.
        predictions: binary (n,) probability of 1; multiclass (n, classes); regression (n,).

    Returns:
        Metric -> value; `auc` and `pr_auc` are NaN where only one class is present.
    """
    if labels.shape[0] != predictions.shape[0]:
        raise ValueError(f"Labels and predictions must match: got {labels.shape[0]} and {predictions.shape[0]}")
    if labels.shape[0] == 0:
        raise ValueError("No rows to evaluate")
    if task == "regression":
        return {name: metric(name, labels, predictions) for name in ("mae", "rmse")}
    if task == "multiclass":
        return {name: metric(name, labels, predictions) for name in ("log_loss", "accuracy")}
    return {name: metric(name, labels, predictions) for name in ("log_loss", "auc", "pr_auc", "brier", "accuracy", "calibration_error")}


def metric(name: str, labels: np.ndarray, predictions: np.ndarray) -> float:
    """Compute one metric by its name in a spec."""
    if name == "auc":
        return _auc(labels, predictions)
    if name == "pr_auc":
        return _average_precision(labels, predictions)
    if name == "calibration_error":
        return calibration_error(labels, predictions)
    mean = float(row_losses(name, labels, predictions).mean())
    return {"rmse": lambda: float(np.sqrt(mean)), "accuracy": lambda: 1 - mean}.get(name, lambda: mean)()


def row_losses(name: str, labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Compute each row's part of a metric that is a mean over rows: its loss, lower is better. Shape (n,)."""
    if name == "log_loss" and predictions.ndim == 2:
        chosen = predictions[np.arange(labels.shape[0]), labels.astype(int)]
        return np.asarray(-np.log(np.clip(chosen, EPSILON, 1)))
    if name == "log_loss":
        p = np.clip(predictions, EPSILON, 1 - EPSILON)
        return np.asarray(-(labels * np.log(p) + (1 - labels) * np.log(1 - p)))
    if name == "accuracy":
        guess = predictions.argmax(axis=1) if predictions.ndim == 2 else predictions >= 0.5
        return np.asarray((guess.astype(int) != labels.astype(int)).astype(float))
    if name in ("brier", "rmse"):
        return np.asarray((predictions - labels) ** 2)
    if name == "mae":
        return np.asarray(np.abs(predictions - labels))
    raise ValueError(f"'{name}' is no mean over rows")


def calibration_error(labels: np.ndarray, predictions: np.ndarray, bins: int = 10) -> float:
    """Compute the expected calibration error: mean distance of predicted and seen frequency over equally filled bins.

    Source: Naeini, Cooper and Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning" (2015), with quantile bins.
    """
    order = np.argsort(predictions, kind="stable")
    parts = [part for part in np.array_split(order, bins) if part.size]
    return float(sum(abs(labels[p].mean() - predictions[p].mean()) * p.size for p in parts) / labels.size)


def _auc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Area under the ROC curve, by mid-ranks (Mann-Whitney)."""
    positives = int((labels == 1).sum())
    negatives = labels.size - positives
    if not positives or not negatives:
        return float("nan")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((ranks[labels == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def _average_precision(labels: np.ndarray, scores: np.ndarray) -> float:
    """Area under the precision-recall curve as average precision, ties taken together."""
    positives = int((labels == 1).sum())
    if not positives or positives == labels.size:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(labels[order] == 1)
    last_of_tie = np.r_[np.diff(scores[order]) != 0, True]
    hits, seen = hits[last_of_tie], (np.arange(labels.size) + 1)[last_of_tie]
    return float(np.sum(np.diff(np.r_[0, hits]) * hits / seen) / positives)
