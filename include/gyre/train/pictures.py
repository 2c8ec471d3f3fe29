"""Pictures of one training, for people: how it learned, and how good its answers are on the held-out rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

    from gyre.train.fitting import Scored

BINS = 10


def validation(task: str, scored: Scored, classes: Sequence[Any]) -> Figure:
    """Draw the answers for the held-out rows: ROC and calibration, a confusion matrix, or predicted against actual."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.5) if task == "binary" else (5.5, 5), layout="constrained")
    if task == "binary":
        left, right = figure.subplots(1, 2)
        _roc(left, scored.labels, scored.predictions)
        _calibration(right, scored.labels, scored.predictions)
    elif task == "multiclass":
        _confusion(figure.subplots(), scored.labels, scored.predictions, classes)
    else:
        _actual(figure.subplots(), scored.labels, scored.predictions)
    return figure


def learning(curves: Mapping[str, Sequence[float]]) -> Figure:
    """Draw the learning curves."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for name, values in curves.items():
        axes.plot(values, label=name)
    axes.set(xlabel="round", title="Learning")
    axes.legend()
    return figure


def _roc(axes: Any, labels: np.ndarray, scores: np.ndarray) -> None:
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(labels[order] == 1)
    misses = np.arange(1, labels.size + 1) - hits
    axes.plot(np.r_[0, misses / max(misses[-1], 1)], np.r_[0, hits / max(hits[-1], 1)])
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":")
    axes.set(xlabel="false positive rate", ylabel="true positive rate", title="ROC, held-out rows")


def _calibration(axes: Any, labels: np.ndarray, scores: np.ndarray) -> None:
    parts = [part for part in np.array_split(np.argsort(scores, kind="stable"), BINS) if part.size]
    axes.plot([scores[p].mean() for p in parts], [labels[p].mean() for p in parts], marker="o")
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":")
    axes.set(xlabel="predicted", ylabel="seen", title="Calibration, held-out rows")


def _confusion(axes: Any, labels: np.ndarray, predictions: np.ndarray, classes: Sequence[Any]) -> None:
    names = [*map(str, classes), "never seen"][: predictions.shape[1]]
    counts = np.zeros((len(names), len(names)), dtype=int)
    np.add.at(counts, (labels.astype(int), predictions.argmax(axis=1)), 1)
    axes.imshow(counts, cmap="Blues")
    axes.set(xlabel="predicted", ylabel="actual", title="Held-out rows", xticks=range(len(names)), yticks=range(len(names)))
    axes.set_xticklabels(names, rotation=90)
    axes.set_yticklabels(names)


def _actual(axes: Any, labels: np.ndarray, predictions: np.ndarray) -> None:
    axes.scatter(labels, predictions, s=4, alpha=0.4)
    ends = [min(labels.min(), predictions.min()), max(labels.max(), predictions.max())]
    axes.plot(ends, ends, color="grey", linestyle=":")
    axes.set(xlabel="actual", ylabel="predicted", title="Held-out rows")
