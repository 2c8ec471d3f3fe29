"""Landing a topic, with librdkafka's in-memory broker: the real protocol, in this process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from confluent_kafka import Producer

from gyre.connections import Connection, variable_of
from gyre.ingest.topic import land
from gyre.lake import Lake
from gyre.specs import Grid, Topic

GRID = Grid(datetime(2024, 1, 1, tzinfo=UTC), timedelta(days=1))
SPEC = Topic(connection="events", topic="facts", event_time="at", fields={"id": "string", "at": "timestamp"})


@dataclass
class Broker:
    cluster: Producer
    address: str

    def send(self, *messages: object) -> None:
        producer = Producer({"bootstrap.servers": self.address})
        for message in messages:
            producer.produce("facts", message if isinstance(message, bytes) else json.dumps(message).encode(), partition=0)
        assert producer.flush(20) == 0


def broker(monkeypatch) -> Broker:
    cluster = Producer({"bootstrap.servers": "unused", "test.mock.num.brokers": 1})
    address = next(f"{b.host}:{b.port}" for b in cluster.list_topics(timeout=10).brokers.values())
    monkeypatch.setenv(variable_of("events"), Connection("events", "kafka", extra={"bootstrap.servers": address}).to_json())
    return Broker(cluster, address)


@pytest.fixture
def events(monkeypatch) -> Iterator[Broker]:
    yield broker(monkeypatch)


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(f"file://{tmp_path}/lake", {})


def fact(name: str, day: int = 1) -> dict[str, str]:
    return {"id": name, "at": f"2024-01-{day:02}T12:00:00Z"}


def landed(lake: Lake) -> list[tuple[str, str]]:
    table = lake.table("sources", "facts")
    assert table is not None
    return sorted((row["id"], row["_interval"]) for row in table.to_pyarrow_table().to_pylist())


def test_each_message_is_landed_once_in_the_cell_of_its_event_time(events, lake):
    events.send(fact("a"), fact("b", day=2))
    land("facts", SPEC, GRID, lake)
    events.send(fact("c", day=2))
    assert land("facts", SPEC, GRID, lake).rows == 1
    assert land("facts", SPEC, GRID, lake).rows == 0
    assert landed(lake) == [("a", "2024-01-01T00:00:00Z"), ("b", "2024-01-02T00:00:00Z"), ("c", "2024-01-02T00:00:00Z")]


def test_an_unreadable_message_is_kept_aside_and_stops_nothing(events, lake):
    events.send(fact("a"), b"{broken", fact("b"))
    assert land("facts", SPEC, GRID, lake).unreadable == 1
    rejected = lake.table("rejected", "facts").to_pyarrow_table().to_pylist()  # type: ignore[union-attr]
    assert [(r["raw"], r["_offset"], r["topic"]) for r in rejected] == [("{broken", 1, "facts")]
    assert [name for name, _ in landed(lake)] == ["a", "b"]


def test_a_writer_that_read_the_same_offsets_meanwhile_adds_nothing_twice(events, lake, monkeypatch):
    from gyre.ingest import topic

    events.send(fact("a"))
    land("facts", SPEC, GRID, lake)
    events.send(fact("b"), b"{broken", fact("c"))
    read, others = topic._read, []

    def read_while_another_lands(*args):
        result = read(*args)
        if not others:
            others.append(True)
            land("facts", SPEC, GRID, lake)
        return result

    monkeypatch.setattr(topic, "_read", read_while_another_lands)
    assert land("facts", SPEC, GRID, lake).rows == 0
    assert [name for name, _ in landed(lake)] == ["a", "b", "c"]
    assert lake.table("rejected", "facts").to_pyarrow_table().num_rows == 1  # type: ignore[union-attr]


def test_a_topic_that_was_made_anew_is_read_from_its_beginning(events, lake, monkeypatch, caplog):
    events.send(fact("a"), fact("b"))
    land("facts", SPEC, GRID, lake)
    anew = broker(monkeypatch)
    anew.send(fact("c"))
    assert land("facts", SPEC, GRID, lake).rows == 1
    assert "it was made anew" in caplog.text
    anew.send(fact("d"))
    assert land("facts", SPEC, GRID, lake).rows == 1
    assert [name for name, _ in landed(lake)] == ["a", "b", "c", "d"]
