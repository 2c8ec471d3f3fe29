"""The rows that people can be asked about, each with the content key that its task carries."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gyre.errors import InvalidUseCase
from gyre.label.join import read_cells
from gyre.lake import PARTITION, Lake
from gyre.specs import Interval, People, UseCase, parse_instant

if TYPE_CHECKING:
    import polars as pl

KEY = "gyre_key"
REASON = "gyre_reason"
KEY_LENGTH = 24  # hexadecimal digits: 96 bits


def refuse_private(use_case: UseCase, people: People) -> None:
    """Insist that nothing private leaves.

    Raises:
        InvalidUseCase: If a column that people are shown is private, or one that names the rows: its hash leaves as a part of `gyre_key`.
    """
    for variable, column in people.template.shown.items():
        if column in use_case.private:
            raise InvalidUseCase(
                use_case.name,
                f"labels.template shows the column '{column}' (as '{variable}'), which is private: nothing was sent. "
                "Fix: show another column, or take it out of `private`.",
            )
    for column in use_case.keys:
        if column in use_case.private:
            raise InvalidUseCase(
                use_case.name,
                f"the key column '{column}' is private, and a hash of it would leave with each task, from which it could be guessed: nothing was sent. "
                "Fix: name the rows by another column, or take it out of `private`.",
            )


def read_rows(use_case: UseCase, people: People, lake: Lake, cells: Sequence[Interval]) -> pl.DataFrame:
    """Read what tasks are made of: keys, event time, shown columns and cell of each validated row, and its content key as `gyre_key`.

    Rows that lack something that is to be shown are left out.
    """
    import polars as pl

    shown = list(people.template.shown.values())
    columns = list(dict.fromkeys([*use_case.keys, use_case.event_time, *shown, PARTITION]))
    rows = read_cells(lake, "validated", cells, columns)
    if rows is None:
        return pl.DataFrame(schema=dict.fromkeys([*columns, KEY], pl.String))
    rows = rows.drop_nulls(shown)
    return rows.with_columns(pl.Series(KEY, content_keys(use_case, people, rows), dtype=pl.String)).unique(KEY, keep="first", maintain_order=True)


def content_keys(use_case: UseCase, people: People, rows: pl.DataFrame) -> list[str]:
    """Name each row's content: equal keys and equal shown values give an equal key, in any process, and other ones another."""
    columns = [*use_case.keys, *sorted(set(people.template.shown.values()))]
    return [hashlib.sha256(json.dumps(row, default=plain).encode()).hexdigest()[:KEY_LENGTH] for row in rows.select(columns).iter_rows()]


def data_of(people: People, row: dict[str, Any]) -> dict[str, Any]:
    """Give a task's data: what is shown, and nothing else of the row."""
    shown = {variable: row[column] for variable, column in people.template.shown.items()}
    read: dict[str, Any] = json.loads(json.dumps(shown, default=plain))
    return read


def cell_of(use_case: UseCase, key: str) -> Interval:
    """Read what `cell_key` wrote."""
    start = parse_instant(key)
    return Interval(start, use_case.schedule.grid.after(start))


def plain(value: Any) -> Any:
    """Write what JSON does not know: instants as ISO 8601, numpy's numbers as numbers, anything else as text."""
    if isinstance(value, datetime):
        return value.isoformat()
    return value.item() if hasattr(value, "item") else str(value)
