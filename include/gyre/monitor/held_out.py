"""Read the champion's held-out rows, cut into blocks of event time."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gyre.data import LABEL, read_labelled, with_class_indices
from gyre.frames import model_frame
from gyre.histograms import Counts, Reference
from gyre.lake import Lake
from gyre.monitor.thresholds import HeldOut
from gyre.specs import Interval, UseCase
from gyre.specs.monitoring import Rule

if TYPE_CHECKING:
    import pandas as pd


def read(use_case: UseCase, lake: Lake, uri: str, reference: Reference | None, classes: list[Any]) -> HeldOut | None:
    """Read what the derived thresholds rest on; None if no rule wants one.

    Args:
        use_case: Its rules say what is needed.
        lake: Its part of the lake.
        uri: Parquet with event time, label, prediction and signals.
        reference: To count each block against, where a rule of drift needs it.
        classes: multiclass: labels in the order of the probabilities.
    """
    derived = [rule for rule in use_case.monitoring.rules if rule.threshold is None]
    regression = use_case.task == "regression" and any(rule.statistic == "calibration_gap" for rule in use_case.monitoring.rules)
    if not derived and not regression:
        return None
    import pandas as pd

    rows = pd.read_parquet(io.BytesIO(lake.objects.read(uri)))
    times = pd.to_datetime(rows[use_case.event_time], utc=True)
    labels, predictions = _numbers(use_case, rows, classes)
    days, blocks = np.unique(_block_of(use_case, times), return_inverse=True)
    signals = {name: rows[name].to_numpy() for name in use_case.monitoring.signals if name in rows.columns}
    counts = [] if reference is None else _counts(use_case, lake, reference, times, Blocks(days, blocks, predictions, signals), derived)
    return HeldOut(use_case.task, blocks, labels, predictions, counts)


def _numbers(use_case: UseCase, rows: pd.DataFrame, classes: list[Any]) -> tuple[np.ndarray, np.ndarray]:
    if use_case.task != "multiclass":
        return rows[LABEL].to_numpy(dtype=float), rows["prediction"].to_numpy(dtype=float)
    return with_class_indices(rows[LABEL], np.array(rows["prediction"].tolist(), dtype=float), classes)


def _block_of(use_case: UseCase, times: Any) -> np.ndarray:
    """Number each row's block of local time."""
    local = times.dt.tz_convert(use_case.schedule.timezone).dt.tz_localize(None)
    origin = use_case.schedule.start.astimezone(use_case.schedule.zone).replace(tzinfo=None)
    return np.asarray((local - origin) // use_case.promotion.block)


@dataclass(frozen=True)
class Blocks:
    """The held-out rows by blocks.

    Attributes:
        days: Number of each block in local time. Shape (k,).
        blocks: Index of each row's. Shape (n,).
        predictions: Shape (n,) or (n, classes).
        signals: Shape (n,) each.
    """

    days: np.ndarray
    blocks: np.ndarray
    predictions: np.ndarray
    signals: dict[str, np.ndarray]


def _counts(use_case: UseCase, lake: Lake, reference: Reference, times: Any, held: Blocks, derived: list[Rule]) -> list[Counts]:
    """Count each block: its predictions and signals, and its features where a rule wants them (they lie in the lake)."""
    import pandas as pd

    counts = [Counts(reference) for _ in held.days]
    for block, counted in enumerate(counts):
        of_block = held.blocks == block
        counted.add({name: values[of_block] for name, values in held.signals.items()}, held.predictions[of_block])
    if _wants_features(use_case, derived):
        rows = read_labelled(lake, use_case, Interval(times.min().to_pydatetime(), times.max().to_pydatetime() + pd.Timedelta(microseconds=1)))
        of = _block_of(use_case, pd.to_datetime(rows[use_case.event_time], utc=True))
        frame = model_frame(rows, use_case.features.model_copy(update={"binary": []}))
        for day, counted in zip(held.days, counts, strict=True):
            counted.add(frame[of == day])
    return counts


def _wants_features(use_case: UseCase, derived: list[Rule]) -> bool:
    """Tell whether a rule looks at a column of the rows, and not at signals alone."""
    columns = set(use_case.features.plain)
    return any(rule.statistic.startswith("feature_") and columns & set(rule.features or columns) for rule in derived)
