"""Sources read from the real PostgreSQL, S3 and Kafka."""

from datetime import UTC, datetime, timedelta

import pytest

from gyre.errors import SourceUnreadable
from gyre.ingest.table import extract_table
from gyre.lake import Lake
from gyre.specs import Grid, Interval, Table

pytestmark = pytest.mark.stack

START = datetime(2024, 1, 1, tzinfo=UTC)
GRID = Grid(START, timedelta(days=1))
TWO_DAYS = Interval(START, START + timedelta(days=2))


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(f"file://{tmp_path}", {})


@pytest.fixture
def facts(stack):
    import psycopg

    with psycopg.connect(stack.connections["gyre_journal"].postgres_uri, autocommit=True) as db:
        db.execute('DROP TABLE IF EXISTS "Facts and figures"')
        db.execute('CREATE TABLE "Facts and figures" (id int, "At" timestamptz, price numeric(8, 2), tag uuid, note text, local timestamp)')
        db.execute(
            "INSERT INTO \"Facts and figures\" SELECT i, timestamptz '2024-01-01 00:00Z' + i * interval '6 hours', i / 4.0, gen_random_uuid(), NULL, "
            "timestamp '2024-01-01' FROM generate_series(-2, 9) i"
        )
        yield Table(connection="gyre_journal", table="Facts and figures", watermark="At")
        db.execute('DROP TABLE "Facts and figures"')


def read(lake: Lake, uri: str) -> list[dict]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    return pq.read_table(pa.BufferReader(lake.objects.read(uri))).to_pylist()


def test_a_table_is_read_by_its_watermark_whatever_its_names_and_types(facts, lake):
    extract = extract_table("facts", facts, TWO_DAYS, GRID, lake, lake.uri("facts.parquet"))
    rows = read(lake, extract.uri)
    assert [row["id"] for row in rows] == list(range(8))
    assert [row["_interval"][:10] for row in rows] == ["2024-01-01"] * 4 + ["2024-01-02"] * 4
    assert rows[1]["price"] == 0.25
    assert len(rows[1]["tag"]) == 36
    assert rows[1]["local"] == START


def test_a_missing_table_or_column_names_what_exists(facts, lake):
    with pytest.raises(SourceUnreadable, match=r"has no table 'Facts and figure'. Did you mean 'Facts and figures'"):
        extract_table("facts", Table(connection="gyre_journal", table="Facts and figure"), TWO_DAYS, GRID, lake, lake.uri("x"))
    with pytest.raises(SourceUnreadable, match=r"has no column 'at'.*Known: At, id, local, note, price, tag"):
        extract_table("facts", facts.model_copy(update={"watermark": "at"}), TWO_DAYS, GRID, lake, lake.uri("x"))


def test_an_interval_without_rows_is_an_empty_file(facts, lake):
    quiet = Interval(START + timedelta(days=30), START + timedelta(days=31))
    assert read(lake, extract_table("facts", facts, quiet, GRID, lake, lake.uri("facts.parquet")).uri) == []
