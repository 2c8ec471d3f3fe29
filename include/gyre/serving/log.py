"""The record of what was answered: one JSON object a row, appended in one write a request, before the answer is sent."""

from __future__ import annotations

import json
import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

log = logging.getLogger("gyre.serving")


class PredictionLog:
    """One file for each process: `<folder>/<when it started>-<pid>.jsonl`."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.jsonl"
        self._file: int | None = None
        self._torn = False

    def append(self, records: list[dict[str, Any]]) -> None:
        """Append records. A disk that is full costs the record and not the answer: it is said in the process's own log."""
        lines = "".join(json.dumps(record, separators=(",", ":")) + "\n" for record in records).encode()
        try:
            if self._file is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
            written = os.write(self._file, b"\n" + lines if self._torn else lines)
            self._torn = written < len(lines)
        except OSError as error:
            log.error("%d predictions were not recorded in %s: %s", len(records), self._path, error)  # noqa: TRY400 - no traceback each request
