"""How far apart two histograms over the same bins lie. Every function takes shares or counts along the last axis, and may take many at once.

Counts of the current data may have leading axes, shape (..., k); the result then has shape (...).
"""

from __future__ import annotations

import numpy as np

FLOOR = 1e-4
GROUPS = 10


def groups(reference: np.ndarray) -> np.ndarray:
    """Merge adjacent bins into about ten of equal share of the reference.

    PSI and Jensen-Shannon sum over bins, so sampling noise grows with their number: of 1,000 rows that did not move, PSI over 256 bins is about
    256/1,000 = 0.26 and over 10 bins 0.01 (its expectation is (k - 1)(1/n + 1/m): Yurdakul and Naranjo, "Statistical properties of the population
    stability index", 2020). KS and Wasserstein are cumulative, and use every bin.

    Args:
        reference: Counts. Shape (k,).

    Returns:
        The group of each bin, ascending from 0. Shape (k,).
    """
    total = reference.sum()
    if not total:
        return np.zeros(reference.size, dtype=int)
    middle = (np.cumsum(reference) - reference / 2) / total
    wanted = np.minimum((middle * GROUPS).astype(int), GROUPS - 1)
    return np.asarray(np.unique(wanted, return_inverse=True)[1], dtype=int)


def merged(counts: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Sum the bins of each group. Shape (..., k) -> (..., groups)."""
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    return np.asarray(np.add.reduceat(counts, starts, axis=-1))


def shares(counts: np.ndarray) -> np.ndarray:
    """Divide counts by their sum; no rows at all give NaN."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(counts / counts.sum(axis=-1, keepdims=True))


def psi(reference: np.ndarray, current: np.ndarray) -> np.ndarray:
    """Population stability index: sum of (c - r) ln(c / r), in nats; from 0, without bound.

    A share below 0.0001 is taken as 0.0001, as is usual, so that an empty bin weighs much and not infinitely.

    Source: Siddiqi, "Credit Risk Scorecards" (2006), chapter 7; it is Jeffreys' divergence (1946) of the two histograms.
    """
    r, c = np.maximum(shares(reference), FLOOR), np.maximum(shares(current), FLOOR)
    return np.asarray(((c - r) * np.log(c / r)).sum(axis=-1))


def jensen_shannon(reference: np.ndarray, current: np.ndarray) -> np.ndarray:
    """Jensen-Shannon distance: square root of the divergence with logarithms to base 2; from 0 to 1.

    Source: Endres and Schindelin, "A new metric for probability distributions", IEEE Transactions on Information Theory 49 (2003).
    """
    r, c = np.broadcast_arrays(shares(reference), shares(current))
    middle = (r + c) / 2
    return np.asarray(np.sqrt(np.maximum((_relative_entropy(r, middle) + _relative_entropy(c, middle)) / 2, 0)))


def _relative_entropy(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    ratio = np.divide(p, q, out=np.ones_like(p), where=p > 0)
    return np.asarray((p * np.log2(ratio)).sum(axis=-1))


def total_variation(reference: np.ndarray, current: np.ndarray) -> np.ndarray:
    """Total variation distance: half the summed change of shares; from 0 to 1.

    Source: Levin, Peres and Wilmer, "Markov Chains and Mixing Times", section 4.1.
    """
    return np.asarray(np.abs(shares(reference) - shares(current)).sum(axis=-1) / 2)


def kolmogorov_smirnov(reference: np.ndarray, current: np.ndarray) -> np.ndarray:
    """Largest distance of the two cumulative shares, taken at the bins' edges; from 0 to 1. Of the statistic, not of a p-value.

    Within 1/k of the exact value for k bins of equal share, and never above it.

    Source: Smirnov, "Table for estimating the goodness of fit of empirical distributions", Annals of Mathematical Statistics 19 (1948).
    """
    return np.asarray(np.abs(_cumulative_difference(reference, current)).max(axis=-1))


def wasserstein(reference: np.ndarray, current: np.ndarray, reference_means: np.ndarray, current_means: np.ndarray, scale: float) -> np.ndarray:
    """First Wasserstein distance (earth mover's), divided by the reference's interquartile range; from 0, without bound.

    The area between the two cumulative shares, with each bin's rows at their own mean: so the outermost bins, which have no end, count as what
    they hold. The interquartile range, and not the standard deviation, because one wrong value (a wind of 1,048 mph) would inflate the latter
    and hide what follows.

    Args:
        reference: Counts. Shape (k,).
        current: Counts. Shape (..., k).
        reference_means: Mean of each bin, within it; of an empty one any value within it. Shape (k,).
        current_means: The same. Shape (..., k).
        scale: The reference's interquartile range.

    Source: Vallender, "Calculation of the Wasserstein distance between probability distributions on the line" (1974).
    """
    r, c = np.broadcast_arrays(shares(reference), -shares(current))
    at = np.stack(np.broadcast_arrays(reference_means, current_means), axis=-1)
    mass = np.take_along_axis(np.stack([r, c], axis=-1), np.argsort(at, axis=-1), axis=-1)
    shape = (*at.shape[:-2], -1)
    places, steps = np.sort(at, axis=-1).reshape(shape), np.cumsum(mass.reshape(shape), axis=-1)
    return np.asarray((np.abs(steps[..., :-1]) * np.diff(places, axis=-1)).sum(axis=-1) / scale)


def means_of(counts: np.ndarray, sums: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Give the mean of each bin; of an empty one its lower edge. Shapes (..., k), (..., k), (k - 1,) -> (..., k)."""
    lower = np.broadcast_to(np.concatenate([edges[:1], edges]), counts.shape)
    return np.asarray(np.divide(sums, counts, out=lower.astype(float), where=counts > 0))


def _cumulative_difference(reference: np.ndarray, current: np.ndarray) -> np.ndarray:
    return np.asarray(np.cumsum(shares(reference), axis=-1) - np.cumsum(shares(current), axis=-1))
