"""Ask for the audit of an extract; say no to an interval that it blocks."""

from __future__ import annotations

from typing import Any

from gyre.errors import BlockedInterval
from gyre.journal import Journal, Kind
from gyre.run import Run
from gyre.specs import Check, UseCase
from gyre.specs.ingest_messages import AuditRequest, AuditResult, ExtractResult


def ask(use_case: UseCase, run: Run, journal: Journal, given: Any) -> AuditRequest:  # noqa: ARG001 - every `ask` takes these
    """Ask for the audit of what was extracted; `given` is the result of `extract`."""
    extract = ExtractResult.model_validate(given)
    return AuditRequest(
        job="audit",
        job_id=run.job_id,
        use_case=use_case.name,
        environment=use_case.environment,
        connections=[],
        start=extract.start,
        end=extract.end,
        extracts=extract.sources,
        **run.asked_by,
    )


def note(use_case: UseCase, run: Run, journal: Journal, request: AuditRequest, result: AuditResult) -> dict[str, Any]:
    """Hand on what may be published.

    Raises:
        BlockedInterval: If a failed check forbids it; the journal says so too.
    """
    if not result.blocked:
        return result.model_dump(mode="json")
    body = {
        "start": result.start,
        "end": result.end,
        "checks": [check.model_dump(mode="json") for check in result.checks],
        "passed": result.passed,
        "page": result.page,
        "run_id": run.run_id,
    }
    journal.add(use_case.name, Kind.INTERVAL_BLOCKED, request.job_id, body)
    raise BlockedInterval(blocked_text(use_case, request, result))


def blocked_text(use_case: UseCase, request: AuditRequest, result: AuditResult) -> str:
    """Say what blocks an interval: sources, columns, counts, examples, the page, and the cure."""
    blocking = [check for check in result.checks if check.action == "block"]
    lines = [f"'{use_case.name}' {request.interval} is blocked by {len(blocking)} failed check{'s' * (len(blocking) > 1)}; nothing of it is published."]
    lines += [f"  {_line(check)}" for check in blocking]
    lines.append(f"All checks: {result.page}")
    lines.append(
        f"Fix: mend the source and trigger '{use_case.name}__ingest' again with start={request.start.isoformat()} and end={request.end.isoformat()} "
        f"(or clear the task 'extract' of this run). If the data are right and the check is not, change it in {use_case.expectations.partition(':')[0]}."
    )
    return "\n".join(lines)


def _line(check: Check) -> str:
    where = f"{check.source}.{', '.join(check.columns)}" if check.columns else check.source
    examples = "".join(f"\n    for example {example}" for example in check.examples)
    return f"{where}: {check.expectation}, observed {check.observed}{examples}"
