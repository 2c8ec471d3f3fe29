"""A local stack of a test session's own, started beside any of the developer's and removed after it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gyre.connections import Connection, variable_of
from gyre.journal import Journal
from gyre.settings import REPOSITORY, Settings


@dataclass(frozen=True)
class RunningStack:
    """One local stack for a whole test session.

    Attributes:
        environment: What a process needs to work with it: settings and connections.
        use_cases: The folder its use cases are in: a copy, to which a test may add a folder.
    """

    home: Path
    use_cases: Path
    environment: dict[str, str]
    connections: dict[str, Connection]
    settings: Settings
    journal: Journal

    def gyre(self, *arguments: str, timeout: float = 600) -> subprocess.CompletedProcess[str]:
        """Run the `gyre` command against this stack."""
        command = [str(self.settings.venvs / "stack" / "bin" / "python"), "-m", "gyre.cli", *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=timeout, check=False)

    def processes(self, text: str) -> list[int]:
        """Find this stack's processes by a part of their command line."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                ours = str(self.settings.home).encode() in (folder / "environ").read_bytes()
            except OSError:
                continue
            if text in line and ours:
                found.append(int(folder.name))
        return found


@contextmanager
def running_stack(given: Mapping[str, str], for_servers: Mapping[str, str] | None = None) -> Iterator[RunningStack]:
    """Start a stack, hand its environment to this process, and leave nothing behind.

    Args:
        given: Settings of the stack.
        for_servers: Variables for the stack's own processes alone: a test may need to be somebody else.
    """
    home = Path(tempfile.mkdtemp(prefix="gyre-test-"))
    home.chmod(0o755)  # the database runs as a user of its own
    use_cases = home / "include" / "use_cases"
    shutil.copytree(REPOSITORY / "include" / "use_cases", use_cases, ignore=shutil.ignore_patterns("__pycache__"))
    before = dict(os.environ)
    os.environ.update({"GYRE_HOME": str(home / "state"), "GYRE_USE_CASES": str(use_cases), "PYTHONPATH": str(REPOSITORY / "include"), **given})
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    servers = dict(os.environ) | dict(for_servers or {})
    running = RunningStack(home, use_cases, servers, {}, Settings(dict(os.environ)), Journal(""))
    try:
        started = running.gyre("up")
        assert started.returncode == 0, started.stdout[-3000:] + started.stderr[-3000:]
        yield _connected(running)
    finally:
        stopped = running.gyre("down")
        os.environ.clear()
        os.environ.update(before)
        shutil.rmtree(home, ignore_errors=True)
        assert stopped.returncode == 0, stopped.stdout[-2000:] + stopped.stderr[-2000:]


def _connected(running: RunningStack) -> RunningStack:
    from gyre.stack.airflow_settings import local_connections

    connections = local_connections()
    told = {variable_of(conn_id): conn.to_json() for conn_id, conn in connections.items()}
    os.environ.update(told)
    journal = Journal(connections["gyre_journal"].postgres_uri)
    return RunningStack(running.home, running.use_cases, running.environment | told, connections, Settings(dict(os.environ)), journal)
