"""Kafka, read by offsets that the reader keeps: no consumer group, so nothing is remembered anywhere else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gyre.connections import Connection
from gyre.errors import SourceUnreadable, did_you_mean

if TYPE_CHECKING:
    from confluent_kafka import Consumer

TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Record:
    """One message as it lies on the topic."""

    partition: int
    offset: int
    value: bytes | None


@dataclass(frozen=True)
class Topic:
    """One topic.

    Attributes:
        name: Its name.
    """

    name: str
    _consumer: Consumer

    @classmethod
    @contextmanager
    def open(cls, conn: Connection, name: str) -> Iterator[Topic]:
        """Connect to the brokers in the connection's `extra` (`bootstrap.servers` and whatever librdkafka takes).

        Raises:
            SourceUnreadable: If there is no such topic.
        """
        from confluent_kafka import Consumer

        own = {"group.id": "gyre-reads-by-offset", "enable.auto.commit": False, "enable.partition.eof": False, "auto.offset.reset": "error"}
        consumer = Consumer({**{key: value for key, value in conn.extra.items() if "." in key}, **own})
        try:
            known = consumer.list_topics(timeout=TIMEOUT_S).topics
            if name not in known or not known[name].partitions:
                topics = [each for each in known if not each.startswith("__")]
                raise SourceUnreadable(f"There is no topic '{name}' at connection '{conn.conn_id}'.{did_you_mean(name, topics)}")
            yield cls(name, consumer)
        finally:
            consumer.close()

    def offsets(self) -> dict[int, tuple[int, int]]:
        """Say for each partition which offset is its first, and which its next message will have."""
        from confluent_kafka import TopicPartition

        partitions = sorted(self._consumer.list_topics(self.name, timeout=TIMEOUT_S).topics[self.name].partitions)
        return {p: self._consumer.get_watermark_offsets(TopicPartition(self.name, p), timeout=TIMEOUT_S) for p in partitions}

    def read(self, ranges: dict[int, tuple[int, int]], batch: int = 10_000) -> Iterator[list[Record]]:
        """Give the messages of these offset ranges [start, end), in batches; each partition's in its order.

        Raises:
            SourceUnreadable: If an offset is gone, or reading is not allowed.
            TimeoutError: If the broker gives nothing any more; trying again may help.
        """
        from confluent_kafka import TopicPartition

        left = {p: span for p, span in ranges.items() if span[0] < span[1]}
        self._consumer.assign([TopicPartition(self.name, p, start) for p, (start, _) in left.items()])
        heard = time.monotonic()
        while left:
            messages = self._consumer.consume(batch, timeout=1.0)
            records = [Record(int(m.partition()), int(m.offset()), m.value()) for m in messages if self._good(m) and m.partition() in left]  # type: ignore[arg-type]
            yield [record for record in records if record.offset < left[record.partition][1]]
            heard = time.monotonic() if records else heard
            self._drop_finished(left)
            if left and time.monotonic() - heard > TIMEOUT_S:
                raise TimeoutError(f"Topic '{self.name}': nothing came for {TIMEOUT_S:.0f} s, with {left} still to read.")

    def _good(self, message: Any) -> bool:
        if message.error() is None:
            return True
        if message.error().retriable():
            return False
        raise SourceUnreadable(f"Topic '{self.name}' cannot be read: {message.error().str()}.")

    def _drop_finished(self, left: dict[int, tuple[int, int]]) -> None:
        """Forget the partitions that are read to their end (a position may pass over offsets that hold no message)."""
        from confluent_kafka import TopicPartition

        for at in self._consumer.position([TopicPartition(self.name, p) for p in left]):
            if at.offset >= left[at.partition][1]:
                del left[at.partition]
                self._consumer.incremental_unassign([TopicPartition(self.name, at.partition)])
