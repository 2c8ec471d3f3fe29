"""Choose what people are asked: rows of each cell within its budget, rows of the windows that drifted, and rows whose answer is known."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gyre.label.champion import UNKNOWN, Scores
from gyre.label.ledger import Asked, Question
from gyre.label.questions import KEY, data_of, plain
from gyre.label.sampling import choose, generator
from gyre.lake import PARTITION
from gyre.specs import People, UseCase, cell_key
from gyre.specs.label_messages import PushRequest

if TYPE_CHECKING:
    import polars as pl

log = logging.getLogger("gyre.job")


@dataclass(frozen=True)
class Choice:
    """A row that was chosen.

    Attributes:
        data: What its task shows.
        shown_reason: What its task says of why it was chosen; a gold row's must not tell.
        certainty: Probability that the champion gives its guess.
    """

    question: Question
    data: dict[str, Any]
    shown_reason: str
    certainty: float = 0.0


def any_due(people: People, request: PushRequest, pool: pl.DataFrame, tasks: Sequence[Asked]) -> bool:
    """Tell whether a row may be chosen: cheap to know before the champion is asked about all of them."""
    asked = Counter(task.question.request for task in tasks)
    return bool(pool.height) and (bool(_cells(people, request, pool, tasks)) or any(asked[window.key] < people.answer_drift for window in request.drifted))


def chosen_rows(use_case: UseCase, people: People, request: PushRequest, pool: pl.DataFrame, tasks: Sequence[Asked], scores: Scores = UNKNOWN) -> list[Choice]:
    """Choose rows of a pool that nobody was asked about.

    Args:
        use_case: Names keys and event time.
        people: How to choose, and how many.
        request: The window, the budget a person gave, and the windows that drifted.
        pool: Rows without a task, as `read_rows` gives them.
        tasks: The tasks there are.
        scores: What the champion says of the pool.
    """
    picked: dict[int, tuple[str, str | None]] = {}
    for cell, count, indices in _cells(people, request, pool, tasks):
        rng = generator(request.job_id, cell)
        picked.update({index: (reason, None) for index, reason in choose(count, indices, people.sampling, rng, scores.margin, scores.outside).items()})
    asked = Counter(task.question.request for task in tasks)
    for window in request.drifted:
        inside = _between(pool[use_case.event_time], window.start, window.end)
        free = np.array([index for index in np.flatnonzero(inside) if int(index) not in picked], dtype=int)
        count = max(people.answer_drift - asked[window.key], 0)
        mix = choose(count, free, people.sampling, generator(request.job_id, window.key), scores.margin, scores.outside)
        picked.update(dict.fromkeys(mix, ("drifted", window.key)))
        log.info("Retrain request %s: %d rows of its window are asked about, in addition to %d.", window.key, len(mix), asked[window.key])
    rows = pool.rows(named=True)
    return [_choice(use_case, people, rows[index], index, (reason, reason), key, scores) for index, (reason, key) in picked.items()]


def gold_rows(people: People, known: pl.DataFrame, chosen: Sequence[Choice], tasks: Sequence[Asked], job_id: str) -> pl.DataFrame:
    """Choose rows whose answer is known, so many that they are their share of all that was asked.

    Args:
        people: Their share.
        known: Rows as `read_rows` gives them, with `label`.
        chosen: Rows that are chosen besides.
        tasks: The tasks there are.
        job_id: Seeds what is random.
    """
    there = Counter(task.question.gold is not None for task in tasks if task.question.request is None)
    ordinary = there[False] + sum(choice.question.request is None for choice in chosen)
    count = max(round(people.gold_share * ordinary) - there[True], 0)
    left = known.filter(~known[KEY].is_in([task.key for task in tasks]))
    if left.height < count:
        log.info("%d more gold tasks are due, and %s has only %d rows that were not asked about.", count, people.gold, left.height)
    return left[generator(job_id, "gold").permutation(left.height)[:count]]


def gold_choices(use_case: UseCase, people: People, known: pl.DataFrame, chosen: Sequence[Choice], scores: Scores, rng: np.random.Generator) -> list[Choice]:
    """Make gold rows look as the others do: with a reason such as theirs, and a guess where they have one."""
    reasons = [choice.shown_reason for choice in chosen] or ["random"]
    rows = known.rows(named=True)
    return [
        _choice(use_case, people, row, index, ("gold", reasons[rng.integers(len(reasons))]), None, scores, json.dumps(row["label"], default=plain))
        for index, row in enumerate(rows)
    ]


def _cells(people: People, request: PushRequest, pool: pl.DataFrame, tasks: Sequence[Asked]) -> list[tuple[str, int, np.ndarray]]:
    """Give each cell of the window that is not yet asked about enough, how many rows it still wants, and which there are."""
    budget = people.budget if request.budget is None else request.budget or None
    spent = Counter(task.question.cell for task in tasks if task.question.request is None and task.question.gold is None)
    first, end = cell_key(request.interval.start), cell_key(request.interval.end)
    found = []
    for cell, indices in _places(pool[PARTITION].to_list()).items():
        count = len(indices) if budget is None else budget - spent[cell]
        if first <= cell < end and count > 0:
            found.append((cell, count, indices))
    return sorted(found, key=lambda each: each[0])


def _places(cells: Sequence[str]) -> Mapping[str, np.ndarray]:
    places: dict[str, list[int]] = {}
    for index, cell in enumerate(cells):
        places.setdefault(cell, []).append(index)
    return {cell: np.array(indices) for cell, indices in places.items()}


def _between(times: pl.Series, start: Any, end: Any) -> np.ndarray:
    if getattr(times.dtype, "time_zone", None) is None:
        start, end = start.replace(tzinfo=None), end.replace(tzinfo=None)
    return np.asarray(((times >= start) & (times < end)).to_numpy())


def _choice(
    use_case: UseCase,
    people: People,
    row: dict[str, Any],
    index: int,
    reasons: tuple[str, str],
    request: str | None,
    scores: Scores,
    gold: str | None = None,
) -> Choice:
    guessed = index in scores.guesses
    question = Question(
        key=row[KEY],
        cell=row[PARTITION],
        item=_item(use_case, row),
        reason=reasons[0],
        request=request,
        gold=gold,
        guess=json.dumps(scores.guesses[index], default=plain) if guessed else None,
        version=scores.version if guessed else None,
    )
    return Choice(question, data_of(people, row), reasons[1], scores.certainty.get(index, 0.0))


def _item(use_case: UseCase, row: dict[str, Any]) -> str:
    return json.dumps({name: row[name] for name in dict.fromkeys([*use_case.keys, use_case.event_time])}, default=plain)
