"""Decide whether to train, and on which stretch of event time. Nothing here reads anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gyre.errors import BadParameters, NothingToDo
from gyre.specs import UseCase


@dataclass(frozen=True)
class LabelledRows:
    """What the table of labelled rows holds, from its metadata.

    Attributes:
        version: The table's version.
        rows: Number of labelled rows.
        end: End of the newest cell that has some.
    """

    version: int
    rows: int
    end: datetime


@dataclass(frozen=True)
class PastTraining:
    """The newest version there is."""

    version: int
    data_end: datetime


@dataclass(frozen=True)
class Stretch:
    """[start, train_end) is trained on, [train_end, data_end) is held out."""

    start: datetime
    train_end: datetime
    data_end: datetime


def why(
    use_case: UseCase,
    labelled: LabelledRows | None,
    last: PastTraining | None,
    by_hand: str | None,
    open_requests: list[str],
    waiting: Sequence[str] = (),
) -> str:
    """Say why to train.

    Args:
        use_case: Its training says when.
        labelled: What there is to train on; None before the first label.
        last: The newest version.
        by_hand: Reason of a manual run; None if it is none.
        open_requests: Reasons of the retrain requests that no training answered, and that wait for nothing.
        waiting: What the others wait for.

    Raises:
        BadParameters: If a manual run has nothing to train on.
        NothingToDo: If there is no reason.
    """
    training = use_case.training
    if labelled is None and by_hand is not None:
        raise BadParameters(f"'{use_case.name}' has no labelled rows to train on. Fix: let '{use_case.name}__ingest' and '{use_case.name}__label' run first.")
    if labelled is None:
        raise NothingToDo("there are no labelled rows yet")
    if by_hand is not None:
        return by_hand
    if open_requests:
        return "; ".join(open_requests)
    if last is None:
        if labelled.rows < training.min_rows:
            raise NothingToDo(f"the first model needs {training.min_rows} labelled rows, there are {labelled.rows}")
        return f"first model: {labelled.rows} labelled rows to {labelled.end:%Y-%m-%d %H:%M}"
    newer = labelled.end - last.data_end
    if training.every and newer >= training.every:
        return f"labels are {newer.days} days newer than those of version {last.version}; due every {training.every.days} days"
    waits = f"the next is due after {last.data_end + training.every:%Y-%m-%d %H:%M}" if training.every else "none is due by time (training.every is not set)"
    requests = "; ".join(waiting) or "no open retrain request"
    raise NothingToDo(f"{requests}; version {last.version} saw labels to {last.data_end:%Y-%m-%d %H:%M}, labels end {labelled.end:%Y-%m-%d %H:%M}; {waits}")


def stretch(use_case: UseCase, end: datetime) -> Stretch:
    """Cut event time before `end` into rows to train on and rows to hold out.

    Raises:
        BadParameters: If nothing is left to train on.
    """
    training, first = use_case.training, use_case.schedule.start
    train_end = _earlier(use_case, end, training.validation)
    start = max(first, _earlier(use_case, train_end, training.window)) if training.window else first
    if train_end <= start:
        raise BadParameters(
            f"Nothing is left to train on: data begin {first:%Y-%m-%d %H:%M}, and of those to {end:%Y-%m-%d %H:%M} the last "
            f"{training.validation} are held out. Fix: train through a later instant, or set a shorter training.validation."
        )
    return Stretch(start, train_end, end)


def _earlier(use_case: UseCase, instant: datetime, by: timedelta) -> datetime:
    """Go back in local time: seven days before midnight is midnight, when clocks change too."""
    return (instant.astimezone(use_case.schedule.zone) - by).astimezone(UTC)
