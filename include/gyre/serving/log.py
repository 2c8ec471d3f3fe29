"""The record of what was answered: one JSON object a row, appended in one write a request, before the answer is sent."""

from __future__ import annotations

import json
import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any

log = logging.getLogger("gyre.serving")


LARGEST_FILE = 64 * 2**20


class PredictionLog:
    """Files of one process, `<folder>/<when it was begun>-<pid>.jsonl`; another is begun when one is large, so that those before it may go."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path: Path | None = None
        self._file = -1
        self._size = 0
        self._torn = False
        self._lock = Lock()

    def append(self, records: list[dict[str, Any]]) -> None:
        """Append records. A disk that is full costs the record and not the answer: it is said in the process's own log."""
        lines = "".join(json.dumps(record, separators=(",", ":")) + "\n" for record in records).encode()
        try:
            with self._lock:
                self._write(lines)
        except OSError as error:
            log.error("%d predictions were not recorded in %s: %s", len(records), self._path or self._folder, error)  # noqa: TRY400 - no traceback each request

    def _write(self, lines: bytes) -> None:
        if self._path is None or self._size >= LARGEST_FILE:
            self._begin()
        written = os.write(self._file, b"\n" + lines if self._torn else lines)
        self._size += written
        self._torn = written < len(lines)

    def _begin(self) -> None:
        path = self._folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.jsonl"
        if path == self._path:  # a whole file in one second: it grows on
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        if self._path is not None:
            os.close(self._file)
        self._path, self._file, self._size, self._torn = path, file, 0, False
