"""Say what happened in a replay: lines while it runs, a table at its end, all read from the journal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from gyre.journal import Journal, Kind
from gyre.journal.questions import serving, training_of, trainings
from gyre.layout import Layout
from gyre.settings import settings

if TYPE_CHECKING:
    from rich.console import Console


def figures(body: dict[str, Any]) -> str:
    """One night's figures in a line."""
    rules = body.get("rules") or []
    worst = "; ".join(f"{r['rule']} {_figure(r.get('value'))} (limit {_figure(r.get('threshold'))})" for r in rules if r.get("value") is not None)
    return worst or "too few rows for a verdict"


def blocked_line(body: dict[str, Any]) -> str:
    """Why an interval was blocked, in a line."""
    checks = [c for c in body["checks"] if c["action"] == "block"]
    first = checks[0]
    more = f" and {len(checks) - 1} more" if len(checks) > 1 else ""
    return f"{first['source']}.{','.join(first['columns'])}: {first['expectation']}, {first['observed']}{more}"


def training_line(journal: Journal, use_case: str, version: int) -> str:
    """A version's figures in a line."""
    entry = training_of(journal, use_case, version)
    if entry is None:
        return "no training of it is in the journal"
    validation = entry.body["metrics"]["validation"]
    return ", ".join(f"{name} {_figure(value)}" for name, value in validation.items())


def comparison_line(body: dict[str, Any]) -> str:
    """An evaluation in a line."""
    failed = [g["name"] for g in body["gates"] if not g["passed"]]
    outcome = "it wins" if body["passed"] else f"it stays challenger ({', '.join(failed)})"
    c = body.get("comparison")
    if not c or c.get("champion") is None:
        return outcome
    return f"{c['metric']} {c['challenger']:.4f} against {c['champion']:.4f}, difference {c['difference']:+.4f} [{c['low']:+.4f}, {c['high']:+.4f}]: {outcome}"


def request_line(body: dict[str, Any]) -> str:
    """A retrain request in a line."""
    return str(body["reason"])


def labels_line(body: dict[str, Any]) -> str:
    """What people answered, in a line."""
    agreement = body["agreement"]
    people = "; ".join(_annotator(each) for each in agreement["annotators"])
    return (
        f"{body['agreed']} tasks agreed on, {body['disputed']} disputed (their rows stay out), {body['waiting']} wait; "
        f"kappa {_figure(agreement['kappa'])} (bar {_figure(agreement['bar'])}); {people}"
    )


def _annotator(body: dict[str, Any]) -> str:
    return f"{body['name'].partition('@')[0]} {body['gold_correct']} of {body['gold']} gold tasks right"


def show(journal: Journal, use_case: str) -> None:
    """Print the tables of what happened to a use case."""
    from rich.table import Table

    console = _console()
    console.rule(use_case)
    intervals = Table("interval", "rows", "quarantined", "outcome", title="Intervals")
    for e in journal.entries(use_case, Kind.INTERVAL_PUBLISHED, Kind.INTERVAL_BLOCKED):
        blocked = e.kind is Kind.INTERVAL_BLOCKED
        outcome = f"blocked: {blocked_line(e.body)}" if blocked else "published"
        rows = ("-", "-") if blocked else (f"{e.body['rows']:,}", f"{e.body['quarantined']:,}")
        intervals.add_row(f"{e.body['start'][:10]} .. {e.body['end'][:10]}", *rows, outcome)
    console.print(intervals)

    asked = Table("what", "figures", title="People")
    for e in journal.entries(use_case, Kind.TASKS_PUSHED, Kind.ANNOTATIONS_COLLECTED):
        if e.kind is Kind.TASKS_PUSHED and e.body["tasks"]:
            asked.add_row(f"asked {e.body['tasks']} tasks", ", ".join(f"{count} {reason}" for reason, count in sorted(e.body["reasons"].items())))
        elif e.kind is Kind.ANNOTATIONS_COLLECTED:
            asked.add_row(f"collected {e.body['annotations']} answers", labels_line(e.body))
    if asked.row_count:
        console.print(asked)

    serves = serving(journal, use_case)
    roles = {serves.champion: "champion", serves.previous: "previous"}
    versions = Table("version", "role", "why it was trained", "trained up to", "validation", title="Model versions")
    for e in trainings(journal, use_case):
        version = e.body["version"]
        line = training_line(journal, use_case, version)
        versions.add_row(f"v{version}", roles.get(version, "-"), str(e.body["reason"]), str(e.body["train_end"])[:10], line)
    console.print(versions)

    gates = Table("version", "gate", "passed", "evidence", title="Gate decisions")
    for e in journal.entries(use_case, Kind.EVALUATED):
        for gate in e.body["gates"]:
            gates.add_row(f"v{e.body['version']}", gate["name"], "yes" if gate["passed"] else "no", gate["evidence"])
    console.print(gates)

    nights = Table("night", "verdict", "figures", title="Monitoring")
    for e in journal.entries(use_case, Kind.MONITORED, Kind.RETRAIN_REQUESTED):
        asked = e.kind is Kind.RETRAIN_REQUESTED
        nights.add_row(
            str(e.body.get("night") or e.body.get("as_of"))[:10],
            "retrain request" if asked else e.body["verdict"],
            request_line(e.body) if asked else figures(e.body),
        )
    console.print(nights)


def farewell(use_cases: list[str], seconds: float) -> None:
    """Print how long it took, the addresses, the login and how to stop."""
    console, here = _console(), settings()
    console.print(f"The replay took {seconds:.0f} s.")
    console.print(f"Airflow       {here.url('airflow')}   (DAGs; Models: the board)")
    console.print(f"MLflow        {here.url('mlflow')}\nLabel Studio  {here.url('label_studio')}")
    for use_case in use_cases:
        console.print(f"Endpoint      {here.url('envoy')}/{use_case}/predict")
    console.print(f"Login         {Layout(here.home).login}\nStop          make down")


def _console() -> Console:
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 150)


def _figure(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
