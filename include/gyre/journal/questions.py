"""What the journal is asked. State is derived here, from entries alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gyre.journal import Entry, Journal, Kind


@dataclass(frozen=True)
class Serving:
    """Which versions serve and served.

    Attributes:
        champion: Serves now.
        previous: What to roll back to.
    """

    champion: int | None
    previous: int | None


def serving(journal: Journal, use_case: str) -> Serving:
    """Say what serves: the last promotion that was finished."""
    last = journal.last(use_case, Kind.PROMOTION_FINISHED)
    return Serving(last.body["version"], last.body.get("previous")) if last else Serving(None, None)


def unfinished_promotions(journal: Journal, use_case: str) -> list[Entry]:
    """List promotions that were intended and neither finished nor undone, oldest first."""
    ended = {e.key for e in journal.entries(use_case, Kind.PROMOTION_FINISHED, Kind.PROMOTION_UNDONE)}
    return [e for e in journal.entries(use_case, Kind.PROMOTION_INTENDED) if e.key not in ended]


def trainings(journal: Journal, use_case: str) -> list[Entry]:
    """List finished trainings, oldest first; each made one model version."""
    return list(journal.entries(use_case, Kind.TRAINING_FINISHED))


def training_of(journal: Journal, use_case: str, version: int) -> Entry | None:
    """Find the training that made a version."""
    return next((e for e in reversed(trainings(journal, use_case)) if e.body["version"] == version), None)


def challenger(journal: Journal, use_case: str) -> int | None:
    """Name the newest version that never served, if it is newer than the champion."""
    made = [e.body["version"] for e in trainings(journal, use_case)]
    served = {e.body["version"] for e in journal.entries(use_case, Kind.PROMOTION_FINISHED)}
    newest = max(made, default=None)
    return newest if newest is not None and newest not in served else None


def open_retrain_requests(journal: Journal, use_case: str) -> list[Entry]:
    """List retrain requests that no finished training answered, oldest first."""
    answered = {key for e in trainings(journal, use_case) for key in e.body.get("requests", [])}
    return [e for e in journal.entries(use_case, Kind.RETRAIN_REQUESTED) if e.key not in answered]


def evaluations(journal: Journal, use_case: str, version: int) -> list[Entry]:
    """List the evaluations of a version, oldest first."""
    return [e for e in journal.entries(use_case, Kind.EVALUATED) if e.body["version"] == version]


def labelling(journal: Journal, use_case: str) -> dict[str, Any] | None:
    """Say how far people are with what they were asked; None if nobody was asked anything."""
    pushed, collected = journal.last(use_case, Kind.TASKS_PUSHED), journal.last(use_case, Kind.ANNOTATIONS_COLLECTED)
    if pushed is None and collected is None:
        return None
    asked = pushed.body["asked"] if pushed else 0
    if collected is None:
        return {"project_url": pushed and pushed.body["project_url"], "tasks": asked, "waiting": asked, "disputed": 0, "kappa": None, "bar": None}
    seen = collected.body
    new = max(asked - seen["tasks"], 0) if pushed and pushed.id > collected.id else 0  # sent since the last look at the answers
    figures = {"tasks": seen["tasks"] + new, "waiting": seen["waiting"] + new, "disputed": seen["disputed"]}
    return {"project_url": seen["project_url"], **figures, "kappa": seen["agreement"]["kappa"], "bar": seen["agreement"]["bar"]}


def summary(journal: Journal, use_case: str) -> dict[str, Any]:
    """Sum up a use case for the command line and the board: intervals, versions, what serves, labelling, requests, drift."""
    serves = serving(journal, use_case)
    monitored = journal.last(use_case, Kind.MONITORED)
    return {
        "use_case": use_case,
        "intervals": {
            "published": [_interval(e) for e in journal.entries(use_case, Kind.INTERVAL_PUBLISHED)],
            "blocked": [_interval(e) for e in journal.entries(use_case, Kind.INTERVAL_BLOCKED)],
        },
        "versions": [
            {key: e.body.get(key) for key in ("version", "run_id", "reason", "metrics", "train_end", "data_end")} for e in trainings(journal, use_case)
        ],
        "champion": serves.champion,
        "previous": serves.previous,
        "challenger": challenger(journal, use_case),
        "labelling": labelling(journal, use_case),
        "open_retrain_requests": [{"key": e.key, **e.body} for e in open_retrain_requests(journal, use_case)],
        "drift": {"at": monitored.at.isoformat(), **monitored.body} if monitored else None,
    }


def _interval(entry: Entry) -> dict[str, Any]:
    return {"at": entry.at.isoformat(), **{k: entry.body.get(k) for k in ("start", "end", "rows", "quarantined", "checks")}}
