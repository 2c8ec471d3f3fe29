"""Measure a champion's nights: every rule's statistic over its own window, as it was known that night."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from gyre.histograms import Reference
from gyre.metrics import metric
from gyre.monitor import drift
from gyre.monitor.performance import calibration_gap, metrics_of
from gyre.monitor.rules import LABELLED, measured
from gyre.monitor.windows import Answers, Seen, window_of
from gyre.specs import Interval, UseCase
from gyre.specs.monitor_messages import FeatureDrift, Measured, Night
from gyre.specs.monitoring import Rule
from gyre.specs.use_case import HIGHER_IS_BETTER

WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Champion:
    """What a version is held against.

    Attributes:
        thresholds: Rule -> its threshold, written or derived; None where there is none.
        spread: Standard deviation of its held-out labels (regression).
    """

    version: int
    reference: Reference | None
    thresholds: dict[str, float | None]
    spread: float = 1.0


def performance_window(use_case: UseCase) -> timedelta:
    """Give the window of a night's general figures: that of the longest rule on labels, else a week."""
    return max((rule.window for rule in use_case.monitoring.rules if rule.statistic in LABELLED), default=WEEK)


def windows(use_case: UseCase, ends: list[datetime]) -> list[Interval]:
    """List every window that these nights look at."""
    lengths = {performance_window(use_case), *(rule.window for rule in use_case.monitoring.rules)}
    return [window_of(use_case, end, length) for end in ends for length in sorted(lengths)]


def night(use_case: UseCase, champion: Champion, seen: Seen, end: datetime) -> Night:
    """Measure one night."""
    at = end + use_case.monitoring.night
    window = window_of(use_case, end, performance_window(use_case))
    answers = seen.window(window)
    known = answers.known_by(at)
    return Night(
        night=at,
        end=end,
        version=champion.version,
        rows=len(answers.labels),
        labelled=len(known.labels),
        published=seen.rows_published(window),
        metrics=metrics_of(use_case.task, known.labels, known.predictions),
        calibration_gap=calibration_gap(use_case.task, known.labels, known.predictions, champion.spread),
        statistics={rule.name: statistic(use_case, champion, seen, rule, end) for rule in use_case.monitoring.rules},
    )


def statistic(use_case: UseCase, champion: Champion, seen: Seen, rule: Rule, end: datetime) -> Measured:
    """Compute a rule's statistic of one night."""
    window = window_of(use_case, end, rule.window)
    threshold = champion.thresholds[rule.name]
    if rule.statistic in LABELLED:
        known = seen.window(window).known_by(end + use_case.monitoring.night)
        higher = rule.statistic == "metric" and use_case.promotion.metric in HIGHER_IS_BETTER
        return measured(rule, _of_labels(use_case, rule, known, champion.spread), len(known.labels), threshold, higher_is_better=higher)
    if champion.reference is None:
        return measured(rule, None, 0, threshold)
    counts = seen.counted(window, champion.reference)
    distances = drift.predictions_drift if rule.statistic.startswith("prediction_") else drift.features_drift
    furthest, value = _furthest(rule, distances(champion.reference, counts)) if counts.rows else (None, None)
    return measured(rule, value, counts.rows, threshold, feature=None if rule.statistic.startswith("prediction_") else furthest)


def _of_labels(use_case: UseCase, rule: Rule, known: Answers, spread: float) -> float | None:
    if not known.labels.size:
        return None
    if rule.statistic == "calibration_gap":
        return calibration_gap(use_case.task, known.labels, known.predictions, spread)
    value = metric(use_case.promotion.metric, known.labels, known.predictions)
    return None if value != value else value  # NaN: an AUC of one class


def _furthest(rule: Rule, drifts: list[FeatureDrift]) -> tuple[str | None, float | None]:
    """Find the largest distance of the rule's kind among its features."""
    name = rule.statistic.partition("_")[2]
    found = [(getattr(d, name), d.feature) for d in drifts if (not rule.features or d.feature in rule.features) and getattr(d, name) is not None]
    value, feature = max(found, default=(None, None))
    return feature, value
