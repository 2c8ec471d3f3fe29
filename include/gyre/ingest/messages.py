"""Read JSON messages in bulk, and set aside those that are not what the spec says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from gyre.clients.kafka import Record

if TYPE_CHECKING:
    import pyarrow as pa

OFFSETS = ("_partition", "_offset")
LONGEST_RAW_TEXT = 10_000
ONE_BY_ONE = 32


@dataclass(frozen=True)
class Rejected:
    """A message that cannot be used, and why."""

    record: Record
    reason: str


def arrow_schema(fields: Mapping[str, str]) -> pa.Schema:
    """Give the columns of a topic's table: the fields, then where each message lay."""
    import pyarrow as pa

    types = {"string": pa.string(), "integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_(), "timestamp": pa.timestamp("us", "UTC")}
    return pa.schema([(name, types[kind.rstrip("?")]) for name, kind in fields.items()] + [("_partition", pa.int32()), ("_offset", pa.int64())])


def parse(records: list[Record], fields: Mapping[str, str]) -> tuple[pa.Table, list[Rejected]]:
    """Turn messages into rows.

    Args:
        records: Messages as they lie on the topic.
        fields: Field -> type, as in the spec; other fields of a message are ignored.

    Returns:
        One row a good message, in the order given, and the others with their reasons.
    """
    import pyarrow as pa

    table = _parse_in_bulk(records, fields)
    if table is not None:
        return table, []
    if len(records) <= ONE_BY_ONE:
        return _parse_one_by_one(records, fields)
    # a bad one is somewhere in it: halve until it is cornered, and the others still go fast
    half = len(records) // 2
    (first, bad), (second, worse) = parse(records[:half], fields), parse(records[half:], fields)
    return pa.concat_tables([first, second]), [*bad, *worse]


def _parse_in_bulk(records: list[Record], fields: Mapping[str, str]) -> pa.Table | None:
    """Parse all at once, which is fast; None if any of them is not as it should be."""
    import pyarrow as pa
    import pyarrow.json as pj

    values = [record.value for record in records]
    if not values or any(value is None or b"\n" in value for value in values):
        return None
    schema = arrow_schema(fields)
    wanted = pa.schema([field for field in schema if field.name not in OFFSETS])
    try:
        text = pa.BufferReader(b"\n".join(values))  # type: ignore[arg-type]
        table = pj.read_json(text, parse_options=pj.ParseOptions(explicit_schema=wanted, unexpected_field_behavior="ignore"))
    except pa.ArrowInvalid:
        return None
    required = [name for name, kind in fields.items() if not kind.endswith("?")]
    if table.num_rows != len(records) or any(table[name].null_count for name in required):
        return None
    return _with_offsets(table.select(wanted.names), records).cast(schema)


def _parse_one_by_one(records: list[Record], fields: Mapping[str, str]) -> tuple[pa.Table, list[Rejected]]:
    import pyarrow as pa

    good: list[Record] = []
    rows: list[dict[str, Any]] = []
    rejected: list[Rejected] = []
    for record in records:
        try:
            rows.append(_row(record.value, fields))
            good.append(record)
        except ValueError as reason:
            rejected.append(Rejected(record, str(reason)))
    schema = arrow_schema(fields)
    wanted = pa.schema([field for field in schema if field.name not in OFFSETS])
    return _with_offsets(pa.Table.from_pylist(rows, wanted), good).cast(schema), rejected


def _with_offsets(table: pa.Table, records: list[Record]) -> pa.Table:
    import pyarrow as pa

    table = table.append_column("_partition", pa.array([record.partition for record in records], pa.int32()))
    return table.append_column("_offset", pa.array([record.offset for record in records], pa.int64()))


def _row(value: bytes | None, fields: Mapping[str, str]) -> dict[str, Any]:
    """Read one message.

    Raises:
        ValueError: Saying what is wrong with it.
    """
    if value is None:
        raise ValueError("empty message")
    try:
        message = json.loads(value)
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from error
    if not isinstance(message, dict):
        raise ValueError(f"not a JSON object but {type(message).__name__}")  # noqa: TRY004 - what is wrong with a value
    return {name: _field(message.get(name), name, kind) for name, kind in fields.items()}


def _field(value: Any, name: str, kind: str) -> Any:
    """Check one field's type."""
    if value is None:
        if kind.endswith("?"):
            return None
        raise ValueError(f"field '{name}' is missing")
    plain = kind.rstrip("?")
    if plain == "timestamp":
        return _instant(value, name)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = {
        "string": isinstance(value, str),
        "boolean": isinstance(value, bool),
        "number": number,
        "integer": number and float(value).is_integer() and abs(value) < 2**63,
    }
    if not fits[plain]:
        raise ValueError(f"field '{name}' is {json.dumps(value)[:80]}, which is no {plain}")
    return {"number": float, "integer": int}.get(plain, lambda same: same)(value)


def _instant(value: Any, name: str) -> datetime:
    """Read ISO 8601 text (UTC if it has no offset) or milliseconds since 1970."""
    try:
        if isinstance(value, str):
            instant = datetime.fromisoformat(value)
            return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    raise ValueError(f"field '{name}' is {json.dumps(value)[:80]}, which is no timestamp")


def rejected_rows(rejected: list[Rejected], topic: str) -> pa.Table:
    """Give what is kept of the messages that cannot be used."""
    import pyarrow as pa

    return pa.table(
        {
            "topic": pa.array([topic] * len(rejected), pa.string()),
            "raw": pa.array([(r.record.value or b"")[:LONGEST_RAW_TEXT].decode(errors="replace") for r in rejected], pa.string()),
            "reason": pa.array([r.reason for r in rejected], pa.string()),
            "_partition": pa.array([r.record.partition for r in rejected], pa.int32()),
            "_offset": pa.array([r.record.offset for r in rejected], pa.int64()),
        }
    )
