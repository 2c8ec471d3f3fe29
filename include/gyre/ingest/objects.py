"""Extract objects: those whose key fits the pattern of each cell. One that was read before and has not changed is not read again."""

from __future__ import annotations

import fnmatch
import hashlib
import io
import logging
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from gyre.clients.object_store import ObjectInfo
from gyre.clients.object_store import Objects as Store
from gyre.errors import SourceUnreadable
from gyre.lake import PARTITION, Lake
from gyre.specs import Grid, Interval, Objects, cell_key
from gyre.specs.ingest_messages import SourceExtract

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger("gyre.job")

AT_ONCE = 8


@dataclass(frozen=True)
class Found:
    """What is read, and kept, together: one table of a cell, or all files of a cell where each is one row.

    Attributes:
        cell: Key of the cell they belong to.
        infos: Their addresses, sizes and ETags.
    """

    cell: str
    infos: tuple[ObjectInfo, ...]

    @property
    def cache_name(self) -> str:
        """Name of the extracted rows: another content has another name."""
        text = "\n".join(f"{info.uri}\n{info.etag}\n{info.size}" for info in self.infos)
        return f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.parquet"


def extract_objects(name: str, spec: Objects, interval: Interval, grid: Grid, lake: Lake, uri: str) -> SourceExtract:
    """Write the rows of an interval's objects to a Parquet file in the lake.

    Raises:
        SourceUnreadable: If an object is not of the format that the spec says, or none was found at all.
    """
    store = Store.of(spec.connection, spec.uri)
    found, missing = manifest(store, spec, interval, grid)
    if not found:
        raise SourceUnreadable(
            f"Source '{name}': nothing lies at {missing[0]}"
            + (f" or the {len(missing) - 1} other places of the interval" if len(missing) > 1 else "")
            + ". Fix: deliver the objects, or correct `uri` in the use case."
        )
    cache = lake.uri("staging", "objects", name)
    known = {info.uri.rpartition("/")[2] for info in lake.objects.list(cache)}
    with ThreadPoolExecutor(AT_ONCE) as pool, ThreadPoolExecutor(AT_ONCE) as readers:
        tables = list(pool.map(partial(_rows, store=store, spec=spec, lake=lake, cache=cache, known=known, readers=readers), found))
    rows = _together(tables, name)
    lake.objects.write(uri, _parquet(rows))
    total = sum(len(each.infos) for each in found)
    unchanged = sum(len(each.infos) for each in found if each.cache_name in known)
    log.info("%s: %s rows of %s objects, %s of them unchanged since they were read; %s missing.", name, f"{rows.num_rows:,}", total, unchanged, len(missing))
    return SourceExtract(source=name, uri=uri, rows=rows.num_rows, objects_read=total - unchanged, objects_unchanged=unchanged, objects_missing=missing)


def manifest(store: Store, spec: Objects, interval: Interval, grid: Grid) -> tuple[list[Found], list[str]]:
    """List the objects of each cell, and the patterns that nothing fits. A pattern's dates are local ones of the schedule."""
    cells = list(grid.cells(interval))
    patterns = [spec.uri.format(start=cell.start.astimezone(grid.zone), end=cell.end.astimezone(grid.zone)) for cell in cells]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        listed = list(pool.map(partial(_matching, store), patterns))
    found = [Found(cell_key(cell.start), group) for cell, infos in zip(cells, listed, strict=True) for group in _groups(spec, infos)]
    return found, [pattern for pattern, infos in zip(patterns, listed, strict=True) if not infos]


def _groups(spec: Objects, infos: list[ObjectInfo]) -> list[tuple[ObjectInfo, ...]]:
    """Say what is kept together: a file each would cost many small pictures more than reading them again."""
    if spec.format == "binary":
        return [tuple(infos)] if infos else []
    return [(info,) for info in infos]


def _matching(store: Store, pattern: str) -> list[ObjectInfo]:
    if "*" not in pattern:
        info = store.info(pattern)
        return [info] if info else []
    folder = pattern[: pattern.index("*")].rpartition("/")[0]
    return [info for info in store.list(folder) if _fits(info.uri, pattern)]


def _fits(uri: str, pattern: str) -> bool:
    """Match folder by folder, so that `*` stays within one."""
    parts, wanted = uri.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(fnmatch.fnmatchcase(part, want) for part, want in zip(parts, wanted, strict=True))


def _rows(found: Found, *, store: Store, spec: Objects, lake: Lake, cache: str, known: set[str], readers: Executor) -> pa.Table:
    """Read what is found, or what is kept of it, and add its cell."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kept = f"{cache}/{found.cache_name}"
    if found.cache_name in known:
        rows = pq.read_table(pa.BufferReader(lake.objects.read(kept)))
    else:
        contents = list(readers.map(store.read, [info.uri for info in found.infos]))
        rows = _files(found.infos, contents) if spec.format == "binary" else _parse(contents[0], found.infos[0].uri, spec.format)
        lake.objects.write(kept, _parquet(rows))
    return rows.append_column(PARTITION, pa.array([found.cell] * rows.num_rows, pa.string()))


def _files(infos: Sequence[ObjectInfo], contents: list[bytes]) -> pa.Table:
    """Make a row of each file."""
    import pyarrow as pa

    return pa.table(
        {
            "uri": pa.array([info.uri for info in infos], pa.string()),
            "name": pa.array([info.uri.rpartition("/")[2] for info in infos], pa.string()),
            "content": pa.array(contents, pa.large_binary()),
            "size": pa.array([len(content) for content in contents], pa.int64()),
            "modified_at": pa.array([info.modified_at for info in infos], pa.timestamp("us", "UTC")),
        }
    )


def _parse(content: bytes, uri: str, kind: str) -> pa.Table:
    import pyarrow as pa

    readers: dict[str, Any] = {"parquet": _read_parquet, "csv": _read_csv, "jsonl": _read_jsonl}
    try:
        return readers[kind](pa.BufferReader(content))
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise SourceUnreadable(f"{uri} ({len(content):,} bytes) is not a readable {kind} file: {error}. Fix: deliver it again.") from error


def _read_parquet(file: pa.NativeFile) -> pa.Table:
    import pyarrow.parquet as pq

    return pq.read_table(file)


def _read_csv(file: pa.NativeFile) -> pa.Table:
    import pyarrow.csv

    return pyarrow.csv.read_csv(file)


def _read_jsonl(file: pa.NativeFile) -> pa.Table:
    import pyarrow.json

    return pyarrow.json.read_json(file)


def _together(tables: list[pa.Table], name: str) -> pa.Table:
    """Put objects together; where one has a column as whole numbers and another with decimals, decimals it is."""
    import pyarrow as pa

    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise SourceUnreadable(f"Source '{name}': its objects hold different types for one column: {error}") from error


def _parquet(rows: pa.Table) -> bytes:
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(rows, buffer, compression="zstd")
    return buffer.getvalue()
