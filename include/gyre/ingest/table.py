"""Extract a table: the rows whose watermark lies in the interval, streamed to a Parquet file in bounded memory."""

from __future__ import annotations

import logging
import queue
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from gyre.cells import cell_keys
from gyre.clients.postgres import Postgres, quoted, quoted_table, select_list
from gyre.connections import connection
from gyre.errors import SourceUnreadable, did_you_mean
from gyre.lake import PARTITION, Lake
from gyre.specs import Grid, Interval, Table, cell_key
from gyre.specs.ingest_messages import SourceExtract

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger("gyre.job")

WAITING_BATCHES = 4


def extract_table(name: str, spec: Table, interval: Interval, grid: Grid, lake: Lake, uri: str) -> SourceExtract:
    """Write a table's rows of an interval to a Parquet file in the lake.

    Raises:
        SourceUnreadable: If the table, or a column the spec names, does not exist.
    """
    with Postgres.open(connection(spec.connection)) as database, tempfile.TemporaryDirectory() as folder:
        query = _query(spec, _checked_columns(database, name, spec), interval)
        file = Path(folder) / "rows.parquet"
        with database.stream(query) as reader:
            rows = write_parquet(reader, file, _Cells(spec.watermark, interval, grid))
        lake.objects.write(uri, file)
    log.info("%s: %s rows of table %s.", name, f"{rows:,}", spec.table)
    return SourceExtract(source=name, uri=uri, rows=rows)


def _checked_columns(database: Postgres, name: str, spec: Table) -> dict[str, str]:
    """Give the columns to read, with their types."""
    there = database.columns(spec.table)
    if not there:
        raise SourceUnreadable(
            f"Source '{name}': connection '{spec.connection}' has no table '{spec.table}'.{did_you_mean(spec.table, database.tables())} "
            f"Fix: correct `table` in the use case, or grant its role the right to see it."
        )
    wanted = [*(spec.columns or there), *([spec.watermark] if spec.watermark else [])]
    for column in wanted:
        if column not in there:
            raise SourceUnreadable(f"Source '{name}': table '{spec.table}' has no column '{column}'.{did_you_mean(column, there)}")
    return {column: there[column] for column in dict.fromkeys(wanted)}


def _query(spec: Table, columns: dict[str, str], interval: Interval) -> str:
    """Write the query. The instants are literals: with bound values ADBC cannot use COPY, and holds the whole result in memory."""
    query = f"SELECT {select_list(columns)} FROM {quoted_table(spec.table)}"  # noqa: S608 - every name is quoted
    if spec.watermark is None:
        return query
    watermark = quoted(spec.watermark)
    if columns[spec.watermark] != "timestamp with time zone":
        watermark = f"({watermark}::timestamp AT TIME ZONE 'UTC')"
    start, end = (f"timestamptz '{instant.isoformat()}'" for instant in (interval.start, interval.end))
    return f"{query} WHERE {watermark} >= {start} AND {watermark} < {end} ORDER BY {watermark}"


class _Cells:
    """Adds to each batch the cell its rows belong to; a table without watermark belongs to the interval's last cell."""

    def __init__(self, watermark: str | None, interval: Interval, grid: Grid) -> None:
        self.watermark = watermark
        self.grid = grid
        self.last = cell_key(list(grid.cells(interval))[-1].start)

    def schema(self, schema: pa.Schema) -> pa.Schema:
        import pyarrow as pa

        return schema.append(pa.field(PARTITION, pa.string()))

    def add(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        import pyarrow as pa

        keys = cell_keys(batch[self.watermark], self.grid) if self.watermark else pa.array([self.last] * batch.num_rows, pa.string())
        return batch.append_column(PARTITION, keys)


def write_parquet(reader: pa.RecordBatchReader, file: Path, cells: _Cells) -> int:
    """Write a stream of batches; a thread writes while the next batch is fetched, and at most a few wait."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = cells.schema(reader.schema)
    # a dictionary pays for texts only: for numbers it doubles the time
    texts = [field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)]
    waiting: queue.Queue[pa.RecordBatch | None] = queue.Queue(WAITING_BATCHES)
    failed: list[BaseException] = []

    def write() -> None:
        try:
            with pq.ParquetWriter(file, schema, use_dictionary=texts, compression="zstd") as writer:
                while (batch := waiting.get()) is not None:
                    writer.write_batch(cells.add(batch))
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
            failed.append(error)
            while waiting.get() is not None:
                pass

    thread = threading.Thread(target=write)
    thread.start()
    rows = 0
    try:
        for batch in reader:
            rows += batch.num_rows
            waiting.put(batch)
            if failed:
                break
    finally:
        waiting.put(None)
        thread.join()
    if failed:
        raise failed[0]
    return rows
