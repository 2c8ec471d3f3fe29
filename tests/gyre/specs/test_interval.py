from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from gyre.errors import BadParameters, EmptyInterval
from gyre.specs import Grid, Interval

NEW_YORK = ZoneInfo("America/New_York")
GRID = Grid(datetime(2013, 1, 1, 5, tzinfo=UTC), timedelta(days=1), NEW_YORK)


def test_an_empty_interval_says_how_to_start_the_run_again():
    with pytest.raises(EmptyInterval, match=r"again with an end after 2013-03-01"):
        Interval.parse("2013-03-01", "2013-03-01")


def test_text_that_is_no_date_is_refused_with_an_example():
    with pytest.raises(BadParameters, match=r"'1 March' is no date or time. Fix: write it as 2013-03-01"):
        Interval.parse("1 March", "2013-03-02")


def test_instants_without_an_offset_are_in_the_given_zone():
    assert Interval.parse("2013-03-01", "2013-03-02", NEW_YORK).start == datetime(2013, 3, 1, 5, tzinfo=UTC)


def test_the_day_summer_time_begins_is_a_cell_of_23_hours():
    cells = list(GRID.cells(Interval.parse("2013-03-10", "2013-03-12", NEW_YORK)))
    assert [cell.end - cell.start for cell in cells] == [timedelta(hours=23), timedelta(hours=24)]


def test_an_interval_that_cuts_cells_is_refused_with_one_that_does_not():
    with pytest.raises(BadParameters, match=r"Fix: use start 2013-03-01T00:00:00 and end 2013-03-03T00:00:00"):
        GRID.aligned(Interval.parse("2013-03-01T10:00", "2013-03-02T10:00", NEW_YORK))


def test_a_key_reads_back_as_the_same_interval():
    interval = Interval.parse("2013-03-01", "2013-03-08")
    assert Interval.from_key(interval.key) == interval


@pytest.mark.parametrize("instant", ["2013-06-01T04:00+00:00", "2013-06-02T03:59+00:00"])
def test_floor_finds_the_cell_of_local_time(instant: str):
    assert GRID.floor(datetime.fromisoformat(instant)) == datetime(2013, 6, 1, 4, tzinfo=UTC)
