"""Job: publish what an audit let pass."""

from __future__ import annotations

from gyre.ingest.publish import publish
from gyre.jobs.contract import main
from gyre.lake import Lake
from gyre.specs import load_use_case
from gyre.specs.ingest_messages import PublishRequest, PublishResult


def work(request: PublishRequest) -> PublishResult:
    """Publish the request's interval."""
    use_case = load_use_case(request.use_case)
    version, rows = publish(request.audit, Lake.of(request.use_case), use_case.schedule.grid)
    return PublishResult(start=request.start, end=request.end, version=version, rows=rows, quarantined=request.audit.quarantined)


if __name__ == "__main__":
    main(PublishRequest, work)
