"""How far a window lies from what the champion was made on: each distance from the counts alone, one feature after the other."""

from __future__ import annotations

import numpy as np

from gyre.histograms import Categories, CategoryCounts, Counts, NumberCounts, Numbers, Reference
from gyre.monitor import distances
from gyre.specs.monitor_messages import FeatureDrift

PREDICTION = "prediction"
CLASSES = "predicted class"


def features_drift(reference: Reference, counts: Counts) -> list[FeatureDrift]:
    """Measure every feature, the furthest (by PSI) first."""
    numeric = [number_drift(name, known, counts.numeric[name]) for name, known in reference.numeric.items()]
    categorical = [category_drift(name, known, counts.categorical[name]) for name, known in reference.categorical.items()]
    return sorted([*numeric, *categorical], key=lambda drift: -drift.psi)


def predictions_drift(reference: Reference, counts: Counts) -> list[FeatureDrift]:
    """Measure the predictions: their values and, of several classes, which was chosen."""
    values = number_drift(PREDICTION, reference.predictions, counts.predictions)
    if reference.classes is None or counts.classes is None:
        return [values]
    return [values, category_drift(CLASSES, reference.classes, counts.classes)]


def number_drift(name: str, known: Numbers, seen: NumberCounts) -> FeatureDrift:
    """Measure one numeric column. A missing value is a bin of its own for PSI and Jensen-Shannon, and none for the other two."""
    before, now = np.array(known.counts), seen.counts
    psi, js = grouped(before, known.missing, now, np.asarray(seen.missing))
    comparable = before.sum() and now.sum()
    return FeatureDrift(
        feature=name,
        psi=float(psi),
        js=float(js),
        ks=float(distances.kolmogorov_smirnov(before, now)) if comparable else None,
        wasserstein=float(moved(known, now, seen.sums)) if comparable else None,
        missing=_share(seen.missing, now.sum() + seen.missing),
        missing_before=_share(known.missing, before.sum() + known.missing),
    )


def category_drift(name: str, known: Categories, seen: CategoryCounts) -> FeatureDrift:
    """Measure one categorical column; every known category, all others together, and a missing one count as categories."""
    before = np.array([*known.counts.values(), known.other, known.missing])
    now = np.array([*seen.counts.values(), seen.other, seen.missing])
    return FeatureDrift(
        feature=name,
        psi=float(distances.psi(before, now)),
        js=float(distances.jensen_shannon(before, now)),
        total_variation=float(distances.total_variation(before, now)),
        missing=_share(seen.missing, now.sum()),
        missing_before=_share(known.missing, before.sum()),
    )


def grouped(before: np.ndarray, missing_before: int, now: np.ndarray, missing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute PSI and Jensen-Shannon on about ten merged bins and the missing values.

    Args:
        before: The reference's counts. Shape (k,).
        missing_before: Its missing values.
        now: Counts, perhaps many at once. Shape (..., k).
        missing: Missing values. Shape (...).
    """
    group = distances.groups(before)
    reference = np.append(distances.merged(before, group), missing_before)
    current = np.concatenate([distances.merged(now, group), np.asarray(missing)[..., np.newaxis]], axis=-1)
    return distances.psi(reference, current), distances.jensen_shannon(reference, current)


def moved(known: Numbers, now: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """Compute the Wasserstein distance from counts and sums of shape (..., k)."""
    before, edges = np.array(known.counts), np.array(known.edges)
    means = distances.means_of(before, np.array(known.sums), edges)
    return distances.wasserstein(before, now, means, distances.means_of(now, sums, edges), known.scale)


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else 0.0
