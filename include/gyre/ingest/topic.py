"""Land a topic: append its new messages to its table, each exactly once.

How far it was read is the table's own application transaction `topic/<partition>`, committed with the rows themselves: a commit that another
writer was faster with fails, and is done anew from where that one ended. Nothing else remembers an offset.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gyre.cells import cell_keys
from gyre.clients import kafka
from gyre.connections import connection
from gyre.ingest.messages import Rejected, arrow_schema, parse, rejected_rows
from gyre.lake import PARTITION, Lake
from gyre.specs import Grid, Topic

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import CommitProperties, DeltaTable

log = logging.getLogger("gyre.job")

MESSAGES_A_COMMIT = 500_000
TRIES = 10


@dataclass(frozen=True)
class Landed:
    """What was added to a topic's table.

    Attributes:
        rows: Messages added.
        unreadable: Messages kept aside.
        version: The table's version.
    """

    rows: int
    unreadable: int
    version: int


def land(name: str, spec: Topic, grid: Grid, lake: Lake) -> Landed:
    """Append what a topic has beyond the recorded offsets to `sources/<name>`, and what cannot be read to `rejected/<name>`."""
    rows = unreadable = 0
    with kafka.Topic.open(connection(spec.connection), spec.topic) as topic:
        high = {partition: end for partition, (_, end) in topic.offsets().items()}
        table = _open_or_create(lake, "sources", name, schema=_landing_schema(spec), by=PARTITION)
        for _ in range(TRIES):
            table, added, bad, finished = _land_new(name, spec, grid, lake, topic, table)
            rows, unreadable = rows + added, unreadable + bad
            if finished:
                break
    log.info("%s: %s new messages of topic %s up to offsets %s, %s unreadable.", name, f"{rows:,}", spec.topic, high, unreadable)
    return Landed(rows, unreadable, table.version())


def _open_or_create(lake: Lake, *parts: str, schema: pa.Schema, by: str | None = None) -> DeltaTable:
    """Open a table, or make it; two that make it at once end with one."""
    from deltalake import DeltaTable

    table = lake.table(*parts)
    if table is None:
        options = dict(lake.options)
        DeltaTable.create(lake.uri(*parts), schema=schema, mode="ignore", partition_by=by, storage_options=options)
        table = DeltaTable(lake.uri(*parts), storage_options=options)
    return table


def _landing_schema(spec: Topic) -> pa.Schema:
    import pyarrow as pa

    return arrow_schema(spec.fields).append(pa.field("_epoch", pa.int32())).append(pa.field(PARTITION, pa.string()))


def _land_new(name: str, spec: Topic, grid: Grid, lake: Lake, topic: kafka.Topic, table: DeltaTable) -> tuple[DeltaTable, int, int, bool]:
    """Land from the recorded offsets to the topic's end; unfinished if another writer was faster."""
    from deltalake.exceptions import CommitFailedError

    epoch, ranges = _ranges(spec.topic, topic.offsets(), table)
    rows = unreadable = 0
    try:
        for part in _parts(ranges):
            good, bad = _read(topic, part, spec)
            ends = {p: end for p, (_, end) in part.items()}
            _set_aside(name, spec, lake, bad, epoch, ends)
            table = _append(table, good, spec, grid, epoch, ends)
            rows, unreadable = rows + good.num_rows, unreadable + len(bad)
    except CommitFailedError as error:
        log.info("%s: another run landed messages meanwhile (%s); going on from where it ended.", name, error)
        table.update_incremental()
        return table, rows, unreadable, False
    return table, rows, unreadable, True


def _ranges(name: str, offsets: dict[int, tuple[int, int]], table: DeltaTable) -> tuple[int, dict[int, tuple[int, int]]]:
    """Say which offsets are new, and in which life (epoch) of the topic: one that was deleted and made again begins another."""
    epoch = 0
    while any(table.transaction_version(_transaction(p, epoch + 1)) is not None for p in offsets):
        epoch += 1
    recorded = {p: table.transaction_version(_transaction(p, epoch)) for p in offsets}
    if any(seen is not None and seen > offsets[p][1] for p, seen in recorded.items()):
        log.warning("Topic %s ends before what was read of it (%s, read to %s): it was made anew. Reading it from its beginning.", name, offsets, recorded)
        epoch, recorded = epoch + 1, dict.fromkeys(offsets)
    lost = {p: (seen, offsets[p][0]) for p, seen in recorded.items() if seen is not None and seen < offsets[p][0]}
    if lost:
        log.warning("Topic %s no longer has the messages {partition: (from, to)} %s: they expired before they were read.", name, lost)
    return epoch, {p: (max(low, recorded[p] or 0), high) for p, (low, high) in offsets.items() if max(low, recorded[p] or 0) < high}


def _parts(ranges: dict[int, tuple[int, int]]) -> list[dict[int, tuple[int, int]]]:
    """Cut offset ranges into pieces of bounded size, one commit each."""
    size = max(1, MESSAGES_A_COMMIT // max(1, len(ranges)))
    most = max((end - start for start, end in ranges.values()), default=0)
    cuts = [{p: (start + i, min(end, start + i + size)) for p, (start, end) in ranges.items() if start + i < end} for i in range(0, most, size)]
    return [cut for cut in cuts if cut]


def _read(topic: kafka.Topic, ranges: dict[int, tuple[int, int]], spec: Topic) -> tuple[pa.Table, list[Rejected]]:
    import pyarrow as pa

    tables, rejected = [arrow_schema(spec.fields).empty_table()], []
    for records in topic.read(ranges):
        table, bad = parse(records, spec.fields)
        tables.append(table)
        rejected += bad
    return pa.concat_tables(tables), rejected


def _append(table: DeltaTable, rows: pa.Table, spec: Topic, grid: Grid, epoch: int, ends: dict[int, int]) -> DeltaTable:
    """Commit rows and offsets together; fails if another writer committed offsets since `table` was opened."""
    import pyarrow as pa
    from deltalake import write_deltalake

    rows = rows.append_column("_epoch", pa.array([epoch] * rows.num_rows, pa.int32()))
    rows = rows.append_column(PARTITION, cell_keys(rows[spec.event_time], grid))
    write_deltalake(table, rows, mode="append", schema_mode="merge", commit_properties=_offsets(ends, epoch))
    return table


def _set_aside(name: str, spec: Topic, lake: Lake, bad: list[Rejected], epoch: int, ends: dict[int, int]) -> None:
    """Keep unreadable messages, each once, by the same kind of transaction; before the offsets move, so that none is lost."""
    import pyarrow as pa
    from deltalake import write_deltalake

    if not bad:
        return
    schema = rejected_rows([], spec.topic).schema.append(pa.field("_epoch", pa.int32()))
    table = _open_or_create(lake, "rejected", name, schema=schema)
    kept = {partition: table.transaction_version(_transaction(partition, epoch)) or 0 for partition in ends}
    fresh = [each for each in bad if each.record.offset >= kept[each.record.partition]]
    if not fresh:
        return
    rows = rejected_rows(fresh, spec.topic).append_column("_epoch", pa.array([epoch] * len(fresh), pa.int32()))
    write_deltalake(table, rows, mode="append", commit_properties=_offsets(ends, epoch))
    log.warning("%s: %s messages cannot be read and are kept in rejected/%s; the first: %s", name, len(fresh), name, fresh[0].reason)


def _transaction(partition: int, epoch: int) -> str:
    return f"topic/{partition}" if epoch == 0 else f"topic/{partition}/{epoch}"


def _offsets(ends: dict[int, int], epoch: int) -> CommitProperties:
    from deltalake import CommitProperties, Transaction

    return CommitProperties(app_transactions=[Transaction(app_id=_transaction(p, epoch), version=end) for p, end in ends.items()])
