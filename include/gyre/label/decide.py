"""Decide which rows to look for facts about, and note how many have one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from gyre.errors import BadParameters, NothingToDo
from gyre.journal import Journal, Kind
from gyre.lake import Lake
from gyre.run import Run
from gyre.specs import Facts, Interval, UseCase
from gyre.specs.label_messages import LabelRequest, LabelResult


def ask(use_case: UseCase, run: Run, journal: Journal, given: Any) -> LabelRequest:  # noqa: ARG001 - every `ask` takes these
    """Ask for the labels of a window.

    Raises:
        BadParameters: If only one of start and end is given, or they are no whole cells.
        NothingToDo: If nothing is published yet.
    """
    assert isinstance(use_case.labels, Facts)  # noqa: S101 - the DAG asks for this task only then
    window = asked_for(use_case, run) or open_window(use_case, use_case.labels, Lake.of(use_case.name), datetime.now(UTC))
    return LabelRequest(
        job="label",
        job_id=run.job_id,
        use_case=use_case.name,
        environment=use_case.environment,
        connections=use_case.connections,
        start=window.start,
        end=window.end,
        **run.asked_by,
    )


def asked_for(use_case: UseCase, run: Run) -> Interval | None:
    """Read the run's parameters `start` and `end`; those without an offset are in the schedule's time zone."""
    start, end = run.params.get("start"), run.params.get("end")
    if not start and not end:
        return None
    if not start or not end:
        raise BadParameters(f"Got start={start!r} and end={end!r}. Fix: give both, or neither for everything whose labels may still come.")
    return use_case.schedule.grid.aligned(Interval.parse(start, end, use_case.schedule.zone))


def open_window(use_case: UseCase, facts: Facts, lake: Lake, now: datetime) -> Interval:
    """Give the event time in which labels may still come or change: the horizon back from the newest published cell, and what was never looked at."""
    published = published_cells(use_case, lake, now)
    looked_at = {cell.start for cell in lake.published("labelled", published)}
    never = [cell.start for cell in published if cell.start not in looked_at]
    newest = published[-1].end
    horizon = use_case.schedule.grid.floor(max(newest - facts.horizon, use_case.schedule.start))
    return Interval(min([horizon, *never]), newest)


def published_cells(use_case: UseCase, lake: Lake, now: datetime) -> list[Interval]:
    """List the cells that are published, oldest first.

    Raises:
        NothingToDo: If none is.
    """
    schedule = use_case.schedule
    until = schedule.grid.floor(min(now, schedule.end) if schedule.end else now)
    published = lake.published("validated", schedule.grid.cells(Interval(schedule.start, until))) if until > schedule.start else []
    if not published:
        raise NothingToDo("no interval is published yet")
    return published


def note(use_case: UseCase, run: Run, journal: Journal, request: LabelRequest, result: LabelResult) -> dict[str, Any]:
    """Note what was labelled; returns what the asset event carries.

    Raises:
        NothingToDo: If no label came or changed: the run is green and starts no training.
    """
    if not result.changed:
        raise NothingToDo(f"no label came or changed: {result.labelled:,} of {result.rows:,} rows in {request.interval} have one, as before")
    body = {
        "start": result.start,
        "end": result.end,
        "rows": result.rows,
        "labelled": result.labelled,
        "version": result.version,
        "changed": [start.isoformat() for start in result.changed],
        "run_id": run.run_id,
    }
    journal.add(use_case.name, Kind.LABELS_JOINED, request.job_id, body)
    return {
        "start": result.changed[0].isoformat(),
        "end": result.end.isoformat(),
        "rows": result.rows,
        "labelled": result.labelled,
        "changed": len(result.changed),
        "version": result.version,
    }
