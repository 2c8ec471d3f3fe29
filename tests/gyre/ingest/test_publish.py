"""Publishing what an audit let pass."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gyre.errors import SourceUnreadable
from gyre.ingest.publish import fitted, publish
from gyre.lake import Lake
from gyre.specs import Grid, Interval
from gyre.specs.ingest_messages import AuditResult

START = datetime(2024, 1, 1, tzinfo=UTC)
GRID = Grid(START, timedelta(days=1))
DAY = Interval(START, START + timedelta(days=1))
TABLES = ("sources/facts", "quarantined", "validated")


@pytest.fixture
def lake(tmp_path) -> Lake:
    (tmp_path / "staged").mkdir()
    return Lake(f"file://{tmp_path}", {})


def audited(lake: Lake, value: int) -> AuditResult:
    uris = {}
    for name in ("facts", "quarantined", "validated"):
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table({"x": [value], "_interval": ["2024-01-01T00:00:00Z"]}), sink)
        uris[name] = lake.uri("staged", f"{name}-{value}.parquet")
        lake.objects.write(uris[name], sink.getvalue().to_pybytes())
    return AuditResult(
        start=DAY.start,
        end=DAY.end,
        blocked=False,
        checks=[],
        passed=1,
        page="",
        sources={"facts": uris["facts"]},
        features=uris["validated"],
        held_back=uris["quarantined"],
    )


def values(lake: Lake, name: str) -> list[int]:
    table = lake.table(*name.split("/"))
    return table.to_pyarrow_table()["x"].to_pylist() if table else []


def test_publishing_again_replaces_every_table(lake):
    publish(audited(lake, 1), lake, GRID)
    publish(audited(lake, 2), lake, GRID)
    assert [values(lake, name) for name in TABLES] == [[2], [2], [2]]


@pytest.mark.parametrize("killed_before", TABLES)
def test_killed_before_any_table_it_is_not_published_and_a_retry_publishes_it_once(lake, monkeypatch, killed_before):
    real = Lake.replace

    def replace(self, table, *args, **kwargs):
        if table == killed_before:
            raise KeyboardInterrupt
        return real(self, table, *args, **kwargs)

    monkeypatch.setattr(Lake, "replace", replace)
    with pytest.raises(KeyboardInterrupt):
        publish(audited(lake, 1), lake, GRID)
    assert lake.published("validated", [DAY]) == []
    monkeypatch.undo()
    publish(audited(lake, 1), lake, GRID)
    assert [values(lake, name) for name in TABLES] == [[1], [1], [1]]
    assert lake.published("validated", [DAY]) == [DAY]


def test_columns_take_the_types_they_were_published_with_and_empty_ones_are_left_out():
    rows = pa.table({"x": [1, 2], "nothing": pa.nulls(2)})
    assert fitted(rows, pa.schema([("x", pa.float64())]), "sources/facts").schema == pa.schema([("x", pa.float64())])


def test_values_that_do_not_fit_name_the_column_and_both_types():
    with pytest.raises(SourceUnreadable, match="Column 'x' of sources/facts was published as int64 and comes as string"):
        fitted(pa.table({"x": ["one"]}), pa.schema([("x", pa.int64())]), "sources/facts")
