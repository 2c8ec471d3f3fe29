"""A PostgreSQL table to Parquet: Gyre's extraction, ADBC's own stream as the floor, and pandas in chunks as most people do it.

Needs a running stack (`make up`). Run: PYTHONPATH=include .venvs/dev/bin/python benchmarks/extract.py --rows 2000000
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gyre.connections import ask_also, connection
from gyre.lake import Lake
from gyre.specs import Grid, Interval, Table
from gyre.stack.airflow_settings import local_connections

START = datetime(2024, 1, 1, tzinfo=UTC)
GRID = Grid(START, timedelta(days=1))
INTERVAL = Interval(START, START + timedelta(days=30))
DATABASE = "gyre_journal"
TABLE = "benchmark_extract"


def make(rows: int) -> None:
    """Make a table of 12 columns over 30 days."""
    import psycopg

    with psycopg.connect(connection(DATABASE).postgres_uri, autocommit=True) as db:
        db.execute(f"DROP TABLE IF EXISTS {TABLE}")
        db.execute(
            f"CREATE TABLE {TABLE} AS SELECT i AS id, timestamptz '2024-01-01Z' + (i::float8 / {rows}) * interval '30 days' AS at, "
            "(i * 7919) % 1000 AS a, random() AS b, random() AS c, random() AS d, random() * 1e6 AS e, 'k' || (i % 50) AS f, "
            f"'category ' || (i % 7) AS g, md5(i::text) AS h, i % 2 = 0 AS j, random()::real AS k FROM generate_series(0::bigint, {rows - 1}) i"
        )
        db.execute(f"CREATE INDEX ON {TABLE} (at)")
        db.execute(f"ANALYZE {TABLE}")


def gyre(folder: Path) -> None:
    from gyre.ingest.table import extract_table

    lake = Lake(f"file://{folder}", {})
    extract_table("rows", Table(connection=DATABASE, table=TABLE, watermark="at"), INTERVAL, GRID, lake, lake.uri("rows.parquet"))


def adbc_to_nowhere(folder: Path) -> None:  # noqa: ARG001 - every contender is called alike
    import adbc_driver_postgresql.dbapi as adbc

    with adbc.connect(connection(DATABASE).postgres_uri) as db, db.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {TABLE}")
        for _ in cursor.fetch_record_batch():
            pass


def adbc_to_parquet(folder: Path) -> None:
    import adbc_driver_postgresql.dbapi as adbc
    import pyarrow.parquet as pq

    with adbc.connect(connection(DATABASE).postgres_uri) as db, db.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {TABLE}")
        reader = cursor.fetch_record_batch()
        with pq.ParquetWriter(folder / "rows.parquet", reader.schema, compression="zstd", use_dictionary=["f", "g", "h"]) as writer:
            for batch in reader:
                writer.write_batch(batch)


def pandas_chunks(folder: Path) -> None:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq
    import sqlalchemy

    engine = sqlalchemy.create_engine(connection(DATABASE).postgres_uri.replace("postgresql://", "postgresql+psycopg://"))
    writer = None
    with engine.connect().execution_options(stream_results=True) as db:
        for chunk in pd.read_sql(f"SELECT * FROM {TABLE}", db, chunksize=100_000):
            table = pa.Table.from_pandas(chunk)
            writer = writer or pq.ParquetWriter(folder / "rows.parquet", table.schema, compression="zstd")
            writer.write_table(table)
    if writer:
        writer.close()


def measured(work: Callable[[Path], None], results: multiprocessing.SimpleQueue) -> None:
    """Run one contender in a process of its own; report seconds, CPU seconds and peak memory in MB."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        work(Path(folder))
        took = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_SELF)
    results.put((took, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024))


def main() -> None:
    """Make the table, run each contender three times in turn, print the medians."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=2_000_000)
    rows = parser.parse_args().rows
    ask_also(local_connections().get)
    make(rows)
    contenders = {"ADBC, read only": adbc_to_nowhere, "ADBC to Parquet": adbc_to_parquet, "Gyre": gyre, "pandas in chunks": pandas_chunks}
    context = multiprocessing.get_context("fork")
    taken: dict[str, list[tuple[float, float, float]]] = {name: [] for name in contenders}
    for _ in range(3):
        for name, work in contenders.items():
            results = context.SimpleQueue()
            process = context.Process(target=measured, args=(work, results))
            process.start()
            process.join()
            if process.exitcode:
                sys.exit(f"{name} failed")
            taken[name].append(results.get())
    print(f"{rows:,} rows x 12 columns; medians of 3, imports included")
    for name, runs in taken.items():
        wall, cpu, peak = (sorted(values)[1] for values in zip(*runs, strict=True))
        print(f"{name:18} {wall:6.1f} s wall  {cpu:6.1f} s CPU  {peak:6.0f} MB  {rows / wall:10,.0f} rows/s")


if __name__ == "__main__":
    main()
