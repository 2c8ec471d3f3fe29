"""Thresholds nobody had to guess: how far a statistic wanders on the champion's own held-out rows, by blocks of event time.

Rows of one day share its weather, so a window's effective size is far below its number of rows, and a threshold calibrated on random rows cries
wolf. So whole blocks are drawn, with replacement, as many as a window holds; the threshold is the quantile of the statistic over such windows that
leaves `false_alarm_rate` of them beyond it. The held-out rows are themselves but a few blocks of what there might have been, so each window is drawn
from blocks that were weighed at random first: without that, seven days claim to know a threshold they do not. Measured on days
whose luck is drawn independently, 400 weeks each: stated 10 %, seen 5 to 6 % from 7, 14 or 28 held-out days; stated 1 %, seen 2.8, 1.5 and 1.3 %.
Known limit: a week of days shows nothing of a season; `k` of `n` nights and a longer `training.validation` help.

Sources: Kunsch, "The jackknife and the bootstrap for general stationary observations", Annals of Statistics 17 (1989); Rubin, "The Bayesian
bootstrap", Annals of Statistics 9 (1981).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from gyre.histograms import Counts, Reference
from gyre.metrics import metric
from gyre.monitor import drift
from gyre.monitor.distances import jensen_shannon, kolmogorov_smirnov, psi
from gyre.monitor.performance import gap_of_means, one_hot
from gyre.specs.monitoring import Rule

FEWEST_BLOCKS = 5
RESAMPLES = 1000
RESAMPLES_OF_METRICS = 200  # each sorts its rows anew


@dataclass(frozen=True)
class HeldOut:
    """The champion's held-out rows.

    Attributes:
        blocks: Number of each row's block, from 0. Shape (n,).
        labels: Shape (n,), numbers or class indices.
        predictions: Shape (n,) or (n, classes).
        counts: Features and predictions of each block, counted against the reference; empty where nothing needs them.
    """

    task: str
    blocks: np.ndarray
    labels: np.ndarray
    predictions: np.ndarray
    counts: list[Counts]

    @property
    def size(self) -> int:
        """Number of blocks."""
        return int(self.blocks.max(initial=-1)) + 1

    @property
    def spread(self) -> float:
        """Standard deviation of the labels, for the calibration gap of a regression."""
        return float(self.labels.std()) or 1.0 if self.task == "regression" and self.labels.size else 1.0


def threshold_of(
    rule: Rule, held_out: HeldOut | None, block: timedelta, metric_name: str, reference: Reference | None, *, higher_is_better: bool
) -> float | None:
    """Give a rule's threshold: the one written, else the derived one, else None."""
    if rule.threshold is not None or held_out is None or held_out.size < FEWEST_BLOCKS:
        return rule.threshold
    values = resampled(rule, held_out, max(1, round(rule.window / block)), metric_name, reference)
    if values is None:
        return None
    rate = rule.false_alarm_rate
    return float(np.quantile(values, rate if rule.statistic == "metric" and higher_is_better else 1 - rate))


def resampled(rule: Rule, held_out: HeldOut, drawn: int, metric_name: str, reference: Reference | None, seed: int = 0) -> np.ndarray | None:
    """Compute a rule's statistic on windows made of blocks drawn with replacement.

    Args:
        rule: The rule.
        held_out: The rows.
        drawn: Blocks in a window.
        metric_name: The metric of a `metric` rule.
        reference: What drift is measured against.
        seed: The same threshold each night.

    Returns:
        Shape (resamples,); None if the statistic cannot be computed from what there is.
    """
    generator = np.random.default_rng(seed)
    weights = generator.multinomial(drawn, generator.dirichlet(np.ones(held_out.size), RESAMPLES))
    if rule.statistic == "metric":
        return _metrics(held_out, weights[:RESAMPLES_OF_METRICS], metric_name)
    if rule.statistic == "calibration_gap":
        return _gaps(held_out, weights)
    if reference is None or not held_out.counts:
        return None
    if rule.statistic.startswith("prediction_"):
        return _prediction_distances(rule, held_out, weights, reference)
    return _feature_distances(rule, held_out, weights, reference)


def _gaps(held_out: HeldOut, weights: np.ndarray) -> np.ndarray:
    errors = one_hot(held_out.task, held_out.labels, held_out.predictions) - held_out.predictions
    rows = np.bincount(held_out.blocks, minlength=held_out.size)
    sums = np.zeros((held_out.size, *errors.shape[1:]))
    np.add.at(sums, held_out.blocks, errors)
    total = (weights @ rows).astype(float)
    means = (weights @ sums) / (total[:, np.newaxis] if errors.ndim == 2 else total)
    return gap_of_means(held_out.task, means, held_out.spread)


def _metrics(held_out: HeldOut, weights: np.ndarray, name: str) -> np.ndarray:
    rows = [np.flatnonzero(held_out.blocks == block) for block in range(held_out.size)]
    values = []
    for drawn in weights:
        chosen = np.concatenate([rows[block] for block in np.repeat(np.arange(held_out.size), drawn)])
        values.append(metric(name, held_out.labels[chosen], held_out.predictions[chosen]))
    return np.asarray(values)[np.isfinite(values)]


def _prediction_distances(rule: Rule, held_out: HeldOut, weights: np.ndarray, reference: Reference) -> np.ndarray:
    known = reference.predictions
    now = weights @ np.array([c.predictions.counts for c in held_out.counts])
    missing = weights @ np.array([c.predictions.missing for c in held_out.counts])
    values = drift.grouped(np.array(known.counts), known.missing, now, missing)[0 if rule.statistic == "prediction_psi" else 1]
    if reference.classes is None:
        return values
    before = np.array([*reference.classes.counts.values(), reference.classes.other, reference.classes.missing])
    classes = weights @ np.array([[*c.classes.counts.values(), c.classes.other, c.classes.missing] for c in held_out.counts if c.classes])
    return np.asarray(np.maximum(values, (psi if rule.statistic == "prediction_psi" else jensen_shannon)(before, classes)))


def _feature_distances(rule: Rule, held_out: HeldOut, weights: np.ndarray, reference: Reference) -> np.ndarray | None:
    """Take the largest distance of the rule's features in each window."""
    found = [_numeric(rule, name, held_out, weights, reference) for name in reference.numeric if _of_rule(rule, name)]
    if rule.statistic in ("feature_psi", "feature_js"):
        found += [_categorical(rule, name, held_out, weights, reference) for name in reference.categorical if _of_rule(rule, name)]
    return np.nanmax(found, axis=0) if found else None


def _of_rule(rule: Rule, name: str) -> bool:
    return not rule.features or name in rule.features


def _numeric(rule: Rule, name: str, held_out: HeldOut, weights: np.ndarray, reference: Reference) -> np.ndarray:
    known = reference.numeric[name]
    before, seen = np.array(known.counts), [c.numeric[name] for c in held_out.counts]
    now = weights @ np.array([s.counts for s in seen])
    if rule.statistic in ("feature_psi", "feature_js"):
        missing = weights @ np.array([s.missing for s in seen])
        return drift.grouped(before, known.missing, now, missing)[0 if rule.statistic == "feature_psi" else 1]
    if not before.sum():
        return np.full(len(weights), np.nan)
    if rule.statistic == "feature_ks":
        return kolmogorov_smirnov(before, now)
    return drift.moved(known, now, weights @ np.array([s.sums for s in seen]))


def _categorical(rule: Rule, name: str, held_out: HeldOut, weights: np.ndarray, reference: Reference) -> np.ndarray:
    known = reference.categorical[name]
    before = np.array([*known.counts.values(), known.other, known.missing])
    now = weights @ np.array([[*s.counts.values(), s.other, s.missing] for s in (c.categorical[name] for c in held_out.counts)])
    return (psi if rule.statistic == "feature_psi" else jensen_shannon)(before, now)
