"""Which nights are due. A night is the end of a cell plus `monitoring.night`, the time its labels are given to come."""

from __future__ import annotations

from datetime import datetime

from gyre.specs import UseCase


def last_end(use_case: UseCase, as_of: datetime) -> datetime:
    """Give the end of the newest cell whose night is over at an instant of event time."""
    return use_case.schedule.grid.floor(as_of - use_case.monitoring.night)


def ends_due(use_case: UseCase, as_of: datetime, after: datetime | None) -> list[datetime]:
    """List the ends of the cells whose nights are due, oldest first.

    Args:
        use_case: Its grid, its night, and how many nights one run takes at most (`schedule.catch_up`).
        as_of: Now, on the event clock.
        after: End of the last cell that was looked at; None if none was.
    """
    grid = use_case.schedule.grid
    end, ends = last_end(use_case, as_of), list[datetime]()
    while len(ends) < use_case.schedule.catch_up and end > use_case.schedule.start and (after is None or end > after):
        ends.append(end)
        end = grid.after(end, -1)
    return ends[::-1]


def with_lead(use_case: UseCase, ends: list[datetime], lead: int) -> list[datetime]:
    """Put the `lead` nights before them first: k of n nights is derived from the data each time, not remembered."""
    grid = use_case.schedule.grid
    before = [grid.after(ends[0], -step) for step in range(lead, 0, -1)]
    return [*(end for end in before if end > use_case.schedule.start), *ends]
