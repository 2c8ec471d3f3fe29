"""The model that looks at nothing: what every other must beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Prior:
    """Gives every row the shares of the classes in training."""

    classes_: np.ndarray
    shares: np.ndarray

    def predict_proba(self, frame: Any) -> np.ndarray:
        """Give the same probabilities to each row. Shape (n, classes)."""
        return np.tile(self.shares, (len(frame), 1))


@dataclass(frozen=True)
class Mean:
    """Gives every row the mean label of training."""

    mean: float

    def predict(self, frame: Any) -> np.ndarray:
        """Give the same value to each row. Shape (n,)."""
        return np.full(len(frame), self.mean)


def dummy(task: str, labels: np.ndarray) -> Prior | Mean:
    """Fit the dummy of a task on training labels, shape (n,)."""
    if task == "regression":
        return Mean(float(labels.mean()))
    if task == "binary":
        return Prior(np.array([0, 1]), np.array([1 - labels.mean(), labels.mean()]))
    classes, counts = np.unique(labels, return_counts=True)
    return Prior(classes, counts / counts.sum())
