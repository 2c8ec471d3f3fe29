"""Which interval is ingested."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from gyre.errors import BadParameters, NothingToDo
from gyre.ingest.plan import asked_for, next_interval
from gyre.lake import PARTITION, Lake
from gyre.run import Run
from gyre.specs import Interval, Schedule, UseCase, load_use_case

NEW_YORK = ZoneInfo("America/New_York")


@pytest.fixture
def use_case() -> UseCase:
    return load_use_case("flight_delay")


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(f"file://{tmp_path}/flight_delay", {})


def local(month: int, day: int) -> datetime:
    return datetime(2013, month, day, tzinfo=NEW_YORK)


def publish(lake: Lake, use_case: UseCase, *days: tuple[datetime, datetime]) -> None:
    for start, end in days:
        rows = pa.table({PARTITION: pa.array([], pa.string()), "x": pa.array([], pa.int64())})
        lake.replace("validated", rows, Interval.parse(start, end), use_case.schedule.grid, transaction="publish", version=1)


def run(**params: str | None) -> Run:
    return Run("flight_delay__ingest", "manual", "extract", params=params)


def test_parameters_without_an_offset_are_in_the_schedules_time_zone(use_case):
    interval = asked_for(use_case, run(start="2013-03-01T00:00:00", end="2013-03-08T00:00:00"))
    assert interval == Interval.parse(local(3, 1), local(3, 8))


def test_only_one_of_start_and_end_is_refused(use_case):
    with pytest.raises(BadParameters, match="give both, or neither"):
        asked_for(use_case, run(start="2013-03-01", end=None))


def test_an_interval_that_is_no_whole_cells_is_refused_with_one_that_is(use_case):
    with pytest.raises(BadParameters, match=r"use start 2013-03-01T00:00:00 and end 2013-03-02T00:00:00"):
        asked_for(use_case, run(start="2013-03-01T00:00:00", end="2013-03-01T12:00:00"))


def test_an_interval_before_the_first_instant_is_refused(use_case):
    with pytest.raises(BadParameters, match="outside of what 'flight_delay' covers"):
        asked_for(use_case, run(start="2012-12-31", end="2013-01-02"))


def test_without_parameters_the_first_cells_are_taken_and_no_more_than_one_run_may(use_case, lake):
    assert next_interval(use_case, lake, datetime.now(UTC)) == Interval.parse(local(1, 1), local(2, 1))


def test_it_goes_on_after_what_is_published(use_case, lake):
    publish(lake, use_case, (local(1, 1), local(3, 1)))
    assert next_interval(use_case, lake, local(3, 3) + timedelta(hours=5)) == Interval.parse(local(3, 1), local(3, 3))


def test_a_gap_is_filled_first_and_nothing_published_is_taken_again(use_case, lake):
    publish(lake, use_case, (local(1, 1), local(1, 5)), (local(1, 7), local(1, 9)))
    assert next_interval(use_case, lake, local(2, 1)) == Interval.parse(local(1, 5), local(1, 7))


def test_a_cell_that_is_not_over_waits(use_case, lake):
    publish(lake, use_case, (local(1, 1), local(1, 5)))
    with pytest.raises(NothingToDo, match="every interval up to"):
        next_interval(use_case, lake, local(1, 5) + timedelta(hours=23))


def test_after_the_end_of_the_data_there_is_nothing_to_do(use_case, lake):
    closed = use_case.model_copy(update={"schedule": Schedule(start=datetime(2013, 1, 1, tzinfo=UTC), end=datetime(2013, 1, 3, tzinfo=UTC))})
    publish(lake, closed, (datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 1, 3, tzinfo=UTC)))
    with pytest.raises(NothingToDo):
        next_interval(closed, lake, datetime(2026, 1, 1, tzinfo=UTC))
