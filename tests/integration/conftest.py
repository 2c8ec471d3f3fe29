"""The real local stack, started once for a test session beside any stack of the developer's own, and removed after it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gyre.connections import Connection, variable_of
from gyre.journal import Journal
from gyre.settings import REPOSITORY, Settings
from gyre.stack.airflow_api import AirflowApi

PORT_BASE = "18000"  # below the ports that systems give to clients


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


@pytest.fixture(scope="session")
def stack() -> Iterator[RunningStack]:
    """Start the stack, hand its environment to this process, and leave nothing behind."""
    home = Path(tempfile.mkdtemp(prefix="gyre-test-"))
    home.chmod(0o755)  # the database runs as a user of its own
    use_cases = home / "include" / "use_cases"
    shutil.copytree(REPOSITORY / "include" / "use_cases", use_cases, ignore=shutil.ignore_patterns("__pycache__"))
    given = {
        "GYRE_HOME": str(home / "state"),
        "GYRE_PORT_BASE": PORT_BASE,
        "GYRE_USE_CASES": str(use_cases),
        "PYTHONPATH": str(REPOSITORY / "include"),
    }
    before = dict(os.environ)
    os.environ.update(given)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    running = RunningStack(home, use_cases, dict(os.environ), {}, Settings(dict(os.environ)), Journal(""))
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
    os.environ.update({variable_of(conn_id): conn.to_json() for conn_id, conn in connections.items()})
    journal = Journal(connections["gyre_journal"].postgres_uri)
    return RunningStack(running.home, running.use_cases, dict(os.environ), connections, Settings(dict(os.environ)), journal)


@pytest.fixture(scope="session")
def airflow(stack: RunningStack) -> Iterator[AirflowApi]:
    """Airflow's REST API, signed in as the stack's administrator."""
    with AirflowApi.local() as api:
        yield api
