"""What a challenger must show before it is brought to serve: each gate with its evidence, in words and in values."""

from __future__ import annotations

import math
from datetime import timedelta

import numpy as np

from gyre.metrics import calibration_error, metric
from gyre.promote.comparison import FEWEST_BLOCKS, compare, wins
from gyre.specs.deploy_messages import Comparison, Contender
from gyre.specs.requests import Gate
from gyre.specs.use_case import HIGHER_IS_BETTER, Promotion, UseCase


def enough_rows(promotion: Promotion, rows: int) -> Gate:
    """Enough rows that neither model learned from."""
    evidence = f"{rows} fresh labelled rows; {promotion.min_rows} are needed"
    return Gate(name="enough_rows", passed=rows >= promotion.min_rows, evidence=evidence, values={"rows": rows, "min_rows": promotion.min_rows})


def better_than_dummy(use_case: UseCase, labels: np.ndarray, predictions: np.ndarray) -> Gate:
    """Better than the best constant answer for these very rows, which is more than any dummy could know."""
    name = use_case.promotion.metric
    here, dummy = metric(name, labels, predictions), metric(name, labels, _constant(use_case.task, name, labels, predictions))
    passed = here > dummy if name in HIGHER_IS_BETTER else here < dummy
    return Gate(
        name="better_than_dummy",
        passed=bool(passed),
        evidence=f"{name} {here:.4f}; the best constant answer has {dummy:.4f}",
        values={"challenger": _finite(here), "dummy": _finite(dummy)},
    )


def no_champion() -> Gate:
    """The first model has nobody to beat."""
    return Gate(name="comparison", passed=True, evidence="there is no champion to compare with")


def beats_champion(
    use_case: UseCase, labels: np.ndarray, challenger: np.ndarray, champion: np.ndarray, blocks: np.ndarray, opponent: int
) -> tuple[Gate, Comparison]:
    """The comparison with the champion on the same rows, by the rule of the spec."""
    promotion = use_case.promotion
    found = compare(promotion.metric, labels, challenger, champion, blocks, seed=use_case.training.seed)
    return Gate(
        name="comparison",
        passed=wins(found, promotion.rule, promotion.margin),
        evidence=_in_words(found, promotion, opponent),
        values=found.model_dump(mode="json"),
    ), found


def small_gap(promotion: Promotion, contender: Contender) -> Gate | None:
    """No overfit: the metric is not much worse on held-out rows than on those trained on. None if the spec does not ask."""
    if promotion.max_gap is None:
        return None
    if contender.gap is None:
        return Gate(name="train_validation_gap", passed=False, evidence="the training reported no gap")
    return Gate(
        name="train_validation_gap",
        passed=contender.gap <= promotion.max_gap,
        evidence=f"from training to held-out rows {promotion.metric} worsens by {contender.gap:.4f} more than the dummy's does; "
        f"{promotion.max_gap:g} is allowed",
        values={"gap": contender.gap, "max_gap": promotion.max_gap},
    )


def calibrated(use_case: UseCase, labels: np.ndarray, predictions: np.ndarray) -> Gate | None:
    """Its probabilities mean what they say. None if the spec does not ask."""
    allowed = use_case.promotion.max_calibration_error
    if allowed is None or use_case.task != "binary":
        return None
    error = calibration_error(labels, predictions)
    return Gate(
        name="calibration",
        passed=error <= allowed,
        evidence=f"expected calibration error {error:.4f}; {allowed:g} is allowed",
        values={"calibration_error": error, "max_calibration_error": allowed},
    )


def _constant(task: str, name: str, labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """The best constant prediction for these labels, in the shape of the predictions."""
    if task == "multiclass":
        shares = np.bincount(labels.astype(int), minlength=predictions.shape[1])[: predictions.shape[1]] / labels.shape[0]
        return np.tile(shares, (labels.shape[0], 1))
    return np.full(labels.shape[0], np.median(labels) if name == "mae" else labels.mean(), dtype=float)


def _in_words(found: Comparison, promotion: Promotion, opponent: int) -> str:
    good = "above" if found.metric in HIGHER_IS_BETTER else "below"
    wanted = f"lie {good} 0" if promotion.rule == "better" else f"be no more than {promotion.margin:g} worse"
    block = duration(promotion.block)
    if found.difference is None:
        return f"{found.metric} cannot be computed on these {found.rows} rows for both models"
    sizes = f"{found.metric} {found.challenger:.4f} against {found.champion:.4f} of version {opponent} on the same {found.rows} rows"
    if found.low is None:
        return f"{sizes}, but they lie in {found.blocks} blocks of {block}: at least {FEWEST_BLOCKS} are needed to say how sure that is"
    return (
        f"{sizes}: difference {found.difference:+.4f}, 95 % interval [{found.low:+.4f}, {found.high:+.4f}] over {found.blocks} blocks of {block}; "
        f"it must {wanted}"
    )


def duration(length: timedelta) -> str:
    """Write a length of time as people say it: `1 day`, `6 hours`."""
    for name, unit in (("day", timedelta(days=1)), ("hour", timedelta(hours=1)), ("minute", timedelta(minutes=1))):
        if length % unit == timedelta(0):
            return f"{length // unit} {name}{'s' if length // unit != 1 else ''}"
    return str(length)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
