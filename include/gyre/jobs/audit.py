"""Job: check an extract with the use case's expectations, make its features, check those."""

from __future__ import annotations

from gyre.jobs.contract import load, main
from gyre.lake import Lake
from gyre.specs import load_use_case
from gyre.specs.ingest_messages import AuditRequest, AuditResult
from gyre.validate.audit import audit
from gyre.validate.suites import quiet


def work(request: AuditRequest) -> AuditResult:
    """Audit the request's extracts."""
    use_case = load_use_case(request.use_case)
    quiet()
    suites, features = load(use_case.expectations), load(use_case.features.function)
    return audit(use_case, request.interval, request.extracts, Lake.of(request.use_case), request.job_id, suites, features)


if __name__ == "__main__":
    main(AuditRequest, work)
