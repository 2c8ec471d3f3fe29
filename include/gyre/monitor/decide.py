"""The monitor phase inside Airflow: which nights to look at, the record of what was seen, and whether to ask for a new model."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from gyre.errors import NothingToDo
from gyre.journal import Entry, Journal, Kind
from gyre.journal.questions import open_retrain_requests, serving, training_of
from gyre.monitor import nights, rules
from gyre.run import Run
from gyre.specs import UseCase, cell_key, parse_instant
from gyre.specs.monitor_messages import MonitorRequest, MonitorResult, Night, Proposal

SHOWN = 90  # nights of history in the report's pictures


def ask(use_case: UseCase, run: Run, journal: Journal, given: Any) -> MonitorRequest:  # noqa: ARG001 - every job is asked alike
    """Ask for every night since the last one that was looked at.

    Raises:
        NothingToDo: If nothing serves, or no night is due.
        BadParameters: If `as_of` is no instant.
    """
    champion = serving(journal, use_case.name).champion
    if champion is None:
        raise NothingToDo("no version serves yet")
    past = [e for e in journal.entries(use_case.name, Kind.MONITORED) if not _own(e, run)]
    after = max((parse_instant(e.body["end"]) for e in past), default=None)
    as_of = event_clock(use_case, run, journal)
    ends = nights.ends_due(use_case, as_of, after)
    if not ends:
        raise NothingToDo(
            f"no night is due at {as_of:%Y-%m-%d %H:%M}: the last one looked at ended {after:%Y-%m-%d %H:%M}" if after else f"no cell ended before {as_of}"
        )
    training = training_of(journal, use_case.name, champion)
    made = training.body if training else {}
    return MonitorRequest(
        job="monitor",
        job_id=run.job_id,
        use_case=use_case.name,
        environment=use_case.environment,
        connections=[],
        **run.asked_by,
        version=champion,
        ends=ends,
        reference_uri=made.get("reference_uri"),
        holdout_uri=made.get("holdout_uri"),
        classes=made.get("classes") or [],
        requested=last_requested(journal, use_case.name),
        history=[Night.model_validate(night) for e in past for night in e.body["nights"]][-SHOWN:],
    )


def event_clock(use_case: UseCase, run: Run, journal: Journal) -> datetime:
    """Say what time it is: what the run was told, else the night of the newest published cell.

    Raises:
        NothingToDo: If nothing was published.
        BadParameters: If the run was told no instant.
    """
    told = run.params.get("as_of")
    if told:
        return parse_instant(told, use_case.schedule.zone)
    published = [parse_instant(e.body["end"]) for e in journal.entries(use_case.name, Kind.INTERVAL_PUBLISHED)]
    if not published:
        raise NothingToDo("nothing is published yet")
    return max(published) + use_case.monitoring.night


def last_requested(journal: Journal, use_case: str) -> datetime | None:
    """Give the night of the last retrain request; a request of another kind has none and starts no cool-down."""
    asked = [parse_instant(e.body["night"]) for e in journal.entries(use_case, Kind.RETRAIN_REQUESTED) if e.body.get("night")]
    return max(asked, default=None)


def note(use_case: UseCase, run: Run, journal: Journal, request: MonitorRequest, result: MonitorResult) -> dict[str, Any]:
    """Record what was seen. Noted twice it is there once."""
    last = result.nights[-1]
    verdict = rules.overall(result.verdicts, result.proposal)
    body = {
        "verdict": verdict,
        "version": request.version,
        "as_of": last.night.isoformat(),
        "night": last.night.isoformat(),
        "end": last.end.isoformat(),
        "job_id": run.job_id,
        "nights": [night.model_dump(mode="json") for night in result.nights],
        "rules": [{**last.statistics[v.rule].model_dump(mode="json"), **v.model_dump(mode="json")} for v in result.verdicts],
        "features": [f.model_dump(mode="json") for f in result.features[:10]],
        "collected": result.collected.model_dump(mode="json"),
        "traffic": result.traffic.model_dump(mode="json") if result.traffic else None,
        "report": result.report,
        "proposal": result.proposal.model_dump(mode="json") if result.proposal else None,
    }
    journal.add(use_case.name, Kind.MONITORED, f"{request.version}/{cell_key(last.end)}", body)
    figures = {v.rule: f"{v.state}: {v.text}" for v in result.verdicts}
    return {"verdict": verdict, "version": request.version, "night": last.night.isoformat(), "rows": last.rows, "rules": figures, "report": result.report}


def request_retraining(use_case: UseCase, run: Run, journal: Journal, given: Any) -> dict[str, Any]:  # noqa: ARG001 - every decision is called alike
    """Ask for a new model, once, if the newest look at the champion says so.

    Decided from the journal alone, so a hundred equal alarms ask once: the key is the rule, the version and the night of the first alarm; while
    a request is open there is no second one; and after one the rule's cool-down runs in event time.

    Raises:
        NothingToDo: If there is no reason to ask, or it was asked already.
    """
    seen = journal.last(use_case.name, Kind.MONITORED)
    proposed = Proposal.model_validate(seen.body["proposal"]) if seen and seen.body.get("proposal") else None
    if seen is None or proposed is None:
        raise NothingToDo("no rule asks for a new model")
    if proposed.version != serving(journal, use_case.name).champion:
        raise NothingToDo(f"version {proposed.version}, which raised the alarm, serves no more")
    opened = open_retrain_requests(journal, use_case.name)
    if opened:
        raise NothingToDo(f"retrain request {opened[0].key} is open")
    rule = next((r for r in use_case.monitoring.rules if r.name == proposed.rule), None)
    requested = last_requested(journal, use_case.name)
    if rule is None or not rules.cooled_down(rule, proposed.night, requested):
        raise NothingToDo(
            f"rule {proposed.rule} cools down: the last request was made for the night of {requested:%Y-%m-%d %H:%M}" if rule else "the rule is gone"
        )
    key = f"{proposed.rule}/{proposed.version}/{cell_key(proposed.night)}"
    reason = (
        f"{proposed.statistic} {proposed.value:.3f} > {proposed.threshold:.3f} on {proposed.rows:,} rows from "
        f"{proposed.window_start:%Y-%m-%d} to {proposed.window_end:%Y-%m-%d} (rule {proposed.rule}, version {proposed.version})"
    )
    body = {"reason": reason, **proposed.model_dump(mode="json"), "report": seen.body["report"]}
    if not journal.add(use_case.name, Kind.RETRAIN_REQUESTED, key, body):
        raise NothingToDo(f"retrain request {key} was made before, and answered")
    return {"request": key, "reason": reason}


def _own(entry: Entry, run: Run) -> bool:
    """Tell whether this very piece of work wrote an entry: a retry after it must ask for the same nights again."""
    return bool(entry.body.get("job_id") == run.job_id)
