"""When to worry about a model that serves."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field, model_validator

from gyre.specs.base import Spec

Statistic = Literal["calibration_gap", "metric", "prediction_psi", "prediction_js", "feature_psi", "feature_js", "feature_ks", "feature_wasserstein"]


class Rule(Spec):
    """One nightly question and what follows from a yes.

    Attributes:
        statistic: `calibration_gap` = |mean(label) - mean(prediction)| on the labels that have come; `metric` = the promotion metric;
            `prediction_*`, `feature_*` = distance of the window from the champion's reference (a feature rule takes the largest of `features`).
        window: Event time the statistic looks back over.
        threshold: Alarm beyond this. None: derived from the champion's own held-out rows, by blocks of `promotion.block`,
            at `false_alarm_rate`.
        false_alarm_rate: Share of quiet windows that may exceed a derived threshold.
        min_rows: Fewer rows (labelled ones, where labels are used) in the window and the night does not count.
        k: Of the last `n` nights, this many must exceed the threshold.
        cool_down: After a retrain request, event time in which the rule asks for no other.
        action: `alarm` asks for retraining; `advice` is shown and nothing more.
        features: For feature statistics: which; all when empty.
    """

    name: str
    statistic: Statistic
    window: timedelta = timedelta(days=7)
    threshold: float | None = None
    false_alarm_rate: float = Field(default=0.01, gt=0, lt=0.5)
    min_rows: int = Field(default=100, ge=1)
    k: int = Field(default=1, ge=1)
    n: int = Field(default=1, ge=1)
    cool_down: timedelta = timedelta(days=7)
    action: Literal["alarm", "advice"] = "advice"
    features: list[str] = []

    @model_validator(mode="after")
    def _k_of_n(self) -> Rule:
        if self.k > self.n:
            raise ValueError(f"rule '{self.name}': k={self.k} of n={self.n} can never be reached")
        return self


class Monitoring(Spec):
    """The nightly look at what serves.

    Attributes:
        cron: Wall-clock times, in UTC.
        night: How long after the end of a cell its night is. Windows end with the cell; labels that came until its night count.
        rules: Asked every night.
        bins: Bins of a numeric feature's stored reference.
        signals: Numbers the model gives beside each answer, watched as numeric features are: a picture has no column that could drift. A torch
            model gives `input_mean` and, if its forward returns `(output, embedding)`, `embedding_distance` (Mahalanobis distance to
            the rows trained on); another model gives those of its method `signals(frame) -> dict[str, array (n,)]`.
    """

    cron: str = "0 7 * * *"
    night: timedelta = timedelta(0)
    rules: list[Rule] = []
    signals: list[str] = []
    bins: int = Field(default=256, ge=10, le=4096)
