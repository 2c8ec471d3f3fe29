"""Objects of each cell, read once."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gyre.errors import SourceUnreadable
from gyre.ingest.objects import extract_objects
from gyre.lake import Lake
from gyre.specs import Grid, Interval, Objects

START = datetime(2024, 1, 1, tzinfo=UTC)
GRID = Grid(START, timedelta(days=1))
TWO_DAYS = Interval(START, START + timedelta(days=2))


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(f"file://{tmp_path}/lake", {})


def read(lake: Lake, uri: str) -> list[dict]:
    return pq.read_table(pa.BufferReader(lake.objects.read(uri))).to_pylist()


def deliver(path, rows: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(rows), path)


def test_each_row_carries_the_cell_of_its_object(tmp_path, lake):
    deliver(tmp_path / "in/2024-01-01.parquet", {"x": [1]})
    deliver(tmp_path / "in/2024-01-02.parquet", {"x": [2.5]})
    spec = Objects(uri=f"file://{tmp_path}/in/{{start:%Y-%m-%d}}.parquet")
    extract_objects("facts", spec, TWO_DAYS, GRID, lake, lake.uri("out.parquet"))
    assert read(lake, lake.uri("out.parquet")) == [{"x": 1.0, "_interval": "2024-01-01T00:00:00Z"}, {"x": 2.5, "_interval": "2024-01-02T00:00:00Z"}]


def test_an_unchanged_object_is_not_read_again_and_a_changed_one_is(tmp_path, lake):
    spec = Objects(uri=f"file://{tmp_path}/in/{{start:%Y-%m-%d}}.parquet")
    for day in ("01", "02"):
        deliver(tmp_path / f"in/2024-01-{day}.parquet", {"x": [1]})
    first = extract_objects("facts", spec, TWO_DAYS, GRID, lake, lake.uri("out.parquet"))
    deliver(tmp_path / "in/2024-01-02.parquet", {"x": [1, 2, 3]})
    second = extract_objects("facts", spec, TWO_DAYS, GRID, lake, lake.uri("out.parquet"))
    assert (first.objects_read, first.objects_unchanged) == (2, 0)
    assert (second.objects_read, second.objects_unchanged, second.rows) == (1, 1, 4)


def test_a_pattern_is_filled_in_with_local_dates_and_missing_objects_are_named(tmp_path, lake):
    zone = ZoneInfo("Asia/Tokyo")
    grid = Grid(datetime(2024, 1, 1, tzinfo=zone), timedelta(days=1), zone)
    deliver(tmp_path / "in/2024-01-01.parquet", {"x": [1]})
    spec = Objects(uri=f"file://{tmp_path}/in/{{start:%Y-%m-%d}}.parquet")
    interval = Interval.parse("2024-01-01", "2024-01-03", zone)
    assert extract_objects("facts", spec, interval, grid, lake, lake.uri("out.parquet")).objects_missing == [f"file://{tmp_path}/in/2024-01-02.parquet"]


def test_a_star_matches_within_one_folder_only(tmp_path, lake):
    for name in ("2024/01/01/a.csv", "2024/01/01/b.csv", "2024/01/01/deeper/c.csv"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_text("x\n1\n")
    spec = Objects(uri=f"file://{tmp_path}/in/{{start:%Y/%m/%d}}/*.csv", format="csv")
    assert extract_objects("facts", spec, TWO_DAYS, GRID, lake, lake.uri("out.parquet")).rows == 2


def test_nothing_delivered_at_all_says_where_it_was_looked_for(tmp_path, lake):
    with pytest.raises(SourceUnreadable, match=r"nothing lies at .*2024-01-01.parquet or the 1 other places"):
        extract_objects("facts", Objects(uri=f"file://{tmp_path}/in/{{start:%Y-%m-%d}}.parquet"), TWO_DAYS, GRID, lake, lake.uri("out.parquet"))


def test_a_broken_file_is_named(tmp_path, lake):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/2024-01-01.parquet").write_bytes(b"not parquet")
    with pytest.raises(SourceUnreadable, match=r"2024-01-01.parquet \(11 bytes\) is not a readable parquet file"):
        extract_objects("facts", Objects(uri=f"file://{tmp_path}/in/{{start:%Y-%m-%d}}.parquet"), TWO_DAYS, GRID, lake, lake.uri("out.parquet"))


def test_any_file_is_a_row_with_its_bytes(tmp_path, lake):
    for name, content in (("b.png", b"\x89PNG b"), ("a.wav", b"RIFF a"), ("empty", b"")):
        (tmp_path / "in/2024-01-01").mkdir(parents=True, exist_ok=True)
        (tmp_path / "in/2024-01-01" / name).write_bytes(content)
    spec = Objects(uri=f"file://{tmp_path}/in/{{start:%Y-%m-%d}}/*", format="binary")
    extract = extract_objects("pictures", spec, TWO_DAYS, GRID, lake, lake.uri("out.parquet"))
    rows = read(lake, lake.uri("out.parquet"))
    assert [(row["name"], row["content"], row["size"]) for row in rows] == [("a.wav", b"RIFF a", 6), ("b.png", b"\x89PNG b", 6), ("empty", b"", 0)]
    assert rows[0]["uri"] == f"file://{tmp_path}/in/2024-01-01/a.wav"
    assert {row["_interval"] for row in rows} == {"2024-01-01T00:00:00Z"}
    assert abs(rows[0]["modified_at"] - datetime.now(UTC)) < timedelta(minutes=5)
    assert (extract.objects_read, extract.objects_unchanged) == (3, 0)


def test_the_files_of_a_cell_are_kept_as_one_and_read_again_when_one_changes(tmp_path, lake):
    spec = Objects(uri=f"file://{tmp_path}/in/{{start:%Y-%m-%d}}/*.png", format="binary")
    for day in ("01", "02"):
        (tmp_path / f"in/2024-01-{day}").mkdir(parents=True)
        for name in range(20):
            (tmp_path / f"in/2024-01-{day}/{name}.png").write_bytes(bytes([name]))
    extract_objects("pictures", spec, TWO_DAYS, GRID, lake, lake.uri("out.parquet"))
    assert len(list(lake.objects.list(lake.uri("staging", "objects", "pictures")))) == 2
    (tmp_path / "in/2024-01-02/20.png").write_bytes(b"new")
    again = extract_objects("pictures", spec, TWO_DAYS, GRID, lake, lake.uri("out.parquet"))
    assert (again.objects_read, again.objects_unchanged, again.rows) == (21, 20, 41)
    assert read(lake, lake.uri("out.parquet"))[-1]["_interval"] == "2024-01-02T00:00:00Z"
