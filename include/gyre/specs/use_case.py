"""What a person writes: one model and its whole life."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from gyre.errors import did_you_mean
from gyre.specs.base import EntryPoint, Name, Spec
from gyre.specs.interval import Grid, parse_instant
from gyre.specs.labels import Facts, Labels, People
from gyre.specs.monitoring import Monitoring
from gyre.specs.resources import Resources
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
        binary: Columns of bytes (a picture, a sound), never missing. A request to the endpoint sends them as base64.
        carried: Columns of texts that the model does not see and the rows keep: an address that people are shown, a name to look for.
    """

    function: EntryPoint
    numeric: list[str] = []
    categorical: list[str] = []
    binary: list[str] = []
    carried: list[str] = []

    @property
    def columns(self) -> list[str]:
        """Every column the model sees, in order."""
        return [*self.numeric, *self.categorical, *self.binary]

    @property
    def plain(self) -> list[str]:
        """Those of numbers and texts: what is kept of a request and watched."""
        return [*self.numeric, *self.categorical]

    @model_validator(mode="after")
    def _some_and_no_column_twice(self) -> Features:
        if not self.columns:
            raise ValueError("numeric, categorical and binary are all empty: a model needs columns")
        named = [*self.columns, *self.carried]
        twice = sorted({c for c in named if named.count(c) > 1})
        if twice:
            raise ValueError(f"columns named twice: {twice}")
        return self


class Training(Spec):
    """How a challenger is made.

    Attributes:
        function: `(train: DataFrame, validation: DataFrame, parameters: dict) -> model` in pandas; both frames hold the feature
            columns and `label`. The model has `predict_proba` (binary, multiclass) or `predict` (regression), or is a `torch.nn.Module`.
            `gyre.progress` lets it log a curve live, and go on where a killed try of it stopped.
        inputs: For a torch model: `(frame: DataFrame) -> numpy array` of float32, shape (n, ...): what the module is called with.
        baselines: `(train: DataFrame) -> dict[str, model]`, simple models for comparison; a dummy is always added.
        parameters: Defaults of `parameters`; a manual run may change each.
        validation: Length of event time at the end that is held out of training.
        window: Train on this much event time only; on everything when None.
        min_rows: Fewer labelled rows than this and training waits.
        every: Train again when the newest labels are this much younger than the champion's, or never for that reason.
        sweep: Safety schedule of the train DAG; normally labels or a retrain request start it.
        resources: What the training asks for; the use case's other jobs ask for `UseCase.resources`.
        timeout: Longest time it may run. Waiting for a GPU does not count.
        trusted_types: Types that skops may load from the model file, in addition to its own list.
    """

    function: EntryPoint
    inputs: EntryPoint | None = None
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
        workers: Processes of one served version; on a cluster: of each replica.
        replicas: On a cluster: how many pods a version runs in. With one, it is away while its node is drained: take two where that matters.
        max_replicas: On a cluster: so many when its CPUs are busy; never more than `replicas` when None.
        cpu: On a cluster: CPUs each replica has for sure; more, when nobody else wants them.
        memory_mb: On a cluster: memory each replica is given, and may not exceed.
    """

    max_rows: int = Field(default=1000, ge=1)
    workers: int = Field(default=1, ge=1)
    replicas: int = Field(default=1, ge=1)
    max_replicas: int | None = None
    cpu: float = Field(default=0.5, gt=0)
    memory_mb: int = Field(default=1024, ge=128)

    @model_validator(mode="after")
    def _room_to_grow(self) -> Serving:
        if self.max_replicas is not None and self.max_replicas < self.replicas:
            raise ValueError(f"max_replicas {self.max_replicas} is less than replicas {self.replicas}. Fix: leave it out, or make it larger")
        return self


class UseCase(Spec):
    """One model and its whole life.

    Attributes:
        name: Its folder's name, and the first part of its DAGs' names.
        owner: Whom the DAGs name.
        environment: A folder of `docker/`; every job of it runs there, and its model is served from there.
        keys: Columns that together name an item.
        event_time: Column of the instant an item is about.
        private: Columns that never leave for the labelling system.
        resources: What each of its jobs asks for, except the training.
    """

    name: Name
    description: str = ""
    owner: str = "gyre"
    environment: str = "tabular"
    task: Literal["binary", "multiclass", "regression"]
    keys: list[str] = Field(min_length=1)
    event_time: str
    private: list[str] = []
    sources: dict[Name, Source] = Field(min_length=1)
    schedule: Schedule
    features: Features
    expectations: EntryPoint
    labels: Labels
    training: Training
    promotion: Promotion
    serving: Serving = Serving()
    monitoring: Monitoring = Monitoring()
    resources: Resources = Resources()

    @model_validator(mode="after")
    def _parts_fit_together(self) -> UseCase:
        if isinstance(self.labels, Facts) and self.labels.source not in self.sources:
            raise ValueError(f"labels.source '{self.labels.source}' is none of the sources.{did_you_mean(self.labels.source, self.sources)}")
        if isinstance(self.labels, People):
            self._people_can_answer(self.labels)
        if self.promotion.metric not in METRICS_OF[self.task]:
            known = METRICS_OF[self.task]
            raise ValueError(f"promotion.metric '{self.promotion.metric}' does not fit a {self.task} task.{did_you_mean(self.promotion.metric, known)}")
        reserved = sorted({"label", "labelled_at", "interval_start", "interval_end"} & {*self.features.columns, *self.keys})
        if reserved:
            raise ValueError(f"features or keys use reserved column names: {reserved}")
        kept = {"label", "prediction", "prediction_id", "predicted_at", "version"}
        columns = {*self.features.columns, *self.features.carried, *self.keys, self.event_time} | kept
        taken = sorted(columns & {*self.monitoring.signals})
        if taken:
            raise ValueError(f"monitoring.signals are named as columns are: {taken}. Fix: give the model's signals other names")
        self._rules_know_their_columns()
        return self

    def _people_can_answer(self, people: People) -> None:
        known = {*self.keys, self.event_time, *self.features.columns, *self.features.carried}
        for variable, column in people.template.shown.items():
            if column not in known:
                raise ValueError(f"labels.template shows the column '{column}' as '{variable}', and the rows have none.{did_you_mean(column, known)}")
            if column in self.features.binary:
                raise ValueError(f"labels.template shows '{column}', which holds bytes. Fix: show a column of `features.carried` that holds the file's address")
        if self.task == "multiclass" or people.label_function:
            return
        allowed = "0 or 1" if self.task == "binary" else "a number"
        fits = [v for v in people.values.values() if not isinstance(v, str) and (self.task == "regression" or v in (0, 1))]
        if len(fits) < len(people.values) or not people.values:
            raise ValueError(f"labels.values must give each choice of a {self.task} task {allowed} (got {people.values})")

    def _rules_know_their_columns(self) -> None:
        known = [*self.features.numeric, *self.features.categorical, *self.monitoring.signals]
        for rule in self.monitoring.rules:
            for name in rule.features:
                if name not in known:
                    raise ValueError(f"monitoring rule '{rule.name}' looks at '{name}', which is neither a feature nor a signal.{did_you_mean(name, known)}")

    @property
    def connections(self) -> list[str]:
        """Connection ids its sources name."""
        return sorted({s.connection for s in self.sources.values() if s.connection})
