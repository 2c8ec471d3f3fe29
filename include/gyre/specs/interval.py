"""Half-open slices of event time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from gyre.errors import BadParameters, EmptyInterval


def parse_instant(text: str | datetime, zone: tzinfo = UTC) -> datetime:
    """Read an ISO 8601 instant; one without an offset is in the given zone.

    Raises:
        BadParameters: If the text is no instant.
    """
    try:
        instant = text if isinstance(text, datetime) else datetime.fromisoformat(text)
    except ValueError as error:
        raise BadParameters(f"'{text}' is no date or time. Fix: write it as 2013-03-01 or 2013-03-01T06:00:00+00:00.") from error
    return (instant if instant.tzinfo else instant.replace(tzinfo=zone)).astimezone(UTC)


@dataclass(frozen=True, order=True)
class Interval:
    """The half-open slice of event time [start, end), in UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise EmptyInterval(self.start, self.end)

    @classmethod
    def parse(cls, start: str | datetime, end: str | datetime, zone: tzinfo = UTC) -> Interval:
        """Read an interval from two ISO 8601 instants; those without an offset are in the given zone."""
        return cls(parse_instant(start, zone), parse_instant(end, zone))

    @classmethod
    def from_key(cls, key: str) -> Interval:
        """Read what `key` wrote."""
        start, _, end = key.partition("/")
        return cls.parse(start, end)

    @property
    def key(self) -> str:
        """A stable name: `2013-03-01T00:00:00+00:00/2013-03-08T00:00:00+00:00`."""
        return f"{self.start.isoformat()}/{self.end.isoformat()}"

    def __str__(self) -> str:
        short = "%Y-%m-%d" if self.start.time() == self.end.time() == datetime.min.time() else "%Y-%m-%d %H:%M"
        return f"[{self.start:{short}}, {self.end:{short}})"


@dataclass(frozen=True)
class Grid:
    """Event time cut into equal cells of local time; every partition of a use case covers exactly one cell.

    Attributes:
        origin: Where the first cell starts.
        step: Length of a cell in local time: a day is a day, of 23 or 25 hours too.
        zone: Whose local time.
    """

    origin: datetime
    step: timedelta
    zone: tzinfo = UTC

    def _local(self, instant: datetime) -> datetime:
        return instant.astimezone(self.zone).replace(tzinfo=None)

    def _instant(self, local: datetime) -> datetime:
        return local.replace(tzinfo=self.zone).astimezone(UTC)

    def floor(self, instant: datetime) -> datetime:
        """Start of the cell that holds an instant."""
        local, origin = self._local(instant), self._local(self.origin)
        return self._instant(local - (local - origin) % self.step)

    def after(self, start: datetime, cells: int = 1) -> datetime:
        """Start of the cell that lies this many cells after (or, negative, before) the one that starts then."""
        return self._instant(self._local(start) + cells * self.step)

    def cells(self, interval: Interval) -> Iterator[Interval]:
        """Cut an interval of whole cells into them, oldest first."""
        start = interval.start
        while start < interval.end:
            end = self.after(start)
            yield Interval(start, end)
            start = end

    def aligned(self, interval: Interval) -> Interval:
        """Return the interval if its ends are cell boundaries.

        Raises:
            BadParameters: If they are not, with the nearest interval that would do.
        """
        start, end = self.floor(interval.start), self.floor(interval.end)
        if (start, end) != (interval.start, interval.end):
            wider = Interval(start, end if end == interval.end else self.after(end))
            raise BadParameters(
                f"The interval {interval} is not made of whole cells of {self.step} (local time of {self.zone}). "
                f"Fix: use start {self._local(wider.start).isoformat()} and end {self._local(wider.end).isoformat()}."
            )
        return interval


def cell_key(start: datetime) -> str:
    """Value of the partition column `_interval` for the cell that starts then: `2013-03-01T00:00:00Z`."""
    return start.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
