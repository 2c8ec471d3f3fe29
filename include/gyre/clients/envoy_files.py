"""Envoy's clusters and routes as files of this machine: a new one is renamed over the old one; Envoy sees the rename and takes it up."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gyre.clients.envoy import Change, Kind, version_at
from gyre.clients.envoy_config import discovery


@dataclass(frozen=True)
class EnvoyFiles:
    """One Envoy of this machine. Writers take turns by a lock beside the files.

    Attributes:
        folder: With `cds.json` and `rds.json`, which Envoy watches.
        admin: Address of its admin interface.
    """

    folder: Path
    admin: str
    poll_s: float = 0.05

    def read(self, kind: Kind) -> dict[str, Any]:
        """Read a file."""
        try:
            return dict(json.loads((self.folder / f"{kind}.json").read_text()))
        except FileNotFoundError:
            return discovery("0", [])

    def change(self, kind: Kind, change: Change) -> None:
        """Write a whole new file over the old one, unless they say the same."""
        with self._lock():
            before = self.read(kind)["resources"]
            resources = change(before)
            if resources == before:
                return
            partial = self.folder / f".{kind}.json.{os.getpid()}.partial"
            partial.write_text(json.dumps(discovery(f"{time.time_ns()}", resources), indent=1))
            partial.replace(self.folder / f"{kind}.json")

    def taken_up(self, kind: Kind) -> bool:
        """Ask the admin interface, and look at the file again: another writer may have come after."""
        return bool(version_at(self.admin, kind) == self.read(kind)["version_info"])

    def name_of(self, kind: Kind) -> str:
        """Name the file."""
        return str(self.folder / f"{kind}.json")

    def where_to_look(self) -> str:
        """Name the admin interface and the commands."""
        return f"(its admin interface: {self.admin}). Fix: `gyre status`, `gyre logs envoy`."

    @contextmanager
    def _lock(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder.parent / "envoy.lock").open("a") as lock:  # not in the folder: Envoy looks at each change there
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
