"""The scanner's deliveries: its pictures are made once (`demo.pictures`), and brought to the company's bucket week by week."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from demo.bucket import BUCKET, open_bucket
from gyre.connections import Connection
from gyre.errors import StackError
from gyre.settings import REPOSITORY, settings
from gyre.stack.s3 import ensure_bucket

if TYPE_CHECKING:
    from obstore.store import S3Store

ENVIRONMENT = "torch"
AT_ONCE = 8


@dataclass(frozen=True)
class Scanner:
    """The scanner, and the bucket it delivers to.

    Attributes:
        folder: Where its pictures and their truth lie.
        connection: `company_bucket`.
    """

    folder: Path
    connection: Connection

    @cached_property
    def bucket(self) -> S3Store:
        """The company's bucket."""
        return open_bucket(self.connection)

    @property
    def truth_file(self) -> Path:
        """What was really written, by scan id. The platform never reads it."""
        return self.folder / "truth.json"

    @cached_property
    def truth(self) -> dict[str, str]:
        """Scan id -> digit."""
        found: dict[str, str] = json.loads(self.truth_file.read_text())
        return found

    def seed(self) -> None:
        """Make the pictures, and deliver the answers that the company knows."""
        if not self.folder.exists():
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            self._make()
        ensure_bucket(BUCKET)
        self.bucket.put("gold/digits.parquet", (self.folder / "gold" / "digits.parquet").read_bytes())

    def _make(self) -> None:
        """Run `demo.pictures` where scikit-learn and Pillow are; this environment has neither."""
        python = settings().venvs / ENVIRONMENT / "bin" / "python"
        environment = {"PYTHONPATH": str(REPOSITORY / "include"), "PATH": "/usr/bin:/bin"}
        ended = subprocess.run([python, "-m", "demo.pictures", str(self.folder)], env=environment, capture_output=True, text=True, timeout=300)
        if ended.returncode:
            raise StackError(f"The scanner's pictures cannot be made: {ended.stderr.strip()[-800:]}")

    def deliver(self, week: datetime) -> int:
        """Bring a week's pictures to the bucket; tell how many there are. What is there already is not brought again."""
        prefix = f"scans/{week:%Y-%m-%d}"
        there = {item["path"] for batch in self.bucket.list(prefix) for item in batch}
        files = sorted((self.folder / prefix).glob("*.png"))
        missing = [file for file in files if f"{prefix}/{file.name}" not in there]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda file: self.bucket.put(f"{prefix}/{file.name}", file.read_bytes()), missing))
        return len(files)
