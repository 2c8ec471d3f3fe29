"""What runs, and what the use cases have come to: the contents of `gyre status`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from gyre.journal import Journal
from gyre.journal.questions import summary
from gyre.layout import Layout
from gyre.settings import settings
from gyre.stack import processes, supervisor
from gyre.stack.airflow_settings import local_connections
from gyre.stack.component import Component
from gyre.stack.components import NAMES, components
from gyre.stack.context import Stack
from gyre.stack.supervisor import Process


@dataclass(frozen=True)
class ComponentStatus:
    """One line of the report. `healthy` is what the server itself answers, not only that its process is there."""

    name: str
    state: str
    healthy: bool
    address: str
    note: str


def component_statuses() -> list[ComponentStatus]:
    """The stack's servers and the served models. All stopped where no stack was ever started."""
    layout = Layout(settings().home)
    known = supervisor.processes(layout)
    if not known:
        return [ComponentStatus(name, "stopped", False, "", "") for name in NAMES]
    parts = components(Stack.open())
    with ThreadPoolExecutor(max_workers=len(parts)) as pool:
        own = list(pool.map(lambda part: _status(part, known.get(part.name)), parts))
    return own + [_model_status(each) for name, each in known.items() if name not in NAMES]


def _model_status(process: Process) -> ComponentStatus:
    return ComponentStatus(process.name, process.state.lower(), process.state == "RUNNING", "", "served model")


def _status(part: Component, process: Process | None) -> ComponentStatus:
    state = process.state.lower() if process else "stopped"
    if process is None or not process.pid:
        return ComponentStatus(part.name, state, False, part.address(), part.note())
    problem = part.problem(process.started)
    return ComponentStatus(part.name, state, problem is None, part.address(), problem or part.note())


def running_jobs() -> int:
    """How many jobs run on this machine."""
    return len(processes.running_jobs(Layout(settings().home)))


def local_journal() -> Journal:
    """The local stack's journal, for the command line, the demo and the tests."""
    return Journal(local_connections()["gyre_journal"].postgres_uri)


def use_cases(journal: Journal) -> list[dict[str, Any]]:
    """What the journal says of each use case that has an entry in it; empty while it cannot be asked."""
    import psycopg

    try:
        names = sorted({entry.use_case for entry in journal.entries()})
        return [summary(journal, name) for name in names if name]
    except psycopg.Error:
        return []
