"""Compare two models on the same rows: the paired difference of a metric, and its interval by a bootstrap over blocks of event time.

Rows of one block share weather, news and weekday, so blocks are drawn, never single rows. Plain numpy, nothing is read here.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gyre.metrics import metric, row_losses
from gyre.specs.deploy_messages import Comparison
from gyre.specs.use_case import HIGHER_IS_BETTER

RESAMPLES = 2000
FEWEST_BLOCKS = 3  # of one or two blocks no spread can be seen
CELLS_AT_ONCE = 4_000_000  # of a matrix of resamples and rows: 32 MB

Resampled = Callable[[np.ndarray], np.ndarray]


def compare(name: str, labels: np.ndarray, challenger: np.ndarray, champion: np.ndarray, blocks: np.ndarray, seed: int = 0) -> Comparison:
    """Measure how much a metric differs between two models, and how sure that is.

    Args:
        name: The metric.
        labels: Shape (n,): 0 or 1; class index; value.
        challenger: Its predictions, shape (n,) or (n, classes).
        champion: Predictions of the other model for the same rows, same shape.
        blocks: Block of event time each row belongs to, any integers. Shape (n,).
        seed: Of the resampling.

    Returns:
        challenger - champion with its 95 % interval; there is no interval for fewer than three blocks.

    Source: Kuensch, "The Jackknife and the Bootstrap for General Stationary Observations" (1989), with fixed blocks.
    """
    index = np.unique(blocks, return_inverse=True)[1]
    count = int(index.max()) + 1
    here, there = metric(name, labels, challenger), metric(name, labels, champion)
    low = high = None
    if count >= FEWEST_BLOCKS:
        drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=RESAMPLES).astype(float)
        differences = _resampled(name, labels, challenger, index)(drawn) - _resampled(name, labels, champion, index)(drawn)
        known = differences[np.isfinite(differences)]  # a resample may hold one class alone
        low, high = (_finite(x) for x in np.percentile(known, [2.5, 97.5])) if known.size else (None, None)
    return Comparison(
        metric=name,
        challenger=_finite(here),
        champion=_finite(there),
        difference=_finite(here - there),
        low=low,
        high=high,
        rows=labels.shape[0],
        blocks=count,
        resamples=RESAMPLES,
    )


def wins(comparison: Comparison, rule: str, margin: float) -> bool:
    """Tell whether the interval lies where the rule wants it; one that is unknown never does."""
    if comparison.low is None or comparison.high is None:
        return False
    worst = comparison.low if comparison.metric in HIGHER_IS_BETTER else -comparison.high
    return worst >= -margin if rule == "not_worse" else worst > 0


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _resampled(name: str, labels: np.ndarray, predictions: np.ndarray, index: np.ndarray) -> Resampled:
    """Give the function from how often each block was drawn, shape (resamples, blocks), to the metric of each resample."""
    if name == "auc":
        return _auc(labels, predictions, index)
    if name == "pr_auc":
        return _average_precision(labels, predictions, index)
    sums = np.bincount(index, weights=row_losses(name, labels, predictions))
    rows = np.bincount(index).astype(float)

    def of_means(drawn: np.ndarray) -> np.ndarray:
        mean = (drawn @ sums) / (drawn @ rows)
        return np.asarray(np.sqrt(mean) if name == "rmse" else 1 - mean if name == "accuracy" else mean)

    return of_means


def _auc(labels: np.ndarray, scores: np.ndarray, index: np.ndarray) -> Resampled:
    """Count, for each pair of blocks, how often a positive of one outranks a negative of the other: resampling is then a product."""
    count = int(index.max()) + 1
    positive = labels == 1
    above = np.zeros((count, count))
    for block in range(count):
        negatives = np.sort(scores[~positive & (index == block)])
        beaten = (np.searchsorted(negatives, scores[positive], "left") + np.searchsorted(negatives, scores[positive], "right")) / 2
        above[:, block] = np.bincount(index[positive], weights=beaten, minlength=count)
    positives = np.bincount(index[positive], minlength=count).astype(float)
    negatives_of = np.bincount(index[~positive], minlength=count).astype(float)

    def of_pairs(drawn: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(((drawn @ above) * drawn).sum(axis=1) / ((drawn @ positives) * (drawn @ negatives_of)))

    return of_pairs


def _average_precision(labels: np.ndarray, scores: np.ndarray, index: np.ndarray) -> Resampled:
    order = np.argsort(-scores, kind="stable")
    hit, block = (labels[order] == 1).astype(float), index[order]
    last_of_tie = np.r_[np.diff(scores[order]) != 0, True]

    def of_rows(drawn: np.ndarray) -> np.ndarray:
        weights = drawn[:, block]
        hits = np.cumsum(weights * hit, axis=1)[:, last_of_tie]
        seen = np.cumsum(weights, axis=1)[:, last_of_tie]
        new = np.diff(hits, axis=1, prepend=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            precision = np.where(seen > 0, hits / seen, 0)
            return np.asarray((new * precision).sum(axis=1) / hits[:, -1])

    def in_parts(drawn: np.ndarray) -> np.ndarray:
        at_once = max(1, CELLS_AT_ONCE // labels.shape[0])
        return np.concatenate([of_rows(drawn[first : first + at_once]) for first in range(0, len(drawn), at_once)])

    return in_parts
