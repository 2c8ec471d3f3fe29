"""What a person writes: one model and its whole life."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from gyre.errors import did_you_mean
from gyre.specs.base import EntryPoint, Name, Spec
from gyre.specs.interval import Grid, parse_instant
from gyre.specs.monitoring import Monitoring
from gyre.specs.sources import Source

Metric = Literal["log_loss", "auc", "pr_auc", "brier", "accuracy", "mae", "rmse"]

METRICS_OF: dict[str, tuple[str, ...]] = {
    "binary": ("log_loss", "auc", "pr_auc", "brier", "accuracy"),
    "multiclass": ("log_loss", "accuracy"),
    "regression": ("mae", "rmse"),
}
HIGHER_IS_BETTER = frozenset({"auc", "pr_auc", "accuracy"})


class Schedule(Spec):
    """When to ingest, and how event time is cut.

    Attributes:
        cron: Wall-clock times at which ingest looks for whole cells not yet published, in UTC.
        timezone: Whose local time cuts event time into cells, and is meant where an instant has no offset: `America/New_York`.
        start: First instant of event time; also the origin of the grid.
        end: Event time at which there is nothing more to come (a closed data set), or None.
        interval: Size of a cell: every partition covers exactly one.
        lookback: How far before an interval its features may look.
        catch_up: At most this many cells in one scheduled run; params of a manual run are not limited.
    """

    cron: str = "0 6 * * *"
    timezone: str = "UTC"
    start: datetime
    end: datetime | None = None
    interval: timedelta = timedelta(days=1)
    lookback: timedelta = timedelta(0)
    catch_up: int = Field(default=31, ge=1)

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"timezone '{value}' is not known. Fix: use an IANA name such as Europe/Berlin") from error
        return value

    @model_validator(mode="after")
    def _instants_in_utc(self) -> Schedule:
        for field in ("start", "end"):
            value: datetime | None = getattr(self, field)
            if value is not None:
                object.__setattr__(self, field, parse_instant(value, self.zone))
        return self

    @field_validator("interval")
    @classmethod
    def _positive(cls, value: timedelta) -> timedelta:
        if value < timedelta(minutes=1):
            raise ValueError(f"interval {value} is shorter than a minute")
        return value

    @property
    def zone(self) -> ZoneInfo:
        """The time zone."""
        return ZoneInfo(self.timezone)

    @property
    def grid(self) -> Grid:
        """The cells of this schedule."""
        return Grid(self.start, self.interval, self.zone)


class Features(Spec):
    """How the columns a model sees are made.

    Attributes:
        function: `(sources: dict[str, DataFrame], interval: Interval) -> DataFrame` in pandas. `sources` holds each source's
            rows of the interval and of `schedule.lookback` before it. Returns one row an item of the interval, with the
            use case's keys, its event time and every column below.
        numeric: Columns of numbers; missing values are allowed.
        categorical: Columns of texts.
    """

    function: EntryPoint
    numeric: list[str] = []
    categorical: list[str] = []

    @property
    def columns(self) -> list[str]:
        """Every column the model sees, in order."""
        return [*self.numeric, *self.categorical]

    @model_validator(mode="after")
    def _some_and_no_column_twice(self) -> Features:
        if not self.columns:
            raise ValueError("numeric and categorical are both empty: a model needs columns")
        twice = sorted({c for c in self.columns if self.columns.count(c) > 1})
        if twice:
            raise ValueError(f"columns named twice: {twice}")
        return self


class Labels(Spec):
    """Labels that are facts which arrive later.

    Attributes:
        source: The source whose rows tell what really happened.
        function: `(events: DataFrame) -> DataFrame` in pandas: the source's rows in the order they came, to rows of
            the use case's keys, `label` and `labelled_at` (when it became known). Of several for one key the last wins.
        horizon: How far back from the newest published interval labels are looked for.
        cron: Safety schedule; normally a published interval starts the run.
    """

    source: str
    function: EntryPoint
    horizon: timedelta = timedelta(days=30)
    cron: str = "30 */6 * * *"


class Resources(Spec):
    """What a job asks of the machine it runs on."""

    cpu: float = Field(default=1, gt=0)
    memory_mb: int = Field(default=2048, ge=128)
    gpu: int = Field(default=0, ge=0)


class Training(Spec):
    """How a challenger is made.

    Attributes:
        function: `(train: DataFrame, validation: DataFrame, parameters: dict) -> model` in pandas; both frames hold the feature
            columns and `label`. The model has `predict_proba` (binary, multiclass) or `predict` (regression).
        baselines: `(train: DataFrame) -> dict[str, model]`, simple models for comparison; a dummy is always added.
        parameters: Defaults of `parameters`; a manual run may change each.
        validation: Length of event time at the end that is held out of training.
        window: Train on this much event time only; on everything when None.
        min_rows: Fewer labelled rows than this and training waits.
        every: Train again when the newest labels are this much younger than the champion's, or never for that reason.
        sweep: Safety schedule of the train DAG; normally labels or a retrain request start it.
        trusted_types: Types that skops may load from the model file, in addition to its own list.
    """

    function: EntryPoint
    baselines: EntryPoint | None = None
    parameters: dict[str, Any] = {}
    validation: timedelta = timedelta(days=7)
    window: timedelta | None = None
    min_rows: int = Field(default=100, ge=10)
    every: timedelta | None = None
    sweep: str = "15 */6 * * *"
    resources: Resources = Resources()
    timeout: timedelta = timedelta(hours=4)
    seed: int = 0
    trusted_types: list[str] = []


class Promotion(Spec):
    """What a challenger must show.

    Attributes:
        metric: The metric of the comparison.
        rule: `better`: the 95 % interval of the difference lies on the good side of 0; `not_worse`: its bad end is within `margin`.
        margin: In units of the metric.
        min_rows: Fewer fresh labelled rows than this and the comparison waits.
        block: Rows of one block of event time are resampled together (they share weather, news, weekday).
        max_gap: Largest allowed distance of the metric between training and validation.
        max_calibration_error: Largest allowed expected calibration error on the fresh rows (binary).
        max_latency_ms: Largest allowed median latency of one row through the booted service.
        sweep: Safety schedule of the deploy DAG; normally a new challenger starts it.
    """

    metric: Metric
    rule: Literal["better", "not_worse"] = "better"
    margin: float = Field(default=0, ge=0)
    min_rows: int = Field(default=100, ge=10)
    block: timedelta = timedelta(days=1)
    max_gap: float | None = None
    max_calibration_error: float | None = None
    max_latency_ms: float = 250
    sweep: str = "45 */6 * * *"


class Serving(Spec):
    """How a version answers.

    Attributes:
        max_rows: Most rows in one request.
        workers: Processes of one served version.
    """

    max_rows: int = Field(default=1000, ge=1)
    workers: int = Field(default=1, ge=1)


class UseCase(Spec):
    """One model and its whole life."""

    name: Name
    description: str = ""
    owner: str = "gyre"
    environment: str = "tabular"
    task: Literal["binary", "multiclass", "regression"]
    keys: list[str] = Field(min_length=1)
    event_time: str
    sources: dict[Name, Source] = Field(min_length=1)
    schedule: Schedule
    features: Features
    expectations: EntryPoint
    labels: Labels
    training: Training
    promotion: Promotion
    serving: Serving = Serving()
    monitoring: Monitoring = Monitoring()

    @model_validator(mode="after")
    def _parts_fit_together(self) -> UseCase:
        if self.labels.source not in self.sources:
            raise ValueError(f"labels.source '{self.labels.source}' is none of the sources.{did_you_mean(self.labels.source, self.sources)}")
        if self.promotion.metric not in METRICS_OF[self.task]:
            known = METRICS_OF[self.task]
            raise ValueError(f"promotion.metric '{self.promotion.metric}' does not fit a {self.task} task.{did_you_mean(self.promotion.metric, known)}")
        reserved = sorted({"label", "labelled_at", "interval_start", "interval_end"} & {*self.features.columns, *self.keys})
        if reserved:
            raise ValueError(f"features or keys use reserved column names: {reserved}")
        return self

    @property
    def connections(self) -> list[str]:
        """Connection ids its sources name."""
        return sorted({s.connection for s in self.sources.values() if s.connection})
