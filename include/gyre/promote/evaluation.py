"""Put two sets of predictions for the same fresh rows through every gate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from gyre.data import LABEL, with_class_indices
from gyre.metrics import evaluate
from gyre.promote import gates
from gyre.specs.deploy_messages import Comparison, EvaluateRequest, EvaluateResult
from gyre.specs.requests import Gate
from gyre.specs.use_case import UseCase

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Scored:
    """What one model says about the fresh rows.

    Attributes:
        version: In the registry.
        predictions: Shape (n,) or (n, classes).
        classes: multiclass: labels in the order of the columns; else empty.
    """

    version: int
    predictions: np.ndarray
    classes: list[Any]


def judge(use_case: UseCase, request: EvaluateRequest, rows: pd.DataFrame, challenger: Scored, champion: Scored | None) -> EvaluateResult:
    """Judge a challenger by rows that neither model learned from."""
    found: list[Gate | None] = [gates.enough_rows(use_case.promotion, len(rows)), gates.small_gap(use_case.promotion, request.challenger)]
    comparison: Comparison | None = None
    labels, ours = _comparable(use_case, rows, challenger)
    metrics = {"challenger": _metrics(use_case, labels, ours)}
    found += [gates.better_than_dummy(use_case, labels, ours), gates.calibrated(use_case, labels, ours)]
    if champion is None:
        found.append(gates.no_champion())
    else:
        _, theirs = _comparable(use_case, rows, champion, challenger.classes)
        metrics["champion"] = _metrics(use_case, labels, theirs)
        gate, comparison = gates.beats_champion(use_case, labels, ours, theirs, blocks_of(use_case, rows), champion.version)
        found.append(gate)
    kept = [gate for gate in found if gate is not None]
    return EvaluateResult(
        passed=all(gate.passed for gate in kept),
        gates=kept,
        comparison=comparison,
        metrics=metrics,
        start=rows[use_case.event_time].min(),
        end=rows[use_case.event_time].max(),
        rows=len(rows),
    )


def nothing_to_judge_by(use_case: UseCase, since: datetime) -> EvaluateResult:
    """Answer when there is no fresh row at all."""
    gate = gates.enough_rows(use_case.promotion, 0)
    gate = gate.model_copy(update={"evidence": f"{gate.evidence}; none has an event time of {since:%Y-%m-%d %H:%M} or later"})
    return EvaluateResult(passed=False, gates=[gate], comparison=None, metrics={}, start=None, end=None, rows=0)


def blocks_of(use_case: UseCase, rows: pd.DataFrame) -> np.ndarray:
    """Number the block of local event time that each row lies in. Shape (n,)."""
    import pandas as pd

    times = pd.to_datetime(rows[use_case.event_time], utc=True).dt.tz_convert(use_case.schedule.timezone).dt.tz_localize(None)
    origin = pd.Timestamp(use_case.schedule.start).tz_convert(use_case.schedule.timezone).tz_localize(None)
    return np.asarray((times - origin) // pd.Timedelta(use_case.promotion.block))


def _comparable(use_case: UseCase, rows: pd.DataFrame, scored: Scored, order: list[Any] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Give labels and predictions as metrics want them; a multiclass model's columns in the given order of classes."""
    if use_case.task != "multiclass":
        return rows[LABEL].to_numpy(dtype=float), scored.predictions
    wanted = order or scored.classes
    columns = np.zeros((len(rows), len(wanted)))
    for position, value in enumerate(wanted):
        if value in scored.classes:
            columns[:, position] = scored.predictions[:, scored.classes.index(value)]
    return with_class_indices(rows[LABEL], columns, wanted)


def _metrics(use_case: UseCase, labels: np.ndarray, predictions: np.ndarray) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in evaluate(use_case.task, labels, predictions).items()}
