"""Job: land what the label source has, and give rows the labels that facts tell."""

from __future__ import annotations

from gyre.errors import InvalidUseCase
from gyre.ingest.topic import land
from gyre.jobs.contract import load, main
from gyre.label.facts import join_facts
from gyre.lake import Lake
from gyre.specs import Facts, Topic, load_use_case
from gyre.specs.label_messages import LabelRequest, LabelResult


def work(request: LabelRequest) -> LabelResult:
    """Label the request's window."""
    use_case, lake = load_use_case(request.use_case), Lake.of(request.use_case)
    facts = use_case.labels
    if not isinstance(facts, Facts):
        raise InvalidUseCase(use_case.name, "its labels come from people since this job was asked for. Fix: clear the run, so that it is planned anew.")
    source = use_case.sources[facts.source]
    if isinstance(source, Topic):
        land(facts.source, source, use_case.schedule.grid, lake)
    joined = join_facts(use_case, facts, request.interval, lake, load(facts.function))
    return LabelResult(
        start=request.start,
        end=request.end,
        rows=joined.rows,
        labelled=joined.labelled,
        changed=[cell.start for cell in joined.changed],
        version=joined.version,
    )


if __name__ == "__main__":
    main(LabelRequest, work)
