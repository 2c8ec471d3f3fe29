"""A journal that lives as long as its process: for tests, and for looking at decisions without a database."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from typing import Any

from gyre.journal import Entry, Journal, Kind, _plain


@dataclass(frozen=True)
class MemoryJournal(Journal):
    """The same interface and the same rules as the real one: entries are added once and never changed."""

    dsn: str = "memory"
    _entries: list[Entry] = field(default_factory=list)
    _locks: dict[str, Lock] = field(default_factory=dict)

    def migrate(self) -> None:
        """Do nothing: there are no tables."""

    @contextmanager
    def lock(self, use_case: str, name: str, wait_s: float | None = None) -> Iterator[bool]:
        """Hold a lock among the threads of this process; tells whether it is held."""
        lock = self._locks.setdefault(f"{use_case}/{name}", Lock())
        held = lock.acquire(timeout=-1 if wait_s is None else max(wait_s, 0)) if wait_s is None or wait_s > 0 else lock.acquire(blocking=False)
        try:
            yield held
        finally:
            if held:
                lock.release()

    def add(self, use_case: str, kind: Kind, key: str, body: Mapping[str, Any]) -> bool:
        """Add an entry, unless one of the same use case, kind and key is there; tell whether it was added."""
        if self.get(use_case, kind, key) is not None:
            return False
        plain = json.loads(json.dumps(body, default=_plain))
        self._entries.append(Entry(len(self._entries) + 1, datetime.now(UTC), use_case, kind, key, plain))
        return True

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
        found = [
            e
            for e in self._entries
            if (use_case is None or e.use_case == use_case) and (not kinds or e.kind in kinds) and (key is None or e.key == key) and e.id > after
        ]
        yield from (found[::-1] if newest_first else found)[:limit]
