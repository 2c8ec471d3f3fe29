"""Where a use case's rows come from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from gyre.specs.base import Spec


class Table(Spec):
    """A table of a database, read by a watermark column.

    Attributes:
        connection: Connection id (PostgreSQL).
        table: `schema.table` or `table`.
        watermark: The column whose value decides which interval a row belongs to. Without one the whole (small)
            table is read every time, as one reads a dimension.
        columns: Columns to read; all of them when empty.
    """

    kind: Literal["table"] = "table"
    connection: str
    table: str
    watermark: str | None = None
    columns: list[str] = []

    @property
    def event_time(self) -> str | None:
        """Column that holds a row's event time."""
        return self.watermark


class Objects(Spec):
    """Files in an object store, found by a pattern of their key.

    Attributes:
        connection: Connection id of the store (may be empty for `file://`).
        uri: `s3://bucket/weather/{start:%Y-%m-%d}.parquet`; `start` is the start of each cell of the interval,
            and `*` matches within a folder, as in `s3://bucket/clicks/{start:%Y/%m/%d}/*.jsonl`.
        format: `parquet`, `csv`, `jsonl`, or `binary`: any file (a picture, a sound), one row each, with the columns `uri`, `name` (the last
            part of the key), `content` (bytes), `size` and `modified_at`.
        event_time: Column that holds a row's event time, if there is one; a row belongs to the cell of its file.
    """

    kind: Literal["objects"] = "objects"
    connection: str | None = None
    uri: str
    format: Literal["parquet", "csv", "jsonl", "binary"] = "parquet"
    event_time: str | None = None

    @model_validator(mode="after")
    def _pattern_can_be_formatted(self) -> Objects:
        from datetime import UTC, datetime

        if "://" not in self.uri:
            raise ValueError(f"uri '{self.uri}' has no scheme. Fix: begin with s3://, gs://, az:// or file://")
        try:
            self.uri.format(start=datetime(2000, 1, 1, tzinfo=UTC), end=datetime(2000, 1, 2, tzinfo=UTC))
        except (KeyError, ValueError, IndexError) as error:
            raise ValueError(f"uri '{self.uri}' cannot be filled in: {error}. Fix: use only {{start:%Y-%m-%d}} and {{end:...}}") from error
        return self


class Topic(Spec):
    """JSON messages of a Kafka topic, read by recorded offsets.

    Attributes:
        connection: Connection id (Kafka; `extra` holds `bootstrap.servers` and so on).
        topic: Name of the topic.
        event_time: Field that holds a message's event time (ISO 8601 text or epoch milliseconds).
        fields: Field -> type. A message that lacks one that is not `?` (optional), or holds another type, is kept aside.
    """

    kind: Literal["topic"] = "topic"
    connection: str
    topic: str
    event_time: str
    fields: dict[str, Literal["string", "integer", "number", "boolean", "timestamp", "string?", "integer?", "number?", "boolean?", "timestamp?"]]

    @model_validator(mode="after")
    def _event_time_is_a_timestamp(self) -> Topic:
        if self.fields.get(self.event_time) != "timestamp":
            raise ValueError(f"event_time '{self.event_time}' must be one of fields, of type 'timestamp'; fields are {self.fields}")
        return self


Source = Annotated[Table | Objects | Topic, Field(discriminator="kind")]
