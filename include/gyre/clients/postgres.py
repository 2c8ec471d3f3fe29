"""PostgreSQL through ADBC: what a table holds, and its rows as Arrow record batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gyre.connections import Connection
from gyre.errors import SourceUnreadable

if TYPE_CHECKING:
    import pyarrow as pa

# PostgreSQL's name of a type -> how it is read. The driver knows these as they are; any other type is read as text.
KNOWN_TYPES = {
    "boolean": "{}",
    "smallint": "{}",
    "integer": "{}",
    "bigint": "{}",
    "real": "{}",
    "double precision": "{}",
    "text": "{}",
    "character varying": "{}",
    "bytea": "{}",
    "date": "{}",
    "timestamp with time zone": "{}",
    "timestamp without time zone": "({} AT TIME ZONE 'UTC')",  # an instant, and UTC where nothing else is said
    "numeric": "{}::double precision",
}
COLUMNS = """
    SELECT a.attname, regexp_replace(format_type(a.atttypid, NULL), '\\(.*', '')
    FROM pg_attribute a WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
TABLES = """
    SELECT CASE schemaname WHEN 'public' THEN tablename ELSE schemaname || '.' || tablename END
    FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema') LIMIT 500
"""


def quoted(name: str) -> str:
    """Quote an identifier."""
    return '"' + name.replace('"', '""') + '"'


def quoted_table(table: str) -> str:
    """Quote `schema.table` or `table`."""
    return ".".join(quoted(part) for part in table.split("."))


@dataclass(frozen=True)
class Postgres:
    """One database, over one connection."""

    _connection: Any

    @classmethod
    @contextmanager
    def open(cls, conn: Connection) -> Iterator[Postgres]:
        """Connect.

        Raises:
            SourceUnreadable: If the server refuses, or the query on it fails.
        """
        import adbc_driver_postgresql.dbapi as adbc

        try:
            with adbc.connect(conn.postgres_uri) as connection:
                yield cls(connection)
        except adbc.ProgrammingError as error:
            raise SourceUnreadable(f"The database of connection '{conn.conn_id}' refuses the query: {_first_line(error)}") from error

    def columns(self, table: str) -> dict[str, str]:
        """Name a table's columns with their types; none if there is no such table."""
        return dict(self._rows(COLUMNS, [quoted_table(table)]))

    def tables(self) -> list[str]:
        """Name the tables, with their schemas."""
        return [str(row[0]) for row in self._rows(TABLES, [])]

    def _rows(self, query: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(query, parameters or None)
            return list(cursor.fetchall())

    @contextmanager
    def stream(self, query: str) -> Iterator[pa.RecordBatchReader]:
        """Run a query and give its rows batch by batch, as long as the block lasts (the reader needs its cursor)."""
        with self._connection.cursor() as cursor:
            cursor.execute(query)
            yield cursor.fetch_record_batch()


def select_list(columns: dict[str, str]) -> str:
    """Write the columns of a SELECT, each read in a type that Arrow has."""
    return ", ".join(f"{KNOWN_TYPES.get(kind, '{}::text').format(quoted(name))} AS {quoted(name)}" for name, kind in columns.items())


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0]
