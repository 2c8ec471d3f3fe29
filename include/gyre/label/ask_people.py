"""Decide what people are asked and what is collected, and note what came of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from gyre.clients.mlflow import MLFLOW_CONNECTION
from gyre.errors import NothingToDo
from gyre.journal import JOURNAL_CONNECTION, Entry, Journal, Kind
from gyre.journal.questions import open_retrain_requests, serving
from gyre.label.decide import asked_for, published_cells
from gyre.lake import Lake
from gyre.run import Run
from gyre.specs import Interval, People, UseCase, parse_instant
from gyre.specs.label_messages import CollectRequest, CollectResult, DriftWindow, Progress, PushRequest, PushResult


def ask_push(use_case: UseCase, run: Run, journal: Journal, given: Any) -> PushRequest:  # noqa: ARG001 - every `ask` takes these
    """Ask to send tasks of the open window, and of the windows of open retrain requests.

    Raises:
        BadParameters: If only one of start and end is given, or they are no whole cells.
        NothingToDo: If nothing is published yet.
    """
    people = people_of(use_case)
    window = asked_for(use_case, run) or open_window(use_case, people, Lake.of(use_case.name), datetime.now(UTC))
    champion = serving(journal, use_case.name).champion
    return PushRequest(
        job="push",
        job_id=run.job_id,
        use_case=use_case.name,
        environment=use_case.environment,
        connections=[people.connection, JOURNAL_CONNECTION, *([people.files] if people.files else []), *([MLFLOW_CONNECTION] if champion else [])],
        start=window.start,
        end=window.end,
        champion=champion,
        budget=run.params.get("budget"),
        drifted=drift_windows(people, open_retrain_requests(journal, use_case.name)),
        **run.asked_by,
    )


def ask_collect(use_case: UseCase, run: Run, journal: Journal, given: Any) -> CollectRequest:  # noqa: ARG001 - every `ask` takes these
    """Ask for what people answered since last time, whatever it is about.

    Raises:
        NothingToDo: If nothing is published yet.
    """
    people = people_of(use_case)
    published = published_cells(use_case, Lake.of(use_case.name), datetime.now(UTC))
    return CollectRequest(
        job="collect",
        job_id=run.job_id,
        use_case=use_case.name,
        environment=use_case.environment,
        connections=[people.connection],
        start=published[0].start,
        end=published[-1].end,
        **run.asked_by,
    )


def people_of(use_case: UseCase) -> People:
    """Give the spec of a use case whose labels people give."""
    assert isinstance(use_case.labels, People)  # noqa: S101 - the DAG asks for these tasks only then
    return use_case.labels


def open_window(use_case: UseCase, people: People, lake: Lake, now: datetime) -> Interval:
    """Give the event time whose rows people are asked about: the horizon back from the newest published cell."""
    grid, newest = use_case.schedule.grid, published_cells(use_case, lake, now)[-1].end
    return Interval(grid.floor(max(newest - people.horizon, use_case.schedule.start)), newest)


def drift_windows(people: People, requests: list[Entry]) -> list[DriftWindow]:
    """Name the windows of retrain requests that people are asked about; a request that looked at none has none."""
    if not people.answer_drift:
        return []
    seen = [(e.key, e.body["window_start"], e.body["window_end"]) for e in requests if e.body.get("window_start") and e.body.get("window_end")]
    return [DriftWindow(key=key, start=parse_instant(start), end=parse_instant(end)) for key, start, end in seen]


def note_push(use_case: UseCase, run: Run, journal: Journal, request: PushRequest, result: PushResult) -> dict[str, Any]:
    """Note what people were asked.

    Raises:
        NothingToDo: If nothing new was asked, and nothing new is known of what was asked for a retrain request.
    """
    before = _before(journal, use_case, Kind.TASKS_PUSHED, request.job_id)
    if not result.tasks and (before.get("requests") or {}) == result.requests and before.get("asked", 0) == result.asked:
        raise NothingToDo(f"nobody needs to be asked: {result.asked:,} tasks cover {request.interval}, as before")
    body = {**result.model_dump(mode="json"), "run_id": run.run_id}
    journal.add(use_case.name, Kind.TASKS_PUSHED, request.job_id, body)
    return {"tasks": result.tasks, "reasons": result.reasons, "asked": result.asked, "project_url": result.project_url}


def note_collect(use_case: UseCase, run: Run, journal: Journal, request: CollectRequest, result: CollectResult) -> dict[str, Any]:
    """Note what people answered, and what was labelled by it.

    Raises:
        NothingToDo: If no answer came or changed: the run is green and starts no training.
    """
    requests = {**_without_tasks(journal, use_case), **{key: each.model_dump() for key, each in result.requests.items()}}
    figures = result.model_dump(mode="json", include={"tasks", "waiting", "agreed", "disputed", "labelled", "agreement"}) | {"requests": requests}
    before = _before(journal, use_case, Kind.ANNOTATIONS_COLLECTED, request.job_id)
    same = figures == {name: before.get(name) for name in figures}
    if same and not (result.changed or result.asked_again or result.annotations or result.withdrawn):
        raise NothingToDo(f"no answer came or changed: {result.agreed:,} of {result.tasks:,} tasks are agreed on, {result.waiting:,} wait, as before")
    body = {**result.model_dump(mode="json", exclude={"changed"}), **figures, "run_id": run.run_id}
    journal.add(use_case.name, Kind.ANNOTATIONS_COLLECTED, request.job_id, body)
    if result.changed:
        joined = result.model_dump(mode="json", include={"start", "end", "rows", "labelled", "version", "changed"}) | {"run_id": run.run_id}
        journal.add(use_case.name, Kind.LABELS_JOINED, request.job_id, joined)
    told = {name: figures[name] for name in ("tasks", "waiting", "agreed", "disputed", "labelled", "requests")}
    return {**told, "kappa": result.agreement.kappa, "changed": len(result.changed), "version": result.version}


def _without_tasks(journal: Journal, use_case: UseCase) -> dict[str, dict[str, int]]:
    """Name the retrain requests for which there was no row to ask about: nobody need wait for those."""
    pushed = journal.last(use_case.name, Kind.TASKS_PUSHED)
    asked: dict[str, int] = pushed.body["requests"] if pushed else {}
    return {key: Progress(asked=0, answered=0).model_dump() for key, count in asked.items() if not count}


def _before(journal: Journal, use_case: UseCase, kind: Kind, job_id: str) -> dict[str, Any]:
    """Read what was noted last, by another job: a note may be taken twice."""
    newest = journal.entries(use_case.name, kind, newest_first=True, limit=2)
    return next((entry.body for entry in newest if entry.key != job_id), {})
