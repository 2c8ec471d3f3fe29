"""Extract every source of an interval, one after the other, each to its own file."""

from __future__ import annotations

from gyre.ingest.objects import extract_objects
from gyre.ingest.table import extract_table
from gyre.ingest.topic import land
from gyre.lake import Lake, in_cells
from gyre.specs import Interval, Objects, Table, Topic, UseCase
from gyre.specs.ingest_messages import SourceExtract


def extract(use_case: UseCase, interval: Interval, job_id: str, lake: Lake) -> list[SourceExtract]:
    """Extract every source of a use case.

    Raises:
        SourceUnreadable: If a source does not hold what the spec says.
    """
    extracts = []
    for name, spec in use_case.sources.items():
        uri = lake.uri("staging", job_id, f"{name}.parquet")
        if isinstance(spec, Table):
            extracts.append(extract_table(name, spec, interval, use_case.schedule.grid, lake, uri))
        elif isinstance(spec, Objects):
            extracts.append(extract_objects(name, spec, interval, use_case.schedule.grid, lake, uri))
        else:
            extracts.append(_extract_topic(name, spec, interval, use_case, lake))
    return extracts


def _extract_topic(name: str, spec: Topic, interval: Interval, use_case: UseCase, lake: Lake) -> SourceExtract:
    """Land a topic whole; its extract is its table at this version."""
    from pyarrow.parquet import filters_to_expression

    landed = land(name, spec, use_case.schedule.grid, lake)
    table = lake.table("sources", name, version=landed.version)
    rows = table.to_pyarrow_dataset().count_rows(filter=filters_to_expression(in_cells(interval))) if table else 0
    return SourceExtract(source=name, uri=lake.uri("sources", name), version=landed.version, rows=rows, unreadable=landed.unreadable)
