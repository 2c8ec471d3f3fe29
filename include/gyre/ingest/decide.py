"""Ask for the publication of an audited interval, and note it in the journal."""

from __future__ import annotations

from typing import Any

from gyre.journal import Journal, Kind
from gyre.run import Run
from gyre.specs import UseCase
from gyre.specs.ingest_messages import AuditResult, ExtractResult, PublishRequest, PublishResult


def ask(use_case: UseCase, run: Run, journal: Journal, given: Any) -> PublishRequest:  # noqa: ARG001 - every `ask` takes these
    """Ask for the publication of what the audit let pass; `given` holds the results of `extract` and `audit`."""
    audit, extract = AuditResult.model_validate(given["audit"]), ExtractResult.model_validate(given["extract"])
    return PublishRequest(
        job="publish",
        job_id=run.job_id,
        use_case=use_case.name,
        environment=use_case.environment,
        connections=[],
        start=audit.start,
        end=audit.end,
        audit=audit,
        extracts=extract.sources,
        **run.asked_by,
    )


def note(use_case: UseCase, run: Run, journal: Journal, request: PublishRequest, result: PublishResult) -> dict[str, Any]:
    """Note what was published; returns what the asset event carries."""
    extracts = request.extracts
    body = {
        "start": result.start,
        "end": result.end,
        "rows": result.rows,
        "quarantined": result.quarantined,
        "version": result.version,
        "checks": [check.model_dump(mode="json") for check in request.audit.checks],
        "passed": request.audit.passed,
        "page": request.audit.page,
        "unreadable": sum(each.unreadable for each in extracts),
        "objects_read": sum(each.objects_read for each in extracts),
        "objects_unchanged": sum(each.objects_unchanged for each in extracts),
        "objects_missing": [uri for each in extracts for uri in each.objects_missing],
        "run_id": run.run_id,
    }
    journal.add(use_case.name, Kind.INTERVAL_PUBLISHED, request.job_id, body)
    return {"start": result.start.isoformat(), "end": result.end.isoformat(), "rows": result.rows, "version": result.version, "page": request.audit.page}
