"""Run a use case's feature function on what its sources held, and check what it returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gyre.cells import cell_keys
from gyre.errors import SourceUnreadable, did_you_mean
from gyre.frames import model_frame
from gyre.lake import PARTITION, Lake, in_cells
from gyre.specs import Interval, Table, Topic, UseCase
from gyre.specs.ingest_messages import SourceExtract

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

ORDER_OF_ARRIVAL = [("_epoch", "ascending"), ("_partition", "ascending"), ("_offset", "ascending")]


def read_extract(lake: Lake, extract: SourceExtract, interval: Interval) -> pa.Table:
    """Read a source's rows of an interval; a topic's in the order in which they came."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if extract.version is None:
        return pq.read_table(pa.BufferReader(lake.objects.read(extract.uri)))
    table = lake.table("sources", extract.source, version=extract.version)
    assert table is not None  # noqa: S101 - its version was read when it was landed
    return table.to_pyarrow_table(filters=in_cells(interval)).sort_by(ORDER_OF_ARRIVAL)


def with_lookback(use_case: UseCase, lake: Lake, name: str, rows: pa.Table, interval: Interval) -> pa.Table:
    """Put the published rows of `schedule.lookback` before a source's rows."""
    import pyarrow as pa

    schedule, spec = use_case.schedule, use_case.sources[name]
    start = max(schedule.grid.floor(interval.start - schedule.lookback), schedule.start)
    if start >= interval.start or (isinstance(spec, Table) and spec.watermark is None):
        return rows
    table = lake.table("sources", name)
    if table is None:
        return rows
    earlier = table.to_pyarrow_table(filters=in_cells(Interval(start, interval.start)))
    if isinstance(spec, Topic):
        earlier = earlier.sort_by(ORDER_OF_ARRIVAL)
    return pa.concat_tables([earlier, rows], promote_options="permissive") if earlier.num_rows else rows


def without_bookkeeping(rows: pa.Table) -> pd.DataFrame:
    """Give a frame of the source's own columns (Gyre's begin with an underscore)."""
    return rows.select([name for name in rows.column_names if not name.startswith("_")]).to_pandas()


def make_features(use_case: UseCase, function: Callable[..., pd.DataFrame], sources: dict[str, pd.DataFrame], interval: Interval) -> pa.Table:
    """Run the feature function, and check and type what it returns: keys, event time, features, carried columns, `_interval`.

    Raises:
        SourceUnreadable: If a column is missing, a key is missing or twice there, or a row's event time is not in the interval.
    """
    import pandas as pd
    import pyarrow as pa

    made = function(sources, interval)
    where = use_case.features.function
    if not isinstance(made, pd.DataFrame):
        raise SourceUnreadable(f"{where} must return a pandas DataFrame, it returned {type(made).__name__}.")
    _check(use_case, made, interval)
    carried = {column: made[column].astype("object").where(made[column].notna(), None).map(str, na_action="ignore") for column in use_case.features.carried}
    parts = [made[[*use_case.keys, use_case.event_time]], model_frame(made, use_case.features), pd.DataFrame(carried, index=made.index)]
    frame = pd.concat(parts, axis=1)
    frame = frame.loc[:, ~frame.columns.duplicated()].reset_index(drop=True)
    rows = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    types = {**dict.fromkeys(carried, pa.string()), **dict.fromkeys(use_case.features.binary, pa.large_binary())}
    for column, kind in {**types, use_case.event_time: pa.timestamp("us", "UTC")}.items():
        rows = rows.set_column(rows.column_names.index(column), column, rows[column].cast(kind))
    return rows.append_column(PARTITION, cell_keys(rows[use_case.event_time], use_case.schedule.grid))


def _check(use_case: UseCase, made: pd.DataFrame, interval: Interval) -> None:
    where = use_case.features.function
    for column in [*use_case.keys, use_case.event_time, *use_case.features.columns, *use_case.features.carried]:
        if column not in made.columns:
            raise SourceUnreadable(f"{where} returned no column '{column}'.{did_you_mean(column, map(str, made.columns))}")
    nameless = made[use_case.keys].isna().any(axis=1)
    if nameless.any():
        raise SourceUnreadable(f"{where} returned {nameless.sum()} rows without a key ({', '.join(use_case.keys)}).")
    twice = made[made.duplicated(use_case.keys, keep=False)]
    if len(twice):
        examples = twice[use_case.keys].drop_duplicates().head(5).to_dict("records")
        raise SourceUnreadable(f"{where} returned {len(twice)} rows whose key is not unique, such as {examples}. Fix: return one row an item.")
    times = made[use_case.event_time]
    if getattr(times.dtype, "tz", None) is None:
        raise SourceUnreadable(f"{where}: event time '{use_case.event_time}' is {times.dtype}. Fix: return instants with a time zone (UTC).")
    outside = times.isna() | (times < interval.start) | (times >= interval.end)
    if outside.any():
        examples = times[outside].head(3).astype(str).tolist()
        raise SourceUnreadable(f"{where} returned {outside.sum()} rows whose event time is not in {interval}, such as {examples}.")
