"""Job: extract every source of an interval into the lake's staging place."""

from __future__ import annotations

from gyre.ingest.extract import extract
from gyre.jobs.contract import main
from gyre.lake import Lake
from gyre.specs import load_use_case
from gyre.specs.ingest_messages import ExtractRequest, ExtractResult


def work(request: ExtractRequest) -> ExtractResult:
    """Extract the request's interval."""
    use_case = load_use_case(request.use_case)
    sources = extract(use_case, request.interval, request.job_id, Lake.of(request.use_case))
    return ExtractResult(start=request.start, end=request.end, sources=sources)


if __name__ == "__main__":
    main(ExtractRequest, work)
