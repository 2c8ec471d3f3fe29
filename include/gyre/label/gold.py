"""Rows whose answer is known: put among the tasks, they measure each annotator."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from gyre.clients.object_store import LAKE_CONNECTION, Objects
from gyre.errors import SourceUnreadable, did_you_mean
from gyre.label.answers import Answers
from gyre.label.questions import cell_of, read_rows
from gyre.lake import PARTITION, Lake
from gyre.specs import People, UseCase

if TYPE_CHECKING:
    import polars as pl


def read_gold(use_case: UseCase, people: People, lake: Lake, answers: Answers) -> pl.DataFrame | None:
    """Read the published rows whose answer is known, as `read_rows` gives them, with `label`; None if the spec names no file.

    Raises:
        SourceUnreadable: If there is no such file, or it lacks a column.
    """
    import polars as pl

    if people.gold is None:
        return None
    try:
        known = pl.read_parquet(io.BytesIO(Objects.of(people.files or LAKE_CONNECTION, people.gold).read(people.gold)))
    except FileNotFoundError as error:
        raise SourceUnreadable(f"There is no file {people.gold}, which labels.gold names. Fix: put it there, or take labels.gold out.") from error
    for column in (*use_case.keys, "label"):
        if column not in known.columns:
            raise SourceUnreadable(f"labels.gold, {people.gold}, has no column '{column}'.{did_you_mean(column, known.columns)}")
    table = lake.table("validated")
    cells = sorted(cell_of(use_case, str(part[PARTITION])) for part in (table.partitions() if table else []))
    rows = read_rows(use_case, people, lake, cells)
    labels = pl.Series("label", [answers.typed(value) for value in known["label"].to_list()], dtype=answers.dtype)
    keys = known.select(use_case.keys).cast({name: rows.schema[name] for name in use_case.keys})
    return rows.join(keys.with_columns(labels).unique(use_case.keys, keep="last"), on=use_case.keys, how="inner", maintain_order="left")
