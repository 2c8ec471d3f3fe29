"""Publish what an audit let pass: sources, rows held back, and `validated` last, for its transaction is the watermark."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from gyre.errors import SourceUnreadable
from gyre.lake import PARTITION, Lake
from gyre.specs import Grid, Interval
from gyre.specs.ingest_messages import AuditResult

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger("gyre.job")

TRANSACTION = "publish"


def publish(audit: AuditResult, lake: Lake, grid: Grid) -> tuple[int, int]:
    """Replace an interval's cells in every table by what was staged.

    Killed at any line and run again, the end is the same: each table is replaced by one commit, and only the last makes it count.

    Returns:
        The version of `validated`, and its rows of the interval.
    """
    interval, attempt = Interval.parse(audit.start, audit.end), int(time.time() * 1000)
    assert audit.features and audit.held_back  # noqa: S101 - only an audit that did not block is published
    staged = {f"sources/{name}": uri for name, uri in audit.sources.items()} | {"quarantined": audit.held_back, "validated": audit.features}
    version = rows = 0
    for table, uri in staged.items():
        content = fitted(_read(lake, uri), _schema(lake, table), table)
        version, rows = lake.replace(table, content, interval, grid, transaction=TRANSACTION, version=attempt), content.num_rows
        log.info("%s: %s rows of %s, version %s.", table, f"{rows:,}", interval, version)
    return version, rows


def fitted(rows: pa.Table, schema: pa.Schema | None, table: str) -> pa.Table:
    """Give rows the column types that a table has already; a column that holds nothing at all is left out.

    Raises:
        SourceUnreadable: If a column's values do not fit.
    """
    import pyarrow as pa

    rows = rows.select([field.name for field in rows.schema if not pa.types.is_null(field.type)])
    known = {field.name: field.type for field in schema} if schema else {}
    for position, field in enumerate(rows.schema):
        wanted = known.get(field.name, field.type)
        if wanted != field.type:
            try:
                rows = rows.set_column(position, field.name, rows[field.name].cast(wanted))
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                raise SourceUnreadable(
                    f"Column '{field.name}' of {table} was published as {wanted} and comes as {field.type} now: {error}. "
                    "Fix: cast it in the source or the feature code, or publish under another name."
                ) from error
    return rows


def _read(lake: Lake, uri: str) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = pq.read_table(pa.BufferReader(lake.objects.read(uri)))
    assert PARTITION in rows.column_names  # noqa: S101 - every staged file has it
    return rows


def _schema(lake: Lake, table: str) -> pa.Schema | None:
    import pyarrow as pa

    existing = lake.table(*table.split("/"))
    return pa.schema(existing.schema().to_arrow()) if existing else None
