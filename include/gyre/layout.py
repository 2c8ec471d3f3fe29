"""Where the local stack keeps things. Standard library only: every environment may import it.

.gyre/
├── secrets.json      generated once, mode 0600          ├── postgres/ s3/ kafka/ airflow/ ... each server's own data
├── login.txt         addresses, users, passwords, 0600  ├── serving/    served models: conf.d/*.conf, envoy/{rds,cds}.json
├── settings.json     the GYRE_* variables of the last up├── jobs/       one folder for each job
├── supervisor/       supervisord.conf, conf.d/*.conf    └── logs/       one file for each server, rotated
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

LONGEST_SOCKET_PATH = 100  # the kernel's limit is 107 bytes; some servers append a suffix


@dataclass(frozen=True)
class Layout:
    """The folders and files under one `GYRE_HOME`."""

    home: Path

    @property
    def secrets(self) -> Path:
        """Generated passwords and keys."""
        return self.home / "secrets.json"

    @property
    def login(self) -> Path:
        """What a person needs to sign in to Airflow and to Label Studio."""
        return self.home / "login.txt"

    @property
    def remembered_settings(self) -> Path:
        """The GYRE_* variables that the stack was started with."""
        return self.home / "settings.json"

    @property
    def supervisor(self) -> Path:
        """The supervisor's configuration."""
        return self.home / "supervisor"

    @property
    def logs(self) -> Path:
        """One log file for each server."""
        return self.home / "logs"

    @property
    def jobs(self) -> Path:
        """One folder for each job; a running one has a file `pid`."""
        return self.home / "jobs"

    @property
    def served_models(self) -> Path:
        """Where deploying writes one supervisor program for each served model version."""
        return self.home / "serving" / "conf.d"

    @property
    def envoy(self) -> Path:
        """Where deploying writes Envoy's routes (`rds.json`) and clusters (`cds.json`)."""
        return self.home / "serving" / "envoy"

    @property
    def sockets(self) -> Path:
        """A folder for unix sockets: in the home, or in the temporary folder where that path would be too long."""
        inside = self.home / "supervisor"
        if len(os.fsencode(inside / "supervisor.sock")) <= LONGEST_SOCKET_PATH:
            return inside
        name = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"gyre-{os.getuid()}-{name}"

    @property
    def supervisor_socket(self) -> Path:
        """Where supervisord answers XML-RPC."""
        return self.sockets / "supervisor.sock"

    @property
    def supervisor_session(self) -> Path:
        """The session that supervisord, and with it every server, was started in."""
        return self.supervisor / "session"

    def log(self, name: str) -> Path:
        """Log file of one server."""
        return self.logs / f"{name}.log"

    def create(self) -> None:
        """Make the folders, closed to other users (but passable: as root, PostgreSQL runs as another user)."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.home.chmod(0o711 if os.getuid() == 0 else 0o700)
        for folder in (self.supervisor / "conf.d", self.logs, self.jobs, self.served_models, self.envoy, self.sockets):
            folder.mkdir(parents=True, exist_ok=True)
        self.supervisor.chmod(0o700)
        self.sockets.chmod(0o700)
        self.logs.chmod(0o700)


def write_private(path: Path, text: str) -> bool:
    """Write a file that only its owner may read, whole or not at all. Returns whether anything changed."""
    if path.exists() and path.read_text() == text:
        return False
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with open(partial, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    return True
