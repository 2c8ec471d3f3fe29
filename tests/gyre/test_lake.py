"""A partition is written once, however often its publication is repeated."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from gyre.lake import Lake
from gyre.specs import Grid, Interval, cell_key

GRID = Grid(datetime(2013, 1, 1, tzinfo=UTC), timedelta(days=1))
TWO_DAYS = Interval.parse("2013-01-01", "2013-01-03")


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(f"file://{tmp_path}", {})


def rows(interval: Interval, value: int) -> pl.DataFrame:
    return pl.DataFrame({"value": [value for _ in GRID.cells(interval)], "_interval": [cell_key(c.start) for c in GRID.cells(interval)]})


def publish(lake: Lake, interval: Interval, value: int, version: int = 1) -> int:
    return lake.replace("validated", rows(interval, value), interval, GRID, transaction="publish", version=version)


def values(lake: Lake) -> list[int]:
    return pl.read_delta(lake.uri("validated")).sort("_interval")["value"].to_list()


def test_a_table_never_written_is_none(lake: Lake):
    assert lake.table("validated") is None
    assert lake.published("validated", GRID.cells(TWO_DAYS)) == []


def test_publishing_again_replaces_and_adds_nothing(lake: Lake):
    publish(lake, TWO_DAYS, 1)
    publish(lake, TWO_DAYS, 2, version=2)
    assert values(lake) == [2, 2]


def test_a_publication_leaves_other_cells_alone(lake: Lake):
    publish(lake, TWO_DAYS, 1)
    publish(lake, Interval.parse("2013-01-02", "2013-01-03"), 5, version=2)
    assert values(lake) == [1, 5]


def test_a_published_cell_without_rows_counts_as_published(lake: Lake):
    publish(lake, TWO_DAYS, 1)
    third = Interval.parse("2013-01-03", "2013-01-04")
    lake.replace("validated", rows(third, 0).head(0), third, GRID, transaction="publish", version=1)
    assert lake.published("validated", GRID.cells(Interval.parse("2013-01-01", "2013-01-06"))) == list(GRID.cells(Interval.parse("2013-01-01", "2013-01-04")))


def test_an_older_version_of_a_table_reads_as_it_was(lake: Lake):
    first = publish(lake, TWO_DAYS, 1)
    publish(lake, TWO_DAYS, 2, version=2)
    old = lake.table("validated", version=first)
    assert old is not None
    assert pl.scan_delta(old).collect()["value"].to_list() == [1, 1]
