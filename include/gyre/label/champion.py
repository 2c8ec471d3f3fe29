"""What the champion says of rows that have no label: it chooses what people are asked, and they may see its guess."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gyre.label.join import read_cells
from gyre.label.questions import cell_of
from gyre.label.sampling import margins
from gyre.lake import PARTITION, Lake
from gyre.specs import People, UseCase
from gyre.specs.templates import choices_of

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from gyre.histograms import Numbers, Reference

log = logging.getLogger("gyre.job")

MOST_ROWS = 20_000
Answer = Callable[["pd.DataFrame"], tuple[np.ndarray, dict[str, np.ndarray]]]


@dataclass(frozen=True)
class Champion:
    """The version that serves.

    Attributes:
        classes: Labels in the order of the columns of its answers (multiclass); else empty.
        answer: Frame of features -> answers as `gyre.frames.predict` gives them, and numbers to watch beside the numeric features.
        reference: What it was trained on.
    """

    version: int
    classes: list[Any]
    answer: Answer
    reference: Reference | None


Load = Callable[[], Champion]


@dataclass(frozen=True)
class Scores:
    """What it says of a pool of rows; nothing of those it was not asked about.

    Attributes:
        margin: How far its two likeliest answers lie apart; NaN where unknown. Shape (n,), or None.
        outside: Values that lie outside what it was trained on, likewise.
        guesses: Index -> its answer, a label.
        certainty: Index -> probability of that answer.
        version: The version that says so.
    """

    margin: np.ndarray | None
    outside: np.ndarray | None
    guesses: dict[int, Any]
    certainty: dict[int, float]
    version: int | None


UNKNOWN = Scores(None, None, {}, {}, None)


def wanted(people: People) -> bool:
    """Tell whether anything depends on what the champion says."""
    return people.prelabels or any(people.sampling.get(reason, 0) > 0 for reason in ("uncertain", "drifted"))


def score(use_case: UseCase, champion: Champion, lake: Lake, pool: pl.DataFrame, rng: np.random.Generator) -> Scores:
    """Ask the champion about a pool of rows, about at most 20,000 of them chosen at random."""
    from gyre.frames import model_frame

    asked = np.sort(rng.permutation(pool.height)[:MOST_ROWS])
    frame = model_frame(_features(use_case, lake, pool[asked]), use_case.features)
    answers, signals = champion.answer(frame)
    log.info("Version %d was asked about %s of %s rows.", champion.version, f"{len(asked):,}", f"{pool.height:,}")
    margin, outside = margins(use_case.task, answers), _outside(champion.reference, frame, signals)
    if margin is None:
        log.info("A regression's answers do not say how sure it is: the share `uncertain` is chosen at random.")
    guesses, certainty = _guesses(use_case.task, answers, champion.classes)
    return Scores(
        _spread(margin, asked, pool.height),
        _spread(outside, asked, pool.height),
        dict(zip(asked.tolist(), guesses, strict=True)),
        dict(zip(asked.tolist(), certainty, strict=True)),
        champion.version,
    )


def results_of(people: People, guess: Any) -> list[dict[str, Any]] | None:
    """Write a guess as Label Studio's result; None where it is none of the choices."""
    choices = choices_of(people.template)
    if choices is None:
        return None
    named = next((choice for choice, label in people.values.items() if label == guess), str(guess))
    if named not in choices:
        return None
    return [{"from_name": "answer", "to_name": next(iter(people.template.shown)), "type": "choices", "value": {"choices": [named]}}]


def _features(use_case: UseCase, lake: Lake, rows: pl.DataFrame) -> pd.DataFrame:
    """Read the features of these rows, in their order."""
    cells = [cell_of(use_case, key) for key in rows[PARTITION].unique().sort()]
    columns = list(dict.fromkeys([*use_case.keys, *use_case.features.columns]))
    whole = read_cells(lake, "validated", cells, columns)
    assert whole is not None  # noqa: S101 - the rows come from there
    return rows.select(use_case.keys).join(whole.unique(use_case.keys, keep="first"), on=use_case.keys, how="left", maintain_order="left").to_pandas()


def _spread(values: np.ndarray | None, asked: np.ndarray, rows: int) -> np.ndarray | None:
    if values is None:
        return None
    spread = np.full(rows, np.nan)
    spread[asked] = values
    return spread


def _outside(reference: Reference | None, frame: pd.DataFrame, signals: dict[str, np.ndarray]) -> np.ndarray | None:
    """Count each row's values outside the 1 % to 99 % range of what the champion was trained on; None if nothing can be compared."""
    if reference is None:
        return None
    values = {**{name: frame[name].to_numpy(dtype=float) for name in frame.columns if name in reference.numeric}, **signals}
    known = {name: _range(reference.numeric[name]) for name in values if name in reference.numeric and reference.numeric[name].edges}
    if not known:
        return None
    return np.asarray(np.sum([(values[name] < low) | (values[name] > high) for name, (low, high) in known.items()], axis=0), dtype=float)


def _range(numbers: Numbers) -> tuple[float, float]:
    """Give the 1 % and the 99 % quantile, to the bin."""
    inner = np.cumsum(numbers.counts[1:-1])
    first, last = np.searchsorted(inner, [0.01 * inner[-1], 0.99 * inner[-1]])
    return numbers.edges[int(first)], numbers.edges[min(int(last) + 1, len(numbers.edges) - 1)]


def _guesses(task: str, answers: np.ndarray, classes: list[Any]) -> tuple[list[Any], list[float]]:
    if task == "regression":
        return answers.tolist(), [0.0] * len(answers)
    if answers.ndim == 1:
        return (answers >= 0.5).astype(int).tolist(), np.maximum(answers, 1 - answers).tolist()
    return [classes[index] for index in answers.argmax(axis=1)], answers.max(axis=1).tolist()
