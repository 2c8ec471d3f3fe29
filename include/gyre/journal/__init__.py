"""The append-only record of what was decided and done, in PostgreSQL. State is derived from it; nothing in it is ever updated."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from gyre.journal.kinds import Kind

if TYPE_CHECKING:
    import psycopg

__all__ = ["JOURNAL_CONNECTION", "Entry", "Journal", "Kind"]

JOURNAL_CONNECTION = "gyre_journal"
# A machine that vanishes closes no connection: without this, the server would keep its lock for two hours.
NOTICE_A_DEAD_MACHINE = "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3"


@dataclass(frozen=True)
class Entry:
    """One thing that was decided or done."""

    id: int
    at: datetime
    use_case: str
    kind: Kind
    key: str
    body: dict[str, Any]


@dataclass(frozen=True)
class Journal:
    """The journal in one database.

    Attributes:
        dsn: `postgresql://` address, with credentials.
    """

    dsn: str

    @contextmanager
    def _connect(self) -> Iterator[psycopg.Connection[Any]]:
        import psycopg

        with psycopg.connect(self.dsn, connect_timeout=10) as connection:
            yield connection

    def migrate(self) -> None:
        """Create what is missing. May be run any number of times, by several at once."""
        with self._connect() as connection:
            connection.execute("SELECT pg_advisory_xact_lock(7103901)")
            connection.execute(files("gyre.journal").joinpath("schema.sql").read_text())

    @contextmanager
    def lock(self, use_case: str, name: str, wait_s: float | None = None) -> Iterator[bool]:
        """Hold a lock that one process at a time can have, on any machine. It goes with the process, however that ends.

        Args:
            use_case: Whose.
            name: What it is about.
            wait_s: How long to wait while another holds it; for ever when None.

        Yields:
            Whether it is held: always True when `wait_s` is None.
        """
        import psycopg

        key = f"{use_case}/{name}"
        holder = f"gyre {os.getpid()}@{socket.gethostname()[:16]} {key}"  # for whoever asks pg_stat_activity
        with psycopg.connect(self.dsn, connect_timeout=10, autocommit=True, application_name=holder) as connection:
            connection.execute(NOTICE_A_DEAD_MACHINE)
            if wait_s is not None and wait_s <= 0:
                row = connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 7103901))", (key,)).fetchone()
                yield bool(row and row[0])
                return
            connection.execute("SELECT set_config('lock_timeout', %s, false)", (f"{int((wait_s or 0) * 1000)}",))  # 0: no limit
            try:
                connection.execute("SELECT pg_advisory_lock(hashtextextended(%s, 7103901))", (key,))
            except psycopg.errors.LockNotAvailable:
                held = False
            else:
                held = True
            yield held

    def add(self, use_case: str, kind: Kind, key: str, body: Mapping[str, Any]) -> bool:
        """Add an entry, unless one of the same use case, kind and key is there; tell whether it was added."""
        with self._connect() as connection:
            added = connection.execute(
                "INSERT INTO journal (use_case, kind, key, body) VALUES (%s, %s, %s, %s) ON CONFLICT (use_case, kind, key) DO NOTHING RETURNING id",
                (use_case, kind.value, key, json.dumps(body, default=_plain)),
            ).fetchone()
        return added is not None

    def get(self, use_case: str, kind: Kind, key: str) -> Entry | None:
        """Read one entry."""
        return next(self.entries(use_case, kind, key=key), None)

    def last(self, use_case: str, *kinds: Kind) -> Entry | None:
        """Read the newest entry of these kinds."""
        return next(self.entries(use_case, *kinds, newest_first=True, limit=1), None)

    def entries(
        self,
        use_case: str | None = None,
        *kinds: Kind,
        key: str | None = None,
        after: int = 0,
        newest_first: bool = False,
        limit: int | None = None,
    ) -> Iterator[Entry]:
        """Read entries in the order they were added, of one use case or all, of these kinds or all."""
        query = f"""
            SELECT id, at, use_case, kind, key, body FROM journal
            WHERE (%(use_case)s::text IS NULL OR use_case = %(use_case)s) AND (%(kinds)s::text[] IS NULL OR kind = ANY(%(kinds)s))
              AND (%(key)s::text IS NULL OR key = %(key)s) AND id > %(after)s
            ORDER BY id {"DESC" if newest_first else "ASC"} LIMIT %(limit)s
        """  # noqa: S608 - only the order is put in, from two constants
        given = {"use_case": use_case, "kinds": [k.value for k in kinds] or None, "key": key, "after": after, "limit": limit}
        with self._connect() as connection:
            rows = connection.execute(query, given).fetchall()
        for id_, at, of, kind, key_, body in rows:
            yield Entry(id_, at, of, Kind(kind), key_, body)


def _plain(value: Any) -> Any:
    """Write what JSON does not know: instants as ISO 8601, numpy's numbers as numbers."""
    if isinstance(value, datetime):
        return value.isoformat()
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"A journal entry cannot hold {type(value).__name__}: {value!r}")
