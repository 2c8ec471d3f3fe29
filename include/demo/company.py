"""The company's own systems, filled with its data: a database, a bucket, a topic.

    database `company`   flights (the schedule of the whole year; no outcome is in it) and planes
    bucket `company`     weather/<local day>.parquet
    topic `arrivals`     what became of each flight, when that became known

The topic is what moves: `advance` sends what became known up to an instant. Its messages and their order follow from the data alone,
and each flight's go to one partition; so a partition's length says where to go on, whatever happened to this process.
Two kinds of trouble are put in on purpose, as such systems have them: every 4,000th message is preceded by one that was cut off, and
every 1,000th flight's first report is wrong by a quarter of an hour and corrected six hours later.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any
from zlib import crc32

from demo import flights_2013
from demo.bucket import BUCKET, open_bucket
from gyre.connections import Connection
from gyre.stack.s3 import ensure_bucket

if TYPE_CHECKING:
    import polars as pl
    import psycopg
    from obstore.store import S3Store

TOPIC = "arrivals"
PARTITIONS = 4
SCHEDULE = ("flight_id", "carrier", "flight", "tailnum", "origin", "dest", "distance", "scheduled_departure", "scheduled_arrival")
CUT_OFF_EVERY = 4000
WRONG_EVERY = 1000
TABLES = """
    CREATE TABLE IF NOT EXISTS flights (
        flight_id text PRIMARY KEY, carrier text NOT NULL, flight integer NOT NULL, tailnum text, origin text NOT NULL, dest text NOT NULL,
        distance integer NOT NULL, scheduled_departure timestamptz NOT NULL, scheduled_arrival timestamptz NOT NULL);
    CREATE INDEX IF NOT EXISTS flights_departure ON flights (scheduled_departure);
    CREATE TABLE IF NOT EXISTS planes (
        tailnum text PRIMARY KEY, year integer, type text, manufacturer text, model text, engines integer, seats integer);
"""


@dataclass(frozen=True)
class Company:
    """The company, reached through the connections `company_db`, `company_bucket` and `company_kafka`.

    Attributes:
        connections: By id.
        superuser: Of the database server; makes the company's role and database.
    """

    connections: dict[str, Connection]
    superuser: Connection

    @cached_property
    def _flights(self) -> pl.DataFrame:
        return flights_2013.flights()

    @cached_property
    def _weather(self) -> pl.DataFrame:
        return flights_2013.weather()

    def seed(self) -> None:
        """Make and fill the systems, unless they are. May be interrupted and repeated."""
        self._make_database()
        self._fill_tables()
        self._fill_bucket()
        self._make_topic()

    def _make_database(self) -> None:
        import psycopg
        from psycopg import sql

        db = self.connections["company_db"]
        name = sql.Identifier(str(db.schema))
        with psycopg.connect(self.superuser.postgres_uri, autocommit=True) as server:
            if not server.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [db.login]).fetchone():
                server.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(str(db.login))))
            server.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(str(db.login)), sql.Literal(db.password)))
            if not server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [db.schema]).fetchone():
                server.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, sql.Identifier(str(db.login))))

    def _connect(self) -> psycopg.Connection[Any]:
        import psycopg

        return psycopg.connect(self.connections["company_db"].postgres_uri)

    def _fill_tables(self) -> None:
        with self._connect() as db:
            db.execute(TABLES)
            tables: dict[str, Callable[[], pl.DataFrame]] = {"flights": lambda: self._flights.select(SCHEDULE), "planes": flights_2013.planes}
            for table, rows in tables.items():
                if not db.execute(f"SELECT EXISTS (SELECT FROM {table})").fetchone()[0]:  # type: ignore[index]  # noqa: S608 - two constants
                    _copy(db, table, rows())

    @cached_property
    def _bucket(self) -> S3Store:
        return open_bucket(self.connections["company_bucket"])

    def _fill_bucket(self) -> None:
        """Deliver the weather, a day an object."""
        ensure_bucket(BUCKET)
        there = {item["path"] for batch in self._bucket.list("weather") for item in batch}
        for (day,), rows in self._weather.partition_by("day", as_dict=True, include_key=False).items():
            if _weather_path(day) not in there:
                self._deliver(day, rows)

    def _deliver(self, day: date, rows: pl.DataFrame) -> None:
        content = io.BytesIO()
        rows.write_parquet(content)
        self._bucket.put(_weather_path(day), content.getvalue())

    def _make_topic(self) -> None:
        from confluent_kafka import KafkaError, KafkaException
        from confluent_kafka.admin import AdminClient
        from confluent_kafka.cimpl import NewTopic

        admin = AdminClient(_kafka(self.connections))
        try:
            admin.create_topics([NewTopic(TOPIC, num_partitions=PARTITIONS, config={"retention.ms": "-1"})])[TOPIC].result(30)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
        self._wait_for_topic()

    def _wait_for_topic(self) -> None:
        """A partition that was just made has no leader for a moment."""
        from confluent_kafka import KafkaException

        for _ in range(100):
            try:
                self._lengths()
            except KafkaException:
                time.sleep(0.1)
            else:
                return
        raise TimeoutError(f"The topic '{TOPIC}' has no leader after 10 s. Fix: look at Kafka's log and call `seed` again.")

    @cached_property
    def _messages(self) -> pl.DataFrame:
        """Every message of the year in the order it is sent: known_at, partition, key, value."""
        import polars as pl

        reports = _reports(self._flights)
        utc = [pl.col(name).dt.strftime("%Y-%m-%dT%H:%M:%SZ") for name in ("scheduled_departure", "departed_at", "landed_at", "known_at")]
        value = reports.with_columns(utc).select(value=pl.struct(pl.exclude("at")).struct.json_encode())["value"]
        messages = reports.select("at", key="flight_id", value=value)
        cut_off = messages.gather_every(CUT_OFF_EVERY, offset=CUT_OFF_EVERY - 1).with_columns(pl.col("value").str.slice(0, 60), order=pl.lit(0))
        ordered = pl.concat([messages.with_columns(order=pl.lit(1)), cut_off]).sort("at", "key", "order")
        partitions = [crc32(key.encode()) % PARTITIONS for key in ordered["key"]]
        return ordered.with_columns(partition=pl.Series(partitions))

    def advance(self, to: datetime) -> int:
        """Send what became known up to an instant and was not sent yet; tell how many messages that were."""
        from confluent_kafka import Producer

        sent = self._lengths()
        due = self._messages.filter(self._messages["at"] <= to.astimezone(UTC))
        producer = Producer({**_kafka(self.connections), "enable.idempotence": True, "compression.type": "lz4", "linger.ms": 20, "log_level": 3})
        count = 0
        for partition, offset in sent.items():
            for key, value in due.filter(due["partition"] == partition).slice(offset).select("key", "value").iter_rows():
                while True:
                    try:
                        producer.produce(TOPIC, value, key, partition)
                        break
                    except BufferError:
                        producer.poll(0.1)
                count += 1
        if producer.flush(60):
            raise TimeoutError(f"Kafka did not take all messages to '{TOPIC}' within a minute. Fix: look at its log and call `advance` again.")
        return count

    def _lengths(self) -> dict[int, int]:
        """Say how many messages each partition of the topic has."""
        from confluent_kafka import Consumer, TopicPartition

        reader = Consumer({**_kafka(self.connections), "group.id": "unused", "enable.auto.commit": False})  # member of no group
        try:
            return {p: reader.get_watermark_offsets(TopicPartition(TOPIC, p), timeout=30)[1] for p in range(PARTITIONS)}
        finally:
            reader.close()

    def corrupt_delivery(self, day: date) -> None:
        """Deliver a day's weather once more in other units (Celsius, metres a second), as after a change at the supplier's."""
        import polars as pl

        rows = self._weather.filter(day=_date(day)).drop("day")
        celsius = [((pl.col(name) - 32) / 1.8).round(2) for name in ("temp", "dewp")]
        self._deliver(day, rows.with_columns(*celsius, *((pl.col(name) / 2.23694).round(3) for name in ("wind_speed", "wind_gust"))))

    def fix_delivery(self, day: date) -> None:
        """Deliver a day's weather once more, right."""
        self._deliver(day, self._weather.filter(day=_date(day)).drop("day"))


def _date(day: date) -> date:
    return day.date() if isinstance(day, datetime) else day


def _kafka(connections: dict[str, Connection]) -> dict[str, Any]:
    return dict(connections["company_kafka"].extra)


def _weather_path(day: date) -> str:
    return f"weather/{day:%Y-%m-%d}.parquet"


def _copy(db: psycopg.Connection[Any], table: str, rows: pl.DataFrame) -> None:
    with db.cursor() as cursor, cursor.copy(f"COPY {table} ({', '.join(rows.columns)}) FROM STDIN (FORMAT csv)") as copy:
        copy.write(rows.write_csv(include_header=False, datetime_format="%Y-%m-%dT%H:%M:%SZ"))


def _reports(flights: pl.DataFrame) -> pl.DataFrame:
    """What became of each flight and when that was known: on landing, or, of one that never landed here, later."""
    import polars as pl

    diverted = pl.col("arr_delay").is_null() & ~pl.col("cancelled")
    known = pl.when("cancelled").then("scheduled_departure").when(diverted).then(pl.col("scheduled_arrival") + pl.duration(hours=6)).otherwise("landed_at")
    fields = ("flight_id", "carrier", "origin", "dest", "scheduled_departure", "departed_at", "landed_at", "dep_delay", "arr_delay", "cancelled")
    reports = flights.select(*fields, known_at=known).sort("known_at", "flight_id")
    landed = reports.filter(pl.col("arr_delay").is_not_null())
    corrected = landed.gather_every(WRONG_EVERY, offset=WRONG_EVERY - 1)
    first = pl.when(pl.col("flight_id").is_in(corrected["flight_id"].to_list())).then(15).otherwise(0)
    wrong = reports.with_columns(arr_delay=pl.col("arr_delay") - first)
    right = corrected.with_columns(known_at=pl.col("known_at") + pl.duration(hours=6))
    return pl.concat([wrong, right]).with_columns(at="known_at").sort("at", "flight_id")
