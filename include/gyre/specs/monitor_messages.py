"""What the monitor is asked, and what it answers."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from gyre.specs.requests import Message, Request, Result

State = Literal["ok", "alarm", "advice", "exceeded", "not enough rows", "cooling down", "no threshold"]


class Measured(Message):
    """One rule's statistic of one night.

    Attributes:
        value: None where there was nothing to compute it from.
        threshold: None where it had to be derived and could not be.
        rows: Rows it rests on; labelled ones where labels are used.
        exceeded: Beyond the threshold, with enough rows.
        feature: Of a feature statistic: the feature that moved furthest.
    """

    value: float | None
    threshold: float | None
    rows: int
    exceeded: bool
    feature: str | None = None


class Night(Message):
    """The champion's last hours as they were known that night.

    Attributes:
        night: Labels that had come by then count.
        end: End of the cell, and of every rule's window.
        version: The champion.
        rows: Predictions of the performance window, one a key.
        labelled: Those whose label had come.
        published: Rows the lake holds of that window.
        metrics: Metric -> value on the labelled ones.
        calibration_gap: Distance of what was predicted from what came, on the labelled ones.
        statistics: Rule -> its statistic.
    """

    night: datetime
    end: datetime
    version: int
    rows: int
    labelled: int
    published: int
    metrics: dict[str, float]
    calibration_gap: float | None
    statistics: dict[str, Measured]

    @property
    def coverage(self) -> float | None:
        """Share of the predictions whose label had come."""
        return self.labelled / self.rows if self.rows else None

    @property
    def answered(self) -> float | None:
        """Predictions for each row published."""
        return self.rows / self.published if self.published else None


class Verdict(Message):
    """What a rule says of the last night.

    Attributes:
        state: `alarm` or `advice`, by the rule's action: k of n nights exceeded; `exceeded`: fewer did; `cooling down`: it would alarm, had
            there not been a request a short while ago.
        text: The same for a person, with its figures.
        first_alarm: The first of the nights asked for at which k of n nights had exceeded and no cool-down held.
    """

    rule: str
    action: Literal["alarm", "advice"]
    state: State
    text: str
    first_alarm: datetime | None = None


class Proposal(Message):
    """A reason to train again.

    Attributes:
        night: The night of the first alarm.
        window_start, window_end: Event time its statistic looked at.
    """

    rule: str
    statistic: str
    version: int
    night: datetime
    value: float
    threshold: float
    rows: int
    window_start: datetime
    window_end: datetime


class FeatureDrift(Message):
    """How far one feature of the last night's window lies from the reference; None where a distance does not apply."""

    feature: str
    psi: float
    js: float
    ks: float | None = None
    wasserstein: float | None = None
    total_variation: float | None = None
    missing: float = 0
    missing_before: float = 0


class Collected(Message):
    """What was read of the prediction logs.

    Attributes:
        rows: Predictions added to the lake.
        aside: Lines that could not be used, kept in the table `predictions_aside` with the reason.
        files: Files that had something new.
    """

    rows: int = 0
    aside: int = 0
    files: int = 0


class Traffic(Message):
    """What the endpoint's proxy counted for the champion since it started.

    Attributes:
        requests: Answered requests.
        errors: Of them, answers of 5xx.
        p50_ms, p99_ms: Latency as the proxy sees it.
    """

    requests: int
    errors: int
    p50_ms: float | None = None
    p99_ms: float | None = None


class MonitorRequest(Request):
    """Look at a champion's nights.

    Attributes:
        version: The champion.
        ends: Ends of the cells whose nights are asked for, oldest first.
        reference_uri: The champion's `gyre.histograms.Reference`, as JSON; None and drift is not measured.
        holdout_uri: Parquet of the champion's held-out rows (keys, event time, label, prediction); None and no threshold is derived.
        classes: multiclass: labels in the order of the probabilities.
        requested: Night of the last retrain request, for the cool-down.
        history: Earlier nights, for the report's pictures.
    """

    version: int
    ends: list[datetime]
    reference_uri: str | None
    holdout_uri: str | None
    classes: list[Any] = []
    requested: datetime | None = None
    history: list[Night] = []


class MonitorResult(Result):
    """What the monitor found.

    Attributes:
        nights: The nights asked for, from the first that has a prediction on.
        verdicts: One a rule, for the last night.
        features: Drift of each feature at the last night, the furthest first.
        report: URI of the HTML page.
        proposal: Why to train again, if a rule with action `alarm` says so.
        traffic: None where the proxy could not be asked.
    """

    nights: list[Night]
    verdicts: list[Verdict]
    features: list[FeatureDrift]
    collected: Collected
    report: str
    proposal: Proposal | None = None
    traffic: Traffic | None = None
