"""What the train phase decides, asks its job, and hears back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from gyre.specs.requests import DatasetVersion, Message, Request, Result

TOLERANCE = 1e-6


class TrainingPlan(Message):
    """Why to train, and on what: decided once, so that a retry trains on the same rows.

    Attributes:
        reason: In words.
        requests: Keys of the retrain requests that this training answers.
        parameters: The spec's, with what a manual run changed.
        table_version: Version of the table of labelled rows.
        start, train_end, data_end: Event time: [start, train_end) is trained on, [train_end, data_end) is held out.
    """

    reason: str
    requests: list[str] = []
    parameters: dict[str, Any] = {}
    table_version: int
    start: datetime
    train_end: datetime
    data_end: datetime


class TrainingRequest(Request):
    """Make a challenger as planned."""

    plan: TrainingPlan


class TrainingOutcome(Message):
    """What a training made, before it is registered.

    Attributes:
        run_id, run_url: The MLflow run.
        logged_model: URI of the logged model, `models:/m-<id>`.
        metrics: `train` and `validation` -> metric -> value.
        baselines: Baseline -> metric -> value on the validation rows; `dummy` is always there.
        gap: How much more the promotion metric worsens from the rows trained on to the held-out ones than the dummy's does: a week that is
            harder for every model does not count (negative: it worsens less than the dummy's).
        dataset: The rows it read.
        classes: multiclass: the labels in the order of the predictions' columns; else empty.
        train_end: First instant not trained on.
        data_end: End of the held-out rows.
        reference_uri: `gyre.histograms.Reference` of features and signals (rows trained on) and predictions (held-out rows), JSON.
        holdout_uri: The held-out rows' keys, event time, `label`, `prediction` and signals, Parquet.
        sample_uri: `Sample`, JSON.
    """

    run_id: str
    run_url: str
    logged_model: str
    metrics: dict[str, dict[str, float | None]]
    baselines: dict[str, dict[str, float | None]]
    gap: float | None
    dataset: DatasetVersion
    classes: list[Any] = []
    train_end: datetime
    data_end: datetime
    rows_train: int
    rows_validation: int
    reference_uri: str
    holdout_uri: str
    sample_uri: str


class TrainingResult(TrainingOutcome, Result):
    """A registered challenger.

    Attributes:
        version: Its number in the registry.
        model_uri: `models:/<use case>/<version>`.
    """

    version: int
    model_uri: str


class Sample(Message):
    """A few rows, and what MLflow's own pyfunc answers for them: what a served version must answer too.

    Attributes:
        rows: Feature -> value; a missing number is null, bytes are base64.
        predictions: One entry a row: the probability of each class, or the value (regression).
        tolerance: By how much a served version's answers may differ; a model that computes in single precision needs more.
    """

    rows: list[dict[str, float | str | None]]
    predictions: list[list[float]] | list[float]
    tolerance: float = TOLERANCE
