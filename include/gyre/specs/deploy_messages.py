"""What the deploy phase and its jobs say to each other, and what a Bento says of itself."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from gyre.specs.requests import Gate, Message, Request, Result
from gyre.specs.use_case import Features


class Contender(Message):
    """A model version as the comparison needs it.

    Attributes:
        version: In the registry.
        train_end: Event time at which the rows it learned from end; no row before it is fresh.
        gap: The training's own figure: how much the promotion metric worsens from rows trained on to held-out ones; None if it said nothing.
    """

    version: int
    train_end: datetime
    gap: float | None = None


class EvaluateRequest(Request):
    """Score challenger and champion on the same fresh rows.

    Attributes:
        challenger, champion: Who competes; no champion for the first model.
        labelled_version: Version of the labelled table, so that asking twice reads the same rows.
    """

    challenger: Contender
    champion: Contender | None
    labelled_version: int


class Comparison(Message):
    """Paired difference of a metric between challenger and champion on the same rows.

    Attributes:
        metric: Its name.
        challenger, champion: Its values.
        difference: challenger - champion.
        low, high: 95 % interval of the difference.
        rows, blocks, resamples: What it rests on. A figure that cannot be computed on these rows is None.
    """

    metric: str
    challenger: float | None
    champion: float | None
    difference: float | None
    low: float | None
    high: float | None
    rows: int
    blocks: int
    resamples: int


class EvaluateResult(Result):
    """Gates and the figures behind them; start and end bound the fresh rows' event time (None: there were none)."""

    passed: bool
    gates: list[Gate]
    comparison: Comparison | None
    metrics: dict[str, dict[str, float | None]]
    start: datetime | None
    end: datetime | None
    rows: int


class BentoRequest(Request):
    """Build the Bento of a version.

    Attributes:
        version: In the registry.
    """

    version: int


class BentoFile(Message):
    """A Bento as one file in the lake."""

    uri: str
    sha256: str
    size: int


class BentoResult(Result):
    """The file, and whether an earlier build was used again."""

    bento: BentoFile
    reused: bool


class ServedModel(Message):
    """What a Bento holds, written into it as `served.json`.

    Attributes:
        max_rows: Most rows in one request.
        workers: Processes.
        signals: Numbers that the model gives beside each answer, and that are recorded with it.
    """

    use_case: str
    version: int
    task: Literal["binary", "multiclass", "regression"]
    features: Features
    keys: list[str]
    event_time: str
    max_rows: int
    workers: int
    signals: list[str] = []
