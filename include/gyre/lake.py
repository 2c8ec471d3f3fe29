"""Where a partition lives, and how it is written once.

One use case's tables under `<lake>/<use_case>/`:

    sources/<name>   rows of a source that passed the audit (a topic: its messages, appended)
    validated        one row an item: keys, event time, features
    quarantined      rows held back, with the reason
    labelled         validated rows whose label has come
    predictions      what the endpoint answered
    label_tasks      what people were asked, appended          annotations   what they answered, appended

Every table but a topic's and people's has the partition column `_interval`, the cell a row belongs to. A commit that publishes cells carries one
application transaction a cell, so the table itself says which cells are published: there is no other watermark.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gyre.clients.object_store import LAKE_CONNECTION, Objects, storage_options
from gyre.connections import connection
from gyre.settings import settings
from gyre.specs.interval import Grid, Interval, cell_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deltalake import DeltaTable

PARTITION = "_interval"


@dataclass(frozen=True)
class Lake:
    """One use case's tables and files.

    Attributes:
        root: `<lake>/<use_case>`.
        options: Storage options of the lake's object store.
    """

    root: str
    options: Mapping[str, str]

    @classmethod
    def of(cls, use_case: str) -> Lake:
        """Open a use case's part of the lake, with the connection this process was given."""
        uri = settings().lake_uri
        conn = None if uri.startswith("file://") else connection(LAKE_CONNECTION)
        return cls(f"{uri}/{use_case}", storage_options(conn))

    @property
    def objects(self) -> Objects:
        """The files beside the tables."""
        return Objects.of(LAKE_CONNECTION, self.root)

    def uri(self, *parts: str) -> str:
        """Address of a table or a file of this use case."""
        return "/".join([self.root, *parts])

    def table(self, *parts: str, version: int | None = None) -> DeltaTable | None:
        """Open a table, at its newest or a given version; None if nothing was ever written to it."""
        from deltalake import DeltaTable
        from deltalake.exceptions import TableNotFoundError

        try:
            return DeltaTable(self.uri(*parts), version=version, storage_options=dict(self.options))
        except TableNotFoundError:
            return None

    def replace(self, table: str, rows: Any, interval: Interval, grid: Grid, *, transaction: str, version: int) -> int:
        """Replace an interval's cells by these rows in one commit, and mark each cell as published.

        Repeating it changes nothing but the table's version: killed before the commit it left nothing, killed after it all.

        Args:
            table: `validated`, `sources/weather`...
            rows: Arrow-compatible table (pyarrow, polars) with the column `_interval`; may be empty.
            interval: Whole cells of `grid`.
            grid: The use case's cells.
            transaction: Name of the kind of transaction, `publish`.
            version: Increases with every publication (milliseconds of the attempt).

        Returns:
            The table's new version.
        """
        from deltalake import CommitProperties, Transaction, write_deltalake

        start, end = cell_key(interval.start), cell_key(interval.end)
        marks = [Transaction(app_id=f"{transaction}/{cell_key(cell.start)}", version=version) for cell in grid.cells(interval)]
        existing = self.table(*table.split("/"))
        overwrite: dict[str, Any] = {"predicate": f"{PARTITION} >= '{start}' AND {PARTITION} < '{end}'"} if existing else {}
        write_deltalake(
            self.uri(*table.split("/")),
            rows,
            mode="overwrite",
            partition_by=[PARTITION],
            schema_mode="merge" if existing else None,
            storage_options=dict(self.options),
            commit_properties=CommitProperties(app_transactions=marks),
            **overwrite,
        )
        written = self.table(*table.split("/"))
        assert written is not None  # noqa: S101 - it was written a line above
        return int(written.version())

    def published(self, table: str, cells: Iterable[Interval], *, transaction: str = "publish") -> list[Interval]:
        """Say which of these cells a table holds (an empty one counts, once it was published)."""
        delta = self.table(*table.split("/"))
        if delta is None:
            return []
        return [cell for cell in cells if delta.transaction_version(f"{transaction}/{cell_key(cell.start)}") is not None]


def in_cells(interval: Interval) -> list[tuple[str, str, str]]:
    """Filter of a Delta read (pyarrow's form) for the cells of an interval."""
    return [(PARTITION, ">=", cell_key(interval.start)), (PARTITION, "<", cell_key(interval.end))]
