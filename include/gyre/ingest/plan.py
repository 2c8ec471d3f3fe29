"""Decide which interval to ingest: the one that was asked for, or the next cells that are not published yet."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from gyre.errors import BadParameters, NothingToDo
from gyre.journal import Journal
from gyre.lake import Lake
from gyre.run import Run
from gyre.specs import Grid, Interval, UseCase
from gyre.specs.ingest_messages import ExtractRequest


def plan(use_case: UseCase, run: Run, journal: Journal, given: Any) -> ExtractRequest:  # noqa: ARG001 - every `ask` takes these
    """Ask for an extract.

    Raises:
        BadParameters: If only one of start and end is given, or they are no whole cells.
        NothingToDo: If every cell that is over is published.
    """
    interval = asked_for(use_case, run) or next_interval(use_case, Lake.of(use_case.name), datetime.now(UTC))
    return ExtractRequest(
        job="extract",
        job_id=run.job_id,
        use_case=use_case.name,
        environment=use_case.environment,
        connections=use_case.connections,
        start=interval.start,
        end=interval.end,
        **run.asked_by,
    )


def asked_for(use_case: UseCase, run: Run) -> Interval | None:
    """Read the run's parameters `start` and `end`; those without an offset are in the schedule's time zone."""
    start, end = run.params.get("start"), run.params.get("end")
    if not start and not end:
        return None
    if not start or not end:
        raise BadParameters(f"Got start={start!r} and end={end!r}. Fix: give both, or neither for the next interval that is not published.")
    schedule = use_case.schedule
    interval = schedule.grid.aligned(Interval.parse(start, end, schedule.zone))
    if interval.start < schedule.start or (schedule.end and interval.end > schedule.end):
        until = f"before {schedule.end}" if schedule.end else "later"
        raise BadParameters(f"The interval {interval} is outside of what '{use_case.name}' covers. Fix: use instants from {schedule.start} on and {until}.")
    return interval


def next_interval(use_case: UseCase, lake: Lake, now: datetime) -> Interval:
    """Give the first cells that are not published, as many as one run may take.

    The wall clock only says which cells are over; what is published the table itself says.
    """
    schedule = use_case.schedule
    grid, until = schedule.grid, _last_boundary(use_case, now)
    if until <= schedule.start:
        raise NothingToDo(f"the first interval begins {schedule.start} and is not over yet")
    cells = list(grid.cells(Interval(schedule.start, until)))
    published = {cell.start for cell in lake.published("validated", cells)}
    start = next((cell.start for cell in cells if cell.start not in published), None)
    if start is None:
        raise NothingToDo(f"every interval up to {until} is published")
    return Interval(start, _end(start, published, until, schedule.catch_up, grid))


def _end(start: datetime, published: set[datetime], until: datetime, most: int, grid: Grid) -> datetime:
    """Go on from a cell until one that is published, the end, or the most cells of one run."""
    end = grid.after(start)
    for _ in range(most - 1):
        if end >= until or end in published:
            break
        end = grid.after(end)
    return end


def _last_boundary(use_case: UseCase, now: datetime) -> datetime:
    schedule = use_case.schedule
    return schedule.grid.floor(min(now, schedule.end) if schedule.end else now)
