"""Job: land what the label source has, and give rows their labels."""

from __future__ import annotations

from gyre.ingest.topic import land
from gyre.jobs.contract import load, main
from gyre.label.join import join_labels
from gyre.lake import Lake
from gyre.specs import Topic, load_use_case
from gyre.specs.label_messages import LabelRequest, LabelResult


def work(request: LabelRequest) -> LabelResult:
    """Label the request's window."""
    use_case, lake = load_use_case(request.use_case), Lake.of(request.use_case)
    source = use_case.sources[use_case.labels.source]
    if isinstance(source, Topic):
        land(use_case.labels.source, source, use_case.schedule.grid, lake)
    joined = join_labels(use_case, request.interval, lake, load(use_case.labels.function))
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
